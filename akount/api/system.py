"""/api/system: what the signed-in user consents to, failed jobs, and what is done with many of them."""

from __future__ import annotations

import uuid
from typing import Any

from flask import Blueprint, Response, jsonify
from marshmallow import Schema, fields

from akount import accounts, plans, scans
from akount.accounts import Permission, membership, set_consent
from akount.api.contract import says, takes
from akount.api.cursors import cursor, position
from akount.api.guards import call, needs, runtime
from akount.api.record_schemas import ConsentHistorySchema, EntityListSchema, RoutingBody, RoutingSchema, UsageSchema
from akount.api.schemas import FailedPageSchema, FailedQuery, OperationSchema, RetryBody, StartedSchema
from akount.kinds import KINDS
from akount.ledger import DeadLetters, Page
from akount.models import Membership, Tenant
from akount.operations import Action

bp = Blueprint("system", __name__)

AUTO_CREATE = {f"autoCreate{kind.plural.capitalize()}": kind.name for kind in KINDS.values()}
ConsentSchema = Schema.from_dict(
    {name: fields.Boolean(truthy={True}, falsy={False}) for name in (*AUTO_CREATE, "hostedEngines")}, name="ConsentSchema"
)


@bp.get("/consent")
@needs(Permission.CONSENT)
@says(_200=ConsentSchema)
def consent() -> Response:
    """What the acting user consents to in this tenant."""
    with runtime().database.snapshot() as session:
        member = membership(session, call().actor.user_id, call().actor.tenant)
    return jsonify(_shown(member))


@bp.patch("/consent")
@needs(Permission.CONSENT)
@takes(body=ConsentSchema)
@says(_200=ConsentSchema)
def change_consent(body: dict[str, bool]) -> Response:
    """Gives or withdraws consent; what is not named stays."""
    kinds = {AUTO_CREATE[name]: on for name, on in body.items() if name in AUTO_CREATE}
    with runtime().database.transaction() as session:
        member = set_consent(session, call(), kinds, body.get("hostedEngines"))
    return jsonify(_shown(member))


@bp.get("/consent/history")
@needs(Permission.CONSENT)
@says(_200=ConsentHistorySchema)
def consent_history() -> Response:
    """When the acting user gave or took back consent, and what held from then on."""
    with runtime().database.snapshot() as session:
        found = accounts.consent_history(session, call().actor)
    return jsonify(ConsentHistorySchema().dump({"items": found}))


@bp.get("/usage")
@needs(Permission.VIEW)
@says(_200=UsageSchema)
def usage() -> Response:
    """The tenant's plan, what is used of it this month, and when it begins anew."""
    with runtime().database.snapshot() as session:
        found = plans.standing(session, call().actor.tenant, runtime().settings.max_upload_bytes)
    return jsonify(UsageSchema().dump(found))


@bp.get("/entities")
@needs(Permission.VIEW)
@says(_200=EntityListSchema)
def entities() -> Response:
    """The tenant's sets of books, the oldest first: what `entityId` of an upload may name."""
    with runtime().database.snapshot() as session:
        found = accounts.entities_of(session, call().actor.tenant)
    return jsonify(EntityListSchema().dump({"items": found}))


@bp.get("/routing")
@needs(Permission.VIEW)
@says(_200=RoutingSchema)
def routing() -> Response:
    """From which confidence and up to which total the tenant's drafts may be made without review."""
    with runtime().database.snapshot() as session:
        tenant = session.get_one(Tenant, call().actor.tenant)
    return _routing_of(tenant)


@bp.patch("/routing")
@needs(Permission.SETTINGS)
@takes(body=RoutingBody)
@says(_200=RoutingSchema)
def change_routing(body: dict[str, int | None]) -> Response:
    """Changes these lines for the tenant; null: as the service has it."""
    with runtime().database.transaction() as session:
        tenant = accounts.set_routing(session, call(), body)
    return _routing_of(tenant)


def _routing_of(tenant: Tenant) -> Response:
    policy = runtime().policy.of(tenant.auto_create_confidence, tenant.auto_create_limit)
    return jsonify(RoutingSchema().dump(policy))


@bp.get("/jobs/failed")
@needs(Permission.OPERATE)
@takes(query=FailedQuery)
@says(_200=FailedPageSchema)
def failed_jobs(query: dict[str, Any]) -> Response:
    """A page of dead letters, the latest first."""
    page = Page(query["limit"], position(query["cursor"]))
    wanted = DeadLetters(tenant_id=query["tenant_id"], queue=query["queue"])
    found, more = scans.dead_letters(runtime(), call().actor, wanted, page)
    following = cursor((found[-1].finished_at or found[-1].created_at, found[-1].id)) if more else None
    return jsonify(FailedPageSchema().dump({"jobs": found, "next_cursor": following}))


@bp.post("/jobs/failed/retry")
@needs(Permission.OPERATE)
@takes(body=RetryBody)
@says(_202=StartedSchema)
def retry_failed_jobs(body: dict[str, Any]) -> tuple[Response, int]:
    """Has failed jobs tried again, in the background; those that have moved on by then are skipped."""
    meant = DeadLetters(queue=body.get("queue"), before=body.get("before"), ids=tuple(body.get("ids", ())))
    operation = scans.start_operation(runtime(), call(), Action.RETRY, meant, "")
    return jsonify(StartedSchema().dump(operation)), 202


@bp.get("/operations/<uuid:operation_id>")
@needs(Permission.OPERATE)
@says(_200=OperationSchema)
def operation(operation_id: uuid.UUID) -> Response:
    """How far a bulk operation is."""
    return jsonify(OperationSchema().dump(scans.find_operation(runtime(), call().actor, operation_id)))


@bp.post("/operations/<uuid:operation_id>/cancel")
@needs(Permission.OPERATE)
@says(409, _200=OperationSchema)
def cancel_operation(operation_id: uuid.UUID) -> Response:
    """Stops a bulk operation; what it has done stays done."""
    return jsonify(OperationSchema().dump(scans.cancel_operation(runtime(), call(), operation_id)))


def _shown(member: Membership | None) -> dict[str, Any]:
    given = member.auto_create if member else []
    return {name: kind in given for name, kind in AUTO_CREATE.items()} | {"hostedEngines": bool(member and member.hosted_engines)}
