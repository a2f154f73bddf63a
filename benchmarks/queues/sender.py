"""One client of one contestant, in a process of its own: takes orders on standard input, answers each with a line of JSON.

`backlog N` submits N jobs one after the other and answers how many a second, and their processor time; `idle N` submits N
jobs, each when the one before is over and the worker has been idle for a moment, and answers when each was asked for.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import sys
import time
import uuid
from typing import Protocol

from sqlalchemy import Uuid, bindparam, text

from benchmarks.queues import rows

WARM_SHARE = 20
"""One in so many jobs of a backlog is sent before the clock starts: connections are open then, statements compiled."""
WARM_IDLE = 5
POLL_SECONDS = 0.01
PATIENCE_SECONDS = 60
STATUS = text("SELECT status FROM jobs WHERE id = :id").bindparams(bindparam("id", type_=Uuid))


class Sender(Protocol):
    """What submits jobs."""

    def prepare(self, count: int) -> None:
        """Makes what `count` jobs need before they can be submitted; not measured."""

    def send(self) -> uuid.UUID:
        """Submits one job: its row is committed and its message sent when this returns."""


class Rival:
    """The client of a plain queue with a job row: the row first, then the message."""

    def __init__(self, name: str) -> None:
        self._enqueue = importlib.import_module(f"benchmarks.queues.rivals.{name}_app").enqueue

    def prepare(self, count: int) -> None:
        pass

    def send(self) -> uuid.UUID:
        job_id = uuid.uuid4()
        rows.keeper().enter(job_id)
        self._enqueue(str(job_id))
        return job_id


def serve(sender: Sender) -> None:
    """Obeys until standard input ends."""
    for line in sys.stdin:
        order, count = line.split()
        answer = {"backlog": backlog, "idle": idle}[order](sender, int(count))
        print(json.dumps(answer), flush=True)


def backlog(sender: Sender, count: int) -> dict[str, float]:
    """Jobs a second, as one client is served, and this process's own time for each (milliseconds)."""
    sender.prepare(count)
    warm = max(1, count // WARM_SHARE)
    for _ in range(warm):
        sender.send()
    started, worked = time.perf_counter(), time.process_time()
    for _ in range(count - warm):
        sender.send()
    took, worked = time.perf_counter() - started, time.process_time() - worked
    return {"per_s": (count - warm) / took, "cpu_ms": worked * 1000 / (count - warm)}


def idle(sender: Sender, count: int) -> dict[str, float]:
    """When each job was asked for (seconds since 1970, before the call), by its id; the first few are left out."""
    sender.prepare(count + WARM_IDLE)
    engine = rows.open_engine(os.environ["DATABASE_URL"])
    asked = {}
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for _ in range(count + WARM_IDLE):
            at = time.time()
            job_id = sender.send()
            asked[str(job_id)] = at
            ends = at + PATIENCE_SECONDS
            while connection.scalar(STATUS, {"id": job_id}) != "completed":
                if time.time() > ends:
                    raise TimeoutError(f"job {job_id} did not end in {PATIENCE_SECONDS} s")
                time.sleep(POLL_SECONDS)
            time.sleep(random.uniform(0.02, 0.06))
    engine.dispose()
    return dict(list(asked.items())[WARM_IDLE:])


if __name__ == "__main__":
    serve(Rival(sys.argv[1]))
