"""GET /api/business/…: the records that came of documents."""

from __future__ import annotations

import uuid
from typing import Any

from flask import Blueprint, Response, jsonify, request

from akount import records
from akount.accounts import Permission
from akount.api.contract import says, takes
from akount.api.cursors import cursor, position
from akount.api.guards import call, needs, runtime
from akount.api.schemas import RecordQuery, record_of, records_of
from akount.kinds import kind_named

bp = Blueprint("records", __name__)


@bp.get("")
@needs(Permission.VIEW)
@takes(query=RecordQuery)
@says(_200=records_of)
def index(kind_name: str, query: dict[str, Any]) -> Response:
    """A page of records, newest first."""
    kind = kind_named(kind_name)
    after = position(query.pop("cursor"))
    found, more = records.listed(runtime(), call().actor, kind, records.Filter(**query, after=after))
    following = cursor((found[-1].created_at, found[-1].id)) if more else None
    return jsonify(records_of(kind)().dump({"items": found, "next_cursor": following}))


@bp.get("/<uuid:record_id>")
@needs(Permission.VIEW)
@says(_200=record_of, _304=None, headers={"If-None-Match": "the ETag of an earlier answer"})
def show(kind_name: str, record_id: uuid.UUID) -> Response:
    """One record with lines, checks and evidence."""
    kind = kind_named(kind_name)
    record = records.find(runtime(), call().actor, kind, record_id)
    response = jsonify(record_of(kind)().dump(record))
    response.set_etag(f"{record.id}-{record.version}")
    response.make_conditional(request)
    return response
