"""Who gets a document: behind a word for it, in the window of a letter, else at the address that nobody sends from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from akount.extraction import labels
from akount.extraction.addresses import ADDRESS, POSTCODE, address_of, block_above, block_below, is_street
from akount.extraction.announced import FOOT, behind_label, domain_worth, domains_of, sender_line
from akount.extraction.found import Found
from akount.extraction.layout import Cell, Document, plain
from akount.extraction.names import HONORIFIC, is_firm, name_of

_REACHED = re.compile(
    r"\b(?:tel|phone|fax|fon|telefon|telefoon|mobile?|mobil|e-?mail|www|iban|bic)\b|@|www\.|https?:|\+\d{2}|\(\d{3}\) ?\d{3}|"
    r"^[\w-]+\.(?:[a-z]{2,3}|info|example)$",
    re.IGNORECASE,
)
"""How a sender can be reached or paid: what an address on an envelope does not say."""
_PERSON = re.compile(
    r"(?:herrn?|frau|mr|mrs|ms|mme|mlle|monsieur|madame|sig\.?\s?ra|sig|do\u00f1a|d\u00f1a|dhr|mevr|mw|exm[oa])\b[.:]?\s+[A-Z\u00c0-\u017d]",
    re.IGNORECASE,
)
"""How a person is addressed on an envelope."""
_LOWEST = 0.45
"""Where on a page addresses to somebody end."""


@dataclass(frozen=True, slots=True)
class _Block:
    """An address: the cell with the postcode, the name over it if there is one, and all lines of it."""

    town: Cell
    name: Cell | None
    lines: Sequence[Cell]

    @property
    def address(self) -> list[Cell]:
        """What stands from under the name to the town."""
        top = 0.0 if self.name is None else self.name.box[3]
        return [line for line in self.lines if top <= (line.box[1] + line.box[3]) / 2 <= self.town.box[3]]

    @property
    def has_street(self) -> bool:
        """Whether more than the town stands under the name, and some of it is a street."""
        return any(is_street(line.text) or ADDRESS.search(line.text) for line in self.address if line is not self.town)

    @property
    def marked(self) -> bool:
        """Whether a form of address stands in it."""
        return any(_to_a_person(line) or _is_form(line.text) or _PERSON.match(line.text) for line in self.lines)


def find_buyer(document: Document) -> Found | None:
    """The name of who gets the document: behind a label for it, else in the window of a letter, under the sender's line, else
    at the address that is not the sender's."""
    best: tuple[float, Found] | None = None
    for cell in document.cells:
        for name, place, box in behind_label(document, cell, "buyer"):
            worth = 4.0 - place.box[1] - 0.5 * (place.page != document.pages[0].number)
            firm = _firm_of(document, cell) if _to_a_person(cell) else None
            found = Found(name, place, box, 80) if firm is None else Found(_bare(firm), firm, firm.box, 75)
            if best is None or worth > best[0]:
                best = (worth, found)
    return best[1] if best is not None else _window_address(document) or _recipient(document)


def find_addressee(document: Document, seller: Found | None) -> Found | None:
    """For documents without a word for the buyer: the first address up on the page, not the seller's, not for shipping."""
    own = plain(seller.value) if seller is not None else ""
    zone = address_of(document, seller)
    for block in _blocks(document):
        if block.name is None or block.town.box[1] > 0.5 or block.town in zone or block.name in zone:
            continue
        if plain(_bare(block.name)) != own and not _for_shipping(document, block.name):
            return Found(_bare(block.name), block.name, block.name.box, 50)
    return None


def _recipient(document: Document) -> Found | None:
    """The address that tells neither how to reach nor how to pay, when another place on the page shows who is the sender."""
    blocks = _blocks(document)
    domains = domains_of(document)
    senders = [block for block in blocks if _is_sender(document, block)]
    senders = senders or [block for block in blocks if _has_domain(block, domains)]
    told = " ".join(line.plain for block in senders for line in block.lines)
    for block in sorted(blocks, key=lambda one: not one.marked):
        name = block.name
        if (
            name is None
            or not block.has_street
            or block in senders
            or not 0.03 < name.box[1] < _LOWEST
            or _for_shipping(document, name)
        ):
            continue
        repeated = plain(_bare(name)) in told or all(line.plain in told for line in block.address)
        if (senders or block.marked or _headed(document, block, domains)) and not repeated:
            return Found(_bare(name), name, name.box, 65)
    return None


def _is_sender(document: Document, block: _Block) -> bool:
    """By its place at the foot, or by ways to reach it in the address or close under it."""
    if block.town.box[1] > FOOT or _is_letterhead(document, block) or any(_REACHED.search(line.text) for line in block.lines):
        return True
    under = [
        cell
        for cell in document.below(block.town, reach=6.0, rows=8)
        if min(abs(cell.box[0] - block.town.box[0]), abs(cell.box[2] - block.town.box[2])) < 0.03
    ]
    return any(_REACHED.search(cell.text) for cell in under[:5])


def _is_letterhead(document: Document, block: _Block) -> bool:
    """Whether the name over the address begins with what stands large at the top of the page, and nothing at its foot does."""
    if block.name is None or block.marked:
        return False
    page = document.pages[0].number
    return any(
        cell.page == page
        and cell.height > 1.3 * document.text_height
        and block.name.plain.startswith(f"{cell.plain} ")
        and name_of(cell.text) is not None
        and not any(foot.box[1] > FOOT and foot.plain.startswith(f"{cell.plain} ") for foot in document.cells)
        for row in document.rows[:4]
        for cell in row.cells
    )


def _has_domain(block: _Block, domains: set[str]) -> bool:
    """Whether the name over an address is also that of the domain."""
    return block.name is not None and domain_worth(_bare(block.name), domains) > 0 and not block.marked


def _headed(document: Document, block: _Block, domains: set[str]) -> bool:
    """Whether a name that is also the domain's stands over the address, as that of who writes."""
    above = [cell for cell in document.cells if cell.page == block.town.page and cell.box[3] < block.lines[-1].box[1]]
    return any(name_of(cell.text) is not None and domain_worth(cell.text, domains) > 0 for cell in above)


def _blocks(document: Document) -> list[_Block]:
    """The addresses of the first page, from top to bottom; one-line ones of senders are none."""
    page = document.pages[0].number
    found: list[_Block] = []
    for cell in document.cells:
        if cell.page == page and POSTCODE.search(cell.text) and sender_line(cell) is None:
            over = block_above(document, cell)
            found.append(_Block(cell, _top_name(over), (cell, *over, *block_below(document, cell, lines=3))))
    return found


def _top_name(over: Sequence[Cell]) -> Cell | None:
    """The highest line that can be a name; one word over the name of a firm rather says what the firm is to the sender."""
    names = [cell for cell in over if _is_name(cell)]
    if len(names) > 1 and names[-1].height > 1.25 * names[-2].height:
        names.pop()  # a letterhead right over the address
    if len(names) > 1 and " " not in names[-1].text and not is_firm(names[-1].text) and is_firm(names[-2].text):
        return names[-2]
    return names[-1] if names else None


def _is_name(cell: Cell) -> bool:
    announces = cell.text.endswith(":") or _is_form(cell.text) or _to_a_person(cell)
    return not announces and name_of(_bare(cell)) is not None


def _bare(cell: Cell) -> str:
    return HONORIFIC.sub("", cell.text).strip()


def _is_form(text: str) -> bool:
    """Whether a line is nothing but a form of address, or the department that pays."""
    return plain(text) in labels.words("address_form")


def _to_a_person(cell: Cell) -> bool:
    """Whether a line begins with a word for whose attention it is."""
    return any(cell.plain == word or cell.plain.startswith(f"{word} ") for word in labels.words("attention"))


def _firm_of(document: Document, person: Cell) -> Cell | None:
    """The firm over the line that says for whose attention it is, in one block with it."""
    names = [other for other in block_above(document, person, lines=3) if _is_name(other)]
    return names[-1] if names else None


def _for_shipping(document: Document, name: Cell) -> bool:
    above = document.above(name, rows=1)[:1]
    return any(
        label.role == "ship" and not re.search(r"\d", other.text[label.end :])
        for other in above
        for label in labels.find(other.label_text, "party")
    )


def _window_address(document: Document) -> Found | None:
    """The first name under the line with the sender's own address."""
    page = document.pages[0].number
    senders = [cell for cell in document.cells if cell.page == page and cell.box[1] < _LOWEST and sender_line(cell) is not None]
    if not senders or senders[-1].box[1] < 0.1:
        return None
    sender = senders[-1]
    for cell in document.below(sender, reach=9, rows=5):
        if abs(cell.box[0] - sender.box[0]) < 0.08 and _is_name(cell):
            return Found(_bare(cell), cell, cell.box, 75)
    return None
