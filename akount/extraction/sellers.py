"""Who sends a document: names by labels, address blocks, legal forms, domains and places."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from akount.extraction import labels
from akount.extraction.addresses import ADDRESS, POSTCODE, address_of, block_above, block_below, is_street
from akount.extraction.announced import FOOT, behind_label, domain_worth, domains_of, firms_in_line, sender_line
from akount.extraction.found import Found, lead_of
from akount.extraction.layout import Cell, Document, plain
from akount.extraction.names import ALL_LABELS, CONTACT, HONORIFIC, LEGAL, is_business, is_firm, name_of

_DOUBT = 85
"""Below this confidence of OCR a name is the less likely one: scribbles and stamps stand at the top as well."""

_TRADE = re.compile(r"(?i)\b(?:stiftung|handels|handelsgesellschaft|vertriebs|betriebs|verwaltungs)\b")
"""Words that stand with a legal form, and make no name either."""


_SOLD = re.compile(r"(?:sold by|verkauft (?:von|durch)|vendu par|vendido por|venduto da|verkocht door|sald[ea] (?:af|av)) ?")
"""Of what a marketplace bills for somebody: it has its own name, domain and foot on the page."""


def find_seller(document: Document, buyer: Found | None, inside: Collection[Cell] = ()) -> Found | None:
    """The name of who sends the document: the candidate with most reasons for it. No name stands `inside` of a table."""
    scores: dict[str, float] = {}
    places: dict[str, Found] = {}
    for base, found in _seller_candidates(document, buyer):
        worth = base - (3.0 if found.cell in inside else 0.0)
        key = plain(found.value)
        if not key or (buyer is not None and key == plain(buyer.value) and worth < 4):
            continue
        if worth > scores.get(key, -9.0):
            scores[key], places[key] = worth, found
    if not scores:
        return None
    best = max(scores, key=lambda key: scores[key])
    if not document.scanned:
        best = _legal_name(best, places, scores)
    found = places[best]
    # a name within another is no rival of it
    rivals = (score for key, score in scores.items() if key not in best and best not in key)
    signals = {"lead": lead_of(scores[best], rivals), "firm": float(is_firm(found.value))}
    return replace(found, confidence=max(15, min(90, int(14 * scores[best]))), signals=signals)


def _legal_name(brand: str, places: Mapping[str, Found], scores: Mapping[str, float]) -> str:
    """Of a name without a legal form that one with a legal form has all the words of, that one: the brand of a letterhead,
    and who it is."""
    if is_firm(places[brand].value):
        return brand
    words = set(brand.split())
    whole = [key for key, found in places.items() if words < set(key.split()) and is_firm(found.value) and scores[key] > 2]
    return max(whole, key=lambda key: scores[key], default=brand)


def _seller_candidates(document: Document, buyer: Found | None) -> Iterator[tuple[float, Found]]:
    repeats = _Repeats(document)
    domains = domains_of(document)
    zone = address_of(document, buyer)
    others = _headed_addresses(document)
    for cell in document.cells:
        yield from _labelled_seller(document, cell)
        sender = sender_line(cell)
        if sender is not None:
            yield 6.2 + domain_worth(sender, domains), Found(sender, cell, cell.span_box(0, len(sender)), 0)
        elif not document.scanned:
            for firm, box in firms_in_line(cell):
                yield 2.6 + domain_worth(firm, domains), Found(firm, cell, box, 0)
    for cell in document.cells:
        name = name_of(cell.text)
        if name is None or _begins_with_label(cell) or sender_line(cell) is not None:
            continue
        name = _with_first_line(document, cell, name)
        if buyer is not None and plain(HONORIFIC.sub("", name)) == plain(buyer.value):
            continue
        worth = _seller_worth(document, cell, name, repeats, domains) - (4.0 if cell in zone else 0.0)
        if buyer is None and _is_addressee(document, cell, others) and not domain_worth(name, domains):
            worth -= 3.5
        yield worth, Found(name, cell, cell.box, 0)


def _is_addressee(document: Document, cell: Cell, others: Collection[Cell]) -> bool:
    """Whether a name over an address without a telephone or mail is rather the one who gets the document: another such
    name stands above (not in scans, as receipts are addressed to nobody), or with its own address at the foot of the page."""
    if cell not in others or cell.box[1] > FOOT or any(CONTACT.search(other.text) for other in block_below(document, cell)):
        return False
    above = [
        other
        for other in others
        if not document.scanned and other.box[1] < cell.box[1] - 2 * cell.height and cell not in block_below(document, other)
    ]
    foot = [other for other in others if other.box[1] > FOOT]
    return any(plain(other.text) != plain(cell.text) for other in above + foot)


def _headed_addresses(document: Document) -> list[Cell]:
    """The names that stand over an address, up on the first page or at the foot of any."""
    first = document.pages[0].number
    return [
        cell
        for cell in document.cells
        if ((cell.page == first and cell.box[1] < 0.4) or cell.box[1] > FOOT)
        and name_of(cell.text) is not None
        and _followed_by_address(document, cell)
        and not _inside_address(document, cell)
    ]


def _inside_address(document: Document, cell: Cell) -> bool:
    """Whether a street stands right above: then this is the town."""
    above = block_above(document, cell, lines=1)
    return bool(above) and is_street(above[0].text)


def _begins_with_label(cell: Cell) -> bool:
    """Whether a label of several words stands in front: what is behind it is a candidate of its own."""
    return any(label.start == 0 and " " in label.phrase for label in labels.find(cell.label_text, "party")[:1])


class _Repeats:
    """How often the text of a cell is printed again, alone or as the beginning of a line."""

    def __init__(self, document: Document) -> None:
        self.texts = [f"{cell.plain} " for cell in document.cells]

    def beyond(self, cell: Cell) -> int:
        wanted = f"{cell.plain} "
        return sum(text.startswith(wanted) for text in self.texts) - 1


def _seller_worth(document: Document, cell: Cell, name: str, repeats: _Repeats, domains: set[str]) -> float:
    """Legal forms, the top of the first page, large print, the foot of the page, mail domains."""
    first = cell.page == document.pages[0].number
    worth = 0.0
    if is_firm(name):
        worth += 2.8 if document.scanned and cell.box[1] < 0.35 else 2.2
    elif is_business(name):
        worth += 1.1
    top = cell.box[1]
    if first:
        worth += max(0.0, 2.0 - 5.0 * top)
        position = sum(1 for row in document.rows[: cell.row] if any(name_of(other.text) for other in row.cells))
        worth += (1.6, 0.8, 0.3)[position] if position < 3 else 0.0
    if top > 0.82 and (is_firm(name) or _followed_by_address(document, cell)):
        worth += 1.0
    if first and top < 0.4:
        worth += min(1.2, max(0.0, cell.height / document.text_height - 1.2))
    worth += min(0.8, 0.4 * repeats.beyond(cell)) + domain_worth(name, domains)
    if _inside_address(document, cell):
        worth -= 1.5
    elif _followed_by_address(document, cell):
        worth += 1.0
    if not block_above(document, cell) and any(CONTACT.search(other.text) for other in block_below(document, cell)):
        worth += 0.8
    if document.scanned:
        worth -= 0.04 * max(0, _DOUBT - cell.confidence)
    return worth - 0.02 * max(0, len(name) - 45)


def _with_first_line(document: Document, cell: Cell, name: str) -> str:
    """A line of nothing but legal form and trade ("Restaurant Ltd.") is the end of the name in the line above."""
    rest = re.sub(r"\(\w\)", "", LEGAL.sub("", _TRADE.sub("", name)))
    if sum(char.isalpha() for char in rest) > 1:
        return name
    above = [other for other in document.above(cell, rows=1) if cell.box[1] - other.box[3] < other.height]
    first = name_of(above[0].text, ALL_LABELS) if above else None
    return f"{first} {name}" if first is not None else name


def _followed_by_address(document: Document, cell: Cell) -> bool:
    below = document.below(cell, reach=3.5, rows=3)[:2]
    return any(is_street(other.text) or ADDRESS.search(other.text) or POSTCODE.search(other.text) for other in below)


def _labelled_seller(document: Document, cell: Cell) -> Iterator[tuple[float, Found]]:
    for name, found_cell, box in behind_label(document, cell, "seller"):
        if _SOLD.match(cell.plain):
            yield 8.0, Found(name, found_cell, box, 0)
        yield 6.0 if found_cell.box[1] < 0.6 else 3.6, Found(name, found_cell, box, 0)
