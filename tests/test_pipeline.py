"""A document that is read becomes one record, whatever happens on the way, and a fault becomes a status (S1, S6, S7)."""

import datetime as dt
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from urllib.parse import unquote, urlsplit

import pytest
from sqlalchemy import event, select, update
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

from akount import ledger, pipeline, scans
from akount.db import now
from akount.errors import AkountError, Crashed, OutOfMemory, TimedOut, Unavailable, Unreadable
from akount.kinds import KINDS, Kind
from akount.lifecycle import Runtime
from akount.models import (
    Attempt,
    AuditEntry,
    Base,
    Counterparty,
    Decision,
    Document,
    Job,
    JobStatus,
    Membership,
    Record,
    RecordLine,
    RecordStatus,
)
from akount.readings import AS_ALWAYS, Reading, ReadingOptions
from fakes import FakeReader
from make import BILL, reading, submitted
from people import People
from shared import emptied, shared_url

Row = TypeVar("Row", bound=Base)
SECRET = "Hunter2-in-the-document"
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    return shared_url(request, tmp_path_factory)


@pytest.fixture
def database_url(shared: str) -> str:
    return emptied(shared)


@contextmanager
def pulse_of(runtime: Runtime, reader: pipeline.Reader) -> Iterator[pipeline.Pulse]:
    pulse = pipeline.Pulse(runtime, reader)
    pulse.start()
    try:
        yield pulse
    finally:
        pulse.stop()


def process(runtime: Runtime, job_id: uuid.UUID, reader: pipeline.Reader | None = None) -> None:
    reader = reader or FakeReader()
    with pulse_of(runtime, reader) as pulse:
        pipeline.process(runtime, reader, pulse, job_of(runtime, job_id).queue)


def rows(runtime: Runtime, table: type[Row]) -> list[Row]:
    with runtime.database.snapshot() as session:
        return list(session.scalars(select(table)))


def job_of(runtime: Runtime, job_id: uuid.UUID) -> Job:
    with runtime.database.snapshot() as session:
        return session.get_one(Job, job_id)


def due_now(runtime: Runtime, job_id: uuid.UUID) -> None:
    with runtime.database.transaction() as session:
        session.execute(update(Job).where(Job.id == job_id).values(run_at=now()))


def lease_runs_out(runtime: Runtime, job_id: uuid.UUID) -> None:
    """The worker was frozen for too long, and a sweep has noticed."""
    with runtime.database.transaction() as session:
        session.execute(update(Job).where(Job.id == job_id).values(lease_until=now() - dt.timedelta(seconds=1)))
        assert ledger.recover(session) == [job_id]


def everything_written(runtime: Runtime) -> str:
    """All rows of the database, as text."""
    with runtime.database.snapshot() as session:
        return "\n".join(str(row) for table in Base.metadata.sorted_tables for row in session.execute(select(table)))


def stored_file(runtime: Runtime) -> Path:
    (document,) = rows(runtime, Document)
    return Path(unquote(urlsplit(runtime.settings.storage).path)) / document.storage_key


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# --- a document becomes a record ---


@every_kind
def test_a_document_becomes_one_record_with_all_that_belongs_to_it(runtime: Runtime, people: People, kind: Kind) -> None:
    job_id = submitted(runtime, people.ada, kind=kind).id
    process(runtime, job_id)
    job = job_of(runtime, job_id)
    (document,) = rows(runtime, Document)
    (record,) = rows(runtime, Record)
    assert (job.status, job.progress, job.error_code) == (JobStatus.COMPLETED, 100, None)
    assert job.result == {
        "documentId": str(document.id),
        "recordId": str(record.id),
        "status": "needs_review",
        "confidence": 95,
        "routing": "queued_for_review",
        "reason": record_reason(runtime),
    }
    assert (record.kind, record.tenant_id, record.entity_id) == (kind.name, people.ada.actor.tenant_id, people.ada.entity_id)
    assert (record.document_id, record.job_id) == (document.id, job_id)
    assert (record.currency, record.subtotal, record.tax_amount, record.total_amount) == ("EUR", 10000, 1900, 11900)
    assert (record.number, record.confidence, record.engine) == ("A-17", 95, "fake")
    assert record.status is RecordStatus.NEEDS_REVIEW
    assert all(check["passed"] for check in record.checks)
    assert record.field_confidence["totalAmount"] == 95
    assert record.field_confidence[kind.party_key] == 95
    assert record.evidence[kind.number_key] == {"page": 1, "box": [0.1, 0.1, 0.2, 0.2], "text": "as printed", "engine": "fake"}


def record_reason(runtime: Runtime) -> str:
    (decision,) = rows(runtime, Decision)
    return decision.reason


@every_kind
def test_the_counterparty_is_the_other_side_of_the_document(runtime: Runtime, people: People, kind: Kind) -> None:
    process(runtime, submitted(runtime, people.ada, kind=kind).id)
    (party,) = rows(runtime, Counterparty)
    (record,) = rows(runtime, Record)
    name = {"bill": "Cedar & Quill", "invoice": "Larkfield Studio Ltd"}[kind.name]
    assert (party.name, party.role, party.entity_id) == (name, kind.counterparty_role, people.ada.entity_id)
    assert (record.counterparty_id, record.counterparty_name) == (party.id, name)


def test_the_lines_are_written_in_their_order(runtime: Runtime, people: People) -> None:
    process(runtime, submitted(runtime, people.ada).id)
    lines = sorted(rows(runtime, RecordLine), key=lambda line: line.position)
    assert [(x.position, x.description, x.amount, x.unit_price) for x in lines] == [
        (1, "Thing 0", 5000, Decimal("50.00")),
        (2, "Thing 1", 3000, Decimal("30.00")),
        (3, "Thing 2", 2000, Decimal("20.00")),
    ]


def test_the_decision_says_on_what_grounds_it_was_made(runtime: Runtime, people: People) -> None:
    job_id = submitted(runtime, people.ada).id
    process(runtime, job_id)
    (decision,) = rows(runtime, Decision)
    (document,) = rows(runtime, Document)
    (record,) = rows(runtime, Record)
    assert (decision.job_id, decision.document_id, decision.record_id) == (job_id, document.id, record.id)
    assert (decision.input_hash, decision.engine, decision.engine_version) == (document.sha256, "fake", "1")
    assert (decision.confidence, decision.routing, decision.cost) == (95, "queued_for_review", 0)
    assert decision.extracted["fields"]["total"]["value"] == "119.00"
    assert decision.consent == {"autoCreate": False, "hostedEngines": False, "newUser": True}
    assert "consented" in decision.reason
    assert decision.duration_ms >= 0


def test_the_attempt_is_noted(runtime: Runtime, people: People) -> None:
    job_id = submitted(runtime, people.ada).id
    process(runtime, job_id)
    (attempt,) = rows(runtime, Attempt)
    assert (attempt.job_id, attempt.number, attempt.outcome, attempt.worker) == (job_id, 1, "completed", ledger.worker_name())


@every_kind
def test_who_consented_and_is_no_longer_new_gets_a_draft(runtime: Runtime, people: People, kind: Kind) -> None:
    long_ago = now() - dt.timedelta(days=31)
    with runtime.database.transaction() as session:
        session.execute(
            update(Membership)
            .where(Membership.user_id == people.ada.actor.user_id)
            .values(auto_create=[kind.name], created_at=long_ago)
        )
    process(runtime, submitted(runtime, people.ada, kind=kind).id)
    (record,) = rows(runtime, Record)
    assert record.status is RecordStatus.DRAFT
    other = next(k for k in KINDS.values() if k is not kind)
    process(runtime, submitted(runtime, people.ada, kind=other).id)
    assert {r.kind: r.status for r in rows(runtime, Record)} == {
        kind.name: RecordStatus.DRAFT,
        other.name: RecordStatus.NEEDS_REVIEW,
    }


def test_a_reading_that_found_little_is_for_a_persons_keyboard(runtime: Runtime, people: People) -> None:
    process(runtime, submitted(runtime, people.ada).id, FakeReader(reading(total=None, currency=None, seller_name=None)))
    (record,) = rows(runtime, Record)
    assert record.status is RecordStatus.MANUAL_ENTRY
    assert (record.total_amount, record.currency, record.counterparty_id) == (None, None, None)
    assert rows(runtime, Counterparty) == []


@pytest.mark.parametrize(
    "odd",
    [
        {"total": Decimal(10) ** 17, "net": Decimal(10) ** 17, "tax": Decimal(0)},
        {"currency": "ZZZ"},
        {"seller_name": "…!"},
        {"seller_name": "x" * 2000, "invoice_number": "9" * 2000},
        {"total": Decimal("-119.00")},
    ],
    ids=["more than 64 bits", "no currency", "a name of signs", "endless names", "negative"],
)
def test_an_odd_reading_still_becomes_a_record(runtime: Runtime, people: People, odd: dict[str, Any]) -> None:
    job_id = submitted(runtime, people.ada).id
    process(runtime, job_id, FakeReader(reading(**odd)))
    assert job_of(runtime, job_id).status is JobStatus.COMPLETED
    (record,) = rows(runtime, Record)
    assert record.status is not RecordStatus.DRAFT


def test_progress_is_seen_while_the_document_is_read(runtime: Runtime, people: People) -> None:
    job_id = submitted(runtime, people.ada).id
    reader = FakeReader()
    reader.hold.clear()
    with pulse_of(runtime, reader) as pulse:
        worker = threading.Thread(target=pipeline.process, args=(runtime, reader, pulse, BILL.queue))
        worker.start()
        until(lambda: job_of(runtime, job_id).progress == 35)
        assert job_of(runtime, job_id).status is JobStatus.ACTIVE
        reader.hold.set()
        worker.join(60)
    assert job_of(runtime, job_id).progress == 100


def test_no_transaction_is_open_while_the_document_is_read(runtime: Runtime, people: People) -> None:
    """A reading may take a minute; on SQLite it would stop everybody from writing."""

    class Writing(FakeReader):
        def read(self, file: BinaryIO, media_type: str, report: Callable[[float], None], options: ReadingOptions) -> Reading:
            with runtime.database.transaction() as session:
                session.execute(update(Document).values(filename="written meanwhile"))
            return super().read(file, media_type, report, options)

    job_id = submitted(runtime, people.ada).id
    process(runtime, job_id, Writing())
    assert job_of(runtime, job_id).status is JobStatus.COMPLETED


# --- bells ---


def test_the_same_bell_twice_moves_nothing(runtime: Runtime, people: People) -> None:
    job_id, reader = submitted(runtime, people.ada).id, FakeReader()
    process(runtime, job_id, reader)
    before = everything_written(runtime)
    process(runtime, job_id, reader)
    assert reader.read_count == 1
    assert everything_written(runtime) == before


def test_a_bell_when_nothing_waits_moves_nothing(runtime: Runtime, people: People) -> None:
    before = everything_written(runtime)
    reader = FakeReader()
    with pulse_of(runtime, reader) as pulse:
        pipeline.process(runtime, reader, pulse, BILL.queue)
    assert everything_written(runtime) == before


def test_a_bell_for_a_cancelled_job_reads_nothing(runtime: Runtime, people: People) -> None:
    job, reader = submitted(runtime, people.ada), FakeReader()
    with runtime.database.transaction() as session:
        ledger.cancel(session, job)
    process(runtime, job.id, reader)
    assert reader.read_count == 0


def test_a_retry_may_say_how_to_read_and_the_next_one_is_as_always(runtime: Runtime, people: People) -> None:
    job_id = submitted(runtime, people.ada).id
    reader = FakeReader(Unreadable("There is no text.", code="no_text"))
    process(runtime, job_id, reader)
    assert reader.options == AS_ALWAYS
    for wanted in (ReadingOptions(ocr_only=True, first_pages=2, fine=True), AS_ALWAYS):
        scans.retry(runtime, people.ada.call, job_id, wanted)
        process(runtime, job_id, reader)
        assert reader.options == wanted
    with runtime.database.snapshot() as session:
        noted = session.scalars(select(AuditEntry.reason).where(AuditEntry.action == "job.retry")).all()
    assert sorted(filter(None, noted)) == ["OCR only, the first 2 pages only, in fine resolution"]


# --- faults ---


def test_an_unreadable_document_fails_at_once_with_its_code(runtime: Runtime, people: People) -> None:
    job_id = submitted(runtime, people.ada).id
    process(runtime, job_id, FakeReader(Unreadable("The PDF is encrypted.", code="encrypted")))
    job = job_of(runtime, job_id)
    assert (job.status, job.error_code, job.error_detail, job.attempts) == (
        JobStatus.FAILED,
        "encrypted",
        "The PDF is encrypted.",
        1,
    )
    assert rows(runtime, Record) == []


@pytest.mark.parametrize("error", [TimedOut(), OutOfMemory(), Crashed(), Unavailable()], ids=lambda e: e.code)
def test_a_passing_fault_is_tried_again_until_the_attempts_are_used_up(
    runtime: Runtime, people: People, error: AkountError
) -> None:
    job_id = submitted(runtime, people.ada).id
    reader, seen = FakeReader(error), []
    for _ in range(runtime.settings.scan_max_attempts):
        process(runtime, job_id, reader)
        job = job_of(runtime, job_id)
        seen.append((job.status, job.error_code))
        due_now(runtime, job_id)
    code = error.code
    assert seen == [(JobStatus.DELAYED, code), (JobStatus.DELAYED, code), (JobStatus.FAILED, code)]
    assert [a.outcome for a in sorted(rows(runtime, Attempt), key=lambda a: a.number)] == ["delayed", "delayed", "failed"]
    assert rows(runtime, Record) == []


def test_a_delayed_job_is_not_read_before_it_is_due(runtime: Runtime, people: People) -> None:
    job_id, reader = submitted(runtime, people.ada).id, FakeReader(TimedOut())
    process(runtime, job_id, reader)
    process(runtime, job_id, reader)
    assert reader.read_count == 1


def test_a_job_that_failed_once_completes_at_the_next_attempt(runtime: Runtime, people: People) -> None:
    job_id = submitted(runtime, people.ada).id
    process(runtime, job_id, FakeReader(Crashed()))
    due_now(runtime, job_id)
    process(runtime, job_id)
    job = job_of(runtime, job_id)
    assert (job.status, job.attempts, job.error_code, job.error_detail) == (JobStatus.COMPLETED, 2, None, None)
    assert len(rows(runtime, Record)) == 1


@pytest.mark.parametrize("error", [RuntimeError(SECRET), MemoryError(SECRET)], ids=repr)
def test_a_fault_of_ours_fails_the_job_and_its_text_is_nowhere(runtime: Runtime, people: People, error: Exception) -> None:
    job_id = submitted(runtime, people.ada).id
    with capture_logs() as lines:
        process(runtime, job_id, FakeReader(error))
    assert [line["event"] for line in lines if line["log_level"] == "error"] == ["job failed by a fault of ours"]
    job = job_of(runtime, job_id)
    assert (job.status, job.error_code) == (JobStatus.FAILED, "internal_error")
    assert job.error_detail == "Something went wrong on our side while reading this document."
    assert SECRET not in everything_written(runtime)


def test_a_damaged_file_fails_the_job(runtime: Runtime, people: People) -> None:
    job_id, reader = submitted(runtime, people.ada).id, FakeReader()
    file = stored_file(runtime)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    process(runtime, job_id, reader)
    job = job_of(runtime, job_id)
    assert (job.status, job.error_code, reader.read_count) == (JobStatus.FAILED, "file_damaged", 0)


def test_a_missing_file_fails_the_job(runtime: Runtime, people: People) -> None:
    job_id = submitted(runtime, people.ada).id
    stored_file(runtime).unlink()
    process(runtime, job_id)
    job = job_of(runtime, job_id)
    assert (job.status, job.error_code, job.attempts) == (JobStatus.FAILED, "file_missing", 1)


def test_a_storage_that_does_not_answer_delays_the_job(runtime: Runtime, people: People) -> None:
    job_id = submitted(runtime, people.ada).id
    directory = stored_file(runtime).parent
    directory.rename(directory.with_name("away"))
    directory.write_text("not a directory", encoding="utf-8")
    process(runtime, job_id)
    job = job_of(runtime, job_id)
    assert (job.status, job.error_code) == (JobStatus.DELAYED, "storage_unavailable")
    directory.unlink()
    directory.with_name("away").rename(directory)
    due_now(runtime, job_id)
    process(runtime, job_id)
    assert job_of(runtime, job_id).status is JobStatus.COMPLETED


def test_an_interrupted_worker_gives_its_job_back(runtime: Runtime, people: People) -> None:
    class Interrupted(FakeReader):
        def read(self, file: BinaryIO, media_type: str, report: Callable[[float], None], options: ReadingOptions) -> Reading:
            raise KeyboardInterrupt

    job_id = submitted(runtime, people.ada).id
    with pytest.raises(KeyboardInterrupt):
        process(runtime, job_id, Interrupted())
    job = job_of(runtime, job_id)
    assert (job.status, job.attempts, job.worker) == (JobStatus.WAITING, 0, None)
    process(runtime, job_id)
    assert job_of(runtime, job_id).status is JobStatus.COMPLETED
    assert sorted((a.number, a.outcome) for a in rows(runtime, Attempt)) == [(1, "completed"), (1, "given_back")]


# --- a lost lease ---


@pytest.mark.parametrize("meanwhile", ["it waits", "another reads it", "another completed it", "it was cancelled"])
def test_a_worker_whose_lease_ran_out_writes_nothing(runtime: Runtime, people: People, meanwhile: str) -> None:
    job = submitted(runtime, people.ada)
    slow, other = FakeReader(reading(invoice_number="of the slow one")), FakeReader()
    slow.hold.clear()
    with capture_logs() as lines, pulse_of(runtime, slow) as pulse:
        worker = threading.Thread(target=pipeline.process, args=(runtime, slow, pulse, BILL.queue))
        worker.start()
        assert slow.reading.wait(20)
        lease_runs_out(runtime, job.id)
        if meanwhile == "another completed it":
            process(runtime, job.id, other)
        elif meanwhile == "another reads it":
            with runtime.database.transaction() as session:
                assert ledger.claim(session, job.id, worker="another:1:1", lease_seconds=30)
        elif meanwhile == "it was cancelled":
            with runtime.database.transaction() as session:
                ledger.cancel(session, job)
        before = everything_written(runtime)
        slow.hold.set()
        worker.join(60)
    assert everything_written(runtime) == before
    completed = meanwhile == "another completed it"
    assert [r.number for r in rows(runtime, Record)] == ["A-17"] * completed
    assert len(rows(runtime, Decision)) == completed
    assert sum(line["log_level"] == "error" for line in lines) == 0, "this is nobody's fault"
    assert any(line["event"] == "job lost" for line in lines)


def test_a_worker_that_lost_its_job_stops_reading(runtime: Runtime, people: People) -> None:
    job_id = submitted(runtime, people.ada).id
    reader = FakeReader()
    reader.hold.clear()
    with pulse_of(runtime, reader) as pulse:
        worker = threading.Thread(target=pipeline.process, args=(runtime, reader, pulse, BILL.queue))
        worker.start()
        assert reader.reading.wait(60)
        lease_runs_out(runtime, job_id)
        pulse.progress(36)  # the next beat need not wait for a third of the lease
        worker.join(60)
        assert not worker.is_alive(), "the pulse closes the reader"
    assert rows(runtime, Record) == []


def test_a_worker_that_finished_its_job_does_not_stop_the_reader(runtime: Runtime, people: People) -> None:
    job_id = submitted(runtime, people.ada).id
    reader = FakeReader()
    closed = threading.Event()
    reader.close = closed.set  # type: ignore[method-assign]
    worker = threading.Thread(target=process, args=(runtime, job_id, reader))

    def dawdle(_session: Session) -> None:
        if threading.current_thread() is worker and reader.read_count:
            time.sleep(3 * pipeline.BEAT_TICK_SECONDS)

    event.listen(Session, "after_commit", dawdle)
    try:
        worker.start()
        worker.join(60)
    finally:
        event.remove(Session, "after_commit", dawdle)
    assert job_of(runtime, job_id).status is JobStatus.COMPLETED
    assert not closed.is_set(), "starting it again takes a second"


def test_a_long_reading_keeps_its_lease(runtime: Runtime, people: People) -> None:
    job_id = submitted(runtime, people.ada).id
    reader = FakeReader()
    reader.hold.clear()
    runtime.settings.__dict__["lease_seconds"] = 1
    with pulse_of(runtime, reader) as pulse:
        worker = threading.Thread(target=pipeline.process, args=(runtime, reader, pulse, BILL.queue))
        worker.start()
        assert reader.reading.wait(60)
        leases: set[dt.datetime | None] = set()
        until(lambda: leases.add(job_of(runtime, job_id).lease_until) or len(leases) >= 3)  # type: ignore[func-returns-value]
        reader.hold.set()
        worker.join(60)
    assert job_of(runtime, job_id).status is JobStatus.COMPLETED


# --- at once ---


def test_a_new_counterparty_of_several_jobs_at_once_is_made_once(runtime: Runtime, people: People) -> None:
    jobs = [submitted(runtime, people.ada).id for _ in range(6)]
    spellings = ["Cedar & Quill", "CEDAR & QUILL", "Cedar & Quill Ltd.", "Cedar  Quill", "cédar & quill", "Cedar & Quill GmbH"]
    readers = [FakeReader(reading(seller_name=name)) for name in spellings]
    for reader in readers:
        reader.hold.clear()
    workers = [threading.Thread(target=process, args=(runtime, job, r)) for job, r in zip(jobs, readers, strict=True)]
    for worker in workers:
        worker.start()
    for reader in readers:
        assert reader.reading.wait(60)
    for reader in readers:
        reader.hold.set()
    for worker in workers:
        worker.join(30)
    assert [job_of(runtime, job).status for job in jobs] == [JobStatus.COMPLETED] * 6
    (party,) = rows(runtime, Counterparty)
    assert {r.counterparty_id for r in rows(runtime, Record)} == {party.id}
    assert {r.counterparty_name for r in rows(runtime, Record)} == set(spellings)


def test_a_counterparty_is_known_by_entity_and_side(runtime: Runtime, people: People) -> None:
    bill, invoice = KINDS["bill"], KINDS["invoice"]
    same = {"seller_name": "Cedar & Quill", "buyer_name": "Cedar & Quill"}
    for person, kind in ((people.ada, bill), (people.ada, bill), (people.ada, invoice), (people.mallory, bill)):
        process(runtime, submitted(runtime, person, kind=kind).id, FakeReader(reading(**same)))
    parties = {(p.entity_id, p.role) for p in rows(runtime, Counterparty)}
    ours, theirs = people.ada.entity_id, people.mallory.entity_id
    assert parties == {(ours, "vendor"), (ours, "client"), (theirs, "vendor")}
    assert len(rows(runtime, Counterparty)) == 3


def test_many_bells_at_once_read_a_document_once(runtime: Runtime, people: People) -> None:
    job_id = submitted(runtime, people.ada).id
    reader = FakeReader()
    workers = [threading.Thread(target=process, args=(runtime, job_id, reader)) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert reader.read_count == 1
    assert len(rows(runtime, Record)) == 1
