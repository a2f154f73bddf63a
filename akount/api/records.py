"""/api/business/…: the records that came of documents: list, open, correct, decide, take out."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from flask import Blueprint, Response, jsonify, request, stream_with_context

from akount import records, review, sheets
from akount.accounts import Permission
from akount.api.contract import says, takes
from akount.api.cursors import following, position
from akount.api.guards import call, needs, runtime
from akount.api.record_schemas import DecisionBody, ExportQuery, correction_of
from akount.api.schemas import RecordQuery, record_of, records_of
from akount.currencies import from_minor
from akount.discretion import account_for, shown_to
from akount.errors import PreconditionFailed, PreconditionRequired
from akount.kinds import Kind, kind_named
from akount.models import Record
from akount.review import Which

bp = Blueprint("records", __name__)

SEEN = {"If-Match": "the ETag that was read: 412 if the record has been changed since"}


@bp.get("")
@needs(Permission.VIEW)
@takes(query=RecordQuery)
@says(_200=records_of)
def index(kind_name: str, query: dict[str, Any]) -> Response:
    """A page of records, newest first."""
    kind = kind_named(kind_name)
    after = position(query.pop("cursor"))
    found, more = records.listed(runtime(), call().actor, kind, records.Filter(**query, after=after))
    shown = records_of(kind)().dump({"items": found, "next_cursor": following(found, more)})
    return jsonify(shown_to(call().actor, shown))


@bp.get("/export")
@needs(Permission.VIEW)
@takes(query=ExportQuery)
@says(_200="text/csv, application/json")
def export(kind_name: str, query: dict[str, Any]) -> Response:
    """Every record that is meant, as CSV with a row for each line, or as JSON; streamed.

    In CSV amounts are decimals in the record's currency, and a text that a spreadsheet would take for a formula begins with
    an apostrophe."""
    kind = kind_named(kind_name)
    as_json = query.pop("format") == "json"
    found = records.exported(runtime(), call().actor, kind, records.Filter(**query))
    return download(_as_json(kind, found) if as_json else _as_csv(kind, found), f"{kind.plural}.{'json' if as_json else 'csv'}")


@bp.get("/<uuid:record_id>")
@needs(Permission.VIEW)
@says(_200=record_of, _304=None, headers={"If-None-Match": "the ETag of an earlier answer"})
def show(kind_name: str, record_id: uuid.UUID) -> Response:
    """One record with lines, checks and evidence."""
    kind = kind_named(kind_name)
    response = _shown(kind, records.find(runtime(), call().actor, kind, record_id))
    response.make_conditional(request)
    return response


@bp.patch("/<uuid:record_id>")
@needs(Permission.ACT)
@takes(body=correction_of)
@says(409, 412, 428, _200=record_of, headers=SEEN)
def correct(kind_name: str, record_id: uuid.UUID, body: dict[str, Any]) -> Response:
    """Corrects values, with If-Match; the machine's stay beside them. Lines are sent as a whole list."""
    kind = kind_named(kind_name)
    if "If-Match" not in request.headers:
        raise PreconditionRequired
    return _shown(kind, review.correct(runtime(), call(), _which(kind, record_id), body))


@bp.post("/<uuid:record_id>/approve")
@needs(Permission.APPROVE)
@takes(body=DecisionBody, required=False)
@says(409, 412, _200=record_of, headers=SEEN)
def approve(kind_name: str, record_id: uuid.UUID, body: dict[str, Any]) -> Response:
    """Approves a record: its figures are right."""
    return _decided(review.approve, kind_name, record_id, body)


@bp.post("/<uuid:record_id>/reject")
@needs(Permission.APPROVE)
@takes(body=DecisionBody, required=False)
@says(409, 412, _200=record_of, headers=SEEN)
def reject(kind_name: str, record_id: uuid.UUID, body: dict[str, Any]) -> Response:
    """Rejects a record: it is not to be booked."""
    return _decided(review.reject, kind_name, record_id, body)


@bp.post("/<uuid:record_id>/reopen")
@needs(Permission.APPROVE)
@takes(body=DecisionBody, required=False)
@says(409, 412, _200=record_of, headers=SEEN)
def reopen(kind_name: str, record_id: uuid.UUID, body: dict[str, Any]) -> Response:
    """Takes up again a record that was rejected: it needs review."""
    return _decided(review.reopen, kind_name, record_id, body)


def _decided(decide: Callable[..., Record], kind_name: str, record_id: uuid.UUID, body: dict[str, Any]) -> Response:
    kind = kind_named(kind_name)
    return _shown(kind, decide(runtime(), call(), _which(kind, record_id), body["reason"]))


def _shown(kind: Kind, record: Record) -> Response:
    response = jsonify(shown_to(call().actor, record_of(kind)().dump(record)))
    response.set_etag(f"{record.id}-{record.version}")
    return response


def _which(kind: Kind, record_id: uuid.UUID) -> Which:
    """The record, in the versions that If-Match names; none: any. A proxy that compresses weakens a tag; ours are exact all
    the same. Raises PreconditionFailed where it names none of this record."""
    if "If-Match" not in request.headers or request.if_match.star_tag:
        return Which(kind, record_id)
    prefix = f"{record_id}-"
    tags = [tag.removeprefix(prefix) for tag in request.if_match.as_set(include_weak=True) if tag and tag.startswith(prefix)]
    found = frozenset(int(tag) for tag in tags if tag.isascii() and tag.isdecimal() and len(tag) < 19)
    if not found:
        raise PreconditionFailed
    return Which(kind, record_id, found)


def download(parts: Iterator[str], name: str) -> Response:
    """A file that is made while it is sent."""
    media = "application/json" if name.endswith(".json") else "text/csv; charset=utf-8"
    response = Response(stream_with_context(parts), content_type=media)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _as_json(kind: Kind, found: Iterator[Record]) -> Iterator[str]:
    schema, actor, before = record_of(kind)(), call().actor, "["
    for record in found:
        yield f"{before}{json.dumps(shown_to(actor, schema.dump(record)), ensure_ascii=False)}"
        before = ",\n"
    yield "[]" if before == "[" else "]"


HEAD = ("id", "status", "date", "dueDate", "currency", "subtotal", "taxAmount", "totalAmount", "amountDue", "creditNote", "iban")
LINE_HEAD = ("line", "description", "quantity", "unitPrice", "amount", "lineTaxAmount", "lineTaxRate")
TAIL = ("confidence", "reviewedBy", "reviewedAt", "createdAt", "entityId", "documentId")


def _as_csv(kind: Kind, found: Iterator[Record]) -> Iterator[str]:
    party = (kind.party_key, kind.tax_id_key, kind.number_key)
    actor = call().actor
    rows = (shown_to(actor, row) for record in found for row in _rows(record, account_for(actor, record.iban)))
    return sheets.lines((*HEAD, *party, *LINE_HEAD, *TAIL), rows)


def _rows(record: Record, account: str | None) -> Iterator[tuple[Any, ...]]:
    """A row for each line of a record; one without lines has one row all the same."""

    def major(minor: int | None) -> Any:
        return from_minor(minor, record.currency)

    amounts = (record.subtotal, record.tax_amount, record.total_amount, record.amount_due)
    head = (record.id, record.status, record.date, record.due_date, record.currency, *map(major, amounts), record.credit_note)
    party = (account, record.counterparty_name, record.counterparty_tax_id, record.number)
    stamps = (record.reviewed_at, record.created_at)
    tail = (record.confidence, record.reviewed_by, *stamps, record.entity_id, record.document_id)
    for line in record.lines:
        middle = (line.position, line.description, line.quantity, line.unit_price, major(line.amount))
        yield (*head, *party, *middle, major(line.tax_amount), line.tax_rate, *tail)
    if not record.lines:
        yield (*head, *party, *([None] * len(LINE_HEAD)), *tail)
