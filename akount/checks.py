"""Arithmetic and plausibility of a reading: each check that could be made becomes a Finding, passed or not.

Rounding differences up to one minor unit per line are accepted and noted (S4); larger ones fail the check, which sends
the record to a person and never fails the job.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from stdnum import iban as iban_number

from akount.currencies import exponent, whole_minor
from akount.readings import Reading

OLDEST_YEARS = 15
"""A document older than this is more likely a misread year."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check: a stable code, and a sentence with the figures."""

    code: str
    passed: bool
    detail: str


def examine(reading: Reading, required: tuple[str, ...], today: dt.date | None = None) -> tuple[Finding, ...]:
    """Every finding about a reading; `required` are the fields that its kind cannot do without."""
    at = today or dt.datetime.now(dt.UTC).date()
    found = [*_required(reading, required), *(f for check in _CHECKS for f in check(reading))]
    return (*found, *_dates(reading, at))


def _required(reading: Reading, required: tuple[str, ...]) -> Iterator[Finding]:
    missing = [name.replace("_", " ") for name in required if reading.get(name) is None]
    yield Finding("required_fields", not missing, f"Not found: {', '.join(missing)}." if missing else "All required fields found.")


def _currency(reading: Reading) -> Iterator[Finding]:
    code = reading.get("currency")
    if code is not None:
        known = exponent(code) is not None
        yield Finding("currency_known", known, f"{code} is {'a' if known else 'no'} currency of ISO 4217.")


def _totals(reading: Reading) -> Iterator[Finding]:
    net, tax, total = (reading.get(n) for n in ("net", "tax", "total"))
    if net is None or total is None or (tax is None and net != total):
        return
    rounding = reading.get("rounding") or Decimal(0)
    figures = f"{net} + {tax or 0}{f' + rounding {rounding}' if rounding else ''} = {total}"
    yield _equal(reading, "totals_add_up", net + (tax or 0) + rounding, total, figures, slack=1)


def _amount_due(reading: Reading) -> Iterator[Finding]:
    total, prepaid, due = (reading.get(n) for n in ("total", "prepaid", "amount_due"))
    if total is not None and prepaid is not None and due is not None:
        yield _equal(reading, "amount_due_adds_up", total - prepaid, due, f"{total} - {prepaid} = {due}", slack=1)


def _lines_sum(reading: Reading) -> Iterator[Finding]:
    amounts = [line.amount for line in reading.lines]
    if not amounts or any(a is None for a in amounts):
        return
    total = sum((a for a in amounts if a is not None), Decimal(0))
    adjusted = total - (reading.get("allowance_total") or 0) + (reading.get("charge_total") or 0)
    targets = [reading.get(n) for n in ("line_total", "net", "total")]
    known = [t for t in targets if t is not None]
    if not known:
        return
    sums = (total, adjusted)
    near = min(((abs(s - t), s, t) for s in sums for t in known), key=lambda found: found[0])
    yield _equal(reading, "lines_add_up", near[1], near[2], f"{len(amounts)} lines: {near[1]} = {near[2]}", slack=len(amounts))


def _line_products(reading: Reading) -> Iterator[Finding]:
    whole = [x for x in reading.lines if x.quantity is not None and x.unit_price is not None and x.amount is not None]
    if not whole:
        return
    currency = reading.get("currency")
    sign = -1 if reading.credit_note else 1  # a credit note prints what it gives back as positive quantities and prices
    wrong = [
        number
        for number, line in enumerate(whole, 1)
        if _apart(sign * line.quantity * line.unit_price, line.amount, currency) > 1  # type: ignore[operator, arg-type]
    ]
    detail = f"Quantity times price is not the amount on {len(wrong)} of {len(whole)} lines (first: {wrong[0]})." if wrong else ""
    yield Finding("line_products", not wrong, detail or f"Quantity times price is the amount on all {len(whole)} lines.")


def _tax_bands(reading: Reading) -> Iterator[Finding]:
    tax = reading.get("tax")
    amounts = [band.amount for band in reading.tax_bands]
    if tax is None or not amounts or any(a is None for a in amounts):
        return
    total = sum((a for a in amounts if a is not None), Decimal(0))
    yield _equal(reading, "tax_breakdown_adds_up", total, tax, f"{total} = {tax}", slack=len(amounts))


def _iban(reading: Reading) -> Iterator[Finding]:
    number = reading.get("iban")
    if number is not None:
        valid = bool(iban_number.is_valid(number))
        yield Finding("iban_checksum", valid, f"The checksum of the IBAN is {'right' if valid else 'wrong'}.")


def _dates(reading: Reading, today: dt.date) -> Iterator[Finding]:
    issued, due = reading.get("issue_date"), reading.get("due_date")
    if issued is not None:
        oldest = today.replace(year=today.year - OLDEST_YEARS, day=min(today.day, 28))
        plausible = oldest <= issued <= today + dt.timedelta(days=1)
        yield Finding(
            "date_plausible", plausible, f"The date {issued} is {'plausible' if plausible else 'in the future or very old'}."
        )
    if issued is not None and due is not None:
        yield Finding("due_after_date", due >= issued, f"Due {due}, issued {issued}.")


_CHECKS: tuple[Callable[[Reading], Iterator[Finding]], ...] = (
    _currency,
    _totals,
    _amount_due,
    _lines_sum,
    _line_products,
    _tax_bands,
    _iban,
)


def _apart(one: Decimal, other: Decimal, currency: str | None) -> int:
    """How many minor units lie between two amounts."""
    return abs(whole_minor(one, currency) - whole_minor(other, currency))


def _equal(reading: Reading, code: str, one: Decimal, other: Decimal, figures: str, *, slack: int) -> Finding:
    apart = _apart(one, other, reading.get("currency"))
    if apart == 0:
        return Finding(code, True, f"{figures}.")
    if apart <= slack:
        return Finding(code, True, f"{figures}, but for {apart} of the smallest unit by rounding.")
    return Finding(code, False, f"{figures} does not hold: {abs(one - other)} apart.")
