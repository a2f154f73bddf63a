"""What operators see and do: workers, pauses, bulk operations, failures, history, schedules, alerts."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from akount.db import now
from akount.models.base import Base, new_id, partial_index

_NOBODYS = "tenant_id IS NULL"
_OPEN = "ended_at IS NULL"


class Operation(Base):
    """Something somebody asked to be done with many jobs, and how far it is (operations.py)."""

    __tablename__ = "operations"
    id: Mapped[uuid.UUID] = new_id()
    tenant_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("tenants.id"), index=True)
    "None: an operator's, over all tenants"
    action: Mapped[str] = mapped_column(String(20))
    meant: Mapped[dict[str, Any]]
    "which jobs: the conditions of ledger.DeadLetters"
    as_of: Mapped[dt.datetime]
    "what failed later is not meant"
    reason: Mapped[str] = mapped_column(Text, default="")
    actor: Mapped[str] = mapped_column(String(80))
    role: Mapped[str] = mapped_column(String(20))
    request_id: Mapped[str] = mapped_column(String(64), default="")
    matched: Mapped[int]
    "jobs that were meant when it was asked for"
    done: Mapped[int] = mapped_column(default=0)
    skipped: Mapped[int] = mapped_column(default=0)
    "jobs that had moved on by themselves or by somebody else; known at the end"
    after_at: Mapped[dt.datetime | None]
    after_id: Mapped[uuid.UUID | None]
    "the last job that was looked at, in the order of finished_at and id"
    created_at: Mapped[dt.datetime] = mapped_column(default=now)
    finished_at: Mapped[dt.datetime | None] = mapped_column(index=True)
    cancelled_by: Mapped[str | None] = mapped_column(String(80))


class Pause(Base):
    """A queue, a tenant, or a tenant in a queue that is not to be worked on for a while (None: all of them)."""

    __tablename__ = "pauses"
    id: Mapped[uuid.UUID] = new_id()
    queue: Mapped[str | None] = mapped_column(String(40))
    tenant_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("tenants.id"))
    reason: Mapped[str] = mapped_column(Text)
    paused_by: Mapped[str] = mapped_column(String(80))
    paused_at: Mapped[dt.datetime] = mapped_column(default=now)
    until: Mapped[dt.datetime | None]
    "it ends by itself then"
    resumed_by: Mapped[str | None] = mapped_column(String(80))
    resumed_at: Mapped[dt.datetime | None]


class WorkerProcess(Base):
    """A process that reads, as it last told of itself (workers.py)."""

    __tablename__ = "workers"
    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    queue: Mapped[str] = mapped_column(String(40))
    version: Mapped[str] = mapped_column(String(40))
    started_at: Mapped[dt.datetime] = mapped_column(default=now)
    seen_at: Mapped[dt.datetime] = mapped_column(default=now, index=True)
    stopped_at: Mapped[dt.datetime | None]
    drain_at: Mapped[dt.datetime | None]
    "since when it is to take no more jobs, and end"
    job_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("jobs.id"))
    "what it reads"
    memory: Mapped[int | None] = mapped_column(BigInteger)
    "bytes that it holds resident, with those that read for it; none of these three: it has not told yet"
    models_loaded: Mapped[bool | None] = mapped_column(Boolean)
    pages_lately: Mapped[int | None]
    "that it read in the minute before it was seen"


class FailureNote(Base):
    """What somebody has noted about failures of one cause, and whether they raise an alert (failures.py)."""

    __tablename__ = "failure_notes"
    __table_args__ = (
        partial_index("uq_failure_notes_all", "fingerprint", unique=True, where=_NOBODYS),
        Index("uq_failure_notes", "tenant_id", "fingerprint", unique=True),
    )
    id: Mapped[uuid.UUID] = new_id()
    fingerprint: Mapped[str] = mapped_column(String(16))
    tenant_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("tenants.id"))
    "None: an operator's, over all tenants"
    text: Mapped[str] = mapped_column(Text, default="")
    muted_until: Mapped[dt.datetime | None]
    "these failures raise no alert before"
    changed_by: Mapped[str] = mapped_column(String(80))
    changed_at: Mapped[dt.datetime] = mapped_column(default=now)


class HistoryRow(Base):
    """What became of the jobs of a queue in some minutes: of all tenants together, and of each (history.py)."""

    __tablename__ = "history"
    __table_args__ = (
        partial_index("uq_history_all", "minutes", "at", "queue", unique=True, where=_NOBODYS),
        Index("uq_history", "tenant_id", "minutes", "at", "queue", unique=True),
        Index("ix_history_at", "minutes", "at"),
    )
    id: Mapped[uuid.UUID] = new_id()
    minutes: Mapped[int]
    "how many, from `at` on"
    at: Mapped[dt.datetime]
    queue: Mapped[str] = mapped_column(String(40))
    tenant_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("tenants.id"))
    "None: all of them"
    completed: Mapped[int] = mapped_column(default=0)
    failed: Mapped[int] = mapped_column(default=0)
    retried: Mapped[int] = mapped_column(default=0)
    lost: Mapped[int] = mapped_column(default=0)
    waits: Mapped[dict[str, Any]]
    "how many attempts waited how long, see distributions.py"
    runs: Mapped[dict[str, Any]]
    waiting: Mapped[int | None]
    "and so on: as seen in these minutes; none: nobody looked"
    delayed: Mapped[int | None]
    active: Mapped[int | None]
    dead: Mapped[int | None]
    oldest_wait: Mapped[float | None]
    "seconds"


class Schedule(Base):
    """Something that is done over and over, and how its last round went (schedules.py)."""

    __tablename__ = "schedules"
    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    due_at: Mapped[dt.datetime]
    taken_by: Mapped[str | None] = mapped_column(String(200))
    "which process"
    started_at: Mapped[dt.datetime | None]
    ended_at: Mapped[dt.datetime | None]
    "none: it is being done, or whoever did it died"
    outcome: Mapped[str | None] = mapped_column(String(20))
    "done or failed"
    detail: Mapped[str] = mapped_column(Text, default="")
    duration_ms: Mapped[int | None]


class Alert(Base):
    """Something that was or is wrong, from its beginning to its end, and who was told of it (alerts.py)."""

    __tablename__ = "alerts"
    __table_args__ = (
        partial_index("uq_alerts_open", "rule", "about", unique=True, where=_OPEN),
        Index("ix_alerts_began_at", "began_at"),
    )
    id: Mapped[uuid.UUID] = new_id()
    rule: Mapped[str] = mapped_column(String(40))
    about: Mapped[str] = mapped_column(String(60))
    "the queue, or the part that is away"
    message: Mapped[str] = mapped_column(Text)
    began_at: Mapped[dt.datetime] = mapped_column(default=now)
    ended_at: Mapped[dt.datetime | None]
    told: Mapped[dict[str, Any]] = mapped_column(default=dict)
    "by which way of telling what was told when, or when it was tried in vain"
