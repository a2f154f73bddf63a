"""Jobs as people look for them: lists by filter, page by page, and one with all that is known of it.

A page is found by where the one before ended, never by counting, and carries no payload: it costs the same with a million.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, func, literal, or_, select
from sqlalchemy.orm import Session

from akount import ledger
from akount.accounts import Actor
from akount.errors import NotFound
from akount.kinds import QUEUES
from akount.lifecycle import Runtime
from akount.models import TERMINAL, Attempt, AuditEntry, Document, Job, JobStatus, Record, Tenant

Position = tuple[dt.datetime, uuid.UUID]
"""When the last job of a page was entered, and its id."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which jobs to list; what is None does not count."""

    status: JobStatus | None = None
    discarded: bool = False
    "of the failed: those that somebody discarded, instead of those that nobody did"
    queue: str | None = None
    tenant_id: uuid.UUID | None = None
    code: str | None = None
    fingerprint: str | None = None
    worker: str | None = None
    since: dt.datetime | None = None
    "entered at or after"
    until: dt.datetime | None = None
    failed_since: dt.datetime | None = None
    attempts: int | None = None
    "at least so many"

    def where(self) -> ColumnElement[bool]:
        """As a condition on jobs."""
        said = [] if self.status is None else [Job.status == self.status]
        if self.status is JobStatus.FAILED:
            said.append(Job.discarded_at.is_not(None) if self.discarded else Job.discarded_at.is_(None))
        if self.queue is None and self.status in TERMINAL:
            said.append(Job.queue.in_(QUEUES))  # all of them: so that an index finds what is rare
        for column, value in self._equal():
            said += [] if value is None else [column == value]
        said += [] if self.since is None else [Job.created_at >= self.since]
        said += [] if self.until is None else [Job.created_at <= self.until]
        said += [] if self.failed_since is None else [Job.finished_at >= self.failed_since]
        said += [] if self.attempts is None else [Job.attempts >= self.attempts]
        return and_(True, *said)

    def _equal(self) -> list[tuple[Any, Any]]:
        return [
            (Job.queue, self.queue),
            (Job.tenant_id, self.tenant_id),
            (Job.error_code, self.code),
            (Job.fingerprint, self.fingerprint),
            (Job.worker, self.worker),
        ]


@dataclass(frozen=True, slots=True)
class Slice:
    """A page of a list, the newest first."""

    rows: Sequence[Row[Any]]
    older: Position | None
    "where the next page begins; None: there is none"
    newer: Position | None


_ROW: Any = (
    select(
        *(Job.id, Job.status, Job.queue, Job.kind, Job.progress, Job.attempts, Job.max_attempts, Job.worker, Job.run_at),
        *(Job.created_at, Job.started_at, Job.finished_at, Job.discarded_at, Job.error_code, Job.error_detail, Job.fingerprint),
        *(Job.tenant_id, Job.document_id, Document.filename, Document.media_type, Document.size, Tenant.name.label("tenant")),
    )
    .join(Document, Document.id == Job.document_id)
    .join(Tenant, Tenant.id == Job.tenant_id)
)


def jobs(
    runtime: Runtime,
    actor: Actor,
    wanted: Wanted,
    *,
    after: Position | None = None,
    before: Position | None = None,
    limit: int = 50,
) -> Slice:
    """The jobs that are wanted, of the actor's tenant: those older than `after`, or the next newer than `before`."""
    query = _ROW.where(wanted.where(), _mine(actor))
    query = _newer(query, before) if before else _older(query, after)
    with runtime.database.snapshot() as session:
        found = list(session.execute(query.limit(limit + 1)).all())
    more = len(found) > limit
    rows = found[:limit][::-1] if before else found[:limit]
    older = rows and (more or before is not None)
    newer = rows and (more if before else after is not None)
    return Slice(rows, _position(rows[-1]) if older else None, _position(rows[0]) if newer else None)


def _older(query: Select[Any], after: Position | None) -> Select[Any]:
    if after is not None:
        at, last = after
        query = query.where(or_(Job.created_at < at, and_(Job.created_at == at, Job.id < last)))
    return query.order_by(Job.created_at.desc(), Job.id.desc())


def _newer(query: Select[Any], before: Position) -> Select[Any]:
    at, first = before
    query = query.where(or_(Job.created_at > at, and_(Job.created_at == at, Job.id > first)))
    return query.order_by(Job.created_at, Job.id)


def _position(row: Row[Any]) -> Position:
    return row.created_at, row.id


def _mine(actor: Actor) -> ColumnElement[bool]:
    """Only operators reach beyond their own tenant."""
    return and_(True) if actor.tenant_id is None else Job.tenant_id == actor.tenant_id


def count(runtime: Runtime, actor: Actor, wanted: Wanted, cap: int) -> int:
    """How many are wanted, counted up to one more than `cap`."""
    some = select(literal(1)).select_from(Job).where(wanted.where(), _mine(actor)).limit(cap + 1).subquery()
    with runtime.database.snapshot() as session:
        return session.scalar(select(func.count()).select_from(some)) or 0


@dataclass(frozen=True, slots=True)
class Whole:
    """One job with all that is known of it."""

    job: Job
    document: Document
    tenant: Tenant
    record: tuple[uuid.UUID, str, int] | None
    "id, status and confidence of what came of it"
    engine: str
    "what read it, with its version; empty: nothing did yet"
    attempts: list[Attempt]
    "ended ones, the latest first"
    audit: Sequence[AuditEntry]
    "the latest first"


def job(runtime: Runtime, actor: Actor, job_id: uuid.UUID) -> Whole:
    """One job of the actor's tenant. Raises NotFound."""
    query = (
        select(Job, Document, Tenant, Record.id, Record.status, Record.confidence, Record.engine, Record.model_version)
        .join(Document, Document.id == Job.document_id)
        .join(Tenant, Tenant.id == Job.tenant_id)
        .outerjoin(Record, Record.job_id == Job.id)
        .where(Job.id == job_id, _mine(actor))
    )
    with runtime.database.snapshot() as session:
        found = session.execute(query).one_or_none()
        if found is None:
            raise NotFound("There is no such job.")
        attempts = ledger.attempts_at(session, found[0])[::-1]
        targets = [f"job:{job_id}", f"document:{found[1].id}"]
        entries = select(AuditEntry).where(AuditEntry.target.in_(targets)).order_by(AuditEntry.created_at.desc()).limit(50)
        audit = session.scalars(entries).all()
    record = None if found[3] is None else (found[3], found[4].value, found[5])
    engine = "" if record is None else f"{found[6]} {found[7]}"
    return Whole(found[0], found[1], found[2], record, engine, attempts, audit)


def tenant_names(session: Session, tenants: Collection[uuid.UUID]) -> dict[uuid.UUID, str]:
    """What tenants are called."""
    if not tenants:
        return {}
    return dict(session.execute(select(Tenant.id, Tenant.name).where(Tenant.id.in_(tenants))).all())


def choice_of_tenants(runtime: Runtime, actor: Actor, limit: int = 200) -> list[tuple[str, str]]:
    """Tenants by id and name, for a field that chooses one; only operators have a choice."""
    if actor.tenant_id is not None:
        return []
    with runtime.database.snapshot() as session:
        rows = session.execute(select(Tenant.id, Tenant.name).order_by(Tenant.name, Tenant.id).limit(limit)).all()
    return [(str(tenant_id), name) for tenant_id, name in rows]
