"""What an engine is given (Source) and what it says a document holds (Reading), with evidence for each value.

A Reading crosses the pipe from the untrusted child process as JSON, so `reading_from_json` treats it as input:
unknown fields, impossible numbers and over-long texts are refused.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import asdict, dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in fractions of the page as a person sees it; the origin is the top left corner."""

TEXT_FIELDS = ("seller_name", "buyer_name", "invoice_number", "currency", "seller_vat_id", "buyer_vat_id", "iban", "payment_terms")
DATE_FIELDS = ("issue_date", "due_date")
MONEY_FIELDS = ("net", "tax", "total", "amount_due", "prepaid", "line_total", "allowance_total", "charge_total", "rounding")
FIELDS = TEXT_FIELDS + DATE_FIELDS + MONEY_FIELDS

MAX_TEXT = 2_000
MAX_LINES = 5_000
MAX_DIGITS = 18
"""Digits of an amount: what still fits a 64-bit integer of minor units."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class ReadingOptions:
    """How somebody wants a document read who saw what came of it by itself. Without any it is read as always."""

    ocr_only: bool = False
    "pages as pictures, whatever text or XML the file carries"
    first_pages: int = 0
    "only so many; 0: all"
    fine: bool = False
    "OCR with half as many pixels again along each side: for small print, and slower"

    @classmethod
    def of(cls, said: dict[str, Any] | None) -> ReadingOptions:
        """Those that were kept, or sent, as JSON."""
        said = said or {}
        return cls(said.get("ocr_only") is True, max(0, int(said.get("first_pages") or 0)), said.get("fine") is True)

    def __str__(self) -> str:
        pages = "the first page only" if self.first_pages == 1 else f"the first {self.first_pages} pages only"
        words = ((self.ocr_only, "OCR only"), (self.first_pages > 0, pages), (self.fine, "in fine resolution"))
        return ", ".join(word for said, word in words if said)


AS_ALWAYS = ReadingOptions()


@dataclass(frozen=True, slots=True)
class Source:
    """The bytes of a document, their true media type and how they are to be read: all that an engine sees."""

    data: bytes
    media_type: str
    options: ReadingOptions = AS_ALWAYS

    def pages_of(self, count: int) -> int:
        """How many of a document's pages are to be read."""
        return min(count, self.options.first_pages or count)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where a value was found: page from 1, box in fractions of the page (None: no place on a page, as in XML)."""

    page: int
    box: Box | None
    text: str
    engine: str


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a document: text, date or amount; confidence 0-100."""

    value: str | dt.date | Decimal
    confidence: int
    evidence: Evidence | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One position of a document. Amounts are in major units of the document's currency, without tax unless the
    document prints them with tax; unknown parts are None."""

    description: str
    quantity: Decimal | None = None
    unit_price: Decimal | None = None
    amount: Decimal | None = None
    tax_rate: Decimal | None = None
    tax_amount: Decimal | None = None
    confidence: int = 0
    evidence: Evidence | None = None


@dataclass(frozen=True, slots=True)
class TaxBand:
    """One rate of the tax breakdown: rate in percent, base and amount in major units."""

    name: str
    rate: Decimal | None
    base: Decimal | None
    amount: Decimal | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """An engine that could not read the document, and why."""

    engine: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What a document says. `fields` has names out of FIELDS; a value that was not found is absent."""

    engine: str
    engine_version: str
    pages: int
    fields: dict[str, Value]
    lines: tuple[Line, ...] = ()
    tax_bands: tuple[TaxBand, ...] = ()
    credit_note: bool = False
    warnings: tuple[str, ...] = ()
    refusals: tuple[Refusal, ...] = field(default=())

    def get(self, name: str) -> Any:
        """The bare value of a field, or None."""
        found = self.fields.get(name)
        return None if found is None else found.value

    @property
    def complete(self) -> bool:
        """Whether it says what a record cannot do without: a total. An engine that does not find one yields to the next."""
        return "total" in self.fields


def clean_text(text: str, limit: int = MAX_TEXT) -> str:
    """The text on one line, without control, zero-width and direction characters and half pairs, cut to the limit."""
    return " ".join(_CONTROL.sub(" ", text).split())[:limit]


def reading_to_json(reading: Reading) -> dict[str, Any]:
    """The reading as plain JSON values; amounts as decimal strings, dates as ISO."""
    return _plain(asdict(reading))  # type: ignore[no-any-return]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dt.date):
        return value.isoformat()
    return value


def reading_from_json(raw: Any) -> Reading:
    """The reading that `reading_to_json` wrote. Raises ValueError for anything that is not one."""
    try:
        fields = {name: _value(name, v) for name, v in dict(raw["fields"]).items()}
        if len(raw["lines"]) > MAX_LINES:
            raise ValueError("too many lines")
        return Reading(
            engine=_text(raw["engine"]),
            engine_version=_text(raw["engine_version"]),
            pages=_whole(raw["pages"], 0, 100_000),
            fields=fields,
            lines=tuple(_line(v) for v in raw["lines"]),
            tax_bands=tuple(_band(v) for v in raw["tax_bands"][:100]),
            credit_note=raw["credit_note"] is True,
            warnings=tuple(_text(w) for w in raw["warnings"][:100]),
            refusals=tuple(Refusal(**{k: _text(v) for k, v in r.items()}) for r in raw["refusals"][:20]),
        )
    except (KeyError, TypeError, AttributeError, InvalidOperation, OverflowError) as error:
        raise ValueError(f"not a reading: {type(error).__name__}") from error


def _value(name: str, raw: Any) -> Value:
    if name in MONEY_FIELDS:
        value: str | dt.date | Decimal | None = _decimal(raw["value"])
    elif name in DATE_FIELDS:
        value = dt.date.fromisoformat(raw["value"])
    elif name in TEXT_FIELDS:
        value = _text(raw["value"])
    else:
        raise ValueError(f"no such field: {name[:40]!r}")
    if value is None or value == "":
        raise ValueError(f"empty value for {name}")
    return Value(value, _whole(raw["confidence"], 0, 100), _evidence(raw["evidence"]))


def _line(raw: Any) -> Line:
    numbers = {k: _decimal(raw[k]) for k in ("quantity", "unit_price", "amount", "tax_rate", "tax_amount")}
    return Line(
        _text(raw["description"]), **numbers, confidence=_whole(raw["confidence"], 0, 100), evidence=_evidence(raw["evidence"])
    )


def _band(raw: Any) -> TaxBand:
    return TaxBand(_text(raw["name"]), _decimal(raw["rate"]), _decimal(raw["base"]), _decimal(raw["amount"]))


def _evidence(raw: Any) -> Evidence | None:
    if raw is None:
        return None
    box = raw["box"]
    if box is not None:
        x0, y0, x1, y1 = (min(1.0, max(0.0, float(v))) for v in box)
        box = (x0, y0, x1, y1)
    return Evidence(_whole(raw["page"], 1, 100_000), box, _text(raw["text"]), _text(raw["engine"]))


def _decimal(raw: Any) -> Decimal | None:
    if raw is None:
        return None
    number = Decimal(str(raw))
    _, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int) or number.adjusted() >= MAX_DIGITS or max(len(digits), -exponent) > 2 * MAX_DIGITS:
        raise ValueError("a number out of range")
    return number


def _whole(raw: Any, low: int, high: int) -> int:
    if type(raw) is not int or not low <= raw <= high:
        raise ValueError("a whole number out of range")
    return raw


def _text(raw: Any) -> str:
    if not isinstance(raw, str):
        raise ValueError("not a text")
    return clean_text(raw)
