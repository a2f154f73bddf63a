"""What people, keys and tenants are called, for pages that would else show the ids by which the audit log knows them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import ColumnElement, and_, case, literal, select
from sqlalchemy.orm import Session

from akount.accounts import Actor
from akount.models import ApiKey, Membership, Role, Tenant, User

OPERATOR = "an operator"
"""What a tenant calls those who run the platform: who they are is not its business."""


def names(session: Session, actor: Actor, refs: Iterable[str | None]) -> dict[str, str]:
    """`sort:id` of users, keys and tenants, as the audit log writes them → what they are called. One question, or none.

    A tenant learns the names of its own people and keys only. What has no name, is gone or is another's is left out."""
    ids = _ids(refs)
    sorts: dict[str, Callable[[Actor], Any]] = {"user": _users, "key": _keys, "tenant": _tenants}
    asked: list[Any] = [ask(actor).where(_ID[sort].in_(ids[sort])) for sort, ask in sorts.items() if ids.get(sort)]
    if not asked:
        return {}
    found = session.execute(asked[0].union_all(*asked[1:]))
    return {f"{sort}:{one}": name for sort, one, name in found if name}


_ID: dict[str, Any] = {"user": User.id, "key": ApiKey.id, "tenant": Tenant.id}


def _ids(refs: Iterable[str | None]) -> dict[str, set[uuid.UUID]]:
    found: dict[str, set[uuid.UUID]] = {}
    for sort, _, rest in (ref.partition(":") for ref in refs if ref):
        try:
            found.setdefault(sort, set()).add(uuid.UUID(rest))
        except ValueError:
            continue  # such as the shell, or what was written before there were ids
    return found


def _users(actor: Actor) -> Any:
    if actor.role is Role.OPERATOR:
        return select(literal("user"), User.id, User.email)
    member = and_(Membership.user_id == User.id, Membership.tenant_id == actor.tenant_id)
    called = case((Membership.user_id.is_not(None), User.email), (User.operator, OPERATOR))
    return select(literal("user"), User.id, called).outerjoin(Membership, member)


def _keys(actor: Actor) -> Any:
    return select(literal("key"), ApiKey.id, literal("key ") + ApiKey.name).where(_of(actor, ApiKey.tenant_id))


def _tenants(actor: Actor) -> Any:
    return select(literal("tenant"), Tenant.id, Tenant.name).where(_of(actor, Tenant.id))


def _of(actor: Actor, column: Any) -> ColumnElement[bool]:
    return literal(value=True) if actor.role is Role.OPERATOR else column == actor.tenant_id
