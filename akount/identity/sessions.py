"""People with a password: how they sign in and out, and whose session a cookie is."""

from __future__ import annotations

import datetime as dt
import secrets
import uuid
from dataclasses import dataclass, replace

from sqlalchemy import and_, bindparam, delete, select, update
from sqlalchemy.orm import Session

from akount import audit, logs
from akount.accounts import SHELL, note
from akount.db import Database, now
from akount.errors import Conflict, Unauthenticated
from akount.identity import passwords
from akount.identity.identities import Identity, fingerprint, note_use
from akount.identity.throttle import Throttle
from akount.models import Login, Membership, Tenant, User

log = logs.get(__name__)

LIFE = dt.timedelta(hours=12)
MAX_TOKEN = 100
KEPT = dt.timedelta(days=30)
"""A session that is over is kept for so long, for who asks where somebody signed in from."""


class WrongPassword(Unauthenticated):
    """The e-mail address or the password is wrong."""

    code = "wrong_password"


@dataclass(frozen=True, slots=True)
class Attempt:
    """Somebody who wants to sign in: what they say, and where they are."""

    email: str
    password: str
    tenant_id: uuid.UUID | None = None
    "where they want to act; None: in their only tenant, or said later"
    address: str = ""
    user_agent: str = ""
    request_id: str = ""
    before: str = ""
    "the token of the session that this one takes the place of"


_ACCOUNT = select(User).where(User.email == bindparam("email"))
_BY_HAND = Membership.role_as_of.is_(None)
"""What a token of Clerk made somebody, they are with such a token only: it alone shows that they still are."""
_MEMBER = (
    select(Membership.tenant_id, Membership.role, Tenant.name)
    .join(Tenant, Tenant.id == Membership.tenant_id)
    .where(Membership.user_id == bindparam("user"), _BY_HAND)
)
_CURRENT = (
    select(Login, User.operator, User.email, Membership.tenant_id, Membership.role, Tenant.name)
    .join(User, User.id == Login.user_id)
    .outerjoin(Membership, and_(Membership.user_id == User.id, _BY_HAND))
    .outerjoin(Tenant, Tenant.id == Membership.tenant_id)
    .where(Login.hash == bindparam("hash"), Login.revoked_at.is_(None), Login.expires_at > bindparam("at"))
)


def sign_in(database: Database, throttle: Throttle, attempt: Attempt) -> tuple[str, Identity]:
    """The token of a new session and whose it is. Raises Unauthenticated, LimitExceeded, or NotFound for a tenant not theirs.

    Who is unknown, has no password or says a wrong one gets the same answer after the same time: an address that is known
    cannot be told from one that is not. The session before, of the same browser, ends: a planted token is worth nothing."""
    email = attempt.email.strip().lower()
    throttle.admit(fingerprint(email), attempt.address)
    with database.snapshot() as session:
        user = session.scalar(_ACCOUNT, {"email": email}) if email.isprintable() else None
    if not passwords.matches(user.password_hash if user else None, attempt.password) or user is None:
        throttle.failed(attempt.address)
        log.warning("sign-in refused", user=str(user.id) if user else None, address=attempt.address)
        raise WrongPassword
    throttle.succeeded(fingerprint(email))
    token = secrets.token_urlsafe(32)
    with database.transaction() as session:
        _require_same(session, user, attempt.password)
        return token, _open(session, user, token, attempt)


def _require_same(session: Session, user: User, password: str) -> None:
    """Raises WrongPassword when the password was changed while it was looked at; hashes it anew where that is due."""
    current = session.scalar(select(User).where(User.id == user.id).with_for_update())
    if current is None or current.password_hash is None or current.password_hash != user.password_hash:
        raise WrongPassword
    if passwords.outdated(current.password_hash):
        current.password_hash = passwords.digest(password)


def _open(session: Session, user: User, token: str, attempt: Attempt) -> Identity:
    members = session.execute(_MEMBER, {"user": user.id}).all()
    identity = Identity(
        roles={member.tenant_id: member.role for member in members},
        user_id=user.id,
        operator=user.operator,
        email=user.email,
        names={member.tenant_id: member.name for member in members},
    )
    actor = identity.choose(attempt.tenant_id)
    tenant_id = actor.tenant_id if actor else None
    session.execute(update(Login).where(Login.hash == fingerprint(attempt.before)).values(revoked_at=now()))
    login = Login(user_id=user.id, tenant_id=tenant_id, hash=fingerprint(token), last_used_at=now(), expires_at=now() + LIFE)
    login.address, login.user_agent = attempt.address, _printable(attempt.user_agent)[:200]
    session.add(login)
    session.flush()
    identity = replace(identity, home=tenant_id, session_id=login.id)
    _note(session, identity, "session.open", attempt.request_id, attempt.address)
    return identity


def _printable(text: str) -> str:
    return "".join(c for c in text if c.isprintable())


def identify(database: Database, token: str) -> Identity:
    """Whose session this is, in the roles they have now. Raises Unauthenticated."""
    if not 0 < len(token) <= MAX_TOKEN:
        raise Unauthenticated
    with database.snapshot() as session:
        rows = session.execute(_CURRENT, {"hash": fingerprint(token), "at": now()}).all()
    if not rows:
        raise Unauthenticated
    login = rows[0].Login
    note_use(database, Login, login.id, login.last_used_at)
    return Identity(
        roles={row.tenant_id: row.role for row in rows if row.tenant_id is not None},
        home=login.tenant_id,
        user_id=login.user_id,
        session_id=login.id,
        operator=rows[0].operator,
        email=rows[0].email,
        names={row.tenant_id: row.name for row in rows if row.tenant_id is not None},
    )


def sign_out(database: Database, identity: Identity, *, request_id: str = "", address: str = "") -> None:
    """Ends the session somebody came in by; who came in another way has none to end."""
    if identity.session_id is None:
        return
    with database.transaction() as session:
        session.execute(update(Login).where(Login.id == identity.session_id).values(revoked_at=now()))
        _note(session, identity, "session.close", request_id, address)


def _note(session: Session, identity: Identity, action: str, request_id: str, address: str) -> None:
    """A sign-in is not always into a tenant, so it has no Actor."""
    actor = identity.choose(None)
    audit.record(
        session,
        tenant_id=actor.tenant_id if actor else None,
        actor=f"user:{identity.user_id}",
        role=actor.role if actor else "",
        action=action,
        target=f"session:{identity.session_id}",
        address=address,
        request_id=request_id,
    )


def set_password(session: Session, user: User, password: str) -> None:
    """A new password; whoever signed in with the old one is signed out. Raises Invalid for one that is no good."""
    passwords.require_good(password, user.email or "")
    user.password_hash = passwords.digest(password)
    session.flush()  # before the sessions: who signs in meanwhile waits here and then finds the new hash, or is ended here
    end_all(session, user)
    note(session, SHELL, "user.password", f"user:{user.id}")


def set_first_password(session: Session, user: User, password: str) -> None:
    """The password of somebody who has none. Raises Conflict for who has one: it is changed on purpose only."""
    if user.password_hash is not None:
        raise Conflict("This user has a password already; `user password` changes it.")
    set_password(session, user, password)


def end_all(session: Session, user: User) -> int:
    """Signs a user out everywhere. Answers of how many sessions."""
    ended = update(Login).where(Login.user_id == user.id, Login.revoked_at.is_(None)).values(revoked_at=now()).returning(Login.id)
    return len(session.scalars(ended).all())


def forget(session: Session) -> None:
    """Sessions that were over a month ago."""
    session.execute(delete(Login).where(Login.expires_at < now() - KEPT))
