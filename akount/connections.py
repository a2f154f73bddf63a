"""The one place that builds Redis connections from settings, each user with time-outs of its own (R1, R2)."""

from __future__ import annotations

import threading
import time

from redis import BlockingConnectionPool, ConnectionPool, Redis
from redis.backoff import EqualJitterBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from akount import logs
from config import Settings

log = logs.get(__name__)

Client = Redis
"""A way to Redis, for who only asks it."""
ERRORS = (RedisConnectionError, RedisTimeoutError)
"""The server is away."""
FAULTS = (RedisError,)
"""Away, or there and refusing, such as for a wrong password."""

TIMEOUT = 0.5
"""Seconds that whoever answers a person waits for Redis (R2)."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 4.0
"""Seconds that a server which was away is left alone; the longest is also how late its return may be noticed."""


def redis_pool(settings: Settings, *, timeout: float, retries: int, connections: int = 20) -> ConnectionPool:
    """A lazy pool: `timeout` seconds to connect and to answer; a connection that broke is made again `retries` times.

    A time-out is not tried again: a server that is frozen would cost its time-out each time. redis-py alone retries
    ten times, whatever happened: time-outs of 500 ms then become ten seconds."""
    url = settings.redis
    if url is None:
        raise ValueError("Redis is not configured")
    tls: dict[str, object] = {}
    if url.startswith("rediss:"):
        tls = {
            "ssl_cert_reqs": "required" if settings.redis_tls_verify else "none",
            "ssl_check_hostname": settings.redis_tls_verify,
        }
        if settings.redis_tls_ca_file:
            tls["ssl_ca_certs"] = settings.redis_tls_ca_file
    return BlockingConnectionPool.from_url(
        url,
        max_connections=connections,
        timeout=timeout,
        socket_connect_timeout=timeout,
        socket_timeout=timeout,
        socket_keepalive=True,
        retry=Retry(EqualJitterBackoff(base=0.02, cap=0.5), retries, supported_errors=(RedisConnectionError,)),
        **tls,
    )


def redis_client(settings: Settings, *, timeout: float = TIMEOUT, retries: int = 1) -> Redis:
    """A client for short questions; closing it closes its connections."""
    return Redis.from_pool(redis_pool(settings, timeout=timeout, retries=retries))


class Outage:
    """Whether a server is away, as one of its users in this process sees it: said once, and once when it is over (R2).

    While it is away it is left alone for pauses that grow, with jitter, to a cap; after each pause one caller tries."""

    def __init__(self, what: str, **about: str) -> None:
        self._what, self._about = what, about
        self._lock = threading.Lock()
        self._backoff = EqualJitterBackoff(base=FIRST_PAUSE, cap=LONGEST_PAUSE)
        self._away = False
        self._tries = 0
        self._quiet_until = 0.0

    def resting(self) -> bool:
        """Whether to do without the server for now. The one caller who is to try hears False, and reports how it went."""
        with self._lock:
            if not self._away:
                return False
            if time.monotonic() < self._quiet_until:
                return True
            self._tries = min(self._tries + 1, 10)  # the pause has its cap long before; the power must not overflow
            self._pause()
            return False

    def begin(self, error: BaseException) -> None:
        """The server did not do what was asked."""
        with self._lock:
            known, self._away = self._away, True
            self._pause()
        if not known:
            log.warning(f"{self._what} away", error=type(error).__name__, **self._about)

    def end(self) -> None:
        """The server did what was asked."""
        with self._lock:
            known, self._away, self._tries = self._away, False, 0
        if known:
            log.info(f"{self._what} back", **self._about)

    def _pause(self) -> None:
        self._quiet_until = time.monotonic() + self._backoff.compute(self._tries)


def weaknesses(client: Redis) -> dict[str, str]:
    """What makes this Redis unfit to hold a queue (R9): code → what is wrong and how it is mended. Raises FAULTS.

    INFO tells also where CONFIG is forbidden."""
    found = {}
    if client.info("memory").get("maxmemory_policy") != "noeviction":
        found["eviction"] = (
            "maxmemory-policy is not noeviction, so waiting work may be thrown away; CONFIG SET maxmemory-policy noeviction."
        )
    if not client.info("persistence").get("aof_enabled"):
        found["persistence"] = "appendonly is off, so messages do not survive its restart; CONFIG SET appendonly yes."
    return found


def examine(settings: Settings) -> None:
    """At a start: a warning in the log for each weakness of the queue's Redis (R9).

    Done in the foreground, with the time-out of 500 ms; a Redis that is away stops no start: the health page tells of it."""
    if settings.redis is None:
        return
    client = redis_client(settings)
    try:
        for code, sentence in weaknesses(client).items():
            log.warning("redis unfit for a queue", weakness=code, detail=sentence)
    except FAULTS as error:
        log.warning("redis not examined", error=type(error).__name__)
    finally:
        client.close()
