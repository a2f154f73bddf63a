"""Amounts as they are printed: decimal point or comma, thousands, signs, and the currency beside them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache

from akount.extraction import labels
from akount.extraction.layout import Cell, Document
from akount.readings import Box

SYMBOLS = {
    "€": "EUR",
    "£": "GBP",
    "₹": "INR",
    "¥": "JPY",
    "₩": "KRW",
    "₺": "TRY",
    "₽": "RUB",
    "₴": "UAH",
    "₪": "ILS",
    "฿": "THB",
    "₫": "VND",
    "₱": "PHP",
    "R$": "BRL",
    "US$": "USD",
    "A$": "AUD",
    "AU$": "AUD",
    "C$": "CAD",
    "CA$": "CAD",
    "NZ$": "NZD",
    "HK$": "HKD",
    "S$": "SGD",
    "NT$": "TWD",
    "MX$": "MXN",
    "$": "USD",
    "RM": "MYR",
    "Rs": "INR",
    "Rs.": "INR",
    "zł": "PLN",
    "zl": "PLN",
    "Kč": "CZK",
    "Ft": "HUF",
    "Fr.": "CHF",
    "SFr.": "CHF",
    "lei": "RON",
    "EURO": "EUR",
    "Euro": "EUR",
    "Rp": "IDR",
    "NIS": "ILS",
    "KD": "KWD",
    "Ä": "EUR",  # the euro sign of Windows in a font that was taken for a Macintosh one
}
"""Signs that stand for a currency; `$` and `¥` and the like are only the most frequent of several."""

KRONE = "kr"
"""A krone of whichever country; the country's words tell which."""
_THOUSANDTHS = re.compile(r"\b(?:KWD|KD|BHD|OMR|TND|JOD|IQD|LYD)\b")
"""Currencies of three decimals."""

_SIGN = r"[-−–]"
_SYMBOL = "|".join(sorted((re.escape(symbol) for symbol in SYMBOLS), key=len, reverse=True))
_CODE = r"(?<![A-Za-z])[A-Z]{3}(?![A-Za-z])"
_CURRENCY = rf"(?:{_SYMBOL}|{_CODE}|(?<![A-Za-z])[Kk]r\\.?(?![A-Za-z]))"
_NUMBER = (
    r"\d{1,3}(?:[ \u00a0\u2009\u202f]\d{3})+[.,]\d{2}(?!\d)"  # 1 234,56: spaces only with a decimal part behind them
    r"|(?<![\d.,])\d{1,3}(?:[ \u00a0\u202f]\d{3})+(?=\s?(?:Ft|Kč|zł|kr|€)(?!\w))"
    r"|\d{1,3}(?:['’.,]\d{2,3})*(?:['’.,]\d{3})+(?:[.,]\d{1,6})?(?!\d)"
    r"|\d+(?:\s?[.,]\s?\d{2}(?!\d)|[.,]\d{1,6})?(?!\d)"
    r"|(?<!\d)[.,]\d{2}(?!\d)"
)
_LOST_POINT = re.compile(r"(?:RM|[$€£]|EUR)?\s?\d{1,5} \d{2}(?:\s[A-Z]{1,3})?")
_AMOUNT = re.compile(
    rf"(?P<open>\()?(?P<before>{_CURRENCY})?\s{{0,2}}(?P<minus>{_SIGN})?\s?(?P<before2>{_SYMBOL})?\s{{0,2}}"
    rf"(?P<number>{_NUMBER})(?P<dash>[.,][-–—]{{1,2}})?(?P<minus2>{_SIGN}(?![\w\d]))?\s?(?P<after>%|{_CURRENCY}(?!\w))?(?P<close>\))?"
)

_OCLOCK = re.compile(r"\s?(?:Uhr|uhr|UHR)\b")


@dataclass(frozen=True, slots=True)
class Amount:
    """A number on a page. `places` is how many decimals are printed, `currency` what stands beside it, if anything."""

    value: Decimal
    places: int
    text: str
    cell: Cell
    start: int
    end: int
    box: Box
    currency: str | None = None
    percent: bool = False
    glued: bool = False
    """Part of a longer word, as in A-1234 or 12/2024: hardly an amount."""

    @property
    def looks_like_money(self) -> bool:
        """Two or three decimals, or a currency beside it."""
        return not self.percent and not self.glued and (self.places in (2, 3) or (self.currency is not None and self.places < 2))


@cache
def currency_codes() -> frozenset[str]:
    """The ISO 4217 codes in use."""
    import iso4217

    return frozenset(str(currency.code) for currency in iso4217.Currency)


def amounts(document: Document) -> list[Amount]:
    """Every number of the document in reading order, read with the decimal sign the document uses."""
    comma = uses_comma(document)
    thousandths = _THOUSANDTHS.search(document.text) is not None
    found = [
        amount for cell in document.cells for amount in amounts_in(cell, comma, scanned=document.scanned, thousandths=thousandths)
    ]
    return _with_dollars(found) if document.scanned and "$" in document.text else found


def _with_dollars(found: list[Amount]) -> list[Amount]:
    """A 5 in front of an amount that stands elsewhere with its dollar sign was that sign, as OCR takes one for the other."""
    dollars = {amount.value for amount in found if amount.currency is not None and amount.text.startswith("$")}

    def mended(amount: Amount) -> Amount:
        rest = amount.text[1:]
        value = _decimal(rest) if amount.currency is None and amount.text.startswith("5") and amount.places == 2 else None
        return replace(amount, value=value, currency="USD") if value is not None and value in dollars else amount

    return [mended(amount) for amount in found]


def uses_comma(document: Document) -> bool | None:
    """Whether most numbers that can be read one way only have a decimal comma; None when there are none."""
    votes: Counter[str] = Counter()
    for match in re.finditer(r"(?<![\d.,])\d{1,3}(?:[.,' ]?\d{3})*([.,])\d{2}(?![\d.,]*\d)", document.text):
        votes[match.group(1)] += 1
    if votes["."] == votes[","]:
        return None
    return votes[","] > votes["."]


def amounts_in(cell: Cell, comma: bool | None = None, *, scanned: bool = False, thousandths: bool = False) -> Iterator[Amount]:
    """The numbers of one cell, with their currency and sign. In scans "16 85" alone in a cell has lost its point.

    `thousandths`: the currency has three decimals, so that 1.234 is little more than one."""
    text = cell.text
    if scanned and _LOST_POINT.fullmatch(text):
        text = re.sub(r"(\d) (\d{2})\b", r"\1.\2", text, count=1)
    for match in _AMOUNT.finditer(text):
        number = match.group("number")
        value = parse(number, comma, thousandths=thousandths)
        if value is None:
            continue
        after = match.group("after")
        currency = _code(match.group("before2")) or _code(match.group("before")) or (_code(after) if after != "%" else None)
        negative = match.group("minus") or match.group("minus2") or (match.group("open") and match.group("close"))
        start, end = match.span("number")
        places = 2 if match.group("dash") else _places(number, value)
        yield Amount(
            -value if negative else value,
            places,
            match.group(0).strip(),
            cell,
            match.start(),
            match.end(),
            cell.span_box(start, end),
            currency,
            after == "%" or text[match.end() :].lstrip().startswith("%"),
            _is_glued(text, match),
        )


def _is_glued(text: str, match: re.Match[str]) -> bool:
    start, end = match.span("number")
    before, after = text[max(0, start - 1) : start], text[end : end + 2]
    if _OCLOCK.match(text, end):
        return True
    if before == "*" and start < 2 and re.search(r"[.,]\d{2}\Z", match.group("number")):
        return False  # tills fill the place of a currency so
    if before and (before.isalpha() or before in "/#_@:") and match.group("before") is None and match.group("before2") is None:
        if _touches_label(text[:start], match.group("number")):
            return False
        return before != ":" or (start > 1 and text[start - 2].isdigit())
    if before in ("-", "−", ".", ",") and start > 1 and text[start - 2].isalnum():
        return True
    return bool(re.match(r"[/:_@#][\w]|-\d|[.,]\d|[^\W\d]{2}|[.](?=[A-Za-z])", after)) and match.group("after") is None


def _touches_label(before: str, number: str) -> bool:
    """Whether an amount with its decimals stands right behind a label without a space, as where a bold label ran too wide."""
    if not re.search(r"[^\W\d_]{3}\Z", before) or not re.search(r"[.,]\d{2}\Z", number):
        return False
    return any(label.end == len(before) for label in labels.find(before, "money"))


def _code(text: str | None) -> str | None:
    if not text:
        return None
    if text.lower().rstrip(".") == KRONE:
        return KRONE
    if text in SYMBOLS:
        return SYMBOLS[text]
    return text if text in currency_codes() else None


def _places(number: str, value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return -exponent if isinstance(exponent, int) and exponent < 0 and number else 0


def parse(number: str, comma: bool | None = None, *, thousandths: bool = False) -> Decimal | None:
    """The value of digits with separators. `comma` settles 1.234: True reads it as 1234, False and None by its shape.

    The last of two kinds of separator is the decimal sign; one kind that occurs twice parts thousands; a single one
    with other than three digits behind it is the decimal sign.
    """
    bare = re.sub(r"[\s\u00a0\u2009\u202f'’]", "", number)
    point = _decimal_sign(bare, comma) or (_third_decimal(bare) if thousandths else None)
    if point is None:
        return _decimal(re.sub(r"[.,]", "", bare))
    whole, _, fraction = bare.rpartition(point)
    if point in whole and not re.fullmatch(r"\d{1,3}([.,]\d{3})*|[\d.]+|[\d,]+", whole):
        return None
    return _decimal(re.sub(r"[.,]", "", whole) + "." + fraction)


def _decimal_sign(bare: str, comma: bool | None) -> str | None:
    """The sign that parts the decimals, None when every separator parts thousands."""
    marks = re.findall(r"[.,]", bare)
    if not marks:
        return None
    last = str(marks[-1])
    whole, _, fraction = bare.rpartition(last)
    if len(set(marks)) == 1 and len(fraction) == 3:
        grouped = len(marks) > 1 or (1 <= len(whole) <= 3 and whole != "0")
        told = {True: ",", False: ".", None: None}[comma]
        if grouped and (len(marks) > 1 or last != told):
            return None
    return last


def _third_decimal(bare: str) -> str | None:
    """The sign in front of three decimals, unless it is the only kind of sign and occurs twice."""
    marks = re.findall(r"[.,]", bare)
    return str(marks[-1]) if len(marks) == 1 and re.search(r"[.,]\d{3}$", bare) else None


def _decimal(text: str) -> Decimal | None:
    return Decimal(text) if re.fullmatch(r"\d{0,15}(\.\d+)?|\d{1,15}\.", text) and any(c.isdigit() for c in text) else None
