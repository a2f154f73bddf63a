"""The headings of tables: which columns a table of positions has, and which column something stands in."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from akount.extraction import labels
from akount.extraction.layout import Document, Row, overlap, plain, union
from akount.readings import Box


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table: what it holds and where its heading stands."""

    role: str
    box: Box
    text: str = ""


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
        if len({label.role for label in found}) > 1 and _covers(found, cell.text):
            for role, same in itertools.groupby(found, lambda label: label.role):  # "Menge / Qty" is one column in two languages
                group = list(same)
                box = cell.span_box(group[0].start, group[-1].end)
                columns.append(Column(role, box, " ".join(label.phrase for label in group)))
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
    prices = [column for column in sums if set(column.text.split()) & labels.words("price")]
    if len(prices) < len(sums):
        columns = [Column("unit_price", column.box) if column in prices else column for column in columns]
        sums = [column for column in sums if column not in prices]
    if len(sums) > 1:
        keep = next((column for column in sums if set(column.text.split()) & labels.words("exclusive")), sums[-1])
        return [Column("other", column.box) if column in sums and column is not keep else column for column in columns]
    if sums or any(column.role == "gross" for column in columns):
        return columns
    last = max((index for index, column in enumerate(columns) if column.role == "unit_price"), default=None)
    return [Column("amount", column.box) if index == last else column for index, column in enumerate(columns)]


def other_amounts(columns: Sequence[Column]) -> Iterator[list[Column]]:
    """The columns, with another one for the amounts each time, the right ones first."""
    for chosen in reversed(range(len(columns))):
        if columns[chosen].role in ("gross", "other", "unit_price", "tax_amount"):
            yield [
                Column("amount", one.box) if index == chosen else Column("other", one.box) if one.role == "amount" else one
                for index, one in enumerate(columns)
            ]


def _covers(found: Sequence[labels.Label], text: str) -> bool:
    bare = re.sub(r"\([^)]*\)", "", text)  # the currency, in brackets
    return sum(label.end - label.start for label in found) > 0.7 * len(bare)


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


def role_of(box: Box, columns: Sequence[Column]) -> str:
    """What the column a box stands in holds."""
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
