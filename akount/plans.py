"""Plans: how many documents a tenant may send in a month, and how large one may be.

A document is counted in the transaction that enters it: exactly, however many come at once, and not at all where that fails.
Without a plan nothing is counted and MAX_UPLOAD_BYTES holds.
"""

from __future__ import annotations

import datetime as dt
import enum
import math
import uuid
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, case, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from akount import pages
from akount.db import now
from akount.errors import LimitExceeded
from akount.limits import numbers
from akount.models import Document, Tenant, Usage
from akount.pages import Position

MIB = 1 << 20


class Plan(enum.StrEnum):
    """What a tenant has bought."""

    FREE = "FREE"
    PRO = "PRO"
    ENTERPRISE = "ENTERPRISE"


@dataclass(frozen=True, slots=True)
class Allowance:
    """Documents in a calendar month (UTC), None: any number; and the bytes of one."""

    documents: int | None
    size: int


ALLOWANCES = {
    Plan.FREE: Allowance(10, 5 * MIB),
    Plan.PRO: Allowance(100, 10 * MIB),
    Plan.ENTERPRISE: Allowance(1000, 50 * MIB),
}


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a tenant stands: its plan, what it allows, what is used, and when the next month begins."""

    plan: Plan | None
    allowance: Allowance
    used: int
    resets_at: dt.datetime


def allowance(session: Session, tenant_id: uuid.UUID, default_size: int) -> Allowance:
    """What the tenant may send."""
    return _allowed(session.scalar(select(Tenant.plan).where(Tenant.id == tenant_id)), default_size)


def common_size(default_size: int) -> int:
    """Bytes of a document that every tenant may send, whatever its plan."""
    return min(default_size, *(each.size for each in ALLOWANCES.values()))


def _allowed(plan: str | None, default_size: int) -> Allowance:
    return Allowance(None, default_size) if plan is None else ALLOWANCES[Plan(plan)]


def standing(session: Session, tenant_id: uuid.UUID, default_size: int) -> Standing:
    """Where the tenant stands now."""
    tenant, month = session.get_one(Tenant, tenant_id), _month(now())
    kept = session.get(Usage, (tenant_id, month))
    used = _sent(session, month, Document.tenant_id == tenant_id) if kept is None else kept.documents
    return _standing(tenant, used, default_size, month)


def _standing(tenant: Tenant, used: int, default_size: int, month: dt.date) -> Standing:
    plan = None if tenant.plan is None else Plan(tenant.plan)
    return Standing(plan, _allowed(plan, default_size), used, _midnight(_next(month)))


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which tenants are listed: those of one actor, of a plan, of none (`unplanned`), whose name begins so."""

    tenant_id: uuid.UUID | None = None
    plan: str | None = None
    unplanned: bool = False
    begins: str = ""


def listed(
    session: Session, wanted: Wanted, default_size: int, after: Position | None, limit: int
) -> tuple[list[tuple[Tenant, Standing]], bool]:
    """A page of the tenants, the newest first, each with where it stands, and whether there are more. Of a tenant without a
    plan nothing is counted. One question."""
    month = _month(now())
    mine = (Document.tenant_id == Tenant.id, Document.created_at >= _midnight(month))
    sent = select(func.count()).select_from(Document).where(*mine).correlate(Tenant).scalar_subquery()
    used = case((Tenant.plan.is_not(None), func.coalesce(Usage.documents, sent)), else_=0)
    query = select(Tenant, used).outerjoin(Usage, and_(Usage.tenant_id == Tenant.id, Usage.month == month))
    for asked, condition in (
        (wanted.tenant_id, Tenant.id == wanted.tenant_id),
        (wanted.plan, Tenant.plan == wanted.plan),
        (wanted.unplanned, Tenant.plan.is_(None)),
        (wanted.begins, func.lower(Tenant.name).startswith(wanted.begins.lower(), autoescape=True)),
    ):
        query = query.where(condition) if asked else query
    rows = session.execute(pages.page(query, Tenant, after, limit)).all()
    return [(tenant, _standing(tenant, number, default_size, month)) for tenant, number in rows[:limit]], len(rows) > limit


def take(session: Session, plan: str | None, document: Document) -> None:
    """Counts a document of a tenant with such a plan; last of all in the transaction that enters it, since others of the
    tenant wait from here to its end. Raises LimitExceeded when the month's are used up, with the day that the next begin."""
    most = _allowed(plan, 0).documents
    if most is None:
        return
    tenant_id, month = document.tenant_id, _month(now())
    mine = (Usage.tenant_id == tenant_id, Usage.month == month)
    one_more = update(Usage).where(*mine, Usage.documents < most).values(documents=Usage.documents + 1)
    if _moved(session, one_more):
        return
    if session.scalar(select(Usage.month).where(*mine)) is None:
        try:
            with session.begin_nested():  # what came before there was a plan counts too
                sent = _sent(session, month, Document.tenant_id == tenant_id, Document.id != document.id)
                session.add(Usage(tenant_id=tenant_id, month=month, documents=sent))
        except IntegrityError:  # begun by somebody else at this moment
            pass
        if _moved(session, one_more):
            return
    again = _midnight(_next(month))
    seconds = (again - now()).total_seconds()
    raise LimitExceeded(
        f"The plan's {most} documents of this month are used up; it begins anew on {again:%Y-%m-%d} (UTC).",
        code="quota_exceeded",
        retry_after=math.ceil(seconds),
        headers=numbers(most, 0, seconds),
    )


def _moved(session: Session, statement: object) -> bool:
    moved: int = session.execute(statement).rowcount  # type: ignore[call-overload]
    return moved == 1


def _sent(session: Session, month: dt.date, *which: ColumnElement[bool]) -> int:
    """Such documents of a month; what was erased counts too."""
    counted = select(func.count()).select_from(Document).where(Document.created_at >= _midnight(month), *which)
    return session.scalar(counted) or 0


def _month(at: dt.datetime) -> dt.date:
    return at.date().replace(day=1)


def _next(month: dt.date) -> dt.date:
    return (month + dt.timedelta(days=32)).replace(day=1)


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)
