"""Money is whole numbers of the currency's own smallest unit, in 64 bits (S4)."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from akount.currencies import MAX_MINOR, exponent, from_minor, to_minor

CODES = {"EUR": 2, "USD": 2, "JPY": 0, "KRW": 0, "KWD": 3, "BHD": 3, "CLF": 4}
minors = st.integers(-MAX_MINOR, MAX_MINOR)


@pytest.mark.parametrize(("code", "digits"), CODES.items())
def test_a_currency_has_its_own_digits(code: str, digits: int) -> None:
    assert exponent(code) == digits


@pytest.mark.parametrize("code", [None, "", "eur", "EURO", "ZZZ", "€", "XX", "A" * 2000])
def test_what_is_no_currency_has_no_digits(code: str | None) -> None:
    assert exponent(code) is None


@pytest.mark.parametrize(
    ("amount", "code", "minor"),
    [
        ("12.34", "EUR", 1234),
        ("1234", "JPY", 1234),
        ("1.234", "KWD", 1234),
        ("-12.34", "EUR", -1234),
        ("0", "EUR", 0),
        ("-0.00", "EUR", 0),
        ("1E+3", "EUR", 100_000),
        ("12.345", "EUR", 1235),
        ("-12.345", "EUR", -1235),
        ("12.344999", "EUR", 1234),
        ("0.5", "JPY", 1),
        ("12.34", None, 1234),
        ("12.34", "ZZZ", 1234),
    ],
)
def test_an_amount_in_the_smallest_unit(amount: str, code: str | None, minor: int) -> None:
    assert to_minor(Decimal(amount), code) == minor


def test_no_amount_stays_none() -> None:
    assert to_minor(None, "EUR") is None
    assert from_minor(None, "EUR") is None


def test_the_limits_of_64_bits() -> None:
    assert to_minor(Decimal("92233720368547758.07"), "EUR") == 2**63 - 1
    assert to_minor(Decimal("-92233720368547758.07"), "EUR") == 1 - 2**63
    assert to_minor(Decimal("92233720368547758.08"), "EUR") is None
    assert to_minor(Decimal("-92233720368547758.08"), "EUR") is None
    assert to_minor(Decimal("9223372036854775807"), "JPY") == 2**63 - 1
    assert to_minor(Decimal("9223372036854775.808"), "KWD") is None
    assert to_minor(Decimal("1E+400"), "EUR") is None


@given(minors, st.sampled_from([*CODES, None, "ZZZ"]))
def test_an_amount_survives_the_way_there_and_back(minor: int, code: str | None) -> None:
    amount = from_minor(minor, code)
    assert to_minor(amount, code) == minor
    assert amount is not None
    assert -amount.as_tuple().exponent == CODES.get(code or "", 2)  # type: ignore[operator]


@given(st.decimals(-(10**14), 10**14, places=6), st.sampled_from(list(CODES)))
def test_rounding_moves_an_amount_by_half_a_unit_at_most(amount: Decimal, code: str) -> None:
    back = from_minor(to_minor(amount, code), code)
    assert back is not None
    assert abs(back - amount) <= Decimal("0.5").scaleb(-CODES[code])
