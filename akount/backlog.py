"""What waits, in which order it is served, and what holds it up.

Order: the lower priority first, then the turn. Turns are dealt like places in a fair queue (start-time fair queueing):
a tenant's next document stands one turn behind its last one that waits, but never behind everybody's present turn, so
that ten thousand documents of one tenant do not delay a single one of another.
"""

from __future__ import annotations

import datetime as dt
import enum
import uuid

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.orm import Session

from akount.db import now
from akount.errors import Conflict
from akount.models import Job, JobStatus, Pause

RING_AGAIN_SECONDS = 5
"""A bell that was not answered for so long is rung again by the sweep."""
CLAIMABLE = Job.status.in_([JobStatus.WAITING, JobStatus.DELAYED])


class Priority(enum.IntEnum):
    """How soon a job is served: the lower, the sooner."""

    PERSON = 0  # somebody waits for it
    BULK = 10  # an import that nobody watches


def next_turn(session: Session, queue: str, tenant_id: uuid.UUID) -> int:
    """The turn of a tenant's next document. Two at once may get the same: fairness, not order, is promised."""
    waiting = select(func.min(Job.turn)).where(Job.queue == queue, CLAIMABLE)
    last = select(func.max(Job.turn)).where(Job.queue == queue, Job.tenant_id == tenant_id, CLAIMABLE)
    present, own = session.execute(select(waiting.scalar_subquery(), last.scalar_subquery())).one()
    return max(present or 0, -1 if own is None else own + 1, 0)


def next_up(session: Session, queue: str) -> uuid.UUID | None:
    """The job that is to be claimed next, locked against other claims; None when nothing is due or all is paused."""
    where = _due(session, queue)
    if where is None:
        return None
    query = select(Job.id).where(where).order_by(Job.priority, Job.turn, Job.run_at).limit(1)
    return session.scalar(query.with_for_update(skip_locked=True))


def to_ring(session: Session, queue: str, room: int) -> list[uuid.UUID]:
    """Up to `room` jobs of a queue that are due and were not rung lately, in their order; noted as rung."""
    at = now()
    where = _due(session, queue)
    if where is None or room <= 0:
        return []
    stale = or_(Job.rung_at.is_(None), Job.rung_at < at - dt.timedelta(seconds=RING_AGAIN_SECONDS), Job.rung_at < Job.run_at)
    ids = list(session.scalars(select(Job.id).where(where, stale).order_by(Job.priority, Job.turn, Job.run_at).limit(room)))
    if ids:
        session.execute(update(Job).where(Job.id.in_(ids)).values(rung_at=at))
    return ids


def eligible_count(session: Session, queue: str) -> int:
    """How many jobs of a queue could be claimed now."""
    where = _due(session, queue)
    return 0 if where is None else session.scalar(select(func.count()).select_from(Job).where(where)) or 0


def counts(session: Session) -> dict[str, dict[str, int]]:
    """Jobs in the history, by queue and status."""
    rows = session.execute(
        select(Job.queue, Job.status, func.count()).where(Job.archived_at.is_(None)).group_by(Job.queue, Job.status)
    )
    found: dict[str, dict[str, int]] = {}
    for queue, status, number in rows:
        found.setdefault(queue, {})[status.value] = number
    return found


def listed(session: Session, *, status: JobStatus | None, queue: str | None, limit: int) -> list[Job]:
    """The newest jobs of the history, without discarded ones."""
    query = select(Job).where(Job.archived_at.is_(None), Job.discarded_at.is_(None)).order_by(Job.created_at.desc())
    query = query.where(Job.status == status) if status else query
    query = query.where(Job.queue == queue) if queue else query
    return list(session.scalars(query.limit(limit)))


def pause(
    session: Session, *, queue: str | None, tenant_id: uuid.UUID | None, reason: str, by: str, until: dt.datetime | None = None
) -> Pause:
    """Nothing of this queue, of this tenant, or of this tenant in this queue is claimed until it is resumed or `until`.
    What runs goes on. Raises Conflict when it is paused already."""
    if session.scalar(select(Pause.id).where(_in_force(), _same(queue, tenant_id)).limit(1)):
        raise Conflict("This is paused already.", code="already_paused")
    made = Pause(queue=queue, tenant_id=tenant_id, reason=reason, paused_by=by, until=until)
    session.add(made)
    session.flush()
    return made


def resume(session: Session, *, queue: str | None, tenant_id: uuid.UUID | None, by: str) -> None:
    """Ends a pause; what waited is rung for at the next sweep. Raises Conflict when nothing is paused by these words."""
    held = session.scalars(select(Pause).where(_in_force(), _same(queue, tenant_id))).all()
    if not held:
        raise Conflict("This is not paused.", code="not_paused")
    for one in held:
        one.resumed_by, one.resumed_at = by, now()
    affected = [CLAIMABLE, *([Job.queue == queue] if queue else []), *([Job.tenant_id == tenant_id] if tenant_id else [])]
    session.execute(update(Job).where(*affected).values(rung_at=None))


def pauses(session: Session) -> list[Pause]:
    """The pauses in force, oldest first."""
    return list(session.scalars(select(Pause).where(_in_force()).order_by(Pause.paused_at)))


def _in_force() -> ColumnElement[bool]:
    return and_(Pause.resumed_at.is_(None), or_(Pause.until.is_(None), Pause.until > now()))


def _same(queue: str | None, tenant_id: uuid.UUID | None) -> ColumnElement[bool]:
    return and_(Pause.queue.is_not_distinct_from(queue), Pause.tenant_id.is_not_distinct_from(tenant_id))


def _due(session: Session, queue: str) -> ColumnElement[bool] | None:
    """What of a queue may be claimed now; None when the whole queue is paused."""
    here = or_(Pause.queue.is_(None), Pause.queue == queue)
    held = session.scalars(select(Pause.tenant_id).where(_in_force(), here)).all()
    if None in held:
        return None
    due = and_(Job.queue == queue, CLAIMABLE, Job.run_at <= now())
    return and_(due, Job.tenant_id.not_in(held)) if held else due
