"""What whole documents of a sort are put together from: pairs of label and value, columns of sums, tables."""

from collections.abc import Callable
from typing import Any

from tools.documents.layouts import RIGHT, Drawing
from tools.documents.sheet import MARGIN

ENGLISH_DATES = ("{mon} %-d, %Y", "{month} %-d, %Y", "%-d-{mon}-%y", "%Y/%m/%d", "%d {mon} %Y")
Sort = Callable[[Drawing], dict[str, Any]]
"""Draws; the answer replaces values of the truth."""
Rows = list[tuple[str, str]]
Columns = list[tuple[str, float, str]]
_TAKEN = {"US": "Sales tax", "GB": "VAT", "IE": "VAT", "AU": "GST"}


def pairs(d: Drawing, x: float, y: float, rows: Rows, *, gap: float = 110, size: float = 9, bold: bool = False) -> float:
    """Labels with values beside them; how far down they went."""
    for label, value in rows:
        d.sheet.text(x, y, label, size, bold=bold)
        d.sheet.text(x + gap, y, value, size)
        y += size * 1.5
    return y


def sums(d: Drawing, rows: Rows, x: float = 350, *, size: float = 9.5) -> None:
    """Labels and amounts at the right edge; the last row is bold."""
    for index, (label, value) in enumerate(rows):
        bold = index == len(rows) - 1
        d.sheet.text(x, d.sheet.y, label, size, bold=bold)
        d.sheet.text(RIGHT - 3, d.sheet.y, value, size, bold=bold, align="right")
        d.sheet.y += 15


def grid(d: Drawing, columns: Columns, rows: list[list[str]], *, step: float = 14) -> None:
    """A heading and rows; a cell of several lines goes on under itself."""
    d.sheet.text(columns[0][1], d.sheet.y, columns[0][0], 8.5, bold=True, align=columns[0][2])
    for title, x, align in columns[1:]:
        d.sheet.text(x, d.sheet.y, title, 8.5, bold=True, align=align)
    d.sheet.rule(MARGIN, RIGHT, d.sheet.y + 5)
    d.sheet.y += 19
    for row in rows:
        deep = 1
        for (_, x, align), value in zip(columns, row, strict=True):
            lines = value.split("\n")
            deep = max(deep, len(lines))
            for index, line in enumerate(lines):
                d.sheet.text(x, d.sheet.y + 11 * index, line, 9 if index == 0 else 8, align=align)
        d.sheet.y += step + 11 * (deep - 1)
    d.sheet.rule(MARGIN, RIGHT, d.sheet.y - 8)
    d.sheet.y += 10


def positions(d: Drawing, *, quantity: float, price: float, amount: float = RIGHT) -> None:
    """What was bought: description, quantity, price and amount, the numbers ending at these places."""
    say, money = d.facts.say, d.facts.money
    columns = [
        (say("description"), MARGIN, "left"),
        (say("quantity"), quantity, "right"),
        (say("price"), price, "right"),
        (say("amount"), amount, "right"),
    ]
    rows = [
        [one.description, d.facts.plain_number(one.quantity), money(one.price, bare=True), money(one.amount, bare=True)]
        for one in d.facts.items
    ]
    grid(d, columns, rows)


def dated(d: Drawing, *shapes: str) -> None:
    """The document prints its dates in one of these shapes."""
    d.facts.styles["date"] = d.rng.choice(shapes or ENGLISH_DATES)


def tax_name(d: Drawing) -> str:
    return _TAKEN.get(d.facts.country, "Tax")


def issued(d: Drawing, *names: str) -> str:
    """The date of issue as printed; it and the names given count as printed."""
    d.printed.update(("issue_date", *names))
    return d.facts.date(d.facts.issued)
