"""A reading becomes a record with its lines, its counterparty and the decision about it, in the caller's transaction."""

from __future__ import annotations

import re
import unicodedata
import uuid
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from akount.checks import Finding
from akount.currencies import exponent, to_minor
from akount.kinds import Kind
from akount.ledger import Claim
from akount.models import Counterparty, Decision, Document, Record, RecordLine, inserting
from akount.readings import Evidence, Line, Reading, reading_to_json
from akount.routing import STATUS, Routing

FIELD_KEYS = {
    "issue_date": "date",
    "due_date": "dueDate",
    "currency": "currency",
    "net": "subtotal",
    "tax": "taxAmount",
    "total": "totalAmount",
    "amount_due": "amountDue",
    "iban": "iban",
}
"""A reading's field → what the API calls it; the names of counterparty and number are the kind's."""

_LEGAL_FORMS = re.compile(
    r"\b(gmbh|mbh|ag|kg|ohg|ug|ltd|limited|plc|llp|llc|inc|corp|co|company|bv|nv|sarl|sas|sa|srl|spa|sl|ab|as|oy|aps|sp z o o)\b"
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of reading a document: the reading, what was checked, how far to trust it and where it goes."""

    reading: Reading
    findings: tuple[Finding, ...]
    confidence: int
    routing: Routing
    consent: dict[str, Any]
    duration_ms: int
    cost: int = 0
    "of hosted engines, in millionths of a US dollar"


def write(session: Session, document: Document, held: Claim, kind: Kind, verdict: Verdict, *, record_id: uuid.UUID) -> None:
    """The record of a document, with lines, counterparty and decision. Its job's unique key refuses a second one."""
    currency = verdict.reading.get("currency")
    currency = currency if exponent(currency) is not None else None
    party = _counterparty(session, document, kind, verdict.reading)
    values = {"id": record_id, "job_id": held.job_id, "counterparty_id": party}
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
        "payment_terms": _terms(reading),
    }


def _grounds(kind: Kind, verdict: Verdict) -> dict[str, Any]:
    """What the figures rest on."""
    reading = verdict.reading
    return {
        "confidence": verdict.confidence,
        "field_confidence": {key: reading.fields[field].confidence for field, key in _keys(kind, reading)},
        "evidence": {key: _evidence(reading.fields[field].evidence) for field, key in _keys(kind, reading)},
        "checks": [asdict(finding) for finding in verdict.findings],
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
        "confidence": verdict.confidence,
        "extracted": reading_to_json(verdict.reading),
        "routing": verdict.routing.route,
        "reason": verdict.routing.reason,
        "consent": verdict.consent,
        "duration_ms": verdict.duration_ms,
        "cost": verdict.cost,
    }


def name_key(name: str) -> str:
    """A name folded for comparing: without case, accents, punctuation and legal form; never empty for a name."""
    plain = unicodedata.normalize("NFKD", name.casefold().replace("ß", "ss"))
    words = " ".join(re.sub(r"[^\w\s]|_", " ", "".join(c for c in plain if not unicodedata.combining(c))).split())
    return " ".join(_LEGAL_FORMS.sub(" ", words).split()) or words or name.casefold()


_PARTY = select(Counterparty.id).where(
    Counterparty.entity_id == bindparam("entity"),
    Counterparty.role == bindparam("side"),
    Counterparty.name_key == bindparam("key"),
)


def _counterparty(session: Session, document: Document, kind: Kind, reading: Reading) -> uuid.UUID | None:
    """The entity's counterparty of that name, made when it is new; who makes it at the same time finds it made."""
    name = _text(reading.get(kind.party), 300)
    if name is None:
        return None
    wanted = {"entity": document.entity_id, "side": kind.counterparty_role, "key": name_key(name)[:300]}
    found = session.scalar(_PARTY, wanted)
    if found is not None:
        return found
    made = Counterparty(
        id=uuid.uuid4(),
        tenant_id=document.tenant_id,
        entity_id=document.entity_id,
        role=kind.counterparty_role,
        name=name,
        name_key=wanted["key"],
        tax_id=_text(reading.get(kind.party_tax_id), 40),
    )
    try:
        with session.begin_nested():
            session.add(made)
    except IntegrityError:
        return session.scalars(_PARTY, wanted).one()
    return made.id


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
    }


def _keys(kind: Kind, reading: Reading) -> list[tuple[str, str]]:
    keys = FIELD_KEYS | {kind.party: kind.party_key, kind.party_tax_id: kind.tax_id_key, "invoice_number": kind.number_key}
    return [(field, key) for field, key in keys.items() if field in reading.fields]


def _evidence(evidence: Evidence | None) -> dict[str, Any] | None:
    return None if evidence is None else {**asdict(evidence), "box": list(evidence.box) if evidence.box else None}


def _terms(reading: Reading) -> dict[str, Any] | None:
    terms, due = reading.get("payment_terms"), reading.get("due_date")
    if terms is None and due is None:
        return None
    return {"terms": terms, "dueDate": due.isoformat() if due else None, "discountTerms": None}


def _text(value: str | None, limit: int) -> str | None:
    return value[:limit] if value else None
