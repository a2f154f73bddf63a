"""Tenants as operators look at them: what each has in line, what became of its documents lately, and how near its limit it is."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from akount import history, scans
from akount.accounts import Actor, Call, note
from akount.db import now
from akount.errors import NotFound
from akount.history import Point, Span
from akount.hosted import policies
from akount.hosted.policies import Policy
from akount.lifecycle import Runtime
from akount.limits import Level
from akount.models import ApiKey, Document, Entity, HistoryRow, HostedPolicy, Job, Membership, Tenant

LISTED = 50
BUSIEST = 20
LATELY = dt.timedelta(seconds=60)
SEEN = 5
"""Columns of a tenant as it is listed; what more is asked stands behind them."""
MONTH, MONTHLY = dt.timedelta(days=30), ("completed", "failed")
SORTS = {"": "the newest", "waiting": "most in line", "failed": "most failed"}
"""How the list may be sorted; only the first is paged."""
Position = tuple[dt.datetime, uuid.UUID]
"""When the last tenant of a page was made, and its id."""


@dataclass(frozen=True, slots=True)
class Line:
    """A tenant as a line of the list."""

    tenant: Tenant
    last_upload: dt.datetime | None
    waiting: int | None
    "as seen last, within seconds; None: not known"
    delayed: int | None
    day: Point | None
    "of the last day; None: nothing ended"


@dataclass(frozen=True, slots=True)
class Slice:
    """A page of the list."""

    lines: list[Line]
    older: Position | None
    "where the next page begins; None: there is none"


@dataclass(frozen=True, slots=True)
class Whole:
    """One tenant with all that is known of it; no secret."""

    line: Line
    month: dict[str, int]
    "completed and failed of the last 30 days"
    entities: int
    members: int
    keys: Sequence[ApiKey]
    level: Level
    hosted: Policy | None
    "what it has decided about hosted engines; None: nothing, so they see nothing"
    hosted_spent: int
    "on them, this month, in millionths of a US dollar"


@dataclass(frozen=True, slots=True)
class Use:
    """How much of its limit a tenant has taken, that sent something in the last minute."""

    tenant_id: uuid.UUID
    name: str
    level: Level


def tenants(runtime: Runtime, actor: Actor, *, sort: str = "", begins: str = "", after: Position | None = None) -> Slice:
    """The tenants that the actor may see and whose name begins so: the newest first, page by page, or those with the most in
    line or failed. Two or three questions."""
    with runtime.database.snapshot() as session:
        query = _visible(actor)
        query = query.where(func.lower(Tenant.name).startswith(begins.lower(), autoescape=True)) if begins else query
        if sort:
            most = history.most_waiting if sort == "waiting" else history.most_failed
            order = {busy.tenant_id: place for place, busy in enumerate(most(session, LISTED))}
            rows: Sequence[Any] = sorted(session.execute(query.where(Tenant.id.in_(order))).all(), key=lambda row: order[row[0].id])
        else:
            query = query if after is None else query.where(_older(after))
            rows = session.execute(query.order_by(Tenant.created_at.desc(), Tenant.id.desc()).limit(LISTED + 1)).all()
        lines = _lines(session, rows[:LISTED])
    more = len(rows) > LISTED
    return Slice(lines, (lines[-1].tenant.created_at, lines[-1].tenant.id) if more else None)


def tenant(runtime: Runtime, actor: Actor, tenant_id: uuid.UUID) -> Whole:
    """One of them. Raises NotFound, also for another's. Three questions, and one to the limiter."""
    counts = (_count(Entity, tenant_id), _count(Membership, tenant_id), *(_of_month(name, tenant_id) for name in MONTHLY))
    with runtime.database.snapshot() as session:
        query = _visible(actor, *counts, HostedPolicy, policies.spent_by(tenant_id)).select_from(Tenant)
        query = query.outerjoin(HostedPolicy, HostedPolicy.tenant_id == Tenant.id).where(Tenant.id == tenant_id)
        found = session.execute(query).one_or_none()
        if found is None:
            raise NotFound("There is no such tenant.")
        (line,) = _lines(session, [found[:SEEN]])
        newest = select(ApiKey).where(ApiKey.tenant_id == tenant_id).order_by(ApiKey.last_used_at.desc(), ApiKey.id)
        keys = session.scalars(newest.limit(LISTED)).all()
    entities, members, *monthly, hosted, spent = found[SEEN:]
    month = {name: int(number or 0) for name, number in zip(MONTHLY, monthly, strict=True)}
    level = runtime.limiter.level(tenant_id)
    return Whole(line, month, entities, members, keys, level, policies.read(hosted), spent or 0)


def name_of(runtime: Runtime, actor: Actor, tenant_id: uuid.UUID) -> str:
    """What a tenant is called. Raises NotFound, also for another's."""
    with runtime.database.snapshot() as session:
        found = session.scalar(select(Tenant.name).where(*_mine(actor), Tenant.id == tenant_id))
    if found is None:
        raise NotFound("There is no such tenant.")
    return found


def uses(runtime: Runtime, actor: Actor) -> list[Use]:
    """The tenants that sent something in the last minute, those that sent most first: how near each is to its limit."""
    sent = (
        select(Tenant.id, Tenant.name)
        .join(Document, Document.tenant_id == Tenant.id)
        .join(Job, Job.document_id == Document.id)
        .where(Job.created_at >= now() - LATELY, *_mine(actor))
    )
    with runtime.database.snapshot() as session:
        rows = session.execute(sent.group_by(Tenant.id, Tenant.name).order_by(func.count().desc(), Tenant.id).limit(BUSIEST)).all()
    found = [Use(tenant_id, name, runtime.limiter.level(tenant_id)) for tenant_id, name in rows]
    return sorted(found, key=lambda use: -use.level.taken)


def release(runtime: Runtime, call: Call, tenant_id: uuid.UUID, reason: str) -> None:
    """Gives a tenant all of its limit back, at once. Raises NotFound."""
    with runtime.database.transaction() as session:
        if session.get(Tenant, tenant_id) is None:
            raise NotFound("There is no such tenant.")
        note(session, call, "limit.release", f"tenant:{tenant_id}", reason, tenant_id=tenant_id)
    runtime.limiter.release(tenant_id)


def pause(runtime: Runtime, call: Call, tenant_id: uuid.UUID, reason: str, until: dt.datetime | None) -> None:
    """Nothing of a tenant is begun before `until`. Raises NotFound, Conflict."""
    name_of(runtime, call.actor, tenant_id)
    scans.pause(runtime, call, queue=None, tenant_id=tenant_id, reason=reason, until=until)


def resume(runtime: Runtime, call: Call, tenant_id: uuid.UUID) -> None:
    """Lets it go. Raises NotFound, Conflict."""
    name_of(runtime, call.actor, tenant_id)
    scans.resume(runtime, call, queue=None, tenant_id=tenant_id)


def hosted(runtime: Runtime, actor: Actor, tenant_id: uuid.UUID) -> tuple[str, Policy | None]:
    """What a tenant is called, and what it has decided about hosted engines. Raises NotFound, also for another's."""
    name = name_of(runtime, actor, tenant_id)
    with runtime.database.snapshot() as session:
        return name, policies.policy_of(session, tenant_id)


def decide_hosted(runtime: Runtime, call: Call, tenant_id: uuid.UUID, policy: Policy) -> None:
    """Writes down what a tenant has decided, from now on. Raises NotFound, also for another's, and Invalid."""
    name_of(runtime, call.actor, tenant_id)
    with runtime.database.transaction() as session:
        policies.decide(session, call, tenant_id, policy)


def _mine(actor: Actor) -> list[Any]:
    return [] if actor.tenant_id is None else [Tenant.id == actor.tenant_id]


def _visible(actor: Actor, *more: Any) -> Any:
    """The tenants that the actor may see, each with when it sent something last, when the sweepers looked last, and what of
    it they saw waiting and delayed."""
    last = select(func.max(Job.created_at)).where(Job.tenant_id == Tenant.id).correlate(Tenant).scalar_subquery()
    latest = select(func.max(HistoryRow.at)).where(HistoryRow.minutes == history.MINUTE).scalar_subquery()
    its = (HistoryRow.minutes == history.MINUTE, HistoryRow.at == latest, HistoryRow.tenant_id == Tenant.id)
    sums = (func.sum(HistoryRow.waiting), func.sum(HistoryRow.delayed))
    standing = (select(number).where(*its).correlate(Tenant).scalar_subquery() for number in sums)
    return select(Tenant, last.label("last_upload"), latest.label("seen_at"), *standing, *more).where(*_mine(actor))


def _older(after: Position) -> Any:
    at, tenant_id = after
    return or_(Tenant.created_at < at, and_(Tenant.created_at == at, Tenant.id < tenant_id))


def _count(table: type[Entity | Membership], tenant_id: uuid.UUID) -> Any:
    return select(func.count()).select_from(table).where(table.tenant_id == tenant_id).scalar_subquery()


def _of_month(name: str, tenant_id: uuid.UUID) -> Any:
    lately = (HistoryRow.minutes == history.HOUR, HistoryRow.at >= now() - MONTH, HistoryRow.tenant_id == tenant_id)
    return select(func.sum(getattr(HistoryRow, name))).where(*lately).scalar_subquery()


def _lines(session: Session, rows: Sequence[Any]) -> list[Line]:
    """The first SEEN columns of what is visible, with what became of each tenant's documents in the last day. What the
    sweepers have not looked at for a while is not known."""
    day = history.of_tenants(session, [row[0].id for row in rows], Span.DAY)
    fresh = now() - 2 * history.SETTLED
    made = []
    for one, last, seen_at, waiting, delayed in rows:
        known = seen_at is not None and seen_at >= fresh
        in_line, later = (int(waiting or 0), int(delayed or 0)) if known else (None, None)
        made.append(Line(one, last, in_line, later, day.get(one.id)))
    return made
