"""Yen: no table lines, labels in a column."""

from datetime import date

from tools.samples.facts import LARKFIELD, Document, Party, grouped, line
from tools.samples.page import SANS_BOLD, Column, Page


def draw_paper_mill(document: Document) -> bytes:
    page = Page(document)
    page.disc(88, 74, 17, "#c8102e")
    page.rule(66, 110, 98, 1.4, "#2a2f55")
    page.text(124, 82, document.seller.name, 15, font=SANS_BOLD, ink="#2a2f55")
    y = paper_mill_labels(page, document, 140)
    y = paper_mill_lines(page, document, y + 34)
    paper_mill_sums(page, document, y + 26)
    return page.bytes()


def paper_mill_labels(page: Page, document: Document, y: float) -> float:
    assert document.buyer is not None
    assert document.due is not None
    facts = [
        ("Invoice no.", [document.number]),
        ("Issued", [f"{document.issued:%Y/%m/%d}"]),
        ("Payable by", [f"{document.due:%Y/%m/%d}"]),
        ("From", [document.seller.name, *document.seller.address]),
        ("Registration no.", [document.seller.registration]),
        ("To", [document.buyer.name, *document.buyer.address]),
        ("Subject", ["Handmade washi, spring delivery"]),
        ("Bank transfer", ["Demo Bank of Kyoto, Fushimi branch", "Ordinary account 0000417, AOZORA WASHI K.K."]),
    ]
    for label, rows in facts:
        page.text(66, y, label, 9, ink="#7a7f99")
        y = page.block(180, y, rows, 9.5, 13) + 6
    return y


def paper_mill_lines(page: Page, document: Document, y: float) -> float:
    columns = [Column("Goods", 66), Column("Sheets", 360, "right"), Column("Each", 432, "right"), Column("Yen", 529, "right")]
    page.cells(y, columns, [column.title for column in columns], 9, ink="#7a7f99")
    for item in document.lines:
        y += 19
        page.cells(y, columns, [item.description, grouped(item.quantity), grouped(item.price), grouped(document.amount(item))], 9.5)
    return y


def paper_mill_sums(page: Page, document: Document, y: float) -> None:
    sums = [("Subtotal", document.net), *((f"Consumption tax {rate}%", tax) for rate, (_, tax) in document.taxes.items())]
    for label, amount in sums:
        page.text(360, y, label, 9.5, align="right", ink="#7a7f99")
        page.text(529, y, f"¥{grouped(amount)}", 9.5, align="right")
        y += 17
    page.text(360, y + 8, "Amount payable", 12, font=SANS_BOLD, align="right", ink="#2a2f55")
    page.text(529, y + 8, f"¥{grouped(document.total)}", 14, font=SANS_BOLD, align="right", ink="#2a2f55")
    page.text(66, y + 60, "All amounts in Japanese yen (JPY). Transfer fees are borne by the payer.", 8.5, ink="#7a7f99")


def paper_mill() -> Document:
    return Document(
        file="paper-mill-jpy.pdf",
        queue="bill",
        seller=Party(
            "Aozora Washi K.K.", "4-17 Kamiya-cho, Fushimi-ku", "612-0000", "Kyoto", "Japan", "JP", registration="T0000000000417"
        ),
        buyer=LARKFIELD,
        number="AW-250430-2",
        issued=date(2025, 4, 30),
        due=date(2025, 5, 31),
        currency="JPY",
        lines=[
            line("Kozo paper, 40 g, 60 x 90 cm", 320, "415", "10"),
            line("Gampi paper, 18 g, natural", 150, "680", "10"),
            line("Indigo-dyed kozo, deep blue", 75, "1240", "10"),
            line("Sample book, spring", 2, "3500", "10"),
            line("Wooden crate and export packing", 1, "18600", "10"),
        ],
        draw=draw_paper_mill,
    )
