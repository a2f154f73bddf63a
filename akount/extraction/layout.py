"""Words on pages and what their places say: rows, cells, and who stands right of, above or below whom.

The same for a PDF's text layer and for OCR, so everything that looks for values knows only this module.
"""

from __future__ import annotations

import math
import re
import statistics
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from akount.readings import Box

CELL_GAP = 1.1
"""A gap wider than this many text heights separates two cells of a row; word spaces are a quarter to a third."""


@dataclass(frozen=True, slots=True)
class Word:
    """One printed word. The box is in fractions of the page as seen; confidence 0-100 is the engine's own."""

    text: str
    box: Box
    confidence: int = 100


@dataclass(frozen=True, slots=True)
class Page:
    """The words of a page. Width and height are in any one unit: only their ratio matters.

    `slope` is how far the rows fall from the left to the right edge, in page heights; `turned` by how many degrees
    counter-clockwise the page was turned before it was read.
    """

    number: int
    width: float
    height: float
    words: tuple[Word, ...]
    slope: float = 0.0
    turned: int = 0
    unseen: tuple[str, ...] = ()
    """Words of the file that nobody sees: invisible, of the paper's colour, tiny, or beside the page."""
    disguised: tuple[str, ...] = ()
    """Words that look like numbers and are written in something else; none of `words`."""
    overrides: bool = False
    """Whether the direction of writing is turned somewhere."""


@dataclass(eq=False)
class Cell:
    """Words of one row that stand together, as in a table or behind a label."""

    words: list[Word]
    page: int
    row: int = 0
    text: str = field(init=False)
    label_text: str = field(init=False)
    """The text to look for labels in: as long as `text`, but OCR may have mended words in it."""
    box: Box = field(init=False)

    def __post_init__(self) -> None:
        self.text = self.label_text = " ".join(word.text for word in self.words)
        self.box = union(word.box for word in self.words)

    @cached_property
    def plain(self) -> str:
        """The text as labels are compared: see `plain`."""
        return plain(self.text)

    @property
    def height(self) -> float:
        """Of the text, in fractions of the page height."""
        return self.box[3] - self.box[1]

    @property
    def confidence(self) -> int:
        """Of its worst word."""
        return min(word.confidence for word in self.words)

    def span_box(self, start: int, end: int) -> Box:
        """The box of the words that hold the characters start to end of the text."""
        boxes, at = [], 0
        for word in self.words:
            if at < end and at + len(word.text) > start:
                boxes.append(word.box)
            at += len(word.text) + 1
        return union(boxes) if boxes else self.box


@dataclass(eq=False)
class Row:
    """The cells at one height of a page, from left to right."""

    cells: list[Cell]
    page: int
    index: int = 0

    @cached_property
    def text(self) -> str:
        """All of the row; cells are parted by two spaces."""
        return "  ".join(cell.text for cell in self.cells)

    @cached_property
    def box(self) -> Box:
        """Around all cells."""
        return union(cell.box for cell in self.cells)


class Document:
    """All rows of all pages in reading order."""

    def __init__(self, pages: Sequence[Page], *, scanned: bool = False) -> None:
        """`scanned` says that the words come from OCR, which misreads letters and loses points."""
        self.pages = tuple(pages)
        self.scanned = scanned
        self.rows: list[Row] = []
        for page in pages:
            self.rows += rows_of(page)
        for index, row in enumerate(self.rows):
            row.index = index
            for cell in row.cells:
                cell.row = index
        self.cells = [cell for row in self.rows for cell in row.cells]

    @cached_property
    def text(self) -> str:
        """All rows as lines."""
        return "\n".join(row.text for row in self.rows)

    @cached_property
    def text_height(self) -> float:
        """The usual height of text, in fractions of the page height."""
        heights = [cell.height for cell in self.cells]
        return statistics.median(heights) if heights else 0.01

    def right_of(self, cell: Cell) -> list[Cell]:
        """The cells of the same row behind this one."""
        cells = self.rows[cell.row].cells
        return [other for other in cells if other.box[0] >= cell.box[2] - 0.005 and other is not cell]

    def below(self, cell: Cell, *, reach: float = 4.0, rows: int = 6) -> list[Cell]:
        """The cells under this one that overlap it sideways, nearest first, within `reach` text heights."""
        found = []
        limit = cell.box[3] + reach * max(cell.height, self.text_height)
        for row in self.rows[cell.row + 1 : cell.row + 1 + rows]:
            if row.page != cell.page:
                break
            found += [other for other in row.cells if other.box[1] < limit and overlap(cell.box, other.box) > 0]
        return found

    def above(self, cell: Cell, *, rows: int = 3) -> list[Cell]:
        """The cells over this one that overlap it sideways, nearest first."""
        found: list[Cell] = []
        for row in reversed(self.rows[max(0, cell.row - rows) : cell.row]):
            if row.page != cell.page:
                break
            found += [other for other in row.cells if overlap(cell.box, other.box) > 0]
        return found


@lru_cache(maxsize=20_000)
def plain(text: str) -> str:
    """Lower case, without accents, every run of other signs than letters, digits and % a single space."""
    folded = unicodedata.normalize("NFKD", text.casefold().replace("ł", "l").replace("ø", "o").replace("æ", "ae"))
    bare = "".join(char for char in folded if not unicodedata.combining(char))
    return " ".join(re.findall(r"[^\W_]+|%", bare))


def unaccented(text: str) -> str:
    """The text with bare letters, as long as before for texts in Latin letters."""
    return "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))


def union(boxes: Iterable[Box]) -> Box:
    """The smallest box around all."""
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return (min(x0), min(y0), max(x1), max(y1))


def turn_box(box: Box, angle: int) -> Box:
    """Where a box of a page that was turned by `angle` degrees counter-clockwise stands on the page before that."""
    x0, y0, x1, y1 = box
    if angle == 90:
        return (1 - y1, x0, 1 - y0, x1)
    if angle == 270:
        return (y0, 1 - x1, y1, 1 - x0)
    if angle == 180:
        return (1 - x1, 1 - y1, 1 - x0, 1 - y0)
    return box


def overlap(one: Box, other: Box) -> float:
    """How far two boxes overlap sideways, in fractions of the page width; 0 or less: not at all."""
    left, _, right, _ = one
    from_, _, to, _ = other
    return (right if right < to else to) - (left if left > from_ else from_)


def rows_of(page: Page) -> list[Row]:
    """The words of a page as rows from top to bottom, each split into cells."""
    rows: list[list[tuple[Box, Word]]] = []
    placed = [(_levelled(word.box, page.slope), word) for word in page.words]
    for box, word in sorted(placed, key=lambda one: (one[0][1] + one[0][3], one[0][0])):
        home = _row_for(box, rows[-4:])
        if home is None:
            rows.append([(box, word)])
        else:
            home.append((box, word))
    rows.sort(key=lambda row: statistics.mean(box[1] + box[3] for box, _ in row))
    return [Row(_cells([word for _, word in row], page), page.number) for row in rows]


def _levelled(box: Box, slope: float) -> Box:
    fall = slope * (box[0] + box[2]) / 2
    return (box[0], box[1] - fall, box[2], box[3] - fall)


def _row_for(box: Box, recent: list[list[tuple[Box, Word]]]) -> list[tuple[Box, Word]] | None:
    """The row whose nearest word shares most of its height with this one. Rows may bend: neighbours count, not the first."""
    best, best_share = None, 0.45
    for row in reversed(recent):
        near = _nearest(box[0], row)
        shared = min(near[3], box[3]) - max(near[1], box[1])
        share = shared / max(1e-6, min(near[3] - near[1], box[3] - box[1]))
        if share > best_share and not _covers(near, box):
            best, best_share = row, share
    return best


def _nearest(x: float, row: list[tuple[Box, Word]]) -> Box:
    """The box that begins nearest to a place; of several the first."""
    near, least = row[0][0], math.inf
    for other, _ in row:
        away = abs(other[0] - x)
        if away < least:
            near, least = other, away
    return near


def _covers(one: Box, other: Box) -> bool:
    return overlap(one, other) > 0.6 * min(one[2] - one[0], other[2] - other[0])


def _cells(words: list[Word], page: Page) -> list[Cell]:
    words.sort(key=lambda one: one.box[0])
    aspect = page.height / page.width
    groups: list[list[Word]] = [[words[0]]]
    for word in words[1:]:
        last = groups[-1][-1]
        height = min(word.box[3] - word.box[1], last.box[3] - last.box[1]) * aspect
        if word.box[0] - last.box[2] > CELL_GAP * height:
            groups.append([word])
        else:
            groups[-1].append(word)
    return [Cell(group, page.number) for group in groups]
