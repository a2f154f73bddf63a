"""/api/system: what the signed-in user consents to."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify
from marshmallow import Schema, fields

from akount.accounts import Permission, membership, set_consent
from akount.api.guards import call, json_object, needs, runtime
from akount.api.schemas import valid
from akount.kinds import KINDS
from akount.models import Membership

bp = Blueprint("system", __name__)

AUTO_CREATE = {f"autoCreate{kind.plural.capitalize()}": kind.name for kind in KINDS.values()}
ConsentSchema = Schema.from_dict({name: fields.Boolean(truthy={True}, falsy={False}) for name in (*AUTO_CREATE, "hostedEngines")})


@bp.get("/consent")
@needs(Permission.CONSENT)
def consent() -> Response:
    """What the acting user consents to in this tenant."""
    with runtime().database.snapshot() as session:
        member = membership(session, call().actor.user_id, call().actor.tenant)
    return jsonify(_shown(member))


@bp.patch("/consent")
@needs(Permission.CONSENT)
def change_consent() -> Response:
    """Gives or withdraws consent; what is not named stays."""
    wanted = valid(ConsentSchema(), json_object())
    kinds = {AUTO_CREATE[name]: on for name, on in wanted.items() if name in AUTO_CREATE}
    with runtime().database.transaction() as session:
        member = set_consent(session, call(), kinds, wanted.get("hostedEngines"))
    return jsonify(_shown(member))


def _shown(member: Membership | None) -> dict[str, Any]:
    given = member.auto_create if member else []
    return {name: kind in given for name, kind in AUTO_CREATE.items()} | {"hostedEngines": bool(member and member.hosted_engines)}
