"""What needs a person's eyes: the queue, and what can be done with a record: correct, approve, reject, take up again, the next."""

from __future__ import annotations

import uuid
from decimal import Decimal, InvalidOperation
from typing import Any

from flask import Response, redirect, request, url_for

from akount import corrections, dossiers, records
from akount import review as reviewing
from akount.accounts import Permission
from akount.admin import paging, words
from akount.admin.papers import LINE_FIELDS, no_tenant, sheet
from akount.admin.shell import MAX_REASON, action, done, page, runtime, show
from akount.api.guards import call
from akount.api.record_schemas import correction_of
from akount.api.schemas import valid
from akount.currencies import exponent, from_minor
from akount.dossiers import Dossier
from akount.errors import Conflict, Invalid, NotFound
from akount.kinds import Kind, kind_named
from akount.models import Record, RecordStatus
from akount.review import Which

TABS = {
    "": ("To review", records.WAITING),
    "draft": ("Drafts", (RecordStatus.DRAFT,)),
    "approved": ("Approved", (RecordStatus.APPROVED,)),
    "rejected": ("Rejected", (RecordStatus.REJECTED,)),
}
"""A state of the URL → what it is called, and which records are in it."""


@page("/review", Permission.ACT)
def review() -> Response:
    """What needs eyes, or what is in another state."""
    if call().actor.tenant_id is None:
        return no_tenant("Review")
    state = paging.one_of("state", [*TABS]) or ""
    after, _ = paging.asked()
    found, more = records.queue(runtime(), call().actor, TABS[state][1], after)
    pager = paging.pager((found[-1].created_at, found[-1].id) if more else None, None)
    return show("review.html", title="Review", tabs=TABS, state=state, rows=found, pager=pager, major=from_minor, why=_why)


def _why(found: Record) -> str:
    """The first thing that speaks against a record."""
    failed = [check["detail"] for check in found.checks if not check["passed"]]
    return next(iter([*failed, *found.warnings]), f"Confidence {found.confidence}.")


@page("/records/<uuid:record_id>", Permission.ACT)
def record(record_id: uuid.UUID) -> Response:
    """On to the document of a record."""
    if call().actor.tenant_id is None:
        return no_tenant("Record")
    found = records.find(runtime(), call().actor, None, record_id)
    return redirect(url_for(".document", document_id=found.document_id), 303)  # type: ignore[return-value]


@page("/review/next", Permission.ACT)
def next_record() -> Response:
    """On to the record that has waited longest."""
    if call().actor.tenant_id is None:
        return no_tenant("Review")
    return redirect(_onward(paging.identifier("but")), 303)  # type: ignore[return-value]


def _onward(but: uuid.UUID | None) -> str:
    found = records.next_up(runtime(), call().actor, but)
    return url_for(".document", document_id=found.document_id) if found else url_for(".review")


@action("/documents/<uuid:document_id>/correct", Permission.ACT)
def correct_record(document_id: uuid.UUID) -> Response:
    """Writes what a person has put right."""
    found, record, kind = _asked(document_id)
    try:
        changed = _correct(record, kind)
    except Invalid as error:
        return sheet(document_id, request.form.to_dict(), error.errors)
    message = "The corrections are saved." if changed else "Nothing was changed."
    return done(message, to=url_for(".document", document_id=found.document.id))


@action("/documents/<uuid:document_id>/approve", Permission.APPROVE)
def approve_record(document_id: uuid.UUID) -> Response:
    """Writes what a person has put right, and approves; on to the next."""
    _found, record, kind = _asked(document_id)
    try:
        _correct(record, kind)
        reviewing.approve(runtime(), call(), Which(kind, record.id), _reason())
    except Invalid as error:
        return sheet(document_id, request.form.to_dict(), error.errors)
    except Conflict as error:
        return sheet(document_id, request.form.to_dict(), {"": [error.detail]})
    return done("The record is approved.", to=_onward(record.id))


@action("/documents/<uuid:document_id>/reject", Permission.APPROVE)
def reject_record(document_id: uuid.UUID) -> Response:
    """Rejects it; on to the next."""
    _found, record, kind = _asked(document_id)
    reviewing.reject(runtime(), call(), _which(record, kind), _reason())
    return done("The record is rejected.", to=_onward(record.id))


@action("/documents/<uuid:document_id>/reopen", Permission.APPROVE)
def reopen_record(document_id: uuid.UUID) -> Response:
    """Takes up again what was rejected."""
    _found, record, kind = _asked(document_id)
    reviewing.reopen(runtime(), call(), _which(record, kind), _reason())
    return done("The record is to be reviewed again.", to=url_for(".document", document_id=document_id))


def _asked(document_id: uuid.UUID) -> tuple[Dossier, Record, Kind]:
    """The document of a form and its record. Raises NotFound, Conflict where there is no record."""
    if call().actor.tenant_id is None:
        raise Conflict("Choose a tenant first: a document is one tenant's business.", code="choose_a_tenant")
    found = dossiers.find(runtime(), call().actor, document_id)
    if found.record is None:
        raise NotFound("No record has come of this document.", code="no_record")
    return found, found.record, kind_named(found.document.kind)


def _which(record: Record, kind: Kind) -> Which:
    """The record in the version that the form was made of."""
    said = request.form.get("version", "")
    return Which(kind, record.id, frozenset([int(said)]) if said.isdecimal() and len(said) < 19 else None)


def _reason() -> str:
    return str(words.shown(request.form.get("reason", "").strip()))[:MAX_REASON]


# --- what a form says ---


def _correct(record: Record, kind: Kind) -> bool:
    """Writes what the form says otherwise than the record. Raises Invalid that names each wrong value."""
    body = _body(record, kind)
    now = corrections.shown(record, kind)
    body = {key: value for key, value in body.items() if value != now[key]}
    if not body:
        return False
    changes = valid(correction_of(kind)(), body)
    reviewing.correct(runtime(), call(), _which(record, kind), changes)
    return True


def _body(record: Record, kind: Kind) -> dict[str, Any]:
    """The form as the API would be told: amounts in the smallest unit of the currency that the form says."""
    form, errors = request.form, {}
    currency = form.get("currency", record.currency or "").strip().upper() or None
    body: dict[str, Any] = {}
    for column, (_, key) in kind.columns.items():
        if column not in form:
            continue
        text = form[column].strip()
        try:
            body[key] = _minor(text, currency) if column in corrections.AMOUNTS else text or None
        except ValueError as error:
            errors[key] = [str(error)]
    if "currency" in form:
        body["currency"] = currency
    try:
        lines = _lines(record, currency)
        body |= {} if lines is None else {corrections.LINES: lines}
    except ValueError as error:
        errors[corrections.LINES] = [str(error)]
    if errors:
        raise Invalid(errors=errors)
    return body


def _lines(record: Record, currency: str | None) -> list[dict[str, Any]] | None:
    """The lines of the form; one without a description is none. None: the form has no lines."""
    rows = sorted({int(n.split("-")[1]) for n in request.form if n.startswith("line-") and n.split("-")[1].isdecimal()})
    if not rows:
        return None
    found = []
    for row in rows[: len(record.lines) + 100]:
        said = {name: request.form.get(f"line-{row}-{name}", "").strip() for name in LINE_FIELDS}
        if not said["description"]:
            continue
        kept = record.lines[row].tax_amount if row < len(record.lines) else None
        numbers = {name: _number(said[name]) for name in ("quantity", "unitPrice", "taxRate")}
        found.append({"description": said["description"], **numbers, "amount": _minor(said["amount"], currency), "taxAmount": kept})
    return found


def _number(text: str) -> str | None:
    """A number as a person writes it. Raises ValueError."""
    if not text:
        return None
    plain = text.replace(" ", "").replace("'", "")
    if "," in plain and "." not in plain:
        plain = plain.replace(",", ".")
    try:
        number = Decimal(plain.replace(",", ""))
    except InvalidOperation:
        raise ValueError(f"“{text[:40]}” is no number.") from None
    if not number.is_finite() or abs(number.adjusted()) > 18:
        raise ValueError(f"“{text[:40]}” is no amount.")
    return format(number, "f")


def _minor(text: str, currency: str | None) -> int | None:
    """An amount in the smallest unit. Raises ValueError for one that is finer than the currency."""
    number = _number(text)
    if number is None:
        return None
    digits = exponent(currency)
    scaled = Decimal(number).scaleb(2 if digits is None else digits)
    if scaled != scaled.to_integral_value():
        raise ValueError(f"“{text[:40]}” has more digits than {currency or 'the currency'} has.")
    return int(scaled)
