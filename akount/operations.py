"""Bulk operations: what somebody asked to be done with many jobs, done bit by bit in the background: dead letters are tried
again or discarded, what is in line is cancelled.

Which jobs are meant is frozen when it is asked for: those that had failed, or stood in line, by then and match. What has moved
on since is skipped and counted. Each bit is one transaction that also notes how far it came, so a kill in between costs nothing
and does nothing twice. The sweepers of the workers carry operations out.
"""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session, joinedload

from akount import audit, ledger
from akount.accounts import Call, note
from akount.db import now
from akount.errors import Conflict, NotFound
from akount.ledger import DeadLetters, InLine
from akount.models import Job, JobStatus, Operation, Role

BIT = 250
"""Jobs of one transaction; every sweeper does one such bit a second."""


class Action(enum.StrEnum):
    """What is done with each job."""

    RETRY = "retry"
    DISCARD = "discard"
    CANCEL = "cancel"


def start(
    session: Session,
    call: Call,
    action: Action,
    meant: DeadLetters,
    reason: str,
    *,
    as_of: dt.datetime | None = None,
    operation_id: uuid.UUID | None = None,
) -> Operation:
    """Asks for it: from now on it is carried out. `matched` is how many jobs are meant.

    Who was shown how many there are says as of when that was, and the id that the operation is to have: to ask for the same
    one twice is to ask once."""
    at = min(as_of or now(), now())
    known = session.get(Operation, operation_id) if operation_id else None
    if known is not None:
        return find(session, call.actor.tenant_id, known.id)
    operation = Operation(
        id=operation_id or uuid.uuid4(),
        tenant_id=meant.tenant_id,
        action=action.value,
        meant=_as_json(meant),
        as_of=at,
        reason=reason,
        actor=call.actor.name,
        role=call.actor.role,
        request_id=call.request_id,
        matched=session.scalar(select(func.count()).select_from(Job).where(replace(meant, until=at).where())) or 0,
    )
    session.add(operation)
    session.flush()
    note(session, call, f"jobs.{action}", f"operation:{operation.id}", f"{reason} ({_in_words(operation)})".strip())
    return operation


def find(session: Session, tenant_id: uuid.UUID | None, operation_id: uuid.UUID) -> Operation:
    """The operation, if it is the tenant's (None: an operator, who sees all). Raises NotFound."""
    query = select(Operation).where(Operation.id == operation_id)
    found = session.scalar(query if tenant_id is None else query.where(Operation.tenant_id == tenant_id))
    if found is None:
        raise NotFound("There is no such operation.")
    return found


def preview(session: Session, meant: DeadLetters, limit: int = 10) -> tuple[int, list[Job]]:
    """How many jobs are meant, and some of them, the latest first."""
    total = session.scalar(select(func.count()).select_from(Job).where(meant.where())) or 0
    latest = select(Job).options(joinedload(Job.document)).where(meant.where())
    return total, list(session.scalars(latest.order_by(meant.moved.desc(), Job.id.desc()).limit(limit)))


def listed(session: Session, tenant_id: uuid.UUID | None, *, running: bool = False, limit: int = 100) -> list[Operation]:
    """The latest operations of a tenant (None: of all)."""
    query = select(Operation).order_by(Operation.created_at.desc(), Operation.id).limit(limit)
    query = query if tenant_id is None else query.where(Operation.tenant_id == tenant_id)
    return list(session.scalars(query.where(Operation.finished_at.is_(None)) if running else query))


def cancel(session: Session, call: Call, operation_id: uuid.UUID) -> Operation:
    """What is not done yet is not done any more. Raises NotFound, Conflict when it is over."""
    operation = find(session, call.actor.tenant_id, operation_id)
    session.refresh(operation, with_for_update=True)
    if operation.finished_at is not None:
        raise Conflict("The operation is over.", code="wrong_status")
    operation.finished_at, operation.cancelled_by = now(), call.actor.name
    note(session, call, "operation.cancel", f"operation:{operation.id}")
    return operation


def advance(session: Session) -> Operation | None:
    """Does the next bit of the operation that waits longest; None when there is none or others are at it."""
    waiting = select(Operation).where(Operation.finished_at.is_(None)).order_by(Operation.created_at).limit(1)
    operation = session.scalar(waiting.with_for_update(skip_locked=True))
    if operation is None:
        return None
    bit = _next_bit(session, operation)
    if bit:
        _carry_out(session, operation, [job_id for job_id, _ in bit])
        operation.after_id, operation.after_at = bit[-1]
    if len(bit) < BIT:
        operation.finished_at = now()
        _note_end(session, operation)
    return operation


def _next_bit(session: Session, operation: Operation) -> list[tuple[uuid.UUID, dt.datetime]]:
    """The next jobs that were meant when it was asked for, whatever has become of them."""
    meant = _frozen(operation)
    moved = meant.moved
    query = select(Job.id, moved).where(meant.where())
    if operation.after_at is not None:
        later = and_(moved == operation.after_at, Job.id > operation.after_id)
        query = query.where(or_(moved > operation.after_at, later))
    rows = session.execute(query.order_by(moved, Job.id).limit(BIT)).all()
    return [(job_id, at) for job_id, at in rows if at is not None]


def _carry_out(session: Session, operation: Operation, job_ids: list[uuid.UUID]) -> None:
    meant = replace(_frozen(operation), ids=tuple(job_ids))
    if isinstance(meant, InLine):
        operation.done += ledger.cancel_all(session, meant)
    elif operation.action == Action.RETRY:
        operation.done += ledger.retry_all(session, meant)
    else:
        operation.done += ledger.discard_all(session, meant, operation.reason)


def _note_end(session: Session, operation: Operation) -> None:
    operation.skipped = max(0, operation.matched - operation.done)
    audit.record(
        session,
        tenant_id=operation.tenant_id,
        actor=operation.actor,
        role=Role(operation.role),
        action="operation.finish",
        target=f"operation:{operation.id}",
        reason=f"matched {operation.matched}, done {operation.done}, skipped {operation.skipped}",
        request_id=operation.request_id,
    )


def _in_words(operation: Operation) -> str:
    """How many are meant and by what: each of them by id would be longer than a line of the log."""
    said = {name: f"{len(value)} chosen" if name == "ids" else value for name, value in operation.meant.items()}
    return ", ".join([f"{operation.matched} jobs", *(f"{name} {value}" for name, value in said.items() if name != "tenant_id")])


def _as_json(meant: DeadLetters) -> dict[str, Any]:
    said = {name: value for name, value in asdict(meant).items() if value not in (None, ())}
    return {name: [str(v) for v in value] if name == "ids" else str(value) for name, value in said.items()}


def _frozen(operation: Operation) -> DeadLetters:
    """Which jobs were meant when it was asked for."""
    said = operation.meant
    return replace(_in_line(said) if operation.action == Action.CANCEL else _dead_letters(said), until=operation.as_of)


def _in_line(said: dict[str, Any]) -> InLine:
    return InLine(**_read(said), status=JobStatus(said["status"]) if "status" in said else None)


def _dead_letters(said: dict[str, Any]) -> DeadLetters:
    return DeadLetters(**_read(said))


def _read(said: dict[str, Any]) -> dict[str, Any]:
    meant: dict[str, Any] = {name: said.get(name) for name in ("queue", "code", "fingerprint", "worker")}
    times = ("before", "until", "since", "entered_since", "entered_until")
    meant |= {name: dt.datetime.fromisoformat(said[name]) for name in times if name in said}
    meant["attempts"] = int(said["attempts"]) if "attempts" in said else None
    tenant = uuid.UUID(said["tenant_id"]) if "tenant_id" in said else None
    return meant | {"tenant_id": tenant, "ids": tuple(uuid.UUID(one) for one in said.get("ids", ()))}
