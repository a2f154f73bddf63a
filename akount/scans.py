"""What people ask of documents: submit one to be read, see how far it is, take it back, try it again.

Each function is one intent and owns its transaction; the bell rings after the commit.
"""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import asdict, dataclass, replace

from sqlalchemy import and_, bindparam, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from akount import antivirus, backlog, idempotency, intake, ledger, logs, operations, plans
from akount.accounts import Actor, Call, entity_of, note
from akount.backlog import Priority
from akount.errors import Conflict, LimitExceeded, NotFound
from akount.hosted import policies
from akount.hosted.providers import configured
from akount.idempotency import Keyed, keyed
from akount.kinds import Kind
from akount.ledger import DeadLetters, Page
from akount.lifecycle import Runtime
from akount.models import Document, Entity, Job, Operation, Tenant, write
from akount.operations import Action
from akount.readings import AS_ALWAYS, ReadingOptions
from akount.storage import Incoming, new_key

log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class Submission:
    """A document that is to be read, whether it was there already, and whether this answer was given before."""

    job: Job
    duplicate: bool
    replayed: bool = False


def submit(
    runtime: Runtime,
    call: Call,
    kind: Kind,
    incoming: Incoming,
    *,
    filename: str | None,
    entity_id: uuid.UUID | None,
    priority: Priority = Priority.PERSON,
    idempotency_key: str | None = None,
) -> Submission:
    """Stores a file and enters it into the ledger. The same bytes in the same entity and kind are one document, and the
    same idempotency key has the same answer (E8): these cost nothing. Else it takes a slot of the tenant's minute, or
    raises LimitExceeded (R10), as when the month of its plan is used up.

    The file is safe in the storage before the row that names it is committed; the queue being away stops nothing."""
    actor = call.actor
    media_type = intake.admit(incoming, incoming.limit)
    with runtime.database.snapshot() as session:
        known = {"the_kind": kind.name, "the_sha256": incoming.sha256}
        entity = entity_of(session, actor.tenant, entity_id, _WHERE_TO, **known)
        sent = None if idempotency_key is None else keyed(actor.tenant, idempotency_key, kind.name, entity.id, incoming.sha256)
        before = _before(session, entity.job_id, sent)
    if before is not None:
        return _remembered(runtime, before, sent)
    runtime.limiter.admit(actor.tenant)
    sha256 = incoming.sha256
    _clear(runtime, incoming, media_type)
    document = Document(
        id=uuid.uuid4(),
        tenant_id=actor.tenant,
        entity_id=entity.id,
        kind=kind.name,
        filename=intake.clean_filename(filename),
        media_type=media_type,
        size=incoming.size,
        sha256=sha256,
        stored_sha256=None if sha256 == incoming.sha256 else incoming.sha256,
        storage_key=new_key(actor.tenant, entity.id),
        uploaded_by=actor.user_id,
    )
    runtime.storage.put(document.storage_key, incoming)
    try:
        present = backlog.present_turn(runtime.database, kind.queue, priority)
        with runtime.database.transaction() as session:
            job = _enter(session, runtime, call, kind, document, priority=priority, present=present)
            if sent is not None:
                idempotency.keep(session, sent, job.id, duplicate=False)
            plans.take(session, entity.plan, document)
    except IntegrityError:
        return _raced(runtime, document, sent)
    except LimitExceeded:
        runtime.storage.delete(document.storage_key)
        raise
    runtime.bells[kind.queue].ring(job.id)
    log.info(
        "document submitted", job=str(job.id), document=str(document.id), queue=kind.queue, size=document.size, type=media_type
    )
    return Submission(job, duplicate=False)


def _clear(runtime: Runtime, incoming: Incoming, media_type: str) -> None:
    """A file that is fit to be kept: whole as far as can be told, free of viruses, and without what a photo tells beside
    its pixels. Raises Unreadable, Infected, Unavailable."""
    antivirus.examine(runtime.settings, incoming.file)
    intake.look(runtime.opener, incoming, media_type, runtime.settings.intake_seconds)
    intake.forget_metadata(incoming, media_type)


def _enter(
    session: Session, runtime: Runtime, call: Call, kind: Kind, document: Document, *, priority: Priority, present: int
) -> Job:
    if configured(runtime.settings):
        document.hosted_engines = policies.consents_at_upload(session, call.actor.user_id, document.tenant_id)
    write(session, document)
    job = ledger.enter(
        session,
        document,
        queue=kind.queue,
        max_attempts=runtime.settings.scan_max_attempts,
        request_id=call.request_id,
        priority=priority,
        present=present,
    )
    note(session, call, "document.submit", f"document:{document.id}")
    return job


def _raced(runtime: Runtime, document: Document, sent: Keyed | None) -> Submission:
    """Somebody else sent the same bytes, or the same key, at the same time: theirs is the document, our copy goes."""
    runtime.storage.delete(document.storage_key)
    with runtime.database.snapshot() as session:
        known = {"the_kind": document.kind, "the_sha256": document.sha256}
        entity = entity_of(session, document.tenant_id, document.entity_id, _WHERE_TO, **known)
        before = _before(session, entity.job_id, sent)
    if before is None:
        raise RuntimeError("a document that collides with none")
    return _remembered(runtime, before, sent)


def _before(session: Session, known: uuid.UUID | None, sent: Keyed | None) -> Submission | None:
    """What there is already, by the key or by the bytes, whose job is `known`. Raises Conflict for a key that came with
    another file."""
    answer = None if sent is None else idempotency.answered(session, sent)
    if answer is not None:
        return Submission(session.get_one(Job, answer.job_id), answer.duplicate, replayed=True)
    return None if known is None else Submission(session.get_one(Job, known), duplicate=True)


def _remembered(runtime: Runtime, before: Submission, sent: Keyed | None) -> Submission:
    """The submission there is already; a key that comes with it for the first time has this answer from now on."""
    if sent is None or before.replayed:
        return before
    try:
        with runtime.database.transaction() as session:
            idempotency.keep(session, sent, before.job.id, duplicate=True)
    except IntegrityError:  # at the same moment the same key was kept: its answer is the one
        with runtime.database.snapshot() as session:
            answer = idempotency.answered(session, sent)
        return replace(before, duplicate=before.duplicate if answer is None else answer.duplicate, replayed=True)
    return before


_TENANTS, _ENTITIES, _DOCUMENTS, _JOBS = (table.__table__ for table in (Tenant, Entity, Document, Job))
_SAME = (_DOCUMENTS.c[name] == bindparam(f"the_{name}") for name in ("kind", "sha256"))
_WHERE_TO = (
    select(_ENTITIES.c.id, _TENANTS.c.plan, _JOBS.c.id.label("job_id"))
    .join_from(_ENTITIES, _TENANTS)
    .outerjoin(_DOCUMENTS, and_(_DOCUMENTS.c.tenant_id == _TENANTS.c.id, _DOCUMENTS.c.entity_id == _ENTITIES.c.id, *_SAME))
    .outerjoin(_JOBS, _JOBS.c.document_id == _DOCUMENTS.c.id)
)
"""The entity that a document is for, the plan of its tenant, and the job of the same bytes where they came before."""


def largest(runtime: Runtime, actor: Actor, announced: int | None) -> int:
    """Bytes of the largest file that the actor's tenant may send. Where no more are `announced` than every tenant may send,
    nobody is asked for the plan."""
    common = plans.common_size(runtime.settings.max_upload_bytes)
    if announced is not None and announced <= common:
        return common
    with runtime.database.snapshot() as session:
        return plans.allowance(session, actor.tenant, runtime.settings.max_upload_bytes).size


def find_job(runtime: Runtime, actor: Actor, job_id: uuid.UUID) -> Job:
    """A job of the actor's tenant. Raises NotFound."""
    with runtime.database.snapshot() as session:
        return ledger.find(session, actor.tenant_id, job_id)


def link(runtime: Runtime, call: Call, document_id: uuid.UUID, *, seconds: int, reason: str) -> str:
    """An address at which whoever has it may load a document for so long; the audit log has it first. Raises NotFound,
    also where the storage gives no links."""
    with runtime.database.transaction() as session:
        document = session.get(Document, document_id)
        if document is None or call.actor.tenant_id not in (None, document.tenant_id):
            raise NotFound("There is no such document.")
        address = runtime.storage.link(
            document.storage_key, filename=document.filename, media_type=document.media_type, seconds=seconds
        )
        note(session, call, "document.link", f"document:{document.id}", reason, tenant_id=document.tenant_id)
    return address


def cancel(runtime: Runtime, call: Call, job_id: uuid.UUID) -> Job:
    """Takes back a job that waits or runs. Raises NotFound, Conflict."""
    with runtime.database.transaction() as session:
        job = ledger.find(session, call.actor.tenant_id, job_id)
        ledger.cancel(session, job)
        note(session, call, "job.cancel", f"job:{job.id}")
        session.refresh(job)
    return job


def retry(runtime: Runtime, call: Call, job_id: uuid.UUID, options: ReadingOptions = AS_ALWAYS) -> Job:
    """Tries a failed or cancelled job again, with all its attempts, to be read as said. Raises NotFound, Conflict."""
    with runtime.database.transaction() as session:
        job = ledger.find(session, call.actor.tenant_id, job_id)
        if job.document.erased_at is not None:
            raise Conflict("The document was erased: there is nothing to read.", code="erased_before")
        ledger.retry(session, job, None if options == AS_ALWAYS else asdict(options))
        note(session, call, "job.retry", f"job:{job.id}", str(options))
        session.refresh(job)
    runtime.bells[job.queue].ring(job.id)
    return job


def run_now(runtime: Runtime, call: Call, job_id: uuid.UUID) -> Job:
    """Ends the pause of a job before its next attempt. Raises NotFound, Conflict."""
    with runtime.database.transaction() as session:
        job = ledger.find(session, call.actor.tenant_id, job_id)
        ledger.run_now(session, job)
        note(session, call, "job.run_now", f"job:{job.id}")
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


def dead_letters(runtime: Runtime, actor: Actor, wanted: DeadLetters, page: Page) -> tuple[list[Job], bool]:
    """A page of the failed jobs that are meant, the latest first, and whether there are more."""
    with runtime.database.snapshot() as session:
        return ledger.dead_letters(session, _of(actor, wanted), page)


def start_operation(
    runtime: Runtime,
    call: Call,
    action: Action,
    meant: DeadLetters,
    reason: str,
    *,
    as_of: dt.datetime | None = None,
    operation_id: uuid.UUID | None = None,
) -> Operation:
    """Asks for all failed jobs that are meant to be tried again or discarded, in the background; see operations.start."""
    meant = _of(call.actor, meant)
    try:
        with runtime.database.transaction() as session:
            return operations.start(session, call, action, meant, reason, as_of=as_of, operation_id=operation_id)
    except IntegrityError:  # the same was asked for at the same moment
        if operation_id is None:
            raise
        return find_operation(runtime, call.actor, operation_id)


def preview_operation(runtime: Runtime, actor: Actor, meant: DeadLetters) -> tuple[int, list[Job]]:
    """How many failed jobs are meant, and the latest of them."""
    with runtime.database.snapshot() as session:
        return operations.preview(session, _of(actor, meant))


def list_operations(runtime: Runtime, actor: Actor, *, running: bool = False) -> list[Operation]:
    """The latest bulk operations."""
    with runtime.database.snapshot() as session:
        return operations.listed(session, actor.tenant_id, running=running)


def operate(runtime: Runtime, call: Call, action: Action, meant: DeadLetters, reason: str = "") -> int:
    """The same at once, for who waits for it. Answers how many jobs it moved."""
    operation = start_operation(runtime, call, action, meant, reason)
    while operation.finished_at is None:  # or the workers do it meanwhile
        with runtime.database.transaction() as session:
            operations.advance(session)
        operation = find_operation(runtime, call.actor, operation.id)
    return operation.done


def find_operation(runtime: Runtime, actor: Actor, operation_id: uuid.UUID) -> Operation:
    """How far a bulk operation is. Raises NotFound."""
    with runtime.database.snapshot() as session:
        return operations.find(session, actor.tenant_id, operation_id)


def cancel_operation(runtime: Runtime, call: Call, operation_id: uuid.UUID) -> Operation:
    """Stops a bulk operation; what it has done stays done. Raises NotFound, Conflict."""
    with runtime.database.transaction() as session:
        return operations.cancel(session, call, operation_id)


def _of(actor: Actor, meant: DeadLetters) -> DeadLetters:
    """Only operators reach beyond their own tenant."""
    return replace(meant, tenant_id=actor.tenant_id or meant.tenant_id)


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
