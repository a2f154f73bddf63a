"""What people ask of records: list them, open one."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import selectinload

from akount.accounts import Actor
from akount.errors import NotFound
from akount.kinds import Kind
from akount.lifecycle import Runtime
from akount.models import Record, RecordStatus


@dataclass(frozen=True, slots=True)
class Filter:
    """Which records to list; what is None does not count. `after` is the last record of the page before."""

    status: RecordStatus | None = None
    text: str | None = None
    since: dt.date | None = None
    until: dt.date | None = None
    after: tuple[dt.datetime, uuid.UUID] | None = None
    limit: int = 50


def find(runtime: Runtime, actor: Actor, kind: Kind, record_id: uuid.UUID) -> Record:
    """A record of the actor's tenant, with its lines. Raises NotFound."""
    query = select(Record).options(selectinload(Record.lines))
    mine = (Record.id == record_id, Record.kind == kind.name, Record.tenant_id == actor.tenant)
    with runtime.database.snapshot() as session:
        record = session.scalar(query.where(*mine))
    if record is None:
        raise NotFound(f"There is no such {kind.name}.")
    return record


def listed(runtime: Runtime, actor: Actor, kind: Kind, wanted: Filter) -> tuple[list[Record], bool]:
    """A page of the tenant's records, newest first, and whether there are more."""
    query = select(Record).options(selectinload(Record.lines))
    query = query.where(Record.tenant_id == actor.tenant, Record.kind == kind.name)
    if wanted.status:
        query = query.where(Record.status == wanted.status)
    if wanted.since:
        query = query.where(Record.date >= wanted.since)
    if wanted.until:
        query = query.where(Record.date <= wanted.until)
    if wanted.text:
        query = query.where(
            or_(
                Record.counterparty_name.icontains(wanted.text, autoescape=True),
                Record.number.icontains(wanted.text, autoescape=True),
            )
        )
    if wanted.after:
        at, last = wanted.after
        query = query.where(or_(Record.created_at < at, and_(Record.created_at == at, Record.id < last)))
    query = query.order_by(Record.created_at.desc(), Record.id.desc()).limit(wanted.limit + 1)
    with runtime.database.snapshot() as session:
        found = list(session.scalars(query))
    return found[: wanted.limit], len(found) > wanted.limit
