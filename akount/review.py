"""What people do with records: correct, approve, reject, take up again. Each function is one intent, owns its transaction and
leaves an audit entry; docs/records.md has the picture of the states.

A record is locked while it is looked at and moved: of two who decide at once one wins, the other is told.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from akount import corrections, counterparties, lessons, webhooks
from akount.accounts import Call, Permission, note
from akount.db import now
from akount.discretion import ACCOUNT
from akount.errors import Conflict, PreconditionFailed
from akount.kinds import Kind
from akount.lifecycle import Runtime
from akount.models import Record, RecordStatus
from akount.records import none_such
from akount.webhooks import Event


@dataclass(frozen=True, slots=True)
class Which:
    """A record that is meant, and the versions of it that the caller has seen; None: whichever it has."""

    kind: Kind
    record_id: uuid.UUID
    versions: frozenset[int] | None = None


OPEN = (RecordStatus.DRAFT, RecordStatus.NEEDS_REVIEW, RecordStatus.MANUAL_ENTRY)
"""What a person may still correct, approve or reject."""
ACTIONS = {
    RecordStatus.APPROVED: "record.approve",
    RecordStatus.REJECTED: "record.reject",
    RecordStatus.NEEDS_REVIEW: "record.reopen",
}
"""What the audit log calls a decision, by where it leads."""
NEEDED = ("counterparty_name", "date", "currency", "total_amount")
"""Without these nothing can be approved."""


def correct(runtime: Runtime, call: Call, which: Which, changes: Mapping[str, Any]) -> Record:
    """Writes a person's values into a record. Raises NotFound, PreconditionFailed, Conflict for one that is decided, NotAllowed
    for an account that the caller does not see whole: what was masked would be written back."""
    if ACCOUNT in changes:
        call.actor.require(Permission.ACCOUNTS)
    with runtime.database.transaction() as session:
        record = _take(session, call, which, *OPEN)
        changed = corrections.apply(session, record, which.kind, changes, call.actor.name)
        if changed:
            _touch(record)
            note(session, call, "record.correct", f"record:{record.id}", ", ".join(changed))
    return record


def approve(runtime: Runtime, call: Call, which: Which, reason: str = "") -> Record:
    """open → approved: a person answers for the figures. Raises Conflict for one that is decided or lacks what a record
    cannot do without."""
    with runtime.database.transaction() as session:
        record = _take(session, call, which, *OPEN)
        missing = [which.kind.columns[column][1] for column in NEEDED if getattr(record, column) is None]
        if missing:
            raise Conflict(f"Before it can be approved somebody must enter: {', '.join(missing)}.", code="record_incomplete")
        _decide(session, call, record, RecordStatus.APPROVED, reason)
        webhooks.tell(session, Event.APPROVED, record)
        _learn(session, record, which.kind)
    return record


def reject(runtime: Runtime, call: Call, which: Which, reason: str = "") -> Record:
    """open → rejected: this is not to be booked."""
    with runtime.database.transaction() as session:
        record = _take(session, call, which, *OPEN)
        _decide(session, call, record, RecordStatus.REJECTED, reason)
        webhooks.tell(session, Event.REJECTED, record)
    return record


def reopen(runtime: Runtime, call: Call, which: Which, reason: str = "") -> Record:
    """rejected → needs_review: it was rejected by mistake; the same file could not be sent again."""
    with runtime.database.transaction() as session:
        record = _take(session, call, which, RecordStatus.REJECTED)
        _decide(session, call, record, RecordStatus.NEEDS_REVIEW, reason)
    return record


def _learn(session: Session, record: Record, kind: Kind) -> None:
    """A person has answered for this: the counterparty is a real one, and what was corrected teaches the next reading."""
    corrected = {field: one["machine"] for field, one in corrections.by_field(record).items()}
    if record.counterparty_id is not None:
        name = record.counterparty_name if kind.party_key in corrected else None
        counterparties.confirm(session, record.counterparty_id, name=name, iban=record.iban if kind.party_is_paid else None)
    lessons.teach(session, kind, record, corrected)


def _take(session: Session, call: Call, which: Which, *expected: RecordStatus) -> Record:
    """The caller's record, locked. Raises NotFound, PreconditionFailed for another version than those seen, Conflict for
    another status than those expected."""
    mine = (Record.id == which.record_id, Record.kind == which.kind.name, Record.tenant_id == call.actor.tenant)
    whole = selectinload(Record.lines), selectinload(Record.corrections)
    record = session.scalar(select(Record).options(*whole).where(*mine).with_for_update())
    if record is None:
        raise none_such(which.kind)
    if which.versions is not None and record.version not in which.versions:
        raise PreconditionFailed
    if record.status not in expected:
        raise Conflict(
            f"The {which.kind.name} is {record.status.replace('_', ' ')}: this cannot be done with it.", code="wrong_status"
        )
    return record


def _decide(session: Session, call: Call, record: Record, status: RecordStatus, reason: str) -> None:
    record.status = status
    record.reviewed_by, record.reviewed_at, record.review_reason = call.actor.name, now(), reason or None
    _touch(record)
    note(session, call, ACTIONS[status], f"record:{record.id}", reason)


def _touch(record: Record) -> None:
    record.version += 1
    record.updated_at = now()
