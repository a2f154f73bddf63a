"""Who sold and who bought: names by labels, address blocks, legal forms and places."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import replace

from akount.extraction import labels
from akount.extraction.addresses import ADDRESS, POSTCODE, address_of, block_above, block_below, is_street
from akount.extraction.headers import Found, lead_of
from akount.extraction.layout import Cell, Document, plain
from akount.extraction.names import ALL_LABELS, CONTACT, HONORIFIC, LEGAL, is_business, is_firm, is_label, name_of
from akount.readings import Box

_SEPARATORS = re.compile(r"\s*[\u00b7\u2022\u25cf\u2219|]\s*|\s+[-\u2013\u2014*.]\s*|(?<=\w)[-\u2013\u2014*]\s+|\s{2,}")
_COMMAS = re.compile(r",\s+|,(?=\d{4,6}\b)|,(?=[^\W\d])")
_DOUBT = 85
"""Below this confidence of OCR a name is the less likely one: scribbles and stamps stand at the top as well."""
_FOOT = 0.8
"""Where the foot of a page begins."""


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
    found = places[best]
    # a name within another is no rival of it
    rivals = (score for key, score in scores.items() if key not in best and best not in key)
    signals = {"lead": lead_of(scores[best], rivals), "firm": float(is_firm(found.value))}
    return replace(found, confidence=max(15, min(90, int(14 * scores[best]))), signals=signals)


def _seller_candidates(document: Document, buyer: Found | None) -> Iterator[tuple[float, Found]]:
    repeats = _Repeats(document)
    domains = _domains(document)
    zone = address_of(document, buyer)
    others = _headed_addresses(document)
    for cell in document.cells:
        yield from _labelled_seller(document, cell)
        sender = _sender_line(cell)
        if sender is not None:
            yield 6.2 + _domain_worth(sender, domains), Found(sender, cell, cell.span_box(0, len(sender)), 0)
    for cell in document.cells:
        name = name_of(cell.text)
        if name is None or _begins_with_label(cell) or _sender_line(cell) is not None:
            continue
        name = _with_first_line(document, cell, name)
        if buyer is not None and plain(name) == plain(buyer.value):
            continue
        worth = _seller_worth(document, cell, name, repeats, domains) - (4.0 if cell in zone else 0.0)
        if buyer is None and _is_addressee(document, cell, others) and not _domain_worth(name, domains):
            worth -= 3.5
        yield worth, Found(name, cell, cell.box, 0)


def _is_addressee(document: Document, cell: Cell, others: Collection[Cell]) -> bool:
    """Whether a name over an address without a telephone or mail is rather the one who gets the document: another such
    name stands above (not in scans, as receipts are addressed to nobody), or with its own address at the foot of the page."""
    if cell not in others or cell.box[1] > _FOOT or any(CONTACT.search(other.text) for other in block_below(document, cell)):
        return False
    above = [
        other
        for other in others
        if not document.scanned and other.box[1] < cell.box[1] - 2 * cell.height and cell not in block_below(document, other)
    ]
    foot = [other for other in others if other.box[1] > _FOOT]
    return any(plain(other.text) != plain(cell.text) for other in above + foot)


def _headed_addresses(document: Document) -> list[Cell]:
    """The names that stand over an address, up on the first page or at the foot of any."""
    first = document.pages[0].number
    return [
        cell
        for cell in document.cells
        if ((cell.page == first and cell.box[1] < 0.4) or cell.box[1] > _FOOT)
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
    worth += min(0.8, 0.4 * repeats.beyond(cell)) + _domain_worth(name, domains)
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
    rest = re.sub(r"\(\w\)", "", LEGAL.sub("", name))
    if sum(char.isalpha() for char in rest) > 1:
        return name
    above = [other for other in document.above(cell, rows=1) if cell.box[1] - other.box[3] < other.height]
    first = name_of(above[0].text) if above else None
    return f"{first} {name}" if first is not None else name


def _followed_by_address(document: Document, cell: Cell) -> bool:
    below = document.below(cell, reach=3.5, rows=3)[:2]
    return any(is_street(other.text) or ADDRESS.search(other.text) or POSTCODE.search(other.text) for other in below)


def _labelled_seller(document: Document, cell: Cell) -> Iterator[tuple[float, Found]]:
    for name, found_cell, box in _behind_label(document, cell, "seller"):
        yield 6.0 if found_cell.box[1] < 0.6 else 3.6, Found(name, found_cell, box, 0)


def _sender_line(cell: Cell) -> str | None:
    """The name at the head of a one-line address, as printed small over the window of a letter."""
    parts = [part for part in _SEPARATORS.split(cell.text) if part]
    if len(parts) < 3:
        parts = [part for part in _COMMAS.split(cell.text) if part]
        if not any(_is_in_town(part) for part in parts[1:]):
            return None
    if len(parts) < 3 or len(cell.text) < 20 or 0.45 < cell.box[1] < 0.8:
        return None
    placed = len(parts) > 3 or any(POSTCODE.search(text) for text in (cell.text, *parts[1:]))
    if not placed or not re.search(r"\d", " ".join(parts[1:])):
        return None
    name = name_of(parts[0])
    return name if name is not None and not ADDRESS.search(parts[0]) and not re.search(r"\d", parts[0]) else None


def _is_in_town(part: str) -> bool:
    """Whether a part of an address is a street, with its number or without."""
    return is_street(part) or (ADDRESS.search(part) is not None and not re.search(r"\d{4}", part))


def _domains(document: Document) -> set[str]:
    found = re.findall(r"(?:@|www\.|https?://)([\w-]+(?:\.[\w-]+)*?)\.[a-z]{2,10}\b", document.text.lower())
    parts = {part for host in found for part in host.split(".")}
    return {
        part
        for part in parts
        if len(part) > 3 and part not in ("gmail", "mail", "info", "yahoo", "hotmail", "outlook", "localhost", "example", "www")
    }


def _domain_worth(name: str, domains: set[str]) -> float:
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


def _behind_label(document: Document, cell: Cell, role: str) -> Iterator[tuple[str, Cell, Box]]:
    """The names a label of the role points at: behind it in the cell, right of it, under it."""
    found = labels.find(cell.label_text, "party")
    if not found or found[0].role != role or found[0].start > 3:
        return
    label = found[0]
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
            yield name, other, other.box
            return


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


def find_buyer(document: Document) -> Found | None:
    """The name of who gets the document: behind a label for it, else in the window of a letter, under the sender's line."""
    best: tuple[float, Found] | None = None
    for cell in document.cells:
        for name, place, box in _behind_label(document, cell, "buyer"):
            worth = 4.0 - place.box[1] - 0.5 * (place.page != document.pages[0].number)
            if best is None or worth > best[0]:
                best = (worth, Found(name, place, box, 80))
    return best[1] if best is not None else _window_address(document)


def find_addressee(document: Document, seller: Found | None) -> Found | None:
    """For documents without a word for the buyer: the first address up on the page, not the seller's, not for shipping."""
    page = document.pages[0].number
    own = plain(seller.value) if seller is not None else ""
    zone = address_of(document, seller)
    for cell in document.cells:
        if (
            cell.page != page
            or cell.box[1] > 0.5
            or cell in zone
            or not POSTCODE.search(cell.text)
            or _sender_line(cell) is not None
        ):
            continue
        name = _top_of_block(document, cell)
        if name is None or name in zone:
            continue
        text = HONORIFIC.sub("", name.text).strip()
        above = document.above(name, rows=1)[:1]
        shipping = any(label.role == "ship" for other in above for label in labels.find(other.label_text, "party"))
        if plain(text) != own and not shipping:
            return Found(text, name, name.box, 50)
    return None


def _top_of_block(document: Document, cell: Cell) -> Cell | None:
    """The highest line that can be a name in the block of lines that ends with this one."""
    names = [other for other in block_above(document, cell) if name_of(HONORIFIC.sub("", other.text)) is not None]
    return names[-1] if names else None


def _window_address(document: Document) -> Found | None:
    """The first name under the line with the sender's own address."""
    page = document.pages[0].number
    senders = [cell for cell in document.cells if cell.page == page and cell.box[1] < 0.45 and _sender_line(cell) is not None]
    if not senders or senders[-1].box[1] < 0.1:
        return None
    sender = senders[-1]
    for cell in document.below(sender, reach=9, rows=5):
        if abs(cell.box[0] - sender.box[0]) < 0.08 and name_of(HONORIFIC.sub("", cell.text)) is not None:
            return Found(HONORIFIC.sub("", cell.text).strip(), cell, cell.box, 75)
    return None
