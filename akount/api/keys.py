"""/api/system/keys: the API keys of the tenant."""

from __future__ import annotations

import datetime as dt
import uuid

from flask import Blueprint, Response, jsonify

from akount.accounts import Permission
from akount.api.guards import call, json_object, needs, runtime
from akount.api.schemas import KeyForm, KeySchema, valid
from akount.db import now
from akount.identity import keys

bp = Blueprint("keys", __name__)


@bp.get("")
@needs(Permission.KEYS)
def index() -> Response:
    """The keys of the tenant, newest first."""
    with runtime().database.snapshot() as session:
        found = keys.listed(session, call().actor.tenant)
    return jsonify({"items": [KeySchema().dump(key) for key in found]})


@bp.post("")
@needs(Permission.KEYS)
def create() -> tuple[Response, int]:
    """Makes a key; it is shown this once."""
    form = valid(KeyForm(), json_object())
    expires_at = now() + dt.timedelta(days=form["days"]) if form["days"] else None
    with runtime().database.transaction() as session:
        key, token = keys.give(session, call(), form["role"], form["name"], scopes=form["scopes"], expires_at=expires_at)
    return jsonify(KeySchema().dump(key) | {"key": token}), 201


@bp.delete("/<uuid:key_id>")
@needs(Permission.KEYS)
def revoke(key_id: uuid.UUID) -> Response:
    """Makes a key worthless, at once."""
    with runtime().database.transaction() as session:
        keys.revoke(session, key_id, call())
    return Response(status=204)
