"""GET /api/business/…: the records that came of documents."""

from __future__ import annotations

import uuid

from flask import Blueprint, Response, jsonify, request

from akount import records
from akount.accounts import Permission
from akount.api.cursors import cursor, position
from akount.api.guards import call, needs, runtime
from akount.api.schemas import RecordQuery, record_json, valid
from akount.kinds import kind_named

bp = Blueprint("records", __name__)


@bp.get("")
@needs(Permission.VIEW)
def index(kind_name: str) -> Response:
    """A page of records, newest first."""
    kind = kind_named(kind_name)
    query = valid(RecordQuery(unknown="exclude"), request.args.to_dict())
    after = position(query.pop("cursor"))
    found, more = records.listed(runtime(), call().actor, kind, records.Filter(**query, after=after))
    following = cursor((found[-1].created_at, found[-1].id)) if more else None
    return jsonify({"items": [record_json(r, kind) for r in found], "nextCursor": following})


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
