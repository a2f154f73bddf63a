"""Who there is: tenants, their books, people, what lets them in, and what they did."""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from typing import Any

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from akount.db import now
from akount.models.base import Base, enumeration, new_id, of_tenant


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


class Tenant(Base):
    """A customer: everything belongs to one."""

    __tablename__ = "tenants"
    id: Mapped[uuid.UUID] = new_id()
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
    id: Mapped[uuid.UUID] = new_id()
    tenant_id: Mapped[uuid.UUID] = of_tenant()
    name: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[dt.datetime] = mapped_column(default=now)


class User(Base):
    """A person, known by e-mail address, by Clerk, or by both."""

    __tablename__ = "users"
    id: Mapped[uuid.UUID] = new_id()
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
    role: Mapped[Role] = mapped_column(enumeration(Role))
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
    id: Mapped[uuid.UUID] = new_id()
    tenant_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("tenants.id"), index=True)
    "none for an operator's"
    user_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"), index=True)
    "whose consents count for its uploads; the key may never do more than this person may now"
    name: Mapped[str] = mapped_column(String(100))
    role: Mapped[Role] = mapped_column(enumeration(Role))
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
    id: Mapped[uuid.UUID] = new_id()
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
    id: Mapped[uuid.UUID] = new_id()
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
