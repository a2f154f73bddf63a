"""Sixty lines over three pages."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

from tools.samples.facts import LARKFIELD, Document, Line, Party, grouped, line, spaced
from tools.samples.page import SANS_BOLD, Column, Page, larkfield_mark

EXHIBITION_COLUMNS = [
    Column("Ref", 48),
    Column("Description", 84),
    Column("Qty", 356, "right"),
    Column("Price", 414, "right"),
    Column("VAT", 458, "right"),
    Column("Net amount", 547, "right"),
]
EXHIBITION_PAGES = [range(22), range(22, 48), range(48, 60)]


def draw_exhibition(document: Document) -> bytes:
    page = Page(document)
    carried = Decimal(0)
    for number, rows in enumerate(EXHIBITION_PAGES, 1):
        y = exhibition_first_head(page, document) if number == 1 else exhibition_next_head(page, document, carried)
        for index in rows:
            y = exhibition_row(page, document, index, y)
            carried += document.amount(document.lines[index])
        if number == len(EXHIBITION_PAGES):
            exhibition_sums(page, document, y + 16)
        else:
            page.text(458, y + 12, "Carried forward", 8.5, font=SANS_BOLD, align="right")
            page.text(547, y + 12, f"£{grouped(carried)}", 8.5, font=SANS_BOLD, align="right")
        exhibition_foot(page, document, number)
        page.next_page()
    return page.bytes()


def exhibition_first_head(page: Page, document: Document) -> float:
    assert document.buyer is not None
    assert document.due is not None
    larkfield_mark(page, 48, 44)
    page.block(547, 48, [document.seller.name, *document.seller.address, f"VAT no. {document.seller.vat_id}"], 8, 11, align="right")
    page.text(48, 126, "Invoice", 20, font=SANS_BOLD)
    page.block(48, 150, [document.buyer.name, *document.buyer.address])
    facts = [("Invoice no.", document.number), ("Date", f"{document.issued:%d/%m/%Y}"), ("Payment due", f"{document.due:%d/%m/%Y}")]
    facts += [("Your order", "NMT-PO-3371"), ("Project", "Tides & Timber exhibition")]
    for row, (label, value) in enumerate(facts):
        page.text(360, 138 + 13 * row, label, 8.5, font=SANS_BOLD)
        page.text(547, 138 + 13 * row, value, 8.5, align="right")
    return exhibition_table_head(page, 228)


def exhibition_next_head(page: Page, document: Document, carried: Decimal) -> float:
    larkfield_mark(page, 48, 40)
    page.text(547, 58, f"Invoice {document.number} (continued)", 9, align="right")
    y = exhibition_table_head(page, 92)
    page.text(84, y + 10, "Brought forward", 8.5, font=SANS_BOLD)
    page.text(547, y + 10, f"£{grouped(carried)}", 8.5, font=SANS_BOLD, align="right")
    return y + 22


def exhibition_table_head(page: Page, y: float) -> float:
    page.box(42, y, 511, 18, fill="#0b6e5b")
    page.cells(y + 12.5, EXHIBITION_COLUMNS, [column.title for column in EXHIBITION_COLUMNS], 8.5, font=SANS_BOLD, ink="#ffffff")
    return y + 22


def exhibition_row(page: Page, document: Document, index: int, y: float) -> float:
    item = document.lines[index]
    if index % 2:
        page.box(42, y - 1.5, 511, 22, fill="#f1f5f3")
    amounts = [grouped(item.quantity), f"£{grouped(item.price)}", f"{item.rate}%", f"£{grouped(document.amount(item))}"]
    page.cells(y + 12.5, EXHIBITION_COLUMNS, [f"{index + 1:03d}", item.description, *amounts], 8.5)
    return y + 22


def exhibition_sums(page: Page, document: Document, y: float) -> None:
    page.rule(300, 553, y - 6, 1, "#0b6e5b")
    sums = [("Net total", document.net)]
    sums += [(f"VAT {rate}% on £{grouped(base)}", tax) for rate, (base, tax) in document.taxes.items()]
    for label, amount in sums:
        y += 16
        page.text(458, y, label, 9, align="right")
        page.text(547, y, f"£{grouped(amount)}", 9, align="right")
    y += 22
    page.text(458, y, "Invoice total", 11, font=SANS_BOLD, align="right")
    page.text(547, y, f"£{grouped(document.total)}", 11, font=SANS_BOLD, align="right")
    page.rule(300, 553, y + 7, 1, "#0b6e5b")
    pay = [f"Please pay £{grouped(document.total)} within 30 days to:", "Larkfield Studio Ltd, Demo Bank of Dublin"]
    page.block(48, y + 44, [*pay, f"IBAN {spaced(document.seller.iban)}", f"Reference {document.number}"])


def exhibition_foot(page: Page, document: Document, number: int) -> None:
    page.rule(42, 553, 806, 0.4, "#9aa3ad")
    page.text(48, 818, f"{document.seller.name}, registered in Ireland no. 000417", 7.5, ink="#5b6570")
    page.text(547, 818, f"Page {number} of {len(EXHIBITION_PAGES)}", 7.5, align="right", ink="#5b6570")


def exhibition_lines() -> list[Line]:
    """Five goods for each of twelve rooms, so that descriptions repeat the way they do in a long real invoice."""
    rooms = ["Foyer", "Gallery 1", "Gallery 2", "Gallery 3", "Boat hall", "Rope walk", "Map room", "Sail loft", "Archive", "Studio"]
    rooms += ["Café", "Courtyard"]
    goods = [
        ("object labels, matt, 120 x 80 mm", "2.35", 14, "20"),
        ("text panel, 900 x 1200 mm", "148.00", 1, "20"),
        ("wall graphic, vinyl, per sq m", "36.50", 4, "20"),
        ("visitor guide, 16 pages", "1.20", 50, "0"),
        ("fitting on site, per hour", "42.75", 2, "20"),
    ]
    return [
        line(f"{room}: {name}", start + 3 * ((number * 7 + place) % 5), price, rate)
        for number, room in enumerate(rooms)
        for place, (name, price, start, rate) in enumerate(goods)
    ]


def exhibition() -> Document:
    return Document(
        file="exhibition-three-pages-gbp.pdf",
        queue="invoice",
        seller=replace(LARKFIELD, vat_id="GB999000005"),
        buyer=Party("Northgate Museums Trust", "The Customs House, 3 Quay Road", "BT1 9XX", "Belfast", "United Kingdom", "GB"),
        number="LS-2025-0131",
        issued=date(2025, 9, 1),
        due=date(2025, 10, 1),
        currency="GBP",
        lines=exhibition_lines(),
        draw=draw_exhibition,
    )
