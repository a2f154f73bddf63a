"""Webhooks: a tenant's own system is told when a record is made, approved or rejected.

What is to be told is written in the transaction of the deed itself (an outbox), so that nothing is told that was not done and
nothing done that is not told; `tasks.courier` carries it out, again and again at growing pauses, for two days. A message has ids
and no content of a document: who gets it asks the API. It is signed with the webhook's own secret, as Standard Webhooks has it
(`webhook-id`, `webhook-timestamp`, `webhook-signature`). The secret is derived from SECRET_KEY, is shown once and stands nowhere.
"""

from __future__ import annotations

import base64
import datetime as dt
import enum
import hashlib
import hmac
import json
import uuid
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from akount import addresses, pages
from akount.accounts import Call, note
from akount.db import now
from akount.errors import Conflict, NotFound
from akount.models import Delivery, DeliveryStatus, Record, Webhook
from akount.pages import Position

MOST = 10
"""Webhooks of a tenant."""
PAUSES = [dt.timedelta(seconds=s) for s in (10, 60, 300, 1800, 7200, 21600, 43200, 86400)]
"""Before the second attempt, the third …; after the last the delivery has failed."""
LEASE = dt.timedelta(seconds=60)
"""A courier that has not reported for so long is dead: another takes its deliveries."""
KEPT = dt.timedelta(days=30)


class Event(enum.StrEnum):
    """What is told."""

    CREATED = "record.created"
    APPROVED = "record.approved"
    REJECTED = "record.rejected"


@dataclass(frozen=True, slots=True)
class Parcel:
    """A delivery in a courier's hands."""

    id: uuid.UUID
    webhook_id: uuid.UUID
    url: str
    generation: int
    body: bytes
    attempt: int


def secret_of(service_secret: str, webhook_id: uuid.UUID, generation: int) -> str:
    """The secret that a webhook's messages are signed with."""
    made = hmac.new(service_secret.encode(), f"webhook:{webhook_id}:{generation}".encode(), hashlib.sha256).digest()
    return f"whsec_{base64.b64encode(made).decode()}"


def signature(secret: str, message_id: uuid.UUID, at: int, body: bytes) -> str:
    """What the header says of a body that was sent at an instant (seconds since 1970)."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    made = hmac.new(key, f"{message_id}.{at}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(made).decode()}"


# --- the tenant's webhooks ---


def add(session: Session, call: Call, url: str, events: list[Event], *, private: bool) -> Webhook:
    """A new webhook. Raises Invalid for an address that is none of the internet's, Conflict for one too many."""
    addresses.require_public(url, private=private)
    if len(listed(session, call.actor.tenant)) >= MOST:
        raise Conflict(f"A tenant has at most {MOST} webhooks; remove one first.", code="too_many_webhooks")
    made = Webhook(tenant_id=call.actor.tenant, url=url, events=sorted(events), created_by=call.actor.name)
    session.add(made)
    session.flush()
    note(session, call, "webhook.add", f"webhook:{made.id}", ", ".join(made.events))
    return made


def listed(session: Session, tenant_id: uuid.UUID) -> list[Webhook]:
    """The webhooks of a tenant, oldest first."""
    mine = select(Webhook).where(Webhook.tenant_id == tenant_id, Webhook.removed_at.is_(None))
    return list(session.scalars(mine.order_by(Webhook.created_at)))


def find(session: Session, tenant_id: uuid.UUID, webhook_id: uuid.UUID) -> Webhook:
    """A webhook of the tenant, also one that was removed. Raises NotFound."""
    found = session.scalar(select(Webhook).where(Webhook.id == webhook_id, Webhook.tenant_id == tenant_id))
    if found is None:
        raise NotFound("There is no such webhook.")
    return found


def _listening(session: Session, call: Call, webhook_id: uuid.UUID) -> Webhook:
    """A webhook of the caller's tenant that is still told. Raises NotFound, Conflict."""
    found = find(session, call.actor.tenant, webhook_id)
    if found.removed_at is not None:
        raise Conflict("This webhook was removed; make another.", code="webhook_removed")
    return found


def rotate(session: Session, call: Call, webhook_id: uuid.UUID) -> Webhook:
    """From now on it is signed with another secret. Raises NotFound, Conflict."""
    found = _listening(session, call, webhook_id)
    found.generation += 1
    note(session, call, "webhook.rotate", f"webhook:{found.id}")
    return found


def remove(session: Session, call: Call, webhook_id: uuid.UUID) -> None:
    """Tells it nothing any more, not what was still to be told either. Twice does no harm. Raises NotFound."""
    found = find(session, call.actor.tenant, webhook_id)
    if found.removed_at is not None:
        return
    found.removed_at = now()
    waiting = update(Delivery).where(Delivery.webhook_id == found.id, Delivery.status == DeliveryStatus.PENDING)
    session.execute(waiting.values(status=DeliveryStatus.FAILED, last_error="The webhook was removed.", ended_at=now()))
    note(session, call, "webhook.remove", f"webhook:{webhook_id}")


def deliveries(session: Session, webhook: Webhook, after: Position | None, limit: int) -> tuple[list[Delivery], bool]:
    """A page of what it was told, the latest first, and whether there is more."""
    query = select(Delivery).where(Delivery.webhook_id == webhook.id)
    found = list(session.scalars(pages.page(query, Delivery, after, limit)))
    return found[:limit], len(found) > limit


# --- what is to be told ---


def tell(session: Session, event: Event, record: Record) -> None:
    """Notes what the tenant's webhooks are to be told, in the transaction of the deed."""
    for webhook in listed(session, record.tenant_id):
        if event in webhook.events:
            session.add(
                Delivery(tenant_id=record.tenant_id, webhook_id=webhook.id, event=event, record_id=record.id, body=_body(record))
            )


def tell_by_id(session: Session, event: Event, tenant_id: uuid.UUID, record_id: uuid.UUID) -> None:
    """The same of a record that this session does not follow: it is looked at only where somebody is to be told."""
    if listed(session, tenant_id):
        tell(session, event, session.get_one(Record, record_id))


def _body(record: Record) -> dict[str, Any]:
    return {
        "recordId": str(record.id),
        "kind": record.kind,
        "status": record.status.value,
        "documentId": str(record.document_id),
        "entityId": str(record.entity_id),
    }


def are_due(session: Session) -> bool:
    """Whether anything is to be told now."""
    waiting = select(Delivery.id).where(Delivery.status == DeliveryStatus.PENDING, Delivery.due_at <= now())
    return session.scalar(waiting.limit(1)) is not None


def take(session: Session, limit: int) -> list[Parcel]:
    """Deliveries that are due, for one courier alone: another takes them only when this one has not reported in time."""
    at = now()
    waiting = select(Delivery.id).where(Delivery.status == DeliveryStatus.PENDING, Delivery.due_at <= at)
    free = session.scalars(waiting.order_by(Delivery.due_at).limit(limit).with_for_update(skip_locked=True)).all()
    if not free:
        return []
    leased = update(Delivery).where(Delivery.id.in_(free)).values(due_at=at + LEASE, attempts=Delivery.attempts + 1)
    session.execute(leased)
    both = select(Delivery, Webhook).join(Webhook, Webhook.id == Delivery.webhook_id).where(Delivery.id.in_(free))
    return [_parcel(delivery, webhook) for delivery, webhook in session.execute(both.order_by(Delivery.created_at))]


def _parcel(delivery: Delivery, webhook: Webhook) -> Parcel:
    stamp = delivery.created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    said = {"type": delivery.event, "timestamp": stamp, "data": delivery.body}
    body = json.dumps(said, separators=(",", ":")).encode()
    return Parcel(delivery.id, webhook.id, webhook.url, webhook.generation, body, delivery.attempts)


def settle(session: Session, parcel: Parcel, status: int | None, error: str) -> DeliveryStatus:
    """How an attempt went: an answer of 2xx is well, everything else is tried again, after the last pause no more."""
    well = status is not None and 200 <= status < 300
    again = not well and parcel.attempt <= len(PAUSES)
    outcome = DeliveryStatus.DELIVERED if well else DeliveryStatus.PENDING if again else DeliveryStatus.FAILED
    values: dict[str, Any] = {"status": outcome, "last_status": status, "last_error": error[:300] or None}
    values |= {"due_at": now() + PAUSES[parcel.attempt - 1]} if again else {"ended_at": now()}
    session.execute(update(Delivery).where(Delivery.id == parcel.id).values(**values))
    return outcome


def retry(session: Session, call: Call, webhook_id: uuid.UUID, delivery_id: uuid.UUID) -> Delivery:
    """Tells it again, from the first attempt on. Raises NotFound, Conflict for what is still being told."""
    webhook = _listening(session, call, webhook_id)
    found = session.scalar(select(Delivery).where(Delivery.id == delivery_id, Delivery.webhook_id == webhook.id).with_for_update())
    if found is None:
        raise NotFound("There is no such delivery.")
    if found.status is DeliveryStatus.PENDING:
        raise Conflict("This is still being told; wait for its outcome.", code="wrong_status")
    found.status, found.attempts, found.due_at, found.ended_at = DeliveryStatus.PENDING, 0, now(), None
    note(session, call, "webhook.retry", f"webhook:{webhook.id}", str(delivery_id))
    return found


def forget(session: Session) -> int:
    """Removes what was told long ago. Answers how much."""
    old = delete(Delivery).where(Delivery.ended_at < now() - KEPT)
    return session.execute(old).rowcount or 0  # type: ignore[attr-defined]
