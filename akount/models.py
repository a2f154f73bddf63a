"""The tables. Rows are moved by the ledger (jobs), drafts and records (records), accounts (people); nobody else writes."""

from __future__ import annotations

import datetime as dt
import enum
import functools
import uuid
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Date,
    Enum,
    ForeignKey,
    Index,
    Insert,
    Integer,
    String,
    Text,
    UniqueConstraint,
    Uuid,
    insert,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from akount.db import Exact, Instant, metadata, now


class JobStatus(enum.StrEnum):
    """Where a job stands. docs/states.md has the picture and a sentence for each arrow."""

    WAITING = "waiting"  # may be claimed
    ACTIVE = "active"  # a worker holds it, until lease_until
    DELAYED = "delayed"  # may be claimed from run_at on: an attempt failed for a passing reason
    COMPLETED = "completed"  # its record is written
    FAILED = "failed"  # a dead letter: permanent error, or out of attempts
    CANCELLED = "cancelled"  # a person took it back


_CLAIMABLE = "status IN ('waiting', 'delayed')"
_ACTIVE = "status = 'active'"
_KEPT = "status IN ('completed', 'failed', 'cancelled') AND archived_at IS NULL"
_REVIEW = "status IN ('needs_review', 'manual_entry')"
_OPEN = "ended_at IS NULL"
_NOBODYS = "tenant_id IS NULL"
_DELAYED = "status = 'delayed'"
_PENDING = "status = 'pending'"
_DEAD = "status = 'failed' AND discarded_at IS NULL"
"the jobs that partial indexes are about: each stays as small as its question, and a job that moves on leaves it"

TERMINAL = (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)


class DeliveryStatus(enum.StrEnum):
    """Where a message to a webhook stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"  # after the last attempt


class RecordStatus(enum.StrEnum):
    """Where a record stands on its way into the books."""

    DRAFT = "draft"  # made without review: confident, all checks passed, consented
    NEEDS_REVIEW = "needs_review"  # a person must look
    MANUAL_ENTRY = "manual_entry"  # too little was found: a person enters it
    APPROVED = "approved"
    REJECTED = "rejected"


class Role(enum.StrEnum):
    """What somebody is in a tenant; `operator` is outside all tenants."""

    OWNER = "OWNER"
    ADMIN = "ADMIN"
    ACCOUNTANT = "ACCOUNTANT"
    BOOKKEEPER = "BOOKKEEPER"
    INVESTOR = "INVESTOR"
    ADVISOR = "ADVISOR"
    VIEWER = "VIEWER"
    OPERATOR = "operator"


class Base(DeclarativeBase):
    metadata = metadata
    type_annotation_map = {  # noqa: RUF012
        dt.datetime: Instant,
        dt.date: Date,
        uuid.UUID: Uuid,
        Decimal: Exact,
        dict[str, Any]: JSON().with_variant(JSONB(), "postgresql"),
        list[Any]: JSON().with_variant(JSONB(), "postgresql"),
    }


@functools.cache
def inserting(table: type[Base]) -> Insert:
    """A plain insert of rows given as dicts; the defaults are filled in. An object that the session has to follow costs
    three times as much: it is for what is looked at again."""
    return insert(table.__table__)  # type: ignore[arg-type]


def write(session: Session, row: Base) -> None:
    """Inserts a row at once and by itself: the session does not follow it, and the defaults stand in the database only."""
    session.execute(inserting(type(row)), values_of(row))


def values_of(row: Base) -> dict[str, Any]:
    """What a row that was just made says, by the names of its columns."""
    return {name: value for name, value in vars(row).items() if name != "_sa_instance_state"}


def _enum(kind: type[enum.StrEnum]) -> Enum:
    return Enum(kind, native_enum=False, length=20, values_callable=lambda e: [m.value for m in e], create_constraint=False)


def _id() -> Mapped[uuid.UUID]:
    return mapped_column(primary_key=True, default=uuid.uuid4)


def _tenant() -> Mapped[uuid.UUID]:
    return mapped_column(ForeignKey("tenants.id"), index=True)


def _small_filename(context: Any) -> str:
    return str(context.get_current_parameters()["filename"]).lower()[:255]


class Tenant(Base):
    """A customer: everything belongs to one."""

    __tablename__ = "tenants"
    id: Mapped[uuid.UUID] = _id()
    name: Mapped[str] = mapped_column(String(200))
    clerk_org_id: Mapped[str | None] = mapped_column(String(64), unique=True)
    "the organisation of Clerk whose members are at home here"
    plan: Mapped[str | None] = mapped_column(String(20))
    "see plans.py; none: it sends what it likes"
    auto_create_confidence: Mapped[int | None]
    "from here a draft may be made without review; none: as the service has it"
    auto_create_limit: Mapped[int | None] = mapped_column(BigInteger)
    "largest total of such a draft, in units of its own currency; none: as the service has it"
    created_at: Mapped[dt.datetime] = mapped_column(default=now)


class Usage(Base):
    """How many documents a tenant with a plan has sent in a month."""

    __tablename__ = "usage"
    tenant_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    month: Mapped[dt.date] = mapped_column(primary_key=True)
    "its first day"
    documents: Mapped[int]


class Entity(Base):
    """A set of books of a tenant, such as one of its companies."""

    __tablename__ = "entities"
    id: Mapped[uuid.UUID] = _id()
    tenant_id: Mapped[uuid.UUID] = _tenant()
    name: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[dt.datetime] = mapped_column(default=now)


class User(Base):
    """A person, known by e-mail address, by Clerk, or by both."""

    __tablename__ = "users"
    id: Mapped[uuid.UUID] = _id()
    email: Mapped[str | None] = mapped_column(String(320), unique=True)
    "in small letters; none for who came by Clerk: what a token says of addresses is not believed"
    clerk_id: Mapped[str | None] = mapped_column(String(64), unique=True)
    password_hash: Mapped[str | None] = mapped_column(String(200))
    "argon2id; none: this person cannot sign in with a password"
    operator: Mapped[bool] = mapped_column(Boolean, default=False)
    "runs the platform, outside all tenants; set from the shell only"
    created_at: Mapped[dt.datetime] = mapped_column(default=now)


class Membership(Base):
    """What a user is in a tenant, and what they consented to there (all off at first)."""

    __tablename__ = "memberships"
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    tenant_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("tenants.id"), primary_key=True, index=True)
    role: Mapped[Role] = mapped_column(_enum(Role))
    role_as_of: Mapped[dt.datetime | None]
    "when the token was made that said this role; none: it was given by hand, and no token changes it"
    auto_create: Mapped[list[Any]] = mapped_column(default=list)
    "kinds whose drafts may be made without review"
    hosted_engines: Mapped[bool] = mapped_column(Boolean, default=False)
    "whether documents may be sent to other people's engines"
    created_at: Mapped[dt.datetime] = mapped_column(default=now)


class ApiKey(Base):
    """A key of a tenant. Only its hash is kept; the key itself is shown once."""

    __tablename__ = "api_keys"
    id: Mapped[uuid.UUID] = _id()
    tenant_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("tenants.id"), index=True)
    "none for an operator's"
    user_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"), index=True)
    "whose consents count for its uploads; the key may never do more than this person may now"
    name: Mapped[str] = mapped_column(String(100))
    role: Mapped[Role] = mapped_column(_enum(Role))
    scopes: Mapped[list[Any] | None]
    "the permissions it is for, of those of its role; none: all of them"
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    "sha256 of the whole key, in hex: the key has 256 random bits, a slow hash would add nothing"
    created_at: Mapped[dt.datetime] = mapped_column(default=now)
    last_used_at: Mapped[dt.datetime | None]
    "to the minute"
    expires_at: Mapped[dt.datetime | None]
    "none: never"
    revoked_at: Mapped[dt.datetime | None]


class Login(Base):
    """A session: a person who signed in with a password, at one browser."""

    __tablename__ = "sessions"
    id: Mapped[uuid.UUID] = _id()
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"), index=True)
    tenant_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("tenants.id"))
    "the tenant chosen at sign-in; none: the only one, or said with each request"
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    "sha256 of the cookie's token, in hex: the token has 256 random bits"
    address: Mapped[str] = mapped_column(String(45))
    user_agent: Mapped[str] = mapped_column(String(200))
    "as the browser calls itself, cut short; for people only"
    created_at: Mapped[dt.datetime] = mapped_column(default=now)
    last_used_at: Mapped[dt.datetime | None]
    "to the minute"
    expires_at: Mapped[dt.datetime] = mapped_column(index=True)
    revoked_at: Mapped[dt.datetime | None]


class Document(Base):
    """A file somebody sent, and its kind."""

    __tablename__ = "documents"
    __table_args__ = (
        UniqueConstraint("tenant_id", "entity_id", "kind", "sha256"),
        Index("ix_documents_name", "tenant_id", "filename_key", postgresql_ops={"filename_key": "text_pattern_ops"}),
        Index("ix_documents_sha256", "sha256"),
    )
    id: Mapped[uuid.UUID] = _id()
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
        Index(
            "ix_jobs_next", "queue", "priority", "turn", "run_at", sqlite_where=text(_CLAIMABLE), postgresql_where=text(_CLAIMABLE)
        ),
        # whole: what waits is counted by tenant without a look at the rows
        Index(
            "ix_jobs_turn", "queue", "tenant_id", "turn", "run_at", sqlite_where=text(_CLAIMABLE), postgresql_where=text(_CLAIMABLE)
        ),
        # not about lease_until: a beat changes it, and what changes no indexed column costs a fifth
        Index("ix_jobs_active", "started_at", sqlite_where=text(_ACTIVE), postgresql_where=text(_ACTIVE)),
        Index(
            "ix_jobs_kept", "queue", "status", "finished_at", "tenant_id", sqlite_where=text(_KEPT), postgresql_where=text(_KEPT)
        ),
        Index("ix_jobs_due", "queue", "run_at", sqlite_where=text(_CLAIMABLE), postgresql_where=text(_CLAIMABLE)),
        Index("ix_jobs_created", "created_at", "id"),
        Index("ix_jobs_tenant", "tenant_id", "created_at", "id"),
        Index("ix_jobs_dead", "tenant_id", "finished_at", "id", sqlite_where=text(_DEAD), postgresql_where=text(_DEAD)),
        # whole: the groups of failures are counted without a look at the rows
        Index(
            "ix_jobs_failed",
            "finished_at",
            "fingerprint",
            "tenant_id",
            "queue",
            sqlite_where=text(_DEAD),
            postgresql_where=text(_DEAD),
        ),
        Index("ix_jobs_group", "fingerprint", "finished_at", "id", sqlite_where=text(_DEAD), postgresql_where=text(_DEAD)),
        Index("ix_jobs_delayed", "fingerprint", "tenant_id", "queue", sqlite_where=text(_DELAYED), postgresql_where=text(_DELAYED)),
    )
    id: Mapped[uuid.UUID] = _id()
    tenant_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("tenants.id"))
    document_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("documents.id"), unique=True)
    queue: Mapped[str] = mapped_column(String(40))
    kind: Mapped[str] = mapped_column(String(20))
    status: Mapped[JobStatus] = mapped_column(_enum(JobStatus), default=JobStatus.WAITING)
    priority: Mapped[int] = mapped_column(Integer, default=0)
    "the lower, the sooner: see backlog.Priority"
    turn: Mapped[int] = mapped_column(BigInteger, default=0)
    "its place in line among jobs of the same priority; tenants take turns, see backlog.NEXT_TURN"
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


class Operation(Base):
    """Something somebody asked to be done with many jobs, and how far it is (operations.py)."""

    __tablename__ = "operations"
    id: Mapped[uuid.UUID] = _id()
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
    id: Mapped[uuid.UUID] = _id()
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


class Attempt(Base):
    """One ended attempt at a job."""

    __tablename__ = "attempts"
    id: Mapped[uuid.UUID] = _id()
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


class FailureNote(Base):
    """What somebody has noted about failures of one cause, and whether they raise an alert (failures.py)."""

    __tablename__ = "failure_notes"
    __table_args__ = (
        Index("uq_failure_notes_all", "fingerprint", unique=True, sqlite_where=text(_NOBODYS), postgresql_where=text(_NOBODYS)),
        Index("uq_failure_notes", "tenant_id", "fingerprint", unique=True),
    )
    id: Mapped[uuid.UUID] = _id()
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
        Index(
            "uq_history_all", "minutes", "at", "queue", unique=True, sqlite_where=text(_NOBODYS), postgresql_where=text(_NOBODYS)
        ),
        Index("uq_history", "tenant_id", "minutes", "at", "queue", unique=True),
        Index("ix_history_at", "minutes", "at"),
    )
    id: Mapped[uuid.UUID] = _id()
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
        Index("uq_alerts_open", "rule", "about", unique=True, sqlite_where=text(_OPEN), postgresql_where=text(_OPEN)),
        Index("ix_alerts_began_at", "began_at"),
    )
    id: Mapped[uuid.UUID] = _id()
    rule: Mapped[str] = mapped_column(String(40))
    about: Mapped[str] = mapped_column(String(60))
    "the queue, or the part that is away"
    message: Mapped[str] = mapped_column(Text)
    began_at: Mapped[dt.datetime] = mapped_column(default=now)
    ended_at: Mapped[dt.datetime | None]
    told: Mapped[dict[str, Any]] = mapped_column(default=dict)
    "by which way of telling what was told when, or when it was tried in vain"


class Counterparty(Base):
    """Who a document is from (vendor) or for (client), per entity."""

    __tablename__ = "counterparties"
    __table_args__ = (
        UniqueConstraint("entity_id", "role", "name_key", "distinct_by"),
        UniqueConstraint("entity_id", "role", "tax_id"),
        Index("ix_counterparties_name", "tenant_id", "name_key", postgresql_ops={"name_key": "text_pattern_ops"}),
    )
    id: Mapped[uuid.UUID] = _id()
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
    id: Mapped[uuid.UUID] = _id()
    tenant_id: Mapped[uuid.UUID] = _tenant()
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
    id: Mapped[uuid.UUID] = _id()
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
        Index("ix_records_review", "tenant_id", "created_at", sqlite_where=text(_REVIEW), postgresql_where=text(_REVIEW)),
        Index("ix_records_party", "counterparty_id", "created_at"),
        Index("ix_records_number", "tenant_id", "number", postgresql_ops={"number": "text_pattern_ops"}),
    )
    id: Mapped[uuid.UUID] = _id()
    tenant_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("tenants.id"))
    entity_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("entities.id"), index=True)
    document_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("documents.id"), index=True)
    job_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("jobs.id"), unique=True)
    "unique: the second guard, behind the fence, against booking a document twice"
    kind: Mapped[str] = mapped_column(String(20))
    status: Mapped[RecordStatus] = mapped_column(_enum(RecordStatus))
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
    id: Mapped[uuid.UUID] = _id()
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
    id: Mapped[uuid.UUID] = _id()
    tenant_id: Mapped[uuid.UUID] = _tenant()
    record_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("records.id"), index=True)
    field: Mapped[str] = mapped_column(String(40))
    "as the API calls it"
    before: Mapped[dict[str, Any]]
    after: Mapped[dict[str, Any]]
    'each `{"value": …}` as the API shows it'
    actor: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[dt.datetime] = mapped_column(default=now)


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
    __table_args__ = (
        Index("ix_hosted_calls_running", "engine", "expires_at", sqlite_where=text(_OPEN), postgresql_where=text(_OPEN)),
    )
    id: Mapped[uuid.UUID] = _id()
    tenant_id: Mapped[uuid.UUID] = _tenant()
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


class Decision(Base):
    """What the machine decided about a document, and on what grounds (S7)."""

    __tablename__ = "decisions"
    __table_args__ = (Index("ix_decisions_log", "tenant_id", "created_at"),)
    id: Mapped[uuid.UUID] = _id()
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


class Webhook(Base):
    """An address of a tenant's own system that is told of records (webhooks.py)."""

    __tablename__ = "webhooks"
    id: Mapped[uuid.UUID] = _id()
    tenant_id: Mapped[uuid.UUID] = _tenant()
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
        Index("ix_deliveries_due", "due_at", sqlite_where=text(_PENDING), postgresql_where=text(_PENDING)),
        Index("ix_deliveries_list", "webhook_id", "created_at"),
    )
    id: Mapped[uuid.UUID] = _id()
    tenant_id: Mapped[uuid.UUID] = _tenant()
    webhook_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("webhooks.id"))
    event: Mapped[str] = mapped_column(String(40))
    record_id: Mapped[uuid.UUID]
    "which may be gone by now"
    body: Mapped[dict[str, Any]]
    status: Mapped[DeliveryStatus] = mapped_column(_enum(DeliveryStatus), default=DeliveryStatus.PENDING)
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[dt.datetime] = mapped_column(default=now)
    "when it is tried next; while a courier has it, when another may take it; HELD while its webhook is paused"
    last_status: Mapped[int | None]
    last_error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[dt.datetime] = mapped_column(default=now)
    ended_at: Mapped[dt.datetime | None]


class AuditEntry(Base):
    """Who did what to what, from where; append-only: triggers refuse a change."""

    __tablename__ = "audit_log"
    __table_args__ = (
        Index("ix_audit_log_tenant", "tenant_id", "created_at"),
        Index("ix_audit_log_created", "created_at", "id"),
        Index("ix_audit_log_actor", "actor", "created_at"),
        Index("ix_audit_log_action", "action", "created_at"),
        Index("ix_audit_log_target", "target", "created_at"),
    )
    id: Mapped[uuid.UUID] = _id()
    tenant_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("tenants.id"))
    actor: Mapped[str] = mapped_column(String(80))
    "user:…, key:…, worker or shell"
    role: Mapped[str] = mapped_column(String(20))
    action: Mapped[str] = mapped_column(String(60))
    target: Mapped[str] = mapped_column(String(80))
    reason: Mapped[str] = mapped_column(Text, default="")
    address: Mapped[str] = mapped_column(String(45), default="")
    request_id: Mapped[str] = mapped_column(String(64), default="")
    outcome: Mapped[str] = mapped_column(String(20), default="done")
    created_at: Mapped[dt.datetime] = mapped_column(default=now)
