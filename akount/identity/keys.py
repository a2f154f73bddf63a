"""API keys: who holds one, and how they are made, listed and revoked."""

from __future__ import annotations

import datetime as dt
import secrets
import uuid
from collections.abc import Collection, Sequence

from sqlalchemy import and_, bindparam, or_, select
from sqlalchemy.orm import Session

from akount.accounts import PERMISSIONS, SHELL, Call, Permission, membership, note
from akount.db import Database, now
from akount.errors import Invalid, NotAllowed, NotFound, Unauthenticated
from akount.identity.identities import Identity, fingerprint, note_use
from akount.models import ApiKey, Membership, Role, Tenant

PREFIX = "ak_"
MAX_TOKEN = 100

_KEY, _MEMBER = ApiKey.__table__.c, Membership.__table__.c
_VALID = (
    select(
        *(_KEY.id, _KEY.tenant_id, _KEY.user_id, _KEY.role, _KEY.scopes, _KEY.last_used_at),
        _MEMBER.role.label("present_role"),
    )
    .outerjoin_from(
        ApiKey.__table__, Membership.__table__, and_(_MEMBER.user_id == _KEY.user_id, _MEMBER.tenant_id == _KEY.tenant_id)
    )
    .where(
        _KEY.hash == bindparam("hash"),
        _KEY.revoked_at.is_(None),
        or_(_KEY.expires_at.is_(None), _KEY.expires_at > bindparam("at")),
        or_(_KEY.user_id.is_(None), _MEMBER.role.is_not(None)),
    )
)
"""Bare columns: a key is looked up for every request, and as an object that is followed it costs three times as much."""


def identify(database: Database, token: str) -> Identity:
    """Whose API key this is. Raises Unauthenticated, with one and the same answer whatever is wrong.

    The key of a person may never do more than the person may now, and nothing once they have left the tenant."""
    if not token.startswith(PREFIX) or len(token) > MAX_TOKEN:
        raise Unauthenticated
    with database.snapshot() as session:
        key = session.execute(_VALID, {"hash": fingerprint(token), "at": now()}).one_or_none()
    if key is None:
        raise Unauthenticated
    role = key.present_role
    note_use(database, ApiKey, key.id, key.last_used_at)
    scopes = None if key.scopes is None else frozenset(Permission(s) for s in key.scopes)
    if role is not None and role is not key.role:
        scopes = PERMISSIONS[role] & (PERMISSIONS[key.role] if scopes is None else scopes)
    return Identity(
        roles={} if key.tenant_id is None else {key.tenant_id: key.role},
        user_id=key.user_id,
        key_id=key.id,
        operator=key.role is Role.OPERATOR,
        scopes=scopes,
    )


def add(
    session: Session,
    tenant_id: uuid.UUID | None,
    role: Role,
    name: str,
    user_id: uuid.UUID | None = None,
    *,
    scopes: Collection[Permission] | None = None,
    expires_at: dt.datetime | None = None,
    call: Call = SHELL,
) -> tuple[ApiKey, str]:
    """A new API key and, this once, the key itself. With a user, that user's consents count for its uploads.

    Raises Invalid for what contradicts itself, NotFound for a tenant or user that there is not."""
    _require_sense(role, tenant_id, name, scopes)
    _require_there(session, tenant_id, user_id)
    token = PREFIX + secrets.token_urlsafe(32)
    kept = None if scopes is None else sorted(s.value for s in scopes)
    key = ApiKey(tenant_id=tenant_id, user_id=user_id, name=name, role=role, hash=fingerprint(token))
    key.scopes, key.expires_at = kept, expires_at
    session.add(key)
    session.flush()
    about = f"{role} scopes={','.join(kept) if kept is not None else 'all'} expires={expires_at or 'never'}"
    note(session, call, "key.add", f"key:{key.id}", about, tenant_id=tenant_id)
    return key, token


def _require_sense(role: Role, tenant_id: uuid.UUID | None, name: str, scopes: Collection[Permission] | None) -> None:
    if (role is Role.OPERATOR) is not (tenant_id is None):
        raise Invalid("An operator's key belongs to no tenant; every other key belongs to one.")
    if not name.isprintable() or not 0 < len(name) <= 100:
        raise Invalid("A key needs a name of at most 100 characters.")
    if scopes is not None and (not scopes or not PERMISSIONS[role] >= set(scopes)):
        granted = ", ".join(sorted(PERMISSIONS[role]))
        raise Invalid(f"The scopes of a key are some of the permissions of its role; those of {role} are: {granted}.")


def _require_there(session: Session, tenant_id: uuid.UUID | None, user_id: uuid.UUID | None) -> None:
    if tenant_id is not None and session.get(Tenant, tenant_id) is None:
        raise NotFound("There is no such tenant.")
    if user_id is not None and (tenant_id is None or membership(session, user_id, tenant_id) is None):
        raise NotFound("There is no such user in this tenant.")


def give(
    session: Session,
    call: Call,
    role: Role,
    name: str,
    *,
    scopes: Collection[Permission] | None = None,
    expires_at: dt.datetime | None = None,
) -> tuple[ApiKey, str]:
    """As `add`, by somebody in their own tenant, for themselves. Raises NotAllowed for more than they have themselves.

    A key that makes a key is outlived by none."""
    actor = call.actor
    granted = PERMISSIONS[role] if scopes is None else frozenset(scopes)
    above = list(Role).index(role) < list(Role).index(actor.role)  # Role names the mightiest first
    if role is Role.OPERATOR or above or not granted <= actor.permissions:
        raise NotAllowed(
            "A key cannot be given more than you have yourself; choose another role or fewer scopes.", code="too_mighty"
        )
    own = session.get_one(ApiKey, actor.key_id).expires_at if actor.key_id else None
    if own is not None and (expires_at is None or expires_at > own):
        raise NotAllowed("A key made with a key cannot outlive it; let it expire sooner.", code="too_mighty")
    return add(session, actor.tenant, role, name, actor.user_id, scopes=scopes, expires_at=expires_at, call=call)


def listed(session: Session, tenant_id: uuid.UUID | None) -> Sequence[ApiKey]:
    """The keys of a tenant, newest first, also those that open nothing any more; without a tenant those of all."""
    query = select(ApiKey).order_by(ApiKey.created_at.desc(), ApiKey.id)
    return session.scalars(query if tenant_id is None else query.where(ApiKey.tenant_id == tenant_id)).all()


def find(session: Session, tenant_id: uuid.UUID | None, key_id: uuid.UUID) -> ApiKey:
    """A key of a tenant, or (None) of anybody. Raises NotFound."""
    key = session.get(ApiKey, key_id)
    if key is None or (tenant_id is not None and key.tenant_id != tenant_id):
        raise NotFound("There is no such key.")
    return key


def revoke(session: Session, key_id: uuid.UUID, call: Call = SHELL) -> None:
    """From now on the key opens nothing. Raises NotFound, also for another tenant's key (A4)."""
    key = find(session, None if call is SHELL else call.actor.tenant, key_id)
    key.revoked_at = key.revoked_at or now()
    note(session, call, "key.revoke", f"key:{key.id}", tenant_id=key.tenant_id)
