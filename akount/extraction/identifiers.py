"""Tax ids and IBANs, whose check digits tell whether they were read right."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from akount.extraction.addresses import address_of
from akount.extraction.found import Found
from akount.extraction.layout import Cell, Document, plain
from akount.readings import Box

_VAT = re.compile(
    r"(?<![A-Z0-9])(?P<country>AT|BE|BG|CHE|CY|CZ|DE|DK|EE|EL|ES|FI|FR|GB|HR|HU|IE|IT|LT|LU|LV|MT|NL|NO|PL|PT|RO|SE|"
    r"SI|SK|XI)[ .\-]?(?P<rest>[A-Z0-9](?:[ .\-]{0,2}[A-Z0-9*+]){6,13})(?![A-Z0-9])"
)
_SWISS_SUFFIX = re.compile(r"\s?(MWST|TVA|IVA)\b")
_GSTIN = re.compile(r"(?<![A-Z0-9])\d{2}[A-Z]{5}\d{4}[A-Z][A-Z0-9]Z[A-Z0-9](?![A-Z0-9])")
_VAT_WORDS = re.compile(
    r"\b(vat|ust|umsatzsteuer|uid|tva|iva|btw|nif|cif|nip|moms|alv|p\.?\s?iva|gstin|mva|tax|va|ust-?id\w*)\b", re.IGNORECASE
)
_BUYER_WORDS = re.compile(
    r"\b(customer|client|kunde|kunden|ihre|your|buyer|kaufer|acheteur|cliente|klant|nabywca|recipient)\b", re.IGNORECASE
)
_IBAN = re.compile(r"(?<![A-Z0-9])(?=([A-Z]{2} ?\d{2}(?: ?[A-Z0-9]){11,30})(?![A-Z0-9]))")
"""Looks ahead only, so that an IBAN is found behind another id that could reach into it."""
_LENGTHS = (
    "AT20 BE16 BG22 CH21 CY28 CZ24 DE22 DK18 EE20 ES24 FI18 FR27 GB22 GR27 HR21 HU28 IE22 IS26 IT27 "
    "LI21 LT20 LU20 LV21 MC27 MT31 NL18 NO15 PL28 PT25 RO24 SE24 SI19 SK24 SM27 TR26 SA24 AE23 IL23 BR29 "
    "AD24 AL28 AZ28 BA20 BH22 CR22 DO28 EG29 FO18 GE22 GI23 GL18 GT28 IQ23 JO30 KW30 KZ20 LB28 LY25 MD24 ME22 MK19 MR27 MU30 "
    "OM23 PK24 PS29 QA29 RS22 TL23 TN24 UA29 VA22 VG24 XK20"
)
_IBAN_LENGTHS = {entry[:2]: int(entry[2:]) for entry in _LENGTHS.split()}


def find_iban(document: Document) -> Found | None:
    """The first IBAN with right check digits, else the first that is as long as its country's are."""
    doubtful: Found | None = None
    for cell in document.cells:
        for match in _IBAN.finditer(cell.text.upper()):
            number = _trimmed_iban(match.group(1).replace(" ", ""))
            if number is None:
                continue
            found = Found(number, cell, cell.span_box(*match.span(1)), 92)
            if is_iban(number):
                return found
            if doubtful is None and "iban" in cell.plain + document.rows[cell.row].text.lower():
                doubtful = Found(number, cell, found.box, 50)
    return doubtful


def is_iban(number: str) -> bool:
    """Whether the check digits are right."""
    from stdnum import iban

    return bool(iban.is_valid(number, check_country=False))


def _trimmed_iban(text: str) -> str | None:
    length = _IBAN_LENGTHS.get(text[:2])
    if length is None:
        return text if len(text) in (20, 22, 24) else None
    if len(text) >= length:
        return text[:length]
    return text if len(text) >= length - 6 and text[2:].isdigit() else None


def find_vat_ids(document: Document, buyer: Found | None) -> tuple[Found | None, Found | None]:
    """The tax ids of seller and buyer. Right check digits and a label speak for an id, a buyer's word or block for the buyer."""
    zone = address_of(document, buyer)
    sellers: list[tuple[float, Found]] = []
    buyers: list[tuple[float, Found]] = []
    for cell in document.cells:
        for number, box, valid in _vat_ids(cell):
            labelled = _vat_label(document, cell)
            if not labelled and not valid:
                continue
            worth = 1.0 * labelled + 1.0 * valid
            found = Found(number, cell, box, 90 if valid and labelled else 70)
            is_buyers = cell in zone or _BUYER_WORDS.search(plain(_with_label(document, cell))) is not None
            (buyers if is_buyers else sellers).append((worth, found))
    return _best(sellers), _best(buyers)


def _best(found: Sequence[tuple[float, Found]]) -> Found | None:
    return max(found, key=lambda one: one[0])[1] if found else None


def _vat_ids(cell: Cell) -> Iterator[tuple[str, Box, bool]]:
    for match in _GSTIN.finditer(cell.text):
        yield match.group(), cell.span_box(*match.span()), True
    for match in _VAT.finditer(cell.text):
        printed = _of_the_id(match.group())
        number = re.sub(r"[^A-Z0-9]", "", printed)
        suffix = _SWISS_SUFFIX.match(cell.text[match.start() + len(printed) :]) if number.startswith("CHE") else None
        number += suffix.group(1) if suffix else ""
        valid = is_vat_id(number)
        if not valid and sum(char.isdigit() for char in number) < 7:
            continue
        yield number, cell.span_box(match.start(), match.start() + len(printed)), valid


def _of_the_id(text: str) -> str:
    """The part of a match that is the id: to where the check digits are right, else to the next word of letters."""
    ends = [match.start() for match in re.finditer(r"[ .\-]+|$", text)]
    for end in ends:
        if end > 8 and is_vat_id(re.sub(r"[^A-Z0-9]", "", text[:end])):
            return text[:end]
    word = re.search(r"(?<=\d)[ .\-]+[A-Z]{3,}", text)
    return text[: word.start()] if word else text


def warm() -> None:
    """Load the rules of every country."""
    from stdnum.eu import vat

    for country in ("CHE", *vat.MEMBER_STATES):
        is_vat_id(f"{country.upper()}0")
    is_iban("")


def is_vat_id(number: str) -> bool:
    """Whether the check digits are right for the country in front."""
    from stdnum.ch import vat as swiss
    from stdnum.eu import vat

    return bool(swiss.is_valid(number) if number.startswith("CHE") else vat.is_valid(number))


def _vat_label(document: Document, cell: Cell) -> bool:
    above = " ".join(other.text for other in document.above(cell, rows=1)[:1])
    return _VAT_WORDS.search(f"{above} {_with_label(document, cell)}") is not None


def _with_label(document: Document, cell: Cell) -> str:
    """The text of a cell and of what may be its label: left of it, or above it."""
    left = [other for other in document.rows[cell.row].cells if other.box[2] <= cell.box[0] + 0.005][-1:]
    above = [other for other in document.above(cell, rows=1)[:1] if len(other.text) < 40 and other.text[-1:] not in (".", "!", "?")]
    return " ".join(other.text for other in (*left, cell, *(above if not left else ())))
