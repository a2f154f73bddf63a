"""How often somebody may try to sign in: 10 times a minute for each account, 10 failures a minute for each address (E3)."""

from __future__ import annotations

import math
import threading
import time
from typing import Protocol

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from akount.errors import LimitExceeded

TRIES = 10
WINDOW_SECONDS = 60


class Window(Protocol):
    """A moving window that counts by key."""

    def hit(self, key: str) -> bool:
        """Takes a slot, in one step. False: none is free."""

    def wait(self, key: str) -> float:
        """Seconds until a slot is free; 0 when one is."""

    def clear(self, key: str) -> None:
        """Gives all slots of a key back."""


class MemoryWindow:
    """Counts in this process; several processes each count for themselves."""

    def __init__(self, amount: int, seconds: int) -> None:
        self._item = RateLimitItemPerSecond(amount, seconds)
        self._limiter: MovingWindowRateLimiter | None = None
        self._lock = threading.Lock()  # the storage's own do not cover clearing

    def hit(self, key: str) -> bool:
        """As Window says."""
        with self._lock:
            return self._open().hit(self._item, key)

    def wait(self, key: str) -> float:
        """As Window says."""
        with self._lock:
            stats = self._open().get_window_stats(self._item, key)
        return 0 if stats.remaining > 0 else max(0.0, stats.reset_time - time.time())

    def clear(self, key: str) -> None:
        """As Window says."""
        with self._lock:
            self._open().clear(self._item, key)

    def _open(self) -> MovingWindowRateLimiter:
        self._limiter = self._limiter or MovingWindowRateLimiter(MemoryStorage())  # only now: it starts a thread
        return self._limiter


class Throttle:
    """A try of an account takes its slot before the password is looked at, so that of a thousand at once ten are looked at;
    a sign-in that succeeds gives them back. An address is charged for failures only: an office that comes in at nine is no
    attack, and whoever has an account of their own cannot wipe out what they did to others by signing in to it."""

    def __init__(self, window: Window | None = None) -> None:
        self._window = window or MemoryWindow(TRIES, WINDOW_SECONDS)

    def admit(self, account: str, address: str) -> None:
        """Takes a try of the account. Raises LimitExceeded when the account or the address had too many."""
        refused = self._window.wait(f"from:{address}")
        if not refused and not self._window.hit(f"as:{account}"):
            refused = self._window.wait(f"as:{account}") or 1
        if refused:
            wait = max(1, math.ceil(refused))
            raise LimitExceeded(f"Too many tries to sign in; try again in {wait} s.", code="sign_in_limit", retry_after=wait)

    def failed(self, address: str) -> None:
        """Counts a failure against the address."""
        self._window.hit(f"from:{address}")

    def succeeded(self, account: str) -> None:
        """Gives back what the account's tries took."""
        self._window.clear(f"as:{account}")
