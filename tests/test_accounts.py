"""A key opens what its role may do, in its own tenant, until it is revoked; only its hash is kept (A1)."""

import datetime as dt
import hashlib
import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from akount import accounts
from akount.accounts import PERMISSIONS, SHELL, Actor, Call, Permission
from akount.db import Database, now
from akount.errors import BadRequest, Conflict, Invalid, NotAllowed, NotFound, Unauthenticated
from akount.models import ApiKey, AuditEntry, Base, Entity, Role, User
from people import People, Person, settle_in
from shared import in_a_hurry, shared_url

MINUTE = dt.timedelta(minutes=1)


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


# --- keys ---


def test_a_key_says_whose_it_is(people: People, database: Database) -> None:
    ada = accounts.authenticate(database, people.ada.key)
    assert (ada.role, ada.tenant_id, ada.user_id) == (Role.OWNER, people.ada.actor.tenant_id, people.ada.actor.user_id)
    assert ada.user_id is not None
    assert ada.name == f"key:{ada.key_id}"


def test_an_operator_is_outside_all_tenants(people: People, database: Database) -> None:
    otto = accounts.authenticate(database, people.otto.key)
    assert (otto.role, otto.tenant_id, otto.user_id) == (Role.OPERATOR, None, None)
    with pytest.raises(BadRequest) as refused:
        _ = otto.tenant
    assert refused.value.code == "tenant_required"


def test_only_the_hash_of_a_key_is_kept(ada: Person, database: Database) -> None:
    assert key_of(database, ada).hash == hashlib.sha256(ada.key.encode()).hexdigest()
    secret = ada.key.removeprefix(accounts.KEY_PREFIX)
    with database.snapshot() as session:
        everything = [str(row) for table in Base.metadata.sorted_tables for row in session.execute(select(table))]
    assert not any(secret in row for row in everything)


def test_a_key_is_long_and_has_a_prefix(people: People) -> None:
    for person in (people.ada, people.otto, people.mallory):
        assert person.key.startswith("ak_")
        assert len(person.key) >= 46


def test_whatever_is_wrong_with_a_key_the_answer_is_the_same(ada: Person, database: Database) -> None:
    with database.transaction() as session:
        revoked, token = accounts.add_key(session, ada.actor.tenant, Role.OWNER, "revoked")
        accounts.revoke_key(session, revoked.id)
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
            accounts.authenticate(database, key)
        answers.add((refused.value.detail, refused.value.code, refused.value.status))
    assert len(answers) == 1


def test_a_revoked_key_opens_nothing_from_then_on(ada: Person, database: Database) -> None:
    accounts.authenticate(database, ada.key)
    with database.transaction() as session:
        accounts.revoke_key(session, ada.actor.key_id)  # type: ignore[arg-type]
    with pytest.raises(Unauthenticated):
        accounts.authenticate(database, ada.key)
    first = key_of(database, ada).revoked_at
    with database.transaction() as session:
        accounts.revoke_key(session, ada.actor.key_id)  # type: ignore[arg-type]
    assert key_of(database, ada).revoked_at == first, "revoking again does not move the moment"


def test_a_key_that_there_is_not_cannot_be_revoked(session: Session) -> None:
    with pytest.raises(NotFound):
        accounts.revoke_key(session, uuid.uuid4())


def test_the_last_use_of_a_key_is_noted_to_the_minute(ada: Person, database: Database) -> None:
    used(database, ada, None)
    accounts.authenticate(database, ada.key)
    noted = key_of(database, ada).last_used_at
    assert noted is not None
    assert now() - noted < MINUTE
    used(database, ada, lately := now() - MINUTE * 0.5)
    accounts.authenticate(database, ada.key)
    assert key_of(database, ada).last_used_at == lately, "not every request writes"
    used(database, ada, now() - MINUTE * 1.1)
    accounts.authenticate(database, ada.key)
    noted = key_of(database, ada).last_used_at
    assert noted is not None
    assert noted > lately


def test_a_key_of_a_user_is_made_in_the_users_own_tenants_only(people: People, session: Session) -> None:
    with pytest.raises(NotFound):
        accounts.add_key(session, people.ada.actor.tenant, Role.OWNER, "x", people.mallory.actor.user_id)
    with pytest.raises(NotFound):
        accounts.add_key(session, uuid.uuid4(), Role.OWNER, "x")


# --- tenants and users ---


def test_a_new_tenant_has_one_entity_of_its_name(session: Session) -> None:
    tenant, entity = accounts.add_tenant(session, "  Larkfield Studio ")
    assert (tenant.name, entity.name, entity.tenant_id) == ("Larkfield Studio", "Larkfield Studio", tenant.id)
    with pytest.raises(Invalid):
        accounts.add_tenant(session, "  ")


def test_a_user_is_known_by_the_address_whatever_its_case(ada: Person, database: Database) -> None:
    with database.transaction() as session:
        other, _ = accounts.add_tenant(session, "Another")
        user = accounts.add_user(session, " ADA@Example.com ", other.id, Role.VIEWER)
        assert user.id == ada.actor.user_id
        assert len(session.scalars(select(User).where(User.email == "ada@example.com")).all()) == 1
        ours = accounts.membership(session, user.id, ada.actor.tenant)
        theirs = accounts.membership(session, user.id, other.id)
    assert ours is not None
    assert theirs is not None
    assert (ours.role, theirs.role) == (Role.OWNER, Role.VIEWER)


def test_a_member_cannot_be_added_twice(ada: Person, database: Database) -> None:
    with pytest.raises(Conflict), database.transaction() as session:
        accounts.add_user(session, "ada@example.com", ada.actor.tenant, Role.VIEWER)


@pytest.mark.parametrize("address", ["", "ada", "ada@@example.com", "a@" + "x" * 320])
def test_what_is_no_address_is_refused(ada: Person, session: Session, address: str) -> None:
    with pytest.raises(Invalid):
        accounts.add_user(session, address, ada.actor.tenant, Role.VIEWER)


def test_a_user_of_no_tenant_is_refused(session: Session) -> None:
    with pytest.raises(NotFound):
        accounts.add_user(session, "new@example.com", uuid.uuid4(), Role.VIEWER)


def test_a_membership_is_of_one_user_in_one_tenant(people: People, session: Session) -> None:
    ada, mallory = people.ada.actor, people.mallory.actor
    assert accounts.membership(session, ada.user_id, ada.tenant) is not None
    assert accounts.membership(session, ada.user_id, mallory.tenant) is None
    assert accounts.membership(session, mallory.user_id, ada.tenant) is None
    assert accounts.membership(session, None, ada.tenant) is None


def test_what_the_shell_does_is_noted(people: People, session: Session) -> None:
    tenant = people.ada.actor.tenant_id
    entries = session.scalars(select(AuditEntry).where(AuditEntry.tenant_id == tenant)).all()
    assert sorted(e.action for e in entries) == ["key.add", "key.add", "tenant.add", "user.add"]
    assert {(e.actor, e.role) for e in entries} == {("shell", "operator")}
    assert not any("@" in f"{e.target}{e.reason}" for e in entries), "an address is nobody's name"


# --- entities ---


def test_the_only_entity_need_not_be_named(people: People, session: Session) -> None:
    tenant = people.ada.actor.tenant
    assert accounts.entity_of(session, tenant, None).id == people.ada.entity_id
    assert accounts.entity_of(session, tenant, people.ada.entity_id).id == people.ada.entity_id


def test_somebody_elses_entity_is_not_found(people: People, session: Session) -> None:
    for entity_id in (people.mallory.entity_id, uuid.uuid4()):
        with pytest.raises(NotFound) as refused:
            accounts.entity_of(session, people.ada.actor.tenant, entity_id)
        assert refused.value.code == "entity_not_found"


def test_one_of_several_entities_has_to_be_named(ada: Person, session: Session) -> None:
    second = Entity(tenant_id=ada.actor.tenant, name="second")
    session.add(second)
    session.flush()
    with pytest.raises(BadRequest) as refused:
        accounts.entity_of(session, ada.actor.tenant, None)
    assert refused.value.code == "entity_required"
    assert accounts.entity_of(session, ada.actor.tenant, second.id) is second


def test_a_tenant_without_entities_has_none_to_choose(session: Session) -> None:
    with pytest.raises(BadRequest):
        accounts.entity_of(session, uuid.uuid4(), None)


# --- permissions ---


def test_the_map_of_permissions_has_every_role() -> None:
    assert set(PERMISSIONS) == set(Role)
    assert set.union(*map(set, PERMISSIONS.values())) == set(Permission)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("permission", Permission)
def test_a_role_may_do_what_the_map_says(role: Role, permission: Permission) -> None:
    actor = Actor(role, None if role is Role.OPERATOR else uuid.uuid4())
    if permission in PERMISSIONS[role]:
        actor.require(permission)
    else:
        with pytest.raises(NotAllowed) as refused:
            actor.require(permission)
        assert refused.value.status == 403
        assert str(role) in refused.value.detail


def test_who_only_looks_changes_nothing_and_who_operates_uploads_nothing() -> None:
    for role in (Role.INVESTOR, Role.ADVISOR, Role.VIEWER):
        assert not PERMISSIONS[role] & {Permission.UPLOAD, Permission.ACT}
    for role in (Role.OWNER, Role.ADMIN, Role.ACCOUNTANT, Role.BOOKKEEPER):
        assert PERMISSIONS[role] >= {Permission.VIEW, Permission.UPLOAD, Permission.ACT, Permission.CONSENT}
    assert not PERMISSIONS[Role.OPERATOR] & {Permission.UPLOAD, Permission.CONSENT}


def test_an_actor_has_a_name_without_anything_personal() -> None:
    user, key = uuid.uuid4(), uuid.uuid4()
    assert Actor(Role.OWNER, uuid.uuid4(), user, key).name == f"key:{key}"
    assert Actor(Role.OWNER, uuid.uuid4(), user).name == f"user:{user}"
    assert SHELL.actor.name == "shell"


# --- consent ---


def consent(database: Database, call: Call, kinds: dict[str, bool], hosted: bool | None = None) -> tuple[list[str], bool]:
    with database.transaction() as session:
        member = accounts.set_consent(session, call, kinds, hosted)
        return list(member.auto_create), member.hosted_engines


def test_at_first_nothing_is_consented_to(ada: Person, session: Session) -> None:
    member = accounts.membership(session, ada.actor.user_id, ada.actor.tenant)
    assert member is not None
    assert (member.auto_create, member.hosted_engines) == ([], False)


def test_consent_changes_what_is_named_and_leaves_the_rest(ada: Person, database: Database) -> None:
    assert consent(database, ada.call, {"bill": True}) == (["bill"], False)
    assert consent(database, ada.call, {"invoice": True}, True) == (["bill", "invoice"], True)
    assert consent(database, ada.call, {"bill": False}) == (["invoice"], True)
    assert consent(database, ada.call, {}, False) == (["invoice"], False)
    with database.snapshot() as session:
        member = accounts.membership(session, ada.actor.user_id, ada.actor.tenant)
        query = select(AuditEntry.reason).where(AuditEntry.action == "consent.change", AuditEntry.actor == ada.actor.name)
        reasons = session.scalars(query.order_by(AuditEntry.created_at)).all()
    assert member is not None
    assert member.auto_create == ["invoice"]
    assert len(reasons) == 4
    assert reasons[-1] == "auto_create=invoice hosted_engines=False"


def test_a_key_without_a_user_consents_to_nothing(people: People, database: Database) -> None:
    with database.transaction() as session:
        _, token = accounts.add_key(session, people.ada.actor.tenant, Role.OWNER, "machine")
    machine = accounts.authenticate(database, token)
    with pytest.raises(NotAllowed) as refused:
        consent(database, Call(machine), {"bill": True})
    assert refused.value.code == "user_required"


def test_a_role_is_kept_by_its_name(ada: Person, database: Database) -> None:
    with database.snapshot() as session:
        kept = session.execute(text("SELECT DISTINCT role FROM api_keys")).scalars().all()
    assert set(kept) == {"OWNER", "operator"}
