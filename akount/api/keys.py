"""/api/system/keys: the API keys of the tenant."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from flask import Blueprint, Response, jsonify

from akount.accounts import Permission
from akount.api.contract import says, takes
from akount.api.guards import call, needs, runtime
from akount.api.schemas import KeyBody, KeyListSchema, NewKeySchema
from akount.db import now
from akount.identity import keys

bp = Blueprint("keys", __name__)


@bp.get("")
@needs(Permission.KEYS)
@says(_200=KeyListSchema)
def index() -> Response:
    """The keys of the tenant, newest first."""
    with runtime().database.snapshot() as session:
        found = keys.listed(session, call().actor.tenant)
    return jsonify(KeyListSchema().dump({"items": found}))


@bp.post("")
@needs(Permission.KEYS)
@takes(body=KeyBody)
@says(_201=NewKeySchema)
def create(body: dict[str, Any]) -> tuple[Response, int]:
    """Makes a key; it is shown this once."""
    days = body.pop("days")
    expires_at = now() + dt.timedelta(days=days) if days else None
    with runtime().database.transaction() as session:
        key, token = keys.give(session, call(), expires_at=expires_at, **body)
    return jsonify(NewKeySchema().dump(key) | {"key": token}), 201


@bp.delete("/<uuid:key_id>")
@needs(Permission.KEYS)
@says(_204=None)
def revoke(key_id: uuid.UUID) -> Response:
    """Makes a key worthless, at once."""
    with runtime().database.transaction() as session:
        keys.revoke(session, key_id, call())
    return Response(status=204)
