"""The same document twice, beyond the same bytes: the same counterparty with the same number, or with the same total and date."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from akount.checks import Finding
from akount.models import Record, RecordStatus

ONCE = "no_duplicate"


@dataclass(frozen=True, slots=True)
class Marks:
    """What a record is recognised by; amounts in minor units."""

    counterparty_id: uuid.UUID | None
    number: str | None
    date: object
    currency: str | None
    total: int | None


def find(session: Session, marks: Marks, but: uuid.UUID | None = None) -> tuple[uuid.UUID | None, Finding | None]:
    """An older record that looks like the same document, `but` the record itself; and the finding. What was rejected does not
    count. Without a counterparty nothing can be compared."""
    if marks.counterparty_id is None:
        return None, None
    same = []
    if marks.number:
        same.append(func.lower(Record.number) == marks.number.lower())
    if marks.total is not None and marks.date is not None:
        same.append(and_(Record.total_amount == marks.total, Record.date == marks.date, Record.currency == marks.currency))
    if not same:
        return None, None
    query = select(Record).where(
        Record.counterparty_id == marks.counterparty_id, Record.status != RecordStatus.REJECTED, or_(*same)
    )
    query = query.where(Record.id != but) if but else query
    other = session.scalar(query.order_by(Record.created_at).limit(1))
    if other is None:
        return None, Finding(ONCE, True, "No other record of this counterparty has this number, or this total and date.")
    by_number = marks.number and (other.number or "").lower() == marks.number.lower()
    what = f"the number {other.number}" if by_number else f"the same total on {other.date}"
    return other.id, Finding(ONCE, False, f"There is a record of {other.counterparty_name} with {what} already.")
