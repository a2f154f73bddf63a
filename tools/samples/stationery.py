"""A clean invoice in dollars: a ruled table."""

from datetime import date

from reportlab.lib.pagesizes import LETTER

from tools.samples.facts import LARKFIELD, Document, Party, grouped, line
from tools.samples.page import SANS_BOLD, Column, Page

STATIONERY_COLUMNS = [
    Column("Item", 60),
    Column("Qty", 352, "right"),
    Column("Unit price", 440, "right"),
    Column("Amount", 544, "right"),
]


def draw_stationery(document: Document) -> bytes:
    page = Page(document, LETTER)
    stationery_head(page, document)
    y = ruled_table(page, document, 268)
    stationery_sums(page, document, y + 22)
    page.rule(54, 558, 716, 0.4, "#9aa3ad")
    page.text(306, 732, "Questions? billing@cedarandquill.example  |  (207) 555-0142", 8, align="center", ink="#5b6570")
    return page.bytes()


def stationery_head(page: Page, document: Document) -> None:
    assert document.buyer is not None
    assert document.due is not None
    navy = "#1f3a5f"
    page.box(54, 48, 34, 34, fill=navy)
    page.shape("#ffffff", (63, 75), (79, 53), (82, 56), (67, 77))
    page.text(98, 63, document.seller.name, 14, font=SANS_BOLD, ink=navy)
    page.text(98, 78, "Paper, pens and fine desk goods since 1987", 8.5, ink="#5b6570")
    page.text(558, 70, "INVOICE", 24, font=SANS_BOLD, align="right", ink=navy)
    page.block(54, 106, document.seller.address)
    facts = [
        ("Invoice number", document.number),
        ("Invoice date", f"{document.issued:%B} {document.issued.day}, {document.issued.year}"),
    ]
    facts += [("Due date", f"{document.due:%B} {document.due.day}, {document.due.year}"), ("Terms", "Net 30")]
    for row, (label, value) in enumerate(facts):
        page.text(430, 106 + 14 * row, label, 9, font=SANS_BOLD, align="right")
        page.text(558, 106 + 14 * row, value, 9, align="right")
    page.text(54, 178, "BILL TO", 8, font=SANS_BOLD, ink=navy)
    page.block(54, 192, [document.buyer.name, *document.buyer.address])
    page.text(320, 178, "SHIP TO", 8, font=SANS_BOLD, ink=navy)
    page.block(320, 192, ["Larkfield Studio, Booth 418", "Harbor Design Fair, 1 Seaport Lane", "Boston, MA 02210"])


def ruled_table(page: Page, document: Document, y: float) -> float:
    bottom = y + 20 * (len(document.lines) + 1)
    page.box(54, y, 504, 20, fill="#dfe6ee")
    page.cells(y + 13.5, STATIONERY_COLUMNS, [column.title for column in STATIONERY_COLUMNS], font=SANS_BOLD)
    for row, item in enumerate(document.lines, 1):
        values = [item.description, grouped(item.quantity), grouped(item.price), grouped(document.amount(item))]
        page.cells(y + 20 * row + 13.5, STATIONERY_COLUMNS, values)
        page.rule(54, 558, y + 20 * row, 0.5, "#7d8894")
    page.canvas.setLineWidth(0.5)
    for x in (54, 312, 360, 450, 558):
        page.canvas.line(x, page.height - y, x, page.height - bottom)
    page.rule(54, 558, y, 0.5, "#7d8894")
    page.rule(54, 558, bottom, 0.5, "#7d8894")
    return bottom


def stationery_sums(page: Page, document: Document, y: float) -> None:
    sums = [("Subtotal", document.net), ("Sales tax (MA 6.25%)", document.tax)]
    for label, amount in sums:
        page.text(450, y, label, align="right")
        page.text(544, y, f"${grouped(amount)}", align="right")
        y += 16
    page.box(330, y - 11, 228, 22, fill="#1f3a5f")
    page.text(450, y + 4, "Total due (USD)", 10, font=SANS_BOLD, align="right", ink="#ffffff")
    page.text(544, y + 4, f"${grouped(document.total)}", 10, font=SANS_BOLD, align="right", ink="#ffffff")
    notes = [
        "Please pay by ACH or check within 30 days and quote the invoice number.",
        "Late balances bear interest at 1% per month.",
    ]
    page.text(54, y + 48, "PAYMENT", 8, font=SANS_BOLD, ink="#1f3a5f")
    page.block(54, y + 62, notes, 8.5)


def stationery() -> Document:
    return Document(
        file="stationery-usd.pdf",
        queue="bill",
        seller=Party("Cedar & Quill Stationery Co.", "88 Wharf Street", "", "Portland, ME 04101", "United States", "US"),
        buyer=LARKFIELD,
        number="INV-20418",
        issued=date(2025, 3, 14),
        due=date(2025, 4, 13),
        currency="USD",
        lines=[
            line("Cotton writing paper, ream of 500", 12, "38.50", "6.25"),
            line("Archival ink pens, box of 12", 8, "24.90", "6.25"),
            line("Display easel, walnut, table size", 6, "57.25", "6.25"),
            line("Visitor book, linen bound", 2, "64.00", "6.25"),
            line("Brass card holder", 20, "9.75", "6.25"),
            line("Delivery to booth, weekend slot", 1, "85.00", "6.25"),
        ],
        draw=draw_stationery,
    )
