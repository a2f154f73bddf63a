"""Money in the smallest unit of its currency, as whole numbers of 64 bits (S4)."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

import iso4217

MAX_MINOR = 2**63 - 1


@lru_cache(maxsize=1024)  # what is asked for stands in documents
def exponent(currency: str | None) -> int | None:
    """Digits after the point: 2 for EUR, 0 for JPY, 3 for KWD; None for what is not a currency. Rule: ISO 4217."""
    try:
        digits: int | None = iso4217.Currency(currency).exponent if currency else None
    except ValueError:
        return None
    return digits


def to_minor(amount: Decimal | None, currency: str | None) -> int | None:
    """The amount in minor units. None for no amount, and for one that does not fit 64 bits: such a figure is
    nobody's invoice."""
    minor = None if amount is None else whole_minor(amount, currency)
    return None if minor is None or abs(minor) > MAX_MINOR else minor


def whole_minor(amount: Decimal, currency: str | None) -> int:
    """The amount in minor units, however many, halves rounded away from zero. An unknown currency counts as one with cents."""
    digits = exponent(currency)
    return int(amount.scaleb(2 if digits is None else digits).to_integral_value(ROUND_HALF_UP))


def from_minor(minor: int | None, currency: str | None) -> Decimal | None:
    """The amount in major units, with the currency's own digits."""
    if minor is None:
        return None
    digits = exponent(currency)
    return Decimal(minor).scaleb(-(2 if digits is None else digits))
