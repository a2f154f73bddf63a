"""Bulk operations: exactly the jobs that were meant, bit by bit, whatever dies in between (R8)."""

import datetime as dt
import uuid

import pytest
from sqlalchemy import func, select, update

from akount import ledger, operations, scans
from akount.db import now
from akount.errors import Conflict, NotFound
from akount.ledger import DeadLetters, InLine
from akount.lifecycle import Runtime
from akount.models import AuditEntry, Document, Job, JobStatus, Operation
from akount.operations import Action
from akount.tasks import upkeep
from make import BILL, pdf, submitted
from people import People, Person
from shared import emptied, shared_url


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    return shared_url(request, tmp_path_factory)


@pytest.fixture
def database_url(shared: str) -> str:
    return emptied(shared)


@pytest.fixture
def small_bits(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(operations, "BIT", 3)
    return 3


def failed(runtime: Runtime, person: Person, count: int, at: dt.datetime | None = None) -> list[uuid.UUID]:
    """Jobs that have failed, all at the same instant."""
    ids = []
    with runtime.database.transaction() as session:
        for _ in range(count):
            document = Document(
                tenant_id=person.actor.tenant,
                entity_id=person.entity_id,
                kind=BILL.name,
                filename="a.pdf",
                media_type="application/pdf",
                size=1,
                sha256=uuid.uuid4().hex,
                storage_key=uuid.uuid4().hex,
            )
            session.add(document)
            session.flush()
            ids.append(ledger.enter(session, document, queue=BILL.queue, max_attempts=3, request_id="").id)
        ended = {"status": JobStatus.FAILED, "finished_at": at or now(), "error_code": "damaged", "error_detail": "It is damaged."}
        session.execute(update(Job).where(Job.id.in_(ids)).values(**ended))
    return ids


def statuses(runtime: Runtime, ids: list[uuid.UUID]) -> dict[JobStatus, int]:
    with runtime.database.snapshot() as session:
        rows = session.execute(select(Job.status, func.count()).where(Job.id.in_(ids)).group_by(Job.status)).all()
    return {row[0]: row[1] for row in rows}


def bit(runtime: Runtime) -> Operation | None:
    with runtime.database.transaction() as session:
        return operations.advance(session)


def test_all_that_are_meant_are_tried_again_bit_by_bit(runtime: Runtime, people: People, small_bits: int) -> None:
    ids = failed(runtime, people.ada, 7)
    started = scans.start_operation(runtime, people.ada.call, Action.RETRY, DeadLetters(queue=BILL.queue), "")
    assert (started.matched, started.done) == (7, 0)
    assert [bit(runtime).done for _ in range(3)] == [3, 6, 7]  # type: ignore[union-attr]
    assert statuses(runtime, ids) == {JobStatus.WAITING: 7}
    ended = scans.find_operation(runtime, people.ada.actor, started.id)
    assert (ended.done, ended.skipped, ended.finished_at is not None) == (7, 0, True)
    assert bit(runtime) is None


def test_a_sweep_does_the_next_bit(runtime: Runtime, people: People) -> None:
    ids = failed(runtime, people.ada, 2)
    scans.start_operation(runtime, people.ada.call, Action.RETRY, DeadLetters(), "")
    upkeep.sweep(runtime)
    assert statuses(runtime, ids) == {JobStatus.WAITING: 2}


def test_what_fails_after_it_was_asked_for_is_not_meant(runtime: Runtime, people: People, small_bits: int) -> None:
    ids = failed(runtime, people.ada, 4)
    started = scans.start_operation(runtime, people.ada.call, Action.RETRY, DeadLetters(), "")
    later = failed(runtime, people.ada, 2, at=now() + dt.timedelta(seconds=1))
    bit(runtime)
    with runtime.database.transaction() as session:  # one that was tried again has failed again meanwhile
        again = session.scalars(select(Job.id).where(Job.id.in_(ids), Job.status == JobStatus.WAITING).limit(1)).one()
        session.execute(update(Job).where(Job.id == again).values(status=JobStatus.FAILED, finished_at=now()))
    while bit(runtime):
        pass
    assert statuses(runtime, later) == {JobStatus.FAILED: 2}
    assert statuses(runtime, ids) == {JobStatus.WAITING: 3, JobStatus.FAILED: 1}
    assert scans.find_operation(runtime, people.ada.actor, started.id).done == 4


def test_what_has_moved_on_is_skipped_and_counted(runtime: Runtime, people: People) -> None:
    ids = failed(runtime, people.ada, 3)
    started = scans.start_operation(runtime, people.ada.call, Action.DISCARD, DeadLetters(), "spam")
    scans.retry(runtime, people.ada.call, ids[0])
    while bit(runtime):
        pass
    ended = scans.find_operation(runtime, people.ada.actor, started.id)
    assert (ended.matched, ended.done, ended.skipped) == (3, 2, 1)
    assert scans.find_job(runtime, people.ada.actor, ids[1]).discard_reason == "spam"


def test_a_bit_that_dies_before_its_commit_is_done_once(runtime: Runtime, people: People, small_bits: int) -> None:
    ids = failed(runtime, people.ada, 4)
    started = scans.start_operation(runtime, people.ada.call, Action.RETRY, DeadLetters(), "")
    with pytest.raises(ZeroDivisionError), runtime.database.transaction() as session:
        operations.advance(session)
        raise ZeroDivisionError
    assert statuses(runtime, ids) == {JobStatus.FAILED: 4}
    while bit(runtime):
        pass
    assert statuses(runtime, ids) == {JobStatus.WAITING: 4}
    assert scans.find_operation(runtime, people.ada.actor, started.id).done == 4


def test_a_cancelled_operation_does_nothing_more(runtime: Runtime, people: People, small_bits: int) -> None:
    ids = failed(runtime, people.ada, 5)
    started = scans.start_operation(runtime, people.ada.call, Action.RETRY, DeadLetters(), "")
    bit(runtime)
    scans.cancel_operation(runtime, people.ada.call, started.id)
    assert bit(runtime) is None
    assert statuses(runtime, ids) == {JobStatus.WAITING: 3, JobStatus.FAILED: 2}
    with pytest.raises(Conflict):
        scans.cancel_operation(runtime, people.ada.call, started.id)


def test_only_the_tenants_own_are_meant_whatever_is_asked(runtime: Runtime, people: People) -> None:
    ours, theirs = failed(runtime, people.ada, 2), failed(runtime, people.mallory, 2)
    meant = DeadLetters(tenant_id=people.ada.actor.tenant, ids=tuple(ours + theirs))
    started = scans.start_operation(runtime, people.mallory.call, Action.DISCARD, meant, "mine")
    while bit(runtime):
        pass
    assert statuses(runtime, ours) == {JobStatus.FAILED: 2}
    assert scans.find_operation(runtime, people.mallory.actor, started.id).done == 2
    assert scans.find_job(runtime, people.ada.actor, ours[0]).discarded_at is None
    with pytest.raises(NotFound):
        scans.find_operation(runtime, people.ada.actor, started.id)
    with pytest.raises(NotFound):
        scans.cancel_operation(runtime, people.ada.call, started.id)


def test_an_operator_reaches_every_tenant_or_the_one_that_is_named(runtime: Runtime, people: People) -> None:
    ours, theirs = failed(runtime, people.ada, 1), failed(runtime, people.mallory, 1)
    meant = DeadLetters(tenant_id=people.ada.actor.tenant)
    assert scans.operate(runtime, people.otto.call, Action.RETRY, meant) == 1
    assert (statuses(runtime, ours), statuses(runtime, theirs)) == ({JobStatus.WAITING: 1}, {JobStatus.FAILED: 1})
    assert scans.operate(runtime, people.otto.call, Action.RETRY, DeadLetters()) == 1


def test_it_leaves_one_entry_when_asked_and_one_when_over(runtime: Runtime, people: People) -> None:
    failed(runtime, people.ada, 3)
    started = scans.start_operation(runtime, people.ada.call, Action.DISCARD, DeadLetters(code="damaged"), "no longer wanted")
    while bit(runtime):
        pass
    with runtime.database.snapshot() as session:
        target = AuditEntry.target == f"operation:{started.id}"
        entries = session.scalars(select(AuditEntry).where(target).order_by(AuditEntry.created_at)).all()
    assert [e.action for e in entries] == ["jobs.discard", "operation.finish"]
    assert "no longer wanted" in entries[0].reason
    assert entries[1].reason == "matched 3, done 3, skipped 0"
    assert {e.actor for e in entries} == {people.ada.actor.name}


def test_a_job_that_is_tried_again_by_an_operation_is_rung_for(runtime: Runtime, people: People) -> None:
    job = submitted(runtime, people.ada, pdf())
    with runtime.database.transaction() as session:
        session.execute(update(Job).where(Job.id == job.id).values(status=JobStatus.FAILED, finished_at=now(), attempts=3))
    before = runtime.bells[BILL.queue].length() or 0
    runtime.bells[BILL.queue]._queue.storage.flush_queue()  # type: ignore[attr-defined]
    assert before == 1
    scans.start_operation(runtime, people.ada.call, Action.RETRY, DeadLetters(ids=(job.id,)), "")
    upkeep.sweep(runtime)
    assert runtime.bells[BILL.queue].length() == 1


def test_what_is_in_line_is_cancelled_and_nothing_else(runtime: Runtime, people: People, small_bits: int) -> None:
    """Not what came later, was tried again since, is another tenant's, or is in a worker's hands when its turn comes."""
    jobs = [submitted(runtime, people.ada).id for _ in range(8)]
    theirs = submitted(runtime, people.mallory).id
    dead = failed(runtime, people.ada, 1)
    with runtime.database.transaction() as session:
        delayed = {"status": JobStatus.DELAYED, "attempts": 1, "run_at": now() + dt.timedelta(hours=1)}
        session.execute(update(Job).where(Job.id == jobs[0]).values(**delayed))
    started = scans.start_operation(runtime, people.ada.call, Action.CANCEL, InLine(queue=BILL.queue), "sent by mistake")
    assert started.matched == 8
    later = submitted(runtime, people.ada).id
    scans.retry(runtime, people.ada.call, dead[0])
    with runtime.database.transaction() as session:
        session.execute(update(Job).where(Job.id == jobs[-1]).values(status=JobStatus.ACTIVE))
    while bit(runtime) is not None:
        pass
    assert statuses(runtime, jobs) == {JobStatus.CANCELLED: 7, JobStatus.ACTIVE: 1}
    assert statuses(runtime, [theirs, later, *dead]) == {JobStatus.WAITING: 3}
    ended = scans.find_operation(runtime, people.ada.actor, started.id)
    assert (ended.done, ended.skipped) == (7, 1)


def test_only_those_of_a_state_are_cancelled(runtime: Runtime, people: People) -> None:
    waiting, delayed = (submitted(runtime, people.ada).id for _ in range(2))
    with runtime.database.transaction() as session:
        session.execute(update(Job).where(Job.id == delayed).values(status=JobStatus.DELAYED, run_at=now() + dt.timedelta(hours=1)))
    assert scans.operate(runtime, people.ada.call, Action.CANCEL, InLine(status=JobStatus.DELAYED), "enough") == 1
    assert statuses(runtime, [waiting]) == {JobStatus.WAITING: 1}
