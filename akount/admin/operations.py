"""Bulk operations: what is done with many jobs in the background; asked for after a look at how many, and watched."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from flask import Response, request, url_for

from akount import scans
from akount.accounts import Permission
from akount.admin import jobs, paging
from akount.admin.names import named
from akount.admin.shell import action, back, confirm, done, page, reason, runtime, show
from akount.admin.words import count
from akount.api.guards import call
from akount.db import now
from akount.errors import Invalid
from akount.instants import iso
from akount.ledger import DeadLetters, InLine
from akount.models import IN_LINE, Operation
from akount.operations import Action

MANY = 1000
"""From so many on the word has to be typed."""
CONSEQUENCES = {
    Action.RETRY: "Each is read again, with all its attempts before it. Those that have moved on by then are skipped and counted.",
    Action.DISCARD: "They leave the dead letters and are not tried again, unless somebody retries them one by one. The files stay.",
    Action.CANCEL: "Their documents are not read; the files stay, and each can be retried by hand. What runs by then is read to "
    "its end: it is skipped and counted.",
}
CALLED = {Action.RETRY: "dead letters", Action.DISCARD: "dead letters", Action.CANCEL: "jobs in line"}
HURTS = (Action.DISCARD, Action.CANCEL)
"""What is asked the reason for."""
MEANT = {
    "queue": "queue",
    "tenant_id": "tenant",
    "code": "error",
    "fingerprint": "group",
    "before": "failed before",
    "since": "failed since",
    "entered_since": "entered since",
    "entered_until": "entered until",
    "worker": "worker",
    "attempts": "attempts from",
    "status": "state",
    "ids": "chosen by hand",
}
"""What a frozen filter says → how that is called."""


@page("/operations", Permission.OPERATE)
def operations() -> Response:
    """The latest, and how far they are."""
    found = scans.list_operations(runtime(), call().actor)
    called = _names(found)
    return show("operations.html", title="Operations", rows=[told(one, called) for one in found], names=called)


@page("/operations/<uuid:operation_id>", Permission.OPERATE)
def operation(operation_id: uuid.UUID) -> Response:
    """One of them."""
    found = scans.find_operation(runtime(), call().actor, operation_id)
    called = _names([found])
    title = f"{found.action.capitalize()} {count(found.matched, 10**9)} jobs"
    return show("operation.html", title=title, row=told(found, called), names=called)


def _names(found: list[Operation]) -> dict[str, str]:
    """Of those who asked for them or stopped them, and of the tenants that are meant."""
    return named(ref for one in found for ref in (one.actor, one.cancelled_by, f"tenant:{one.meant.get('tenant_id')}"))


def told(one: Operation, called: dict[str, str]) -> dict[str, Any]:
    """An operation as its pages show it; `called`: the names of tenants."""
    ended = one.finished_at or now()
    seconds = max((ended - one.created_at).total_seconds(), 0.001)
    left = one.matched - one.done
    rate = one.done / seconds
    return {
        "it": one,
        "state": "running" if one.finished_at is None else "cancelled" if one.cancelled_by else "finished",
        "meant": [(MEANT.get(name, name), _said(name, value, called), str(value)) for name, value in one.meant.items()],
        "rate": rate,
        "left": dt.timedelta(seconds=left / rate) if one.finished_at is None and one.done else None,
        "took": dt.timedelta(seconds=seconds),
    }


def _said(name: str, value: Any, called: dict[str, str]) -> str:
    if name == "ids":
        return f"{len(value)} jobs"
    return called.get(f"tenant:{value}", str(value)) if name == "tenant_id" else str(value)


@page("/operations/new", Permission.OPERATE)
def ask_start_operation() -> Response:
    """Shows how many are meant, and some of them, before it is asked for."""
    doing, meant = _asked()
    at = now()
    total, sample = scans.preview_operation(runtime(), call().actor, meant)
    fields = [(name, value) for name in (*jobs.FILTERS, "state", "id") for value in request.args.getlist(name) if value]
    return confirm(
        "start_operation",
        title=f"{doing.capitalize()} {count(total, 10**9)} {CALLED[doing]}?",
        consequence=CONSEQUENCES[doing],
        verb=f"{doing.capitalize()} {'it' if total == 1 else f'all {count(total, 10**9)}'}",
        back=back(url_for("admin.jobs", state=request.args.get("state") or "failed")),
        total=total,
        sample=[
            (str(job.id), job.document.filename, job.queue if doing is Action.CANCEL else job.error_code or "") for job in sample
        ],
        fields=[*fields, ("action", doing.value), ("as_of", iso(at)), ("operation", str(uuid.uuid4()))],
        reason=doing in HURTS,
        danger=doing in HURTS,
        type_word=doing.value if total > MANY else "",
        headings=["Job", "Document", "Queue" if doing is Action.CANCEL else "Error"],
    )


@action("/operations", Permission.OPERATE)
def start_operation() -> Response:
    """Asks for it; the workers carry it out, bit by bit. The same form sent twice asks once."""
    doing, meant = _asked()
    as_of, known_as = paging.instant("as_of") or now(), paging.identifier("operation")
    why = reason() if doing in HURTS else request.form.get("reason", "").strip()[:500]
    if scans.preview_operation(runtime(), call().actor, meant)[0] > MANY and request.form.get("word", "").strip() != doing.value:
        raise Invalid(f"Type {doing.value} to go on: these are more than {MANY}.", code="word_required")
    made = scans.start_operation(runtime(), call(), doing, meant, why, as_of=as_of, operation_id=known_as)
    return done("It is under way; this page shows how far it is.", to=url_for("admin.operation", operation_id=made.id))


@action("/operations/<uuid:operation_id>/cancel", Permission.OPERATE)
def cancel_operation(operation_id: uuid.UUID) -> Response:
    """What is not done yet is not done any more."""
    scans.cancel_operation(runtime(), call(), operation_id)
    return done("The operation is stopped; what it has done stays done.", to=url_for("admin.operation", operation_id=operation_id))


def _asked() -> tuple[Action, DeadLetters]:
    doing = Action(paging.one_of("action", [one.value for one in Action]) or Action.RETRY)
    return doing, _require_narrow(jobs.meant_by(doing))


def _require_narrow(meant: DeadLetters) -> DeadLetters:
    """Raises Invalid for an operator who would reach into every tenant at once without a word of what is meant."""
    if call().actor.tenant_id is None and meant in (DeadLetters(), *(InLine(status=one) for one in (None, *IN_LINE))):
        raise Invalid("Narrow it first: by queue, tenant, error or group.", code="filter_required")
    return meant
