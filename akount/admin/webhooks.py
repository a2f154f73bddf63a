"""The webhooks: where tenants' systems are told of records, how that goes; to hold one back, remove it, tell something again."""

from __future__ import annotations

import uuid
from urllib.parse import urlsplit

from flask import Response, url_for

from akount import webhooks as outbox
from akount.accounts import Permission
from akount.admin import paging
from akount.admin.names import named
from akount.admin.shell import action, back, confirm, done, page, reason, runtime, show
from akount.api.guards import call
from akount.models import DeliveryStatus

LISTED = 50
STATES = {"": "All", "pending": "Waiting", "failed": "Failed", "delivered": "Delivered"}
"""A state of the URL → what it is called."""


@page("/webhooks", Permission.OPERATE)
def webhooks() -> Response:
    """The list: of one's own tenant, or of all."""
    after, _ = paging.asked()
    with runtime().database.snapshot() as session:
        found, more = outbox.latest(session, call().actor.tenant_id, after, LISTED)
    last = found[-1].webhook if more else None
    pager = paging.pager((last.created_at, last.id) if last else None, None)
    return show("webhooks.html", title="Webhooks", rows=found, address=_address, pager=pager)


@page("/webhooks/<uuid:webhook_id>", Permission.OPERATE)
def webhook(webhook_id: uuid.UUID) -> Response:
    """One of them, with what it was told."""
    after, _ = paging.asked()
    state = paging.one_of("state", STATES) or ""
    with runtime().database.snapshot() as session:
        found = outbox.find(session, call().actor.tenant_id, webhook_id)
        status = DeliveryStatus(state) if state else None
        told, more = outbox.deliveries(session, found, after, LISTED, status)
    return show(
        "webhook.html",
        title="Webhook",
        found=found,
        told=told,
        names=named([found.created_by]),
        address=_address,
        held=outbox.HELD,
        state=state,
        states=STATES,
        pager=paging.pager((told[-1].created_at, told[-1].id) if more else None, None),
    )


def _address(url: str) -> str:
    """Whole for who may change it: a path may be as good as a password. For others the host."""
    parts = urlsplit(url)
    return url if Permission.SETTINGS in call().actor.permissions else f"{parts.scheme}://{parts.netloc}/…"


@action("/webhooks/<uuid:webhook_id>/pause", Permission.SETTINGS)
def pause_webhook(webhook_id: uuid.UUID) -> Response:
    """Holds it back."""
    with runtime().database.transaction() as session:
        outbox.pause(session, call(), webhook_id)
    return done("The webhook is paused; what it is to be told waits, for 30 days at most.", to=_of(webhook_id))


@action("/webhooks/<uuid:webhook_id>/resume", Permission.SETTINGS)
def resume_webhook(webhook_id: uuid.UUID) -> Response:
    """Lets it go on."""
    with runtime().database.transaction() as session:
        outbox.resume(session, call(), webhook_id)
    return done("The webhook goes on; what waited is told within seconds.", to=_of(webhook_id))


@page("/webhooks/<uuid:webhook_id>/remove", Permission.SETTINGS)
def ask_remove_webhook(webhook_id: uuid.UUID) -> Response:
    """Asks before it is told nothing any more."""
    with runtime().database.snapshot() as session:
        outbox.find(session, call().actor.tenant_id, webhook_id)
    return confirm(
        "remove_webhook",
        title="Remove this webhook?",
        consequence="It is told nothing any more, not what waits either, and its secret is forgotten. It cannot be brought back; "
        "another can be made.",
        verb="Remove the webhook",
        back=_of(webhook_id),
        path={"webhook_id": webhook_id},
    )


@action("/webhooks/<uuid:webhook_id>/remove", Permission.SETTINGS)
def remove_webhook(webhook_id: uuid.UUID) -> Response:
    """Removes it."""
    with runtime().database.transaction() as session:
        outbox.remove(session, call(), webhook_id, reason())
    return done("The webhook is removed.", to=url_for("admin.webhooks"))


@action("/webhooks/<uuid:webhook_id>/deliveries/<uuid:delivery_id>/retry", Permission.SETTINGS)
def retry_delivery(webhook_id: uuid.UUID, delivery_id: uuid.UUID) -> Response:
    """Tells it again."""
    with runtime().database.transaction() as session:
        outbox.retry(session, call(), webhook_id, delivery_id)
    return done("It is told again within seconds.", to=_of(webhook_id))


def _of(webhook_id: uuid.UUID) -> str:
    return back(url_for("admin.webhook", webhook_id=webhook_id))
