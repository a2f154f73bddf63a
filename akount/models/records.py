"""What came of documents: records, their lines and corrections, counterparties, lessons, decisions."""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from akount.db import now
from akount.models.base import Base, enumeration, new_id, of_tenant, partial_index

_REVIEW = "status IN ('needs_review', 'manual_entry')"


class RecordStatus(enum.StrEnum):
    """Where a record stands on its way into the books."""

    DRAFT = "draft"  # made without review: confident, all checks passed, consented
    NEEDS_REVIEW = "needs_review"  # a person must look
    MANUAL_ENTRY = "manual_entry"  # too little was found: a person enters it
    APPROVED = "approved"
    REJECTED = "rejected"


class Counterparty(Base):
    """Who a document is from (vendor) or for (client), per entity."""

    __tablename__ = "counterparties"
    __table_args__ = (
        UniqueConstraint("entity_id", "role", "name_key", "distinct_by"),
        UniqueConstraint("entity_id", "role", "tax_id"),
        Index("ix_counterparties_name", "tenant_id", "name_key", postgresql_ops={"name_key": "text_pattern_ops"}),
    )
    id: Mapped[uuid.UUID] = new_id()
    tenant_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("tenants.id"))
    entity_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("entities.id"))
    role: Mapped[str] = mapped_column(String(20))
    "vendor or client, from the kind"
    name: Mapped[str] = mapped_column(String(300))
    name_key: Mapped[str] = mapped_column(String(300))
    "the name folded: case, accents, punctuation and legal form gone"
    distinct_by: Mapped[str] = mapped_column(String(40), default="")
    "the tax id or IBAN of one that has the name of another and is not the same; empty for the first of a name"
    tax_id: Mapped[str | None] = mapped_column(String(40))
    "capitals and digits"
    suspicion: Mapped[str | None] = mapped_column(Text)
    "why it may be a fraud, until a person approves a record of it"
    created_at: Mapped[dt.datetime] = mapped_column(default=now)


class CounterpartyAccount(Base):
    """A bank account of a counterparty; its role and entity stand here too, so that an account has one owner there."""

    __tablename__ = "counterparty_accounts"
    __table_args__ = (UniqueConstraint("entity_id", "role", "iban"),)
    id: Mapped[uuid.UUID] = new_id()
    tenant_id: Mapped[uuid.UUID] = of_tenant()
    counterparty_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("counterparties.id"), index=True)
    entity_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("entities.id"))
    role: Mapped[str] = mapped_column(String(20))
    iban: Mapped[str] = mapped_column(String(40))
    "capitals and digits"
    created_at: Mapped[dt.datetime] = mapped_column(default=now)


class Lesson(Base):
    """What a correction has taught about documents of a counterparty, for one tenant (lessons.py)."""

    __tablename__ = "lessons"
    __table_args__ = (UniqueConstraint("tenant_id", "role", "sort", "key", "field"),)
    id: Mapped[uuid.UUID] = new_id()
    tenant_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("tenants.id"))
    role: Mapped[str] = mapped_column(String(20))
    sort: Mapped[str] = mapped_column(String(20))
    "what the counterparty is recognised by: name, tax_id or iban"
    key: Mapped[str] = mapped_column(String(300))
    field: Mapped[str] = mapped_column(String(20))
    "name, tax_id, currency or date_order"
    machine: Mapped[str | None] = mapped_column(Text)
    "what the machine had found"
    value: Mapped[str] = mapped_column(Text)
    record_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("records.id"), index=True)
    "the approved record that taught it"
    updated_at: Mapped[dt.datetime] = mapped_column(default=now)


class Record(Base):
    """The bill or invoice that came of a document. Amounts are minor units of `currency`; credits are negative."""

    __tablename__ = "records"
    __table_args__ = (
        Index("ix_records_list", "tenant_id", "kind", "created_at"),
        partial_index("ix_records_review", "tenant_id", "created_at", where=_REVIEW),
        Index("ix_records_party", "counterparty_id", "created_at"),
        Index("ix_records_number", "tenant_id", "number", postgresql_ops={"number": "text_pattern_ops"}),
    )
    id: Mapped[uuid.UUID] = new_id()
    tenant_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("tenants.id"))
    entity_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("entities.id"), index=True)
    document_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("documents.id"), index=True)
    job_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("jobs.id"), unique=True)
    "unique: the second guard, behind the fence, against booking a document twice"
    kind: Mapped[str] = mapped_column(String(20))
    status: Mapped[RecordStatus] = mapped_column(enumeration(RecordStatus))
    counterparty_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("counterparties.id"))
    duplicate_of: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("records.id"), index=True)
    "an older record that looks like the same document"
    counterparty_name: Mapped[str | None] = mapped_column(String(300))
    counterparty_tax_id: Mapped[str | None] = mapped_column(String(40))
    iban: Mapped[str | None] = mapped_column(String(40))
    number: Mapped[str | None] = mapped_column(String(200))
    date: Mapped[dt.date | None]
    due_date: Mapped[dt.date | None]
    currency: Mapped[str | None] = mapped_column(String(3))
    subtotal: Mapped[int | None] = mapped_column(BigInteger)
    tax_amount: Mapped[int | None] = mapped_column(BigInteger)
    total_amount: Mapped[int | None] = mapped_column(BigInteger)
    amount_due: Mapped[int | None] = mapped_column(BigInteger)
    credit_note: Mapped[bool] = mapped_column(Boolean, default=False)
    tax_breakdown: Mapped[list[Any]]
    payment_terms: Mapped[dict[str, Any] | None]
    confidence: Mapped[int]
    field_confidence: Mapped[dict[str, Any]]
    evidence: Mapped[dict[str, Any]]
    checks: Mapped[list[Any]]
    warnings: Mapped[list[Any]]
    learned: Mapped[dict[str, Any] | None]
    "a field → what the machine had found where an earlier correction knew better, and the record that taught it"
    engine: Mapped[str] = mapped_column(String(40))
    model_version: Mapped[str] = mapped_column(String(100))
    reviewed_by: Mapped[str | None] = mapped_column(String(80))
    "who approved or rejected it"
    reviewed_at: Mapped[dt.datetime | None]
    review_reason: Mapped[str | None] = mapped_column(Text)
    version: Mapped[int] = mapped_column(BigInteger, default=1)
    "grows with every change: the ETag"
    created_at: Mapped[dt.datetime] = mapped_column(default=now)
    updated_at: Mapped[dt.datetime] = mapped_column(default=now)
    lines: Mapped[list[RecordLine]] = relationship(order_by="RecordLine.position")
    corrections: Mapped[list[Correction]] = relationship(order_by="Correction.created_at")


class RecordLine(Base):
    """One position of a record."""

    __tablename__ = "record_lines"
    id: Mapped[uuid.UUID] = new_id()
    record_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("records.id"), index=True)
    position: Mapped[int]
    description: Mapped[str] = mapped_column(Text)
    quantity: Mapped[Decimal | None]
    unit_price: Mapped[Decimal | None]
    "in major units: it may be finer than the currency"
    amount: Mapped[int | None] = mapped_column(BigInteger)
    tax_amount: Mapped[int | None] = mapped_column(BigInteger)
    tax_rate: Mapped[Decimal | None]
    evidence: Mapped[dict[str, Any] | None]
    "where the machine found it"


class Correction(Base):
    """A value of a record that a person changed: what stood there, what stands there since. The machine's evidence stays."""

    __tablename__ = "corrections"
    id: Mapped[uuid.UUID] = new_id()
    tenant_id: Mapped[uuid.UUID] = of_tenant()
    record_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("records.id"), index=True)
    field: Mapped[str] = mapped_column(String(40))
    "as the API calls it"
    before: Mapped[dict[str, Any]]
    after: Mapped[dict[str, Any]]
    'each `{"value": …}` as the API shows it'
    actor: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[dt.datetime] = mapped_column(default=now)


class Decision(Base):
    """What the machine decided about a document, and on what grounds (S7)."""

    __tablename__ = "decisions"
    __table_args__ = (Index("ix_decisions_log", "tenant_id", "created_at"),)
    id: Mapped[uuid.UUID] = new_id()
    tenant_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("tenants.id"))
    job_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("jobs.id"), index=True)
    document_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("documents.id"), index=True)
    record_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("records.id"), index=True)
    "none: the record went with its document"
    input_hash: Mapped[str] = mapped_column(String(64))
    engine: Mapped[str] = mapped_column(String(40))
    engine_version: Mapped[str] = mapped_column(String(100))
    confidence: Mapped[int]
    extracted: Mapped[dict[str, Any]]
    routing: Mapped[str] = mapped_column(String(40))
    reason: Mapped[str] = mapped_column(Text)
    consent: Mapped[dict[str, Any]]
    duration_ms: Mapped[int]
    cost: Mapped[int] = mapped_column(BigInteger, default=0)
    "in millionths of a US dollar; 0 for local engines"
    created_at: Mapped[dt.datetime] = mapped_column(default=now)
