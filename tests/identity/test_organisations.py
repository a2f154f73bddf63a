"""Organisations of Clerk are tenants; a token says what somebody is in its own, and nowhere else (A2)."""

import datetime as dt
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from akount import accounts
from akount.db import Database
from akount.errors import NotAllowed, NotFound, Unauthenticated
from akount.identity import keys, organisations
from akount.identity.clerk import Claims
from akount.models import AuditEntry, Membership, Role, Tenant, User
from shared import in_a_hurry, shared_url

START = dt.datetime(2025, 3, 14, 8, 0, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    opened = in_a_hurry(Database(shared_url(request, tmp_path_factory)))
    yield opened
    opened.close()


@dataclass(frozen=True)
class Home:
    """A tenant of an organisation, and a user of Clerk who may never have been here."""

    tenant_id: uuid.UUID
    organisation: str
    user: str

    def claims(self, role: str = "admin", after: int = 0) -> Claims:
        return Claims(self.user, START + SECOND * after, self.organisation, role)


@pytest.fixture
def home(database: Database) -> Home:
    return made(database)


def made(database: Database) -> Home:
    organisation = f"org_{uuid.uuid4().hex}"
    with database.transaction() as session:
        tenant, _ = accounts.add_tenant(session, "Ada & Co", organisation)
    return Home(tenant.id, organisation, f"user_{uuid.uuid4().hex}")


def role_of(database: Database, home: Home, claims: Claims | None = None) -> Role:
    return organisations.identify(database, claims or home.claims()).act(None).role


def known(session: Session, clerk_id: str) -> User | None:
    return session.scalar(select(User).where(User.clerk_id == clerk_id))


def refused(database: Database, claims: Claims) -> str:
    with pytest.raises(NotAllowed) as error:
        organisations.identify(database, claims)
    return error.value.code


# --- first sight ---


def test_a_new_member_of_a_known_organisation_is_written_down(home: Home, database: Database) -> None:
    found = organisations.identify(database, home.claims(), request_id="request-of-a-test", address="192.0.2.1")
    assert (found.home, found.roles) == (home.tenant_id, {home.tenant_id: Role.ADMIN})
    with database.snapshot() as session:
        user = known(session, home.user)
        assert user is not None
        assert (user.id, user.email, user.operator, user.password_hash) == (found.user_id, None, False, None)
        member = accounts.membership(session, user.id, home.tenant_id)
        assert member is not None
        assert (member.auto_create, member.hosted_engines) == ([], False)
        entry = session.scalars(select(AuditEntry).where(AuditEntry.target == f"user:{user.id}")).one()
    assert (entry.action, entry.actor, entry.tenant_id, entry.address) == (
        "user.add",
        f"user:{found.user_id}",
        home.tenant_id,
        "192.0.2.1",
    )


def test_an_unknown_organisation_makes_nothing(home: Home, database: Database) -> None:
    stranger = replace(home.claims(), organisation="org_nobody")
    assert refused(database, stranger) == "unknown_organisation"
    assert refused(database, replace(stranger, organisation=None, role=None)) == "unknown_organisation"
    with database.snapshot() as session:
        assert known(session, home.user) is None
        assert session.scalar(select(Tenant).where(Tenant.clerk_org_id == "org_nobody")) is None


def test_a_second_request_writes_nothing_and_asks_once(home: Home, database: Database) -> None:
    organisations.identify(database, home.claims())
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        asked.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        organisations.identify(database, home.claims())
    finally:
        event.remove(database.engine, "before_cursor_execute", note)
    assert len([statement for statement in asked if not statement.startswith("BEGIN")]) == 1


def test_many_first_requests_at_once_make_one_user(home: Home, database: Database) -> None:
    found, raised = [], []

    def come() -> None:
        try:
            found.append(organisations.identify(database, home.claims()))
        except BaseException as error:  # noqa: BLE001  the test's own thread looks at it
            raised.append(error)

    threads = [threading.Thread(target=come) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert raised == []
    assert len({identity.user_id for identity in found}) == 1
    with database.snapshot() as session:
        assert len(session.scalars(select(Membership).where(Membership.tenant_id == home.tenant_id)).all()) == 1


# --- roles ---


@pytest.mark.parametrize("said", organisations.ROLES)
def test_a_role_of_the_organisation_has_its_meaning_here(home: Home, database: Database, said: str) -> None:
    assert role_of(database, home, home.claims(said)) is organisations.ROLES[said]


def test_every_role_in_a_tenant_can_be_had_and_no_token_makes_an_operator() -> None:
    assert set(organisations.ROLES.values()) == set(Role) - {Role.OPERATOR}


@pytest.mark.parametrize("said", ["operator", "contractor", "", "OWNER", None])
def test_a_role_without_a_meaning_opens_nothing(home: Home, database: Database, said: str | None) -> None:
    claims = replace(home.claims(), role=said)
    assert refused(database, claims) == "unknown_role"
    with database.snapshot() as session:
        assert known(session, home.user) is None
    role_of(database, home)
    assert refused(database, replace(claims, issued_at=START + SECOND)) == "unknown_role", "also for who was here before"


def test_a_role_that_changes_is_followed_up_and_down(home: Home, database: Database) -> None:
    said = ["admin", "viewer", "accountant", "viewer"]
    seen = [role_of(database, home, home.claims(role, after=n)) for n, role in enumerate(said)]
    assert seen == [Role.ADMIN, Role.VIEWER, Role.ACCOUNTANT, Role.VIEWER]
    with database.snapshot() as session:
        query = select(AuditEntry.reason).where(AuditEntry.tenant_id == home.tenant_id, AuditEntry.action == "user.role")
        assert len(session.scalars(query).all()) == 3


def test_an_older_token_does_not_bring_an_old_role_back(home: Home, database: Database) -> None:
    assert role_of(database, home, home.claims("admin", after=0)) is Role.ADMIN
    assert role_of(database, home, home.claims("viewer", after=30)) is Role.VIEWER
    assert role_of(database, home, home.claims("admin", after=29)) is Role.VIEWER
    assert role_of(database, home, home.claims("admin", after=31)) is Role.ADMIN


def test_a_role_given_by_hand_is_changed_by_no_token(home: Home, database: Database) -> None:
    found = organisations.identify(database, home.claims("member"))
    with database.transaction() as session:
        accounts.change_role(session, str(found.user_id), home.tenant_id, Role.OWNER)
    for n, said in enumerate(("member", "admin", "contractor")):
        assert role_of(database, home, home.claims(said, after=100 + n)) is Role.OWNER


# --- which tenant ---


def test_a_token_opens_its_own_organisation_only(home: Home, database: Database) -> None:
    other = made(database)
    organisations.identify(database, replace(other.claims(), user=home.user))
    found = organisations.identify(database, home.claims())
    assert set(found.roles) == {home.tenant_id}
    with pytest.raises(NotFound):
        found.act(other.tenant_id)


def test_who_left_the_organisation_has_no_token_of_it_and_comes_in_no_more(home: Home, database: Database) -> None:
    organisations.identify(database, home.claims())
    personal = replace(home.claims(), organisation=None, role=None)
    assert refused(database, personal) == "unknown_organisation"


def test_who_was_put_into_a_tenant_of_no_organisation_acts_there_too(home: Home, database: Database) -> None:
    email = f"{uuid.uuid4()}@example.com"
    with database.transaction() as session:
        local, _ = accounts.add_tenant(session, "Local")
        accounts.add_user(session, email, local.id, Role.BOOKKEEPER)
        accounts.link_user(session, email, home.user)
    personal = organisations.identify(database, replace(home.claims(), organisation=None, role=None))
    assert personal.act(None).role is Role.BOOKKEEPER
    found = organisations.identify(database, home.claims())
    assert found.act(None).tenant == home.tenant_id
    assert found.act(local.id).role is Role.BOOKKEEPER


def test_a_tenant_of_an_organisation_is_closed_to_other_tokens_even_for_who_was_put_there_by_hand(
    home: Home, database: Database
) -> None:
    email = f"{uuid.uuid4()}@example.com"
    with database.transaction() as session:
        accounts.add_user(session, email, home.tenant_id, Role.OWNER)
        accounts.link_user(session, email, home.user)
    assert refused(database, replace(home.claims(), organisation=None, role=None)) == "unknown_organisation"
    assert role_of(database, home, home.claims("member")) is Role.OWNER


def test_an_operator_who_is_linked_operates(home: Home, database: Database) -> None:
    email = f"{uuid.uuid4()}@example.com"
    with database.transaction() as session:
        accounts.add_user(session, email, None, Role.OPERATOR)
        accounts.link_user(session, email, home.user)
    for claims in (home.claims("member"), replace(home.claims(), organisation=None, role=None)):
        actor = organisations.identify(database, claims).act(None)
        assert (actor.role, actor.tenant_id) == (Role.OPERATOR, None)


# --- what they made ---


def test_a_key_of_somebody_falls_with_their_role(home: Home, database: Database) -> None:
    found = organisations.identify(database, home.claims("admin"))
    with database.transaction() as session:
        token = keys.add(session, home.tenant_id, Role.ADMIN, "x", found.user_id)[1]
    organisations.identify(database, home.claims("viewer", after=1))
    assert {p.value for p in keys.identify(database, token).act(None).permissions} == {"view", "consent"}
    with database.transaction() as session:
        accounts.remove_user(session, str(found.user_id), home.tenant_id)
    with pytest.raises(Unauthenticated):
        keys.identify(database, token)
