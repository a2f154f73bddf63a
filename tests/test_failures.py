"""Dead letters by their cause: what counts as the same, what is told of a group, notes and mutes, and whose they are."""

import datetime as dt
import uuid

import pytest
from sqlalchemy import select, update

from akount import currencies, failures, fingerprints, ledger, operations
from akount.accounts import Call
from akount.db import now
from akount.errors import AkountError, Crashed, Invalid, NotFound, TimedOut, Unreadable
from akount.failures import Group, Groups
from akount.ledger import DeadLetters
from akount.lifecycle import Runtime
from akount.models import Attempt, AuditEntry, Job, JobStatus
from akount.operations import Action
from make import submitted
from people import People, Person
from shared import emptied, shared_url

QUEUE = "bill-scan"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Page 3 of 17 is damaged.", "Page 1 of 2 is damaged."),
        ("The amount 1.234,56 is not 99", "The amount 7 is not 0,10"),
        ("No object 0f8fad5b-d9cb-469f-a165-70867728950e", "No object 7c9e6679-7425-40de-944b-e07fc1f90ae7"),
        ("'Cedar & Quill' has no address", "'Larkfield' has no address"),
        ('"a.pdf" is\n  empty', '"another file.pdf" is empty'),
    ],
)
def test_what_differs_from_document_to_document_does_not_count(one: str, other: str) -> None:
    assert fingerprints.plain(one) == fingerprints.plain(other)


def test_words_count_and_an_apostrophe_is_no_quotation() -> None:
    assert fingerprints.plain("It's empty, isn't it") == "It's empty, isn't it"
    assert fingerprints.plain("The deadbeef facade is added") == "The deadbeef facade is added"


def test_queue_code_class_and_message_make_the_cause() -> None:
    first = Unreadable("Page 1 is damaged.", code="damaged")
    same = fingerprints.cause(QUEUE, first).fingerprint
    assert fingerprints.cause(QUEUE, Unreadable("Page 2 is damaged.", code="damaged")).fingerprint == same
    others = [
        fingerprints.cause("another", first),
        fingerprints.cause(QUEUE, Unreadable("Page 1 is damaged.", code="encrypted")),
        fingerprints.cause(QUEUE, Crashed("Page 1 is damaged.", code="damaged")),
        fingerprints.cause(QUEUE, Unreadable("Page 1 is empty.", code="damaged")),
    ]
    assert len({same, *(other.fingerprint for other in others)}) == 5


def fault(text: str) -> AkountError:
    """A fault of ours, as the pipeline reports it."""
    error = AkountError("Something went wrong on our side.")
    try:
        currencies.to_minor(text, "EUR")  # type: ignore[arg-type]
    except (TypeError, ArithmeticError, AttributeError) as raised:
        error.__cause__ = raised
    return error


def test_a_fault_of_ours_is_told_by_the_innermost_place_of_ours_and_not_by_its_text() -> None:
    try:
        uuid.UUID(hex=fingerprints.plain(None))  # type: ignore[arg-type]
    except TypeError as raised:
        error = AkountError("Something went wrong on our side.")
        error.__cause__ = raised
    found = fingerprints.cause(QUEUE, error)
    assert found.origin == "TypeError in fingerprints.plain"
    assert found.frames.splitlines()[-1].startswith("fingerprints.plain:")
    assert "NoneType" not in found.frames


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    return shared_url(request, tmp_path_factory)


@pytest.fixture
def database_url(shared: str) -> str:
    return emptied(shared)


def failed(runtime: Runtime, person: Person, error: AkountError, ago: dt.timedelta = dt.timedelta()) -> uuid.UUID:
    """A document that met this error, as the ledger settles it; when its attempts were used up, it is a dead letter."""
    job = submitted(runtime, person)
    with runtime.database.transaction() as session:
        session.execute(update(Job).where(Job.id == job.id).values(attempts=1 if error.permanent else 2))
    with runtime.database.transaction() as session:
        held = ledger.claim(session, job.id, worker=ledger.worker_name(), lease_seconds=30)
        assert held is not None
        ledger.settle(session, held, error)
        session.execute(update(Job).where(Job.id == job.id).values(finished_at=now() - ago))
    return job.id


def damaged(page: int) -> Unreadable:
    return Unreadable(f"Page {page} is damaged.", code="damaged")


def groups(runtime: Runtime, person: Person) -> Groups:
    with runtime.database.snapshot() as session:
        return failures.groups(session, person.actor.tenant_id)


def only(runtime: Runtime, person: Person) -> Group:
    (found,) = groups(runtime, person).groups
    return found


def test_a_group_tells_how_many_since_when_and_for_whom(runtime: Runtime, people: People) -> None:
    failed(runtime, people.ada, damaged(1), dt.timedelta(days=3))
    failed(runtime, people.ada, damaged(2), dt.timedelta(hours=3))
    latest = failed(runtime, people.mallory, damaged(44))
    failed(runtime, people.ada, TimedOut(), dt.timedelta(minutes=30))
    assert not groups(runtime, people.otto).capped
    first, second = groups(runtime, people.otto).groups
    assert (first.jobs, first.tenants, first.hour, first.day, first.week) == (3, 2, 1, 2, 3)
    assert (first.code, first.sample, first.sample_job) == ("damaged", "Page 44 is damaged.", latest)
    assert first.origin == "Unreadable"
    assert first.last_seen - first.first_seen > dt.timedelta(days=2)
    assert first.permanent
    assert "better file" in first.advice
    assert (second.code, second.jobs, second.permanent) == ("timed_out", 1, False)


def test_a_group_tells_how_many_failed_in_each_hour_of_the_last_day(runtime: Runtime, people: People) -> None:
    hour = now().replace(minute=0, second=0, microsecond=0)
    since = now() - hour
    for hours, minutes in ((0, 0), (3, 0), (3, 1), (23, 0), (24, 0)):  # the last one is too old
        failed(runtime, people.ada, damaged(1), since + dt.timedelta(hours=hours) - dt.timedelta(minutes=minutes))
    failed(runtime, people.mallory, TimedOut(), dt.timedelta(0))
    with runtime.database.snapshot() as session:
        begins, ours = failures.by_hour(session, people.ada.actor.tenant_id)
        _, all_of_them = failures.by_hour(session, None)
        _, of_another_queue = failures.by_hour(session, None, queue="nothing")
    (counts,) = ours.values()
    assert (begins[-1], begins[0]) == (hour, hour - dt.timedelta(hours=23))
    assert {place: number for place, number in enumerate(counts) if number} == {0: 1, 20: 2, 23: 1}
    assert sorted(sum(one) for one in all_of_them.values()) == [1, 4]
    assert of_another_queue == {}


def test_a_tenant_sees_its_own_only(runtime: Runtime, people: People) -> None:
    failed(runtime, people.ada, damaged(1))
    failed(runtime, people.mallory, damaged(2))
    failed(runtime, people.mallory, TimedOut())
    assert (only(runtime, people.ada).jobs, only(runtime, people.ada).tenants) == (1, 1)
    with runtime.database.snapshot() as session, pytest.raises(NotFound):
        failures.group(session, people.ada.actor.tenant, groups(runtime, people.mallory).groups[0].fingerprint)


def test_what_is_tried_again_by_itself_is_counted_apart(runtime: Runtime, people: People) -> None:
    failed(runtime, people.ada, TimedOut())
    job = submitted(runtime, people.ada)
    with runtime.database.transaction() as session:
        held = ledger.claim(session, job.id, worker=ledger.worker_name(), lease_seconds=30)
        assert held is not None
        assert ledger.settle(session, held, TimedOut()) is JobStatus.DELAYED
    assert (only(runtime, people.ada).jobs, only(runtime, people.ada).retrying) == (1, 1)


def test_a_group_is_retried_as_a_whole_and_what_was_retried_has_left_it(runtime: Runtime, people: People) -> None:
    ids = {failed(runtime, people.ada, damaged(page)) for page in range(3)}
    other = failed(runtime, people.ada, TimedOut())
    fingerprint = next(g.fingerprint for g in groups(runtime, people.ada).groups if g.code == "damaged")
    meant = DeadLetters(tenant_id=people.ada.actor.tenant, fingerprint=fingerprint)
    with runtime.database.transaction() as session:
        assert operations.start(session, people.ada.call, Action.RETRY, meant, "").matched == 3
    with runtime.database.transaction() as session:
        operations.advance(session)
    with runtime.database.snapshot() as session:
        assert set(session.scalars(select(Job.id).where(Job.status == JobStatus.WAITING))) == ids
        assert session.get_one(Job, other).status is JobStatus.FAILED
        assert {job.fingerprint for job in session.scalars(select(Job).where(Job.id.in_(ids)))} == {None}
    assert only(runtime, people.ada).code == "timed_out"


def test_a_probe_is_the_latest_few(runtime: Runtime, people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "PROBE", 2)
    ids = [failed(runtime, people.ada, damaged(page), dt.timedelta(hours=page)) for page in (3, 1, 2)]
    with runtime.database.snapshot() as session:
        meant = failures.probe(session, people.ada.actor.tenant_id, only(runtime, people.ada).fingerprint)
        assert meant.ids == (ids[1], ids[2])
        with pytest.raises(NotFound):
            failures.probe(session, people.mallory.actor.tenant_id, only(runtime, people.ada).fingerprint)


def test_notes_and_mutes_are_those_of_who_looks_and_are_audited(runtime: Runtime, people: People) -> None:
    failed(runtime, people.ada, damaged(1))
    fingerprint = only(runtime, people.ada).fingerprint
    until = now() + dt.timedelta(hours=2)

    def noted(call: Call, text: str) -> None:
        with runtime.database.transaction() as session:
            failures.annotate(session, call, fingerprint, text)

    noted(people.ada.call, "asked the vendor")
    noted(people.ada.call, "they send it again")
    with runtime.database.transaction() as session:
        failures.mute(session, people.otto.call, fingerprint, until)
        assert failures.muted(session) == {fingerprint}
    assert (only(runtime, people.ada).note, only(runtime, people.ada).muted_until) == ("they send it again", None)
    assert (only(runtime, people.otto).note, only(runtime, people.otto).muted_until) == ("", until)
    with runtime.database.transaction() as session:
        failures.mute(session, people.otto.call, fingerprint, None)
        assert failures.muted(session) == set()
        said = session.scalars(select(AuditEntry.action).where(AuditEntry.target == f"failure:{fingerprint}")).all()
    assert sorted(said) == ["failure.mute", "failure.note", "failure.note", "failure.unmute"]


@pytest.mark.parametrize("away", [-dt.timedelta(seconds=1), dt.timedelta(days=91)])
def test_a_mute_ends_in_some_time(runtime: Runtime, people: People, away: dt.timedelta) -> None:
    failed(runtime, people.ada, damaged(1))
    with pytest.raises(Invalid), runtime.database.transaction() as session:
        failures.mute(session, people.ada.call, only(runtime, people.ada).fingerprint, now() + away)


def test_a_cause_of_somebody_elses_can_not_be_noted(runtime: Runtime, people: People) -> None:
    failed(runtime, people.mallory, damaged(1))
    with pytest.raises(NotFound), runtime.database.transaction() as session:
        failures.annotate(session, people.ada.call, only(runtime, people.mallory).fingerprint, "hello")


def test_an_attempt_keeps_the_way_to_a_fault_of_ours_and_only_to_that(runtime: Runtime, people: People) -> None:
    with_fault, without = failed(runtime, people.ada, fault("secret words")), failed(runtime, people.ada, damaged(1))
    with runtime.database.snapshot() as session:
        attempts = {one.job_id: one for one in session.scalars(select(Attempt))}
    assert attempts[with_fault].error_origin
    assert attempts[with_fault].error_frames
    assert "secret" not in f"{attempts[with_fault].error_frames}{attempts[with_fault].error_origin}"
    assert attempts[without].error_frames is None
