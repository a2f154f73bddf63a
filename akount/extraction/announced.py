"""What tells of a party on a page: a word for it in front of a name, a one-line address, the domain of its mail."""

from __future__ import annotations

import re
from collections.abc import Iterator

from akount.extraction import labels
from akount.extraction.addresses import ADDRESS, POSTCODE, block_below, is_street
from akount.extraction.layout import Cell, Document, plain
from akount.extraction.names import ALL_LABELS, HONORIFIC, LEGAL, is_firm, is_label, name_of
from akount.readings import Box

_SEPARATORS = re.compile(r"\s*[\u00b7\u2022\u25cf\u2219|]\s*|\s+[-\u2013\u2014*.]\s*|(?<=\w)[-\u2013\u2014*]\s+|\s{2,}")
_WAYS = ("from", "to", "von", "van", "aan", "for")
"""Words that are a column of a timetable as well."""
FOOT = 0.8
"""Where the foot of a page begins."""
LOW = 0.5
"""Where it may begin on a page that is not full."""
_COMMAS = re.compile(r",\s+|,(?=\d{4,6}\b)|,(?=[^\W\d])")


def behind_label(document: Document, cell: Cell, role: str) -> Iterator[tuple[str, Cell, Box]]:
    """The names a label of the role points at: behind it in the cell, right of it, under it."""
    found = labels.find(cell.label_text, "party")
    if not found or found[0].role != role or found[0].start > 3:
        return
    label = found[0]
    if label.phrase in _WAYS and len(document.rows[cell.row].cells) > 3:
        return
    rest = cell.text[label.end :]
    tidy = re.sub(r"^[\s:.\-\u2013]+", "", rest)
    colon = rest.lstrip().startswith(":")
    if plain(rest):
        name = name_of(tidy) if colon or label.phrase.count(" ") else None
        if name is not None:
            start = cell.text.index(tidy)
            yield name, cell, cell.span_box(start, start + len(tidy))
        if not _rest_is_label(rest, role):
            return
    for other in _after_label(document, cell):
        name = name_of(HONORIFIC.sub("", other.text), ALL_LABELS)
        if name is not None:
            firm = None if is_firm(name) else _firm_under(document, other)
            if firm is None:
                yield name, other, other.box
            elif plain(LEGAL.sub("", firm.text)):
                yield firm.text, firm, firm.box
            else:
                yield f"{name} {firm.text}", other, other.box
            return


def _firm_under(document: Document, name: Cell) -> Cell | None:
    """The firm right under a name of a person or department of it, in one block; the legal form alone if the line broke."""
    under = block_below(document, name, lines=1)
    return under[0] if under and is_firm(under[0].text) and name_of(under[0].text) is not None else None


def _rest_is_label(rest: str, role: str) -> bool:
    """Whether nothing follows but what belongs to the label, or the same label in another language."""
    for label in reversed(labels.find(rest, "party")):
        if label.role == role:
            rest = rest[: label.start] + rest[label.end :]
    return bool(re.fullmatch(r"[\s:.\-/()]*(address|adresse|name|details|data)?[\s:.\-/()]*", rest, re.IGNORECASE))


def _after_label(document: Document, cell: Cell) -> list[Cell]:
    """Right of the label if it ends in a colon or stands over nothing; else under it, where addresses go on."""
    right = [
        other
        for other in document.right_of(cell)[:1]
        if not any(label.start == 0 for label in labels.find(other.label_text, "party")) and other.box[0] - cell.box[2] < 0.35
    ]
    below = [
        other
        for other in document.below(cell, reach=4.0, rows=5)
        if abs(other.box[0] - cell.box[0]) < 0.06 or other.box[0] < cell.box[2]
    ]
    below = below[:3]
    under = bool(below) and abs(below[0].box[0] - cell.box[0]) < 0.015 and not is_label(below[0].text)
    if right and under and not cell.text.rstrip().endswith(":"):
        return below + right
    return right + below


def sender_line(cell: Cell) -> str | None:
    """The name at the head of a one-line address, as printed small over the window of a letter."""
    parts = [part for part in _SEPARATORS.split(cell.text) if part]
    if len(parts) < 3:
        parts = [part for part in _COMMAS.split(cell.text) if part]
        if not any(_is_in_town(part) for part in parts[1:]):
            return None
    if len(parts) < 3 or len(cell.text) < 20 or 0.45 < cell.box[1] < 0.8:
        return None
    placed = len(parts) > 3 and any(ADDRESS.search(part) for part in parts[1:])
    placed = placed or any(POSTCODE.search(text) for text in (cell.text, *parts[1:]))
    if not placed or not re.search(r"\d", " ".join(parts[1:])):
        return None
    name = name_of(parts[0])
    return name if name is not None and not ADDRESS.search(parts[0]) and not re.search(r"\d", parts[0]) else None


def firms_in_line(cell: Cell) -> Iterator[tuple[str, Box]]:
    """The firms among the parts of a line at the foot: "www.example.com · Example Ltd · reg. no. 4711"."""
    if cell.box[1] < LOW:
        return
    parts = _SEPARATORS.split(cell.text)
    for part in parts if len(parts) > 2 else ():
        if part and is_firm(part) and name_of(part) is not None:
            start = cell.text.index(part)
            yield part, cell.span_box(start, start + len(part))


def _is_in_town(part: str) -> bool:
    """Whether a part of an address is a street, with its number or without."""
    british = re.search(r"\b[A-Z]{1,2}\d{1,2}[A-Z]? \d[A-Z]{2}\b", part)
    return is_street(part) or british is not None or (ADDRESS.search(part) is not None and not re.search(r"\d{4}", part))


def domains_of(document: Document) -> set[str]:
    """The parts of the mail and web domains on the pages that can name a firm."""
    found = re.findall(r"(?:@|www\.|https?://)([\w-]+(?:\.[\w-]+)*?)\.[a-z]{2,10}\b", document.text.lower())
    parts = {part for host in found for part in host.split(".")}
    return {
        part
        for part in parts
        if len(part) > 3 and part not in ("gmail", "mail", "info", "yahoo", "hotmail", "outlook", "localhost", "example", "www")
    }


def domain_worth(name: str, domains: set[str]) -> float:
    """What speaks for a name because it is, or has a word of, a domain."""
    from rapidfuzz import fuzz

    bare = plain(LEGAL.sub(" ", name))
    squashed = bare.replace(" ", "")
    if len(squashed) < 4:
        return 0.0
    hosts = {domain.replace("-", "") for domain in domains}
    if any(fuzz.ratio(squashed, host) > 80 or squashed.startswith(host) for host in hosts):
        return 1.2
    parts = {part for domain in domains for part in domain.split("-")} | hosts
    return 1.0 if any(len(word) > 4 and word in parts for word in bare.split()) else 0.0
