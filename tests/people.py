"""The cast of the tests: Ada works here, Otto operates, Mallory belongs to somebody else and must see nothing."""

import uuid
from dataclasses import dataclass

from akount import accounts
from akount.accounts import Actor, Call
from akount.db import Database
from akount.models import Role


@dataclass(frozen=True)
class Person:
    """Somebody with an API key."""

    key: str
    actor: Actor
    entity_id: uuid.UUID

    @property
    def call(self) -> Call:
        return Call(self.actor, request_id="request-of-a-test", address="192.0.2.1")

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


@dataclass(frozen=True)
class People:
    ada: Person
    otto: Person
    mallory: Person


def settle_in(database: Database, *, unique: bool = False) -> People:
    """Makes all three; `unique` where others of their names live in the database already."""
    more = f"{uuid.uuid4().hex}." if unique else ""
    with database.transaction() as session:
        ours, our_entity = accounts.add_tenant(session, "Ada & Co")
        theirs, their_entity = accounts.add_tenant(session, "Mallory Ltd")
        ada = accounts.add_user(session, f"{more}ada@example.com", ours.id, Role.OWNER)
        mallory = accounts.add_user(session, f"{more}mallory@example.net", theirs.id, Role.OWNER)
        keys = [
            (*accounts.add_key(session, ours.id, Role.OWNER, "ada", ada.id), our_entity.id),
            (*accounts.add_key(session, ours.id, Role.OPERATOR, "otto"), our_entity.id),
            (*accounts.add_key(session, theirs.id, Role.OWNER, "mallory", mallory.id), their_entity.id),
        ]
    return People(*(Person(token, accounts.authenticate(database, token), entity) for _key, token, entity in keys))


def key_with_role(database: Database, tenant_id: uuid.UUID, role: Role) -> str:
    """An API key of a tenant with some role."""
    with database.transaction() as session:
        return accounts.add_key(session, tenant_id, role, role.value)[1]
