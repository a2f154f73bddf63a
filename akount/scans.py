"""What people ask of documents: submit one to be read, see how far it is, take it back, try it again.

Each function is one intent and owns its transaction; the bell rings after the commit.
"""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass, replace

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from akount import backlog, intake, ledger, logs
from akount.accounts import Actor, Call, entity_of, note
from akount.backlog import Priority
from akount.kinds import Kind
from akount.ledger import DeadLetters
from akount.lifecycle import Runtime
from akount.models import Document, Job
from akount.storage import Incoming, new_key

log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class Submission:
    """A document that is to be read, and whether it was there already."""

    job: Job
    duplicate: bool


def submit(
    runtime: Runtime,
    call: Call,
    kind: Kind,
    incoming: Incoming,
    *,
    filename: str | None,
    entity_id: uuid.UUID | None,
    priority: Priority = Priority.PERSON,
) -> Submission:
    """Stores a file and enters it into the ledger. The same bytes in the same entity and kind are one document (E8),
    which costs nothing; else it takes a slot of the tenant's minute, or raises LimitExceeded (R10).

    The file is safe in the storage before the row that names it is committed; the queue being away stops nothing."""
    actor = call.actor
    media_type = intake.admit(incoming, runtime.settings.max_upload_bytes)
    with runtime.database.snapshot() as session:
        entity = entity_of(session, actor.tenant, entity_id)
        known = _known(session, entity.id, kind, incoming.sha256)
    if known is not None:
        return Submission(known, duplicate=True)
    runtime.limiter.admit(actor.tenant)
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
            job = _enter(session, runtime, call, kind, document, priority=priority)
    except IntegrityError:
        return _raced(runtime, entity.id, kind, document)
    runtime.bells[kind.queue].ring(job.id)
    log.info(
        "document submitted", job=str(job.id), document=str(document.id), queue=kind.queue, size=document.size, type=media_type
    )
    return Submission(job, duplicate=False)


def _enter(session: Session, runtime: Runtime, call: Call, kind: Kind, document: Document, *, priority: Priority) -> Job:
    session.add(document)
    session.flush()
    turn = backlog.next_turn(session, kind.queue, document.tenant_id)
    job = ledger.enter(
        session,
        document,
        queue=kind.queue,
        max_attempts=runtime.settings.scan_max_attempts,
        request_id=call.request_id,
        priority=priority,
        turn=turn,
    )
    note(session, call, "document.submit", f"document:{document.id}")
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


def cancel(runtime: Runtime, call: Call, job_id: uuid.UUID) -> Job:
    """Takes back a job that waits or runs. Raises NotFound, Conflict."""
    with runtime.database.transaction() as session:
        job = ledger.find(session, call.actor.tenant_id, job_id)
        ledger.cancel(session, job)
        note(session, call, "job.cancel", f"job:{job.id}")
        session.refresh(job)
    return job


def retry(runtime: Runtime, call: Call, job_id: uuid.UUID) -> Job:
    """Tries a failed or cancelled job again, with all its attempts. Raises NotFound, Conflict."""
    with runtime.database.transaction() as session:
        job = ledger.find(session, call.actor.tenant_id, job_id)
        ledger.retry(session, job)
        note(session, call, "job.retry", f"job:{job.id}")
        session.refresh(job)
    runtime.bells[job.queue].ring(job.id)
    return job


def discard(runtime: Runtime, call: Call, job_id: uuid.UUID, reason: str) -> Job:
    """Takes a failed job off the list of dead letters, with the reason. Raises NotFound, Conflict."""
    with runtime.database.transaction() as session:
        job = ledger.find(session, call.actor.tenant_id, job_id)
        ledger.discard(session, job, reason)
        note(session, call, "job.discard", f"job:{job.id}", reason)
        session.refresh(job)
    return job


def retry_all(runtime: Runtime, call: Call, meant: DeadLetters) -> int:
    """Tries every failed job again that is meant; operators only see beyond their tenant. Answers how many."""
    meant = replace(meant, tenant_id=call.actor.tenant_id or meant.tenant_id)
    with runtime.database.transaction() as session:
        count = ledger.retry_all(session, meant)
        note(session, call, "jobs.retry", f"jobs:{count}", str(meant))
    return count


def discard_all(runtime: Runtime, call: Call, meant: DeadLetters, reason: str) -> int:
    """Takes every failed job off the list that is meant, with the reason. Answers how many."""
    meant = replace(meant, tenant_id=call.actor.tenant_id or meant.tenant_id)
    with runtime.database.transaction() as session:
        count = ledger.discard_all(session, meant, reason)
        note(session, call, "jobs.discard", f"jobs:{count}", f"{reason} ({meant})")
    return count


def pause(
    runtime: Runtime, call: Call, *, queue: str | None, tenant_id: uuid.UUID | None, reason: str, until: dt.datetime | None
) -> None:
    """Holds up a queue, a tenant, or a tenant in a queue; what runs goes on. Raises Conflict when it is held up already."""
    with runtime.database.transaction() as session:
        backlog.pause(session, queue=queue, tenant_id=tenant_id, reason=reason, by=call.actor.name, until=until)
        note(session, call, "backlog.pause", f"queue:{queue or 'all'} tenant:{tenant_id or 'all'}", reason)


def resume(runtime: Runtime, call: Call, *, queue: str | None, tenant_id: uuid.UUID | None) -> None:
    """Lets go what was held up by the same words. Raises Conflict when nothing was."""
    with runtime.database.transaction() as session:
        backlog.resume(session, queue=queue, tenant_id=tenant_id, by=call.actor.name)
        note(session, call, "backlog.resume", f"queue:{queue or 'all'} tenant:{tenant_id or 'all'}")
