"""The positions of a bill: rows under a table heading, each number given to the column it stands in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from akount.extraction import labels
from akount.extraction.layout import Cell, Document, Row, overlap, plain, union
from akount.extraction.money import Amount
from akount.readings import Box, Evidence, Line, clean_text

_STOP_ROLES = ("total", "net", "subtotal", "tax", "due", "tendered", "rounding")
_MAX_MISSES = 25  # rows without an item
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


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table: what it holds and where its heading stands."""

    role: str
    box: Box
    text: str = ""


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
        found, index = _table(document, end, columns, by_cell)
        items += found
    return items


def heading_at(document: Document, index: int) -> tuple[list[Column] | None, int]:
    """The columns of a heading that starts at the row, and the row after it; (None, _) when there is none."""
    row = document.rows[index]
    columns = _columns(row)
    roles = {column.role for column in columns}
    if "description" in roles and len(roles & {"quantity", "unit_price", "amount", "gross"}) >= 1 and not _has_money(row):
        end = index + 1
        while end < len(document.rows) and end < index + 3 and _continues_heading(row, document.rows[end]):
            columns = _merged(columns, _columns(document.rows[end]))
            end += 1
        return _with_amount(columns), end
    return None, index + 1


def _has_money(row: Row) -> bool:
    return re.search(r"\d[.,]\d{2}\b", row.text) is not None


def _continues_heading(first: Row, row: Row) -> bool:
    """A second line of a heading stands close under it, without any digits, and is made of column words."""
    close = row.page == first.page and row.box[1] - first.box[3] < 1.6 * (first.box[3] - first.box[1])
    return close and not re.search(r"\d", row.text) and len(row.cells) <= len(first.cells) and bool(_columns(row))


def _columns(row: Row) -> list[Column]:
    """Each label in a heading is a column of its own, also when the heading's words stand close together."""
    columns = []
    for cell in row.cells:
        found = labels.find(cell.label_text, "column")
        if len(found) > 1 and _covers(found, cell.text):
            columns += [Column(label.role, cell.span_box(label.start, label.end), label.phrase) for label in found]
        elif found:
            best = next((label for label in found if label.role == "description"), found[0])
            columns.append(Column(best.role, cell.box, cell.plain))
        elif plain(cell.text):
            columns.append(Column("other", cell.box))
    return columns


def _with_amount(columns: list[Column]) -> list[Column]:
    """With one column for amounts: of several the one without tax, else the last; of none the last price."""
    words = next(index for index, column in enumerate(columns) if column.role == "description")
    columns = [
        Column("quantity", column.box) if column.role == "amount" and index < words else column
        for index, column in enumerate(columns)
    ]
    sums = [column for column in columns if column.role == "amount"]
    if len(sums) > 1:
        keep = next((column for column in sums if set(column.text.split()) & labels.words("exclusive")), sums[-1])
        return [Column("other", column.box) if column in sums and column is not keep else column for column in columns]
    if sums or any(column.role == "gross" for column in columns):
        return columns
    last = max((index for index, column in enumerate(columns) if column.role == "unit_price"), default=None)
    return [Column("amount", column.box) if index == last else column for index, column in enumerate(columns)]


def _covers(found: Sequence[labels.Label], text: str) -> bool:
    return sum(label.end - label.start for label in found) > 0.7 * len(text)


def _merged(first: list[Column], second: list[Column]) -> list[Column]:
    """Second-line words extend the column they stand under; they do not make new ones."""
    merged = []
    for column in first:
        under = [other for other in second if overlap(column.box, other.box) > 0]
        merged.append(
            Column(
                column.role,
                union([column.box, *(other.box for other in under)]),
                " ".join([column.text, *(other.text for other in under)]),
            )
        )
    return merged


def _table(document: Document, start: int, columns: list[Column], by_cell: dict[int, list[Amount]]) -> tuple[list[Item], int]:
    items: list[Item] = []
    loose: list[str] = []
    last_bottom: float | None = None
    misses, strict = 0, False
    whole = not any(one.places == 2 for found in by_cell.values() for one in found)  # yen and won have no decimals
    index = start
    while index < len(document.rows):
        row = document.rows[index]
        if heading_at(document, index)[0] is not None:
            break
        if row.page != document.rows[index - 1].page:
            last_bottom, misses = None, 0
        stop = _stop_role(row, items)
        if stop == "subtotal":
            loose, index, strict = [], index + 1, True
            continue
        if stop or misses > _MAX_MISSES or (last_bottom is not None and row.box[1] - last_bottom > _MAX_GAP * document.text_height):
            break
        item = _item(row, columns, by_cell, whole=whole)
        if item is not None and (strict or _is_adjustment(row)) and item.quantity is None and item.unit_price is None:
            item = None
        if item is not None:
            item.words = loose + item.words if not item.words else item.words
            loose, misses = [], 0
            items.append(item)
            last_bottom = row.box[3]
        elif items or loose or row.cells:
            loose = _take_text(row, columns, items, loose)
            last_bottom, misses = row.box[3], misses + 1
        index += 1
    return [item for item in items if item.words and item.amount is not None], max(index, start)


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
            if share > 0.8 or (label.start < 12 and len(row.cells) <= 3 and position in (0, len(row.cells) - 2)):
                return label.role
    return ""


def _item(row: Row, columns: Sequence[Column], by_cell: dict[int, list[Amount]], *, whole: bool) -> Item | None:
    """The position a row holds, or None if it has no amount in the column of amounts."""
    item = Item(page=row.page, box=row.box)
    for cell in row.cells:
        numbers = [one for one in by_cell.get(id(cell), ()) if not one.glued]
        if not numbers or _is_prose(cell, numbers):
            _place_text(item, cell, columns)
            continue
        for number in numbers:
            _place_number(item, number, columns, whole=whole)
        words = _without(cell.text, numbers)
        if sum(char.isalpha() for char in words) > 3 and _role_of(cell.box, columns) in ("description", "other", "quantity"):
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


def _role_of(box: Box, columns: Sequence[Column]) -> str:
    return _column_of(box, columns).role


def _column_of(box: Box, columns: Sequence[Column]) -> Column:
    """The column whose heading overlaps most; else the one whose right or left edge, or middle, is nearest."""

    def distance(column: Column) -> float:
        shared = overlap(box, column.box)
        if shared > 0:
            return -shared
        edges = (
            abs(box[2] - column.box[2]),
            abs(box[0] - column.box[0]),
            abs((box[0] + box[2] - column.box[0] - column.box[2]) / 2),
        )
        return min(edges)

    return min(columns, key=distance)


def _place_number(item: Item, number: Amount, columns: Sequence[Column], *, whole: bool) -> None:
    role = _role_of(number.box, columns)
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
    if _role_of(cell.box, columns) in ("description", "other", "quantity") and any(char.isalpha() for char in cell.text):
        item.words.append(cell.text)


def _take_text(row: Row, columns: Sequence[Column], items: list[Item], loose: list[str]) -> list[str]:
    """Text of a row without an amount: it goes on with the item above when close to it, else it waits for the next one."""
    texts = [
        cell.text
        for cell in row.cells
        if _role_of(cell.box, columns) == "description" and any(char.isalpha() for char in cell.text)
    ]
    if not texts:
        return loose
    if items and row.page == items[-1].page and row.box[1] - items[-1].box[3] < 1.0 * (row.box[3] - row.box[1]):
        if len(items[-1].words) < 3:
            items[-1].words += texts
            items[-1].box = union([items[-1].box, (items[-1].box[0], row.box[1], items[-1].box[2], row.box[3])])
        return []
    return loose[-2:] + texts
