"""The queues: how full they are, who works them off, what holds them up; and to hold them up and let them go."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Response, request, url_for

from akount import history, listing, scans
from akount.accounts import Permission
from akount.admin import paging
from akount.admin.charts import Chart, Series, Spark, bars, lines, spark
from akount.admin.names import named
from akount.admin.shell import action, back, board, confirm, done, may, page, reason, runtime, show, snapshot
from akount.admin.words import seconds
from akount.api.guards import call
from akount.census import SLOW_SECONDS, Snapshot
from akount.db import now
from akount.errors import Invalid, NotFound
from akount.history import Point, Span
from akount.kinds import QUEUES
from akount.listing import Wanted
from akount.models import JobStatus, Pause

RUNNING = 10
"""So many of the jobs that run are shown, the newest."""
PAUSES = {"": "until somebody resumes it", "15": "for 15 minutes", "60": "for an hour", "240": "for 4 hours", "1440": "for a day"}
"""Minutes → how that is said."""


@dataclass(frozen=True, slots=True)
class Lately:
    """What became of a queue's documents in the last hour, and how many seconds 95 % of them waited and were read at most."""

    spark: Spark
    wait: float | None
    run: float | None


@dataclass(frozen=True, slots=True)
class Row:
    """A queue as a line; a number of None is not known."""

    name: str
    waiting: int | None = None
    running: int | None = None
    retrying: int | None = None
    dead: int | None = None
    oldest: dt.datetime | None = None
    workers: int | None = None
    "that live; each reads one document at a time"
    pause: Pause | None = None
    lately: Lately | None = None

    @property
    def tone(self) -> str:
        """How it is doing: unknown, paused, bad (work and nobody who does it) or good."""
        if self.waiting is None:
            return "unknown"
        if self.pause:
            return "paused"
        return "bad" if not self.workers and (self.waiting or self.retrying) else "good"

    @property
    def word(self) -> str:
        """The same as a word."""
        return {"unknown": "unknown", "paused": "paused", "bad": "no worker"}.get(self.tone, "active")


def rows() -> list[Row]:
    """Every queue, as the snapshot and the last hour know it."""
    seen = snapshot()
    return [row_of(name, seen) for name in QUEUES]


def row_of(name: str, seen: Snapshot | None) -> Row:
    """One queue, as a snapshot knows it."""
    if seen is None:
        return Row(name)
    return Row(
        name,
        waiting=seen.total(JobStatus.WAITING, queue=name),
        running=seen.total(JobStatus.ACTIVE, queue=name),
        retrying=seen.total(JobStatus.DELAYED, queue=name),
        dead=seen.total(JobStatus.FAILED, queue=name),
        oldest=seen.oldest.get(name),
        workers=seen.workers.get(name, 0),
        pause=next((p for p in seen.pauses if p.queue in (None, name) and p.tenant_id is None), None),
        lately=_lately(name),
    )


def _lately(name: str) -> Lately | None:
    def make(session: Any, tenant_id: uuid.UUID | None) -> Lately | None:
        points = history.series(session, Span.HOUR, queue=name, tenant_id=tenant_id)
        whole = history.totals(points)
        if whole is None:
            return None
        drawn = spark([point.completed for point in points], [point.failed for point in points])
        return Lately(drawn, whole.waits.percentile(0.95), whole.runs.percentile(0.95))

    return board().keep(f"lately {name}", call().actor.tenant_id, make, SLOW_SECONDS)


@page("/queues", Permission.OPERATE)
def queues() -> Response:
    """All of them."""
    return show("queues.html", title="Queues", rows=rows(), held=held_tenants(), names=names_of_pauses())


def held_tenants() -> list[tuple[Pause, str]]:
    """What holds tenants up, and what they are called; who looks at one knows its name."""
    seen, mine = snapshot(), call().actor.tenant_id
    held = [pause for pause in (seen.pauses if seen else ()) if pause.tenant_id is not None]
    called = names_of_pauses()
    return [(pause, "This tenant" if mine else called.get(f"tenant:{pause.tenant_id}", "A tenant")) for pause in held]


def names_of_pauses() -> dict[str, str]:
    """Of whom something is held up by, and of the tenants that are; only who runs the platform is told."""
    seen = snapshot()
    if not seen or not may("workers"):
        return {}
    return named(ref for pause in seen.pauses for ref in (pause.paused_by, f"tenant:{pause.tenant_id}"))


def _known(name: str) -> str:
    if name not in QUEUES:
        raise NotFound("There is no such queue.")
    return name


@page("/queues/<name>", Permission.OPERATE)
def queue(name: str) -> Response:
    """One queue."""
    span = Span(paging.one_of("span", [*Span]) or Span.HOUR)
    drawn = charts(span, _known(name))
    row, config, mine = row_of(name, snapshot()), runtime().settings, call().actor.tenant_id
    running = listing.jobs(runtime(), call().actor, Wanted(status=JobStatus.ACTIVE, queue=name), limit=RUNNING)
    return show(
        "queue.html",
        title=f"Queue {name}",
        row=row,
        names=names_of_pauses(),
        config=config,
        charts=drawn,
        running=running,
        busy=board().keep(f"busy {name}", None, lambda session, _: _in_line(session, name), SLOW_SECONDS) if mine is None else None,
        span=span,
        spans=SPANS,
    )


def _in_line(session: Any, name: str) -> list[tuple[uuid.UUID, str, int]]:
    """The tenants with the most in line of a queue: id, name and number."""
    found = history.most_waiting(session, queue=name)
    names = listing.tenant_names(session, {one.tenant_id for one in found})
    return [(one.tenant_id, names.get(one.tenant_id, ""), one.number) for one in found]


SPANS = {Span.HOUR: "60 minutes", Span.DAY: "24 hours", Span.WEEK: "7 days", Span.MONTH: "30 days"}


def charts(span: Span, name: str | None, tenant_id: uuid.UUID | None = None) -> list[Chart]:
    """What became of the documents of a queue or of all, and how long they waited and were read, over a span: of a tenant that
    who asks may see, else of what they look at."""

    def make(session: Any, whose: uuid.UUID | None) -> list[Chart]:
        return drawn(history.series(session, span, queue=name, tenant_id=whose))

    return board().keep(f"charts {span} {name}", tenant_id or call().actor.tenant_id, make, SLOW_SECONDS) or []


def drawn(points: list[Point]) -> list[Chart]:
    """The points of a series as charts: what was done, and how long it took."""
    at = [point.at for point in points]

    def told(of: Callable[[Point], float | None]) -> list[float | None]:
        return [of(point) if point.known else None for point in points]

    minutes = points[0].minutes if points else 1
    unit = "documents a minute" if minutes == 1 else f"documents in {seconds(minutes * 60)}"
    done = Series("completed", told(lambda point: point.completed)), Series("failed", told(lambda point: point.failed))
    slow = (
        Series("wait, 95 %", told(lambda point: point.waits.percentile(0.95))),
        Series("reading, 95 %", told(lambda point: point.runs.percentile(0.95))),
        Series("oldest in line", told(lambda point: point.oldest_wait)),
    )
    partial = bool(points and points[-1].partial)
    return [bars("Throughput", unit, at, *done, partial=partial), lines("Wait and reading time", "seconds", at, *slow)]


@page("/queues/<name>/pause", Permission.PLATFORM)
def ask_pause_queue(name: str) -> Response:
    """Asks before it is held up."""
    consequence = (
        "No new document of this queue is begun, of any tenant; what is being read is finished. Uploads are accepted and wait."
    )
    to = back(url_for("admin.queue", name=_known(name)))
    return confirm(
        "pause_queue",
        title=f"Pause {name}?",
        consequence=consequence,
        verb="Pause the queue",
        back=to,
        path={"name": name},
        choices={"minutes": ("How long", PAUSES)},
    )


@action("/queues/<name>/pause", Permission.PLATFORM)
def pause_queue(name: str) -> Response:
    """Holds it up."""
    scans.pause(runtime(), call(), queue=_known(name), tenant_id=None, reason=reason(), until=until())
    return done(f"{name} is paused.", to=back(url_for("admin.queue", name=name)))


@action("/queues/<name>/resume", Permission.PLATFORM)
def resume_queue(name: str) -> Response:
    """Lets it go."""
    scans.resume(runtime(), call(), queue=_known(name), tenant_id=None)
    return done(f"{name} is resumed; what waited is begun within a second.", to=back(url_for("admin.queue", name=name)))


def until() -> dt.datetime | None:
    """When a pause is to end by itself, by the field `minutes`. Raises Invalid for a length that is not offered."""
    said = request.form.get("minutes", "")
    if said not in PAUSES:
        raise Invalid("Choose one of the lengths that are offered.", code="bad_length")
    return now() + dt.timedelta(minutes=int(said)) if said else None
