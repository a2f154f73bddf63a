"""What people ask of records: list them, open one, take all of them out."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import joinedload, selectinload

from akount import pages
from akount.accounts import Actor
from akount.errors import NotFound
from akount.kinds import Kind
from akount.lifecycle import Runtime
from akount.models import Record, RecordStatus
from akount.pages import Position

EXPORT_PAGE = 200
"""Records that an export reads at once: no transaction is open while they are sent."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which records to list; what is None does not count. `after` is the last record of the page before."""

    status: RecordStatus | None = None
    text: str | None = None
    since: dt.date | None = None
    until: dt.date | None = None
    after: Position | None = None
    limit: int = 50


WHOLE = selectinload(Record.lines), selectinload(Record.corrections)
AT_ONCE = selectinload(Record.lines), joinedload(Record.corrections)
"""The same for one record, in a question less."""


def none_such(kind: Kind | None) -> NotFound:
    """There is none, or it is another tenant's: nobody can tell which."""
    return NotFound(f"There is no such {kind.name if kind else 'record'}.")


def find(runtime: Runtime, actor: Actor, kind: Kind | None, record_id: uuid.UUID) -> Record:
    """A record of the actor's tenant, of this kind or of any, with its lines. Raises NotFound."""
    mine = [Record.id == record_id, Record.tenant_id == actor.tenant, *([Record.kind == kind.name] if kind else [])]
    with runtime.database.snapshot() as session:
        record = session.scalar(select(Record).options(*WHOLE).where(*mine))
    if record is None:
        raise none_such(kind)
    return record


def listed(runtime: Runtime, actor: Actor, kind: Kind, wanted: Filter) -> tuple[list[Record], bool]:
    """A page of the tenant's records, newest first, and whether there are more."""
    query = pages.page(_meant(actor, kind, wanted), Record, wanted.after, wanted.limit)
    with runtime.database.snapshot() as session:
        found = list(session.scalars(query))
    return found[: wanted.limit], len(found) > wanted.limit


def exported(runtime: Runtime, actor: Actor, kind: Kind, wanted: Filter) -> Iterator[Record]:
    """Every record that is meant, newest first; one that comes meanwhile is not among them."""
    return pages.everything(lambda after: listed(runtime, actor, kind, replace(wanted, limit=EXPORT_PAGE, after=after)))


WAITING = (RecordStatus.NEEDS_REVIEW, RecordStatus.MANUAL_ENTRY)
"""What waits for a person's eyes."""


def queue(
    runtime: Runtime, actor: Actor, statuses: Collection[RecordStatus], after: Position | None = None, limit: int = 50
) -> tuple[list[Record], bool]:
    """A page of the tenant's records of every kind in one of these states, the newest first, and whether there are more."""
    query = select(Record).where(Record.tenant_id == actor.tenant, Record.status.in_(statuses))
    with runtime.database.snapshot() as session:
        found = list(session.scalars(pages.page(query, Record, after, limit)))
    return found[:limit], len(found) > limit


def next_up(runtime: Runtime, actor: Actor, but: uuid.UUID | None = None) -> Record | None:
    """The record that has waited longest for a person's eyes, `but` the one that was just looked at."""
    query = select(Record).where(Record.tenant_id == actor.tenant, Record.status.in_(WAITING))
    query = query.where(Record.id != but) if but else query
    with runtime.database.snapshot() as session:
        return session.scalar(query.order_by(Record.created_at, Record.id).limit(1))


def _meant(actor: Actor, kind: Kind, wanted: Filter) -> Select[Any]:
    query = select(Record).options(*WHOLE).where(Record.tenant_id == actor.tenant, Record.kind == kind.name)
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
    return query
