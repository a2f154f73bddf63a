"""Webhooks: a tenant's own system is told when a record is made, approved or rejected.

What is to be told is written in the transaction of the deed itself (an outbox), so that nothing is told that was not done and
nothing done that is not told; `tasks.courier` carries it out, again and again at growing pauses, for two days. A message has ids
and no content of a document: who gets it asks the API. It is signed with the webhook's own secret, as Standard Webhooks has it
(`webhook-id`, `webhook-timestamp`, `webhook-signature`). The secret is random, shown once, and kept sealed; the one before it signs
along for a while.
"""

from __future__ import annotations

import base64
import datetime as dt
import enum
import hashlib
import hmac
import json
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, delete, or_, select, update
from sqlalchemy.orm import Session

from akount import addresses, instants, logs, pages
from akount.accounts import Call, note
from akount.db import now
from akount.errors import Conflict, NotFound
from akount.models import Delivery, DeliveryStatus, Record, Tenant, Webhook
from akount.pages import Position
from akount.sealing import NotOurs, Seal

log = logs.get(__name__)

PREFIX = "whsec_"
MOST = 10
"""Webhooks of a tenant."""
PAUSES = [dt.timedelta(seconds=s) for s in (10, 60, 300, 1800, 7200, 21600, 43200, 86400)]
"""Before the second attempt, the third …; after the last the delivery has failed."""
LEASE = dt.timedelta(seconds=60)
"""A courier that has not reported for so long is dead: another takes its deliveries."""
KEPT = dt.timedelta(days=30)
HELD = dt.datetime(9999, 1, 1, tzinfo=dt.UTC)
"""When what is held back is told: not before its webhook goes on."""


class Event(enum.StrEnum):
    """What is told."""

    CREATED = "record.created"
    APPROVED = "record.approved"
    REJECTED = "record.rejected"


@dataclass(frozen=True, slots=True)
class Latest:
    """A webhook as a line of the list: whose it is, and what it was told last."""

    webhook: Webhook
    tenant: str
    last: Delivery | None


@dataclass(frozen=True, slots=True)
class Parcel:
    """A delivery in a courier's hands."""

    id: uuid.UUID
    webhook_id: uuid.UUID
    url: str
    sealed: tuple[str, ...]
    "the secrets it is signed with"
    body: bytes
    attempt: int


def signatures(with_: Sequence[str], message_id: uuid.UUID, at: int, body: bytes) -> str:
    """What the header says of a body that was sent at an instant (seconds since 1970): one for each secret."""
    keys = [base64.b64decode(secret.removeprefix(PREFIX)) for secret in with_]
    made = [hmac.new(key, f"{message_id}.{at}.".encode() + body, hashlib.sha256).digest() for key in keys]
    return " ".join(f"v1,{base64.b64encode(one).decode()}" for one in made)


def _written(key: bytes) -> str:
    return PREFIX + base64.b64encode(key).decode()


def _kept(webhook: Webhook, seal: Seal) -> str:
    """The sealed secret. One that was derived from SECRET_KEY, as all once were, is kept from now on."""
    if webhook.secret is None:
        webhook.secret = seal.close(_written(seal.derived(f"webhook:{webhook.id}:{webhook.generation}")))
    return webhook.secret


# --- the tenant's webhooks ---


def add(session: Session, call: Call, seal: Seal, url: str, events: list[Event], *, private: bool) -> tuple[Webhook, str]:
    """A new webhook and, this once, its secret. Raises Invalid for an address that is none of the internet's, Conflict for
    one too many."""
    addresses.require_public(url, private=private)
    if len(listed(session, call.actor.tenant)) >= MOST:
        raise Conflict(f"A tenant has at most {MOST} webhooks; remove one first.", code="too_many_webhooks")
    made, secret = Webhook(tenant_id=call.actor.tenant, url=url, events=sorted(events), created_by=call.actor.name), _new_secret()
    made.secret = seal.close(secret)
    session.add(made)
    session.flush()
    note(session, call, "webhook.add", f"webhook:{made.id}", ", ".join(made.events))
    return made, secret


def _new_secret() -> str:
    return _written(secrets.token_bytes(32))


def listed(session: Session, tenant_id: uuid.UUID) -> list[Webhook]:
    """The webhooks of a tenant, oldest first."""
    mine = select(Webhook).where(Webhook.tenant_id == tenant_id, Webhook.removed_at.is_(None))
    return list(session.scalars(mine.order_by(Webhook.created_at)))


def latest(session: Session, tenant_id: uuid.UUID | None, after: Position | None, limit: int) -> tuple[list[Latest], bool]:
    """A page of the webhooks of a tenant, or of all, the newest first, and whether there are more. One question."""
    of_it = select(Delivery.id).where(Delivery.webhook_id == Webhook.id).order_by(Delivery.created_at.desc()).limit(1)
    last = of_it.correlate(Webhook).scalar_subquery()
    query = select(Webhook, Tenant.name, Delivery).join(Tenant, Tenant.id == Webhook.tenant_id)
    query = query.outerjoin(Delivery, Delivery.id == last).where(Webhook.removed_at.is_(None))
    query = query if tenant_id is None else query.where(Webhook.tenant_id == tenant_id)
    rows = [Latest(*row) for row in session.execute(pages.page(query, Webhook, after, limit))]
    return rows[:limit], len(rows) > limit


def find(session: Session, tenant_id: uuid.UUID | None, webhook_id: uuid.UUID, *, lock: bool = False) -> Webhook:
    """A webhook of the tenant, or of any, also one that was removed. Raises NotFound."""
    mine = select(Webhook).where(Webhook.id == webhook_id)
    mine = mine if tenant_id is None else mine.where(Webhook.tenant_id == tenant_id)
    found = session.scalar(mine.with_for_update() if lock else mine)
    if found is None:
        raise NotFound("There is no such webhook.")
    return found


def _listening(session: Session, call: Call, webhook_id: uuid.UUID) -> Webhook:
    """A webhook of the caller's tenant that is still told. Raises NotFound, Conflict."""
    found = find(session, call.actor.tenant, webhook_id, lock=True)
    if found.removed_at is not None:
        raise Conflict("This webhook was removed; make another.", code="webhook_removed")
    return found


def rotate(session: Session, call: Call, seal: Seal, webhook_id: uuid.UUID, overlap: dt.timedelta) -> tuple[Webhook, str]:
    """From now on it is signed with another secret, told this once; for so long with the one before as well, so that who
    is told can change over. Raises NotFound, Conflict."""
    found, secret = _listening(session, call, webhook_id), _new_secret()
    until = now() + overlap if overlap else None
    found.previous_secret, found.previous_until = (_kept(found, seal), until) if until else (None, None)
    found.secret = seal.close(secret)
    found.generation += 1
    said = f"the one before until {until:%Y-%m-%d %H:%M} UTC" if until else "the one before ends at once"
    note(session, call, "webhook.rotate", f"webhook:{found.id}", said)
    return found, secret


def pause(session: Session, call: Call, webhook_id: uuid.UUID) -> Webhook:
    """Holds back what it is to be told until it goes on. Raises NotFound, Conflict when it is paused."""
    found = _listening(session, call, webhook_id)
    if found.paused_at is not None:
        raise Conflict("This webhook is paused already.", code="wrong_status")
    found.paused_at = now()
    _put_off(session, found, HELD)
    note(session, call, "webhook.pause", f"webhook:{found.id}")
    return found


def resume(session: Session, call: Call, webhook_id: uuid.UUID) -> Webhook:
    """Tells it what was held back, and goes on. Raises NotFound, Conflict when it is not paused."""
    found = _listening(session, call, webhook_id)
    if found.paused_at is None:
        raise Conflict("This webhook is not paused.", code="wrong_status")
    found.paused_at = None
    _put_off(session, found, now())
    note(session, call, "webhook.resume", f"webhook:{found.id}")
    return found


def _put_off(session: Session, webhook: Webhook, until: dt.datetime) -> None:
    waiting = update(Delivery).where(Delivery.webhook_id == webhook.id, Delivery.status == DeliveryStatus.PENDING)
    session.execute(waiting.values(due_at=until))


def remove(session: Session, call: Call, webhook_id: uuid.UUID, reason: str = "") -> None:
    """Tells it nothing any more, not what was still to be told either. Twice does no harm. Raises NotFound."""
    found = find(session, call.actor.tenant, webhook_id)
    if found.removed_at is not None:
        return
    found.removed_at = now()
    found.secret = found.previous_secret = found.previous_until = None
    waiting = update(Delivery).where(Delivery.webhook_id == found.id, Delivery.status == DeliveryStatus.PENDING)
    session.execute(waiting.values(status=DeliveryStatus.FAILED, last_error="The webhook was removed.", ended_at=now()))
    note(session, call, "webhook.remove", f"webhook:{webhook_id}", reason)


def deliveries(
    session: Session, webhook: Webhook, after: Position | None, limit: int, status: DeliveryStatus | None = None
) -> tuple[list[Delivery], bool]:
    """A page of what it was told, the latest first, and whether there is more."""
    query = select(Delivery).where(Delivery.webhook_id == webhook.id)
    query = query if status is None else query.where(Delivery.status == status)
    found = list(session.scalars(pages.page(query, Delivery, after, limit)))
    return found[:limit], len(found) > limit


# --- what is to be told ---


def tell(session: Session, event: Event, record: Record) -> None:
    """Notes what the tenant's webhooks are to be told, in the transaction of the deed."""
    for webhook in listed(session, record.tenant_id):
        if event in webhook.events:
            due = HELD if webhook.paused_at else now()
            mine = {"tenant_id": record.tenant_id, "webhook_id": webhook.id, "record_id": record.id}
            session.add(Delivery(**mine, event=event, body=_body(record), due_at=due))


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


def take(session: Session, seal: Seal, limit: int) -> list[Parcel]:
    """Deliveries that are due, for one courier alone: another takes them only when this one has not reported in time."""
    at = now()
    waiting = select(Delivery.id).where(Delivery.status == DeliveryStatus.PENDING, Delivery.due_at <= at)
    free = session.scalars(waiting.order_by(Delivery.due_at).limit(limit).with_for_update(skip_locked=True)).all()
    if not free:
        return []
    leased = update(Delivery).where(Delivery.id.in_(free)).values(due_at=at + LEASE, attempts=Delivery.attempts + 1)
    session.execute(leased)
    both = select(Delivery, Webhook).join(Webhook, Webhook.id == Delivery.webhook_id).where(Delivery.id.in_(free))
    return [_parcel(delivery, webhook, seal) for delivery, webhook in session.execute(both.order_by(Delivery.created_at))]


def _parcel(delivery: Delivery, webhook: Webhook, seal: Seal) -> Parcel:
    said = {"type": delivery.event, "timestamp": instants.iso(delivery.created_at), "data": delivery.body}
    body = json.dumps(said, separators=(",", ":")).encode()
    sealed = [_kept(webhook, seal)]
    if webhook.previous_secret and webhook.previous_until and webhook.previous_until > now():
        sealed.append(webhook.previous_secret)
    return Parcel(delivery.id, webhook.id, webhook.url, tuple(sealed), body, delivery.attempts)


def settle(session: Session, parcel: Parcel, status: int | None, error: str) -> DeliveryStatus:
    """How an attempt went: an answer of 2xx is well, everything else is tried again, after the last pause no more."""
    well = status is not None and 200 <= status < 300
    again = not well and parcel.attempt <= len(PAUSES)
    outcome = DeliveryStatus.DELIVERED if well else DeliveryStatus.PENDING if again else DeliveryStatus.FAILED
    values: dict[str, Any] = {"status": outcome, "last_status": status, "last_error": error[:300] or None}
    values |= {"due_at": _again_at(session, parcel)} if again else {"ended_at": now()}
    mine = (Delivery.id == parcel.id, Delivery.status == DeliveryStatus.PENDING)  # or its webhook was removed meanwhile
    session.execute(update(Delivery).where(*mine).values(**values))
    return outcome


def _again_at(session: Session, parcel: Parcel) -> dt.datetime:
    paused = session.scalar(select(Webhook.paused_at).where(Webhook.id == parcel.webhook_id))
    return HELD if paused else now() + PAUSES[parcel.attempt - 1]


def retry(session: Session, call: Call, webhook_id: uuid.UUID, delivery_id: uuid.UUID) -> Delivery:
    """Tells it again, from the first attempt on. Raises NotFound, Conflict for what is still being told."""
    webhook = _listening(session, call, webhook_id)
    found = session.scalar(select(Delivery).where(Delivery.id == delivery_id, Delivery.webhook_id == webhook.id).with_for_update())
    if found is None:
        raise NotFound("There is no such delivery.")
    if found.status is DeliveryStatus.PENDING:
        raise Conflict("This is still being told; wait for its outcome.", code="wrong_status")
    due = HELD if webhook.paused_at else now()
    found.status, found.attempts, found.due_at, found.ended_at = DeliveryStatus.PENDING, 0, due, None
    note(session, call, "webhook.retry", f"webhook:{webhook.id}", str(delivery_id))
    return found


def forget(session: Session) -> int:
    """Removes what was told long ago, or was held back as long. Answers how much."""
    before = now() - KEPT
    held = and_(Delivery.status == DeliveryStatus.PENDING, Delivery.due_at == HELD, Delivery.created_at < before)
    old = delete(Delivery).where(or_(Delivery.ended_at < before, held))
    return session.execute(old).rowcount or 0  # type: ignore[attr-defined]


def renew_secrets(session: Session, seal: Seal) -> int:
    """Seals anew what was sealed with an earlier SECRET_KEY, so that it may be forgotten. Answers how many webhooks cannot be
    signed for any more."""
    lost = 0
    for webhook in session.scalars(select(Webhook).where(Webhook.removed_at.is_(None))):
        if webhook.previous_until is not None and webhook.previous_until < now():
            webhook.previous_secret = webhook.previous_until = None
        try:
            webhook.secret = seal.renew(_kept(webhook, seal))
            webhook.previous_secret = webhook.previous_secret and seal.renew(webhook.previous_secret)
        except NotOurs as error:
            lost += 1
            log.warning("webhook cannot be signed for", code=error.code, webhook=str(webhook.id))
    return lost
