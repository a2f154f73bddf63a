"""What each amount of a document is called: the label beside, before or above it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from akount.extraction import labels
from akount.extraction.layout import Cell, Document, overlap, plain
from akount.extraction.money import Amount

_HEADING = 0.4  # "Total" over a column is more often that of the lines than that of the bill
_INDIRECT = 0.75  # what a label above, or two cells away, is worth against one right beside the amount


_TAXABLE = re.compile(r"\b(?:subject to|taxable|steuerpflichtig|soumis a|imponible|belastbaar)\b")


@dataclass(frozen=True, slots=True)
class Labelled:
    """An amount and what its label says it is. `worth` 0-1 grows with the nearness and the strength of the label."""

    amount: Amount
    role: str
    strength: int
    worth: float


def label_amounts(document: Document, amounts: Sequence[Amount]) -> list[Labelled]:
    """Every amount that may be money with the role of its label; the role is "" where there is none."""
    finder = _LabelFinder(document, amounts)
    return [finder.labelled(amount) for amount in amounts if not amount.percent and not amount.glued]


def outside_of_rows(labelled: Iterable[Labelled], rows: Collection[int]) -> list[Labelled]:
    """The same, but in those rows, of positions, the words over a column say nothing about the sums of the document."""
    return [Labelled(one.amount, "", 0, 0.0) if one.worth < 1 and one.amount.cell.row in rows else one for one in labelled]


class _LabelFinder:
    """Looks left in the cell, left in the row, up in the column, and at the row above."""

    def __init__(self, document: Document, amounts: Iterable[Amount]) -> None:
        self.document = document
        self.by_cell: dict[int, list[Amount]] = defaultdict(list)
        for amount in amounts:
            self.by_cell[id(amount.cell)].append(amount)

    def labelled(self, amount: Amount) -> Labelled:
        found = self.in_cell(amount)
        if found is None and self.is_tabular(amount):
            found = self.in_table(amount)
        return found or self.in_row(amount) or self.in_row_above(amount) or self.in_column(amount) or Labelled(amount, "", 0, 0.0)

    def in_table(self, amount: Amount) -> Labelled | None:
        """By the heading, if it is a strong one, unless a word stands right in front; in the row of sums it counts in full."""
        beside = self.between_tables(amount)
        if beside is not None:
            return beside
        heading, front = self.in_column(amount), self.in_row(amount)
        left = [cell for cell in self.document.rows[amount.cell.row].cells if cell.box[0] < amount.cell.box[0]][-1:]
        if front is not None and front.role not in ("total", "subtotal") and left and not self.by_cell[id(left[0])]:
            return front if self.label_in(left[0].label_text, amount, 1.0) else None
        if heading is None or heading.strength != labels.STRONG:
            numbered = bool(left) and any(one.looks_like_money for one in self.by_cell[id(left[0])])
            return heading if front is not None and numbered else None
        sums = front is not None and front.role in ("total", "subtotal")
        return replace(heading, worth=1.0) if sums else heading

    def between_tables(self, amount: Amount) -> Labelled | None:
        """By the word for a sum right in front, when money stands further left in the row: that is another table's."""
        row = [cell for cell in self.document.rows[amount.cell.row].cells if cell.box[0] <= amount.cell.box[0]]
        if len(row) < 2 or amount.cell.label_text[: amount.start].strip(" :=*-€$£"):
            return None
        before = self.by_cell[id(row[-2])]
        words = row[-2].label_text[max((one.end for one in before), default=0) :]
        money = any(one.looks_like_money for cell in row[:-1] for one in self.by_cell[id(cell)])
        found = self.label_in(words, amount, 1.0) if money else None
        return found if found is not None and found.role in ("total", "net", "subtotal", "due", "tax") else None

    def is_tabular(self, amount: Amount) -> bool:
        """Whether other money stands in the row: then the words over the columns tell them apart, not the one in front."""
        row = self.document.rows[amount.cell.row]
        bare = [cell for cell in row.cells if sum(char.isalpha() for char in cell.text) < 5]
        return sum(any(one.looks_like_money for one in self.by_cell[id(cell)]) for cell in bare) > 1

    def in_cell(self, amount: Amount) -> Labelled | None:
        text = amount.cell.label_text[: amount.start]
        others = [one.end for one in self.by_cell[id(amount.cell)] if one.end <= amount.start and not one.percent]
        start = max(others, default=0)
        return self.label_in(text[start:], amount, 1.0)

    def in_row(self, amount: Amount) -> Labelled | None:
        if amount.cell.text[: amount.start].strip(" :=*-€$£") and len(self.by_cell[id(amount.cell)]) < 2:
            words = amount.cell.text[: amount.start]
            if sum(char.isalpha() for char in words) > 8:
                return None  # its own text is no label, and a label further left is that text's
        cells = [cell for cell in self.document.rows[amount.cell.row].cells if cell.box[0] < amount.cell.box[0]]
        worth = 1.0
        for cell in reversed(cells):
            found = self.label_in(cell.label_text, amount, worth)
            if found is not None:
                return found
            if sum(char.isalpha() for char in cell.text) > 5:
                return None
            if any(one.looks_like_money for one in self.by_cell[id(cell)]):
                worth = min(worth, 0.6)
        return None

    def in_row_above(self, amount: Amount) -> Labelled | None:
        row = self.document.rows[amount.cell.row]
        if any(sum(char.isalpha() for char in cell.text) > 3 for cell in row.cells) or row.index == 0:
            return None
        above = self.document.rows[row.index - 1]
        if above.page != row.page or row.box[1] - above.box[3] > 1.2 * self.document.text_height:
            return None
        if any(one.looks_like_money for cell in above.cells for one in self.by_cell[id(cell)]):
            return None
        if len(above.cells) > 1:
            return None
        return self.label_in(above.cells[0].label_text, amount, _INDIRECT)

    def in_column(self, amount: Amount) -> Labelled | None:
        alone = len(self.by_cell[id(amount.cell)]) == 1
        box = amount.cell.box if alone else amount.box  # a currency behind the number shifts it
        for cell in self.document.above(amount.cell, rows=20):
            if self.by_cell[id(cell)] and any(one.looks_like_money for one in self.by_cell[id(cell)]):
                continue
            if overlap(cell.box, box) <= 0 and abs(cell.box[2] - box[2]) > 0.03:
                continue
            found = self.label_in(_part_over(cell, amount), amount, _INDIRECT)
            if found is None:
                break
            if found.role == "total" and found.strength == labels.PLAIN:
                return replace(found, worth=_HEADING)
            return found
        return self.in_shifted_column(amount) if self.is_tabular(amount) else None

    def in_shifted_column(self, amount: Amount) -> Labelled | None:
        """By a heading that starts left of the amount without reaching it, as over columns of right-aligned numbers."""
        at = amount.cell.row
        for row in reversed(self.document.rows[max(0, at - 20) : at]):
            if row.page != amount.cell.page:
                return None
            marks = [cell for cell in row.cells if labels.find(cell.label_text, "money")]
            if len(marks) > 1 and not any(self.by_cell[id(cell)] for cell in row.cells):
                heading = [cell for cell in row.cells if cell.box[0] <= amount.box[2]][-1:]
                found = self.label_in(heading[0].label_text, amount, _INDIRECT) if heading else None
                return replace(found, worth=_HEADING) if found is not None and found.strength == labels.PLAIN else found
        return None

    def label_in(self, text: str, amount: Amount, worth: float) -> Labelled | None:
        found = labels.find(text, "money")
        if not found:
            return None
        label = _ruling(found)
        role = _modified(label.role, text)
        return Labelled(amount, role, label.strength, worth)


def _part_over(heading: Cell, amount: Amount) -> str:
    """Of a heading cell with labels for several columns the one over the amount; else all of it."""
    found = labels.find(heading.label_text, "column")
    if len(found) < 2 or len(labels.find(heading.label_text, "money")) < 2:
        return heading.label_text
    best = max(found, key=lambda label: overlap(heading.span_box(label.start, label.end), amount.box))
    return heading.label_text[best.start : best.end]


def _ruling(found: Sequence[labels.Label]) -> labels.Label:
    """Of several labels in one text the one that says most: a total beats what it is the total of only as one phrase."""
    order = (
        "rounding",
        "change",
        "withheld",
        "tax",
        "net",
        "due",
        "total",
        "allowance",
        "charge",
        "prepaid",
        "subtotal",
        "tendered",
        "other",
    )
    strong = [label for label in found if label.strength == labels.STRONG] or list(found)
    totals = [label for label in strong if label.role == "total"]
    if totals and found[0].role in ("total", "due"):
        return found[0] if found[0].role == "due" else totals[0]
    return min(strong, key=lambda label: order.index(label.role))


def _modified(role: str, text: str) -> str:
    tokens = set(plain(text).split())
    inclusive = bool(tokens & labels.words("inclusive"))
    exclusive = bool(tokens & labels.words("exclusive"))
    if role == "tax" and tokens & labels.words("without") and not inclusive:
        begins = plain(text).split(" ")[0] in labels.words("without")
        return "net" if begins or tokens & labels.words("sums") else "tax"
    if role in ("total", "subtotal") and _TAXABLE.search(plain(text)):
        return "net"
    if role in ("total", "subtotal") and exclusive and not inclusive:
        return "net"
    if role in ("subtotal", "net", "tax") and inclusive and not exclusive and tokens & labels.words("sums"):
        return "total"
    return role
