"""What nobody outside needs to see: card numbers, national ids, bank accounts. They are masked before a page is sent anywhere.

It looks at words in rows, so a number that is parted by spaces is found; where OCR has misread a digit the check digit
cannot tell, so shapes that are hardly anything else count without it.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache

CARDS, NATIONAL_IDS, BANK_ACCOUNTS = "cards", "national_ids", "bank_accounts"
MASKS = (CARDS, NATIONAL_IDS, BANK_ACCOUNTS)
MASKED = "█" * 4
MAX_ROW = 2_000
"""Characters of a row that are looked at."""

_CARD = re.compile(r"(?<![\w.,])(?:\d{13,19}|\d{3,6}(?:[ \-]\d{3,6}){2,5})(?![\w,]|\.\d)")
_CARD_SHAPE = re.compile(r"\d{4}([ \-])\d{4}\1\d{4}\1\d{1,7}|\d{4}([ \-])\d{6}\2\d{5}")
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}(?!\w)")
_IBAN_SHAPE = re.compile(r"[A-Z]{2}\d{2}(?: [A-Z0-9]{4}){3,7}(?: [A-Z0-9]{1,3})?")
_ACCOUNT = re.compile(
    r"\b(?:account(?: ?(?:no|number|nr|#))?|a/c|acct|konto(?:nummer|-?nr)?|compte|cuenta|conto|rekening(?:nummer)?|rib|"
    r"bankgiro|plusgiro|clabe)\b[ .:#]{0,4}(?P<number>\d[\d \-/]{4,24}\d)",
    re.IGNORECASE,
)
_LABELLED_ID = re.compile(
    r"\b(?:ssn|social security(?: no| number)?|national insurance(?: no| number)?|nino?|steuer-?id(?:nr)?|"
    r"identifikationsnummer|sozialversicherungsnummer|bsn|burgerservicenummer|pesel|personnummer|cpr|fødselsnummer|"
    r"dni|nie|nif|nir|codice fiscale|rodné číslo|cnp|egn|aadhaar|cpf|curp|tckn|passport(?: no| number)?|"
    r"personalausweis(?:-?nr)?)\b[ .:#]{0,4}(?P<number>[A-Z0-9][A-Z0-9.\-/ ]{5,20}[A-Z0-9])",
    re.IGNORECASE,
)
_SHAPED_IDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("us.ssn", re.compile(r"(?<![\w\-])\d{3}-\d{2}-\d{4}(?![\w\-])")),
    ("it.codicefiscale", re.compile(r"\b[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]\b")),
    ("es.dni", re.compile(r"\b\d{8}-?[A-Z]\b")),
    ("es.nie", re.compile(r"\b[XYZ]-?\d{7}-?[A-Z]\b")),
    ("fr.nir", re.compile(r"(?<![\w.])[1278] ?\d{2} ?\d{2} ?\d[\dAB] ?\d{3} ?\d{3} ?\d{2}(?![\w.])")),
    ("fi.hetu", re.compile(r"\b\d{6}[A-FU-Y+\-]\d{3}[0-9A-Y]\b")),
    ("ch.ssn", re.compile(r"(?<![\w.])756[. ]?\d{4}[. ]?\d{4}[. ]?\d{2}(?![\w.])")),
    ("se.personnummer", re.compile(r"(?<![\w\-])(?:19|20)?\d{6}[\-+]\d{4}(?![\w\-])")),
    ("mx.curp", re.compile(r"\b[A-Z]{4}\d{6}[HM][A-Z]{5}[A-Z0-9]\d\b")),
    ("br.cpf", re.compile(r"(?<![\w.])\d{3}\.\d{3}\.\d{3}-\d{2}(?!\w)")),
    ("in_.aadhaar", re.compile(r"(?<!\w)[2-9]\d{3} \d{4} \d{4}(?![\w ]*\d)")),
)
"""Numbers with a shape and a check digit of their own; others only count behind their name."""

Span = tuple[int, int]


def warm() -> None:
    """Load the rules of check digits and their tables."""
    for name in ("iban", "luhn", *(name for name, _shape in _SHAPED_IDS)):
        _check(name)("")
    _check("iban")("DE89370400440532013000")
    _check("es.nie")("X5253868R")


def personal_words(texts: Sequence[str], masks: Sequence[str]) -> set[int]:
    """Which words of a row belong to something that is to be masked, by their place in the row."""
    starts, at = [], 0
    for text in texts:
        starts.append(at)
        at += len(text) + 1
    row = " ".join(texts)[:MAX_ROW]
    found: set[int] = set()
    for start, end in _spans(row, masks):
        found |= {n for n, (at, text) in enumerate(zip(starts, texts, strict=True)) if at < end and at + len(text) > start}
    return found


def _spans(row: str, masks: Sequence[str]) -> Iterator[Span]:
    """Where masked things stand. An account is looked for first: its groups of four are not those of a card."""
    accounts = list(account_spans(row))
    if BANK_ACCOUNTS in masks:
        yield from accounts
    if CARDS in masks:
        for start, end in _cards(row):
            if not any(start < other_end and end > other for other, other_end in accounts):
                yield start, end
    if NATIONAL_IDS in masks:
        yield from _ids(row)


def account_spans(row: str) -> Iterator[Span]:
    """Where bank accounts stand in a text."""
    for match in _IBAN.finditer(row):
        end = _iban_end(match.group())
        if end:
            yield match.start(), match.start() + end
    for match in _ACCOUNT.finditer(row):
        yield match.span("number")


def _iban_end(text: str) -> int:
    """How much of the text is an IBAN: words behind one may look like more of it. 0: none of it."""
    is_iban = _check("iban")
    for end in range(len(text), 14, -1):
        if text[end - 1] != " " and is_iban(text[:end]):
            return end
    return len(text) if _IBAN_SHAPE.fullmatch(text) else 0


def _cards(row: str) -> Iterator[Span]:
    is_luhn = _check("luhn")
    for match in _CARD.finditer(row):
        digits = re.sub(r"\D", "", match.group())
        if 13 <= len(digits) <= 19 and (is_luhn(digits) or _CARD_SHAPE.fullmatch(match.group())):
            yield match.span()


def _ids(row: str) -> Iterator[Span]:
    for match in _LABELLED_ID.finditer(row):
        if sum(c.isdigit() for c in match.group("number")) >= 5:
            yield match.span("number")
    for name, shape in _SHAPED_IDS:
        for match in shape.finditer(row):
            if _check(name)(match.group()):
                yield match.span()


@cache
def _check(name: str) -> Callable[[str], bool]:
    """The rule of check digits, from the library that has them all."""
    check: Callable[[str], bool] = importlib.import_module(f"stdnum.{name}").is_valid
    return check
