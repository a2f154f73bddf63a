"""One contestant in one round: a backlog is submitted, workers drain it, then jobs come one by one to idle workers."""

from __future__ import annotations

import contextlib
import datetime as dt
import statistics
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import psutil
from sqlalchemy import DateTime, String, Uuid, text

from benchmarks.queues import rows, stand
from benchmarks.queues.contestants import Contestant
from benchmarks.queues.sender import WARM_IDLE
from benchmarks.queues.stand import BenchError, Crew, Stand

PATIENCE_SECONDS = 600
LOOK_SECONDS = 0.2
COMPLETED = text("SELECT count(*) FROM jobs WHERE status = 'completed'")


@dataclass(frozen=True, slots=True)
class Fact:
    """What a database says of a job that has ended; instants in seconds since 1970."""

    job_id: uuid.UUID
    worker: str
    ran_at: float
    finished_at: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What came of one contestant in one round; latencies and processor time in milliseconds."""

    submitted_per_s: float
    drained_per_s: float
    idle_p50_ms: float
    idle_p99_ms: float
    client_cpu_ms: float
    "processor time of the client for each job of the backlog"
    worker_cpu_ms: float | None
    "processor time of the workers and all they started, for each job of the drain; None: it was over too soon to tell"
    server_cpu_ms: float | None
    "the same of Postgres and Redis"
    jobs: int
    workers: int

    @property
    def drained_per_cpu_s(self) -> float | None:
        """Jobs for each second of processor time of workers and servers together."""
        spent = (self.worker_cpu_ms or 0) + (self.server_cpu_ms or 0)
        return 1000 / spent if spent else None


def measure(contestant: Contestant, at: Stand, count: int, samples: int) -> Figures:
    """Raises BenchError when a job was lost, done twice, or took too long."""
    with at.fresh(contestant) as environ, stand.sender(contestant, environ) as client:
        url = environ["DATABASE_URL"]
        submitted = client.order("backlog", count)
        with stand.workers(contestant, environ) as crew:
            worker_cpu, server_cpu = watch_drain(url, count, crew, () if contestant.sqlite else at.pids)
            asked = {uuid.UUID(name): instant for name, instant in client.order("idle", samples).items()}
        facts = read_facts(url, contestant.facts)
    total = count + samples + WARM_IDLE
    check_once(facts, total)
    waits = sorted((fact.ran_at - asked[fact.job_id]) * 1000 for fact in facts if fact.job_id in asked)
    return Figures(
        submitted_per_s=submitted["per_s"],
        client_cpu_ms=submitted["cpu_ms"],
        drained_per_s=drain_rate(facts[:count]),
        idle_p50_ms=statistics.median(waits),
        idle_p99_ms=percentile(waits, 99),
        worker_cpu_ms=worker_cpu,
        server_cpu_ms=server_cpu,
        jobs=total,
        workers=len({fact.worker for fact in facts}),
    )


def watch_drain(url: str, count: int, crew: Crew, servers: Sequence[int]) -> tuple[float | None, float | None]:
    """Waits until so many jobs are completed; answers the processor time of a job, of the workers and of the servers,
    from the first look after a tenth to the end. Raises BenchError when it takes too long."""
    looks: list[tuple[int, float, float]] = []
    engine, ends = rows.open_engine(url), time.monotonic() + PATIENCE_SECONDS
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        done = 0
        while done < count:
            time.sleep(LOOK_SECONDS)
            crew.require()
            done = connection.scalar(COMPLETED) or 0
            if done >= count // 10:
                looks.append((done, cpu_seconds(crew.pids), cpu_seconds(servers)))
            if time.monotonic() > ends:
                raise BenchError(f"{done} of {count} jobs in {PATIENCE_SECONDS} s\n{crew.words()}")
    engine.dispose()
    (first, *before), (last, *after) = looks[0], looks[-1]
    if last - first < count // 4:
        return None, None
    worker, server = ((b - a) * 1000 / (last - first) for a, b in zip(before, after, strict=True))
    return worker, server


def cpu_seconds(pids: Sequence[int]) -> float:
    """Of these processes, of those they started, and of those among them that are over."""
    total = 0.0
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            parent = psutil.Process(pid)
            for one in (parent, *parent.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    total += sum(one.cpu_times()[:4])
    return total


def read_facts(url: str, query: str) -> list[Fact]:
    """One for each time a job was done, in the order of their ends."""
    columns = {"id": Uuid, "finished_at": DateTime(timezone=True), "worker": String, "ran_at": String}
    engine = rows.open_engine(url)
    with engine.connect() as connection:
        found = connection.execute(text(query).columns(**columns)).all()
    engine.dispose()
    facts = [Fact(row.id, row.worker, float(row.ran_at), _seconds(row.finished_at)) for row in found]
    return sorted(facts, key=lambda fact: fact.finished_at)


def _seconds(instant: dt.datetime) -> float:
    """SQLite keeps no zone; all of us write UTC."""
    return (instant if instant.tzinfo else instant.replace(tzinfo=dt.UTC)).timestamp()


def check_once(facts: Sequence[Fact], expected: int) -> None:
    """Every job that was submitted has ended exactly once."""
    ended = {fact.job_id for fact in facts}
    if len(ended) != expected or len(facts) != expected:
        raise BenchError(f"of {expected} jobs {len(ended)} ended, in {len(facts)} goes")


def drain_rate(facts: Sequence[Fact]) -> float:
    """Jobs a second, from the end of the first tenth, and not before every worker has ended one (but by half)."""
    first_of = {fact.worker: place for place, fact in reversed(list(enumerate(facts)))}
    start = min(max(len(facts) // 10, *first_of.values()), len(facts) // 2)
    return (len(facts) - 1 - start) / (facts[-1].finished_at - facts[start].finished_at)


def percentile(ordered: Sequence[float], percent: int) -> float:
    """The smallest of the ordered values that so many percent do not exceed."""
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
