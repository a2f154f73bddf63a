"""What waits, in which order it is served, and what holds it up.

Order: the lower priority first, then the turn. Turns are dealt like places in a fair queue (start-time fair queueing):
a tenant's next document stands one turn behind its last one that waits, but never behind everybody's present turn, so
that ten thousand documents of one tenant do not delay a single one of another.
"""

from __future__ import annotations

import datetime as dt
import enum
import functools
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    ScalarSelect,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.orm import Session

from akount.db import Database, Instant, now, seeing_all
from akount.errors import Conflict
from akount.models import IN_LINE, TERMINAL, Job, JobStatus, Pause, Record, RecordStatus

RING_AGAIN_SECONDS = 5
"""A bell that was not answered for so long is rung again by the sweep."""

_JOB, _PAUSE = Job.__table__.c, Pause.__table__.c
"""Bare columns, for what every job asks: a statement over mapped attributes is prepared anew each time it is sent."""
_AT: BindParameter[dt.datetime] = bindparam("at", type_=Instant)
_ORDER = (_JOB.priority, _JOB.turn, _JOB.run_at)
CLAIMABLE = _JOB.status.in_(IN_LINE)

_PRESENT = (
    select(_JOB.turn)
    .where(_JOB.queue == bindparam("the_queue"), CLAIMABLE, _JOB.priority == bindparam("the_priority"))
    .order_by(_JOB.turn)
    .limit(1)
)


class Priority(enum.IntEnum):
    """How soon a job is served: the lower, the sooner."""

    PERSON = 0  # somebody waits for it
    BULK = 10  # an import that nobody watches


def present_turn(database: Database, queue: str, priority: Priority) -> int:
    """The turn that is being served in a queue, whoever asks, for `ledger.enter`: a tenant alone sees no more than its own, and
    would come before all others for as many documents as were served before it came."""
    with seeing_all(), database.snapshot() as session:
        return session.scalar(_PRESENT, {"the_queue": queue, "the_priority": priority}) or 0


@functools.cache
def next_up(queue: str) -> ScalarSelect[uuid.UUID]:
    """The query for the job that is to be claimed next, locked against other claims, for `ledger.claim`, which says at
    which instant. It finds nothing when nothing is due or all is paused."""
    query = select(_JOB.id).where(_due(queue, _AT)).order_by(*_ORDER).limit(1)
    return query.with_for_update(skip_locked=True).scalar_subquery()


def to_ring(session: Session, queue: str, room: int) -> list[uuid.UUID]:
    """Up to `room` jobs of a queue that are due and were not rung lately, in their order; noted as rung. What is being
    taken at this moment needs no bell."""
    at = now()
    if room <= 0:
        return []
    stale = or_(Job.rung_at.is_(None), Job.rung_at < at - dt.timedelta(seconds=RING_AGAIN_SECONDS), Job.rung_at < Job.run_at)
    due = select(Job.id).where(_due(queue, _AT), stale).order_by(*_ORDER).limit(room).with_for_update(skip_locked=True)
    ids = list(session.scalars(due, {"at": at}))
    if ids:
        session.execute(update(Job).where(Job.id.in_(ids)).values(rung_at=at))
    return ids


def eligible_count(session: Session, queue: str) -> int:
    """How many jobs of a queue could be claimed now."""
    return session.scalar(select(func.count()).select_from(Job).where(_due(queue, _AT)), {"at": now()}) or 0


def counts(session: Session) -> dict[str, dict[str, int]]:
    """Jobs in the history, by queue and status. Three looks into small indexes: of a million jobs most have left it."""
    kept = (CLAIMABLE, _JOB.status == JobStatus.ACTIVE, _JOB.status.in_(TERMINAL))
    groups = [
        select(_JOB.queue, _JOB.status, func.count()).where(which, _JOB.archived_at.is_(None)).group_by(_JOB.queue, _JOB.status)
        for which in kept
    ]
    found: dict[str, dict[str, int]] = {}
    for queue, status, number in session.execute(union_all(*groups)):
        found.setdefault(queue, {})[JobStatus(status).value] = number
    return found


def capped_counts(session: Session, queues: Iterable[str], tenant_id: uuid.UUID | None, cap: int) -> dict[str, dict[str, int]]:
    """Jobs that wait, run or are dead letters, by queue and status, of a tenant or of all; no more than `cap` lines are
    looked at for each number, however many there are. An index answers each of them whole."""
    mine = [] if tenant_id is None else [_JOB.tenant_id == tenant_id]
    sorts = {
        "in line": CLAIMABLE,
        JobStatus.DELAYED.value: _JOB.status == JobStatus.DELAYED,
        JobStatus.ACTIVE.value: _JOB.status == JobStatus.ACTIVE,
        JobStatus.FAILED.value: and_(_JOB.status == JobStatus.FAILED, _JOB.discarded_at.is_(None)),
    }
    places = [(queue, sort) for queue in queues for sort in sorts]
    some = [select(_JOB.queue).where(_JOB.queue == queue, sorts[sort], *mine).limit(cap + 1).subquery() for queue, sort in places]
    numbers = session.execute(select(*(select(func.count()).select_from(one).scalar_subquery() for one in some))).one()
    found: dict[str, dict[str, int]] = {}
    for (queue, sort), number in zip(places, numbers, strict=True):
        found.setdefault(queue, {})[sort] = number
    for held in found.values():
        in_line = held.pop("in line")
        held[JobStatus.WAITING.value] = in_line if in_line > cap else max(0, in_line - held[JobStatus.DELAYED.value])
    return {queue: {status: number for status, number in held.items() if number} for queue, held in found.items()}


def to_review(session: Session, tenant_id: uuid.UUID | None, cap: int) -> int:
    """How many records a person must look at, counted up to one more than `cap`."""
    waiting = select(literal(1)).where(Record.status.in_([RecordStatus.NEEDS_REVIEW, RecordStatus.MANUAL_ENTRY]))
    waiting = waiting if tenant_id is None else waiting.where(Record.tenant_id == tenant_id)
    return session.scalar(select(func.count()).select_from(waiting.limit(cap + 1).subquery())) or 0


def oldest_due(session: Session) -> dict[str, dt.datetime]:
    """Since when the job that waits longest in a queue is due; what is paused waits too."""
    due = select(_JOB.queue, func.min(_JOB.run_at)).where(CLAIMABLE, _JOB.run_at <= _AT).group_by(_JOB.queue)
    return dict(session.execute(due, {"at": now()}).all())


def longest_due(session: Session, queues: Iterable[str], tenant_id: uuid.UUID | None) -> dict[str, dt.datetime]:
    """The same, of a tenant or of all, by one look into an index for each queue."""
    mine = [] if tenant_id is None else [_JOB.tenant_id == tenant_id]
    firsts = [
        select(_JOB.queue, _JOB.run_at)
        .where(_JOB.queue == queue, CLAIMABLE, _JOB.run_at <= _AT, *mine)
        .order_by(_JOB.run_at)
        .limit(1)
        for queue in queues
    ]
    rows = session.execute(union_all(*(select(first.subquery()) for first in firsts)), {"at": now()})
    return dict(rows.all())


@dataclass(frozen=True, slots=True)
class Line:
    """What of a tenant stands in line in a queue; what is paused does too."""

    queue: str
    tenant_id: uuid.UUID
    waiting: int
    "due"
    delayed: int
    "not yet due"
    oldest: dt.datetime | None
    "since when the one is due that waits longest; none: none is"


def lines(session: Session) -> list[Line]:
    """What stands in line, by queue and tenant. An index answers it whole."""
    at = now()
    due = func.sum(case((_JOB.run_at <= _AT, 1), else_=0))
    counted = select(_JOB.queue, _JOB.tenant_id, func.count(), due, func.min(_JOB.run_at)).where(CLAIMABLE)
    rows = session.execute(counted.group_by(_JOB.queue, _JOB.tenant_id), {"at": at})
    return [Line(queue, tenant, due, total - due, first if first <= at else None) for queue, tenant, total, due, first in rows]


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
    if session.scalar(select(Pause.id).where(_in_force(now()), _same(queue, tenant_id)).limit(1)):
        raise Conflict("This is paused already.", code="already_paused")
    made = Pause(queue=queue, tenant_id=tenant_id, reason=reason, paused_by=by, until=until)
    session.add(made)
    session.flush()
    return made


def resume(session: Session, *, queue: str | None, tenant_id: uuid.UUID | None, by: str) -> None:
    """Ends a pause; what waited is rung for at the next sweep. Raises Conflict when nothing is paused by these words."""
    held = session.scalars(select(Pause).where(_in_force(now()), _same(queue, tenant_id))).all()
    if not held:
        raise Conflict("This is not paused.", code="not_paused")
    for one in held:
        one.resumed_by, one.resumed_at = by, now()
    affected = [CLAIMABLE, *([Job.queue == queue] if queue else []), *([Job.tenant_id == tenant_id] if tenant_id else [])]
    session.execute(update(Job).where(*affected).values(rung_at=None))


def pauses(session: Session) -> list[Pause]:
    """The pauses in force, oldest first."""
    return list(session.scalars(select(Pause).where(_in_force(now())).order_by(Pause.paused_at)))


def _in_force(at: dt.datetime | BindParameter[dt.datetime]) -> ColumnElement[bool]:
    return and_(_PAUSE.resumed_at.is_(None), or_(_PAUSE.until.is_(None), _PAUSE.until > at))


def _same(queue: str | None, tenant_id: uuid.UUID | None) -> ColumnElement[bool]:
    return and_(Pause.queue.is_not_distinct_from(queue), Pause.tenant_id.is_not_distinct_from(tenant_id))


def _due(queue: str, at: BindParameter[dt.datetime]) -> ColumnElement[bool]:
    """What of a queue may be claimed at an instant: it waits, its time has come, and no pause holds it up."""
    here = or_(_PAUSE.queue.is_(None), _PAUSE.queue == queue)
    its = or_(_PAUSE.tenant_id.is_(None), _PAUSE.tenant_id == _JOB.tenant_id)
    return and_(_JOB.queue == queue, CLAIMABLE, _JOB.run_at <= at, ~exists().where(_in_force(at), here, its))
