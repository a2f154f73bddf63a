"""The documents: the list, and one with its pages, the boxes of what was read on them, its values, checks and history."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from flask import Response, url_for

from akount import corrections, dossiers
from akount.accounts import Permission
from akount.admin import paging
from akount.admin.names import named
from akount.admin.shell import page, runtime, show
from akount.api.guards import call
from akount.currencies import from_minor
from akount.dossiers import Dossier
from akount.kinds import Kind, kind_named
from akount.models import Record
from akount.review import OPEN

MOST_PAGES = 20
"""Pages that are shown at once; the rest by their number."""
SURE, PROBABLE = 80, 60
BLANK_LINES = 2
"""Empty lines below those of the record, to add more without a script."""
LABELS = {
    "counterparty_name": "Counterparty",
    "counterparty_tax_id": "Tax id",
    "number": "Number",
    "iban": "IBAN",
    "date": "Date",
    "due_date": "Due",
    "currency": "Currency",
    "subtotal": "Net",
    "tax_amount": "Tax",
    "total_amount": "Total",
    "amount_due": "Amount due",
}
LINE_FIELDS = ("description", "quantity", "unitPrice", "amount", "taxRate")


@dataclass(frozen=True, slots=True)
class Field:
    """A value of a record as the page shows it: how sure the machine is, where it stands, what it had found."""

    column: str
    key: str
    anchor: str
    label: str
    text: str
    confidence: int | None
    evidence: dict[str, Any] | None
    machine: str | None
    "what a person corrected; None: nobody did"
    learned: bool
    errors: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        """How sure, in a word."""
        if self.confidence is None:
            return "not found"
        return "high" if self.confidence >= SURE else "check" if self.confidence >= PROBABLE else "low"

    @property
    def source(self) -> str:
        """Where the value comes from, for people."""
        if self.machine is not None:
            return "a person"
        if self.learned:
            return "an earlier correction"
        return str((self.evidence or {}).get("engine", ""))


@page("/documents", Permission.ACT)
def documents() -> Response:
    """The list, the newest first."""
    if call().actor.tenant_id is None:
        return no_tenant("Documents")
    after, _ = paging.asked()
    found, more = dossiers.listed(runtime(), call().actor, after)
    last = found[-1][0] if found and more else None
    pager = paging.pager((last.created_at, last.id) if last else None, None)
    return show("documents.html", title="Documents", rows=found, pager=pager, major=from_minor)


@page("/documents/<uuid:document_id>", Permission.ACT)
def document(document_id: uuid.UUID) -> Response:
    """One document: its pages with boxes beside its values."""
    if call().actor.tenant_id is None:
        return no_tenant("Document")
    return sheet(document_id)


def no_tenant(title: str) -> Response:
    """What an operator sees who looks at all tenants: documents are one tenant's business."""
    return show("no_tenant.html", title=title)


def sheet(document_id: uuid.UUID, said: dict[str, str] | None = None, errors: dict[str, list[str]] | None = None) -> Response:
    """The page of a document; with `said`, what a form said that could not be taken, and why."""
    whole = dossiers.whole(runtime(), call().actor, document_id)
    found = whole.dossier
    record, kind = found.record, kind_named(found.document.kind)
    fields = _fields(record, kind, said or {}, errors or {}) if record else []
    return show(
        "document.html",
        title=found.document.filename or "Erased document",
        status=422 if errors else 200,
        found=found,
        kind=kind,
        fields=fields,
        lines=_lines(record, said) if record else [],
        line_fields=LINE_FIELDS,
        line_errors=(errors or {}).get(corrections.LINES, []),
        problem=" ".join((errors or {}).get("", [])),
        sheets=_sheets(found, fields, whole.pages),
        open=record is not None and record.status in OPEN,
        trail=whole.trail,
        names=named([record.reviewed_by if record else None, *(entry.actor for entry in whole.trail)]),
        machine_lines=(corrections.by_field(record).get(corrections.LINES) or {}).get("machine") if record else None,
    )


def _fields(record: Record, kind: Kind, said: dict[str, str], errors: dict[str, list[str]]) -> list[Field]:
    """What needs eyes first."""
    corrected = corrections.by_field(record)
    found = [
        Field(
            column=column,
            key=key,
            anchor=column.replace("_", "-").removesuffix("-amount").removeprefix("counterparty-"),
            label=LABELS[column] if column != "counterparty_name" else kind.counterparty_role.capitalize(),
            text=said.get(column, words_of(record, column)),
            confidence=(record.field_confidence or {}).get(key),
            evidence=(record.evidence or {}).get(key),
            machine=_machine(record, column, corrected[key]["machine"]) if key in corrected else None,
            learned=key in (record.learned or {}),
            errors=tuple(errors.get(key, ())),
        )
        for column, (_, key) in kind.columns.items()
    ]
    return sorted(found, key=lambda field: (field.confidence or 0) >= SURE or field.machine is not None)


def words_of(record: Record, column: str) -> str:
    """A value as a form has it: amounts with the currency's digits."""
    value = getattr(record, column)
    value = from_minor(value, record.currency) if column in corrections.AMOUNTS else value
    return "" if value is None else str(value)


def _machine(record: Record, column: str, value: Any) -> str:
    value = from_minor(value, record.currency) if column in corrections.AMOUNTS else value
    return "nothing" if value is None else str(value)


def _lines(record: Record, said: dict[str, str] | None) -> list[dict[str, str]]:
    """The rows of the form, and some that are empty."""
    if said is not None:
        count = 1 + max((int(name.split("-")[1]) for name in said if name.startswith("line-")), default=-1)
        return [{name: said.get(f"line-{row}-{name}", "") for name in LINE_FIELDS} for row in range(count)]
    rows = [
        {
            "description": line.description,
            "quantity": _text(line.quantity),
            "unitPrice": _text(line.unit_price),
            "amount": _text(from_minor(line.amount, record.currency)),
            "taxRate": _text(line.tax_rate),
        }
        for line in record.lines
    ]
    return rows + [dict.fromkeys(LINE_FIELDS, "") for _ in range(BLANK_LINES)]


def _text(value: Any) -> str:
    return "" if value is None else format(value, "f")


def _sheets(found: Dossier, fields: list[Field], count: int) -> list[dict[str, Any]]:
    """The pages, with the boxes on them in thousandths of the page."""
    if found.document.erased_at or found.document.media_type == "application/xml":
        return []
    pages = []
    for number in range(1, min(count, MOST_PAGES) + 1):
        boxes = [(field, _box(field.evidence["box"])) for field in fields if field.evidence and _is_on(field.evidence, number)]
        url = url_for("documents.page", document_id=found.document.id, page=number)
        pages.append({"number": number, "url": url, "boxes": boxes})
    return pages


def _is_on(evidence: dict[str, Any], number: int) -> bool:
    return evidence["page"] == number and bool(evidence.get("box"))


def _box(box: list[float]) -> dict[str, float]:
    x0, y0, x1, y1 = (round(1000 * edge, 1) for edge in box)
    return {"x": x0 - 4, "y": y0 - 4, "width": x1 - x0 + 8, "height": y1 - y0 + 8}
