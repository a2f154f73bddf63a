"""A worker stops in order and loses nothing, at whatever signal, and its exit code tells whether it did (H5): real processes."""

import contextlib
import signal
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from sqlalchemy import select

import config
from akount import db, workers
from akount.lifecycle import Runtime
from akount.models import Attempt, JobStatus
from akount.tasks import upkeep
from fresh import make_settings, postgres_copy, redis_database
from make import submitted
from people import People, settle_in
from servers import Server, create_database, postgres_server, redis_server
from worker import QUEUE, Consumer, emptied, job_of, started_on, until

SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT]
NAMED = {"ids": lambda value: getattr(value, "name", value)}
SHORT = {"STOP_SECONDS": "8"}
"""For what waits its time out."""


def tried(runtime: Runtime, job_id: uuid.UUID) -> list[str]:
    with runtime.database.snapshot() as session:
        return list(session.scalars(select(Attempt.outcome).where(Attempt.job_id == job_id).order_by(Attempt.ended_at)))


@pytest.fixture
def settings(tmp_path: Path, postgres: Server, redis_shared: Server) -> config.Settings:
    return make_settings(tmp_path, postgres_copy(postgres), REDIS_URL=redis_database(redis_shared))


@pytest.fixture
def runtime(settings: config.Settings) -> Iterator[Runtime]:
    """Its queue holds nothing of another test."""
    with emptied(settings) as runtime:
        yield runtime


@pytest.fixture
def people(runtime: Runtime) -> People:
    return settle_in(runtime.database)


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Postgres that tests may freeze."""
    with postgres_server(tmp_path_factory.mktemp("mortal")) as server:
        db.migrate(create_database(server, "template_akount"))
        yield server


@pytest.mark.parametrize(
    ("number", "whom"),
    [*((number, "master") for number in (*SIGNALS, signal.SIGHUP)), (signal.SIGINT, "group")],
    **NAMED,
)
def test_the_running_job_is_finished_and_no_other_begun(
    runtime: Runtime, people: People, number: signal.Signals, whom: str
) -> None:
    running_job = submitted(runtime, people.ada).id
    with Consumer(runtime) as worker:
        started_on(runtime, running_job, worker)
        waiting = submitted(runtime, people.ada).id
        started = time.monotonic()
        worker.tell(number, whom)
        until(lambda: worker.said("stopping"), worker)
        for again in SIGNALS:  # a second one neither cuts it short nor repeats anything
            worker.tell(again, "group")
        time.sleep(0.5)
        assert job_of(runtime, running_job).status is JobStatus.ACTIVE
        worker.finish()
        assert worker.ended(started) == 0, worker.log.read_text()
        assert len(worker.said("stopping")) == 1
        parts = [line["part"] for line in worker.said("closed")]
        assert [part for part in parts if part in ("pulse", "reader")] == ["pulse", "reader"]
        assert Counter(parts) == {
            "courier": 1,
            "pulse": 1,
            "reader": 1,
            f"bell {QUEUE}": 1,
            "opener": 2,
            "limiter": 2,
            "storage": 2,
            "database": 2,
        }
        assert parts[-1] == "database"
        assert not [line for line in worker.log.read_text().splitlines() if '"error"' in line or "Traceback" in line]
    finished = job_of(runtime, running_job)
    assert (finished.status, finished.attempts) == (JobStatus.COMPLETED, 1)
    untouched = job_of(runtime, waiting)
    assert (untouched.status, untouched.attempts) == (JobStatus.WAITING, 0)
    with runtime.database.snapshot() as session:
        assert [workers.pulse(one) for one in workers.listed(session)] == [workers.Pulse.STOPPED]


def test_a_drained_worker_finishes_ends_and_is_not_replaced_and_the_last_ends_its_consumer(
    runtime: Runtime, people: People
) -> None:
    running_job = submitted(runtime, people.ada).id
    with Consumer(runtime, "talkative", processes=2) as worker:
        started_on(runtime, running_job, worker)
        until(lambda: len(names(runtime)) == 2, worker)
        busy = job_of(runtime, running_job).worker or ""
        (idle,) = names(runtime) - {busy}
        drained(runtime, people, busy)
        drained(runtime, people, idle)
        until(lambda: names(runtime) == {busy}, worker)
        until(lambda: worker.said("workers drained"), worker)
        waiting = submitted(runtime, people.ada).id
        started = time.monotonic()
        worker.finish()
        assert worker.ended(started) == 0, worker.log.read_text()
    assert job_of(runtime, running_job).status is JobStatus.COMPLETED
    assert job_of(runtime, waiting).status is JobStatus.WAITING
    assert len(worker.said("worker ready")) == 2
    assert names(runtime) == set()


def names(runtime: Runtime) -> set[str]:
    """Workers that have not ended."""
    with runtime.database.snapshot() as session:
        return {one.name for one in workers.listed(session) if one.stopped_at is None}


def drained(runtime: Runtime, people: People, name: str) -> None:
    with runtime.database.transaction() as session:
        workers.drain(session, people.otto.call, name, "a new disk")


@contextlib.contextmanager
def one_for_each_signal(runtime: Runtime, *more: str, real: bool = False) -> Iterator[dict[signal.Signals, Consumer]]:
    """Three workers, side by side."""
    all_three = {number: Consumer(runtime, *more, real=real, **SHORT) for number in SIGNALS}
    with contextlib.ExitStack() as stack:
        yield {number: stack.enter_context(worker) for number, worker in all_three.items()}


def test_an_idle_worker_takes_nothing_after_it_was_told_to_stop(runtime: Runtime, people: People) -> None:
    """It waits for a message up to a second; one that comes meanwhile is left for others."""
    with one_for_each_signal(runtime) as all_three:
        started = time.monotonic()
        for number, worker in all_three.items():
            worker.tell(number)
        for worker in all_three.values():
            until(lambda worker=worker: worker.said("stopping"), worker)  # type: ignore[misc]
        job_id = submitted(runtime, people.ada).id
        for worker in all_three.values():
            assert worker.ended(started) == 0, worker.log.read_text()
    job = job_of(runtime, job_id)
    assert (job.status, job.attempts) == (JobStatus.WAITING, 0)
    assert runtime.bells[QUEUE].length() == 1


def test_what_an_engine_hangs_on_is_given_back(runtime: Runtime, people: People) -> None:
    """The real reader, stopped in its tracks. With the real numbers: tests/e2e."""
    with one_for_each_signal(runtime, real=True) as all_three:
        for process in (process for worker in all_three.values() for process in worker.family):
            if "akount.extraction.reader" in process.cmdline():
                process.suspend()
        jobs = [submitted(runtime, people.ada).id for _ in SIGNALS]
        for job_id in jobs:
            started_on(runtime, job_id, all_three[signal.SIGTERM])
        started = time.monotonic()
        for number, worker in all_three.items():
            worker.tell(number)
            worker.tell(number)
        for worker in all_three.values():
            assert worker.ended(started) == 0, worker.log.read_text()
    for job_id in jobs:
        given_back = job_of(runtime, job_id)
        assert (given_back.status, given_back.attempts, given_back.worker) == (JobStatus.WAITING, 0, None)
        assert tried(runtime, job_id) == ["given_back"]


def test_what_a_frozen_worker_process_held_is_given_back_when_it_is_killed(runtime: Runtime, people: People) -> None:
    job_id = submitted(runtime, people.ada).id
    with Consumer(runtime, **SHORT) as worker:
        started_on(runtime, job_id, worker)
        holder = int((job_of(runtime, job_id).worker or "").rsplit(":", 2)[1])
        psutil.Process(holder).suspend()
        started = time.monotonic()
        worker.tell(signal.SIGTERM)
        assert worker.ended(started) == 1
        assert [line["pid"] for line in worker.said("hangs, killed")] == [holder]
    given_back = job_of(runtime, job_id)
    assert (given_back.status, given_back.attempts) == (JobStatus.WAITING, 0)
    assert tried(runtime, job_id) == ["given_back"]


def test_a_closing_step_that_hangs_is_named_and_left_behind(runtime: Runtime) -> None:
    with one_for_each_signal(runtime, "hung") as all_three:
        started = time.monotonic()
        for number, worker in all_three.items():
            worker.tell(number)
        for worker in all_three.values():
            assert worker.ended(started) == 1
            assert [line["part"] for line in worker.said("closing hangs, left behind")] == ["hung"]
            assert Counter(line["part"] for line in worker.said("closed"))["database"] == 2, "the others are closed all the same"


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_a_frozen_database_does_not_hold_it_up(tmp_path: Path, mortal: Server, redis_shared: Server, busy: bool) -> None:
    """Nothing can be given back then; the lease does it."""
    url = create_database(mortal, f"frozen_{busy}".lower(), "template_akount")
    with emptied(make_settings(tmp_path, url, REDIS_URL=redis_database(redis_shared))) as runtime:
        ada = settle_in(runtime.database).ada
        with Consumer(runtime, LEASE_SECONDS="5", **SHORT) as worker:
            job_id = submitted(runtime, ada).id if busy else None
            if job_id is not None:
                started_on(runtime, job_id, worker)
            mortal.freeze()
            try:
                started = time.monotonic()
                worker.tell(signal.SIGTERM)
                assert worker.ended(started) == 1
            finally:
                mortal.thaw()
        if job_id is not None:
            deadline = time.monotonic() + 60
            while job_of(runtime, job_id).status is JobStatus.ACTIVE:
                assert time.monotonic() < deadline
                upkeep.sweep(runtime)
                time.sleep(0.1)
            assert job_of(runtime, job_id).status is JobStatus.WAITING


def test_a_database_that_refuses_leaves_a_job_to_its_lease_and_the_exit_tells(tmp_path: Path, mortal: Server) -> None:
    url = create_database(mortal, "refusing", "template_akount")
    with emptied(make_settings(tmp_path, url)) as runtime:
        ada = settle_in(runtime.database).ada
        with Consumer(runtime, **SHORT) as worker:
            started_on(runtime, submitted(runtime, ada).id, worker)
            mortal.stop()
            try:
                started = time.monotonic()
                worker.tell(signal.SIGTERM)
                assert worker.ended(started) == 1
            finally:
                mortal.start()


def test_a_frozen_redis_does_not_hold_it_up(tmp_path: Path, postgres: Server) -> None:
    with (
        redis_server(tmp_path) as redis,
        emptied(make_settings(tmp_path, postgres_copy(postgres), REDIS_URL=redis.url)) as runtime,
        Consumer(runtime) as worker,
    ):
        redis.freeze()
        try:
            started = time.monotonic()
            worker.tell(signal.SIGTERM)
            assert worker.ended(started) == 0, worker.log.read_text()
        finally:
            redis.thaw()


def test_under_load_every_job_is_done_once_or_waits_untouched(runtime: Runtime, people: People) -> None:
    jobs = [submitted(runtime, people.ada).id for _ in range(60)]
    with Consumer(runtime, processes=2) as worker:
        worker.finish()  # from now on each is read at once
        until(lambda: sum(job_of(runtime, job_id).status is JobStatus.COMPLETED for job_id in jobs) > 5, worker)
        started = time.monotonic()
        worker.tell(signal.SIGTERM)
        assert worker.ended(started) == 0, worker.log.read_text()
    found = Counter((job.status, job.attempts) for job in (job_of(runtime, job_id) for job_id in jobs))
    assert set(found) <= {(JobStatus.COMPLETED, 1), (JobStatus.WAITING, 0)}, found
    assert found[JobStatus.COMPLETED, 1] > 5
