"""What people ask of documents: what one is, the file itself, and that it be forgotten."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, BinaryIO

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from akount import documents, ledger, logs, pages
from akount.accounts import Actor, Call, note
from akount.counterparties import forget_unused
from akount.db import now
from akount.errors import Conflict, NotFound, Unavailable
from akount.lifecycle import Runtime
from akount.models import (
    AuditEntry,
    Correction,
    Decision,
    Document,
    IdempotencyKey,
    Job,
    Record,
    RecordLine,
    RecordStatus,
)
from akount.pages import Position
from akount.records import AT_ONCE, WHOLE

log = logs.get(__name__)

ERASED = "The document was erased."


@dataclass(frozen=True, slots=True)
class Dossier:
    """A document with its job and the record that came of it, if one did."""

    document: Document
    job: Job
    record: Record | None


@dataclass(frozen=True, slots=True)
class Whole:
    """The same, with what else is known."""

    dossier: Dossier
    pages: int
    "that the machine has seen"
    trail: list[AuditEntry]
    "what the audit log knows of the document and its record, the latest first"


def find(runtime: Runtime, actor: Actor, document_id: uuid.UUID) -> Dossier:
    """A document of the actor's tenant; one that was erased is still known. Raises NotFound."""
    with runtime.database.snapshot() as session:
        return _dossier(session, actor, document_id)


def listed(
    runtime: Runtime, actor: Actor, after: Position | None = None, limit: int = 50
) -> tuple[list[tuple[Document, Job, Record | None]], bool]:
    """A page of the tenant's documents, the newest first, each with its job and record, and whether there are more."""
    query = select(Document, Job, Record).join(Job, Job.document_id == Document.id)
    query = query.outerjoin(Record, Record.document_id == Document.id).where(Document.tenant_id == actor.tenant)
    with runtime.database.snapshot() as session:
        found = [(row[0], row[1], row[2]) for row in session.execute(pages.page(query, Document, after, limit))]
    return found[:limit], len(found) > limit


def whole(runtime: Runtime, actor: Actor, document_id: uuid.UUID) -> Whole:
    """A document with all that a page shows of it. Raises NotFound. Three questions."""
    seen = select(Decision.extracted["pages"].as_integer()).where(Decision.document_id == Document.id)
    count = seen.order_by(Decision.created_at.desc()).limit(1).correlate(Document).scalar_subquery()
    query = select(Document, Job, Record, count).join(Job, Job.document_id == Document.id)
    query = query.outerjoin(Record, Record.document_id == Document.id).options(*AT_ONCE)
    query = query.where(Document.id == document_id, Document.tenant_id == actor.tenant)
    with runtime.database.snapshot() as session:
        found = session.execute(query).unique().one_or_none()
        if found is None:
            raise NotFound("There is no such document.")
        dossier = Dossier(*found[:3])
        return Whole(dossier, found[3] or 0, _trail(session, dossier))


def _trail(session: Session, dossier: Dossier) -> list[AuditEntry]:
    targets = [f"document:{dossier.document.id}", *([f"record:{dossier.record.id}"] if dossier.record else [])]
    query = select(AuditEntry).where(AuditEntry.tenant_id == dossier.document.tenant_id, AuditEntry.target.in_(targets))
    return list(session.scalars(query.order_by(AuditEntry.created_at.desc()).limit(50)))


def original(runtime: Runtime, call: Call, document_id: uuid.UUID) -> tuple[Document, BinaryIO]:
    """The file as it was sent, checked against its checksum; that somebody took it is written down. Raises NotFound."""
    with runtime.database.transaction() as session:
        document = present(_dossier(session, call.actor, document_id).document)
        note(session, call, "document.open", f"document:{document.id}")
    return document, documents.original(runtime, document)


def picture(runtime: Runtime, actor: Actor, document_id: uuid.UUID, number: int) -> bytes:
    """A page of a document as PNG, counted from 1. Raises NotFound, and what documents.page does."""
    with runtime.database.snapshot() as session:
        document = present(_dossier(session, actor, document_id).document)
    return documents.page(runtime, document, number)


def present(document: Document) -> Document:
    """The document, unless it was erased. Raises NotFound."""
    if document.erased_at is not None:
        raise NotFound("The document was erased; its file and what was read from it are gone.", code="document_erased")
    return document


def erase(runtime: Runtime, call: Call, document_id: uuid.UUID, reason: str) -> Dossier:
    """Forgets a document: the file, what the machine made of it, and records that nobody approved. An approved record stays
    in the books, without evidence; the document's line stays as a tombstone. Raises NotFound, Conflict."""
    with runtime.database.transaction() as session:
        found = _dossier(session, call.actor, document_id, lock=True)
        document = found.document
        if document.erased_at is not None:
            raise Conflict("The document was erased before.", code="erased_before")
        key = document.storage_key
        _forget_reading(session, found.job, reason)
        if found.record is not None:
            _forget_record(session, found.record)
        _bury(document, call)
        note(session, call, "document.erase", f"document:{document.id}", reason)
        session.flush()
        session.expire_all()
        found = _dossier(session, call.actor, document_id)
    try:
        runtime.storage.delete(key)
    except Unavailable as error:  # no document names it any more: it is swept as an orphan
        log.warning("erased file left to the sweep", code=error.code, document=str(document_id))
    return found


def _dossier(session: Session, actor: Actor, document_id: uuid.UUID, *, lock: bool = False) -> Dossier:
    mine = select(Document).where(Document.id == document_id, Document.tenant_id == actor.tenant)
    document = session.scalar(mine.with_for_update() if lock else mine)
    if document is None:
        raise NotFound("There is no such document.")
    job = session.scalars(select(Job).where(Job.document_id == document.id)).one()
    records = select(Record).options(*WHOLE).where(Record.document_id == document.id)
    return Dossier(document, job, session.scalar(records.with_for_update() if lock else records))


def _forget_reading(session: Session, job: Job, reason: str) -> None:
    ledger.erase(session, job, reason)
    session.execute(delete(IdempotencyKey).where(IdempotencyKey.job_id == job.id))
    session.execute(update(Decision).where(Decision.job_id == job.id).values(extracted={}, reason=ERASED))


def _forget_record(session: Session, record: Record) -> None:
    session.execute(delete(Correction).where(Correction.record_id == record.id))
    if record.status is RecordStatus.APPROVED:
        nothing: dict[str, Any] = {"evidence": {}, "field_confidence": {}, "checks": [], "warnings": [], "learned": None}
        session.execute(
            update(Record).where(Record.id == record.id).values(version=Record.version + 1, updated_at=now(), **nothing)
        )
        session.execute(update(RecordLine).where(RecordLine.record_id == record.id).values(evidence=None))
        return
    party = record.counterparty_id
    session.execute(update(Decision).where(Decision.record_id == record.id).values(record_id=None))
    session.execute(update(Record).where(Record.duplicate_of == record.id).values(duplicate_of=None))
    session.execute(delete(RecordLine).where(RecordLine.record_id == record.id))
    session.execute(delete(Record).where(Record.id == record.id))
    forget_unused(session, party)


def _bury(document: Document, call: Call) -> None:
    """What is left: that there was one, of which kind, when it came and when it went. The same file may be sent again."""
    document.filename, document.size = "", 0
    document.sha256 = document.storage_key = f"erased:{document.id}"
    document.stored_sha256 = None
    document.erased_at, document.erased_by = now(), call.actor.name
