"""A key opens what its role and scopes allow, in its own tenant, until it ends or is revoked; only its hash is kept (A1, A2)."""

import datetime as dt
import hashlib
import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from akount import accounts
from akount.accounts import PERMISSIONS, Call, Permission
from akount.db import Database, now
from akount.errors import BadRequest, Invalid, NotAllowed, NotFound, Unauthenticated
from akount.identity import keys
from akount.models import ApiKey, AuditEntry, Base, Role
from people import People, Person, settle_in
from shared import in_a_hurry, shared_url

MINUTE = dt.timedelta(minutes=1)
DAY = dt.timedelta(days=1)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    opened = in_a_hurry(Database(shared_url(request, tmp_path_factory)))
    yield opened
    opened.close()


@pytest.fixture
def people(database: Database) -> People:
    """New tenants for each test; Ada and Mallory become members of one more."""
    return settle_in(database)


@pytest.fixture
def ada(people: People) -> Person:
    return people.ada


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    with database.transaction() as opened:
        yield opened


def key_of(database: Database, person: Person) -> ApiKey:
    with database.snapshot() as session:
        return session.get_one(ApiKey, person.actor.key_id)


def used(database: Database, person: Person, at: dt.datetime | None) -> None:
    with database.transaction() as session:
        session.execute(update(ApiKey).where(ApiKey.id == person.actor.key_id).values(last_used_at=at))


def test_a_key_says_whose_it_is(people: People, database: Database) -> None:
    ada = keys.identify(database, people.ada.key).act(None)
    assert (ada.role, ada.tenant_id, ada.user_id) == (Role.OWNER, people.ada.actor.tenant_id, people.ada.actor.user_id)
    assert ada.user_id is not None
    assert ada.name == f"key:{ada.key_id}"


def test_an_operator_is_outside_all_tenants(people: People, database: Database) -> None:
    otto = keys.identify(database, people.otto.key).act(None)
    assert (otto.role, otto.tenant_id, otto.user_id) == (Role.OPERATOR, None, None)
    with pytest.raises(BadRequest) as refused:
        _ = otto.tenant
    assert refused.value.code == "tenant_required"


def test_only_the_hash_of_a_key_is_kept(ada: Person, database: Database) -> None:
    assert key_of(database, ada).hash == hashlib.sha256(ada.key.encode()).hexdigest()
    secret = ada.key.removeprefix(keys.PREFIX)
    with database.snapshot() as session:
        everything = [str(row) for table in Base.metadata.sorted_tables for row in session.execute(select(table))]
    assert not any(secret in row for row in everything)


def test_a_key_is_long_and_has_a_prefix(people: People) -> None:
    for person in (people.ada, people.otto, people.mallory):
        assert person.key.startswith("ak_")
        assert len(person.key) >= 46


def test_whatever_is_wrong_with_a_key_the_answer_is_the_same(ada: Person, database: Database) -> None:
    with database.transaction() as session:
        revoked, token = keys.add(session, ada.actor.tenant, Role.OWNER, "revoked")
        keys.revoke(session, revoked.id)
    wrong = [
        token,
        "",
        "ak_",
        ada.key[:-1],
        ada.key + "x",
        ada.key.upper(),
        ada.key.removeprefix("ak_"),
        key_of(database, ada).hash,
        "ak_" + key_of(database, ada).hash,
        "ak_" + "x" * 100_000,
        "ak_' OR 1=1 --",
        "ak_\0",
        "ak_ü",
    ]
    answers = set()
    for key in wrong:
        with pytest.raises(Unauthenticated) as refused:
            keys.identify(database, key)
        answers.add((refused.value.detail, refused.value.code, refused.value.status))
    assert len(answers) == 1


def test_a_revoked_key_opens_nothing_from_then_on(ada: Person, database: Database) -> None:
    keys.identify(database, ada.key)
    with database.transaction() as session:
        keys.revoke(session, ada.actor.key_id)  # type: ignore[arg-type]
    with pytest.raises(Unauthenticated):
        keys.identify(database, ada.key)
    first = key_of(database, ada).revoked_at
    with database.transaction() as session:
        keys.revoke(session, ada.actor.key_id)  # type: ignore[arg-type]
    assert key_of(database, ada).revoked_at == first, "revoking again does not move the moment"


def test_a_key_that_there_is_not_cannot_be_revoked(session: Session) -> None:
    with pytest.raises(NotFound):
        keys.revoke(session, uuid.uuid4())


def test_the_last_use_of_a_key_is_noted_to_the_minute(ada: Person, database: Database) -> None:
    used(database, ada, None)
    keys.identify(database, ada.key)
    noted = key_of(database, ada).last_used_at
    assert noted is not None
    assert now() - noted < MINUTE
    used(database, ada, lately := now() - MINUTE * 0.5)
    keys.identify(database, ada.key)
    assert key_of(database, ada).last_used_at == lately, "not every request writes"
    used(database, ada, now() - MINUTE * 1.1)
    keys.identify(database, ada.key)
    noted = key_of(database, ada).last_used_at
    assert noted is not None
    assert noted > lately


def test_a_key_of_a_user_is_made_in_the_users_own_tenants_only(people: People, session: Session) -> None:
    with pytest.raises(NotFound):
        keys.add(session, people.ada.actor.tenant, Role.OWNER, "x", people.mallory.actor.user_id)
    with pytest.raises(NotFound):
        keys.add(session, uuid.uuid4(), Role.OWNER, "x")


# --- scopes ---


def made(database: Database, person: Person, role: Role = Role.OWNER, **more: object) -> str:
    with database.transaction() as session:
        return keys.add(session, person.actor.tenant, role, "made", **more)[1]  # type: ignore[arg-type]


def test_a_key_may_do_what_it_is_for_and_nothing_else(ada: Person, database: Database) -> None:
    actor = keys.identify(database, made(database, ada, scopes={Permission.UPLOAD})).act(None)
    actor.require(Permission.UPLOAD)
    for other in set(Permission) - {Permission.UPLOAD}:
        with pytest.raises(NotAllowed):
            actor.require(other)


def test_scopes_are_some_of_the_permissions_of_the_role(ada: Person, database: Database) -> None:
    for role, scopes in ((Role.VIEWER, {Permission.UPLOAD}), (Role.OWNER, set()), (Role.BOOKKEEPER, {Permission.KEYS})):
        with pytest.raises(Invalid):
            made(database, ada, role, scopes=scopes)


def test_a_key_may_never_do_more_than_its_person_may_now(ada: Person, database: Database) -> None:
    tenant = ada.actor.tenant
    token = made(database, ada, user_id=ada.actor.user_id)
    scoped = made(database, ada, user_id=ada.actor.user_id, scopes={Permission.UPLOAD, Permission.VIEW})
    with database.transaction() as session:
        accounts.change_role(session, "ada@example.com", tenant, Role.VIEWER)
    assert keys.identify(database, token).act(None).permissions == PERMISSIONS[Role.VIEWER]
    assert keys.identify(database, scoped).act(None).permissions == {Permission.VIEW}
    with database.transaction() as session:
        accounts.remove_user(session, "ada@example.com", tenant)
    for gone in (token, scoped):
        with pytest.raises(Unauthenticated):
            keys.identify(database, gone)


def test_a_key_of_a_lower_role_does_not_rise_with_its_person(ada: Person, database: Database) -> None:
    token = made(database, ada, Role.VIEWER, user_id=ada.actor.user_id)
    assert keys.identify(database, token).act(None).permissions == PERMISSIONS[Role.VIEWER]


# --- the end ---


def test_a_key_ends_at_its_hour(ada: Person, database: Database) -> None:
    token = made(database, ada, expires_at=now() + DAY)
    assert keys.identify(database, token).key_id is not None
    with database.transaction() as session:
        session.execute(update(ApiKey).values(expires_at=now() - dt.timedelta(milliseconds=1)).where(ApiKey.name == "made"))
    with pytest.raises(Unauthenticated):
        keys.identify(database, token)


# --- whose ---


def test_an_operators_key_belongs_to_no_tenant_and_every_other_to_one(ada: Person, session: Session) -> None:
    for tenant, role in ((ada.actor.tenant, Role.OPERATOR), (None, Role.OWNER)):
        with pytest.raises(Invalid):
            keys.add(session, tenant, role, "x")
    with pytest.raises(NotFound):
        keys.add(session, None, Role.OPERATOR, "x", ada.actor.user_id)


def test_a_tenant_lists_its_own_keys_only(people: People, session: Session) -> None:
    listed = {key.id for key in keys.listed(session, people.ada.actor.tenant)}
    assert people.ada.actor.key_id in listed
    assert not listed & {people.mallory.actor.key_id, people.otto.actor.key_id}
    assert {people.ada.actor.key_id, people.mallory.actor.key_id, people.otto.actor.key_id} <= {
        key.id for key in keys.listed(session, None)
    }


def test_a_tenant_revokes_its_own_keys_only(people: People, database: Database) -> None:
    for other in (people.mallory, people.otto):
        with pytest.raises(NotFound), database.transaction() as session:
            keys.revoke(session, other.actor.key_id, people.ada.call)  # type: ignore[arg-type]
        assert keys.identify(database, other.key).key_id == other.actor.key_id


# --- what somebody may give ---


def given(database: Database, call: Call, role: Role, **more: object) -> str:
    with database.transaction() as session:
        return keys.give(session, call, role, "given", **more)[1]  # type: ignore[arg-type]


def test_who_gives_a_key_gives_it_for_themselves(ada: Person, database: Database) -> None:
    found = keys.identify(database, given(database, ada.call, Role.OWNER))
    assert (found.user_id, set(found.roles)) == (ada.actor.user_id, {ada.actor.tenant})
    with database.snapshot() as session:
        query = select(AuditEntry).where(AuditEntry.action == "key.add", AuditEntry.actor == ada.actor.name)
        entry = session.scalars(query).one()
    assert (entry.target, entry.address) == (f"key:{found.key_id}", "192.0.2.1")


@pytest.mark.parametrize("role", [Role.OWNER, Role.OPERATOR])
def test_an_admin_makes_nobody_mightier(ada: Person, database: Database, role: Role) -> None:
    admin = Call(keys.identify(database, made(database, ada, Role.ADMIN)).act(None))
    with pytest.raises(NotAllowed) as refused:
        given(database, admin, role)
    assert refused.value.code == "too_mighty"
    given(database, admin, Role.ADMIN)


def test_nobody_gives_a_permission_that_they_lack(ada: Person, database: Database) -> None:
    narrow = Call(keys.identify(database, made(database, ada, scopes={Permission.KEYS, Permission.VIEW})).act(None))
    for scopes in (None, {Permission.UPLOAD}, {Permission.VIEW, Permission.ACT}):
        with pytest.raises(NotAllowed):
            given(database, narrow, Role.OWNER, scopes=scopes)
    given(database, narrow, Role.OWNER, scopes={Permission.VIEW})


def test_a_key_made_by_a_key_ends_no_later(ada: Person, database: Database) -> None:
    ends = now() + DAY
    short = Call(keys.identify(database, made(database, ada, expires_at=ends)).act(None))
    for later in (None, ends + MINUTE):
        with pytest.raises(NotAllowed):
            given(database, short, Role.OWNER, expires_at=later)
    given(database, short, Role.OWNER, expires_at=ends)


def test_a_key_has_a_name_that_can_be_shown(ada: Person, database: Database) -> None:
    for name in ("", "x" * 101, "a\nb", "\0"):
        with pytest.raises(Invalid), database.transaction() as session:
            keys.add(session, ada.actor.tenant, Role.OWNER, name)
