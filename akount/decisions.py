"""The log of what the machine decided, and on what grounds (S7): for auditors, page by page or all of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, replace

from sqlalchemy import select

from akount import pages
from akount.accounts import Actor
from akount.lifecycle import Runtime
from akount.models import Decision
from akount.pages import Position

EXPORT_PAGE = 500


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which decisions; what is None does not count. Instants bound `created_at`: from `since`, before `before`."""

    since: dt.datetime | None = None
    before: dt.datetime | None = None
    routing: str | None = None
    after: Position | None = None
    limit: int = 50


def listed(runtime: Runtime, actor: Actor, wanted: Wanted) -> tuple[list[Decision], bool]:
    """A page of the tenant's decisions, the latest first, and whether there are more."""
    query = select(Decision).where(Decision.tenant_id == actor.tenant)
    query = query.where(Decision.created_at >= wanted.since) if wanted.since else query
    query = query.where(Decision.created_at < wanted.before) if wanted.before else query
    query = query.where(Decision.routing == wanted.routing) if wanted.routing else query
    query = pages.page(query, Decision, wanted.after, wanted.limit)
    with runtime.database.snapshot() as session:
        found = list(session.scalars(query))
    return found[: wanted.limit], len(found) > wanted.limit


def exported(runtime: Runtime, actor: Actor, wanted: Wanted) -> Iterator[Decision]:
    """Every decision that is meant, the latest first."""
    return pages.everything(lambda after: listed(runtime, actor, replace(wanted, limit=EXPORT_PAGE, after=after)))
