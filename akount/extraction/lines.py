"""The positions of a bill: rows under a table heading, each number given to the column it stands in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from akount.extraction import labels
from akount.extraction.headings import Column, heading_at, other_amounts, role_of
from akount.extraction.layout import Cell, Document, Row, plain, union
from akount.extraction.money import Amount
from akount.readings import Box, Evidence, Line, clean_text

_STOP_ROLES = ("total", "net", "subtotal", "tax", "due", "tendered", "rounding")
_MAX_MISSES = 25  # rows without an item
_SUM_ROWS = 15  # behind a table in which its sum is looked for
_MAX_GAP = 14  # text heights without an item after which a table is over


@dataclass(slots=True)
class Item:
    """One position while it is put together."""

    words: list[str] = field(default_factory=list)
    quantity: Decimal | None = None
    unit_price: Decimal | None = None
    amount: Decimal | None = None
    tax_rate: Decimal | None = None
    tax_amount: Decimal | None = None
    page: int = 1
    row: int = -1
    box: Box = (0.0, 0.0, 0.0, 0.0)

    def as_line(self, engine: str) -> Line:
        """The position as a Line; sure when quantity and price make the amount."""
        product = self.quantity * self.unit_price if self.quantity is not None and self.unit_price is not None else None
        agrees = product is not None and self.amount is not None and abs(product - self.amount) < Decimal("0.02")
        text = clean_text(" ".join(self.words), 500)
        x0, y0, x1, y1 = (min(1.0, max(0.0, edge)) for edge in self.box)
        return Line(
            text,
            self.quantity,
            self.unit_price,
            self.amount,
            self.tax_rate,
            self.tax_amount,
            confidence=85 if agrees else 60,
            evidence=Evidence(self.page, (x0, y0, x1, y1), text[:200], engine),
        )


def line_sum(items: Sequence[Item]) -> Decimal | None:
    """The sum of the amounts, None when there are none."""
    amounts = [item.amount for item in items if item.amount is not None]
    return sum(amounts, Decimal(0)) if amounts else None


def find_lines(document: Document, amounts: Sequence[Amount]) -> list[Item]:
    """The positions of the tables of all pages. A page may repeat the heading, or go on without one."""
    by_cell: dict[int, list[Amount]] = {}
    for amount in amounts:
        by_cell.setdefault(id(amount.cell), []).append(amount)
    items: list[Item] = []
    index = 0
    while index < len(document.rows):
        columns, end = heading_at(document, index)
        if columns is None:
            index += 1
            continue
        table, index = _read_table(document, columns, by_cell, end)
        items += [item for item in table.items if item.words]
    return items


def _read_table(document: Document, columns: list[Column], by_cell: dict[int, list[Amount]], start: int) -> tuple[_Table, int]:
    """The table under a heading and the row after it. When its amounts do not add up to anything that is printed behind it
    and those of another column do, that column holds the amounts."""
    table = _Table(document, columns, by_cell)
    end = max(table.read(start), start)
    if _adds_up(document, table, end):
        return table, end
    for other in other_amounts(columns):
        tried = _Table(document, other, by_cell)
        stop = max(tried.read(start), start)
        if len(tried.items) >= max(2, len(table.items)) and _adds_up(document, tried, stop):
            return tried, stop
    return table, end


def _adds_up(document: Document, table: _Table, end: int) -> bool:
    """Whether the sum of the positions is printed within the rows that follow."""
    total = line_sum(table.items)
    rows = document.rows[end : end + _SUM_ROWS]
    return total is not None and any(
        abs(one.value) == abs(total) for row in rows for cell in row.cells for one in table.by_cell.get(id(cell), ())
    )


class _Table:
    """The rows under one heading while they are read."""

    def __init__(self, document: Document, columns: list[Column], by_cell: dict[int, list[Amount]]) -> None:
        self.document, self.columns, self.by_cell = document, columns, by_cell
        self.items: list[Item] = []
        self.loose: list[str] = []
        self.bottom: float | None = None
        self.misses = 0
        self.strict = False  # behind a subtotal only rows with a quantity or a price are positions
        # yen and won have no decimals
        self.whole = not any(one.places == 2 for found in by_cell.values() for one in found)

    def read(self, start: int) -> int:
        """Takes rows from the one under the heading to the first of the totals; the index of the row it ended at."""
        for index in range(start, len(self.document.rows)):
            row = self.document.rows[index]
            if row.page != self.document.rows[index - 1].page:
                self.bottom, self.misses = None, 0
            stop = _stop_role(row, self.items)
            if stop == "subtotal":
                self.loose, self.strict = [], True
            elif stop or self.is_over(row) or heading_at(self.document, index)[0] is not None:
                return index
            else:
                self.take(row)
        return len(self.document.rows)

    def is_over(self, row: Row) -> bool:
        """Whether too little was found for too long."""
        gap = 0.0 if self.bottom is None else row.box[1] - self.bottom
        return self.misses > _MAX_MISSES or gap > _MAX_GAP * self.document.text_height

    def take(self, row: Row) -> None:
        """A position, or text that belongs to one."""
        item = _item(row, self.columns, self.by_cell, whole=self.whole)
        if item is not None and (self.strict or _is_adjustment(row)) and item.quantity is None and item.unit_price is None:
            item = None
        if item is None:
            self.loose = _take_text(row, self.columns, self.items, self.loose)
            self.misses += 1
        else:
            item.words = item.words or self.loose
            self.items.append(item)
            self.loose, self.misses = [], 0
        self.bottom = row.box[3]


def _is_adjustment(row: Row) -> bool:
    return any(label.role in ("allowance", "charge") for label in labels.find(row.cells[0].label_text, "money")[:1])


def _stop_role(row: Row, items: list[Item]) -> str:
    """The role of the row if it belongs to the totals, else ""."""
    for position, cell in enumerate(row.cells[:-1] or row.cells):
        for label in labels.find(cell.label_text, "money")[:1]:
            if label.role not in _STOP_ROLES or not (items or label.strength == labels.STRONG):
                continue
            name = cell.text.split(":")[0].strip()
            share = (label.end - label.start) / max(1, len(name))
            near = label.start < (1 if label.role == "subtotal" else 12)  # a subtotal is told first: "siirto" ends many a word
            if share > 0.8 or (near and len(row.cells) <= 3 and position in (0, len(row.cells) - 2)):
                return label.role
    return ""


def _item(row: Row, columns: Sequence[Column], by_cell: dict[int, list[Amount]], *, whole: bool) -> Item | None:
    """The position a row holds, or None if it has no amount in the column of amounts."""
    item = Item(page=row.page, row=row.index, box=row.box)
    for cell in row.cells:
        numbers = [one for one in by_cell.get(id(cell), ()) if not one.glued]
        if not numbers or _is_prose(cell, numbers):
            _place_text(item, cell, columns)
            continue
        for number in numbers:
            _place_number(item, number, columns, whole=whole)
        words = _without(cell.text, [one for one in numbers if one.start == 0 or role_of(one.box, columns) != "description"])
        if sum(char.isalpha() for char in words) > 3 and role_of(cell.box, columns) in ("description", "other", "quantity"):
            item.words.append(words)
    part = plain(row.cells[0].text).split(" ")[0] in labels.words("thereof")
    return item if item.amount is not None and not part else None


def _is_prose(cell: Cell, numbers: Sequence[Amount]) -> bool:
    """Whether the numbers of a cell are part of a description."""
    words = _without(cell.text, numbers)
    return sum(char.isalpha() for char in words) > 10 and not any(
        one.places == 2 and one.end >= len(cell.text) - 2 for one in numbers
    )


def _without(text: str, numbers: Sequence[Amount]) -> str:
    for number in sorted(numbers, key=lambda one: -one.start):
        text = f"{text[: number.start]} {text[number.end :]}"
    return " ".join(text.split())


def _place_number(item: Item, number: Amount, columns: Sequence[Column], *, whole: bool) -> None:
    role = role_of(number.box, columns)
    if number.percent and role not in ("tax_rate",):
        return
    if role == "gross" and item.amount is None and not any(column.role == "amount" for column in columns):
        role = "amount"
    if role == "quantity" and item.quantity is None and number.currency is None:
        item.quantity = number.value
    elif role == "unit_price" and item.unit_price is None:
        item.unit_price = number.value
    elif role == "amount" and (number.places >= 1 or number.currency or whole):
        item.amount = number.value
        item.box = union([item.box, number.box])
    elif role == "tax_rate" and item.tax_rate is None:
        item.tax_rate = number.value
    elif role == "tax_amount":
        item.tax_amount = number.value


def _place_text(item: Item, cell: Cell, columns: Sequence[Column]) -> None:
    if role_of(cell.box, columns) in ("description", "other", "quantity") and any(char.isalpha() for char in cell.text):
        item.words.append(cell.text)


def _take_text(row: Row, columns: Sequence[Column], items: list[Item], loose: list[str]) -> list[str]:
    """Text of a row without an amount: it goes on with the item above when close to it, else it waits for the next one."""
    texts = [
        cell.text for cell in row.cells if role_of(cell.box, columns) == "description" and any(char.isalpha() for char in cell.text)
    ]
    if not texts:
        return loose
    if items and row.page == items[-1].page and row.box[1] - items[-1].box[3] < 1.0 * (row.box[3] - row.box[1]):
        if len(items[-1].words) < 3:
            items[-1].words += texts
            items[-1].box = union([items[-1].box, (items[-1].box[0], row.box[1], items[-1].box[2], row.box[3])])
        return []
    return loose[-2:] + texts
