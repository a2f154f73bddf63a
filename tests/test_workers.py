"""The table of workers: who lives, what each does, who has not been heard of, and what becomes of a lost worker's job."""

import datetime as dt
import os
import signal
import time
import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import func, select, update

from akount import __version__, ledger, processes, workers
from akount.db import now
from akount.errors import Conflict, NotFound
from akount.kinds import KINDS
from akount.lifecycle import Runtime
from akount.models import Attempt, AuditEntry, Job, JobStatus, WorkerProcess
from akount.pipeline import Pulse
from akount.tasks import upkeep
from akount.workers import Pulse as Health
from fakes import FakeReader
from make import submitted
from people import People
from test_cli import Shell

QUEUE = KINDS["bill"].queue
ELSEWHERE = "another-host/4026531836:1234:5678"


@pytest.fixture
def table(runtime: Runtime) -> Iterator[Runtime]:
    yield runtime


def seen(runtime: Runtime, name: str, ago: float) -> None:
    with runtime.database.transaction() as session:
        session.execute(update(WorkerProcess).where(WorkerProcess.name == name).values(seen_at=now() - dt.timedelta(seconds=ago)))


def told(runtime: Runtime, name: str, job_id: uuid.UUID | None = None) -> None:
    with runtime.database.transaction() as session:
        workers.tell(session, name, QUEUE, job_id)


def health(runtime: Runtime) -> dict[str, Health]:
    with runtime.database.snapshot() as session:
        return {one.name: workers.pulse(one) for one in workers.listed(session)}


@pytest.mark.parametrize(
    ("ago", "expected"), [(0, Health.LIVE), (29, Health.LIVE), (31, Health.STALE), (89, Health.STALE), (91, Health.LOST)]
)
def test_who_was_not_heard_of_goes_stale_and_then_is_lost(runtime: Runtime, ago: float, expected: Health) -> None:
    told(runtime, "host:1:1")
    seen(runtime, "host:1:1", ago)
    assert health(runtime) == {"host:1:1": expected}


def test_who_is_heard_of_again_lives(runtime: Runtime) -> None:
    told(runtime, "host:1:1")
    seen(runtime, "host:1:1", 3600)
    told(runtime, "host:1:1")
    assert health(runtime) == {"host:1:1": Health.LIVE}


def test_a_worker_tells_of_itself_and_of_what_it_reads(runtime: Runtime, people: People) -> None:
    job = submitted(runtime, people.ada)
    pulse = Pulse(runtime, FakeReader(), QUEUE)
    pulse._told = time.monotonic()  # what it tells by itself is not in question here
    with runtime.database.transaction() as session:
        held = ledger.claim(session, job.id, worker=ledger.worker_name(), lease_seconds=30)
    assert held is not None
    pulse._held = held
    pulse._told = float("-inf")
    pulse._tell()
    with runtime.database.snapshot() as session:
        (one,) = workers.listed(session)
    assert (one.name, one.queue, one.version, one.job_id) == (ledger.worker_name(), QUEUE, __version__, job.id)
    assert (one.memory or 0) > 1 << 20
    assert (one.models_loaded, one.pages_lately) == (False, 0), "this reader holds none, and has read nothing"
    pulse.start()
    pulse.stop()
    with runtime.database.snapshot() as session:
        (one,) = workers.listed(session)
    assert (workers.pulse(one), one.job_id) == (Health.STOPPED, None)


def test_a_worker_tells_of_its_reader_and_of_the_pages_of_the_last_minute(runtime: Runtime) -> None:
    reader = FakeReader()
    pulse = Pulse(runtime, reader, QUEUE)
    alone = pulse.condition()
    reader.pids, reader.models_loaded = (os.getpid(),), True
    for pages in (3, 4):
        pulse.count(pages)
    pulse._pages.appendleft((time.monotonic() - workers.LATELY_SECONDS - 1, 50))
    told = pulse.condition()
    assert (told.models_loaded, told.pages_lately) == (True, 7)
    assert told.memory > alone.memory, "with the reader's, here the same process once more"
    with runtime.database.transaction() as session:
        workers.tell(session, "host:1:1", QUEUE, None, told)
        workers.tell(session, "host:1:1", QUEUE, None)
    with runtime.database.snapshot() as session:
        (one,) = workers.listed(session)
    assert (one.memory, one.models_loaded, one.pages_lately) == (told.memory, True, 7)


def test_a_process_that_is_gone_holds_no_memory() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    assert processes.resident(pid) == 0
    assert processes.resident(os.getpid(), pid) > 1 << 20


def test_a_killed_worker_is_not_heard_of_and_the_shell_says_so(runtime: Runtime, people: People) -> None:
    """A real process that tells of itself, and then no more."""
    job = submitted(runtime, people.ada)
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        from akount.lifecycle import open_runtime

        mine = open_runtime(runtime.settings)
        told(mine, ledger.worker_name(), job.id)
        os.write(writing, ledger.worker_name().encode())
        time.sleep(60)
        os._exit(0)
    name = os.read(reading, 200).decode()
    os.close(reading)
    os.close(writing)
    assert health(runtime) == {name: Health.LIVE}
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    shell = Shell(runtime.settings.directory, DATABASE_URL=runtime.settings.database, APP_ENV="test")
    for ago, word in ((31, "stale"), (91, "lost")):
        seen(runtime, name, ago)
        said = shell("workers")
        assert said.split()[:3] == [word, QUEUE, __version__]
        assert f"{name}  reads {job.id}" in said


def test_restarts_do_not_pile_up(runtime: Runtime) -> None:
    for number in range(50):
        told(runtime, f"host:{number}:1")
        with runtime.database.transaction() as session:
            workers.stop(session, f"host:{number}:1")
    told(runtime, ELSEWHERE)
    for number in range(50):
        seen(runtime, f"host:{number}:1", 86_401 if number < 49 else 86_000)
    assert upkeep.prune(runtime)["workers"] == 49
    assert health(runtime) == {"host:49:1": Health.STOPPED, ELSEWHERE: Health.LIVE}


def test_a_job_of_a_worker_lost_on_another_host_is_given_back_when_its_lease_ends_and_not_before(
    runtime: Runtime, people: People
) -> None:
    job = submitted(runtime, people.ada)
    with runtime.database.transaction() as session:
        assert ledger.claim(session, job.id, worker=ELSEWHERE, lease_seconds=30)
    told(runtime, ELSEWHERE, job.id)
    seen(runtime, ELSEWHERE, 600)
    assert health(runtime)[ELSEWHERE] is Health.LOST
    upkeep.sweep(runtime)
    assert status(runtime, job.id) == (JobStatus.ACTIVE, ELSEWHERE), "of another host nothing is certain: its lease still runs"
    with runtime.database.transaction() as session:
        session.execute(update(Job).values(lease_until=now() - dt.timedelta(seconds=1)))
    upkeep.sweep(runtime)
    assert status(runtime, job.id) == (JobStatus.WAITING, None)
    with runtime.database.snapshot() as session:
        assert session.scalars(select(Attempt.outcome)).all() == ["lost"]


def status(runtime: Runtime, job_id: uuid.UUID) -> tuple[JobStatus, str | None]:
    with runtime.database.snapshot() as session:
        job = session.get_one(Job, job_id)
        return job.status, job.worker


# --- jobs of workers that had to be killed at a stop ---


def test_what_killed_workers_held_is_given_back_without_counting(runtime: Runtime, people: People) -> None:
    host = ledger.worker_name().rsplit(":", 2)[0]
    holders = [f"{host}:111:1", f"{host}:1111:1", f"{host}:222:9", "another-host/1:111:1"]
    jobs = [submitted(runtime, people.ada).id for _ in holders]
    with runtime.database.transaction() as session:
        for job_id, holder in zip(jobs, holders, strict=True):
            assert ledger.claim(session, job_id, worker=holder, lease_seconds=30)
    with runtime.database.transaction() as session:
        assert set(workers.give_back(session, [111, 222])) == {jobs[0], jobs[2]}
    assert [status(runtime, job_id)[0] for job_id in jobs] == [
        JobStatus.WAITING,
        JobStatus.ACTIVE,
        JobStatus.WAITING,
        JobStatus.ACTIVE,
    ]
    with runtime.database.snapshot() as session:
        assert session.get_one(Job, jobs[0]).attempts == 0
        outcomes = session.execute(select(Attempt.job_id, Attempt.outcome, Attempt.worker, Attempt.number)).all()
        assert sorted(outcomes) == sorted([(jobs[0], "given_back", holders[0], 1), (jobs[2], "given_back", holders[2], 1)])
        assert session.scalar(select(func.count()).select_from(Attempt)) == 2


# --- what operators ask of them ---


def test_a_worker_that_is_to_drain_hears_so_once_and_is_asked_once(runtime: Runtime, people: People) -> None:
    told(runtime, "host/1:7:1")
    with runtime.database.transaction() as session:
        assert not workers.tell(session, "host/1:7:1", QUEUE, None)
        workers.drain(session, people.otto.call, "host/1:7:1", "a new disk")
        assert workers.tell(session, "host/1:7:1", QUEUE, None)
        with pytest.raises(Conflict):
            workers.drain(session, people.otto.call, "host/1:7:1", "again")
        with pytest.raises(NotFound):
            workers.drain(session, people.otto.call, "host/1:8:1", "nobody")
        said = session.execute(select(AuditEntry.target, AuditEntry.reason).where(AuditEntry.action == "worker.drain")).all()
    assert [tuple(row) for row in said] == [("worker:host/1:7:1", "a new disk")]


def test_what_a_lost_worker_held_is_given_back_and_what_a_living_one_holds_is_not(runtime: Runtime, people: People) -> None:
    job = submitted(runtime, people.ada)
    with runtime.database.transaction() as session:
        ledger.claim(session, job.id, worker=ELSEWHERE, lease_seconds=3600)
        workers.tell(session, ELSEWHERE, QUEUE, job.id)
    with runtime.database.snapshot() as session:
        (seat,) = workers.seats(session)
        assert (seat.job and seat.job.id, seat.outdated) == (job.id, False)
        assert seat.elapsed is not None
    with pytest.raises(Conflict), runtime.database.transaction() as session:
        workers.requeue(session, people.otto.call, ELSEWHERE, "it burns")
    seen(runtime, ELSEWHERE, 91)
    with runtime.database.transaction() as session:
        assert workers.requeue(session, people.otto.call, ELSEWHERE, "it burns") == [job.id]
    with runtime.database.snapshot() as session:
        found = session.get_one(Job, job.id)
        assert (found.status, found.attempts, found.worker) == (JobStatus.WAITING, 1, None)
        (seat,) = workers.seats(session)
        assert (seat.pulse, seat.job) == (Health.STOPPED, None)


def test_a_worker_of_another_release_is_seen(runtime: Runtime) -> None:
    told(runtime, "host/1:7:1")
    with runtime.database.transaction() as session:
        session.execute(update(WorkerProcess).values(version="0.0.1"))
    with runtime.database.snapshot() as session:
        assert [seat.outdated for seat in workers.seats(session)] == [True]
