"""A reading becomes a record with its lines, its counterparty and the decision about it, in the caller's transaction."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy.orm import Session

from akount import counterparties, duplicates
from akount.checks import Finding
from akount.counterparties import Party
from akount.currencies import exponent, to_minor
from akount.kinds import Kind
from akount.ledger import Claim
from akount.models import Decision, Document, Record, RecordLine, inserting
from akount.readings import Evidence, Line, Reading, reading_to_json
from akount.routing import STATUS, Routing


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of reading a document: the reading, what earlier corrections changed in it, what was checked, how far to
    trust it, and what the uploader had agreed to."""

    reading: Reading
    learned: dict[str, dict[str, Any]]
    findings: tuple[Finding, ...]
    confidence: int
    consent: dict[str, Any]
    duration_ms: int
    cost: int = 0
    "of hosted engines, in millionths of a US dollar"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a document belongs among what the entity has already: its counterparty, and a record that is the same."""

    counterparty_id: uuid.UUID | None
    duplicate_of: uuid.UUID | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """All that a record is written from."""

    judgement: Judgement
    place: Place
    routing: Routing

    @property
    def reading(self) -> Reading:
        """What the document says."""
        return self.judgement.reading


def place(session: Session, document: Document, kind: Kind, reading: Reading) -> Place:
    """Where a reading belongs. The counterparty stays locked until the end of the transaction, so that of two documents that
    are the same at least the second sees the first."""
    party = Party(
        document.tenant_id,
        document.entity_id,
        kind.counterparty_role,
        _text(reading.get(kind.party), 300),
        reading.get(kind.party_tax_id),
        reading.get("iban") if kind.party_is_paid else None,
    )
    currency = _currency(reading)
    number, total = _text(reading.get("invoice_number"), 200), to_minor(reading.get("total"), currency)
    return place_of(session, party, duplicates.Marks(None, number, reading.get("issue_date"), currency, total))


def place_of(session: Session, party: Party, marks: duplicates.Marks, but: uuid.UUID | None = None) -> Place:
    """The counterparty, and whether a record (`but` the one itself) looks like the same document."""
    match = counterparties.resolve(session, party)
    other, finding = duplicates.find(session, replace(marks, counterparty_id=match.id), but)
    return Place(match.id, other, tuple(f for f in (match.finding, finding) if f is not None))


def _currency(reading: Reading) -> str | None:
    said: str | None = reading.get("currency")
    return said if exponent(said) is not None else None


def write(session: Session, document: Document, held: Claim, kind: Kind, verdict: Verdict, *, record_id: uuid.UUID) -> None:
    """The record of a document, with lines, counterparty and decision. Its job's unique key refuses a second one."""
    currency = _currency(verdict.reading)
    values = {"id": record_id, "job_id": held.job_id}
    session.execute(
        inserting(Record), values | _of_document(document) | _figures(kind, verdict, currency) | _grounds(kind, verdict)
    )
    lines = [_line(record_id, position, line, currency) for position, line in enumerate(verdict.reading.lines, 1)]
    if lines:
        session.execute(inserting(RecordLine), lines)
    session.execute(inserting(Decision), _decision(document, held, record_id, verdict))


def _of_document(document: Document) -> dict[str, Any]:
    return {
        "tenant_id": document.tenant_id,
        "entity_id": document.entity_id,
        "document_id": document.id,
        "kind": document.kind,
    }


def _figures(kind: Kind, verdict: Verdict, currency: str | None) -> dict[str, Any]:
    reading = verdict.reading
    return {
        "status": STATUS[verdict.routing.route],
        "counterparty_name": _text(reading.get(kind.party), 300),
        "counterparty_tax_id": _text(reading.get(kind.party_tax_id), 40),
        "iban": _text(reading.get("iban"), 40),
        "number": _text(reading.get("invoice_number"), 200),
        "date": reading.get("issue_date"),
        "due_date": reading.get("due_date"),
        "currency": currency,
        "subtotal": to_minor(reading.get("net"), currency),
        "tax_amount": to_minor(reading.get("tax"), currency),
        "total_amount": to_minor(reading.get("total"), currency),
        "amount_due": to_minor(reading.get("amount_due"), currency),
        "credit_note": reading.credit_note,
        "tax_breakdown": [
            {"name": b.name, "rate": None if b.rate is None else format(b.rate, "f"), "amount": to_minor(b.amount, currency)}
            for b in reading.tax_bands
        ],
        "payment_terms": terms_of(reading.get("payment_terms"), reading.get("due_date")),
    }


def _grounds(kind: Kind, verdict: Verdict) -> dict[str, Any]:
    """What the figures rest on."""
    reading, said = verdict.reading, verdict.judgement
    return {
        "counterparty_id": verdict.place.counterparty_id,
        "duplicate_of": verdict.place.duplicate_of,
        "learned": {key: said.learned[field] for field, key in kind.columns.values() if field in said.learned},
        "confidence": said.confidence,
        "field_confidence": {key: reading.fields[field].confidence for field, key in _keys(kind, reading)},
        "evidence": {key: _evidence(reading.fields[field].evidence) for field, key in _keys(kind, reading)},
        "checks": [asdict(finding) for finding in (*said.findings, *verdict.place.findings)],
        "warnings": [*reading.warnings],
        "engine": reading.engine,
        "model_version": reading.engine_version,
    }


def _decision(document: Document, held: Claim, record_id: uuid.UUID, verdict: Verdict) -> dict[str, Any]:
    return {
        "tenant_id": document.tenant_id,
        "job_id": held.job_id,
        "document_id": document.id,
        "record_id": record_id,
        "input_hash": document.sha256,
        "engine": verdict.reading.engine,
        "engine_version": verdict.reading.engine_version,
        "confidence": verdict.judgement.confidence,
        "extracted": reading_to_json(verdict.reading),
        "routing": verdict.routing.route,
        "reason": verdict.routing.reason,
        "consent": verdict.judgement.consent,
        "duration_ms": verdict.judgement.duration_ms,
        "cost": verdict.judgement.cost,
    }


def _line(record_id: uuid.UUID, position: int, line: Line, currency: str | None) -> dict[str, Any]:
    return {
        "record_id": record_id,
        "position": position,
        "description": line.description,
        "quantity": line.quantity,
        "unit_price": line.unit_price,
        "amount": to_minor(line.amount, currency),
        "tax_amount": to_minor(line.tax_amount, currency),
        "tax_rate": line.tax_rate,
        "evidence": _evidence(line.evidence),
    }


def _keys(kind: Kind, reading: Reading) -> list[tuple[str, str]]:
    return [(field, key) for field, key in kind.columns.values() if field in reading.fields]


def _evidence(evidence: Evidence | None) -> dict[str, Any] | None:
    return None if evidence is None else {**asdict(evidence), "box": list(evidence.box) if evidence.box else None}


def terms_of(terms: str | None, due: dt.date | None) -> dict[str, Any] | None:
    """When to pay, as a record keeps it."""
    if terms is None and due is None:
        return None
    return {"terms": terms, "dueDate": due.isoformat() if due else None, "discountTerms": None}


def _text(value: str | None, limit: int) -> str | None:
    return value[:limit] if value else None
