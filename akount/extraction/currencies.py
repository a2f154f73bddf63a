"""The currency of a document: by its signs, its codes, else by the country its words belong to."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from akount.extraction import countries
from akount.extraction.found import Found
from akount.extraction.layout import Cell, Document, plain
from akount.extraction.money import KRONE, SYMBOLS, Amount, currency_codes
from akount.readings import Box

_CODE = re.compile(r"(?<![A-Za-z])([A-Z]{3})(?![A-Za-z])")
_NAMES = {
    "us dollars": "USD",
    "us dollar": "USD",
    "euros": "EUR",
    "euro": "EUR",
    "ringgit": "MYR",
    "sdn bhd": "MYR",
    "pounds sterling": "GBP",
    "swiss francs": "CHF",
    "zloty": "PLN",
    "kuala lumpur": "MYR",
    "malaysia": "MYR",
    "gstin": "INR",
    "total lei": "RON",
    "vatable sales": "PHP",
    "topkdv": "TRY",
    "kdv": "TRY",
    "ppn": "IDR",
    "sp z o o": "PLN",
    "nip": "PLN",
    "mwst": "EUR",
    "ust id": "EUR",
    "siret": "EUR",
    "cnpj": "BRL",
    "cvr": "DKK",
    "aktiebolag": "SEK",
    "abn": "AUD",
    "mehrwertsteuer": "EUR",
    "umsatzsteuer": "EUR",
    "btw": "EUR",
    "alv": "EUR",
    "partita iva": "EUR",
    "p iva": "EUR",
    "tva": "EUR",
}
"""Words that hint at a currency where none is printed, the plainest first."""

_DOLLARS = {
    "sdn bhd": "MYR",
    "canada": "CAD",
    "hst": "CAD",
    "qst": "CAD",
    "tvq": "CAD",
    "abn": "AUD",
    "australia": "AUD",
    "new zealand": "NZD",
    "singapore": "SGD",
    "mexico": "MXN",
    "hong kong": "HKD",
    "rfc": "MXN",
    "cuit": "ARS",
    "rut": "CLP",
    "nit": "COP",
}
"""Words of countries whose money is written with a bare $ as well."""

_UNNAMED = 10
"""How sure of a dollar that is not that of the United States, when nothing says whose it is."""
_DOLLAR_CODES = ("USD", "CAD", "AUD", "NZD", "SGD")
_GST_RATES = {"5": "CAD", "10": "AUD", "15": "NZD", "7": "SGD", "8": "SGD", "9": "SGD"}


def find_currency(document: Document, amounts: Sequence[Amount], total: Amount | None) -> Found | None:
    """The currency: what stands beside the total and most amounts, else codes in headings, else the country's."""
    votes: Counter[str] = Counter()
    places: dict[str, tuple[Cell, Box]] = {}
    krone = countries.money_of(document, ("SEK", "NOK", "DKK", "ISK"))
    for amount in amounts:
        code = krone if amount.currency == KRONE else amount.currency
        if code is not None and not amount.glued:
            votes[code] += 3 if amount is total else 1
            places.setdefault(code, (amount.cell, amount.box))
    for cell in document.cells:
        for code, weight in _codes_in_heading(cell):
            votes[code] += weight
            places.setdefault(code, (cell, cell.box))
    # Many codes are words as well ("CUP", "ALL", "TOP"): once beside some amount is not enough for a rare one.
    votes = Counter({code: count for code, count in votes.items() if code in _COMMON or count >= 3})
    if votes:
        votes = _settle_dollars(votes, document)
        code, count = votes.most_common(1)[0]
        cell, box = places.get(code) or next(iter(places.values()))
        sure = 95 if count >= 3 and len(votes) == 1 else 85 if count >= 3 else 70
        sure = _UNNAMED if code == "USD" and _is_foreign(document) else sure
        signals = {"rivals": float(len(votes) > 1), "shared": float(_is_shared(cell, code, document))}
        return Found(code, cell, box, sure, signals)
    return _currency_by_country(document)


def _is_foreign(document: Document) -> bool:
    """Whether a bare $ stands beside a tax the United States do not have, and nothing names them or another country."""
    named = re.search(r"\bUSD\b|US\$", document.text) or countries.money_of(document, _DOLLAR_CODES)
    return named is None and re.search(r" (?:gst|hst|iva) ", f" {plain(document.text)} ") is not None


def _is_shared(cell: Cell, code: str, document: Document) -> bool:
    """Whether nothing but a bare $ speaks for the currency."""
    return "$" in cell.text and code.endswith("D") and code not in document.text and "US$" not in document.text


def _codes_in_heading(cell: Cell) -> Iterator[tuple[str, int]]:
    text = cell.plain
    labelled = any(word in text for word in ("currency", "wahrung", "devise", "moneda", "valuta", "waluta", "moeda"))
    for match in _CODE.finditer(cell.text):
        code = match.group(1)
        if code in currency_codes() and (labelled or code in _COMMON):
            yield code, 4 if labelled else 1
    for symbol in re.findall(r"\((?:in )?([€£₹$]|RM|zł|US\$)\)", cell.text):
        yield SYMBOLS[symbol], 1


_COMMON = frozenset(
    [
        "EUR",
        "USD",
        "GBP",
        "CHF",
        "PLN",
        "SEK",
        "NOK",
        "DKK",
        "CZK",
        "HUF",
        "RON",
        "INR",
        "MYR",
        "SGD",
        "AUD",
        "CAD",
        "NZD",
        "JPY",
        "BRL",
        "MXN",
        "ZAR",
        "TRY",
        "AED",
        "SAR",
        "HKD",
        "CNY",
    ]
)
"""Codes that are hardly ever anything else when written in capitals."""


def _by_rate(text: str) -> str | None:
    """The dollar of the country that has a GST of the rate printed beside the word; the United States have none."""
    found = re.search(r" gst (?:[a-z@]+ )?(\d{1,2}) (?:0+ )?%", text)
    return _GST_RATES.get(found.group(1)) if found else None


def _settle_dollars(votes: Counter[str], document: Document) -> Counter[str]:
    """A bare $ is the dollar of the country when another dollar code, or another currency's country, is named."""
    if "USD" in votes and len(votes) == 1 and not re.search(r"\bUSD\b|US\$", document.text):
        text = f" {plain(document.text)} "
        named = next((code for word, code in _DOLLARS.items() if f" {word} " in text), None)
        return Counter({named or countries.money_of(document, _DOLLAR_CODES) or _by_rate(text) or "USD": votes["USD"]})
    others = {code for code in votes if code != "USD" and code.endswith("D") and code in _COMMON}
    if "USD" in votes and len(others) == 1 and "USD" not in document.text:
        code = others.pop()
        return Counter({code: votes["USD"] + votes[code], **{one: n for one, n in votes.items() if one not in ("USD", code)}})
    return votes


def _currency_by_country(document: Document) -> Found | None:
    text = f" {plain(document.text)} "
    swiss = countries.votes(document)["CH"] > 2
    for name, code in _NAMES.items():
        if f" {name} " in text and not (swiss and code == "EUR"):
            first = name.split()[0]
            cell = next((cell for cell in document.cells if first in cell.plain), document.cells[0])
            return Found(code, cell, cell.box, 55, {"guess": 1.0})
    guess = countries.money_of(document)
    return (
        Found(guess, document.cells[0], document.cells[0].box, 50, {"guess": 1.0}) if guess is not None and document.cells else None
    )
