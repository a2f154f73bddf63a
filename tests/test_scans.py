"""A document that was accepted is stored, entered and noted, once; one that was refused leaves nothing behind (E5, E8)."""

import hashlib
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from akount import accounts, scans
from akount.accounts import Actor, Call
from akount.db import now
from akount.errors import AkountError, BadRequest, Conflict, Invalid, NotFound, TooLarge, UnsupportedType
from akount.kinds import KINDS, Kind
from akount.lifecycle import Runtime, open_runtime
from akount.models import AuditEntry, Document, Entity, Job, JobStatus, Role
from akount.scans import Submission
from akount.tasks.queues import hang_bells
from fresh import make_settings
from make import BILL, pdf
from people import People, Person
from servers import redis_server
from shared import emptied, shared_url

INVOICE = KINDS["invoice"]


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    return shared_url(request, tmp_path_factory)


@pytest.fixture
def database_url(shared: str) -> str:
    return emptied(shared)


@pytest.fixture
def ada(people: People) -> Person:
    return people.ada


def submit(runtime: Runtime, call: Call, data: bytes, kind: Kind = BILL, **said: Any) -> Submission:
    incoming = runtime.storage.receive(runtime.settings.max_upload_bytes)
    incoming.write(data)
    try:
        return scans.submit(runtime, call, kind, incoming, **{"filename": "a.pdf", "entity_id": None} | said)
    finally:
        incoming.close()


def files(runtime: Runtime) -> list[Path]:
    """Everything that lies in the storage, whatever comes in included."""
    return [p for p in (runtime.settings.directory / "files").rglob("*") if p.is_file()]


def documents(runtime: Runtime) -> list[Document]:
    with runtime.database.snapshot() as session:
        return list(session.scalars(select(Document).order_by(Document.created_at)))


def audit(runtime: Runtime, target: str) -> list[AuditEntry]:
    with runtime.database.snapshot() as session:
        return list(session.scalars(select(AuditEntry).where(AuditEntry.target == target).order_by(AuditEntry.created_at)))


def stands(runtime: Runtime, job_id: uuid.UUID, status: JobStatus) -> None:
    with runtime.database.transaction() as session:
        session.execute(update(Job).where(Job.id == job_id).values(status=status, attempts=3, finished_at=now()))


# --- accepting ---


def test_a_submitted_document_is_stored_entered_and_noted(runtime: Runtime, ada: Person) -> None:
    data = pdf()
    submission = submit(runtime, ada.call, data, filename="Rechnung März.pdf")
    (document,) = documents(runtime)
    assert not submission.duplicate
    job = submission.job
    assert (job.status, job.document_id, job.queue, job.kind) == (JobStatus.WAITING, document.id, BILL.queue, BILL.name)
    assert (job.tenant_id, job.max_attempts, job.request_id) == (ada.actor.tenant_id, 3, "request-of-a-test")
    assert (document.tenant_id, document.entity_id, document.kind) == (ada.actor.tenant_id, ada.entity_id, BILL.name)
    assert (document.filename, document.media_type, document.size) == ("Rechnung März.pdf", "application/pdf", len(data))
    assert document.sha256 == hashlib.sha256(data).hexdigest()
    assert document.uploaded_by == ada.actor.user_id
    (entry,) = audit(runtime, f"document:{document.id}")
    assert (entry.action, entry.actor, entry.role) == ("document.submit", ada.actor.name, "OWNER")
    assert (entry.tenant_id, entry.address, entry.request_id) == (ada.actor.tenant_id, "192.0.2.1", "request-of-a-test")


def test_the_file_lies_whole_under_a_key_that_nobody_can_guess(runtime: Runtime, ada: Person) -> None:
    data = pdf()
    submit(runtime, ada.call, data)
    (document,) = documents(runtime)
    (file,) = files(runtime)
    assert file.read_bytes() == data
    assert str(file).endswith(document.storage_key)
    assert document.storage_key.startswith(f"{ada.actor.tenant_id}/{ada.entity_id}/documents/{now():%Y}/")
    with runtime.storage.open(document.storage_key, document.sha256) as stored:
        assert stored.read() == data


def test_the_bell_rings_once_in_the_queue_of_the_kind(runtime: Runtime, ada: Person) -> None:
    submit(runtime, ada.call, pdf(), INVOICE)
    assert {name: bell.length() for name, bell in runtime.bells.items()} == {BILL.queue: 0, INVOICE.queue: 1}


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\ada\\bill.pdf", "bill.pdf"),
        ("bill\r\nSet-Cookie: x.pdf", "billSet-Cookie: x.pdf"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("\0\0", "document"),
        ("..", "document"),
        ("", "document"),
        (None, "document"),
        ("e\u0301.pdf", "\u00e9.pdf"),
        ("x" * 300 + ".pdf", "x" * 196 + ".pdf"),
        ("half a pair \ud83d.pdf", "half a pair .pdf"),
    ],
)
def test_the_senders_name_for_a_file_is_made_harmless(runtime: Runtime, ada: Person, said: str | None, kept: str) -> None:
    submit(runtime, ada.call, pdf(), filename=said)
    (document,) = documents(runtime)
    assert document.filename == kept


def test_with_the_queue_away_a_document_is_accepted(tmp_path: Path, database_url: str) -> None:
    with redis_server(tmp_path) as server:
        url = server.url
        server.kill()
    runtime = open_runtime(make_settings(tmp_path, database_url, REDIS_URL=url))
    hang_bells(runtime)
    with runtime.database.transaction() as session:
        tenant, _ = accounts.add_tenant(session, "Ada & Co")
    job = submit(runtime, Call(Actor(Role.OWNER, tenant.id)), pdf()).job
    assert scans.find_job(runtime, Actor(Role.OWNER, tenant.id), job.id).status is JobStatus.WAITING
    assert len(files(runtime)) == 1
    runtime.close()


# --- the same bytes again ---


def test_the_same_bytes_in_the_same_entity_and_kind_are_one_document(runtime: Runtime, ada: Person) -> None:
    data = pdf()
    first = submit(runtime, ada.call, data)
    second = submit(runtime, ada.call, data, filename="another name.pdf")
    assert second.duplicate
    assert second.job.id == first.job.id
    assert len(documents(runtime)) == len(files(runtime)) == 1
    assert runtime.bells[BILL.queue].length() == 1, "nothing is enqueued"


def test_a_duplicate_of_an_ended_job_says_how_it_ended(runtime: Runtime, ada: Person) -> None:
    data = pdf()
    job = submit(runtime, ada.call, data).job
    stands(runtime, job.id, JobStatus.FAILED)
    again = submit(runtime, ada.call, data)
    assert (again.duplicate, again.job.id, again.job.status) == (True, job.id, JobStatus.FAILED)


def test_the_same_bytes_elsewhere_are_another_document(runtime: Runtime, people: People) -> None:
    data = pdf()
    with runtime.database.transaction() as session:
        second = Entity(tenant_id=people.ada.actor.tenant, name="a second set of books")
        session.add(second)
        session.flush()
    submissions = [
        submit(runtime, people.ada.call, data, entity_id=people.ada.entity_id),
        submit(runtime, people.ada.call, data, INVOICE, entity_id=people.ada.entity_id),
        submit(runtime, people.ada.call, data, entity_id=second.id),
        submit(runtime, people.mallory.call, data),
    ]
    assert not any(s.duplicate for s in submissions)
    assert len({s.job.id for s in submissions}) == 4
    assert len(files(runtime)) == 4


def test_a_race_with_the_same_bytes_makes_one_document_and_leaves_one_file(runtime: Runtime, ada: Person) -> None:
    data, ready = pdf(), threading.Barrier(8)

    def race(_: int) -> Submission:
        ready.wait()
        return submit(runtime, ada.call, data)

    with ThreadPoolExecutor(8) as pool:
        submissions = list(pool.map(race, range(8)))
    assert len({s.job.id for s in submissions}) == 1
    assert sum(not s.duplicate for s in submissions) == 1
    (document,) = documents(runtime)
    (file,) = files(runtime)
    assert str(file).endswith(document.storage_key)
    assert len(audit(runtime, f"document:{document.id}")) == 1
    assert runtime.bells[BILL.queue].length() == 1


# --- refusing ---


@pytest.mark.parametrize(
    ("data", "error", "code"),
    [
        (b"", Invalid, "empty_file"),
        (b"GIF89a" + b"\0" * 100, UnsupportedType, "unsupported_type"),
        (b"just words", UnsupportedType, "unsupported_type"),
        (b"%PDF-1.7" + b" " * 10_485_760, TooLarge, "file_too_large"),
    ],
    ids=["empty", "a GIF", "text", "too large"],
)
def test_a_refused_file_leaves_nothing_behind(
    runtime: Runtime, ada: Person, data: bytes, error: type[AkountError], code: str
) -> None:
    with pytest.raises(error) as refused:
        submit(runtime, ada.call, data)
    assert refused.value.code == code
    assert files(runtime) == []
    assert documents(runtime) == []
    assert runtime.bells[BILL.queue].length() == 0


def test_a_file_for_somebody_elses_books_leaves_nothing_behind(runtime: Runtime, people: People) -> None:
    for entity_id in (people.mallory.entity_id, uuid.uuid4()):
        with pytest.raises(NotFound):
            submit(runtime, people.ada.call, pdf(), entity_id=entity_id)
    assert files(runtime) == []
    assert documents(runtime) == []


def test_an_operator_belongs_to_no_tenant_and_submits_nothing(runtime: Runtime, people: People) -> None:
    with pytest.raises(BadRequest) as refused:
        submit(runtime, people.otto.call, pdf())
    assert refused.value.code == "tenant_required"
    assert files(runtime) == []


# --- taking back, trying again, discarding ---


def test_a_waiting_job_is_taken_back(runtime: Runtime, ada: Person) -> None:
    job = submit(runtime, ada.call, pdf()).job
    cancelled = scans.cancel(runtime, ada.call, job.id)
    assert (cancelled.status, cancelled.version) == (JobStatus.CANCELLED, job.version + 1), "as it now stands"
    (entry,) = audit(runtime, f"job:{job.id}")
    assert (entry.action, entry.actor, entry.reason) == ("job.cancel", ada.actor.name, "")


def test_a_failed_job_is_tried_again_and_rung_for(runtime: Runtime, ada: Person) -> None:
    job = submit(runtime, ada.call, pdf()).job
    stands(runtime, job.id, JobStatus.FAILED)
    again = scans.retry(runtime, ada.call, job.id)
    assert (again.status, again.attempts, again.finished_at) == (JobStatus.WAITING, 0, None)
    assert [e.action for e in audit(runtime, f"job:{job.id}")] == ["job.retry"]
    assert runtime.bells[BILL.queue].length() == 2


def test_a_failed_job_is_discarded_with_a_reason(runtime: Runtime, people: People) -> None:
    job = submit(runtime, people.ada.call, pdf()).job
    stands(runtime, job.id, JobStatus.FAILED)
    discarded = scans.discard(runtime, people.otto.call, job.id, "a test page")
    assert (discarded.status, discarded.discard_reason) == (JobStatus.FAILED, "a test page")
    (entry,) = audit(runtime, f"job:{job.id}")
    assert (entry.action, entry.role, entry.reason) == ("job.discard", "operator", "a test page")


@pytest.mark.parametrize("deed", ["cancel", "retry", "discard"])
def test_a_deed_that_is_refused_is_not_noted(runtime: Runtime, people: People, deed: str) -> None:
    job = submit(runtime, people.ada.call, pdf()).job
    stands(runtime, job.id, JobStatus.COMPLETED)
    more = ("why",) if deed == "discard" else ()
    with pytest.raises(Conflict):
        getattr(scans, deed)(runtime, people.ada.call, job.id, *more)
    with pytest.raises(NotFound):
        getattr(scans, deed)(runtime, people.mallory.call, job.id, *more)
    assert audit(runtime, f"job:{job.id}") == []
    assert scans.find_job(runtime, people.ada.actor, job.id).status is JobStatus.COMPLETED


def test_a_job_is_found_by_its_tenant_and_by_an_operator_only(runtime: Runtime, people: People) -> None:
    job = submit(runtime, people.ada.call, pdf()).job
    assert scans.find_job(runtime, people.ada.actor, job.id).id == job.id
    assert scans.find_job(runtime, people.otto.actor, job.id).id == job.id
    with pytest.raises(NotFound):
        scans.find_job(runtime, people.mallory.actor, job.id)
