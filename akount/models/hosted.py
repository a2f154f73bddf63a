"""Other people's engines: what a tenant agreed to, and what it spent."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from akount.db import now
from akount.models.base import Base, new_id, of_tenant, partial_index

_OPEN = "ended_at IS NULL"


class HostedPolicy(Base):
    """Whether and how documents of a tenant are shown to a hosted engine (hosted/policies.py); no row: never."""

    __tablename__ = "hosted_policies"
    tenant_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    engine: Mapped[str] = mapped_column(String(40))
    strategy: Mapped[str] = mapped_column(String(20))
    "never, below or always"
    threshold: Mapped[int]
    "below: documents that were read with less confidence"
    masks: Mapped[list[Any]]
    "what is masked before anything is sent, see extraction/redaction.py"
    budget: Mapped[int] = mapped_column(BigInteger)
    "of a month, in millionths of a US dollar"
    changed_at: Mapped[dt.datetime] = mapped_column(default=now, onupdate=now)


class HostedSpending(Base):
    """What a tenant has spent on hosted engines in a month, and what is set aside for calls that run."""

    __tablename__ = "hosted_spending"
    tenant_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    month: Mapped[str] = mapped_column(String(7), primary_key=True)
    "as 2025-03, in UTC"
    spent: Mapped[int] = mapped_column(BigInteger, default=0)
    "in millionths of a US dollar, as the next"
    reserved: Mapped[int] = mapped_column(BigInteger, default=0)


class HostedCall(Base):
    """A document that was shown to a hosted engine: by hash and size, never by content."""

    __tablename__ = "hosted_calls"
    __table_args__ = (partial_index("ix_hosted_calls_running", "engine", "expires_at", where=_OPEN),)
    id: Mapped[uuid.UUID] = new_id()
    tenant_id: Mapped[uuid.UUID] = of_tenant()
    job_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("jobs.id"), index=True)
    engine: Mapped[str] = mapped_column(String(40))
    model: Mapped[str] = mapped_column(String(100))
    sent_sha256: Mapped[str] = mapped_column(String(64))
    "of the body of the request"
    sent_bytes: Mapped[int] = mapped_column(BigInteger)
    reserved: Mapped[int] = mapped_column(BigInteger)
    cost: Mapped[int | None] = mapped_column(BigInteger)
    "in millionths of a US dollar; none: it runs, or its worker died and the reservation stands"
    outcome: Mapped[str | None] = mapped_column(String(40))
    "answered, or the code of why there was no answer"
    started_at: Mapped[dt.datetime] = mapped_column(default=now)
    expires_at: Mapped[dt.datetime]
    "by then it is over, whatever became of its worker"
    ended_at: Mapped[dt.datetime | None]


class HostedBreaker(Base):
    """How a hosted engine has answered of late: after failures in a row it is left alone (hosted/gate.py)."""

    __tablename__ = "hosted_breakers"
    engine: Mapped[str] = mapped_column(String(40), primary_key=True)
    failures: Mapped[int] = mapped_column(default=0)
    "in a row"
    open_until: Mapped[dt.datetime | None]
    "none: calls are made; past: one call is made to see"
    calls: Mapped[int] = mapped_column(BigInteger, default=0)
    "calls that were let through; who counts holds the row, so one looks after the other"
