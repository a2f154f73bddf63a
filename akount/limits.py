"""How many documents a tenant may send a minute: one count for all processes in Redis, else one in this process (R10)."""

from __future__ import annotations

import math
import threading
import time
import uuid

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter

from akount.connections import FAULTS, TIMEOUT, Outage, redis_pool
from akount.errors import LimitExceeded
from config import Settings

WINDOW_SECONDS = 60


class Limiter:
    """JOBS_PER_MINUTE submissions of each tenant in any 60 seconds; in Redis a slot is taken in one step, by one script.

    Redis away: each process counts for itself at once, and finds Redis again by itself (connections.Outage)."""

    def __init__(self, settings: Settings, *, seconds: int = WINDOW_SECONDS) -> None:
        self._limit = RateLimitItemPerSecond(settings.jobs_per_minute, seconds, namespace="jobs")
        self._outage = Outage("limiter")
        self._shared: MovingWindowRateLimiter | None = None
        self._own: MovingWindowRateLimiter | None = None
        self._lock = threading.Lock()
        self._pool = None
        if settings.redis is not None:
            self._pool = redis_pool(settings, timeout=TIMEOUT, retries=1, connections=settings.web_threads)
            # the pool knows the address: the URL here only says that it is one of Redis
            self._shared = MovingWindowRateLimiter(RedisStorage("redis://", connection_pool=self._pool, key_prefix="akount"))

    def admit(self, tenant_id: uuid.UUID) -> None:
        """Takes a slot of the tenant. Raises LimitExceeded with the numbers and the seconds until the next slot is free."""
        free_at = self._take(str(tenant_id))
        if free_at is None:
            return
        count, window = self._limit.amount, self._limit.get_expiry()
        wait = max(1, math.ceil(free_at - time.time()))
        raise LimitExceeded(
            f"{count} documents may be sent in any {window} seconds, and {count} were; send the next in {wait} s.",
            code="job_limit",
            retry_after=wait,
            headers={"RateLimit-Limit": str(count), "RateLimit-Remaining": "0", "RateLimit-Reset": str(wait)},
        )

    def close(self) -> None:
        """Lets go of its connections."""
        if self._pool is not None:
            self._pool.disconnect()

    def _take(self, tenant: str) -> float | None:
        """None: a slot was taken. Else the time when the next one is free."""
        if self._shared is not None and not self._outage.resting():
            try:
                free_at = self._ask(self._shared, tenant)
            except FAULTS as error:
                self._outage.begin(error)
            else:
                self._outage.end()
                return free_at
        with self._lock:
            self._own = self._own or MovingWindowRateLimiter(MemoryStorage())  # only now: it starts a thread
            return self._ask(self._own, tenant)

    def _ask(self, window: MovingWindowRateLimiter, tenant: str) -> float | None:
        if window.hit(self._limit, tenant):
            return None
        state = window.get_window_stats(self._limit, tenant)
        return state.reset_time if state.remaining <= 0 else time.time()
