"""The append-only log of who did what, written in the transaction of the deed itself."""

from __future__ import annotations

import uuid

from sqlalchemy import select
from sqlalchemy.orm import Session

from akount.models import AuditEntry, write


def record(
    session: Session,
    *,
    tenant_id: uuid.UUID | None,
    actor: str,
    role: str,
    action: str,
    target: str,
    reason: str = "",
    address: str = "",
    request_id: str = "",
) -> None:
    """Adds one entry; `actor` and `target` are `sort:id`, `action` is `noun.verb`."""
    entry = AuditEntry(
        tenant_id=tenant_id,
        actor=actor,
        role=role,
        action=action,
        target=target,
        reason=reason,
        address=address,
        request_id=request_id,
    )
    write(session, entry)


def latest(session: Session, tenant_id: uuid.UUID | None, limit: int) -> list[AuditEntry]:
    """The last entries of a tenant (None: of all), the latest first."""
    query = select(AuditEntry).order_by(AuditEntry.created_at.desc(), AuditEntry.id).limit(limit)
    return list(session.scalars(query if tenant_id is None else query.where(AuditEntry.tenant_id == tenant_id)))
