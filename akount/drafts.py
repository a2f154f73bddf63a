"""A reading becomes a record with its lines, its counterparty and the decision about it, in the caller's transaction."""

from __future__ import annotations

import re
import unicodedata
import uuid
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from akount.checks import Finding
from akount.currencies import exponent, to_minor
from akount.kinds import Kind
from akount.ledger import Claim
from akount.models import Counterparty, Decision, Document, Record, RecordLine
from akount.readings import Evidence, Reading, reading_to_json
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


def write(session: Session, document: Document, held: Claim, kind: Kind, verdict: Verdict) -> Record:
    """The record of a document, with lines, counterparty and decision. Its job's unique key refuses a second one."""
    reading = verdict.reading
    name = _text(reading.get(kind.party), 300)
    tax_id = _text(reading.get(kind.party_tax_id), 40)
    party = _counterparty(session, document, kind, name, tax_id) if name else None
    currency = reading.get("currency") if exponent(reading.get("currency")) is not None else None
    record = Record(
        id=uuid.uuid4(),
        tenant_id=document.tenant_id,
        entity_id=document.entity_id,
        document_id=document.id,
        job_id=held.job_id,
        kind=kind.name,
        status=STATUS[verdict.routing.route],
        counterparty_id=party.id if party else None,
        counterparty_name=name,
        counterparty_tax_id=tax_id,
        iban=_text(reading.get("iban"), 40),
        number=_text(reading.get("invoice_number"), 200),
        date=reading.get("issue_date"),
        due_date=reading.get("due_date"),
        currency=currency,
        subtotal=to_minor(reading.get("net"), currency),
        tax_amount=to_minor(reading.get("tax"), currency),
        total_amount=to_minor(reading.get("total"), currency),
        amount_due=to_minor(reading.get("amount_due"), currency),
        credit_note=reading.credit_note,
        tax_breakdown=[
            {"name": b.name, "rate": None if b.rate is None else format(b.rate, "f"), "amount": to_minor(b.amount, currency)}
            for b in reading.tax_bands
        ],
        payment_terms=_terms(reading),
        confidence=verdict.confidence,
        field_confidence={key: reading.fields[field].confidence for field, key in _keys(kind, reading)},
        evidence={key: _evidence(reading.fields[field].evidence) for field, key in _keys(kind, reading)},
        checks=[asdict(finding) for finding in verdict.findings],
        warnings=[*reading.warnings],
        engine=reading.engine,
        model_version=reading.engine_version,
    )
    session.add(record)
    session.flush()
    session.add_all(_line(record, position, line, currency) for position, line in enumerate(reading.lines, 1))
    session.add(_decision(document, record, verdict))
    return record


def _decision(document: Document, record: Record, verdict: Verdict) -> Decision:
    return Decision(
        tenant_id=document.tenant_id,
        job_id=record.job_id,
        document_id=document.id,
        record_id=record.id,
        input_hash=document.sha256,
        engine=verdict.reading.engine,
        engine_version=verdict.reading.engine_version,
        confidence=verdict.confidence,
        extracted=reading_to_json(verdict.reading),
        routing=verdict.routing.route,
        reason=verdict.routing.reason,
        consent=verdict.consent,
        duration_ms=verdict.duration_ms,
    )


def name_key(name: str) -> str:
    """A name folded for comparing: without case, accents, punctuation and legal form; never empty for a name."""
    plain = unicodedata.normalize("NFKD", name.casefold().replace("ß", "ss"))
    words = " ".join(re.sub(r"[^\w\s]|_", " ", "".join(c for c in plain if not unicodedata.combining(c))).split())
    return " ".join(_LEGAL_FORMS.sub(" ", words).split()) or words or name.casefold()


def _counterparty(session: Session, document: Document, kind: Kind, name: str, tax_id: str | None) -> Counterparty:
    """The entity's counterparty of that name, made when it is new; who makes it at the same time finds it made."""
    mine = (Counterparty.entity_id == document.entity_id, Counterparty.role == kind.counterparty_role)
    wanted = select(Counterparty).where(*mine, Counterparty.name_key == name_key(name)[:300])
    found = session.scalar(wanted)
    if found is not None:
        return found
    made = Counterparty(
        tenant_id=document.tenant_id,
        entity_id=document.entity_id,
        role=kind.counterparty_role,
        name=name,
        name_key=name_key(name)[:300],
        tax_id=tax_id,
    )
    try:
        with session.begin_nested():
            session.add(made)
    except IntegrityError:
        return session.scalars(wanted).one()
    return made


def _line(record: Record, position: int, line: Any, currency: str | None) -> RecordLine:
    return RecordLine(
        record_id=record.id,
        position=position,
        description=line.description,
        quantity=line.quantity,
        unit_price=line.unit_price,
        amount=to_minor(line.amount, currency),
        tax_amount=to_minor(line.tax_amount, currency),
        tax_rate=line.tax_rate,
    )


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
