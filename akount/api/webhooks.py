"""/api/system/webhooks: where the tenant's own system is told of records, and what it was told."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from flask import Blueprint, Response, jsonify

from akount import webhooks
from akount.accounts import Permission
from akount.api.contract import says, takes
from akount.api.cursors import following, position
from akount.api.guards import call, needs, runtime
from akount.api.record_schemas import (
    DeliveryPageSchema,
    DeliveryQuery,
    DeliverySchema,
    NewSecretBody,
    NewWebhookSchema,
    WebhookBody,
    WebhookListSchema,
    WebhookSchema,
)
from akount.models import Webhook

bp = Blueprint("webhooks", __name__)


@bp.get("")
@needs(Permission.SETTINGS)
@says(_200=WebhookListSchema)
def index() -> Response:
    """The webhooks of the tenant, without their secrets."""
    with runtime().database.snapshot() as session:
        found = webhooks.listed(session, call().actor.tenant)
    return jsonify(WebhookListSchema().dump({"items": found}))


@bp.post("")
@needs(Permission.SETTINGS)
@takes(body=WebhookBody)
@says(409, _201=NewWebhookSchema)
def create(body: dict[str, Any]) -> tuple[Response, int]:
    """Makes a webhook; its secret is shown this once."""
    private = runtime().settings.webhook_private_addresses
    with runtime().database.transaction() as session:
        made, secret = webhooks.add(session, call(), runtime().seal, body["url"], body["events"], private=private)
    return jsonify(_with_secret(made, secret)), 201


@bp.delete("/<uuid:webhook_id>")
@needs(Permission.SETTINGS)
@says(_204=None)
def remove(webhook_id: uuid.UUID) -> Response:
    """Removes a webhook: it is told nothing any more."""
    with runtime().database.transaction() as session:
        webhooks.remove(session, call(), webhook_id)
    return Response(status=204)


@bp.post("/<uuid:webhook_id>/secret")
@needs(Permission.SETTINGS)
@takes(body=NewSecretBody, required=False)
@says(409, _200=NewWebhookSchema)
def rotate(webhook_id: uuid.UUID, body: dict[str, Any]) -> Response:
    """Gives it another secret, which is shown this once; the one before signs along for some hours, at first 24."""
    overlap = dt.timedelta(hours=body["overlap"])
    with runtime().database.transaction() as session:
        found, secret = webhooks.rotate(session, call(), runtime().seal, webhook_id, overlap)
    return jsonify(_with_secret(found, secret))


@bp.post("/<uuid:webhook_id>/pause")
@needs(Permission.SETTINGS)
@says(409, _200=WebhookSchema)
def pause(webhook_id: uuid.UUID) -> Response:
    """Holds back what it is to be told, for 30 days at most."""
    with runtime().database.transaction() as session:
        found = webhooks.pause(session, call(), webhook_id)
    return jsonify(WebhookSchema().dump(found))


@bp.post("/<uuid:webhook_id>/resume")
@needs(Permission.SETTINGS)
@says(409, _200=WebhookSchema)
def resume(webhook_id: uuid.UUID) -> Response:
    """Tells it what was held back, and goes on."""
    with runtime().database.transaction() as session:
        found = webhooks.resume(session, call(), webhook_id)
    return jsonify(WebhookSchema().dump(found))


@bp.get("/<uuid:webhook_id>/deliveries")
@needs(Permission.SETTINGS)
@takes(query=DeliveryQuery)
@says(_200=DeliveryPageSchema)
def deliveries(webhook_id: uuid.UUID, query: dict[str, Any]) -> Response:
    """A page of what it was told, the latest first, and how that went."""
    with runtime().database.snapshot() as session:
        webhook = webhooks.find(session, call().actor.tenant, webhook_id)
        found, more = webhooks.deliveries(session, webhook, position(query["cursor"]), query["limit"])
    return jsonify(DeliveryPageSchema().dump({"items": found, "next_cursor": following(found, more)}))


@bp.post("/<uuid:webhook_id>/deliveries/<uuid:delivery_id>/retry")
@needs(Permission.SETTINGS)
@says(409, _200=DeliverySchema)
def retry(webhook_id: uuid.UUID, delivery_id: uuid.UUID) -> Response:
    """Tells it again what it was told, or could not be."""
    with runtime().database.transaction() as session:
        found = webhooks.retry(session, call(), webhook_id, delivery_id)
    return jsonify(DeliverySchema().dump(found))


def _with_secret(webhook: Webhook, secret: str) -> dict[str, Any]:
    shown: dict[str, Any] = WebhookSchema().dump(webhook)
    return shown | {"secret": secret}
