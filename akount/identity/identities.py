"""Who somebody has shown to be, whichever way they came in, and in which tenant they then act."""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from akount.accounts import Actor, Permission
from akount.db import Database, now
from akount.errors import BadRequest, NotAllowed, NotFound
from akount.models import ApiKey, Login, Role, Tenant, User

LAST_USE_SECONDS = 60
"""The last use of a key or a session is noted to the minute: not every request should write."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody has shown to be, before it is said in which tenant they act."""

    roles: Mapping[uuid.UUID, Role]
    "what they are in each tenant they may act in"
    home: uuid.UUID | None = None
    "where they act if they do not say: the organisation of the token, the tenant chosen at sign-in"
    user_id: uuid.UUID | None = None
    key_id: uuid.UUID | None = None
    session_id: uuid.UUID | None = None
    operator: bool = False
    scopes: frozenset[Permission] | None = None
    email: str | None = None
    names: Mapping[uuid.UUID, str] = field(default_factory=dict)
    "of the tenants, where who asks is a person"

    def choose(self, wanted: uuid.UUID | None) -> Actor | None:
        """Acting in the wanted tenant, else at home, else in the only one; None: in none, or in several and none is said.

        Raises NotFound for a tenant that is not theirs (A4). An operator who names one sees that one only."""
        if self.operator:
            return Actor(Role.OPERATOR, wanted, self.user_id, self.key_id, self.scopes)
        if wanted is not None and wanted not in self.roles:
            raise NotFound("You have no such tenant; X-Tenant-ID must name one of yours.", code="tenant_not_found")
        tenant = wanted or self._unsaid()
        return Actor(self.roles[tenant], tenant, self.user_id, self.key_id, self.scopes) if tenant else None

    def _unsaid(self) -> uuid.UUID | None:
        if self.home in self.roles:
            return self.home
        return next(iter(self.roles)) if len(self.roles) == 1 else None

    def act(self, wanted: uuid.UUID | None) -> Actor:
        """As `choose`. Raises BadRequest where a tenant has to be said, NotAllowed where there is none."""
        actor = self.choose(wanted)
        if actor is None and self.roles:
            raise BadRequest("You belong to several tenants: say which in the header X-Tenant-ID.", code="tenant_required")
        if actor is None:
            raise NotAllowed("You belong to no tenant; ask its owner or the operator to add you.", code="no_tenant")
        return actor


def fingerprint(token: str) -> str:
    """What is kept of a token of 256 random bits: sha256 in hex; a slow hash would add nothing."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def note_use(database: Database, table: type[ApiKey | Login], row_id: uuid.UUID, last: dt.datetime | None) -> None:
    """Notes that a key or session is in use, unless that was noted within the minute."""
    at = now()
    if last is None or at - last > dt.timedelta(seconds=LAST_USE_SECONDS):
        with database.transaction() as session:
            session.execute(update(table).where(table.id == row_id).values(last_used_at=at))


def details(session: Session, who: Identity) -> tuple[User | None, Sequence[Tenant]]:
    """The person behind an identity, if there is one, and the tenants they may act in, by name."""
    user = session.get(User, who.user_id) if who.user_id else None
    return user, session.scalars(select(Tenant).where(Tenant.id.in_(who.roles)).order_by(Tenant.name, Tenant.id)).all()


def require_tenant(database: Database, tenant_id: uuid.UUID) -> Tenant:
    """The tenant, which an operator may name whichever it is. Raises NotFound where there is none."""
    with database.snapshot() as session:
        tenant = session.get(Tenant, tenant_id)
    if tenant is None:
        raise NotFound("There is no such tenant.", code="tenant_not_found")
    return tenant
