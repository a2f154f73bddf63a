"""A bulk operation whose worker is killed in the middle, with SIGKILL and on Postgres: every job that was meant is moved once."""

import os
import signal
import time
import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import func, insert, select, update

import config
from akount import operations, scans
from akount.db import Database, now
from akount.kinds import KINDS
from akount.ledger import DeadLetters
from akount.models import Document, Job, JobStatus, Operation
from akount.operations import Action
from fresh import make_settings, postgres_copy
from people import People, settle_in
from servers import Server
from worker import Consumer, emptied, until

JOBS, KILLS = 1_500, 3
JOBS_OF_WORKERS = int(os.environ.get("BULK_JOBS", "1200"))
"""With BULK_JOBS=10000 and `pytest -s -k another_worker` it takes most of a minute, and tells how long."""
KIND = next(iter(KINDS.values()))


@pytest.fixture
def settings(tmp_path_factory: pytest.TempPathFactory, postgres: Server) -> config.Settings:
    return make_settings(tmp_path_factory.mktemp("killed"), postgres_copy(postgres))


@pytest.fixture
def database(settings: config.Settings) -> Iterator[Database]:
    database = Database(settings.database)
    yield database
    database.close()


def fail(database: Database, people: People, count: int) -> list[uuid.UUID]:
    """So many dead letters of Ada's."""
    documents, jobs = [], []
    for _ in range(count):
        about = {"id": uuid.uuid4(), "tenant_id": people.ada.actor.tenant, "kind": KIND.name}
        key = uuid.uuid4().hex
        documents.append(
            about | {"entity_id": people.ada.entity_id, "filename": "a.pdf", "media_type": "application/pdf", "size": 1}
            | {"sha256": key * 2, "storage_key": key}
        )  # fmt: skip
        jobs.append(
            {
                "id": uuid.uuid4(),
                "tenant_id": about["tenant_id"],
                "document_id": about["id"],
                "queue": KIND.queue,
                "kind": KIND.name,
            }
            | {"status": JobStatus.FAILED, "max_attempts": 3, "attempts": 3, "error_code": "timed_out", "finished_at": now()}
        )
    with database.transaction() as session:
        session.execute(insert(Document), documents)
        session.execute(insert(Job), jobs)
    return [job["id"] for job in jobs]


def sweeper(settings: config.Settings) -> int:
    """The pid of a process that carries operations out, without a pause."""
    pid = os.fork()
    if pid:
        return pid
    try:
        database = Database(settings.database)
        while True:
            with database.transaction() as session:
                operations.advance(session)
    finally:
        os._exit(1)


def test_killed_in_the_middle_it_moves_exactly_the_frozen_set_once(
    settings: config.Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "BIT", 20)
    people = settle_in(database)
    meant = fail(database, people, JOBS)
    with database.transaction() as session:
        operation = operations.start(session, people.ada.call, Action.RETRY, DeadLetters(tenant_id=people.ada.actor.tenant), "")
    late = fail(database, people, 50)
    moved_on = meant[JOBS // 2]
    with database.transaction() as session:
        session.execute(update(Job).where(Job.id == moved_on).values(discarded_at=now()))
    seen = [done_by_killed(settings, database, operation.id) for _ in range(KILLS)]
    assert seen == sorted(seen)
    assert 0 < seen[0] < seen[-1] < JOBS, f"killed too late to prove anything: {seen}"
    while carry_on(database, operation.id).finished_at is None:
        pass
    with database.snapshot() as session:
        ended = session.get_one(Operation, operation.id)
        versions = dict(session.execute(select(Job.version, func.count()).where(Job.id.in_(meant)).group_by(Job.version)).all())
        waiting = set(session.scalars(select(Job.id).where(Job.status == JobStatus.WAITING)))
    assert waiting == set(meant) - {moved_on}
    assert versions == {2: JOBS - 1, 1: 1}, "each was moved once"
    assert not waiting & set(late)
    assert (ended.matched, ended.done, ended.skipped) == (JOBS, JOBS - 1, 1)


def test_another_worker_process_takes_up_what_one_was_killed_over(settings: config.Settings) -> None:
    """Asked for as the console asks; the first worker is killed with SIGKILL once it has begun. More that match fail
    meanwhile. The queue is paused, so that what is retried stays as the operation left it."""
    with emptied(settings) as runtime:
        people, started = settle_in(runtime.database), time.monotonic()
        meant = fail(runtime.database, people, JOBS_OF_WORKERS)
        scans.pause(runtime, people.ada.call, queue=KIND.queue, tenant_id=None, reason="of a test", until=None)
        asked = scans.start_operation(runtime, people.ada.call, Action.RETRY, DeadLetters(code="timed_out"), "the host is back")
        with Consumer(runtime) as worker:
            until(lambda: done(runtime.database, asked.id) > 0, worker)
            worker.process.kill()
        killed_at = done(runtime.database, asked.id)
        late = fail(runtime.database, people, 20)
        assert 0 < killed_at < JOBS_OF_WORKERS, "killed in the middle"
        with Consumer(runtime) as worker:
            until(lambda: scans.find_operation(runtime, people.ada.actor, asked.id).finished_at is not None, worker)
        ended = scans.find_operation(runtime, people.ada.actor, asked.id)
        with runtime.database.snapshot() as session:
            columns = select(Job.status, Job.version, func.count()).group_by(Job.status, Job.version)
            found = {ids: session.execute(columns.where(Job.id.in_(ids))).all() for ids in (tuple(meant), tuple(late))}
    assert found[tuple(meant)] == [(JobStatus.WAITING, 2, JOBS_OF_WORKERS)], "each was moved once"
    assert found[tuple(late)] == [(JobStatus.FAILED, 1, len(late))], "what failed later was left alone"
    assert (ended.matched, ended.done, ended.skipped) == (JOBS_OF_WORKERS, JOBS_OF_WORKERS, 0)
    print(f"{JOBS_OF_WORKERS:,} jobs, killed at {killed_at:,}, done after {time.monotonic() - started:.0f} s")


def done_by_killed(settings: config.Settings, database: Database, operation_id: uuid.UUID) -> int:
    """How many are done after a process was at it, and was killed once it had got further."""
    before, pid = done(database, operation_id), sweeper(settings)
    try:
        ends = time.monotonic() + 20
        while done(database, operation_id) <= before and time.monotonic() < ends:
            time.sleep(0.001)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return done(database, operation_id)


def done(database: Database, operation_id: uuid.UUID) -> int:
    with database.snapshot() as session:
        return session.scalars(select(Operation.done).where(Operation.id == operation_id)).one()


def carry_on(database: Database, operation_id: uuid.UUID) -> Operation:
    with database.transaction() as session:
        operations.advance(session)
    with database.snapshot() as session:
        return session.get_one(Operation, operation_id)


def test_to_ask_for_the_same_one_twice_is_to_ask_once(database: Database) -> None:
    people, known_as = settle_in(database), uuid.uuid4()
    fail(database, people, 3)
    meant = DeadLetters(tenant_id=people.ada.actor.tenant)
    for _ in range(2):
        with database.transaction() as session:
            made = operations.start(session, people.ada.call, Action.RETRY, meant, "", operation_id=known_as)
        assert (made.id, made.matched) == (known_as, 3)
    with database.snapshot() as session:
        assert session.scalar(select(func.count()).select_from(Operation)) == 1


def test_what_was_shown_is_what_is_meant(database: Database) -> None:
    """Between the look at how many there are and the order, more may fail: they are not meant."""
    people = settle_in(database)
    fail(database, people, 3)
    shown = now()
    fail(database, people, 2)
    with database.transaction() as session:
        made = operations.start(session, people.ada.call, Action.RETRY, DeadLetters(queue=KIND.queue), "", as_of=shown)
    assert made.matched == 3
