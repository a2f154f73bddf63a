"""Who is served next: priorities, turns among tenants, pauses; and what is known of the workers."""

import datetime as dt
import time
import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import update

from akount import accounts, backlog, ledger, pipeline, scans, workers
from akount.backlog import Priority
from akount.db import Database, now
from akount.errors import Conflict
from akount.lifecycle import Runtime
from akount.models import Document, Job, JobStatus, WorkerProcess
from akount.workers import Pulse
from fakes import FakeReader
from make import BILL, pdf, submitted
from people import People

HOUR = dt.timedelta(hours=1)


def entered(
    database: Database, tenant: uuid.UUID, entity: uuid.UUID, count: int = 1, priority: Priority = Priority.PERSON
) -> list[uuid.UUID]:
    """Jobs of a tenant, entered one after the other in one transaction."""
    ids, present = [], backlog.present_turn(database, BILL.queue, priority)
    with database.transaction() as session:
        for _ in range(count):
            unique = uuid.uuid4().hex
            document = Document(
                id=uuid.uuid4(),
                tenant_id=tenant,
                entity_id=entity,
                kind=BILL.name,
                filename="a.pdf",
                media_type="application/pdf",
                size=1,
                sha256=unique * 2,
                storage_key=unique,
            )
            session.add(document)
            session.flush()
            job = ledger.enter(
                session,
                document,
                queue=BILL.queue,
                max_attempts=3,
                request_id="",
                priority=priority,
                present=present,
            )
            session.flush()
            ids.append(job.id)
    return ids


def served(database: Database) -> uuid.UUID | None:
    """What a worker gets now."""
    with database.transaction() as session:
        held = ledger.claim(session, backlog.next_up(BILL.queue), worker="elsewhere:1:1", lease_seconds=30)
        return held and held.job_id


@pytest.fixture
def database(runtime: Runtime) -> Database:
    return runtime.database


def test_a_tenant_is_served_in_the_order_it_came(database: Database, people: People) -> None:
    ids = entered(database, people.ada.actor.tenant, people.ada.entity_id, 5)
    assert [served(database) for _ in range(6)] == [*ids, None]


def test_a_person_who_waits_comes_before_an_import(database: Database, people: People) -> None:
    bulk = entered(database, people.ada.actor.tenant, people.ada.entity_id, 3, Priority.BULK)
    (person,) = entered(database, people.ada.actor.tenant, people.ada.entity_id)
    assert [served(database) for _ in range(4)] == [person, *bulk]


def test_many_documents_of_one_tenant_do_not_delay_another(database: Database, people: People) -> None:
    many = entered(database, people.ada.actor.tenant, people.ada.entity_id, 300)
    assert [served(database) for _ in range(10)] == many[:10]
    (single,) = entered(database, people.mallory.actor.tenant, people.mallory.entity_id)
    assert single in [served(database) for _ in range(2)], "it is the other's turn at once, not after 290 others"
    assert served(database) in many


def test_tenants_take_turns(database: Database, people: People) -> None:
    ours = entered(database, people.ada.actor.tenant, people.ada.entity_id, 3)
    theirs = entered(database, people.mallory.actor.tenant, people.mallory.entity_id, 3)
    order = [served(database) for _ in range(6)]
    assert [{order[i], order[i + 1]} for i in (0, 2, 4)] == [{a, b} for a, b in zip(ours, theirs, strict=True)]


def test_what_is_not_due_is_passed_over(database: Database, people: People) -> None:
    first, second = entered(database, people.ada.actor.tenant, people.ada.entity_id, 2)
    with database.transaction() as session:
        session.execute(update(Job).where(Job.id == first).values(run_at=now() + HOUR))
    assert [served(database), served(database)] == [second, None]


@pytest.fixture(params=["queue", "tenant", "tenant in queue", "everything"])
def words(request: pytest.FixtureRequest, people: People) -> dict[str, object]:
    queue = BILL.queue if "queue" in request.param else None
    tenant = people.ada.actor.tenant if "tenant" in request.param else None
    return {"queue": queue, "tenant_id": tenant}


def test_what_is_paused_is_neither_served_nor_rung_for_until_it_is_resumed(
    database: Database, people: People, words: dict[str, object]
) -> None:
    (job_id,) = entered(database, people.ada.actor.tenant, people.ada.entity_id)
    with database.transaction() as session:
        session.execute(update(Job).values(rung_at=now() - HOUR))
        backlog.pause(session, **words, reason="stock-taking", by="user:x")  # type: ignore[arg-type]
    assert served(database) is None
    with database.transaction() as session:
        assert backlog.to_ring(session, BILL.queue, 10) == []
        assert backlog.eligible_count(session, BILL.queue) == 0
        assert [p.reason for p in backlog.pauses(session)] == ["stock-taking"]
        with pytest.raises(Conflict):
            backlog.pause(session, **words, reason="again", by="user:x")  # type: ignore[arg-type]
    with database.transaction() as session:
        backlog.resume(session, **words, by="user:y")  # type: ignore[arg-type]
        assert backlog.to_ring(session, BILL.queue, 10) == [job_id], "at once, not after the usual pause"
        with pytest.raises(Conflict):
            backlog.resume(session, **words, by="user:y")  # type: ignore[arg-type]
    assert served(database) == job_id


def test_the_pause_of_one_tenant_holds_up_nobody_else(database: Database, people: People) -> None:
    entered(database, people.ada.actor.tenant, people.ada.entity_id)
    (theirs,) = entered(database, people.mallory.actor.tenant, people.mallory.entity_id)
    with database.transaction() as session:
        backlog.pause(session, queue=None, tenant_id=people.ada.actor.tenant, reason="x", by="user:x")
    assert [served(database), served(database)] == [theirs, None]


def test_a_pause_ends_by_itself(database: Database, people: People) -> None:
    (job_id,) = entered(database, people.ada.actor.tenant, people.ada.entity_id)
    with database.transaction() as session:
        backlog.pause(session, queue=BILL.queue, tenant_id=None, reason="x", by="user:x", until=now() - HOUR)
    assert served(database) == job_id


def test_pausing_leaves_an_audit_entry_with_the_reason(runtime: Runtime, people: People) -> None:
    scans.pause(runtime, accounts.SHELL, queue=BILL.queue, tenant_id=None, reason="moving house", until=None)
    scans.resume(runtime, accounts.SHELL, queue=BILL.queue, tenant_id=None)
    job = submitted(runtime, people.ada)
    assert scans.find_job(runtime, people.ada.actor, job.id).status is JobStatus.WAITING


def test_a_running_job_that_is_cancelled_stops_being_read_and_writes_nothing(runtime: Runtime, people: People) -> None:
    import threading

    job = submitted(runtime, people.ada, pdf())
    reader = FakeReader()
    reader.hold.clear()
    pulse = pipeline.Pulse(runtime, reader, BILL.queue)
    pulse.start()
    worker = threading.Thread(target=pipeline.process, args=(runtime, reader, pulse, BILL.queue))
    worker.start()
    assert reader.reading.wait(60)
    scans.cancel(runtime, people.ada.call, job.id)
    worker.join(60)
    assert not worker.is_alive(), "the next beat stops the reading"
    pulse.stop()
    assert scans.find_job(runtime, people.ada.actor, job.id).status is JobStatus.CANCELLED


@pytest.fixture
def telling(runtime: Runtime) -> Iterator[pipeline.Pulse]:
    pulse = pipeline.Pulse(runtime, FakeReader(), BILL.queue)
    pulse.start()
    yield pulse
    pulse.stop()


def test_a_worker_tells_of_itself_and_of_its_end(runtime: Runtime, telling: pipeline.Pulse) -> None:
    ends = time.monotonic() + 10
    while not (known := listed(runtime)) and time.monotonic() < ends:
        time.sleep(0.05)
    assert [(w.name, w.queue, workers.pulse(w)) for w in known] == [(ledger.worker_name(), BILL.queue, Pulse.LIVE)]
    telling.stop()
    assert [workers.pulse(w) for w in listed(runtime)] == [Pulse.STOPPED]


@pytest.mark.parametrize(("silent", "expected"), [(5, Pulse.LIVE), (31, Pulse.STALE), (91, Pulse.LOST)])
def test_a_silent_worker_is_stale_and_then_lost(silent: int, expected: Pulse) -> None:
    worker = WorkerProcess(name="w", queue="q", version="1", seen_at=now() - dt.timedelta(seconds=silent), stopped_at=None)
    assert workers.pulse(worker) is expected


def test_a_worker_that_was_not_heard_of_for_a_day_is_forgotten(runtime: Runtime) -> None:
    with runtime.database.transaction() as session:
        workers.tell(session, "old", "q", None)
        workers.tell(session, "new", "q", None)
        session.execute(update(WorkerProcess).where(WorkerProcess.name == "old").values(seen_at=now() - 25 * HOUR))
        assert workers.forget(session) == 1
    assert [w.name for w in listed(runtime)] == ["new"]


def listed(runtime: Runtime) -> list[WorkerProcess]:
    with runtime.database.snapshot() as session:
        return workers.listed(session)
