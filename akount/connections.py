"""The one place that builds Redis connections from settings, each user with time-outs of its own (R1, R2)."""

from __future__ import annotations

from redis import BlockingConnectionPool, ConnectionPool, Redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from config import Settings

ERRORS = (RedisConnectionError, RedisTimeoutError)
"""The server is away."""
FAULTS = (RedisError,)
"""Away, or there and refusing, such as for a wrong password."""


def redis_pool(settings: Settings, *, timeout: float, retries: int, connections: int = 20) -> ConnectionPool:
    """A lazy pool: `timeout` seconds to connect and to answer, `retries` tries after the first.

    redis-py alone retries ten times: time-outs of 500 ms then become ten seconds."""
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
        retry=Retry(ExponentialWithJitterBackoff(base=0.02, cap=0.5), retries),
        retry_on_error=list(ERRORS),
        **tls,
    )


def redis_client(settings: Settings, *, timeout: float = 0.5, retries: int = 1) -> Redis:
    """A client for short questions."""
    return Redis(connection_pool=redis_pool(settings, timeout=timeout, retries=retries))
