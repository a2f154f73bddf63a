"""The overview: is anything wrong, since when, for whom."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from flask import Response, url_for

from akount.accounts import Permission
from akount.admin import queues
from akount.admin.shell import page, show, snapshot
from akount.admin.words import ago, count, seconds
from akount.api.guards import call
from akount.db import now

SLOW = dt.timedelta(minutes=5)
"""A job that is due and waits longer is worth a line."""


@dataclass(frozen=True, slots=True)
class Attention:
    """One thing that somebody should look at: how bad (bad, warn, unknown), what, and where more of it stands."""

    tone: str
    text: str
    detail: str
    to: str


SEVERITY = ("bad", "unknown", "warn", "paused")


@page("/overview", Permission.OPERATE)
def overview() -> Response:
    """The first page of who operates."""
    found = queues.rows()
    return show("overview.html", title="Overview", rows=found, attention=attention(found))


def attention(rows: list[queues.Row]) -> list[Attention]:
    """What somebody should look at, the worst first."""
    found = [line for row in rows for line in _of_queue(row)]
    found += _of_tenants()
    return sorted(found, key=lambda line: SEVERITY.index(line.tone))


def _of_queue(row: queues.Row) -> list[Attention]:
    to = url_for("admin.queue", name=row.name)
    if row.waiting is None:
        return [Attention("unknown", f"{row.name}: nothing is known", "The database has not answered yet.", to)]
    found = []
    if row.tone == "bad":
        found.append(
            Attention("bad", f"{row.name}: no live worker", f"{count(row.waiting)} documents wait and nobody reads them.", to)
        )
    if row.pause:
        ends = f", until {row.pause.until:%H:%M} UTC" if row.pause.until else ""
        found.append(Attention("paused", f"{row.name} is paused{ends}", f"{ago(row.pause.paused_at)}: {row.pause.reason}", to))
    if row.oldest and now() - row.oldest > SLOW and not row.pause:
        found.append(
            Attention(
                "warn", f"{row.name}: the oldest document waits {seconds(now() - row.oldest)}", f"{count(row.waiting)} wait.", to
            )
        )
    if row.dead:
        dead = url_for("admin.jobs", state="failed", queue=row.name)
        found.append(
            Attention("warn", f"{row.name}: {count(row.dead)} dead letters", "Out of attempts, or not to be read at all.", dead)
        )
    return found


def _of_tenants() -> list[Attention]:
    """Tenants that are held up; by name only for who looks at their own."""
    seen = snapshot()
    mine = call().actor.tenant_id
    held = [pause for pause in (seen.pauses if seen else ()) if pause.tenant_id is not None]
    where = url_for("admin.queues")
    return [
        Attention(
            "paused", "This tenant is paused" if mine else f"A tenant is paused: {str(pause.tenant_id)[:8]}", pause.reason, where
        )
        for pause in held
    ]
