"""The number of a document, and its terms of payment."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from akount.extraction import labels
from akount.extraction.dates import Date
from akount.extraction.found import Found, lead_of
from akount.extraction.headings import heading_at
from akount.extraction.layout import Cell, Document, plain

_NUMBER = re.compile(r"#?\s?((?:[A-Z]{1,4} (?=\d))?(?=[A-Za-z0-9\-/._~]*\d)[A-Za-z0-9]+(?:[-/._~]+[A-Za-z0-9]+)*)(?!\w)")
_LEADING = re.compile(
    r"^[\s:.#\-–№º°*\[]*(?:\(\w{1,6}\)\s*)?(?:(?:no|nr|num|number|nummer|numer|numero|número|n)\b[\s.:#º°\[-]*)?", re.IGNORECASE
)
_ORDINARY = re.compile(r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d+[.,]\d{2}|\d{1,2}:\d{2}(:\d{2})?|\d{1,2}")
_NO_NUMBER = re.compile(
    r"[Xx]{3}|^[A-Z]{2}\d{2}ZZZ\d|^(?:RM|Rs)\s?\d+\.\d{2}$|^(?:ABN|ACN|VAT|GST|SST|UEN|TIN|TRN|NIF|CIF|NIP|UID|CVR)\b|^100\d{12}$"
)
"""The end of a card, the id of a creditor, money, and the beginning of a tax id: no number of a document."""
_TO_ANOTHER = re.compile(r"(?:zu|zur|zum|to|for|against|sur|pour|alla|per|bij|do|til|till)\b")
"""Behind "credit note": then the number and the date that follow are those of what is credited."""
_REFERS = re.compile(
    r"\b(refers? to|related|linked|liee|bezug|original|previous|storno von)\b|"
    r"\b(zu|zur|zu der|zu unserer|against|for|alla|sulla|sur la|a la|bij|do|til|till)$",
    re.IGNORECASE,
)
"""In front of "invoice 4711": then it is another one that this document is about."""
_ASIDE = ("folio", "ticket", "check", "chk", "receipt", "rcpt", "slip", "bon ")
"""What a document that has a number of its own besides, as an invoice, may be called as well."""
_GROUPED = re.compile(r"\d{1,4}(?: \d{3,4}){2,5}(?=\s*$|[,;)])")
"""A number printed in groups of digits that fills the cell."""


def find_number(document: Document, found_dates: Sequence[Date]) -> Found | None:
    """The number of the document by the labels for it: behind the label, right of it or under it."""
    taken = {id(date.cell): date for date in found_dates}
    best: tuple[float, Found] | None = None
    scores: dict[str, float] = {}
    rows = max(1, len(document.rows))
    for cell in document.cells:
        for label in labels.find(cell.label_text, "number"):
            if label.role != "issue" or _of_the_number(cell.text, label) or _of_another_label(cell.label_text, label):
                continue
            for worth, candidate in _numbers_for(document, cell, label, taken):
                score = worth + 0.6 * (1 - cell.row / rows)
                scores[candidate.value] = max(score, scores.get(candidate.value, score))
                if best is None or score > best[0]:
                    best = (score, candidate)
    if best is None:
        return None
    score, found = best
    lead = lead_of(score, (other for value, other in scores.items() if value != found.value))
    signals = {"lead": lead, "short": float(len(found.value) < 3), "plain": float(found.value.isdigit())}
    return replace(found, confidence=min(found.confidence, max(20, min(95, int(22 * score)))), signals=signals)


def _of_the_number(text: str, label: labels.Label) -> bool:
    """Whether a label is a part of a number, as in INV-4711, or an n that is not the one of n°."""
    rest = text[label.end :]
    if label.phrase == "n":
        return rest[:1] not in ("°", "º")
    return " " not in label.phrase and re.match(r"[-/_]?\d", rest) is not None and text[label.start : label.end].isupper()


def _of_another_label(text: str, label: labels.Label) -> bool:
    """Whether a label is a part of a longer one for something else, as in "total of the invoice" or "date of the invoice"."""
    others = [one for group in ("money", "date") for one in labels.find(text, group)]
    return any(one.start <= label.start and label.end <= one.end and one.phrase != label.phrase for one in others)


def _numbers_for(document: Document, cell: Cell, label: labels.Label, taken: dict[int, Date]) -> Iterator[tuple[float, Found]]:
    strength = _number_strength(label)
    says_number = strength > 3
    before = plain(cell.text[: label.start])
    if _REFERS.search(before):
        strength -= 0.9 if before == "original" and cell.row < 3 else 3.0  # a title: "Original invoice" on what is no copy
    if plain(cell.text[: label.start]) and label.strength == labels.PLAIN:
        strength -= 0.8
    rest = cell.text[label.end :]
    value = _leading_number(rest)
    if value is not None:
        start = label.end + rest.index(value)
        yield strength + 0.6, Found(_unwrapped(document, cell, value), cell, cell.span_box(start, start + len(value)), 95)
        return
    if plain(rest) and not _LEADING.fullmatch(rest):
        return
    for other in document.right_of(cell)[:1]:
        value = _leading_number(other.text)
        if value is not None and not _is_date(other, value, taken, says_number=says_number):
            yield strength + 0.4, Found(_unwrapped(document, other, value), other, other.span_box(0, len(value)), 95)
            return
    heads_a_column = label.strength == labels.PLAIN and heading_at(document, cell.row)[0] is not None
    for other in document.below(cell, reach=2.5, rows=3)[: 0 if heads_a_column else 1]:
        value = _leading_number(other.text)
        if value is not None and not _is_date(other, value, taken, says_number=says_number) and len(value) > 1:
            yield strength - 0.2, Found(_unwrapped(document, other, value), other, other.span_box(0, len(value)), 90)


def _unwrapped(document: Document, cell: Cell, value: str) -> str:
    """With what stands in the line below, where a narrow cell broke the number behind a hyphen or a slash."""
    if not re.search(re.escape(value) + r"\s?[-/]$", cell.text.rstrip()):
        return value
    below = document.below(cell, reach=2.5, rows=1)[:1]
    rest = below[0].text if below and re.fullmatch(r"[A-Za-z0-9-]*\d[A-Za-z0-9-]*", below[0].text) else ""
    return value + cell.text.rstrip()[-1] + rest if rest else value


def _number_strength(label: labels.Label) -> float:
    """Labels that say "number" count more than the bare name of the document."""
    if label.strength == labels.PLAIN:
        return 0.9 if " " not in label.phrase and len(label.phrase) < 7 else 1.3
    says_number = re.search(r"(nummer|number|nr|no|num|numero|id|numer|cislo|sorszama)$|^(n|no|nr|numero) ", label.phrase)
    if label.phrase.startswith(_ASIDE):
        return 3.1 if says_number else 2.2
    return 3.4 if says_number else 2.4


def _leading_number(text: str) -> str | None:
    """The document number a text starts with, or None when it starts with something else."""
    bare = text[_end_of_leading(text) :]
    grouped = _GROUPED.match(bare)
    return _ungrouped_number(bare) if grouped is None else grouped.group()


def _ungrouped_number(bare: str) -> str | None:
    match = _NUMBER.match(bare)
    if match is None:
        return None
    value = match.group(1).strip()
    follows = bare[match.end() : match.end() + 2]
    if _ORDINARY.fullmatch(value) and not (value.isdigit() and not follows.strip()):
        return None
    if _NO_NUMBER.search(value) or is_tax_id(value):
        return None
    if len(value) > 40 or value.endswith("%") or follows.startswith("%") or re.match(r"[.,]\d", follows):
        return None
    if re.fullmatch(r"[A-Z]{3,8} \d.*", value) and not value.split()[0].isupper():
        return None
    return _joined(value, bare[match.end() :])


def is_tax_id(value: str) -> bool:
    """Whether it is a tax id of the European Union, by its check digits."""
    from stdnum.eu import vat

    return re.match(r"[A-Z]{2}[A-Z0-9]{8}", value) is not None and bool(vat.is_valid(value))


def _end_of_leading(text: str) -> int:
    match = _LEADING.match(text)
    return match.end() if match else 0


def _joined(value: str, rest: str) -> str:
    """With what belongs to it although spaces stand between: 673381 in V015- 673381, 001 in 2024 / 001."""
    match = re.match(r"\s?([-/])\s([A-Za-z0-9]*\d[A-Za-z0-9]*)(?![\w.,:])|([-/])\s([A-Za-z0-9]*\d[A-Za-z0-9]*)", rest)
    if match and not re.search(r"\d{4}$", match.group(0)):
        return value + (match.group(1) or match.group(3)) + (match.group(2) or match.group(4))
    return value


def _is_date(cell: Cell, value: str, taken: dict[int, Date], *, says_number: bool) -> bool:
    """Whether a value is the date of the cell: eight digits beside "number" are none."""
    date = taken.get(id(cell))
    if says_number and value.isdigit():
        return False
    return date is not None and date.start < len(value) and re.fullmatch(r"[\d./-]+", value) is not None and len(value) <= 10


_TERMS_LABEL = re.compile(
    r"^(?:payment terms?|terms of payment|terms|zahlungsbedingung(?:en)?|zahlungsziel|conditions de paiement|"
    r"conditions de reglement|"
    r"condiciones de pago|forma de pago|condizioni di pagamento|betalingscondities|betalningsvillkor|"
    r"condicoes de pagamento|warunki platnosci)\b"
)
_TERMS_SENTENCE = re.compile(
    r"\b(?:payable within|payment due (?:in|within)|net \d+ days|please pay .{0,30}within|zahlbar (?:innerhalb|"
    r"binnen|sofort|bis)|zahlung innerhalb|"
    r"payable (?:a|sous|dans)|paiement (?:a|sous|immediat)|due on receipt|fallig innerhalb|betaling binnen)\b"
)


def find_terms(document: Document) -> Found | None:
    """The sentence that says until when and how to pay: behind or under a label, else by how such sentences begin."""
    for cell in document.cells:
        if _TERMS_LABEL.match(cell.plain):
            behind = cell.text.partition(":")[2].strip()
            if behind:
                return Found(behind, cell, cell.box, 80)
            for other in [*document.right_of(cell)[:1], *document.below(cell, reach=3.0)[:1]]:
                if any(char.isalpha() for char in other.text):
                    return Found(other.text, other, other.box, 70)
    for cell in document.cells:
        if _TERMS_SENTENCE.search(cell.plain):
            return Found(cell.text, cell, cell.box, 70)
    return None
