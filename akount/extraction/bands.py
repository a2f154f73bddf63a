"""The rates of tax a bill is made of: a rate, what it is taken of, and the tax, found where the three agree."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from akount.extraction import labels
from akount.extraction.layout import Document, Row
from akount.extraction.money import Amount
from akount.readings import TaxBand

_TOLERANCE = Decimal("0.02")
_MOST = Decimal(30)  # per cent; higher rates are discounts


def find_bands(document: Document, amounts: Sequence[Amount], net: Decimal | None, tax: Decimal | None) -> list[TaxBand]:
    """One band for each rate, in reading order; none unless together they make the tax (to a cent for each)."""
    if tax is None:
        return []
    by_row: dict[int, list[Amount]] = {}
    for amount in amounts:
        by_row.setdefault(amount.cell.row, []).append(amount)
    bands: dict[Decimal, TaxBand] = {}
    for row in document.rows:
        band = _band(row, by_row.get(row.index, []), net)
        if band is not None and band.rate is not None:
            bands[band.rate] = band
    found = list(bands.values())
    total = sum((band.amount for band in found if band.amount is not None), Decimal(0))
    return found if abs(total - tax) <= _TOLERANCE * len(found) else []


def _band(row: Row, amounts: Sequence[Amount], net: Decimal | None) -> TaxBand | None:
    """The band a row states: by its own base, else by the net amount of the whole bill."""
    rates = [one.value for one in amounts if one.percent and 0 < one.value < _MOST]
    money = [one.value for one in amounts if one.looks_like_money]
    for rate in rates[:1]:
        bases = money if len(money) > 1 else [*money, *([net] if net is not None else [])]
        for base in bases:
            for part in money:
                if part is not base and abs(base * rate / 100 - part) <= _TOLERANCE and part:
                    return TaxBand(_name(row), rate, base, part)
    return None


def _name(row: Row) -> str:
    found = [label for cell in row.cells for label in labels.find(cell.label_text, "money") if label.role == "tax"]
    return found[0].phrase.upper() if found else "VAT"
