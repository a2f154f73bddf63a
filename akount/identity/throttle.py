"""How often somebody may try to sign in: 10 times a minute for each account, 10 failures a minute for each address (E3)."""

from __future__ import annotations

import math
import time

from akount.errors import LimitExceeded
from akount.limits import Windows

TRIES = 10
WINDOW_SECONDS = 60


class Throttle:
    """A try of an account takes its slot before the password is looked at, so that of a thousand at once ten are looked at;
    a sign-in that succeeds gives them back. An address is charged for failures only: an office that comes in at nine is no
    attack, and whoever has an account of their own cannot wipe out what they did to others by signing in to it."""

    def __init__(self, windows: Windows, *, seconds: int = WINDOW_SECONDS) -> None:
        self._windows = windows
        self._seconds = seconds

    def admit(self, account: str, address: str) -> None:
        """Takes a try of the account. Raises LimitExceeded when the account or the address had too many."""
        if self._wait(_from(address)) or not self._take(_as(account)):
            wait = max(1, math.ceil(max(self._wait(_from(address)), self._wait(_as(account)))))
            raise LimitExceeded(f"Too many tries to sign in; try again in {wait} s.", code="sign_in_limit", retry_after=wait)

    def failed(self, address: str) -> None:
        """Counts a failure against the address."""
        self._take(_from(address))

    def succeeded(self, account: str) -> None:
        """Gives back what the account's tries took."""
        self._windows.clear(_as(account))

    def _take(self, key: str) -> bool:
        return self._windows.acquire_entry(key, TRIES, self._seconds)

    def _wait(self, key: str) -> float:
        """Seconds until a slot is free; 0 when one is."""
        oldest, taken = self._windows.get_moving_window(key, TRIES, self._seconds)
        return 0 if taken < TRIES else max(0.0, oldest + self._seconds - time.time())


def _from(address: str) -> str:
    return f"sign-in/from/{address}"


def _as(account: str) -> str:
    return f"sign-in/as/{account}"
