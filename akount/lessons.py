"""What people's corrections teach: the next document of the same counterparty in the same tenant is read better, and says so.

A lesson hangs on what a document is recognised by: the counterparty's name as the machine reads it, its tax id, its IBAN. It
is learned when the record is approved, in the approver's transaction, and never leaves the tenant.
"""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import and_, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from akount.counterparties import name_key, number_key
from akount.kinds import Kind
from akount.models import Lesson, Record
from akount.readings import Evidence, Reading, Value

ENGINE = "correction"
"""What evidence names as the source of a value that was learned."""
CONFIDENCE = 95
NAME, TAX_ID, CURRENCY, DATE_ORDER = "name", "tax_id", "currency", "date_order"
DATES = ("issue_date", "due_date")
_NUMERIC = re.compile(r"\b(\d{1,2})\s?[./-]\s?(\d{1,2})\s?[./-]\s?(\d{2}|\d{4})\b")

Mark = tuple[str, str]
"""What a counterparty is recognised by: the sort (name, tax_id, iban) and its folded value."""


@dataclass(frozen=True, slots=True)
class Taught:
    """A reading after the lessons; for each field that one changed, what the machine had found and the record that taught it."""

    reading: Reading
    learned: dict[str, dict[str, Any]]


def marks(kind: Kind, names: tuple[str | None, ...], tax_id: str | None, iban: str | None) -> list[Mark]:
    """All that a counterparty is recognised by."""
    found = [(NAME, name_key(name)[:300]) for name in names if name]
    found += [(TAX_ID, tax)] if (tax := number_key(tax_id)) else []
    found += [("iban", account)] if kind.party_is_paid and (account := number_key(iban)) else []
    return list(dict.fromkeys(found))


def apply(session: Session, tenant_id: uuid.UUID, kind: Kind, reading: Reading) -> Taught:
    """What the tenant's people have taught about this counterparty, put into a reading."""
    known = marks(kind, (reading.get(kind.party),), reading.get(kind.party_tax_id), reading.get("iban"))
    lessons = _recall(session, tenant_id, kind, known)
    learned: dict[str, dict[str, Any]] = {}
    if NAME in lessons:
        _put(reading, learned, kind.party, lessons[NAME].value, lessons[NAME])
        lessons |= _recall(session, tenant_id, kind, marks(kind, (lessons[NAME].value,), None, None)) | lessons
    for field, name in ((kind.party_tax_id, TAX_ID), ("currency", CURRENCY)):
        lesson = lessons.get(name)
        if lesson is not None and reading.get(field) in (None, lesson.machine):
            _put(reading, learned, field, lesson.value, lesson)
    if DATE_ORDER in lessons:
        for field in DATES:
            value = reading.fields.get(field)
            turned = None if value is None else _turned(value, lessons[DATE_ORDER].value)
            if turned is not None:
                _put(reading, learned, field, turned, lessons[DATE_ORDER])
    fields = dict(reading.fields)
    for field, what in learned.items():
        was = fields.get(field)
        fields[field] = Value(what.pop("value"), max(CONFIDENCE, was.confidence if was else 0), _source(was))
    return Taught(replace(reading, fields=fields), learned)


def teach(session: Session, kind: Kind, record: Record, corrected: Mapping[str, Any]) -> None:
    """What is to be learned from an approved record; `corrected` has the machine's value for each corrected field, by the
    API's name. Where an earlier lesson was wrong, it is what the machine itself had found that is taught anew."""
    corrected = dict(corrected) | {key: one["machine"] for key, one in (record.learned or {}).items() if key in corrected}
    machine_name = corrected.get(kind.party_key, record.counterparty_name)
    role = kind.counterparty_role
    known = marks(kind, (machine_name, record.counterparty_name), record.counterparty_tax_id, record.iban)
    told = {kind.party_key: (NAME, record.counterparty_name), kind.tax_id_key: (TAX_ID, record.counterparty_tax_id)}
    told |= {"currency": (CURRENCY, record.currency)}
    for key, (field, value) in told.items():
        if key in corrected and value:
            _keep(session, record, known, {"role": role, "field": field}, {"machine": corrected[key], "value": value})
    order = _order_taught(record, corrected.get("date"))
    if order is not None:
        _keep(session, record, known, {"role": role, "field": DATE_ORDER}, {"machine": None, "value": order})


def _order_taught(record: Record, machine: str | None) -> str | None:
    """The order of day and month that a person has put right; None: the correction was about something else."""
    printed = ((record.evidence or {}).get("date") or {}).get("text", "")
    if machine is None or record.date is None:
        return None
    right, wrong = order_of(printed, record.date), order_of(printed, dt.date.fromisoformat(machine))
    return right if right and wrong and right != wrong else None


def order_of(printed: str, date: dt.date) -> str | None:
    """Whether a printed date that is all figures reads day first or month first; None: it does not show."""
    found = _NUMERIC.search(printed)
    if found is None or found[1] == found[2]:
        return None
    pair = int(found[1]), int(found[2])
    return {(date.day, date.month): "dmy", (date.month, date.day): "mdy"}.get(pair)


def _turned(value: Value, order: str) -> dt.date | None:
    """The date with day and month the other way round, where it was printed in figures that allow both."""
    date, printed = value.value, value.evidence.text if value.evidence else ""
    if not isinstance(date, dt.date) or order_of(printed, date) in (None, order) or date.day > 12:
        return None
    return date.replace(day=date.month, month=date.day)


def _put(reading: Reading, learned: dict[str, dict[str, Any]], field: str, value: Any, lesson: Lesson) -> None:
    was = reading.get(field)
    if was != value:
        machine = was.isoformat() if isinstance(was, dt.date) else was
        learned[field] = {"value": value, "machine": machine, "recordId": str(lesson.record_id)}


def _source(was: Value | None) -> Evidence | None:
    """The place stays; the value is a person's."""
    return None if was is None or was.evidence is None else replace(was.evidence, engine=ENGINE)


def _recall(session: Session, tenant_id: uuid.UUID, kind: Kind, known: list[Mark]) -> dict[str, Lesson]:
    """Field → the latest lesson."""
    if not known:
        return {}
    any_of = or_(*(and_(Lesson.sort == sort, Lesson.key == key) for sort, key in known))
    query = select(Lesson).where(Lesson.tenant_id == tenant_id, Lesson.role == kind.counterparty_role, any_of)
    return {lesson.field: lesson for lesson in session.scalars(query.order_by(Lesson.updated_at))}


def _keep(session: Session, record: Record, known: list[Mark], about: dict[str, str], said: dict[str, str | None]) -> None:
    field, own_name = about["field"], name_key(said["value"] or "")[:300]
    said |= {"record_id": record.id}  # type: ignore[dict-item]
    for sort, key in known:
        if sort == field and (sort == TAX_ID or key == own_name):
            continue  # it would teach itself
        mine = {"tenant_id": record.tenant_id, "sort": sort, "key": key, **about}
        again = update(Lesson).filter_by(**mine).values(**said, updated_at=record.updated_at)
        if session.execute(again).rowcount:  # type: ignore[attr-defined]
            continue
        try:
            with session.begin_nested():
                session.add(Lesson(**mine, **said, updated_at=record.updated_at))
        except IntegrityError:  # learned at the same moment by another approval
            session.execute(again)
