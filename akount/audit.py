"""The append-only log of who did what, written in the transaction of the deed itself; and how it is read."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from akount.models import AuditEntry, write

Position = tuple[dt.datetime, uuid.UUID]
"""When an entry was made, and its id."""


def record(
    session: Session,
    *,
    tenant_id: uuid.UUID | None,
    actor: str,
    role: str,
    action: str,
    target: str,
    reason: str = "",
    address: str = "",
    request_id: str = "",
) -> None:
    """Adds one entry; `actor` and `target` are `sort:id`, `action` is `noun.verb`."""
    entry = AuditEntry(
        tenant_id=tenant_id,
        actor=actor,
        role=role,
        action=action,
        target=target,
        reason=reason,
        address=address,
        request_id=request_id,
    )
    write(session, entry)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries; what is None does not count."""

    tenant_id: uuid.UUID | None = None
    actor: str | None = None
    action: str | None = None
    target: str | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Slice:
    """A page of the log, the latest first."""

    rows: Sequence[AuditEntry]
    older: Position | None
    "where the next page begins; None: there is none"
    newer: Position | None


def read(
    session: Session, wanted: Wanted, *, after: Position | None = None, before: Position | None = None, limit: int = 50
) -> Slice:
    """The entries that are wanted: those older than `after`, or the next newer than `before`. One question."""
    fields = ("tenant_id", "actor", "action", "target")
    said = [getattr(AuditEntry, name) == value for name in fields if (value := getattr(wanted, name)) is not None]
    said += [AuditEntry.created_at >= wanted.since] if wanted.since else []
    said += [AuditEntry.created_at <= wanted.until] if wanted.until else []
    query, order = select(AuditEntry).where(*said), (AuditEntry.created_at, AuditEntry.id)
    if before is not None:
        at, first = before
        query = query.where(or_(AuditEntry.created_at > at, and_(AuditEntry.created_at == at, AuditEntry.id > first)))
        query = query.order_by(*order)
    else:
        if after is not None:
            at, last = after
            query = query.where(or_(AuditEntry.created_at < at, and_(AuditEntry.created_at == at, AuditEntry.id < last)))
        query = query.order_by(*(column.desc() for column in order))
    return _slice(list(session.scalars(query.limit(limit + 1))), limit, inside=after is not None, backwards=before is not None)


def _slice(found: list[AuditEntry], limit: int, *, inside: bool, backwards: bool) -> Slice:
    more, rows = len(found) > limit, found[:limit]
    rows = rows[::-1] if backwards else rows
    if not rows:
        return Slice(rows, None, None)
    older = rows[-1].created_at, rows[-1].id
    newer = rows[0].created_at, rows[0].id
    return Slice(rows, older if more or backwards else None, newer if (more if backwards else inside) else None)


def latest(session: Session, tenant_id: uuid.UUID | None, limit: int) -> list[AuditEntry]:
    """The last entries of a tenant (None: of all), the latest first."""
    query = select(AuditEntry).order_by(AuditEntry.created_at.desc(), AuditEntry.id).limit(limit)
    return list(session.scalars(query if tenant_id is None else query.where(AuditEntry.tenant_id == tenant_id)))
