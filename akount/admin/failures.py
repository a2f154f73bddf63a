"""Dead letters by their cause: how often and since when, what is known of it, and what can be done with all of them at once."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from flask import Response, request, url_for

from akount import failures as causes
from akount import scans
from akount.accounts import Permission
from akount.admin import paging
from akount.admin.charts import Series, Spark, bars, spark
from akount.admin.shell import action, back, board, done, page, runtime, show
from akount.api.guards import call
from akount.census import SLOW_SECONDS
from akount.db import now
from akount.errors import Invalid
from akount.kinds import QUEUES
from akount.operations import Action

MUTES = {"1": "for an hour", "24": "for a day", "168": "for a week", "720": "for 30 days"}
"""Hours → how that is said."""


@page("/failures", Permission.OPERATE)
def failures() -> Response:
    """The causes, the latest first."""
    queue = paging.one_of("queue", QUEUES)
    with runtime().database.snapshot() as session:
        found = causes.groups(session, call().actor.tenant_id, queue=queue)
    return show(
        "failures.html",
        title="Failures",
        groups=found.groups,
        capped=found.capped,
        sparks=_sparks(queue),
        since=_since(),
        queue=queue,
        queues=QUEUES,
    )


def _by_hour(queue: str | None = None, fingerprint: str | None = None) -> tuple[list[dt.datetime], dict[str, list[int]]]:
    """How many failed by cause and hour; one question serves all who look within a few seconds."""

    def make(session: Any, tenant_id: uuid.UUID | None) -> tuple[list[dt.datetime], dict[str, list[int]]]:
        return causes.by_hour(session, tenant_id, queue=queue, fingerprint=fingerprint)

    return board().keep(f"failures by hour {queue} {fingerprint}", call().actor.tenant_id, make, SLOW_SECONDS) or ([], {})


def _sparks(queue: str | None) -> dict[str, Spark]:
    """The last day of each cause that failed in it."""
    return {name: spark([0] * len(hours), hours) for name, hours in _by_hour(queue)[1].items()}


def _since() -> dict[str, dt.datetime]:
    """When each column of the pivot begins, to the minute: its links do not change with every look."""
    at = now().replace(second=0, microsecond=0)
    return {name: at - age for name, age in causes.PIVOT.items()}


@page("/failures/<fingerprint>", Permission.OPERATE)
def failure(fingerprint: str) -> Response:
    """One of them."""
    with runtime().database.snapshot() as session:
        found = causes.group(session, call().actor.tenant_id, fingerprint)
    at, hours = _by_hour(fingerprint=fingerprint)
    failed = Series("failed", hours.get(fingerprint, [0] * len(at)), style=2)
    drawn = bars("Failed, by the hour", "dead letters of the last 24 hours", at, failed, partial=True)
    return show("failure.html", title=f"Failure {found.code}", group=found, chart=drawn, since=_since(), mutes=MUTES)


def _after(fingerprint: str) -> str:
    return back(url_for("admin.failure", fingerprint=fingerprint))


@action("/failures/<fingerprint>/probe", Permission.OPERATE)
def probe_failure(fingerprint: str) -> Response:
    """Tries the latest few again, before all are."""
    with runtime().database.snapshot() as session:
        meant = causes.probe(session, call().actor.tenant_id, fingerprint)
    made = scans.start_operation(runtime(), call(), Action.RETRY, meant, "probe")
    return done(f"The latest {len(meant.ids)} are tried again.", to=url_for("admin.operation", operation_id=made.id))


@action("/failures/<fingerprint>/note", Permission.OPERATE)
def note_failure(fingerprint: str) -> Response:
    """Writes down what is known of it."""
    with runtime().database.transaction() as session:
        causes.annotate(session, call(), fingerprint, request.form.get("note", ""))
    return done("The note is kept.", to=_after(fingerprint))


@action("/failures/<fingerprint>/mute", Permission.OPERATE)
def mute_failure(fingerprint: str) -> Response:
    """For a while it raises no alert; without a length it does again."""
    hours = request.form.get("hours", "")
    if hours and hours not in MUTES:
        raise Invalid("Choose one of the lengths that are offered.", code="bad_length")
    until = now() + dt.timedelta(hours=int(hours)) if hours else None
    with runtime().database.transaction() as session:
        causes.mute(session, call(), fingerprint, until)
    return done("It raises no alert for a while." if until else "It raises alerts again.", to=_after(fingerprint))
