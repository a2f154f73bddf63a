"""A person's values in a record, beside the machine's: what stood there before is kept with its evidence, and the checks are
made again. In the caller's transaction."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from akount.checks import Finding
from akount.counterparties import Party, forget_unused
from akount.currencies import from_minor, to_minor
from akount.drafts import place_of, terms_of
from akount.duplicates import Marks
from akount.kinds import Kind
from akount.models import Correction, Decision, Record, RecordLine
from akount.readings import Evidence, Line, Reading, Value, reading_from_json

AMOUNTS = ("subtotal", "tax_amount", "total_amount", "amount_due")
LINE_AMOUNTS = ("amount", "tax_amount")
LINES = "lineItems"
"""What the API calls them."""
SURE = 100
"""The confidence of what a person has entered."""


def apply(session: Session, record: Record, kind: Kind, changes: Mapping[str, Any], actor: str) -> list[str]:
    """Writes values over those of a record: columns by name, `lines` as a whole list of dicts. Answers what has changed, as the
    API calls it. Another currency takes the amounts that nobody named along: 1,000 stays 1,000."""
    before = shown(record, kind)
    if "currency" in changes:
        _rescale(record, changes["currency"])
    for column in kind.columns:
        if column in changes:
            setattr(record, column, changes[column])
    if "lines" in changes:
        _replace_lines(session, record, changes["lines"])
    if "due_date" in changes:
        record.payment_terms = terms_of((record.payment_terms or {}).get("terms"), record.due_date)
    after = shown(record, kind)
    changed = [key for key in before if before[key] != after[key]]
    for key in changed:
        was, is_now = {"value": before[key]}, {"value": after[key]}
        kept = Correction(tenant_id=record.tenant_id, field=key, before=was, after=is_now, actor=actor)
        record.corrections.append(kept)
    if changed:
        reading = reading_of(record, kind, _extracted(session, record))
        record.checks = [asdict(finding) for finding in (*kind.examine(reading), *_place(session, record, kind))]
    return changed


def _place(session: Session, record: Record, kind: Kind) -> tuple[Finding, ...]:
    """Where the record belongs now; a counterparty that only a misreading has made goes."""
    iban = record.iban if kind.party_is_paid else None
    said = (kind.counterparty_role, record.counterparty_name, record.counterparty_tax_id, iban)
    marks = Marks(None, record.number, record.date, record.currency, record.total_amount)
    place = place_of(session, Party(record.tenant_id, record.entity_id, *said), marks, record.id)
    before, record.counterparty_id = record.counterparty_id, place.counterparty_id
    record.duplicate_of = place.duplicate_of
    session.flush()
    if before != place.counterparty_id:
        forget_unused(session, before)
    return place.findings


def shown(record: Record, kind: Kind) -> dict[str, Any]:
    """The values that a person may correct, as plain JSON under the API's names."""
    values = {key: _plain(getattr(record, column)) for column, (_, key) in kind.columns.items()}
    return values | {LINES: [_plain_line(line) for line in record.lines]}


def by_field(record: Record) -> dict[str, dict[str, Any]]:
    """The API's name of a corrected value → what the machine had found, who corrected it last, and when."""
    found: dict[str, dict[str, Any]] = {}
    for correction in record.corrections:
        machine = found[correction.field]["machine"] if correction.field in found else correction.before["value"]
        found[correction.field] = {"machine": machine, "by": correction.actor, "at": correction.created_at}
    return found


def reading_of(record: Record, kind: Kind, extracted: Mapping[str, Any]) -> Reading:
    """What the record says now, as a reading: what the machine found beyond the record's own columns (a rounding, an
    allowance) is still part of it, so that a sum which was right stays right."""
    base = reading_from_json(extracted)
    fields = dict(base.fields)
    for column, (field, _) in kind.columns.items():
        value = getattr(record, column)
        value = from_minor(value, record.currency) if column in AMOUNTS else value
        was = fields.get(field)
        if value is None:
            fields.pop(field, None)
        elif was is None or was.value != value:
            fields[field] = Value(value, SURE, was.evidence if was else None)
    return replace(base, fields=fields, lines=tuple(_line_of(line, record.currency) for line in record.lines))


def _extracted(session: Session, record: Record) -> dict[str, Any]:
    found: dict[str, Any] = session.scalars(select(Decision.extracted).where(Decision.record_id == record.id)).one()
    return found


def _rescale(record: Record, currency: str | None) -> None:
    """The same amounts in the smallest unit of another currency."""
    owners: Iterable[tuple[Any, tuple[str, ...]]] = [(record, AMOUNTS), *((line, LINE_AMOUNTS) for line in record.lines)]
    for owner, names in owners:
        for name in names:
            setattr(owner, name, to_minor(from_minor(getattr(owner, name), record.currency), currency))
    record.tax_breakdown = [
        band | {"amount": to_minor(from_minor(band["amount"], record.currency), currency)} for band in record.tax_breakdown
    ]


def _replace_lines(session: Session, record: Record, lines: list[dict[str, Any]]) -> None:
    """A line takes over the evidence of the one that stood in its place."""
    old = list(record.lines)
    for line in old:
        session.delete(line)
    session.flush()
    record.lines = [
        RecordLine(
            record_id=record.id, position=position, evidence=old[position - 1].evidence if position <= len(old) else None, **line
        )
        for position, line in enumerate(lines, 1)
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, dt.date):
        return value.isoformat()
    return format(value, "f") if isinstance(value, Decimal) else value


def _plain_line(line: RecordLine) -> dict[str, Any]:
    return {
        "description": line.description,
        "quantity": _plain(line.quantity),
        "unitPrice": _plain(line.unit_price),
        "amount": line.amount,
        "taxAmount": line.tax_amount,
        "taxRate": _plain(line.tax_rate),
    }


def _line_of(line: RecordLine, currency: str | None) -> Line:
    return Line(
        line.description,
        line.quantity,
        line.unit_price,
        from_minor(line.amount, currency),
        line.tax_rate,
        from_minor(line.tax_amount, currency),
        evidence=Evidence(**line.evidence) if line.evidence else None,
    )
