"""Tenants and their people: who is what where, what a role may do, what somebody consented to (A1)."""

import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from akount import accounts
from akount.accounts import PERMISSIONS, SHELL, Actor, Call, Permission
from akount.db import Database
from akount.errors import BadRequest, Conflict, Invalid, NotAllowed, NotFound
from akount.identity import keys
from akount.models import AuditEntry, Role, Tenant, User
from people import People, Person, settle_in
from shared import in_a_hurry, shared_url


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


# --- tenants and users ---


def test_a_new_tenant_has_one_entity_of_its_name(session: Session) -> None:
    tenant, entity = accounts.add_tenant(session, "  Larkfield Studio ")
    assert (tenant.name, entity.name, entity.tenant_id) == ("Larkfield Studio", "Larkfield Studio", tenant.id)
    for name in ("  ", "x" * 201, "two\nlines"):
        with pytest.raises(Invalid):
            accounts.add_tenant(session, name)


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


def test_an_operator_belongs_to_no_tenant_and_nobody_else_to_none(ada: Person, session: Session) -> None:
    operator = accounts.add_user(session, f"{uuid.uuid4()}@example.com", None, Role.OPERATOR)
    assert operator.operator
    for tenant_id, role in ((None, Role.OWNER), (ada.actor.tenant, Role.OPERATOR)):
        with pytest.raises(Invalid):
            accounts.add_user(session, f"{uuid.uuid4()}@example.com", tenant_id, role)
    with pytest.raises(Conflict):
        accounts.add_user(session, operator.email or "", ada.actor.tenant, Role.VIEWER)
    with pytest.raises(Conflict):
        accounts.add_user(session, "ada@example.com", None, Role.OPERATOR)


def test_a_user_is_found_by_address_and_by_id(ada: Person, session: Session) -> None:
    assert accounts.user_of(session, " Ada@Example.com").id == ada.actor.user_id
    assert accounts.user_of(session, str(ada.actor.user_id)).id == ada.actor.user_id
    for who in (str(uuid.uuid4()), "nobody@example.com"):
        with pytest.raises(NotFound):
            accounts.user_of(session, who)


def test_who_is_taken_out_of_a_tenant_is_a_member_no_more(people: People, session: Session) -> None:
    ada, mallory = people.ada.actor, people.mallory.actor
    with pytest.raises(NotFound):
        accounts.remove_user(session, "ada@example.com", mallory.tenant)
    accounts.remove_user(session, "ada@example.com", ada.tenant)
    assert accounts.membership(session, ada.user_id, ada.tenant) is None
    assert accounts.membership(session, mallory.user_id, mallory.tenant) is not None
    with pytest.raises(NotFound):
        accounts.remove_user(session, "ada@example.com", ada.tenant)


def test_a_role_is_changed_by_hand(ada: Person, session: Session) -> None:
    accounts.change_role(session, "ada@example.com", ada.actor.tenant, Role.VIEWER)
    member = accounts.membership(session, ada.actor.user_id, ada.actor.tenant)
    assert member is not None
    assert member.role is Role.VIEWER
    with pytest.raises(Invalid):
        accounts.change_role(session, "ada@example.com", ada.actor.tenant, Role.OPERATOR)


def test_an_organisation_is_of_one_tenant(people: People, database: Database) -> None:
    organisation = f"org_{uuid.uuid4().hex}"
    with database.transaction() as session:
        accounts.link_tenant(session, people.ada.actor.tenant, organisation)
    with pytest.raises(Conflict), database.transaction() as session:
        accounts.link_tenant(session, people.mallory.actor.tenant, organisation)
    with pytest.raises(Conflict), database.transaction() as session:
        accounts.add_tenant(session, "Third", organisation)
    for wrong in ("user_x", "org_", "org_x y", "org_" + "x" * 60, "org_é"):
        with pytest.raises(Invalid), database.transaction() as session:
            accounts.link_tenant(session, people.ada.actor.tenant, wrong)
    with database.snapshot() as session:
        assert session.get_one(Tenant, people.ada.actor.tenant).clerk_org_id == organisation


def test_a_user_of_clerk_is_one_user(people: People, database: Database) -> None:
    clerk_id = f"user_{uuid.uuid4().hex}"
    with database.transaction() as session:
        accounts.link_user(session, "ada@example.com", clerk_id)
    with pytest.raises(Conflict), database.transaction() as session:
        accounts.link_user(session, "mallory@example.net", clerk_id)


def test_a_membership_is_of_one_user_in_one_tenant(people: People, session: Session) -> None:
    ada, mallory = people.ada.actor, people.mallory.actor
    assert accounts.membership(session, ada.user_id, ada.tenant) is not None
    assert accounts.membership(session, ada.user_id, mallory.tenant) is None
    assert accounts.membership(session, mallory.user_id, ada.tenant) is None
    assert accounts.membership(session, None, ada.tenant) is None


def test_what_the_shell_does_is_noted(people: People, session: Session) -> None:
    tenant = people.ada.actor.tenant_id
    entries = session.scalars(select(AuditEntry).where(AuditEntry.tenant_id == tenant)).all()
    assert sorted(e.action for e in entries) == ["key.add", "tenant.add", "user.add"]
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
    second = accounts.add_entity(session, ada.actor.tenant, " second ")
    assert [one.id for one in accounts.entities_of(session, ada.actor.tenant)] == [ada.entity_id, second.id]
    with pytest.raises(BadRequest) as refused:
        accounts.entity_of(session, ada.actor.tenant, None)
    assert refused.value.code == "entity_required"
    assert accounts.entity_of(session, ada.actor.tenant, second.id).id == second.id


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


@pytest.mark.parametrize("role", Role)
def test_scopes_only_ever_take_away(role: Role) -> None:
    tenant = None if role is Role.OPERATOR else uuid.uuid4()
    assert Actor(role, tenant).permissions == PERMISSIONS[role]
    assert Actor(role, tenant, scopes=frozenset(Permission)).permissions == PERMISSIONS[role]
    assert Actor(role, tenant, scopes=frozenset()).permissions == frozenset()
    for permission in PERMISSIONS[role]:
        with pytest.raises(NotAllowed):
            Actor(role, tenant, scopes=PERMISSIONS[role] - {permission}).require(permission)


def test_only_who_answers_for_a_tenant_gives_keys_to_it() -> None:
    assert {role for role in Role if Permission.KEYS in PERMISSIONS[role]} == {Role.OWNER, Role.ADMIN}


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
        _, token = keys.add(session, people.ada.actor.tenant, Role.OWNER, "machine")
    machine = keys.identify(database, token).act(None)
    with pytest.raises(NotAllowed) as refused:
        consent(database, Call(machine), {"bill": True})
    assert refused.value.code == "user_required"


def test_a_role_is_kept_by_its_name(ada: Person, database: Database) -> None:
    with database.snapshot() as session:
        kept = session.execute(text("SELECT DISTINCT role FROM api_keys")).scalars().all()
    assert set(kept) == {"OWNER", "operator"}
