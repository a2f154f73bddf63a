"""GET /api/business/…: the records that came of documents."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from flask import Blueprint, Response, jsonify, request
from itsdangerous import BadData, URLSafeSerializer

from akount import records
from akount.accounts import Permission
from akount.api.guards import call, needs, runtime
from akount.api.schemas import RecordQuery, record_json, valid
from akount.errors import Invalid
from akount.kinds import kind_named
from akount.models import Record

bp = Blueprint("records", __name__)


@bp.get("")
@needs(Permission.VIEW)
def index(kind_name: str) -> Response:
    """A page of records, newest first."""
    kind = kind_named(kind_name)
    query = valid(RecordQuery(unknown="exclude"), request.args.to_dict())
    after = _position(query.pop("cursor"))
    found, more = records.listed(runtime(), call().actor, kind, records.Filter(**query, after=after))
    cursor = _cursor(found[-1]) if more else None
    return jsonify({"items": [record_json(r, kind) for r in found], "nextCursor": cursor})


@bp.get("/<uuid:record_id>")
@needs(Permission.VIEW)
def show(kind_name: str, record_id: uuid.UUID) -> Response:
    """One record with lines, checks and evidence."""
    kind = kind_named(kind_name)
    record = records.find(runtime(), call().actor, kind, record_id)
    response = jsonify(record_json(record, kind))
    response.set_etag(f"{record.id}-{record.version}")
    response.make_conditional(request)
    return response


def _cursors() -> URLSafeSerializer:
    return URLSafeSerializer(runtime().secret, salt="cursor")


def _cursor(last: Record) -> str:
    return str(_cursors().dumps([last.created_at.isoformat(), str(last.id)]))


def _position(cursor: str | None) -> tuple[dt.datetime, uuid.UUID] | None:
    if cursor is None:
        return None
    try:
        at, last = _cursors().loads(cursor)
        return dt.datetime.fromisoformat(at), uuid.UUID(last)
    except (BadData, ValueError) as error:
        raise _no_cursor() from error


def _no_cursor() -> Any:
    return Invalid("The cursor is not one of ours; start from the first page.", errors={"cursor": ["Not valid."]})
