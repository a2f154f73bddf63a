"""Idempotency keys of uploads (E8): a sender that did not hear the answer asks again and gets the same one, for 24 hours."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from akount.db import now
from akount.errors import BadRequest, Conflict
from akount.models import IdempotencyKey, write

KEPT = dt.timedelta(hours=24)
_SANE = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class Keyed:
    """A tenant's key and what was sent with it: the kind, the entity and the checksum of the file."""

    tenant_id: uuid.UUID
    key: str
    fingerprint: str


def keyed(tenant_id: uuid.UUID, key: str, *sent: object) -> Keyed:
    """A key as it came in a header, with what was sent. Raises BadRequest for one that is no key."""
    if not _SANE.fullmatch(key):
        raise BadRequest("An Idempotency-Key is 1 to 255 printable ASCII characters without spaces.", code="bad_idempotency_key")
    return Keyed(tenant_id, key, ":".join(map(str, sent)))


def answered(session: Session, keyed: Keyed) -> IdempotencyKey | None:
    """What was answered to the same key and the same file before. Raises Conflict when the file was another one."""
    mine = (IdempotencyKey.tenant_id == keyed.tenant_id, IdempotencyKey.key == keyed.key)
    found = session.scalar(select(IdempotencyKey).where(*mine, IdempotencyKey.created_at > now() - KEPT))
    if found is not None and found.fingerprint != keyed.fingerprint:
        raise Conflict(
            "This Idempotency-Key was sent with another file, kind or entity before; send a new key with each document.",
            code="idempotency_key_reused",
        )
    return found


def keep(session: Session, keyed: Keyed, job_id: uuid.UUID, *, duplicate: bool) -> None:
    """Keeps what is answered, in the transaction of the deed; a key that has run out makes room. Raises IntegrityError
    when the same key is kept by somebody else at this moment."""
    forget(session, IdempotencyKey.tenant_id == keyed.tenant_id, IdempotencyKey.key == keyed.key)
    answer = {"tenant_id": keyed.tenant_id, "key": keyed.key, "fingerprint": keyed.fingerprint}
    write(session, IdempotencyKey(**answer, job_id=job_id, duplicate=duplicate))


def forget(session: Session, *which: object) -> int:
    """Removes keys that have run out. Answers how many."""
    gone = session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at <= now() - KEPT, *which))  # type: ignore[arg-type]
    return gone.rowcount or 0  # type: ignore[attr-defined]
