"""What the tests need made: readings, files, documents in the ledger."""

import datetime as dt
import io
import uuid
from decimal import Decimal
from pathlib import Path

from reportlab.pdfgen.canvas import Canvas

from akount import scans
from akount.kinds import KINDS, Kind
from akount.lifecycle import Runtime
from akount.models import Job
from akount.readings import Evidence, Line, Reading, Value
from akount.scans import Submission
from people import Person

SAMPLES = Path(__file__).parent.parent / "samples"
BILL: Kind = next(iter(KINDS.values()))


def reading(**values: object) -> Reading:
    """A complete reading that adds up, of three lines; `values` replace fields, None removes one."""
    fields: dict[str, object] = {
        "seller_name": "Cedar & Quill",
        "buyer_name": "Larkfield Studio Ltd",
        "invoice_number": "A-17",
        "issue_date": dt.datetime.now(dt.UTC).date() - dt.timedelta(days=3),
        "currency": "EUR",
        "net": Decimal("100.00"),
        "tax": Decimal("19.00"),
        "total": Decimal("119.00"),
    } | values
    lines = tuple(
        Line(f"Thing {n}", Decimal(1), Decimal(a), Decimal(a), confidence=95) for n, a in enumerate(("50.00", "30.00", "20.00"))
    )
    evidence = Evidence(1, (0.1, 0.1, 0.2, 0.2), "as printed", "fake")
    found = {name: Value(value, 95, evidence) for name, value in fields.items() if value is not None}  # type: ignore[arg-type]
    return Reading("fake", "1", 1, found, lines)


def pdf(text: str | None = None) -> bytes:
    """A small PDF that no other test has made, with an invoice's words on it."""
    out = io.BytesIO()
    canvas = Canvas(out, invariant=1)
    for row, line in enumerate([text or f"Invoice {uuid.uuid4()}", "Cedar & Quill", "Date 2025-03-14", "Total EUR 119.00"]):
        canvas.drawString(72, 720 - 20 * row, line)
    canvas.save()
    return out.getvalue()


def sent(runtime: Runtime, person: Person, data: bytes | None = None, kind: Kind = BILL) -> Submission:
    """What somebody is answered who sends a document, through the front door of the service layer."""
    incoming = runtime.storage.receive(runtime.settings.max_upload_bytes)
    incoming.write(pdf() if data is None else data)
    try:
        return scans.submit(runtime, person.call, kind, incoming, filename="a.pdf", entity_id=person.entity_id)
    finally:
        incoming.close()


def submitted(runtime: Runtime, person: Person, data: bytes | None = None, kind: Kind = BILL) -> Job:
    """The job of a document that somebody has sent."""
    return sent(runtime, person, data, kind).job
