"""The cast of the tests: Ada works here, Otto operates, Mallory belongs to somebody else and must see nothing."""

import uuid
from dataclasses import dataclass

from akount import accounts
from akount.accounts import Actor, Call
from akount.db import Database
from akount.identity import keys
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
        made = [
            (*keys.add(session, ours.id, Role.OWNER, "ada", ada.id), our_entity.id),
            (*keys.add(session, None, Role.OPERATOR, "otto"), our_entity.id),
            (*keys.add(session, theirs.id, Role.OWNER, "mallory", mallory.id), their_entity.id),
        ]
    return People(*(Person(token, keys.identify(database, token).act(None), entity) for _key, token, entity in made))


def key_with_role(database: Database, tenant_id: uuid.UUID, role: Role) -> str:
    """An API key with some role, of a tenant unless it is an operator's."""
    with database.transaction() as session:
        return keys.add(session, None if role is Role.OPERATOR else tenant_id, role, role.value)[1]
