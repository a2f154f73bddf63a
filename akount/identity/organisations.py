"""Who comes with a token of Clerk: organisations are tenants, and the token says what somebody is in them (A2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from akount.accounts import Actor, Call, note
from akount.db import Database
from akount.errors import NotAllowed, Unavailable
from akount.identity.clerk import Claims
from akount.identity.identities import Identity
from akount.models import Membership, Role, Tenant, User

ROLES = {
    "owner": Role.OWNER,
    "admin": Role.ADMIN,
    "accountant": Role.ACCOUNTANT,
    "bookkeeper": Role.BOOKKEEPER,
    "investor": Role.INVESTOR,
    "advisor": Role.ADVISOR,
    "viewer": Role.VIEWER,
    "member": Role.VIEWER,
    "basic_member": Role.VIEWER,
}
"""What the roles of an organisation are here. Any other opens nothing: whoever made it did not decide to show the books."""

_KNOWN = (
    select(User.id, User.email, User.operator, Membership.role, Membership.role_as_of)
    .add_columns(Tenant.id.label("tenant_id"), Tenant.clerk_org_id, Tenant.name)
    .outerjoin(Membership, Membership.user_id == User.id)
    .outerjoin(Tenant, Tenant.id == Membership.tenant_id)
    .where(User.clerk_id == bindparam("user"))
)


def identify(database: Database, claims: Claims, *, request_id: str = "", address: str = "") -> Identity:
    """Who comes with these claims, by one query; at first sight and when the role has changed it is written down.

    A tenant of an organisation is open to tokens of that organisation only: who left it has none any more. A role that was
    given by hand is changed by no token. Raises NotAllowed for an organisation or a role that is not known."""
    found = _look(database, claims)
    if found is not None:
        return found
    for _ in range(2):
        try:
            with database.transaction() as session:
                _meet(session, claims, request_id=request_id, address=address)
            break
        except IntegrityError:  # another request with the same token was quicker
            continue
    found = _look(database, claims)
    if found is None:
        raise Unavailable("Your membership changes at this moment; try again.", code="membership_changes", retry_after=1)
    return found


def _look(database: Database, claims: Claims) -> Identity | None:
    """Who comes, if nothing is to be written for it."""
    with database.snapshot() as session:
        rows = session.execute(_KNOWN, {"user": claims.user}).all()
    if rows and rows[0].operator:
        return Identity({}, user_id=rows[0].id, operator=True, email=rows[0].email)
    home = next((row for row in rows if claims.organisation and row.clerk_org_id == claims.organisation), None)
    if home is None and claims.organisation:
        return None
    if home is not None and _changes(home.role, home.role_as_of, claims):
        return None
    return _identity(rows, home)


def _identity(rows: Sequence[Any], home: Any) -> Identity:
    """In the organisation of the token, and in tenants of no organisation that they were put into by hand."""
    roles = {row.tenant_id: row.role for row in rows if row.tenant_id and (row.clerk_org_id is None or row is home)}
    if not roles:
        raise NotAllowed(
            "You act for no organisation that is known here: choose one in the application you come from.",
            code="unknown_organisation",
        )
    names = {row.tenant_id: row.name for row in rows if row.tenant_id in roles}
    return Identity(roles, home.tenant_id if home else None, rows[0].id, email=rows[0].email, names=names)


def _changes(role: Role, as_of: Any, claims: Claims) -> bool:
    """Whether the token says another role, and knows better: an older token than the one that said the last does not."""
    return as_of is not None and claims.issued_at >= as_of and role is not _role(claims)


def _role(claims: Claims) -> Role:
    role = ROLES.get(claims.role or "")
    if role is None:
        raise NotAllowed(
            "Your role in the organisation has no meaning here; ask its administrator for another, such as org:viewer.",
            code="unknown_role",
        )
    return role


def _meet(session: Session, claims: Claims, *, request_id: str, address: str) -> None:
    """Writes down who comes for the first time, or as something else than before."""
    tenant = session.scalar(select(Tenant).where(Tenant.clerk_org_id == claims.organisation))
    if tenant is None:
        raise NotAllowed(
            "Your organisation is not known here; ask the operator to link it to a tenant (`akount tenant link`).",
            code="unknown_organisation",
        )
    user = session.scalar(select(User).where(User.clerk_id == claims.user)) or User(clerk_id=claims.user)
    session.add(user)
    session.flush()
    member = session.get(Membership, (user.id, tenant.id), with_for_update=True)
    if member is None:
        action, reason = "user.add", f"as {_role(claims)}"
        session.add(Membership(user_id=user.id, tenant_id=tenant.id, role=_role(claims), role_as_of=claims.issued_at))
    elif _changes(member.role, member.role_as_of, claims):
        action, reason = "user.role", f"{member.role} to {_role(claims)}"
        member.role, member.role_as_of = _role(claims), claims.issued_at
    else:
        return
    actor = Actor(_role(claims), tenant.id, user.id)
    note(session, Call(actor, request_id, address), action, actor.name, reason)
