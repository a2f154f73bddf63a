"""The numbers as a monitor reads them: who may, in which form, and a small server for a machine that has only workers (H7)."""

from __future__ import annotations

import hmac
import ipaddress
import os
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from akount import logs, metrics
from config import Settings

log = logs.get(__name__)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
WEB = "web"
TRY_AGAIN_SECONDS = 5
LATELY = 3600.0


def directory(settings: Settings) -> Path:
    """Where the processes of this machine count."""
    return settings.directory / "metrics"


def may_read(settings: Settings, authorization: str, address: str) -> bool:
    """Whoever has METRICS_TOKEN; without one nobody in production, else who asks from this machine."""
    if settings.metrics_token:
        return hmac.compare_digest(authorization.encode("utf-8", "replace"), f"Bearer {settings.metrics_token}".encode())
    try:
        return not settings.production and ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def text(settings: Settings, *, workers_only: bool = False, more: Iterable[Any] = ()) -> bytes:
    """All numbers of this machine: those of the web processes, and of the workers unless those are asked themselves at
    WORKER_METRICS_PORT, so that nothing is counted twice; and `more`, metric families of the library."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(_Families([*_counted(settings, workers_only=workers_only), *more]))
    return generate_latest(registry)


def refusals(settings: Settings) -> dict[str, int]:
    """How often a process of this machine has answered 429 since it was started, by code."""
    found: dict[str, int] = {}
    for family in _counted(settings, workers_only=False):
        for sample in family.samples:
            if sample.name == "akount_limit_refusals_total":
                code = sample.labels["code"]
                found[code] = found.get(code, 0) + int(sample.value)
    return found


class Refusals:
    """How often this machine has answered 429 lately, by code: its counters, as they are noted from time to time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._noted: deque[tuple[float, dict[str, int]]] = deque()

    def sample(self) -> None:
        """Notes what has been counted so far; what is older than LATELY is forgotten, but for the one to count from."""
        at = time.monotonic()
        self._noted.append((at, refusals(self._settings)))
        while len(self._noted) > 1 and self._noted[1][0] <= at - LATELY:
            self._noted.popleft()

    def lately(self) -> tuple[dict[str, int], float]:
        """By code how often, and within how many seconds: an hour, or as long as this process has looked."""
        counted = refusals(self._settings)
        at, before = self._noted[0] if self._noted else (time.monotonic(), counted)
        return {code: max(0, number - before.get(code, 0)) for code, number in counted.items()}, time.monotonic() - at


class _Families:
    def __init__(self, families: list[Any]) -> None:
        self._families = families

    def collect(self) -> Iterator[Any]:
        """As the library asks."""
        yield from self._families


def _counted(settings: Settings, *, workers_only: bool) -> Iterable[Any]:
    from prometheus_client.multiprocess import MultiProcessCollector

    if metrics.VARIABLE not in os.environ:
        return metrics.numbers().registry.collect()  # type: ignore[no-any-return]
    files = [str(file) for part in _parts(settings, workers_only=workers_only) for file in part.glob("*.db")]
    return MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call,no-any-return]


def _parts(settings: Settings, *, workers_only: bool) -> Iterator[Path]:
    for part in directory(settings).iterdir():
        is_web = part.name.startswith(f"{WEB}.")
        wanted = not is_web if workers_only else is_web or not settings.worker_metrics_port
        if wanted and metrics.in_use(part):
            yield part


def serve(settings: Settings) -> None:
    """In a worker: answers at WORKER_METRICS_PORT for all workers of this machine, from a thread of its own. Where another
    does so already, this one waits to take its place."""
    if settings.worker_metrics_port:
        threading.Thread(target=_serve, args=[settings], name="metrics", daemon=True).start()


def _serve(settings: Settings) -> None:
    def answer(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        known = may_read(settings, environ.get("HTTP_AUTHORIZATION", ""), environ.get("REMOTE_ADDR", ""))
        if not known or environ.get("PATH_INFO") != "/metrics":
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b""]
        body = text(settings, workers_only=True)
        start_response("200 OK", [("Content-Type", CONTENT_TYPE), ("Cache-Control", "no-store")])
        return [body]

    while True:
        try:
            server = make_server(settings.host, settings.worker_metrics_port, answer, _Server, _Quiet)
        except OSError:
            time.sleep(TRY_AGAIN_SECONDS)
            continue
        log.info("metrics served", port=settings.worker_metrics_port)
        server.serve_forever()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    timeout = 5
    """Seconds that a client may be silent."""

    def log_message(self, *_: Any) -> None:
        """Nothing: a scrape is not worth a line."""
