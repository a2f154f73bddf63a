"""Each arrow of the ledger, for whom it is closed, and that nobody holds a job twice (R5, R7)."""

import datetime as dt
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as profile
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from hypothesis.strategies import booleans, data, sampled_from
from sqlalchemy import event, select, update
from sqlalchemy.orm import Session

from akount import accounts, backlog, db, ledger
from akount.db import Database, now
from akount.errors import AkountError, Conflict, NotFound, Unavailable, Unreadable
from akount.ledger import Claim, LostClaim, claims
from akount.models import TERMINAL, Attempt, Document, Entity, Job, JobStatus
from shared import empty, in_a_hurry, shared_url

ROOT = Path(__file__).parent.parent
HOUR = dt.timedelta(hours=1)
SECOND = dt.timedelta(seconds=1)
QUEUE, OTHER_QUEUE = "bill-scan", "invoice-scan"
ELSEWHERE = "another-host/4026531836:7:1234"
"""A worker of a host that nothing is known about."""


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = in_a_hurry(Database(shared_url(request, tmp_path_factory)))
    with database.transaction() as session:
        accounts.add_tenant(session, "Ada & Co")
    yield database
    database.close()


@pytest.fixture
def database(opened: Database) -> Database:
    empty(opened)
    return opened


def entered(database: Database, queue: str = QUEUE, **then: Any) -> uuid.UUID:
    """A new job; `then` is what time has made of it."""
    with database.transaction() as session:
        entity = session.scalars(select(Entity)).one()
        document = Document(
            id=uuid.uuid4(),
            tenant_id=entity.tenant_id,
            entity_id=entity.id,
            kind="bill",
            filename="a.pdf",
            media_type="application/pdf",
            size=1,
            sha256=uuid.uuid4().hex * 2,
            storage_key=str(uuid.uuid4()),
        )
        session.add(document)
        session.flush()
        job = ledger.enter(session, document, queue=queue, max_attempts=3, request_id="request-1")
        session.flush()
        if then:
            session.execute(update(Job).where(Job.id == job.id).values(**then))
        return job.id


def later(database: Database, job_id: uuid.UUID, **values: Any) -> None:
    """Time has passed, or somebody else has been at work."""
    with database.transaction() as session:
        session.execute(update(Job).where(Job.id == job_id).values(**values))


def job_of(database: Database, job_id: uuid.UUID) -> Job:
    with database.snapshot() as session:
        return session.get_one(Job, job_id)


def attempts_of(database: Database, job_id: uuid.UUID) -> list[Attempt]:
    with database.snapshot() as session:
        return list(session.scalars(select(Attempt).where(Attempt.job_id == job_id).order_by(Attempt.ended_at)))


def claimed(database: Database, job_id: uuid.UUID, worker: str | None = None, lease: float = 30) -> Claim | None:
    with database.transaction() as session:
        return ledger.claim(session, job_id, worker=worker or ledger.worker_name(), lease_seconds=lease)


def held(database: Database, job_id: uuid.UUID | None = None, worker: str | None = None) -> Claim:
    claim = claimed(database, job_id or entered(database), worker)
    assert claim is not None
    return claim


def recovered(database: Database) -> list[uuid.UUID]:
    with database.transaction() as session:
        return ledger.recover(session)


def settled(database: Database, claim: Claim, error: AkountError) -> JobStatus | None:
    with database.transaction() as session:
        return ledger.settle(session, claim, error)


def finished(database: Database, claim: Claim) -> None:
    with database.transaction() as session:
        ledger.finish(session, claim, {"recordId": "r"})


def by_person(database: Database, deed: Callable[..., None], job_id: uuid.UUID, *more: str) -> None:
    with database.transaction() as session:
        deed(session, ledger.find(session, None, job_id), *more)


@pytest.fixture(scope="module")
def two_workers() -> Iterator[tuple[str, str]]:
    """The names of a process that lives and of one that does not."""
    command = [sys.executable, "-c", "from akount import backlog, ledger; print(ledger.worker_name(), flush=True); input()"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as living, subprocess.Popen(command, cwd=ROOT, **pipes) as dying:
        dead = dying.stdout.readline().strip()  # type: ignore[union-attr]
        dying.communicate("\n")
        yield living.stdout.readline().strip(), dead  # type: ignore[union-attr]
        living.communicate("\n")


@pytest.fixture
def living(two_workers: tuple[str, str]) -> str:
    return two_workers[0]


@pytest.fixture
def dead(two_workers: tuple[str, str]) -> str:
    return two_workers[1]


# --- entering and claiming ---


def test_an_entered_job_waits_and_is_counted_as_rung(database: Database) -> None:
    job = job_of(database, entered(database))
    assert (job.status, job.attempts, job.fence, job.version, job.progress) == (JobStatus.WAITING, 0, 0, 1, 0)
    assert (job.queue, job.kind, job.max_attempts, job.request_id) == (QUEUE, "bill", 3, "request-1")
    assert job.rung_at is not None
    with database.transaction() as session:
        assert backlog.to_ring(session, QUEUE, 10) == [], "the caller rings it"


def test_a_claim_takes_the_job_into_a_workers_hands(database: Database) -> None:
    job_id = entered(database)
    claim = held(database, job_id)
    job = job_of(database, job_id)
    assert (claim.job_id, claim.document_id, claim.tenant_id) == (job_id, job.document_id, job.tenant_id)
    assert (claim.fence, claim.attempt, claim.max_attempts, claim.request_id) == (1, 1, 3, "request-1")
    assert (job.status, job.worker, job.attempts, job.version) == (JobStatus.ACTIVE, ledger.worker_name(), 1, 2)
    assert job.started_at is not None
    assert job.lease_until == job.started_at + 30 * SECOND


def test_a_job_is_claimed_once_however_many_ask(database: Database) -> None:
    jobs = [entered(database) for _ in range(20)]
    ready = threading.Barrier(8)

    def ask(number: int) -> list[uuid.UUID]:
        ready.wait()
        return [job_id for job_id in jobs if claimed(database, job_id, f"host:{number}:0")]

    with ThreadPoolExecutor(8) as pool:
        won = [job_id for mine in pool.map(ask, range(8)) for job_id in mine]
    assert sorted(won) == sorted(jobs)
    assert all(job_of(database, job_id).fence == 1 for job_id in jobs)


def test_a_job_is_claimed_again_only_when_it_is_due(database: Database) -> None:
    job_id = entered(database, status=JobStatus.DELAYED, run_at=now() + HOUR)
    assert claimed(database, job_id) is None
    later(database, job_id, run_at=now() - SECOND)
    assert claimed(database, job_id) is not None


@pytest.mark.parametrize("status", [JobStatus.ACTIVE, *TERMINAL])
def test_a_job_that_does_not_wait_is_not_to_be_had(database: Database, status: JobStatus) -> None:
    assert claimed(database, entered(database, status=status)) is None


def test_a_job_that_never_was_is_not_to_be_had(database: Database) -> None:
    assert claimed(database, uuid.uuid4()) is None


def test_a_claim_forgets_the_error_of_the_attempt_before(database: Database) -> None:
    job_id = entered(database, status=JobStatus.DELAYED, error_code="timed_out", error_detail="Too long.")
    held(database, job_id)
    job = job_of(database, job_id)
    assert (job.error_code, job.error_detail) == (None, None)


# --- the worker that holds it ---


def test_a_beat_prolongs_the_lease_and_notes_the_progress(database: Database) -> None:
    claim = held(database)
    later(database, claim.job_id, lease_until=now())
    with database.transaction() as session:
        assert ledger.beat(session, claim, lease_seconds=30, progress=50)
    job = job_of(database, claim.job_id)
    assert job.progress == 50
    assert job.lease_until is not None
    assert job.lease_until > now() + 20 * SECOND


def test_finishing_completes_the_job_with_its_result(database: Database) -> None:
    claim = held(database)
    finished(database, claim)
    job = job_of(database, claim.job_id)
    assert (job.status, job.progress, job.result) == (JobStatus.COMPLETED, 100, {"recordId": "r"})
    assert (job.worker, job.lease_until) == (None, None)
    assert job.finished_at is not None
    (attempt,) = attempts_of(database, claim.job_id)
    assert (attempt.number, attempt.outcome, attempt.worker, attempt.error_code) == (1, "completed", claim.worker, None)
    assert attempt.started_at == claim.started_at <= attempt.ended_at


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 2), (2, 4)])
def test_a_passing_fault_delays_the_job_two_seconds_and_then_four(database: Database, attempt: int, seconds: int) -> None:
    waits = []
    for _ in range(10):
        claim = held(database, entered(database, attempts=attempt - 1))
        claim_at = now()
        assert settled(database, claim, Unavailable("The storage is away.", code="storage_unavailable")) is JobStatus.DELAYED
        job = job_of(database, claim.job_id)
        assert (job.status, job.error_code, job.error_detail) == (JobStatus.DELAYED, "storage_unavailable", "The storage is away.")
        assert (job.worker, job.lease_until, job.finished_at, job.progress) == (None, None, None, 0)
        waits.append((job.run_at - claim_at).total_seconds())
    assert all(seconds <= wait <= seconds * 1.2 + 1 for wait in waits)
    assert max(waits) - min(waits) > seconds * 0.01, "what failed together does not come back together"


def test_the_jitter_is_at_most_a_fifth() -> None:
    for attempt, seconds in ((1, 2.0), (2, 4.0), (3, 8.0), (12, 300.0), (60, 300.0)):
        pauses = [claims._pause(attempt, None).total_seconds() for _ in range(200)]
        assert min(pauses) >= seconds
        assert max(pauses) <= seconds * 1.2


def test_a_permanent_fault_fails_the_job_at_its_first_attempt(database: Database) -> None:
    claim = held(database)
    assert settled(database, claim, Unreadable("It is encrypted.", code="encrypted")) is JobStatus.FAILED
    job = job_of(database, claim.job_id)
    assert (job.status, job.error_code, job.error_detail) == (JobStatus.FAILED, "encrypted", "It is encrypted.")
    assert job.finished_at is not None
    (attempt,) = attempts_of(database, claim.job_id)
    assert (attempt.outcome, attempt.error_code, attempt.error_detail) == ("failed", "encrypted", "It is encrypted.")


def test_a_job_fails_when_its_attempts_are_used_up(database: Database) -> None:
    job_id = entered(database)
    outcomes = []
    for _ in range(3):
        later(database, job_id, run_at=now() - SECOND)
        outcomes.append(settled(database, held(database, job_id), Unavailable()))
    assert outcomes == [JobStatus.DELAYED, JobStatus.DELAYED, JobStatus.FAILED]
    assert [a.number for a in attempts_of(database, job_id)] == [1, 2, 3]
    assert [a.outcome for a in attempts_of(database, job_id)] == ["delayed", "delayed", "failed"]
    assert claimed(database, job_id) is None


@pytest.mark.parametrize(("wish", "least", "most"), [(60, 60, 60), (0.5, 2, 2.4), (86_400, 300, 300), (0, 2, 2.4)])
def test_a_wish_to_wait_is_obeyed_up_to_the_cap(database: Database, wish: float, least: float, most: float) -> None:
    claim = held(database)
    before = now()
    settled(database, claim, Unavailable(retry_after=wish))
    wait = (job_of(database, claim.job_id).run_at - before).total_seconds()
    assert least <= wait <= most + 1


def test_a_job_given_back_waits_at_once_and_its_attempt_does_not_count(database: Database) -> None:
    claim = held(database)
    with database.transaction() as session:
        assert ledger.give_back(session, claim)
    job = job_of(database, claim.job_id)
    assert (job.status, job.attempts, job.worker, job.lease_until) == (JobStatus.WAITING, 0, None, None)
    assert [a.outcome for a in attempts_of(database, claim.job_id)] == ["given_back"]
    again = held(database, claim.job_id)
    assert (again.attempt, again.fence) == (1, 2), "the fence grows all the same"


# --- recovering ---


def test_a_job_whose_lease_is_over_is_given_back(database: Database) -> None:
    claim = held(database, worker=ELSEWHERE)
    assert recovered(database) == []
    later(database, claim.job_id, lease_until=now() - SECOND)
    assert recovered(database) == [claim.job_id]
    job = job_of(database, claim.job_id)
    assert (job.status, job.attempts, job.worker, job.error_code) == (JobStatus.WAITING, 1, None, "worker_lost")
    (attempt,) = attempts_of(database, claim.job_id)
    assert (attempt.number, attempt.outcome, attempt.worker, attempt.error_code) == (1, "lost", ELSEWHERE, "worker_lost")
    assert recovered(database) == []
    assert held(database, claim.job_id).attempt == 2


def test_a_recovered_job_is_rung_for_at_once(database: Database) -> None:
    claim = held(database, worker=ELSEWHERE)
    later(database, claim.job_id, lease_until=now() - SECOND, rung_at=now())
    recovered(database)
    with database.transaction() as session:
        assert backlog.to_ring(session, QUEUE, 10) == [claim.job_id]


def test_a_job_of_a_dead_process_of_this_host_is_given_back_before_its_lease_is_over(database: Database, dead: str) -> None:
    claim = held(database, worker=dead)
    assert recovered(database) == [claim.job_id]
    assert job_of(database, claim.job_id).status is JobStatus.WAITING


def test_a_process_that_got_the_number_of_a_dead_one_does_not_hold_its_jobs(database: Database) -> None:
    host, pid, started = ledger.worker_name().rsplit(":", 2)
    assert int(pid) == os.getpid()
    claim = held(database, worker=f"{host}:{pid}:{int(started) - 1}")
    assert recovered(database) == [claim.job_id]


def test_jobs_of_the_living_are_left_alone_until_their_lease_is_over(database: Database, living: str) -> None:
    claims = [held(database, worker=w) for w in (living, ELSEWHERE, ledger.worker_name())]
    assert recovered(database) == []
    for claim in claims:
        later(database, claim.job_id, lease_until=now() - SECOND)
    assert set(recovered(database)) == {claim.job_id for claim in claims}


def test_after_its_last_attempt_a_lost_job_has_failed(database: Database) -> None:
    claim = held(database, entered(database, attempts=2), worker=ELSEWHERE)
    assert claim.attempt == 3
    later(database, claim.job_id, lease_until=now() - SECOND)
    assert recovered(database) == [claim.job_id]
    job = job_of(database, claim.job_id)
    assert (job.status, job.error_code) == (JobStatus.FAILED, "worker_lost")
    assert job.finished_at is not None
    assert job.error_detail


def test_two_sweeps_at_once_recover_a_job_once(database: Database) -> None:
    jobs = [held(database, worker=ELSEWHERE).job_id for _ in range(10)]
    for job_id in jobs:
        later(database, job_id, lease_until=now() - SECOND)
    ready = threading.Barrier(4)

    def sweep(_: int) -> list[uuid.UUID]:
        ready.wait()
        return recovered(database)

    with ThreadPoolExecutor(4) as pool:
        moved = [job_id for mine in pool.map(sweep, range(4)) for job_id in mine]
    assert sorted(moved) == sorted(jobs)
    assert all(len(attempts_of(database, job_id)) == 1 for job_id in jobs)


def test_a_beat_that_comes_before_the_sweep_saves_the_job(database: Database) -> None:
    claim = held(database, worker=ELSEWHERE)
    later(database, claim.job_id, lease_until=now() - SECOND)
    with database.transaction() as session:
        assert ledger.beat(session, claim, lease_seconds=30, progress=30)
    assert recovered(database) == []


def test_a_beat_that_comes_while_the_sweep_looks_saves_the_job(database: Database) -> None:
    if database.sqlite:
        pytest.skip("on SQLite nobody writes while a sweep looks")
    claim = held(database, worker=ELSEWHERE)
    later(database, claim.job_id, lease_until=now() - SECOND)
    beats: list[bool] = []

    def beat(*said: Any) -> None:
        if not beats and said[2].startswith("SELECT jobs"):
            beats.append(True)
            with database.transaction() as session:
                assert ledger.beat(session, claim, lease_seconds=30, progress=30)

    event.listen(database.engine, "after_cursor_execute", beat)
    try:
        assert recovered(database) == []
    finally:
        event.remove(database.engine, "after_cursor_execute", beat)
    assert beats
    assert job_of(database, claim.job_id).status is JobStatus.ACTIVE
    assert attempts_of(database, claim.job_id) == []


def test_a_process_that_is_frozen_in_the_middle_of_a_move_holds_up_nobody_else(database: Database) -> None:
    if database.sqlite:
        pytest.skip("on SQLite the system takes the lock of a process that writes, not that of a row")
    stuck, other = held(database, worker=ELSEWHERE), held(database, worker=ELSEWHERE)
    rung = entered(database, rung_at=None)
    for claim in (stuck, other):
        later(database, claim.job_id, lease_until=now() - SECOND)
    with database.transaction() as frozen:
        frozen.execute(select(Job.id).where(Job.id.in_([stuck.job_id, rung])).with_for_update())
        assert recovered(database) == [other.job_id]
        with database.transaction() as session:
            assert backlog.to_ring(session, QUEUE, 10) == [other.job_id]
    assert recovered(database) == [stuck.job_id]


# --- the fence ---


@pytest.fixture(params=["recovered", "claimed again", "cancelled", "completed by another"])
def lost(request: pytest.FixtureRequest, database: Database) -> Claim:
    """A claim whose job has gone on without it."""
    claim = held(database, worker=ELSEWHERE)
    later(database, claim.job_id, lease_until=now() - SECOND)
    recovered(database)
    if request.param == "claimed again":
        held(database, claim.job_id)
    elif request.param == "cancelled":
        by_person(database, ledger.cancel, claim.job_id)
    elif request.param == "completed by another":
        finished(database, held(database, claim.job_id))
    return claim


def as_it_is(database: Database, job_id: uuid.UUID) -> tuple[Any, ...]:
    job = job_of(database, job_id)
    seen = {column.key: getattr(job, column.key) for column in Job.__table__.columns}
    return (seen, len(attempts_of(database, job_id)))


def test_a_worker_that_lost_its_job_can_do_nothing_more_to_it(database: Database, lost: Claim) -> None:
    before = as_it_is(database, lost.job_id)
    with database.transaction() as session:
        assert not ledger.beat(session, lost, lease_seconds=30, progress=50)
    assert settled(database, lost, Unavailable()) is None
    assert settled(database, lost, Unreadable()) is None
    with database.transaction() as session:
        assert not ledger.give_back(session, lost)
    with pytest.raises(LostClaim):
        finished(database, lost)
    assert as_it_is(database, lost.job_id) == before


def test_who_lost_the_job_loses_what_was_written_with_it(database: Database, lost: Claim) -> None:
    def write() -> None:
        with database.transaction() as session:
            session.add(Entity(tenant_id=lost.tenant_id, name="written by a lost worker"))
            session.flush()
            ledger.finish(session, lost, {})

    with pytest.raises(LostClaim):
        write()
    with database.snapshot() as session:
        assert session.scalars(select(Entity.name)).all() == ["Ada & Co"]


# --- ringing ---


def rung(database: Database, room: int = 100, queue: str = QUEUE) -> list[uuid.UUID]:
    with database.transaction() as session:
        return backlog.to_ring(session, queue, room)


def test_the_oldest_are_rung_for_first_and_no_more_than_there_is_room(database: Database) -> None:
    ages = [3, 5, 1, 4, 2]
    jobs = {n: entered(database, turn=0, run_at=now() - n * HOUR, rung_at=now() - HOUR) for n in ages}
    assert rung(database, room=0) == []
    assert rung(database, room=-1) == []
    assert rung(database, room=2) == [jobs[5], jobs[4]]
    assert rung(database, room=2) == [jobs[3], jobs[2]], "what was just rung for has its turn later"
    assert rung(database) == [jobs[1]]
    assert rung(database) == []


def test_a_bell_that_was_not_answered_is_rung_again(database: Database) -> None:
    job_id = entered(database, run_at=now() - HOUR, rung_at=now() - 4 * SECOND)
    assert rung(database) == []
    later(database, job_id, rung_at=now() - 6 * SECOND)
    assert rung(database) == [job_id]
    assert rung(database) == []


def test_a_job_that_was_never_rung_for_is(database: Database) -> None:
    job_id = entered(database, rung_at=None)
    assert rung(database) == [job_id]


def test_a_delayed_job_is_rung_for_when_it_is_due_and_then_at_once(database: Database) -> None:
    job_id = entered(database, status=JobStatus.DELAYED, run_at=now() + HOUR, rung_at=now() - HOUR)
    assert rung(database) == []
    later(database, job_id, run_at=now(), rung_at=now() - SECOND)
    assert rung(database) == [job_id]


def test_only_jobs_of_the_queue_that_can_be_claimed_are_rung_for(database: Database) -> None:
    old = {"run_at": now() - HOUR, "rung_at": now() - HOUR}
    for status in (JobStatus.ACTIVE, *TERMINAL):
        entered(database, status=status, **old)
    other = entered(database, queue=OTHER_QUEUE, **old)
    waiting = entered(database, **old)
    with database.snapshot() as session:
        assert backlog.eligible_count(session, QUEUE) == 1
        assert backlog.eligible_count(session, OTHER_QUEUE) == 1
    assert rung(database) == [waiting]
    assert rung(database, queue=OTHER_QUEUE) == [other]


# --- people ---


@pytest.mark.parametrize("status", [JobStatus.WAITING, JobStatus.DELAYED, JobStatus.ACTIVE])
def test_a_job_that_is_not_over_can_be_cancelled(database: Database, status: JobStatus) -> None:
    job_id = entered(database, status=status)
    by_person(database, ledger.cancel, job_id)
    job = job_of(database, job_id)
    assert job.status is JobStatus.CANCELLED
    assert job.finished_at is not None
    assert claimed(database, job_id) is None


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.CANCELLED])
def test_a_job_that_failed_or_was_cancelled_has_all_its_attempts_again(database: Database, status: JobStatus) -> None:
    ended = {"finished_at": now(), "discarded_at": now(), "discard_reason": "x", "archived_at": now(), "worker": "w"}
    ended |= {"started_at": now(), "error_code": "damaged", "error_detail": "x"}
    job_id = entered(database, status=status, attempts=3, progress=50, **ended)
    by_person(database, ledger.retry, job_id)
    job = job_of(database, job_id)
    assert (job.status, job.attempts, job.progress, job.worker) == (JobStatus.WAITING, 0, 0, None)
    assert (job.finished_at, job.discarded_at, job.discard_reason, job.archived_at) == (None, None, None, None)
    assert (job.started_at, job.error_code, job.error_detail) == (None, None, None)
    assert rung(database) == [], "the caller rings it"
    assert held(database, job_id).attempt == 1


def test_a_failed_job_is_discarded_once_with_a_reason(database: Database) -> None:
    job_id = entered(database, status=JobStatus.FAILED)
    by_person(database, ledger.discard, job_id, "a duplicate")
    job = job_of(database, job_id)
    assert (job.status, job.discard_reason) == (JobStatus.FAILED, "a duplicate")
    assert job.discarded_at is not None
    with pytest.raises(Conflict):
        by_person(database, ledger.discard, job_id, "again")


@pytest.mark.parametrize(
    ("deed", "allowed", "more"),
    [
        (ledger.cancel, {JobStatus.WAITING, JobStatus.DELAYED, JobStatus.ACTIVE}, ()),
        (ledger.retry, {JobStatus.FAILED, JobStatus.CANCELLED}, ()),
        (ledger.discard, {JobStatus.FAILED}, ("why",)),
    ],
)
def test_every_other_status_refuses_and_stays(
    database: Database, deed: Callable[..., None], allowed: set[JobStatus], more: tuple[str, ...]
) -> None:
    for status in set(JobStatus) - allowed:
        job_id = entered(database, status=status)
        before = as_it_is(database, job_id)
        with pytest.raises(Conflict) as refused:
            by_person(database, deed, job_id, *more)
        assert refused.value.code == "wrong_status"
        assert as_it_is(database, job_id) == before


def test_what_a_person_takes_back_is_cancelled_whatever_a_worker_does_at_the_same_moment(database: Database) -> None:
    for _ in range(10):
        job_id = entered(database)
        ready = threading.Barrier(2)

        def take(job_id: uuid.UUID = job_id, ready: threading.Barrier = ready) -> Claim | None:
            ready.wait()
            return claimed(database, job_id)

        def take_back(job_id: uuid.UUID = job_id, ready: threading.Barrier = ready) -> None:
            ready.wait()
            by_person(database, ledger.cancel, job_id)

        with ThreadPoolExecutor(2) as pool:
            got, taken_back = pool.submit(take), pool.submit(take_back)
        taken_back.result()
        claim = got.result()
        if claim is not None:
            with pytest.raises(LostClaim):
                finished(database, claim)
        assert job_of(database, job_id).status is JobStatus.CANCELLED


def test_another_tenants_job_is_not_found(database: Database) -> None:
    job_id = entered(database)
    job = job_of(database, job_id)
    with database.snapshot() as session:
        assert ledger.find(session, job.tenant_id, job_id).id == job_id
        assert ledger.find(session, None, job_id).id == job_id, "an operator sees all"
        for tenant, wanted in ((uuid.uuid4(), job_id), (job.tenant_id, uuid.uuid4()), (None, uuid.uuid4())):
            with pytest.raises(NotFound):
                ledger.find(session, tenant, wanted)


# --- the history ---


def archived(database: Database, keep: int = 1000) -> int:
    at = now()
    with database.transaction() as session:
        return ledger.archive(
            session, completed_before=at - 24 * HOUR, failed_before=at - 7 * 24 * HOUR, keep=keep, queues=[QUEUE, OTHER_QUEUE]
        )


def ended(database: Database, status: JobStatus, hours: float, queue: str = QUEUE) -> uuid.UUID:
    return entered(database, queue=queue, status=status, finished_at=now() - hours * HOUR)


def in_history(database: Database) -> set[uuid.UUID]:
    with database.snapshot() as session:
        return set(session.scalars(select(Job.id).where(Job.archived_at.is_(None))))


def test_old_jobs_leave_the_history_by_their_age(database: Database) -> None:
    stays = {
        ended(database, JobStatus.COMPLETED, 23),
        ended(database, JobStatus.FAILED, 25),
        ended(database, JobStatus.FAILED, 6.9 * 24),
        ended(database, JobStatus.CANCELLED, 6.9 * 24),
        entered(database),
        held(database).job_id,
    }
    goes = {
        ended(database, JobStatus.COMPLETED, 25),
        ended(database, JobStatus.FAILED, 7.1 * 24),
        ended(database, JobStatus.CANCELLED, 7.1 * 24),
    }
    assert archived(database) == len(goes)
    assert in_history(database) == stays
    assert archived(database) == 0
    assert all(job_of(database, job_id) for job_id in goes), "the lines stay with their documents"


def test_of_completed_jobs_each_queue_keeps_only_the_newest(database: Database) -> None:
    mine = [ended(database, JobStatus.COMPLETED, n) for n in range(1, 6)]
    others = [ended(database, JobStatus.COMPLETED, n, OTHER_QUEUE) for n in range(1, 3)]
    failed = [ended(database, JobStatus.FAILED, n) for n in range(1, 6)]
    assert archived(database, keep=3) == 2
    assert in_history(database) == {*mine[:3], *others, *failed}
    assert archived(database, keep=3) == 0


def test_the_history_is_counted_by_queue_and_status(database: Database) -> None:
    ended(database, JobStatus.COMPLETED, 1)
    ended(database, JobStatus.COMPLETED, 25)
    entered(database)
    entered(database)
    entered(database, queue=OTHER_QUEUE, status=JobStatus.FAILED, finished_at=now())
    archived(database)
    with database.snapshot() as session:
        assert backlog.counts(session) == {QUEUE: {"completed": 1, "waiting": 2}, OTHER_QUEUE: {"failed": 1}}


# --- every order of events ---


class Ledger(RuleBasedStateMachine):
    """Workers, people, sweeps and the clock in any order, beside what ought to come of it."""

    database: Database

    def __init__(self) -> None:
        super().__init__()
        empty(self.database)
        self.expected: dict[uuid.UUID, JobStatus] = {}
        self.holder: dict[uuid.UUID, Claim] = {}
        self.claims: list[Claim] = []

    def session(self) -> Any:
        return self.database.transaction()

    @rule()
    def enter(self) -> None:
        if len(self.expected) < 3:
            self.expected[entered(self.database)] = JobStatus.WAITING

    @precondition(lambda self: self.expected)
    @rule(data=data())
    def claim(self, data: Any) -> None:
        job_id = data.draw(sampled_from(list(self.expected)))
        claim = claimed(self.database, job_id, ELSEWHERE)
        assert (claim is not None) == (self.expected[job_id] in (JobStatus.WAITING, JobStatus.DELAYED))
        if claim is not None:
            self.claims.append(claim)
            self.holder[job_id], self.expected[job_id] = claim, JobStatus.ACTIVE

    def a_claim(self, data: Any) -> tuple[Claim, bool]:
        """Any claim there ever was, and whether it should still count."""
        claim = data.draw(sampled_from(self.claims))
        return claim, self.holder.get(claim.job_id) is claim

    def let_go(self, claim: Claim, status: JobStatus) -> None:
        del self.holder[claim.job_id]
        self.expected[claim.job_id] = status

    @precondition(lambda self: self.claims)
    @rule(data=data())
    def beat(self, data: Any) -> None:
        claim, counts = self.a_claim(data)
        with self.session() as session:
            assert ledger.beat(session, claim, lease_seconds=30, progress=50) == counts

    @precondition(lambda self: self.claims)
    @rule(data=data())
    def finish(self, data: Any) -> None:
        claim, counts = self.a_claim(data)
        if counts:
            finished(self.database, claim)
            self.let_go(claim, JobStatus.COMPLETED)
        else:
            with pytest.raises(LostClaim):
                finished(self.database, claim)

    @precondition(lambda self: self.claims)
    @rule(data=data(), permanent=booleans())
    def settle(self, data: Any, permanent: bool) -> None:
        claim, counts = self.a_claim(data)
        status = settled(self.database, claim, Unreadable() if permanent else Unavailable())
        wanted = JobStatus.FAILED if permanent or claim.attempt == 3 else JobStatus.DELAYED
        assert status == (wanted if counts else None)
        if counts:
            self.let_go(claim, wanted)
            if wanted is JobStatus.DELAYED:
                later(self.database, claim.job_id, run_at=now())

    @precondition(lambda self: self.claims)
    @rule(data=data())
    def give_back(self, data: Any) -> None:
        claim, counts = self.a_claim(data)
        with self.session() as session:
            assert ledger.give_back(session, claim) == counts
        if counts:
            self.let_go(claim, JobStatus.WAITING)

    @precondition(lambda self: self.holder)
    @rule(data=data())
    def lose(self, data: Any) -> None:
        job_id = data.draw(sampled_from(list(self.holder)))
        later(self.database, job_id, lease_until=now() - SECOND)
        assert recovered(self.database) == [job_id]
        claim = self.holder[job_id]
        self.let_go(claim, JobStatus.FAILED if claim.attempt == 3 else JobStatus.WAITING)

    @precondition(lambda self: self.expected)
    @rule(data=data(), deed=sampled_from([ledger.cancel, ledger.retry]))
    def interfere(self, data: Any, deed: Callable[[Session, Job], None]) -> None:
        job_id = data.draw(sampled_from(list(self.expected)))
        waits = self.expected[job_id] in (JobStatus.WAITING, JobStatus.DELAYED, JobStatus.ACTIVE)
        over = self.expected[job_id] in (JobStatus.FAILED, JobStatus.CANCELLED)
        if waits if deed is ledger.cancel else over:
            by_person(self.database, deed, job_id)
            self.holder.pop(job_id, None)
            self.expected[job_id] = JobStatus.CANCELLED if deed is ledger.cancel else JobStatus.WAITING
        else:
            with pytest.raises(Conflict):
                by_person(self.database, deed, job_id)

    @invariant()
    def the_ledger_says_what_ought_to_be(self) -> None:
        with self.database.snapshot() as session:
            jobs = session.scalars(select(Job)).all()
        assert {job.id: job.status for job in jobs} == self.expected
        for job in jobs:
            holder = self.holder.get(job.id)
            assert (job.worker is not None) == (job.lease_until is not None) == (holder is not None)
            assert holder is None or job.fence == holder.fence
            assert (job.finished_at is not None) == (job.status in TERMINAL)
            assert 0 <= job.attempts <= job.max_attempts


def test_in_every_order_of_events_a_job_has_one_holder_at_most(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'test.db'}"
    db.migrate(url)
    database = in_a_hurry(Database(url))
    with database.transaction() as session:
        accounts.add_tenant(session, "Ada & Co")

    class Here(Ledger):
        pass

    Here.database = database
    run_state_machine_as_test(
        Here, settings=profile(max_examples=20, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck))
    )
    database.close()
