"""What people ask of documents: submit one to be read, see how far it is, take it back, try it again.

Each function is one intent and owns its transaction; the bell rings after the commit.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from akount import audit, intake, ledger, logs
from akount.accounts import Actor, entity_of
from akount.kinds import Kind
from akount.lifecycle import Runtime
from akount.models import Document, Job
from akount.storage import Incoming, new_key
from akount.tasks.queues import Bell

log = logs.get(__name__)

Bells = Mapping[str, Bell]
"""Queue → bell."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A document that is to be read, and whether it was there already."""

    job: Job
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Request:
    """Where an intent comes from, for the logs and the audit log."""

    id: str = ""
    address: str = ""


def submit(
    runtime: Runtime,
    bells: Bells,
    actor: Actor,
    kind: Kind,
    incoming: Incoming,
    *,
    filename: str | None,
    entity_id: uuid.UUID | None,
    request: Request,
) -> Submission:
    """Stores a file and enters it into the ledger. The same bytes in the same entity and kind are one document (E8).

    The file is safe in the storage before the row that names it is committed; the queue being away stops nothing."""
    media_type = intake.admit(incoming, runtime.settings.max_upload_bytes)
    with runtime.database.snapshot() as session:
        entity = entity_of(session, actor.tenant, entity_id)
        known = _known(session, entity.id, kind, incoming.sha256)
    if known is not None:
        return Submission(known, duplicate=True)
    document = Document(
        id=uuid.uuid4(),
        tenant_id=actor.tenant,
        entity_id=entity.id,
        kind=kind.name,
        filename=intake.clean_filename(filename),
        media_type=media_type,
        size=incoming.size,
        sha256=incoming.sha256,
        storage_key=new_key(actor.tenant, entity.id),
        uploaded_by=actor.user_id,
    )
    runtime.storage.put(document.storage_key, incoming)
    try:
        with runtime.database.transaction() as session:
            job = _enter(session, runtime, actor, kind, document, request)
    except IntegrityError:
        return _raced(runtime, entity.id, kind, document)
    bells[kind.queue].ring(job.id)
    log.info(
        "document submitted", job=str(job.id), document=str(document.id), queue=kind.queue, size=document.size, type=media_type
    )
    return Submission(job, duplicate=False)


def _enter(session: Session, runtime: Runtime, actor: Actor, kind: Kind, document: Document, request: Request) -> Job:
    session.add(document)
    session.flush()
    job = ledger.enter(session, document, queue=kind.queue, max_attempts=runtime.settings.scan_max_attempts, request_id=request.id)
    _note(session, actor, "document.submit", f"document:{document.id}", request)
    session.flush()
    return job


def _raced(runtime: Runtime, entity_id: uuid.UUID, kind: Kind, document: Document) -> Submission:
    """Somebody else sent the same bytes at the same time: theirs is the document, our copy goes."""
    runtime.storage.delete(document.storage_key)
    with runtime.database.snapshot() as session:
        known = _known(session, entity_id, kind, document.sha256)
    if known is None:
        raise RuntimeError("a document that collides with none")
    return Submission(known, duplicate=True)


def _known(session: Session, entity_id: uuid.UUID, kind: Kind, sha256: str) -> Job | None:
    same = (Document.entity_id == entity_id, Document.kind == kind.name, Document.sha256 == sha256)
    return session.scalar(select(Job).join(Document).where(*same))


def find_job(runtime: Runtime, actor: Actor, job_id: uuid.UUID) -> Job:
    """A job of the actor's tenant. Raises NotFound."""
    with runtime.database.snapshot() as session:
        return ledger.find(session, actor.tenant_id, job_id)


def cancel(runtime: Runtime, actor: Actor, job_id: uuid.UUID, request: Request) -> Job:
    """Takes back a job that waits. Raises NotFound, Conflict."""
    with runtime.database.transaction() as session:
        job = ledger.find(session, actor.tenant_id, job_id)
        ledger.cancel(session, job)
        _note(session, actor, "job.cancel", f"job:{job.id}", request)
        session.refresh(job)
    return job


def retry(runtime: Runtime, bells: Bells, actor: Actor, job_id: uuid.UUID, request: Request) -> Job:
    """Tries a failed or cancelled job again, with all its attempts. Raises NotFound, Conflict."""
    with runtime.database.transaction() as session:
        job = ledger.find(session, actor.tenant_id, job_id)
        ledger.retry(session, job)
        _note(session, actor, "job.retry", f"job:{job.id}", request)
        session.refresh(job)
    bells[job.queue].ring(job.id)
    return job


def discard(runtime: Runtime, actor: Actor, job_id: uuid.UUID, reason: str, request: Request) -> Job:
    """Takes a failed job off the list of dead letters, with the reason. Raises NotFound, Conflict."""
    with runtime.database.transaction() as session:
        job = ledger.find(session, actor.tenant_id, job_id)
        ledger.discard(session, job, reason)
        _note(session, actor, "job.discard", f"job:{job.id}", request, reason)
        session.refresh(job)
    return job


def _note(session: Session, actor: Actor, action: str, target: str, request: Request, reason: str = "") -> None:
    audit.record(
        session,
        tenant_id=actor.tenant_id,
        actor=actor.name,
        role=actor.role,
        action=action,
        target=target,
        reason=reason,
        address=request.address,
        request_id=request.id,
    )
