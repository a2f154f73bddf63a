"""The document's own words, to be asked whether a value is printed and where, and whether they give orders.

The words are a stranger's. Everything here looks at short pieces of bounded length, so that no text can hold a worker up.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from akount.currencies import exponent
from akount.extraction import dates, money
from akount.extraction.copies import Line
from akount.extraction.layout import Cell, union
from akount.readings import Box

WINDOW = 5
"""Words that a value may be made of: "14. March 2025", "1 234 567,00"."""
PIECE = 48
"""Characters of such a piece that are looked at."""
NAME_LINES = 2
GLUED = 6
"""Letters and digits from which on a text is hardly part of another by chance."""

_NUMBER = re.compile(r"[\d.,'’\s]{0,24}\d[\d.,'’\s]{0,24}")
_AROUND = re.compile(r"^[^\d]{0,6}|[^\d]{0,6}$")
_ORDERS = re.compile(
    r"(ignor|disregard|forget|overrid)\w*( \w+){0,5} (instruction|prompt|rule|above|previous|prior|earlier|everything)"
    r"|(system|developer) (prompt|message|instruction)"
    r"|you are (now )?(a |an |the )?(ai|assistant|language model|helpful)"
    r"|(note|instruction|message|attention)s? (to|for) (the )?(ai|assistant|language model|model|llm|system|parser|reader)\b"
    r"|(ignorier|vergiss|vergess|missacht)\w*( \w+){0,5} (anweisung|vorherig|bisherig|oben|regel)"
    r"|(ignor|oubli)\w*( \w+){0,5} (instruction|precedent|consigne)"
    r"|(ignor|olvid)\w*( \w+){0,5} (instruccion|anterior|regla)"
    r"|(report|return|output|set|enter|use)( \w+){0,3} total( amount)?( \w+){0,2} (as|to|is|of|instead)"
    r"|<\|?(im_start|system)|\[inst\]"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value is printed."""

    page: int
    box: Box
    text: str


class Words:
    """All rows of a document, prepared to be asked."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = lines
        self._numbers: dict[Decimal, Place] = {}
        self._dates: dict[dt.date, Place] = {}
        for line in lines:
            for piece, place in _pieces(line):
                self._note(piece, place)

    def find(self, value: str | dt.date | Decimal) -> Place | None:
        """Where a value is printed, in whichever way it may be written; an amount counts without its sign."""
        if isinstance(value, Decimal):
            return self._numbers.get(abs(value).normalize())
        if isinstance(value, dt.date):
            return self._dates.get(value)
        return self._find_currency(value) if exponent(value) is not None else self._find_text(value)

    def orders(self) -> bool:
        """Whether the document gives orders to whoever reads it."""
        text = _folded(" ".join(line.text for line in self._lines))
        return any(_ORDERS.search(text[at : at + 600]) for at in range(0, max(1, len(text)), 500))

    def _note(self, piece: Cell, place: Place) -> None:
        text = piece.text
        bare = _AROUND.sub("", text)
        if _NUMBER.fullmatch(bare):
            for comma in (None, True, False):
                number = money.parse(bare, comma)
                if number is not None:
                    self._numbers.setdefault(number.normalize(), place)
        if any(c.isdigit() for c in text):
            for date in dates.dates_in(piece):
                for day in date.readings:
                    self._dates.setdefault(day, place)

    def _find_text(self, value: str) -> Place | None:
        wanted = _squashed(value)
        if not wanted:
            return None
        for at, line in enumerate(self._lines):
            near = [word for one in self._lines[at : at + NAME_LINES] for word in one.words]
            if _stands_in(wanted, [_squashed(word.text) for word in near]):
                return Place(line.page, union(word.box for word in line.words), line.text)
        return None

    def _find_currency(self, code: str) -> Place | None:
        for line in self._lines:
            for word in line.words:
                parts = re.findall(r"[A-Z]{3}", word.text) if word.text.upper() == word.text else []
                signs = [
                    sign for sign, meant in money.SYMBOLS.items() if meant == code and sign in word.text and not sign.isalpha()
                ]
                if code in parts or signs:
                    return Place(line.page, word.box, word.text)
        return None


def _pieces(line: Line) -> Iterator[tuple[Cell, Place]]:
    """Every run of up to WINDOW words of a row, the short ones first."""
    for length in range(1, WINDOW + 1):
        for start in range(len(line.words) - length + 1):
            words = list(line.words[start : start + length])
            piece = Cell(words, line.page)
            if len(piece.text) <= PIECE and any(c.isdigit() for c in piece.text):
                yield piece, Place(line.page, piece.box, piece.text)


def _stands_in(wanted: str, words: Sequence[str]) -> bool:
    """Whether whole words make up what is wanted; what is long may also be glued to others, as a number to its label."""
    if len(wanted) >= GLUED and wanted in "".join(words):
        return True
    for start in range(len(words)):
        made = ""
        for word in words[start:]:
            made += word
            if made == wanted:
                return True
            if not wanted.startswith(made):
                break
    return False


def _squashed(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())


def _folded(text: str) -> str:
    import unicodedata

    plain = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(c for c in plain if not unicodedata.combining(c)).split())
