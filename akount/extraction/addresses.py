"""Addresses on a page: how a postcode and a street look in many countries, and which lines make one block."""

from __future__ import annotations

import re

from akount.extraction.found import Found
from akount.extraction.layout import Cell, Document
from akount.readings import Box

ADDRESS = re.compile(
    r"\b(stra(ss|ß)e|str\.|straße|weg\b|platz\b|allee|street|st\.|road|rd\b|avenue|ave\b|lane|drive|blvd|"
    r"boulevard|rue|calle|via|jalan|jln|jl\b|taman|tmn|lot\b|postfach|po box|suite|floor|"
    r"ul\.|al\.|aleja|viale|corso|piazza|plaza|avenida|rua|largo|quai|place|chemin|chaussée|impasse|no\.?\s?\d|kawasan|lorong|persiaran|"
    r"bandar|unit\b)|\b\d{4,6}\b|"
    r"\w+(str|straße|strasse|weg|platz|gasse|allee|straat|laan|kade|gade|gatan|gata|vej|vägen|veien|tie|katu|plein|gracht)\b|"
    r"\b[A-Z]{1,2}\d{1,2}[A-Z]? \d[A-Z]{2}\b",
    re.IGNORECASE,
)
POSTCODE = re.compile(
    r"\b[AC-FHKNPRTV-Y]\d[\dW] ?[0-9AC-FHKNPRTV-Y]{4}\b|"  # Ireland
    r"(?<![\d.,])(?:[A-Z]{1,2}-? ?)?\d{4,5}(?:-\d{3,4})?\s+[^\W\d_]{2,}|"
    r"(?<![\d.,])(?:[A-Z]{1,2}-)?\d{3} \d{2}\s+[^\W\d_]{2,}|"  # Sweden, Czechia, Slovakia, Greece
    r"(?<![\d.,-])\d{2}-\d{3}\s+[^\W\d_]{2,}|"  # Poland
    r"[A-Z]{1,2}\d{1,2}[A-Z]? \d[A-Z]{2}\b|"  # Great Britain
    r"\b[ABCEGHJ-NPRSTVXY]\d[A-Z] \d[A-Z]\d\b|"  # Canada
    r"\b\d{4} ?[A-Z]{2}\s+[^\W\d_]{3,}|"  # Netherlands
    r",?\s(?:[A-Z]{2}|NSW|VIC|QLD|TAS|ACT),? \d{4,5}\b|"  # United States, Australia
    r"[^\W\d_]{3,},? \d{3}-\d{4}\b|[^\W\d_]{3,},? (?:- )?\d{5,6}(?=\s*[,·•|]|$)"  # Japan; India and others that put it last
)
_HOUSE = re.compile(r"(?:\d{1,4}\s?[a-z]?,?\s+[^\d]{4,}|[^\d]{4,}\s\d{1,4}\s?[a-z]?)", re.IGNORECASE)
_GAP = 1.1
"""Lines of one address stand no further apart than this many text heights."""


def is_street(text: str) -> bool:
    """Whether a text is nothing but words and a house number in front or behind."""
    return _HOUSE.fullmatch(text.strip(" ,.")) is not None


def block_below(document: Document, first: Cell, lines: int = 7) -> list[Cell]:
    """The lines that go on under a cell in its column, down to the first gap."""
    block: list[Cell] = []
    last = first
    for cell in document.below(first, reach=14, rows=2 * lines):
        if len(block) == lines:
            break
        gap = cell.box[1] - last.box[3]
        if not _aligned(cell.box, first.box) or gap < -0.2 * cell.height:
            continue
        if gap > _GAP * max(min(last.height, cell.height), document.text_height):
            break
        block.append(cell)
        last = cell
    return block


def block_above(document: Document, last: Cell, lines: int = 7) -> list[Cell]:
    """The lines of the block that ends with a cell, from the one above it upwards."""
    block: list[Cell] = []
    below = last
    for other in document.above(last, rows=2 * lines):
        if min(abs(other.box[0] - last.box[0]), 2 * abs(other.box[2] - last.box[2])) > 0.02:
            continue
        if len(block) == lines or below.box[1] - other.box[3] > _GAP * max(other.height, document.text_height):
            break
        block.append(other)
        below = other
    return block


def address_of(document: Document, name: Found | None) -> set[Cell]:
    """The cells of the address under a name, in its column, and the name itself."""
    return set() if name is None else {name.cell, *block_below(document, name.cell)}


def _aligned(one: Box, other: Box) -> bool:
    """Whether two boxes share their left edge, their right edge or their middle."""
    return min(abs(one[0] - other[0]), abs(one[2] - other[2]), abs(one[0] + one[2] - other[0] - other[2]) / 2) < 0.05
