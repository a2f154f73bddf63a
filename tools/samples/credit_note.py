"""A credit note, scanned."""

import io
from datetime import date

import numpy as np
import pypdfium2
from reportlab.lib.utils import ImageReader

from tools.samples.camera import jpeg, scan
from tools.samples.facts import LARKFIELD, Document, Party, grouped, line
from tools.samples.page import SANS_BOLD, Column, Page, larkfield_mark

CREDIT_COLUMNS = [
    Column("Description", 62),
    Column("Qty", 352, "right"),
    Column("Unit price", 436, "right"),
    Column("Credit", 533, "right"),
]


def draw_credit_note(document: Document) -> bytes:
    printed = pypdfium2.PdfDocument(print_credit_note(document))
    try:
        sheet = printed[0].render(scale=200 / 72).to_pil().convert("L")
    finally:
        printed.close()
    picture = io.BytesIO(jpeg(scan(sheet, np.random.RandomState(418)), 55))
    page = Page(document)
    # The picture goes in as the JPEG it is.
    page.canvas.drawImage(ImageReader(picture), 0, 0, page.width, page.height)
    return page.bytes()


def print_credit_note(document: Document) -> bytes:
    assert document.buyer is not None
    page = Page(document)
    larkfield_mark(page, 62, 58, "#222222")
    page.block(533, 62, [document.seller.name, *document.seller.address, f"VAT no. {document.seller.vat_id}"], 9, 12, align="right")
    page.text(62, 164, "CREDIT NOTE", 22, font=SANS_BOLD)
    page.block(62, 194, ["To:", document.buyer.name, *document.buyer.address], 10, 13.5)
    facts = [("Credit note no.", document.number), ("Date", f"{document.issued.day} {document.issued:%B %Y}")]
    facts += [("Against invoice", "LS-2025-0119"), ("Customer no.", "C-2208")]
    for row, (label, value) in enumerate(facts):
        page.text(360, 194 + 16 * row, label, 10, font=SANS_BOLD)
        page.text(533, 194 + 16 * row, value, 10, align="right")
    credit_table(page, document, 306)
    page.text(62, 700, "Authorised by", 9)
    signature(page, 140, 700)
    page.rule(135, 290, 703, 0.5)
    page.text(62, 752, "This credit will be set against your next invoice. No payment is required.", 9)
    return page.bytes()


def credit_table(page: Page, document: Document, y: float) -> None:
    page.rule(56, 539, y - 14, 1.2)
    page.cells(y, CREDIT_COLUMNS, [column.title for column in CREDIT_COLUMNS], 10, font=SANS_BOLD)
    page.rule(56, 539, y + 7, 1.2)
    for item in document.lines:
        y += 24
        page.cells(
            y, CREDIT_COLUMNS, [item.description, grouped(item.quantity), grouped(item.price), grouped(document.amount(item))], 10
        )
    page.rule(56, 539, y + 12, 0.6)
    sums = [("Net credit", document.net), *((f"VAT {rate}%", tax) for rate, (_, tax) in document.taxes.items())]
    for label, amount in sums:
        y += 30 if label == "Net credit" else 18
        page.text(436, y, label, 10, align="right")
        page.text(533, y, grouped(amount), 10, align="right")
    page.text(436, y + 26, "Total credit EUR", 12, font=SANS_BOLD, align="right")
    page.text(533, y + 26, grouped(document.total), 12, font=SANS_BOLD, align="right")
    page.rule(330, 539, y + 33, 1.2)
    page.text(62, y + 80, "Reason: two display stands arrived damaged and one panel was returned unused.", 10)


def signature(page: Page, x: float, y: float) -> None:
    strokes = [
        (0, 4, 8, 34, 16, -6),
        (16, -6, 22, 18, 28, 4),
        (28, 4, 40, -10, 44, 12),
        (44, 12, 52, 30, 60, 2),
        (60, 2, 90, 16, 132, 8),
    ]
    page.canvas.setStrokeColor("#23324f")
    page.canvas.setLineWidth(1.3)
    base = page.height - y
    start = (0, 4)
    for a, b, c, d, e, f in strokes:
        page.canvas.bezier(x + start[0], base + start[1], x + a + 4, base + b + 6, x + c, base + d, x + e, base + f)
        start = (e, f)


def credit_note() -> Document:
    return Document(
        file="credit-note-scan-eur.pdf",
        queue="invoice",
        document_type="credit_note",
        seller=LARKFIELD,
        buyer=Party("Ballyvara Arts Centre", "5 Harbour View", "H99 XX00", "Galway", "Ireland", "IE"),
        number="CN-2025-007",
        issued=date(2025, 10, 17),
        due=None,
        currency="EUR",
        lines=[
            line("Display stand, oak, returned damaged", 2, "186.00", "23"),
            line("Text panel 900 x 1200, returned unused", 1, "164.50", "23"),
            line("Carriage refunded", 1, "28.00", "23"),
        ],
        draw=draw_credit_note,
    )
