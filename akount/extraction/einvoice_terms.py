"""Reads the terms of an electronic bill out of a parsed tree by the tables of einvoice_tables.

`plain_names` takes the namespaces off a tree and gives the elements of ZUGFeRD 1.0
the names they have today, so that one table serves every version of a syntax.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from akount.extraction.einvoice_tables import Paths, Syntax
from akount.readings import DATE_FIELDS, MONEY_FIELDS, Evidence, Line, TaxBand, Value, clean_text

ENGINE = "einvoice"

_NAMES_OF_ZUGFERD_1 = {
    "HeaderExchangedDocument": "ExchangedDocument",
    "SpecifiedSupplyChainTradeTransaction": "SupplyChainTradeTransaction",
    "ApplicableSupplyChainTradeAgreement": "ApplicableHeaderTradeAgreement",
    "ApplicableSupplyChainTradeSettlement": "ApplicableHeaderTradeSettlement",
    "SpecifiedSupplyChainTradeAgreement": "SpecifiedLineTradeAgreement",
    "SpecifiedSupplyChainTradeDelivery": "SpecifiedLineTradeDelivery",
    "SpecifiedSupplyChainTradeSettlement": "SpecifiedLineTradeSettlement",
    "ApplicablePercent": "RateApplicablePercent",
}
_SUMMATION_OF_ZUGFERD_1 = "SpecifiedTradeSettlementMonetarySummation"

CREDIT_TYPES = frozenset({"81", "83", "261", "262", "296", "308", "381", "396", "420", "458", "532"})
"""UNTDID 1001 codes of documents that give money back."""

_REQUIRED = {
    "invoice_number": "The document has no number.",
    "issue_date": "The document has no date of issue.",
    "currency": "The document does not name its currency.",
    "seller_name": "The document does not name the seller.",
    "total": "The document has no total.",
}
_DECIMAL = re.compile(r"(?=.{1,40}\Z)[+-]?(\d+(\.\d*)?|\.\d+)\Z")
_IBAN = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{10,30}\Z")
SURE, DOUBTFUL = 99, 50


@dataclass(slots=True)
class Terms:
    """What a tree says, and what is wrong with it."""

    fields: dict[str, Value] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    bands: list[TaxBand] = field(default_factory=list)
    credit_note: bool = False
    warnings: list[str] = field(default_factory=list)


def plain_names(root: Any) -> None:
    """Take the namespaces off every element, in place, and give those of ZUGFeRD 1.0 their names of today."""
    for element in root.iter("{*}*"):
        name = element.tag.rpartition("}")[2]
        if name == _SUMMATION_OF_ZUGFERD_1:
            header = element.getparent().tag == "ApplicableHeaderTradeSettlement"
            name = f"SpecifiedTradeSettlement{'Header' if header else 'Line'}MonetarySummation"
        element.tag = _NAMES_OF_ZUGFERD_1.get(name, name)


def read_terms(root: Any, syntax: Syntax) -> Terms:
    """The terms of a tree that went through `plain_names`. Credits come out negative, quantities and prices as given."""
    terms = Terms()
    currency = _first(root, syntax.fields["currency"])
    for name, paths in syntax.fields.items():
        found = _field(name, _first(root, paths, currency), terms.warnings)
        if found is not None:
            terms.fields[name] = found
    terms.lines = [_line(element, syntax, terms.warnings) for element in _elements(root, syntax.lines)]
    terms.bands = [_band(element, syntax, terms.warnings) for element in _elements(root, syntax.bands)]
    _complete_total(terms)
    _compare_total(terms)
    terms.warnings += [sentence for name, sentence in _REQUIRED.items() if name not in terms.fields]
    terms.credit_note = syntax.credit_root or _first(root, syntax.type_code) in CREDIT_TYPES
    if terms.credit_note:
        _negate(terms)
    return terms


def _first(element: Any, paths: Paths, currency: str = "") -> str:
    for path in paths:
        for found in element.xpath(path, currency=currency):
            text = clean_text(found.text or "")
            if text:
                return text
    return ""


def _elements(root: Any, paths: Paths) -> Iterator[Any]:
    for path in paths:
        yield from root.xpath(path)


def _field(name: str, raw: str, warnings: list[str]) -> Value | None:
    if not raw:
        return None
    evidence = Evidence(1, None, raw, ENGINE)
    if name in MONEY_FIELDS:
        number, sure = _number(raw, name, warnings)
        return None if number is None else Value(number, SURE if sure else DOUBTFUL, evidence)
    if name in DATE_FIELDS:
        date = _date(raw, name, warnings)
        return None if date is None else Value(date, SURE, evidence)
    if name == "currency":
        return _currency(raw, evidence, warnings)
    if name == "iban":
        return _iban(raw, evidence, warnings)
    return Value(raw, SURE, evidence)


def _number(raw: str, name: str, warnings: list[str]) -> tuple[Decimal | None, bool]:
    """The number and whether it is written as XML Schema wants it; a decimal comma is understood, but not trusted."""
    text = raw
    if not _DECIMAL.match(raw):
        warnings.append(f"{_words(name)} is not a valid amount: {raw[:40]!r}.")
        if not re.fullmatch(r"[+-]?\d[\d., ]{0,30}", raw):
            return None, False
        text = raw.replace(".", "").replace(",", ".") if "," in raw else raw
    try:
        number = Decimal(text.replace(" ", ""))
    except InvalidOperation:
        return None, False
    return (number, text == raw) if number.is_finite() and number.adjusted() < 18 else (None, False)


def _date(raw: str, name: str, warnings: list[str]) -> dt.date | None:
    digits = re.match(r"(\d{4})-?(\d{2})-?(\d{2})", raw)
    with contextlib.suppress(ValueError):
        if digits:
            return dt.date(*(int(part) for part in digits.groups()))
    warnings.append(f"{_words(name)} is not a date: {raw[:40]!r}.")
    return None


def _currency(raw: str, evidence: Evidence, warnings: list[str]) -> Value | None:
    if re.fullmatch(r"[A-Z]{3}", raw):
        return Value(raw, SURE, evidence)
    warnings.append(f"The currency is not an ISO 4217 code: {raw[:40]!r}.")
    return None


def _iban(raw: str, evidence: Evidence, warnings: list[str]) -> Value | None:
    """None for an account number that is not shaped like an IBAN: such accounts are common outside Europe."""
    from stdnum import iban

    compact = re.sub(r"[\s.-]", "", raw).upper()
    if not _IBAN.match(compact):
        return None
    if iban.is_valid(compact):
        return Value(compact, SURE, evidence)
    warnings.append(f"The check digits of the IBAN {compact} are wrong; compare it with the seller's known account before paying.")
    return Value(compact, DOUBTFUL, evidence)


def _numbers(element: Any, table: dict[str, Paths], names: Iterable[str], warnings: list[str]) -> dict[str, Decimal | None]:
    found = {name: _first(element, table[name]) for name in names}
    return {name: _number(raw, name, warnings)[0] if raw else None for name, raw in found.items()}


def _line(element: Any, syntax: Syntax, warnings: list[str]) -> Line:
    description = _first(element, syntax.line["description"])
    names = ("quantity", "unit_price", "amount", "tax_rate", "tax_amount")
    numbers = _numbers(element, syntax.line, names, warnings)
    return Line(description, **numbers, confidence=SURE, evidence=Evidence(1, None, description, ENGINE))


def _band(element: Any, syntax: Syntax, warnings: list[str]) -> TaxBand:
    numbers = _numbers(element, syntax.band, ("rate", "base", "amount"), warnings)
    return TaxBand(_first(element, syntax.band["name"]), **numbers)


def _complete_total(terms: Terms) -> None:
    """Older profiles may leave out the total; then it is the net amount and the tax, or what is to be paid and was paid."""
    if "total" in terms.fields:
        return
    net, tax, due = (_amount(terms, name) for name in ("net", "tax", "amount_due"))
    if net is not None and tax is not None:
        total = net + tax
    elif due is not None:
        total = due + (_amount(terms, "prepaid") or 0)
    else:
        return
    terms.fields["total"] = Value(total, 90, Evidence(1, None, format(total, "f"), ENGINE))


def _amount(terms: Terms, name: str) -> Decimal | None:
    found = terms.fields.get(name)
    return found.value if found is not None and isinstance(found.value, Decimal) else None


def _compare_total(terms: Terms) -> None:
    net, tax, total = (_amount(terms, name) for name in ("net", "tax", "total"))
    if net is not None and tax is not None and total is not None and net + tax != total:
        terms.warnings.append(f"Net {net:f} and tax {tax:f} do not make the total {total:f} (rule BR-CO-15).")


def _negate(terms: Terms) -> None:
    """A credit note states what is given back as positive amounts. One with a negative total already has our sign."""
    total = terms.fields.get("total")
    if total is not None and isinstance(total.value, Decimal) and total.value < 0:
        terms.warnings.append("The credit note has a negative total; it was taken as money given back.")
        return
    for name, value in terms.fields.items():
        if isinstance(value.value, Decimal):
            terms.fields[name] = Value(-value.value, value.confidence, value.evidence)
    terms.lines = [
        Line(
            one.description,
            one.quantity,
            one.unit_price,
            _minus(one.amount),
            one.tax_rate,
            _minus(one.tax_amount),
            one.confidence,
            one.evidence,
        )
        for one in terms.lines
    ]
    terms.bands = [TaxBand(band.name, band.rate, _minus(band.base), _minus(band.amount)) for band in terms.bands]


def _minus(number: Decimal | None) -> Decimal | None:
    return None if number is None else -number if number else number


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()
