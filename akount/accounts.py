"""Who acts: tenants, entities, users, roles, and the one map that says which role may do what (A1)."""

from __future__ import annotations

import enum
import functools
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, bindparam, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from akount import audit
from akount.errors import BadRequest, Conflict, Invalid, NotAllowed, NotFound
from akount.models import AuditEntry, Entity, Membership, Role, Tenant, User


class Permission(enum.StrEnum):
    """What may be done. Every route names one."""

    VIEW = "view"
    UPLOAD = "upload"
    ACT = "act"
    "retry and cancel jobs, correct records"
    ACCOUNTS = "accounts"
    "see bank accounts whole, and correct them; others see the last four characters"
    APPROVE = "approve"
    "approve and reject records, and take up again one that was rejected"
    ERASE = "erase"
    "erase a document and what was read from it"
    SETTINGS = "settings"
    "change how the tenant's records are routed, and who is told of them"
    AUDIT = "audit"
    "read the log of the machine's decisions"
    OPERATE = "operate"
    "see failed jobs and do something with many of them"
    CONSENT = "consent"
    "one's own consent to automatic drafts and hosted engines"
    KEYS = "keys"
    "make, list and revoke the API keys of the tenant"
    PLATFORM = "platform"
    "see and steer what all tenants share: queues, workers, schedules, health"


MAX_NAME = 200
"""Characters of the name of a tenant or an entity."""
CONSENT = "consent.change"
"""As the audit log calls it."""

_EVERYBODY = frozenset({Permission.VIEW, Permission.CONSENT})
_BOOKKEEPING = _EVERYBODY | {Permission.UPLOAD, Permission.ACT, Permission.ACCOUNTS}
_ACCOUNTING = _BOOKKEEPING | {Permission.APPROVE, Permission.AUDIT}
_RUNNING = _ACCOUNTING | {Permission.ERASE, Permission.SETTINGS, Permission.OPERATE, Permission.KEYS}
PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.OWNER: _RUNNING,
    Role.ADMIN: _RUNNING,
    Role.ACCOUNTANT: _ACCOUNTING,
    Role.BOOKKEEPER: _BOOKKEEPING,
    Role.INVESTOR: _EVERYBODY,
    Role.ADVISOR: _EVERYBODY | {Permission.AUDIT},
    Role.VIEWER: _EVERYBODY,
    Role.OPERATOR: frozenset(
        {Permission.VIEW, Permission.ACT, Permission.ACCOUNTS, Permission.OPERATE, Permission.PLATFORM, Permission.AUDIT}
    ),
}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts. `tenant_id` is None for an operator only, who is outside all tenants."""

    role: Role
    tenant_id: uuid.UUID | None
    user_id: uuid.UUID | None = None
    key_id: uuid.UUID | None = None
    scopes: frozenset[Permission] | None = None
    "what is left of the role's permissions; None: all of them"

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
            raise BadRequest("An operator belongs to no tenant: say which in the header X-Tenant-ID.", code="tenant_required")
        return self.tenant_id

    @property
    def permissions(self) -> frozenset[Permission]:
        """What this actor may do."""
        granted = PERMISSIONS[self.role]
        return granted if self.scopes is None else granted & self.scopes

    def refusal(self, permission: Permission) -> str:
        """Why the actor may not; empty: they may. One sentence for who tries and for the button that is not offered."""
        if permission not in PERMISSIONS[self.role]:
            return f"The role {self.role} lacks the permission {permission!s}."
        return "" if permission in self.permissions else f"This key is not for the permission {permission!s}."

    def require(self, permission: Permission) -> None:
        """Raises NotAllowed unless the actor may."""
        why = self.refusal(permission)
        if why:
            raise NotAllowed(why)


@dataclass(frozen=True, slots=True)
class Call:
    """Who asks for something, by which request and from where: what the audit log wants to know."""

    actor: Actor
    request_id: str = ""
    address: str = ""


SHELL = Call(Actor(role=Role.OPERATOR, tenant_id=None))
"""An operator at the command line."""


def add_tenant(session: Session, name: str, organisation: str | None = None) -> tuple[Tenant, Entity]:
    """A new tenant with one entity of the same name; with an organisation of Clerk its members are at home there."""
    tenant = Tenant(name=_name(name, "A tenant"))
    session.add(tenant)
    session.flush()
    entity = Entity(tenant_id=tenant.id, name=tenant.name)
    session.add(entity)
    session.flush()
    note(session, SHELL, "tenant.add", f"tenant:{tenant.id}", tenant_id=tenant.id)
    if organisation is not None:
        link_tenant(session, tenant.id, organisation)
    return tenant, entity


def add_entity(session: Session, tenant_id: uuid.UUID, name: str) -> Entity:
    """One more set of books of a tenant: from the second on an upload has to say which one is meant."""
    entity = Entity(tenant_id=_tenant(session, tenant_id).id, name=_name(name, "An entity"))
    session.add(entity)
    session.flush()
    note(session, SHELL, "entity.add", f"entity:{entity.id}", entity.name, tenant_id=tenant_id)
    return entity


def entities_of(session: Session, tenant_id: uuid.UUID) -> list[Entity]:
    """The sets of books of a tenant, the oldest first."""
    query = select(Entity).where(Entity.tenant_id == tenant_id).order_by(Entity.created_at, Entity.id)
    return list(session.scalars(query))


def link_tenant(session: Session, tenant_id: uuid.UUID, organisation: str) -> None:
    """From now on the members of an organisation of Clerk are at home in a tenant. Raises Conflict for one that is elsewhere."""
    tenant = _tenant(session, tenant_id)
    tenant.clerk_org_id = _clerk_id(organisation, "org_")
    _flush(session, "This organisation is linked to another tenant already.")
    note(session, SHELL, "tenant.link", f"tenant:{tenant_id}", organisation, tenant_id=tenant_id)


def link_user(session: Session, who: str, clerk_id: str) -> None:
    """From now on a user may also come in by Clerk. Raises Conflict for a Clerk user who is known as somebody else."""
    user = user_of(session, who)
    user.clerk_id = _clerk_id(clerk_id, "user_")
    _flush(session, "This user of Clerk is known as somebody else already.")
    note(session, SHELL, "user.link", f"user:{user.id}", clerk_id)


def add_user(session: Session, email: str, tenant_id: uuid.UUID | None, role: Role) -> User:
    """A user in a tenant; one who is known already becomes a member of this tenant too.

    An operator belongs to no tenant, everybody else to one. Raises Conflict for who is both or a member already."""
    if (role is Role.OPERATOR) is not (tenant_id is None):
        raise Invalid("An operator belongs to no tenant; every other role is one in a tenant.")
    user = session.scalar(select(User).where(User.email == (address := _address(email))))
    if user is None:
        user = User(email=address)
        session.add(user)
        session.flush()
    if tenant_id is None:
        _make_operator(session, user)
    else:
        _make_member(session, user, tenant_id, role)
    note(session, SHELL, "user.add", f"user:{user.id}", f"as {role}", tenant_id=tenant_id)
    return user


def _make_operator(session: Session, user: User) -> None:
    if session.scalar(select(Membership).where(Membership.user_id == user.id).limit(1)) is not None:
        raise Conflict("This user belongs to a tenant; an operator belongs to none: use another address.")
    user.operator = True


def _make_member(session: Session, user: User, tenant_id: uuid.UUID, role: Role) -> None:
    _tenant(session, tenant_id)
    if user.operator:
        raise Conflict("This user is an operator, who belongs to no tenant: use another address.")
    session.add(Membership(user_id=user.id, tenant_id=tenant_id, role=role))
    _flush(session, "This user belongs to the tenant already.")


def change_role(session: Session, who: str, tenant_id: uuid.UUID, role: Role) -> None:
    """Makes a member something else, by hand: from now on no token of Clerk changes it. Raises NotFound."""
    if role is Role.OPERATOR:
        raise Invalid("An operator belongs to no tenant.")
    member = _member(session, who, tenant_id)
    reason = f"{member.role} to {role}"
    member.role, member.role_as_of = role, None
    note(session, SHELL, "user.role", f"user:{member.user_id}", reason, tenant_id=tenant_id)


def remove_user(session: Session, who: str, tenant_id: uuid.UUID) -> None:
    """Takes a user out of a tenant, at once: sessions and keys of theirs open nothing there any more. Raises NotFound.

    Who is still in the tenant's organisation at Clerk comes back with the next token: they have to be taken out there first."""
    member = _member(session, who, tenant_id)
    session.delete(member)
    session.flush()
    note(session, SHELL, "user.remove", f"user:{member.user_id}", tenant_id=tenant_id)


def _member(session: Session, who: str, tenant_id: uuid.UUID) -> Membership:
    member = membership(session, user_of(session, who).id, tenant_id)
    if member is None:
        raise NotFound("This user does not belong to the tenant.")
    return member


def user_of(session: Session, who: str) -> User:
    """The user with this address or this id. Raises NotFound."""
    try:
        user = session.get(User, uuid.UUID(who))
    except ValueError:
        user = session.scalar(select(User).where(User.email == who.strip().lower()))
    if user is None:
        raise NotFound("There is no user with this address or id.")
    return user


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
    note(session, call, CONSENT, f"user:{member.user_id}", given)
    return member


def consent_history(session: Session, actor: Actor) -> list[AuditEntry]:
    """When the acting user gave or took back consent in this tenant, the latest first: it is the audit log that knows."""
    mine = (AuditEntry.tenant_id == actor.tenant, AuditEntry.target == f"user:{actor.user_id}", AuditEntry.action == CONSENT)
    return list(session.scalars(select(AuditEntry).where(*mine).order_by(AuditEntry.created_at.desc()).limit(1000)))


def set_plan(session: Session, tenant_id: uuid.UUID, plan: str | None, call: Call = SHELL, reason: str = "") -> None:
    """What a tenant has bought, from now on; None: nothing is counted."""
    _tenant(session, tenant_id).plan = plan
    said = ": ".join(part for part in (plan or "none", reason) if part)
    note(session, call, "tenant.plan", f"tenant:{tenant_id}", said, tenant_id=tenant_id)


def set_routing(session: Session, call: Call, changes: Mapping[str, int | None]) -> Tenant:
    """Changes from which confidence and up to which total the tenant's drafts may be made without review; None: as the
    service has it."""
    tenant = _tenant(session, call.actor.tenant)
    for name in ("auto_create_confidence", "auto_create_limit"):
        if name in changes:
            setattr(tenant, name, changes[name])
    said = f"confidence={tenant.auto_create_confidence} limit={tenant.auto_create_limit}"
    note(session, call, "routing.change", f"tenant:{tenant.id}", said)
    return tenant


_ENTITY = Entity.__table__.c
_WHICH = select(_ENTITY.id, _ENTITY.name)


def entity_of(
    session: Session, tenant_id: uuid.UUID, entity_id: uuid.UUID | None, query: Select[Any] = _WHICH, **said: object
) -> Row[Any]:
    """The tenant's entity; without an id its only one. Raises NotFound, or BadRequest where it has to be chosen. With a
    `query` over entities, and the parameters that it wants, more is learned by the same question."""
    named = {} if entity_id is None else {"the_entity": entity_id}
    found = session.execute(_of_tenant(query, bool(named)), {"the_tenant": tenant_id, **named, **said}).all()
    if len(found) == 1:
        return found[0]
    if named:
        raise NotFound("There is no such entity.", code="entity_not_found")
    raise BadRequest(
        "Name the entity in the field entityId: this tenant has several (GET /api/system/entities).", code="entity_required"
    )


@functools.cache
def _of_tenant(query: Select[Any], named: bool) -> Select[Any]:
    query = query.where(_ENTITY.tenant_id == bindparam("the_tenant"))
    return query.where(_ENTITY.id == bindparam("the_entity")) if named else query.limit(2)


def note(session: Session, call: Call, action: str, target: str, reason: str = "", *, tenant_id: uuid.UUID | None = None) -> None:
    """The audit entry of what a caller did, in the transaction of the deed; `tenant_id` where it is not the caller's own."""
    audit.record(
        session,
        tenant_id=tenant_id or call.actor.tenant_id,
        actor=call.actor.name,
        role=call.actor.role,
        action=action,
        target=target,
        reason=reason,
        address=call.address,
        request_id=call.request_id,
    )


def find_tenant(session: Session, actor: Actor, tenant_id: uuid.UUID) -> Tenant:
    """A tenant that the actor may see: one's own, for an operator any. Raises NotFound."""
    return _tenant(session, tenant_id if actor.tenant_id in (None, tenant_id) else uuid.UUID(int=0))


def _tenant(session: Session, tenant_id: uuid.UUID) -> Tenant:
    tenant = session.get(Tenant, tenant_id)
    if tenant is None:
        raise NotFound("There is no such tenant.")
    return tenant


def _name(said: str, whose: str) -> str:
    name = said.strip()
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise Invalid(f"{whose} needs a name of at most {MAX_NAME} characters, on one line.")
    return name


def _address(email: str) -> str:
    address = email.strip().lower()
    if address.count("@") != 1 or len(address) > 320 or not address.isprintable():
        raise Invalid("That is not an e-mail address.")
    return address


def _clerk_id(said: str, prefix: str) -> str:
    if not re.fullmatch(rf"{prefix}\w{{1,59}}", said, re.ASCII):
        raise Invalid(f"An id of Clerk is expected that begins with {prefix}.")
    return said


def _flush(session: Session, already: str) -> None:
    """Raises Conflict with the sentence where the database knows such a one."""
    try:
        session.flush()
    except IntegrityError:
        raise Conflict(already) from None
