"""A session opens for the right password only, ends when it is to end, and tells nobody who has an account (A2, A3)."""

import datetime as dt
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from sqlalchemy import select, update
from structlog.testing import capture_logs

from akount import accounts
from akount.db import Database, now
from akount.errors import Conflict, Invalid, LimitExceeded, NotFound, Unauthenticated
from akount.identity import passwords, sessions
from akount.identity.identities import Identity, fingerprint
from akount.identity.sessions import Attempt
from akount.identity.throttle import TRIES, Throttle
from akount.limits import Windows
from akount.models import AuditEntry, Base, Login, Membership, Role, User
from config import Settings
from shared import in_a_hurry, shared_url

PASSWORD = "correct horse battery"
HOUR = dt.timedelta(hours=1)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    opened = in_a_hurry(Database(shared_url(request, tmp_path_factory)))
    yield opened
    opened.close()


@dataclass(frozen=True)
class Somebody:
    """A person with a password."""

    email: str
    user_id: uuid.UUID
    tenant_id: uuid.UUID

    @property
    def attempt(self) -> Attempt:
        return Attempt(self.email, PASSWORD, address="192.0.2.1", user_agent="Browser/1", request_id="request-of-a-test")


@pytest.fixture
def ada(database: Database) -> Somebody:
    return somebody(database)


def somebody(database: Database, role: Role = Role.OWNER) -> Somebody:
    email = f"{uuid.uuid4()}@example.com"
    with database.transaction() as session:
        tenant, _ = accounts.add_tenant(session, "Ada & Co")
        user = accounts.add_user(session, email, tenant.id, role)
        sessions.set_password(session, user, PASSWORD)
        return Somebody(email, user.id, tenant.id)


def sign_in(database: Database, attempt: Attempt, throttle: Throttle | None = None) -> tuple[str, Identity]:
    return sessions.sign_in(database, throttle or Throttle(Windows(Settings())), attempt)


def closed(database: Database, token: str) -> bool:
    try:
        sessions.identify(database, token)
    except Unauthenticated:
        return True
    return False


def login(database: Database, token: str) -> Login:
    with database.snapshot() as session:
        return session.scalars(select(Login).where(Login.hash == fingerprint(token))).one()


# --- signing in ---


def test_the_right_password_opens_a_session(ada: Somebody, database: Database) -> None:
    token, who = sign_in(database, replace(ada.attempt, email=f" {ada.email.upper()} "))
    assert (who.user_id, who.roles, who.operator) == (ada.user_id, {ada.tenant_id: Role.OWNER}, False)
    assert sessions.identify(database, token) == who
    assert who.act(None).name == f"user:{ada.user_id}"
    kept = login(database, token)
    assert (kept.address, kept.user_agent) == ("192.0.2.1", "Browser/1")
    assert abs(kept.expires_at - now() - 12 * HOUR) < dt.timedelta(minutes=5)


def test_every_sign_in_makes_a_token_of_its_own_and_only_its_hash_is_kept(ada: Somebody, database: Database) -> None:
    tokens = {sign_in(database, ada.attempt)[0] for _ in range(3)}
    assert len(tokens) == 3
    assert all(len(token) >= 43 for token in tokens)
    with database.snapshot() as session:
        everything = [str(row) for table in Base.metadata.sorted_tables for row in session.execute(select(table))]
    assert not any(secret in row for row in everything for secret in (*tokens, PASSWORD))


def test_the_session_before_ends_with_the_next_sign_in_of_the_same_browser(ada: Somebody, database: Database) -> None:
    first, _ = sign_in(database, ada.attempt)
    elsewhere, _ = sign_in(database, ada.attempt)
    second, _ = sign_in(database, replace(ada.attempt, before=first))
    assert [closed(database, token) for token in (first, elsewhere, second)] == [True, False, False]


def test_a_token_that_was_planted_opens_nothing(ada: Somebody, database: Database) -> None:
    planted = "x" * 43
    token, _ = sign_in(database, replace(ada.attempt, before=planted))
    assert token != planted
    assert closed(database, planted)


WRONG = ["", "wrong", PASSWORD + " ", PASSWORD.upper(), "x" * 200, "\0", "\ud800", "' OR 1=1 --"]


@pytest.mark.parametrize("password", WRONG)
def test_a_wrong_password_opens_nothing(ada: Somebody, database: Database, password: str) -> None:
    with pytest.raises(Unauthenticated):
        sign_in(database, replace(ada.attempt, password=password))


def test_no_answer_tells_who_has_an_account(ada: Somebody, database: Database) -> None:
    with database.transaction() as session:
        without = accounts.add_user(session, f"{uuid.uuid4()}@example.com", ada.tenant_id, Role.VIEWER).email or ""
    answers = set()
    for email in (ada.email, without, "nobody@example.com", "", "no address", "a\0b", "\ud800", "x" * 320, "None"):
        with pytest.raises(Unauthenticated) as refused:
            sign_in(database, replace(ada.attempt, email=email, password="wrong password"))
        answers.add((refused.value.code, refused.value.detail, refused.value.status))
    assert len(answers) == 1


def test_an_unknown_address_costs_a_look_at_a_password_too(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look takes the same time (test_passwords.py); here: there is one, whoever asks."""
    looked: list[str | None] = []
    real = passwords.matches
    monkeypatch.setattr(passwords, "matches", lambda kept, password: looked.append(kept) or real(kept, password))
    for email in ("nobody@example.com", "\0"):
        with pytest.raises(Unauthenticated):
            sign_in(database, Attempt(email, "wrong password"))
    assert looked == [None, None]


def test_a_refusal_is_in_the_log_without_the_address_of_anybody(ada: Somebody, database: Database) -> None:
    with capture_logs() as logs:
        for email in (ada.email, "nobody@example.com"):
            with pytest.raises(Unauthenticated):
                sign_in(database, replace(ada.attempt, email=email, password="wrong password"))
    assert [line["event"] for line in logs] == ["sign-in refused", "sign-in refused"]
    assert [line["user"] for line in logs] == [str(ada.user_id), None]
    assert not any("@" in str(line) or "wrong password" in str(line) for line in logs)


def test_an_eleventh_try_is_refused_even_with_the_right_password(ada: Somebody, database: Database) -> None:
    throttle = Throttle(Windows(Settings()))
    for n in range(TRIES):
        with pytest.raises(Unauthenticated):
            sign_in(database, replace(ada.attempt, password="wrong password", address=f"192.0.2.{n}"), throttle)
    with pytest.raises(LimitExceeded):
        sign_in(database, replace(ada.attempt, address="198.51.100.1"), throttle)
    sign_in(database, somebody(database).attempt, throttle)


def test_a_throttled_address_cannot_be_told_from_an_unknown_one(ada: Somebody, database: Database) -> None:
    outcomes = []
    for email in (ada.email, "nobody@example.com"):
        throttle, said = Throttle(Windows(Settings())), []
        for n in range(TRIES + 1):
            with pytest.raises((Unauthenticated, LimitExceeded)) as refused:
                sign_in(database, replace(ada.attempt, email=email, password="wrong", address=f"192.0.2.{n}"), throttle)
            said.append(refused.value.code)
        outcomes.append(said)
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][-1] == "sign_in_limit"


def test_no_password_is_looked_at_beyond_the_limit(ada: Somebody, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    monkeypatch.setattr(passwords, "matches", lambda _kept, password: looked.append(password))  # says no
    throttle = Throttle(Windows(Settings()))
    for _ in range(TRIES * 2):
        with pytest.raises((Unauthenticated, LimitExceeded)):
            sign_in(database, ada.attempt, throttle)
    assert len(looked) == TRIES


# --- whose session it is ---


@pytest.mark.parametrize("token", ["", "x", "x" * 43, "x" * 100_000, "\0", "ü", "\ud800"])
def test_what_is_no_token_is_nobodys(database: Database, token: str) -> None:
    assert closed(database, token)


def test_the_hash_of_a_token_is_no_token(ada: Somebody, database: Database) -> None:
    token, _ = sign_in(database, ada.attempt)
    assert closed(database, fingerprint(token))


def test_a_session_ends_at_its_hour(ada: Somebody, database: Database) -> None:
    token, _ = sign_in(database, ada.attempt)
    change(database, token, expires_at=now() - dt.timedelta(milliseconds=1))
    assert closed(database, token)


def test_using_a_session_does_not_prolong_it_and_is_noted_to_the_minute(ada: Somebody, database: Database) -> None:
    token, _ = sign_in(database, ada.attempt)
    ends = login(database, token).expires_at
    change(database, token, last_used_at=(lately := now() - HOUR))
    sessions.identify(database, token)
    after = login(database, token)
    assert after.expires_at == ends
    assert after.last_used_at is not None
    assert after.last_used_at > lately
    sessions.identify(database, token)
    assert login(database, token).last_used_at == after.last_used_at


def change(database: Database, token: str, **values: object) -> None:
    with database.transaction() as session:
        session.execute(update(Login).where(Login.hash == fingerprint(token)).values(**values))


def test_who_signs_out_is_out_and_nobody_else(ada: Somebody, database: Database) -> None:
    (token, who), (other, _) = sign_in(database, ada.attempt), sign_in(database, ada.attempt)
    sessions.sign_out(database, who)
    assert [closed(database, t) for t in (token, other)] == [True, False]
    sessions.sign_out(database, Identity({}, key_id=uuid.uuid4()))


def test_a_role_that_changes_is_there_at_the_next_request(ada: Somebody, database: Database) -> None:
    token, _ = sign_in(database, ada.attempt)
    with database.transaction() as session:
        accounts.change_role(session, ada.email, ada.tenant_id, Role.VIEWER)
    assert sessions.identify(database, token).act(None).role is Role.VIEWER
    with database.transaction() as session:
        accounts.remove_user(session, ada.email, ada.tenant_id)
    assert sessions.identify(database, token).roles == {}


def test_an_operator_signs_in_like_anybody(database: Database) -> None:
    email = f"{uuid.uuid4()}@example.com"
    with database.transaction() as session:
        sessions.set_password(session, accounts.add_user(session, email, None, Role.OPERATOR), PASSWORD)
    token, _ = sign_in(database, Attempt(email, PASSWORD))
    actor = sessions.identify(database, token).act(None)
    assert (actor.role, actor.tenant_id) == (Role.OPERATOR, None)


def test_a_tenant_is_chosen_at_sign_in(ada: Somebody, database: Database) -> None:
    with database.transaction() as session:
        second, _ = accounts.add_tenant(session, "Second")
        accounts.add_user(session, ada.email, second.id, Role.VIEWER)
    token, who = sign_in(database, ada.attempt)
    assert who.choose(None) is None
    token, who = sign_in(database, replace(ada.attempt, tenant_id=second.id))
    assert sessions.identify(database, token).act(None).tenant == second.id
    assert sessions.identify(database, token).act(ada.tenant_id).role is Role.OWNER
    with pytest.raises(NotFound):
        sign_in(database, replace(ada.attempt, tenant_id=somebody(database).tenant_id))


def test_what_a_token_of_clerk_made_somebody_they_are_not_by_password(ada: Somebody, database: Database) -> None:
    """Only the token shows that they still belong to the organisation."""
    token, _ = sign_in(database, ada.attempt)
    with database.transaction() as session:
        session.execute(update(Membership).where(Membership.user_id == ada.user_id).values(role_as_of=now()))
    assert sessions.identify(database, token).roles == {}
    assert sign_in(database, ada.attempt)[1].roles == {}


# --- passwords ---


def test_a_new_password_signs_out_everywhere(ada: Somebody, database: Database) -> None:
    tokens = [sign_in(database, ada.attempt)[0] for _ in range(2)]
    with database.transaction() as session:
        sessions.set_password(session, accounts.user_of(session, ada.email), "another good one")
    assert [closed(database, token) for token in tokens] == [True, True]
    with pytest.raises(Unauthenticated):
        sign_in(database, ada.attempt)
    sign_in(database, replace(ada.attempt, password="another good one"))


def test_a_password_that_changes_while_it_is_looked_at_opens_nothing(
    ada: Somebody, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = passwords.matches

    def slow(kept: str | None, password: str) -> bool:
        right = real(kept, password)
        with database.transaction() as session:
            sessions.set_password(session, accounts.user_of(session, ada.email), "another good one")
        return right

    monkeypatch.setattr(passwords, "matches", slow)
    with pytest.raises(Unauthenticated):
        sign_in(database, ada.attempt)
    with database.snapshot() as session:
        open_ones = select(Login).where(Login.user_id == ada.user_id, Login.revoked_at.is_(None))
        assert session.scalars(open_ones).all() == []


def test_a_weak_password_is_refused_and_the_old_one_stays(ada: Somebody, database: Database) -> None:
    for weak in ("short", "password123", ada.email):
        with pytest.raises(Invalid), database.transaction() as session:
            sessions.set_password(session, accounts.user_of(session, ada.email), weak)
    sign_in(database, ada.attempt)


def test_a_first_password_replaces_none(ada: Somebody, database: Database) -> None:
    with pytest.raises(Conflict), database.transaction() as session:
        sessions.set_first_password(session, accounts.user_of(session, ada.email), "another good one")


def test_an_old_hash_is_made_anew_at_sign_in(ada: Somebody, database: Database) -> None:
    old = passwords.PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORD)
    with database.transaction() as session:
        session.execute(update(User).where(User.id == ada.user_id).values(password_hash=old))
    sign_in(database, ada.attempt)
    with database.snapshot() as session:
        kept = session.get_one(User, ada.user_id).password_hash or ""
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    sign_in(database, ada.attempt)


# --- what is kept ---


def test_coming_and_going_are_in_the_audit_log(ada: Somebody, database: Database) -> None:
    _, who = sign_in(database, ada.attempt)
    sessions.sign_out(database, who, request_id="request-of-a-test", address="192.0.2.1")
    with database.snapshot() as session:
        query = select(AuditEntry).where(AuditEntry.actor == f"user:{ada.user_id}").order_by(AuditEntry.created_at)
        entries = session.scalars(query).all()
    assert [e.action for e in entries] == ["session.open", "session.close"]
    assert {(e.tenant_id, e.role, e.target, e.address) for e in entries} == {
        (ada.tenant_id, "OWNER", f"session:{who.session_id}", "192.0.2.1")
    }


def test_a_browser_may_call_itself_anything(ada: Somebody, database: Database) -> None:
    token, _ = sign_in(database, replace(ada.attempt, user_agent="B\0\n" + "x" * 1000))
    assert login(database, token).user_agent == "B" + "x" * 199


def test_sessions_that_were_over_a_month_ago_are_forgotten(ada: Somebody, database: Database) -> None:
    tokens = [sign_in(database, ada.attempt)[0] for _ in range(2)]
    change(database, tokens[0], expires_at=now() - dt.timedelta(days=31))
    change(database, tokens[1], expires_at=now() - dt.timedelta(days=29))
    with database.transaction() as session:
        sessions.forget(session)
    with database.snapshot() as session:
        kept = set(session.scalars(select(Login.hash).where(Login.user_id == ada.user_id)))
    assert kept == {fingerprint(tokens[1])}
