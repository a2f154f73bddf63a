"""What came in and what is to be read: documents and the lines of the ledger."""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from typing import Any

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from akount.db import now
from akount.models.base import Base, enumeration, new_id, partial_index

_CLAIMABLE = "status IN ('waiting', 'delayed')"
_ACTIVE = "status = 'active'"
_KEPT = "status IN ('completed', 'failed', 'cancelled') AND archived_at IS NULL"
_DELAYED = "status = 'delayed'"
_DEAD = "status = 'failed' AND discarded_at IS NULL"


class JobStatus(enum.StrEnum):
    """Where a job stands. docs/states.md has the picture and a sentence for each arrow."""

    WAITING = "waiting"  # may be claimed
    ACTIVE = "active"  # a worker holds it, until lease_until
    DELAYED = "delayed"  # may be claimed from run_at on: an attempt failed for a passing reason
    COMPLETED = "completed"  # its record is written
    FAILED = "failed"  # a dead letter: permanent error, or out of attempts
    CANCELLED = "cancelled"  # a person took it back


IN_LINE = (JobStatus.WAITING, JobStatus.DELAYED)
TERMINAL = (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)


def _small_filename(context: Any) -> str:
    return str(context.get_current_parameters()["filename"]).lower()[:255]


class Document(Base):
    """A file somebody sent, and its kind."""

    __tablename__ = "documents"
    __table_args__ = (
        UniqueConstraint("tenant_id", "entity_id", "kind", "sha256"),
        Index("ix_documents_name", "tenant_id", "filename_key", postgresql_ops={"filename_key": "text_pattern_ops"}),
        Index("ix_documents_sha256", "sha256"),
    )
    id: Mapped[uuid.UUID] = new_id()
    tenant_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("tenants.id"))
    entity_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("entities.id"), index=True)
    kind: Mapped[str] = mapped_column(String(20))
    filename: Mapped[str] = mapped_column(String(255))
    "as the sender named it, cleaned; for people only, never a path"
    filename_key: Mapped[str] = mapped_column(String(255), default=_small_filename)
    "the same in small letters, to be found by"
    media_type: Mapped[str] = mapped_column(String(40))
    "found from the content"
    size: Mapped[int] = mapped_column(BigInteger)
    "bytes that are stored"
    sha256: Mapped[str] = mapped_column(String(64))
    "of what was sent: the same bytes are the same document"
    stored_sha256: Mapped[str | None] = mapped_column(String(64))
    "of what is stored, where that is less: a photo without its metadata"
    storage_key: Mapped[str] = mapped_column(String(200), unique=True)
    uploaded_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"), index=True)
    hosted_engines: Mapped[bool] = mapped_column(Boolean, default=False, server_default=text("false"))
    "whether the uploader, when it came, consented to hosted engines"
    created_at: Mapped[dt.datetime] = mapped_column(default=now)
    erased_at: Mapped[dt.datetime | None]
    "the file and what was read are gone, at somebody's wish; this line is the tombstone, without name and checksum"
    erased_by: Mapped[str | None] = mapped_column(String(80))

    @property
    def checksum(self) -> str:
        """What the stored file is checked against."""
        return self.stored_sha256 or self.sha256


class Job(Base):
    """One line of the ledger: this document is to be read. Moved only by ledger.py."""

    __tablename__ = "jobs"
    __table_args__ = (
        partial_index("ix_jobs_next", "queue", "priority", "turn", "run_at", where=_CLAIMABLE),
        # whole: what waits is counted by tenant without a look at the rows
        partial_index("ix_jobs_turn", "queue", "tenant_id", "turn", "run_at", where=_CLAIMABLE),
        # not about lease_until: a beat changes it, and what changes no indexed column costs a fifth
        partial_index("ix_jobs_active", "started_at", where=_ACTIVE),
        partial_index("ix_jobs_kept", "queue", "status", "finished_at", "tenant_id", where=_KEPT),
        partial_index("ix_jobs_due", "queue", "run_at", where=_CLAIMABLE),
        Index("ix_jobs_created", "created_at", "id"),
        Index("ix_jobs_tenant", "tenant_id", "created_at", "id"),
        partial_index("ix_jobs_dead", "tenant_id", "finished_at", "id", where=_DEAD),
        # whole: the groups of failures are counted without a look at the rows
        partial_index(
            "ix_jobs_failed",
            "finished_at",
            "fingerprint",
            "tenant_id",
            "queue",
            where=_DEAD,
        ),
        partial_index("ix_jobs_group", "fingerprint", "finished_at", "id", where=_DEAD),
        partial_index("ix_jobs_delayed", "fingerprint", "tenant_id", "queue", where=_DELAYED),
    )
    id: Mapped[uuid.UUID] = new_id()
    tenant_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("tenants.id"))
    document_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("documents.id"), unique=True)
    queue: Mapped[str] = mapped_column(String(40))
    kind: Mapped[str] = mapped_column(String(20))
    status: Mapped[JobStatus] = mapped_column(enumeration(JobStatus), default=JobStatus.WAITING)
    priority: Mapped[int] = mapped_column(Integer, default=0)
    "the lower, the sooner: see backlog.Priority"
    turn: Mapped[int] = mapped_column(BigInteger, default=0)
    "its place in line among jobs of the same priority; tenants take turns, see ledger.enter"
    progress: Mapped[int] = mapped_column(Integer, default=0)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    "counted attempts, the running one included; one that was given back at a shutdown does not count"
    max_attempts: Mapped[int] = mapped_column(Integer)
    fence: Mapped[int] = mapped_column(BigInteger, default=0)
    "how often it was claimed: a worker whose number is not this one no longer holds the job"
    worker: Mapped[str | None] = mapped_column(String(200))
    "who holds it: host:process:start, see ledger.worker_name"
    run_at: Mapped[dt.datetime] = mapped_column(default=now)
    "not to be claimed before"
    rung_at: Mapped[dt.datetime | None]
    "when the bell was last rung for it"
    lease_until: Mapped[dt.datetime | None]
    request_id: Mapped[str] = mapped_column(String(64), default="")
    "of the request that brought it, for the logs"
    error_code: Mapped[str | None] = mapped_column(String(60))
    error_detail: Mapped[str | None] = mapped_column(Text)
    error_origin: Mapped[str | None] = mapped_column(String(160))
    "the error's class and the place in our code"
    fingerprint: Mapped[str | None] = mapped_column(String(16))
    "jobs with the same one failed for the same cause, see fingerprints.py"
    reading_options: Mapped[dict[str, Any] | None]
    "how it is to be read, where somebody who tried it again asked for another way: readings.ReadingOptions"
    result: Mapped[dict[str, Any] | None]
    version: Mapped[int] = mapped_column(BigInteger, default=1)
    "grows with every change: the ETag and the id of events"
    created_at: Mapped[dt.datetime] = mapped_column(default=now)
    started_at: Mapped[dt.datetime | None]
    finished_at: Mapped[dt.datetime | None]
    discarded_at: Mapped[dt.datetime | None]
    discard_reason: Mapped[str | None] = mapped_column(Text)
    archived_at: Mapped[dt.datetime | None]
    "left the queue's history (R7); the line itself stays with its document"
    document: Mapped[Document] = relationship()


class IdempotencyKey(Base):
    """What was answered to an upload with this key (E8); kept for a day, see idempotency.py."""

    __tablename__ = "idempotency_keys"
    tenant_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(200))
    "kind, entity and checksum of what was sent with it"
    job_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("jobs.id"), index=True)
    duplicate: Mapped[bool] = mapped_column(Boolean)
    "whether the answer was that the file had been sent before"
    created_at: Mapped[dt.datetime] = mapped_column(default=now, index=True)


class Attempt(Base):
    """One ended attempt at a job."""

    __tablename__ = "attempts"
    id: Mapped[uuid.UUID] = new_id()
    job_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("jobs.id"), index=True)
    number: Mapped[int]
    worker: Mapped[str] = mapped_column(String(200))
    due_at: Mapped[dt.datetime | None]
    "from then on it waited"
    started_at: Mapped[dt.datetime]
    ended_at: Mapped[dt.datetime] = mapped_column(index=True)
    outcome: Mapped[str] = mapped_column(String(20))
    "completed, delayed, failed, given_back or lost"
    error_code: Mapped[str | None] = mapped_column(String(60))
    error_detail: Mapped[str | None] = mapped_column(Text)
    error_origin: Mapped[str | None] = mapped_column(String(160))
    error_frames: Mapped[str | None] = mapped_column(Text)
    "the calls that led to a fault of ours, without its message; none for errors that are meant to happen"
