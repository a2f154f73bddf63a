"""Jobs a second through the whole path with an engine that does nothing: `make bench`.

For each shape (SQLite with SQLite's queue; Postgres with Redis, both durable): documents are submitted, then workers
drain them. Prints one line of JSON for each round: how many a second were submitted and drained, and how long an idle
worker takes to start a job.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import signal
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from sqlalchemy import func, select  # noqa: E402

import config  # noqa: E402
from akount import db, logs  # noqa: E402
from akount.kinds import KINDS  # noqa: E402
from akount.lifecycle import Runtime, open_runtime  # noqa: E402
from akount.models import Job, JobStatus  # noqa: E402
from akount.tasks.consumer import work  # noqa: E402
from akount.tasks.queues import hang_bells  # noqa: E402
from fakes import FakeReader  # noqa: E402
from make import submitted  # noqa: E402
from people import Person, settle_in  # noqa: E402
from servers import create_database, postgres_server, redis_server  # noqa: E402

KIND = next(iter(KINDS.values()))


@contextmanager
def shape(name: str, directory: Path) -> Iterator[dict[str, str]]:
    """The settings of one shape, with its servers running. Durable, as in production."""
    said = {"DATA_DIR": str(directory), "APP_ENV": "test", "LOG_LEVEL": "ERROR", "JOBS_PER_MINUTE": "1000000"}
    if name == "sqlite":
        yield said
        return
    with postgres_server(directory / "pg", fast=False) as postgres, redis_server(directory / "redis") as redis:
        yield said | {"DATABASE_URL": create_database(postgres, "bench"), "REDIS_URL": redis.url}


def drain(environ: dict[str, str], processes: int) -> None:
    """In a process of its own: a worker whose reader does nothing."""
    settings = config.load(environ, env_file=Path("/nonexistent"))
    logs.configure(as_json=True, level="ERROR")
    work(settings, KIND.queue, processes, FakeReader())


def submit(runtime: Runtime, person: Person, count: int) -> float:
    """Documents a second, one after the other, as one client would be served."""
    started = time.perf_counter()
    for _ in range(count):
        submitted(runtime, person, b"%PDF-1.7 " + uuid.uuid4().bytes, KIND)
    return count / (time.perf_counter() - started)


def done(runtime: Runtime) -> int:
    with runtime.database.snapshot() as session:
        return session.scalar(select(func.count()).select_from(Job).where(Job.status == JobStatus.COMPLETED)) or 0


def idle_latency(runtime: Runtime, person: Person, count: int) -> list[float]:
    """Milliseconds from the submission to the start of the job, the worker being idle."""
    waits = []
    for _ in range(count):
        job = submitted(runtime, person, b"%PDF-1.7 " + uuid.uuid4().bytes, KIND)
        while True:
            with runtime.database.snapshot() as session:
                found = session.get_one(Job, job.id)
            if found.status is JobStatus.COMPLETED and found.started_at:
                waits.append((found.started_at - found.created_at).total_seconds() * 1000)
                break
            time.sleep(0.005)
    return waits


def measure(name: str, count: int, processes: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as directory, shape(name, Path(directory)) as environ:
        settings = config.load(environ, env_file=Path("/nonexistent"))
        db.migrate(settings.database)
        runtime = open_runtime(settings)
        hang_bells(runtime)
        ada = settle_in(runtime.database).ada
        submitted_rate = submit(runtime, ada, count)
        worker = multiprocessing.get_context("spawn").Process(target=drain, args=(environ, processes))
        worker.start()
        while done(runtime) < count // 10:  # warm: processes started, pools filled
            time.sleep(0.01)
        first, started = done(runtime), time.perf_counter()
        while (finished := done(runtime)) < count:
            time.sleep(0.02)
        rate = (finished - first) / (time.perf_counter() - started)
        waits = sorted(idle_latency(runtime, ada, 100))
        os.kill(worker.pid or 0, signal.SIGTERM)
        worker.join(40)
        runtime.close()
    return {
        "shape": name,
        "worker_processes": processes,
        "jobs": count,
        "submitted_per_s": round(submitted_rate),
        "drained_per_s": round(rate),
        "idle_start_p50_ms": round(statistics.median(waits), 1),
        "idle_start_p99_ms": round(waits[98], 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--shapes", nargs="+", default=["sqlite", "postgres+redis"])
    asked = parser.parse_args()
    logs.configure(as_json=True, level="ERROR")
    for _ in range(asked.rounds):
        for name in asked.shapes:
            print(json.dumps(measure(name, asked.count, asked.processes)), flush=True)


if __name__ == "__main__":
    main()
