"""The overview: is anything wrong, since when, for whom."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Any

from flask import Response, current_app, g, url_for

from akount import alerts, audit, failures, history
from akount.accounts import Permission
from akount.admin import queues
from akount.admin.names import named
from akount.admin.shell import board, may, page, runtime, show
from akount.admin.words import ago, count, seconds
from akount.alerts import Rule
from akount.api.guards import call
from akount.census import SLOW_SECONDS
from akount.db import now
from akount.history import Span
from akount.kinds import QUEUES
from akount.listing import tenant_names
from akount.models import Alert, Pause


@dataclass(frozen=True, slots=True)
class Attention:
    """One thing that somebody should look at: how bad (bad, warn, unknown), what, and where more of it stands."""

    tone: str
    text: str
    detail: str
    to: str
    rule: tuple[str, str] | None = None
    "the alert that would say the same: its rule, and what it is about"


SEVERITY = ("bad", "unknown", "warn", "paused")


@page("/overview", Permission.OPERATE)
def overview() -> Response:
    """The first page of who operates."""
    found = queues.rows()
    mine = call().actor.tenant_id
    audited = board().keep("audit", mine, lambda session, tenant: audit.latest(session, tenant, 5)) or []
    return show(
        "overview.html",
        title="Overview",
        rows=found,
        attention=attention(found, _told()),
        charts=queues.charts(Span.HOUR, None),
        groups=board().keep("groups", mine, _groups, SLOW_SECONDS) or (),
        busy=board().keep("busy", None, _busy, SLOW_SECONDS) if mine is None else None,
        parts=_parts(),
        audited=audited,
        names=named(entry.actor for entry in audited) | queues.names_of_pauses(),
    )


def _groups(session: Any, tenant_id: uuid.UUID | None) -> tuple[failures.Group, ...]:
    return failures.groups(session, tenant_id).groups[:5]


def _busy(session: Any, _tenant: uuid.UUID | None) -> list[tuple[str, str, list[tuple[uuid.UUID, str, int]]]]:
    """The tenants with the most in line and with the most failures, by name."""
    waiting, failed = history.most_waiting(session), history.most_failed(session)
    names = tenant_names(session, {one.tenant_id for one in (*waiting, *failed)})
    lists = (("In line", "waiting", waiting), ("Failed in 24 h", "failed", failed))
    lines = {title: [(one.tenant_id, names.get(one.tenant_id, ""), one.number) for one in found] for title, _, found in lists}
    return [(title, state, lines[title]) for title, state, _ in lists]


PARTS = {"database": "Database", "redis": "Redis", "storage": "Storage"}


def _parts() -> list[tuple[str, str, str]]:
    """What the service stands on, for who runs it: name, tone and a word."""
    if not may("workers"):
        return []
    if "parts" not in g:
        answers = current_app.extensions["probes"].ask(*PARTS, fresh=SLOW_SECONDS)
        g.parts = [(PARTS[name], *_word(answer)) for name, answer in answers.items()]
    found: list[tuple[str, str, str]] = g.parts
    return found


def _word(answer: Any) -> tuple[str, str]:
    if isinstance(answer, TimeoutError):
        return "unknown", "does not answer"
    return ("bad", "error") if isinstance(answer, Exception) else ("good", "ok")


def _of_parts() -> list[Attention]:
    where = url_for("admin.health") if may("health") else url_for("admin.overview")
    return [
        Attention(tone, f"{name}: {word}", f"Asked within the last {SLOW_SECONDS:.0f} s.", where, (Rule.DEPENDENCY, name.lower()))
        for name, tone, word in _parts()
        if tone != "good"
    ]


def _told() -> list[Alert]:
    """The alerts that go on, for who looks at all tenants."""
    if call().actor.tenant_id is not None:
        return []
    return board().keep("alerts", None, lambda session, _: alerts.current(session)) or []


def attention(rows: list[queues.Row], told: list[Alert]) -> list[Attention]:
    """What somebody should look at, the worst first. What an alert says is not said again."""
    said = {(alert.rule, alert.about.lower()) for alert in told}
    found = [_of_alert(alert) for alert in told]
    found += [line for row in rows for line in _of_queue(row)] + _of_parts() + _of_tenants()
    return sorted((line for line in found if not (line.rule and line.rule in said)), key=lambda line: SEVERITY.index(line.tone))


def _of_alert(alert: Alert) -> Attention:
    told = [way for way, said in alert.told.items() if "begin" in said]
    to = url_for("admin.queue", name=alert.about) if alert.about in QUEUES else url_for("admin.health")
    tone = "bad" if alerts.SEVERITY[Rule(alert.rule)] is alerts.Severity.CRITICAL else "warn"
    detail = f"Alert since {ago(alert.began_at)}" + (f", told by {' and '.join(sorted(told))}." if told else ".")
    return Attention(tone, alert.message, detail, to)


def _of_queue(row: queues.Row) -> list[Attention]:
    to = url_for("admin.queue", name=row.name)
    if row.waiting is None:
        return [Attention("unknown", f"{row.name}: nothing is known", "The database has not answered yet.", to)]
    found = []
    if row.tone == "bad":
        found.append(
            Attention(
                "bad",
                f"{row.name}: no live worker",
                f"{count(row.waiting)} documents wait and nobody reads them.",
                to,
                (Rule.NO_WORKER, row.name),
            )
        )
    if row.pause:
        ends = f", until {row.pause.until:%H:%M} UTC" if row.pause.until else ""
        found.append(Attention("paused", f"{row.name} is paused{ends}", _why(row.pause), to))
    target = dt.timedelta(seconds=runtime().settings.alert_oldest_wait_seconds)
    if row.oldest and now() - row.oldest > target and not row.pause:
        found.append(
            Attention(
                "warn",
                f"{row.name}: the oldest document waits {seconds(now() - row.oldest)}",
                f"{count(row.waiting)} wait.",
                to,
                (Rule.OLDEST_WAIT, row.name),
            )
        )
    if row.dead:
        dead = url_for("admin.jobs", state="failed", queue=row.name)
        found.append(
            Attention("warn", f"{row.name}: {count(row.dead)} dead letters", "Out of attempts, or not to be read at all.", dead)
        )
    return found


def _why(pause: Pause) -> str:
    """Why a queue is held up: an operator's words may be about others, so a tenant is told only that."""
    return f"{ago(pause.paused_at)}: {pause.reason}" if may("workers") else f"{ago(pause.paused_at)}, by an operator"


def _of_tenants() -> list[Attention]:
    """Tenants that are held up."""
    where = url_for("admin.queues")
    return [Attention("paused", f"{name} is paused", pause.reason, where) for pause, name in queues.held_tenants()]
