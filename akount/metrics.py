"""What is counted (H7). The processes of a machine count together: each into files of its own, mapped into memory, which
whoever is asked adds up (`akount.exposition`). No label says a tenant, an id or a path: a label has few values.

Nothing is shared until a door says so (`share`): a process that no door opened, such as a test, counts for itself.
"""

from __future__ import annotations

import fcntl
import functools
import itertools
import os
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

from akount import logs

log = logs.get(__name__)

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""How the library is told, also in child processes, to count into files."""
LOCK = "lock"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
ANSWER_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
WAIT_SECONDS = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600)
RUN_SECONDS = (0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 30, 60)

_held: list[IO[str]] = []
"""Locks of the directories that this process and its children count into."""


def share(metrics: Path, part: str) -> None:
    """From now on this process and those it starts count together, below `metrics`, from nothing: a restart is a new count.
    To be called before anything is counted, by the parent of all that count as `part`."""
    try:
        os.environ[VARIABLE] = str(_take_directory(metrics, part))
    except OSError as error:
        log.warning("numbers are not shared: each process shows its own", detail=error.strerror)


def _take_directory(metrics: Path, part: str) -> Path:
    """An empty directory that nobody counts into: another such process may run, also in a container with this volume."""
    for number in itertools.count():
        directory = metrics / f"{part}.{number}"
        directory.mkdir(parents=True, exist_ok=True)
        lock = (directory / LOCK).open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        _held.append(lock)
        for left in directory.glob("*.db"):
            left.unlink()
        return directory
    raise AssertionError


def in_use(directory: Path) -> bool:
    """Whether somebody who lives counts into a directory."""
    try:
        with (directory / LOCK).open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def process_died(pid: int) -> None:
    """What a process had in hand, such as requests in progress, it has no longer; what it counted stays."""
    if VARIABLE in os.environ:
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(pid)  # type: ignore[no-untyped-call]


@functools.cache
def numbers() -> Any:
    """The numbers of this process, made when they are first needed: the library decides then where it keeps them."""
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

    registry = CollectorRegistry()
    counter, histogram = functools.partial(Counter, registry=registry), functools.partial(Histogram, registry=registry)
    return SimpleNamespace(
        registry=registry,
        requests=counter("akount_http_requests", "Answers, by class of status.", ["method", "route", "status"]),
        seconds=histogram("akount_http_request_seconds", "Until the answer began.", ["method", "route"], buckets=ANSWER_SECONDS),
        in_progress=Gauge("akount_http_requests_in_progress", "Streams included.", registry=registry, multiprocess_mode="livesum"),
        uploaded=counter("akount_upload_bytes", "Of files that were taken.", ["kind"]),
        refusals=counter("akount_limit_refusals", "Answers 429, by code.", ["code"]),
        attempts=counter("akount_jobs", "Attempts at documents that ended.", ["queue", "outcome"]),
        waits=histogram("akount_job_wait_seconds", "From when a job was due to its start.", ["queue"], buckets=WAIT_SECONDS),
        runs=histogram("akount_job_run_seconds", "Of an attempt.", ["queue"], buckets=RUN_SECONDS),
        engines=counter("akount_engine_calls", "Readings by engines.", ["engine", "outcome"]),
        hosted=counter("akount_hosted_calls", "Requests to hosted engines.", ["engine", "outcome"]),
        hosted_seconds=histogram("akount_hosted_call_seconds", "Of such a request.", ["engine"], buckets=RUN_SECONDS),
        hosted_cost=counter("akount_hosted_cost_dollars", "Of such requests.", ["engine"]),
    )


def request_began() -> None:
    """Somebody asks."""
    numbers().in_progress.inc()


def request_ended() -> None:
    """The last byte of the answer is out."""
    numbers().in_progress.dec()


def answered(method: str, route: str, status: int, seconds: float) -> None:
    """A request was answered. `route` is the template of its address, empty when there is none."""
    method, route = method if method in METHODS else "other", route or "none"
    numbers().requests.labels(method, route, f"{status // 100}xx").inc()
    numbers().seconds.labels(method, route).observe(seconds)


def refused(code: str) -> None:
    """Somebody was told to come back later."""
    numbers().refusals.labels(code).inc()


def uploaded(kind: str, size: int) -> None:
    """A file was taken; its size in bytes."""
    numbers().uploaded.labels(kind).inc(size)


def started(queue: str, waited: float) -> None:
    """A job was due `waited` seconds ago and is now read."""
    numbers().waits.labels(queue).observe(waited)


def ended(queue: str, outcome: str, seconds: float) -> None:
    """An attempt ended: completed, failed, delayed (tried again), given_back or lost."""
    numbers().attempts.labels(queue, outcome).inc()
    numbers().runs.labels(queue).observe(seconds)


def read(engine: str, refusing: tuple[str, ...]) -> None:
    """A document was read by an engine, after others had refused it."""
    for name in refusing:
        numbers().engines.labels(name, "refused").inc()
    numbers().engines.labels(engine, "read").inc()


def asked(engine: str, outcome: str, cost: int, seconds: float) -> None:
    """A hosted engine was asked: `answered`, or why not; the cost in millionths of a US dollar."""
    numbers().hosted.labels(engine, outcome).inc()
    numbers().hosted_seconds.labels(engine).observe(seconds)
    numbers().hosted_cost.labels(engine).inc(cost / 1_000_000)
