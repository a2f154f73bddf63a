"""The positions of a till receipt, or of a letter: text on the left, an amount on the right, no heading; believed only if they
add up."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

from akount.extraction import labels
from akount.extraction.layout import Document, Row, union
from akount.extraction.lines import Item
from akount.extraction.money import Amount

_TIMES = re.compile(r"(?P<count>\d+(?:[.,]\d{1,3})?)\s*[xX*@×]\s*(?P<price>\d+[.,]\d{2})")
_MAX_ROWS = 300


def find_till_lines(document: Document, amounts: Sequence[Amount], sums: Sequence[Decimal], total_row: int) -> list[Item]:
    """The positions above the row of the total, or none: they must add up to one of the sums to the cent."""
    by_row: dict[int, list[Amount]] = {}
    for amount in amounts:
        by_row.setdefault(amount.cell.row, []).append(amount)
    items: list[Item] = []
    name = ""
    for row in document.rows[: min(total_row, _MAX_ROWS)]:
        if _is_sum(row):
            break
        money = [one for one in by_row.get(row.index, ()) if one.places == 2 and not one.glued and not one.percent]
        if money and row.box[2] - money[-1].box[2] < 0.15:
            items.append(_item(row, money[-1], name))
            name = ""
        else:
            name = row.text if sum(char.isalpha() for char in row.text) > 2 else name
    total = sum((item.amount for item in items if item.amount is not None), Decimal(0))
    return items if len(items) > 0 and total in sums else []


def _is_sum(row: Row) -> bool:
    found = labels.find(row.cells[0].label_text, "money")
    return bool(found) and found[0].role in ("total", "subtotal", "net", "due") and found[0].start < 3


def _item(row: Row, amount: Amount, name: str) -> Item:
    """The position of one row; its text may stand in the row above, with count and price in front of the amount."""
    text = row.text[: row.text.rfind(amount.text)] if amount.text in row.text else row.cells[0].text
    times = _TIMES.search(text)
    words = _TIMES.sub(" ", text).strip(" *-.\u2026")
    if sum(char.isalpha() for char in words) < 3:
        words = name or words
    item = Item(words=[words], amount=amount.value, page=row.page, box=union([row.box, amount.box]))
    if times:
        item.quantity = Decimal(times["count"].replace(",", "."))
        item.unit_price = Decimal(times["price"].replace(",", "."))
    return item
