"""A till receipt, photographed."""

from datetime import date
from decimal import Decimal

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tools.samples.camera import jpeg, photograph
from tools.samples.facts import Document, Line, Party, grouped, line
from tools.samples.page import FONTS

RECEIPT_CELL = (21, 40)
RECEIPT_COLUMNS = 38
PAPER = 247


def draw_receipt(document: Document) -> bytes:
    paper = print_receipt(document)
    return jpeg(photograph(paper, np.random.RandomState(417)), 70)


def print_receipt(document: Document) -> Image.Image:
    rows = [*receipt_head(document), *receipt_body(document), *receipt_foot(document)]
    width, pitch = RECEIPT_CELL
    paper = Image.new("L", (width * RECEIPT_COLUMNS + 110, pitch * len(rows) + 150), PAPER)
    for number, row in enumerate(rows):
        # A row marked like this is printed bold.
        font = ImageFont.truetype(FONTS / ("VeraBd.ttf" if row.startswith("*") else "Vera.ttf"), 28)
        for place, letter in enumerate(row.removeprefix("*")):
            paper.paste(till_letter(letter, font), (55 + width * place, 60 + pitch * number))
    return paper


def till_letter(letter: str, font: ImageFont.FreeTypeFont) -> Image.Image:
    """One letter in the middle of its cell, since a till prints in a fixed pitch; a wide letter is squeezed into it."""
    width, height = RECEIPT_CELL
    needed = max(width, int(font.getlength(letter)) + 1)
    cell = Image.new("L", (needed, height), PAPER)
    ImageDraw.Draw(cell).text((needed / 2, 30), letter, 38, font, anchor="ms")
    return cell.resize((width, height), Image.Resampling.BICUBIC)


def receipt_head(document: Document) -> list[str]:
    seller = document.seller
    place = [seller.street, f"{seller.city} {seller.postcode}", f"VAT No. {seller.vat_id}", ""]
    names = ["*" + seller.name.upper().center(RECEIPT_COLUMNS), *(words.center(RECEIPT_COLUMNS) for words in place)]
    return [*names, sides(f"{document.issued:%d/%m/%Y}  17:42", "Till 02"), sides(f"Receipt {document.number}", "Aoife")]


def receipt_body(document: Document) -> list[str]:
    items = [row for item in document.lines for row in receipt_item(document, item)]
    cash = Decimal("60.00")
    paid = [sides("CASH", grouped(cash)), sides("CHANGE", grouped(cash - document.total))]
    ruler = "-" * RECEIPT_COLUMNS
    return [ruler, *items, ruler, "*" + sides("TOTAL EUR", grouped(document.total)), *paid, ""]


def receipt_foot(document: Document) -> list[str]:
    rows = [tax_row("VAT", "Rate", "Net", "Tax", "Gross")]
    for mark, (rate, (base, tax)) in zip("ABC", document.taxes.items(), strict=True):
        rows.append(tax_row(mark, f"{rate}%", grouped(base), grouped(tax), grouped(base + tax)))
    sold = sum(item.quantity for item in document.lines)
    thanks = ["", f"{sold} items", "Thank you for shopping local", "Please keep for returns (28 days)"]
    return [*rows, *(words.center(RECEIPT_COLUMNS) for words in thanks)]


def receipt_item(document: Document, item: Line) -> list[str]:
    mark = "ABC"[list(document.taxes).index(item.rate)]
    right = f"{grouped(document.amount(item))} {mark}"
    if item.quantity == 1:
        return [sides(item.description, right)]
    return [item.description, sides(f"   {item.quantity} x {grouped(item.price)}", right)]


def sides(left: str, right: str) -> str:
    return left + right.rjust(RECEIPT_COLUMNS - len(left))


def tax_row(mark: str, rate: str, base: str, tax: str, gross: str) -> str:
    return f"{mark:<4}{rate:>8}{base:>9}{tax:>8}{gross:>9}"


def hardware_shop() -> Document:
    return Document(
        file="hardware-receipt-photo-eur.jpg",
        queue="bill",
        kind="receipt",
        seller=Party(
            "Kilbrack Hardware", "41 Strand Street", "P99 XX00", "Kilbrack, Co. Cork", "Ireland", "IE", vat_id="IE9999113TH"
        ),
        buyer=None,
        number="0204-11873",
        issued=date(2025, 8, 9),
        due=None,
        currency="EUR",
        lines=[
            line("Picture hooks brass 10pk", 2, "3.95", "23"),
            line("Masonry drill bit 6mm", 1, "4.49", "23"),
            line("Wood glue 250ml", 1, "6.75", "23"),
            line("Masking tape 48mm", 3, "2.85", "23"),
            line("Paint brush set", 1, "8.99", "23"),
            line("Kiln dried sticks 5kg", 1, "7.50", "13.5"),
            line("Local walks map", 1, "5.50", "0"),
        ],
        gross=True,
        draw=draw_receipt,
    )
