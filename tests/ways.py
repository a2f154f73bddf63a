"""The ways in, for tests: headers of somebody with some role in some tenant, by API key, by password and by Clerk."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass

import clerk
from akount import accounts
from akount.db import Database
from akount.identity import sessions
from akount.identity.throttle import Throttle
from akount.limits import Windows
from akount.models import Role, Tenant
from config import Settings
from people import key_with_role

Headers = dict[str, str]
PASSWORD = "correct horse battery"
OURS = {"Sec-Fetch-Site": "same-origin"}
"""What a browser says of a request that a page of ours made."""


@dataclass(frozen=True)
class Door:
    """One way in."""

    name: str
    headers: Callable[[Database, uuid.UUID, Role], Headers]

    def __str__(self) -> str:
        return self.name


def by_key(database: Database, tenant_id: uuid.UUID, role: Role) -> Headers:
    return {"Authorization": f"Bearer {key_with_role(database, tenant_id, role)}"}


def by_password(database: Database, tenant_id: uuid.UUID, role: Role) -> Headers:
    return {"Cookie": f"akount={session_token(database, tenant_id, role)}"} | OURS


def session_token(database: Database, tenant_id: uuid.UUID, role: Role) -> str:
    """The token of a new user's session."""
    email = f"{uuid.uuid4()}@example.com"
    with database.transaction() as session:
        user = accounts.add_user(session, email, None if role is Role.OPERATOR else tenant_id, role)
        sessions.set_password(session, user, PASSWORD)
    return sessions.sign_in(database, Throttle(Windows(Settings())), sessions.Attempt(email, PASSWORD))[0]


def by_clerk(database: Database, tenant_id: uuid.UUID, role: Role) -> Headers:
    return {"Authorization": f"Bearer {clerk_token(database, tenant_id, role)}"}


def by_clerks_cookie(database: Database, tenant_id: uuid.UUID, role: Role) -> Headers:
    return {"Cookie": f"__session={clerk_token(database, tenant_id, role)}"} | OURS


def clerk_token(database: Database, tenant_id: uuid.UUID, role: Role) -> str:
    """A token of a user of Clerk who was never here; the tenant gets an organisation if it has none."""
    user = f"user_{uuid.uuid4().hex}"
    with database.transaction() as session:
        organisation = session.get_one(Tenant, tenant_id).clerk_org_id or f"org_{uuid.uuid4().hex}"
        if session.get_one(Tenant, tenant_id).clerk_org_id is None:
            accounts.link_tenant(session, tenant_id, organisation)
        if role is Role.OPERATOR:
            email = f"{uuid.uuid4()}@example.com"
            accounts.add_user(session, email, None, role)
            accounts.link_user(session, email, user)
    return clerk.member(user, organisation, role.value.lower(), exp=int(clerk.time.time()) + 3600)


DOORS = [Door("key", by_key), Door("password", by_password), Door("clerk", by_clerk), Door("clerk's cookie", by_clerks_cookie)]
