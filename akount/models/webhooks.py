"""Who is told of what happens, and what they were told."""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from akount.db import now
from akount.models.base import Base, enumeration, new_id, of_tenant, partial_index

_PENDING = "status = 'pending'"


class DeliveryStatus(enum.StrEnum):
    """Where a message to a webhook stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"  # after the last attempt


class Webhook(Base):
    """An address of a tenant's own system that is told of records (webhooks.py)."""

    __tablename__ = "webhooks"
    id: Mapped[uuid.UUID] = new_id()
    tenant_id: Mapped[uuid.UUID] = of_tenant()
    url: Mapped[str] = mapped_column(Text)
    events: Mapped[list[Any]]
    generation: Mapped[int] = mapped_column(default=1)
    "grows with each new secret"
    secret: Mapped[str | None] = mapped_column(Text)
    "what its messages are signed with, sealed (sealing.py); None: it was made when secrets were derived from SECRET_KEY"
    previous_secret: Mapped[str | None] = mapped_column(Text)
    previous_until: Mapped[dt.datetime | None]
    "until then its messages are signed with the secret before as well"
    created_by: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[dt.datetime] = mapped_column(default=now)
    paused_at: Mapped[dt.datetime | None]
    "what it is to be told is held back"
    removed_at: Mapped[dt.datetime | None]
    "it is told nothing any more; what it was told can still be looked at"


class Delivery(Base):
    """A message to a webhook, and how far it is."""

    __tablename__ = "deliveries"
    __table_args__ = (
        partial_index("ix_deliveries_due", "due_at", where=_PENDING),
        Index("ix_deliveries_list", "webhook_id", "created_at"),
    )
    id: Mapped[uuid.UUID] = new_id()
    tenant_id: Mapped[uuid.UUID] = of_tenant()
    webhook_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("webhooks.id"))
    event: Mapped[str] = mapped_column(String(40))
    record_id: Mapped[uuid.UUID]
    "which may be gone by now"
    body: Mapped[dict[str, Any]]
    status: Mapped[DeliveryStatus] = mapped_column(enumeration(DeliveryStatus), default=DeliveryStatus.PENDING)
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[dt.datetime] = mapped_column(default=now)
    "when it is tried next; while a courier has it, when another may take it; HELD while its webhook is paused"
    last_status: Mapped[int | None]
    last_error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[dt.datetime] = mapped_column(default=now)
    ended_at: Mapped[dt.datetime | None]
