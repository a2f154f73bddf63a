"""Who may come in, for those who look after it: people with their roles, sessions that are open, and ending one."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from akount.accounts import Call, note
from akount.db import now
from akount.errors import NotFound
from akount.models import Login, Membership, Role, Tenant, User

MOST = 200
"""So many people and sessions are shown, those used last first."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may come in, and as what."""

    user_id: uuid.UUID
    email: str | None
    "none: who comes by Clerk"
    role: Role
    tenant_id: uuid.UUID | None
    "none: an operator"
    tenant: str | None
    by_clerk: bool
    last_seen: dt.datetime | None
    "by a session of our own; none: never, or by Clerk only"


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session that opens something at this moment."""

    id: uuid.UUID
    user_id: uuid.UUID
    email: str | None
    address: str
    user_agent: str
    created_at: dt.datetime
    last_used_at: dt.datetime | None
    expires_at: dt.datetime


def people(session: Session, tenant_id: uuid.UUID | None) -> list[Person]:
    """Who may come into a tenant, or (None: an operator asks) anywhere. One question."""
    seen = select(func.max(Login.last_used_at)).where(Login.user_id == User.id).correlate(User).scalar_subquery()
    query = (
        select(User, Membership.role, Membership.tenant_id, Tenant.name, seen)
        .outerjoin(Membership, Membership.user_id == User.id)
        .outerjoin(Tenant, Tenant.id == Membership.tenant_id)
        .where(or_(Membership.tenant_id.is_not(None), User.operator) if tenant_id is None else Membership.tenant_id == tenant_id)
        .order_by(User.operator.desc(), Tenant.name, User.email, User.id)
        .limit(MOST)
    )
    return [
        Person(user.id, user.email, role or Role.OPERATOR, tenant, name, user.clerk_id is not None, last)
        for user, role, tenant, name, last in session.execute(query)
    ]


def open_sessions(session: Session, tenant_id: uuid.UUID | None) -> list[OpenSession]:
    """The sessions of those who may come into a tenant, or (None) all. One question."""
    query = select(Login, User.email).join(User, User.id == Login.user_id).where(*_open(tenant_id))
    rows = session.execute(query.order_by(func.coalesce(Login.last_used_at, Login.created_at).desc(), Login.id).limit(MOST))
    return [
        OpenSession(one.id, one.user_id, email, one.address, one.user_agent, one.created_at, one.last_used_at, one.expires_at)
        for one, email in rows
    ]


def find_session(session: Session, tenant_id: uuid.UUID | None, session_id: uuid.UUID) -> Login:
    """One of the open sessions. Raises NotFound, also for one of another tenant (A4)."""
    found = session.scalar(select(Login).where(Login.id == session_id, *_open(tenant_id)))
    if found is None:
        raise NotFound("There is no such session; it may have ended.")
    return found


def end_session(session: Session, call: Call, session_id: uuid.UUID, reason: str) -> None:
    """Signs somebody out at one browser. Raises NotFound."""
    found = find_session(session, call.actor.tenant_id, session_id)
    session.execute(update(Login).where(Login.id == found.id).values(revoked_at=now()))
    note(session, call, "session.end", f"session:{session_id}", reason)


def _open(tenant_id: uuid.UUID | None) -> Sequence[Any]:
    """Of a tenant: those that its members have opened in it."""
    live = [Login.revoked_at.is_(None), Login.expires_at > now()]
    if tenant_id is None:
        return live
    members = select(Membership.user_id).where(Membership.tenant_id == tenant_id)
    return [*live, Login.user_id.in_(members), Login.tenant_id == tenant_id]
