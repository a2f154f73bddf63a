"""Who acts: tenants, entities, users, roles, API keys, and the one map that says which role may do what (A1)."""

from __future__ import annotations

import datetime as dt
import enum
import hashlib
import secrets
import uuid
from dataclasses import dataclass

from sqlalchemy import bindparam, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from akount import audit
from akount.db import Database, now
from akount.errors import BadRequest, Conflict, Invalid, NotAllowed, NotFound, Unauthenticated
from akount.models import ApiKey, Entity, Membership, Role, Tenant, User

KEY_PREFIX = "ak_"
LAST_USE_SECONDS = 60
"""The last use of a key is noted to the minute: not every request should write."""


class Permission(enum.StrEnum):
    """What may be done. Every route names one."""

    VIEW = "view"
    UPLOAD = "upload"
    ACT = "act"
    "retry and cancel jobs, correct records"
    OPERATE = "operate"
    "see failed jobs and do something with many of them"
    CONSENT = "consent"
    "one's own consent to automatic drafts and hosted engines"


_EVERYBODY = frozenset({Permission.VIEW, Permission.CONSENT})
_BOOKKEEPING = _EVERYBODY | {Permission.UPLOAD, Permission.ACT}
PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.OWNER: _BOOKKEEPING | {Permission.OPERATE},
    Role.ADMIN: _BOOKKEEPING | {Permission.OPERATE},
    Role.ACCOUNTANT: _BOOKKEEPING,
    Role.BOOKKEEPER: _BOOKKEEPING,
    Role.INVESTOR: _EVERYBODY,
    Role.ADVISOR: _EVERYBODY,
    Role.VIEWER: _EVERYBODY,
    Role.OPERATOR: frozenset({Permission.VIEW, Permission.ACT, Permission.OPERATE}),
}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts. `tenant_id` is None for an operator only, who is outside all tenants."""

    role: Role
    tenant_id: uuid.UUID | None
    user_id: uuid.UUID | None = None
    key_id: uuid.UUID | None = None

    @property
    def name(self) -> str:
        """As logs and the audit log name the actor; without anything personal."""
        if self.key_id:
            return f"key:{self.key_id}"
        return f"user:{self.user_id}" if self.user_id else "shell"

    @property
    def tenant(self) -> uuid.UUID:
        """The tenant acted in. Raises BadRequest for an operator, who must choose one."""
        if self.tenant_id is None:
            raise BadRequest("Choose a tenant: an operator belongs to none.", code="tenant_required")
        return self.tenant_id

    def require(self, permission: Permission) -> None:
        """Raises NotAllowed unless the role may."""
        if permission not in PERMISSIONS[self.role]:
            raise NotAllowed(f"The role {self.role} lacks the permission {permission!s}.")


@dataclass(frozen=True, slots=True)
class Call:
    """Who asks for something, by which request and from where: what the audit log wants to know."""

    actor: Actor
    request_id: str = ""
    address: str = ""


SHELL = Call(Actor(role=Role.OPERATOR, tenant_id=None))
"""An operator at the command line."""


_VALID_KEY = select(ApiKey).where(ApiKey.hash == bindparam("hash"), ApiKey.revoked_at.is_(None))


def authenticate(database: Database, token: str) -> Actor:
    """Whose API key this is. Raises Unauthenticated, with one and the same answer whatever is wrong."""
    if not token.startswith(KEY_PREFIX) or len(token) > 100:
        raise Unauthenticated
    with database.snapshot() as session:
        key = session.scalar(_VALID_KEY, {"hash": _hash(token)})
    if key is None:
        raise Unauthenticated
    at = now()
    if key.last_used_at is None or at - key.last_used_at > dt.timedelta(seconds=LAST_USE_SECONDS):
        with database.transaction() as session:
            session.execute(update(ApiKey).where(ApiKey.id == key.id).values(last_used_at=at))
    return Actor(role=key.role, tenant_id=None if key.role is Role.OPERATOR else key.tenant_id, user_id=key.user_id, key_id=key.id)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def add_tenant(session: Session, name: str) -> tuple[Tenant, Entity]:
    """A new tenant with one entity of the same name."""
    if not name.strip():
        raise Invalid("A tenant needs a name.")
    tenant = Tenant(name=name.strip())
    session.add(tenant)
    session.flush()
    entity = Entity(tenant_id=tenant.id, name=tenant.name)
    session.add(entity)
    session.flush()
    _shell(session, tenant.id, "tenant.add", f"tenant:{tenant.id}")
    return tenant, entity


def add_user(session: Session, email: str, tenant_id: uuid.UUID, role: Role) -> User:
    """A user in a tenant; one who is known already becomes a member of this tenant too."""
    address = email.strip().lower()
    if address.count("@") != 1 or len(address) > 320:
        raise Invalid("That is not an e-mail address.")
    _tenant(session, tenant_id)
    user = session.scalar(select(User).where(User.email == address))
    if user is None:
        user = User(email=address)
        session.add(user)
        session.flush()
    session.add(Membership(user_id=user.id, tenant_id=tenant_id, role=role))
    try:
        session.flush()
    except IntegrityError:
        raise Conflict("This user belongs to the tenant already.") from None
    _shell(session, tenant_id, "user.add", f"user:{user.id}")
    return user


def add_key(session: Session, tenant_id: uuid.UUID, role: Role, name: str, user_id: uuid.UUID | None = None) -> tuple[ApiKey, str]:
    """A new API key and, this once, the key itself. With a user, that user's consents count for its uploads."""
    _tenant(session, tenant_id)
    if user_id is not None and membership(session, user_id, tenant_id) is None:
        raise NotFound("There is no such user in this tenant.")
    token = KEY_PREFIX + secrets.token_urlsafe(32)
    key = ApiKey(tenant_id=tenant_id, user_id=user_id, name=name, role=role, hash=_hash(token))
    session.add(key)
    session.flush()
    _shell(session, tenant_id, "key.add", f"key:{key.id}")
    return key, token


def revoke_key(session: Session, key_id: uuid.UUID) -> None:
    """From now on the key opens nothing. Raises NotFound."""
    key = session.get(ApiKey, key_id)
    if key is None:
        raise NotFound("There is no such key.")
    key.revoked_at = key.revoked_at or now()
    _shell(session, key.tenant_id, "key.revoke", f"key:{key.id}")


def membership(session: Session, user_id: uuid.UUID | None, tenant_id: uuid.UUID) -> Membership | None:
    """What a user is in a tenant."""
    return None if user_id is None else session.get(Membership, (user_id, tenant_id))


def set_consent(session: Session, call: Call, kinds: dict[str, bool], hosted_engines: bool | None) -> Membership:
    """Changes what the acting user consents to; what is not named stays. Raises NotAllowed for a key without a user."""
    member = membership(session, call.actor.user_id, call.actor.tenant)
    if member is None:
        raise NotAllowed("Only a user can consent: this key was made without one.", code="user_required")
    member.auto_create = sorted(
        {*member.auto_create, *(k for k, on in kinds.items() if on)} - {k for k, on in kinds.items() if not on}
    )
    if hosted_engines is not None:
        member.hosted_engines = hosted_engines
    given = f"auto_create={','.join(member.auto_create) or 'none'} hosted_engines={member.hosted_engines}"
    note(session, call, "consent.change", f"user:{member.user_id}", given)
    return member


_ENTITIES = select(Entity).where(Entity.tenant_id == bindparam("tenant"))
_TWO_ENTITIES = _ENTITIES.limit(2)


def entity_of(session: Session, tenant_id: uuid.UUID, entity_id: uuid.UUID | None) -> Entity:
    """The tenant's entity; without an id its only one. Raises NotFound, or BadRequest where it has to be chosen."""
    if entity_id is not None:
        entity = session.scalar(_ENTITIES.where(Entity.id == entity_id), {"tenant": tenant_id})
        if entity is None:
            raise NotFound("There is no such entity.", code="entity_not_found")
        return entity
    entities = session.scalars(_TWO_ENTITIES, {"tenant": tenant_id}).all()
    if len(entities) != 1:
        raise BadRequest("Name the entity in the field entityId: this tenant has several.", code="entity_required")
    return entities[0]


def note(session: Session, call: Call, action: str, target: str, reason: str = "") -> None:
    """The audit entry of what a caller did, in the transaction of the deed."""
    audit.record(
        session,
        tenant_id=call.actor.tenant_id,
        actor=call.actor.name,
        role=call.actor.role,
        action=action,
        target=target,
        reason=reason,
        address=call.address,
        request_id=call.request_id,
    )


def _tenant(session: Session, tenant_id: uuid.UUID) -> Tenant:
    tenant = session.get(Tenant, tenant_id)
    if tenant is None:
        raise NotFound("There is no such tenant.")
    return tenant


def _shell(session: Session, tenant_id: uuid.UUID, action: str, target: str) -> None:
    audit.record(session, tenant_id=tenant_id, actor="shell", role=Role.OPERATOR, action=action, target=target)
