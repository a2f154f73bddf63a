"""How often something may be done in a minute: one count for all processes in Redis, else one in this process (R10, E3)."""

from __future__ import annotations

import math
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage, RedisStorage

from akount.connections import FAULTS, TIMEOUT, Outage, redis_pool
from akount.errors import LimitExceeded
from config import Settings

WINDOW_SECONDS = 60
FRESH_SECONDS = 1.0
_TAKE = f"""
local function take(KEYS, ARGV) {RedisStorage.SCRIPT_ACQUIRE_MOVING_WINDOW.decode()} end
local function look(KEYS, ARGV) {RedisStorage.SCRIPT_MOVING_WINDOW.decode()} end
local taken = take(KEYS, ARGV) and 1 or 0
local told = look(KEYS, {{ARGV[1] - ARGV[3], ARGV[2]}})
if told then redis.call('ltrim', KEYS[1], 0, told[2] - 1) end
return {{taken, told}}
"""
"""The two scripts of the library in one: who takes a slot is told at once how many are taken. And what has left the window is
forgotten: the library keeps as many slots as the limit has, however old, for as long as somebody goes on asking."""
Answer = TypeVar("Answer")


class _Told(threading.local):
    """What a thread was told of the windows that it took from last: that of the request, and that of its document."""

    def __init__(self) -> None:
        self._windows: dict[tuple[str, int, int], tuple[float, tuple[float, int]]] = {}

    def keep(self, which: tuple[str, int, int], at: float, window: tuple[float, int]) -> None:
        self.pop(which)
        if len(self._windows) > 1:
            del self._windows[next(iter(self._windows))]
        self._windows[which] = at, window

    def pop(self, which: tuple[str, int, int]) -> tuple[float, int] | None:
        """None: nothing, or not just now."""
        at, window = self._windows.pop(which, (0.0, None))
        return window if 0 <= time.time() - at < FRESH_SECONDS else None


class Shared(RedisStorage):
    """The library's storage in Redis, which asks once for what the library asks twice: whether a slot is free, and how many
    are taken. Whoever has just taken one is told from memory, once."""

    def __init__(self, uri: str, **options: Any) -> None:
        super().__init__(uri, **options)
        self._take = self.storage.register_script(_TAKE)
        self._told = _Told()

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """As the library does."""
        at = time.time()
        taken, window = self._take([self.prefixed_key(key)], [at, limit, expiry, amount])
        self._told.keep((key, limit, expiry), at, (float(window[0]), window[1]) if window else (at, 0))
        return bool(taken)

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """As the library does."""
        told = self._told.pop((key, limit, expiry))
        return super().get_moving_window(key, limit, expiry) if told is None else told


class Windows:
    """Moving windows; in Redis a slot is taken in one step, by one script. Nothing here fails: with Redis away each process
    counts for itself at once, and finds Redis again by itself (connections.Outage).

    A process has one, whatever it counts, so that whoever is counted twice in a request waits for an outage once."""

    def __init__(self, settings: Settings) -> None:
        self._outage = Outage("limiter")
        self._shared: RedisStorage | None = None
        self._own: MemoryStorage | None = None
        self._lock = threading.Lock()
        self._pool = None
        if settings.redis is not None:
            self._pool = redis_pool(settings, timeout=TIMEOUT, retries=1, connections=settings.web_threads)
            # the pool knows the address: the URL here only says that it is one of Redis
            self._shared = Shared("redis://", connection_pool=self._pool, key_prefix="akount")

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Takes slots of a window of `limit` in `expiry` seconds. False: not so many are free."""
        return self._ask(lambda storage: storage.acquire_entry(key, limit, expiry, amount))

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """When the oldest of the slots that are taken was taken, and how many are."""
        return self._ask(lambda storage: storage.get_moving_window(key, limit, expiry))

    def clear(self, key: str) -> None:
        """Gives all slots of a window back."""
        self._ask(lambda storage: storage.clear(key))

    def close(self) -> None:
        """Lets go of its connections."""
        if self._pool is not None:
            self._pool.disconnect()

    def _ask(self, ask: Callable[[RedisStorage | MemoryStorage], Answer]) -> Answer:
        if self._shared is not None and not self._outage.resting():
            try:
                answer = ask(self._shared)
            except FAULTS as error:
                self._outage.begin(error)
            else:
                self._outage.end()
                return answer
        with self._lock:
            self._own = self._own or MemoryStorage()  # only now: it starts a thread
            return ask(self._own)


class Lent(MemoryStorage):
    """The windows of the process for a library that wants to be told an address, `akount://`, and options."""

    STORAGE_SCHEME = ["akount"]  # noqa: RUF012  so the library has it

    def __init__(self, _uri: str, *, windows: Windows) -> None:
        super().__init__()
        self._windows = windows

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """As Windows does."""
        return self._windows.acquire_entry(key, limit, expiry, amount)

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """As Windows does."""
        return self._windows.get_moving_window(key, limit, expiry)


def numbers(limit: int, remaining: int, seconds: float) -> dict[str, str]:
    """The headers that tell of a limit; `seconds` until a slot is free again, or the next one that is taken."""
    reset = str(max(0, math.ceil(seconds)))
    return {"RateLimit-Limit": str(limit), "RateLimit-Remaining": str(remaining), "RateLimit-Reset": reset}


@dataclass(frozen=True, slots=True)
class Level:
    """How much of a limit is taken at this moment."""

    taken: int
    limit: int
    seconds: float
    "until the oldest slot is free again; 0: none is taken"


class Limiter:
    """JOBS_PER_MINUTE submissions of each tenant in any 60 seconds."""

    def __init__(self, settings: Settings, *, seconds: int = WINDOW_SECONDS) -> None:
        self.windows = Windows(settings)
        self._limit = RateLimitItemPerSecond(settings.jobs_per_minute, seconds, namespace="jobs")

    def admit(self, tenant_id: uuid.UUID) -> None:
        """Takes a slot of the tenant. Raises LimitExceeded with the numbers and the seconds until the next slot is free."""
        count, seconds = self._limit.amount, self._limit.get_expiry()
        window = (self._limit.key_for(str(tenant_id)), count, seconds)
        if self.windows.acquire_entry(*window):
            return
        oldest, taken = self.windows.get_moving_window(*window)
        wait = max(1, math.ceil(oldest + seconds - time.time())) if taken >= count else 1
        raise LimitExceeded(
            f"{count} documents may be sent in any {seconds} seconds, and {count} were; send the next in {wait} s.",
            code="job_limit",
            retry_after=wait,
            headers=numbers(count, 0, wait),
        )

    def level(self, tenant_id: uuid.UUID) -> Level:
        """How much of its limit a tenant has taken."""
        count, seconds = self._limit.amount, self._limit.get_expiry()
        oldest, taken = self.windows.get_moving_window(self._limit.key_for(str(tenant_id)), count, seconds)
        return Level(taken, count, max(0.0, oldest + seconds - time.time()) if taken else 0.0)

    def release(self, tenant_id: uuid.UUID) -> None:
        """Gives back all slots of a tenant: it may send at once as much as the limit allows."""
        self.windows.clear(self._limit.key_for(str(tenant_id)))

    def close(self) -> None:
        """Lets go of its connections."""
        self.windows.close()
