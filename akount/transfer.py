"""Every document's file from one storage to another, checked at both ends; what is there already is not sent again."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sqlalchemy import func, select

from akount.db import Database
from akount.models import Document
from akount.storage import Damaged, Storage

DOCUMENTS_AT_ONCE = 500

_CHECKSUM = func.coalesce(Document.stored_sha256, Document.sha256)


@dataclass
class Outcome:
    """How it went: documents copied, found there already, and those whose file is not to be had, with the cause."""

    copied: int = 0
    present: int = 0
    faults: list[tuple[uuid.UUID, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Stored:
    """A document as the storage sees it."""

    id: uuid.UUID
    key: str
    sha256: str
    size: int


def copy(database: Database, source: Storage, target: Storage, tell: Callable[[Stored, str], None]) -> Outcome:
    """Copies what the documents name. Run again it checks all of it and sends what is missing or damaged there; the
    source is only read. Raises Unavailable when a storage is away: what was copied stays."""
    outcome = Outcome()
    for stored in documents(database):
        if _holds(target, stored):
            outcome.present += 1
            continue
        try:
            _send(source, target, stored)
        except (FileNotFoundError, Damaged) as fault:
            cause = "damaged" if isinstance(fault, Damaged) else "missing"
            outcome.faults.append((stored.id, cause))
            tell(stored, cause)
        else:
            outcome.copied += 1
            tell(stored, "copied")
    return outcome


def documents(database: Database) -> Iterator[Stored]:
    """All of them by id, bit by bit, no transaction open meanwhile."""
    last = uuid.UUID(int=0)
    while True:
        wanted = select(Document.id, Document.storage_key, _CHECKSUM, Document.size).where(Document.id > last)
        with database.snapshot() as session:
            rows = session.execute(wanted.order_by(Document.id).limit(DOCUMENTS_AT_ONCE)).all()
        if not rows:
            return
        yield from (Stored(*row) for row in rows)
        last = rows[-1].id


def _holds(storage: Storage, stored: Stored) -> bool:
    """Whether the file is there, byte for byte."""
    try:
        storage.open(stored.key, stored.sha256).close()
    except (FileNotFoundError, Damaged):
        return False
    return True


def _send(source: Storage, target: Storage, stored: Stored) -> None:
    """Raises FileNotFoundError or Damaged for what either end does not hold afterwards."""
    incoming = target.receive(stored.size)
    try:
        with source.open(stored.key, stored.sha256) as file:
            shutil.copyfileobj(file, incoming)
        target.put(stored.key, incoming)
        target.open(stored.key, stored.sha256).close()
    finally:
        incoming.close()
