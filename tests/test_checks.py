"""Each check passes, fails or is not made; rounding is one smallest unit for each line and no more (S4)."""

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from akount.checks import Finding, examine
from akount.readings import Line, Reading, TaxBand
from make import reading

TODAY = dt.date(2025, 3, 14)
REQUIRED = ("total", "currency", "issue_date", "seller_name")
ISSUED = dt.date(2025, 3, 1)


def findings(of: Reading) -> dict[str, Finding]:
    found = examine(of, REQUIRED, TODAY)
    assert len({f.code for f in found}) == len(found), "each check has one finding"
    return {f.code: f for f in found}


def finding(code: str, of: Reading | None = None, **values: Any) -> Finding | None:
    return findings(of or plain(**values)).get(code)


def plain(**values: Any) -> Reading:
    """A reading with no more than the values given and the date."""
    nothing = dict.fromkeys(("seller_name", "buyer_name", "invoice_number", "currency", "net", "tax", "total"))
    return replace(reading(**nothing | {"issue_date": ISSUED} | values), lines=())


def with_lines(*amounts: str | None, **values: Any) -> Reading:
    lines = tuple(Line("x", amount=None if a is None else Decimal(a)) for a in amounts)
    return replace(plain(currency="EUR", **values), lines=lines)


def outcome(found: Finding | None) -> bool | None:
    return None if found is None else found.passed


def test_a_reading_that_adds_up_passes_every_check_that_can_be_made() -> None:
    found = findings(reading(issue_date=ISSUED, due_date=dt.date(2025, 4, 1), iban="DE89370400440532013000"))
    assert all(f.passed for f in found.values())
    assert set(found) == {
        "required_fields",
        "currency_known",
        "totals_add_up",
        "lines_add_up",
        "line_products",
        "iban_checksum",
        "date_plausible",
        "due_after_date",
    }


def test_of_an_empty_reading_only_what_is_missing_can_be_said() -> None:
    (found,) = examine(Reading("fake", "1", 1, {}), REQUIRED, TODAY)
    assert (found.code, found.passed) == ("required_fields", False)
    assert found.detail == "Not found: total, currency, issue date, seller name."


def test_what_is_required_is_the_kinds_business() -> None:
    (found, *_) = examine(reading(seller_name=None), ("total", "buyer_name"), TODAY)
    assert found.passed


@pytest.mark.parametrize(("code", "passed"), [("EUR", True), ("JPY", True), ("EURO", False), ("ZZZ", False), (None, None)])
def test_the_currency_is_one_of_iso_4217(code: str | None, passed: bool | None) -> None:
    assert outcome(finding("currency_known", currency=code)) is passed


# --- sums ---


@pytest.mark.parametrize(
    ("net", "tax", "total", "currency", "passed"),
    [
        ("100.00", "19.00", "119.00", "EUR", True),
        ("100.00", "19.00", "119.01", "EUR", True),
        ("100.00", "19.00", "119.02", "EUR", False),
        ("100.00", "19.00", "118.99", "EUR", True),
        ("-100.00", "-19.00", "-119.00", "EUR", True),
        ("-100.00", "-19.00", "119.00", "EUR", False),
        ("1000", "100", "1100", "JPY", True),
        ("1000", "100", "1101", "JPY", True),
        ("1000", "100", "1102", "JPY", False),
        ("1.000", "0.100", "1.101", "KWD", True),
        ("1.000", "0.100", "1.102", "KWD", False),
        ("100.00", None, "100.00", "EUR", True),
        ("100.00", None, "119.00", "EUR", None),
        (None, "19.00", "119.00", "EUR", None),
        ("100.00", "19.00", None, "EUR", None),
        ("0.00", "0.00", "0.00", "EUR", True),
    ],
)
def test_net_and_tax_are_the_total(net: str | None, tax: str | None, total: str | None, currency: str, passed: bool | None) -> None:
    amounts = {name: None if a is None else Decimal(a) for name, a in (("net", net), ("tax", tax), ("total", total))}
    assert outcome(finding("totals_add_up", currency=currency, **amounts)) is passed


def test_a_rounding_that_is_printed_counts() -> None:
    amounts = {"net": Decimal("100.00"), "tax": Decimal("7.73"), "total": Decimal("107.75"), "currency": "CHF"}
    assert outcome(finding("totals_add_up", **amounts)) is False
    assert outcome(finding("totals_add_up", **amounts, rounding=Decimal("0.02"))) is True


def test_a_difference_by_rounding_is_noted() -> None:
    exact = finding("totals_add_up", currency="EUR", net=Decimal(100), tax=Decimal(19), total=Decimal(119))
    rounded = finding("totals_add_up", currency="EUR", net=Decimal(100), tax=Decimal(19), total=Decimal("119.01"))
    failed = finding("totals_add_up", currency="EUR", net=Decimal(100), tax=Decimal(19), total=Decimal(120))
    assert exact is not None
    assert rounded is not None
    assert failed is not None
    assert "rounding" not in exact.detail
    assert "by rounding" in rounded.detail
    assert failed.detail == "100 + 19 = 120 does not hold: 1 apart."


@pytest.mark.parametrize(
    ("far", "further"), [("300000000000000000", "400000000000000000"), ("92233720368547758.07", "92233720368547758.20")]
)
def test_sums_beyond_64_bits_are_still_compared(far: str, further: str) -> None:
    amounts = {"currency": "EUR", "net": Decimal(far), "tax": Decimal(0)}
    assert outcome(finding("totals_add_up", **amounts, total=Decimal(far))) is True
    assert outcome(finding("totals_add_up", **amounts, total=Decimal(further))) is False
    line = Line("x", quantity=Decimal(1), unit_price=Decimal(far), amount=Decimal(further))
    assert outcome(finding("line_products", replace(plain(currency="EUR"), lines=(line,)))) is False


@pytest.mark.parametrize(("due", "passed"), [("69.00", True), ("69.01", True), ("69.02", False), (None, None)])
def test_what_is_due_is_the_total_without_what_was_paid(due: str | None, passed: bool | None) -> None:
    amounts = {"total": Decimal(119), "prepaid": Decimal(50), "amount_due": None if due is None else Decimal(due)}
    assert outcome(finding("amount_due_adds_up", currency="EUR", **amounts)) is passed


# --- lines ---


def test_lines_add_up_to_the_net_the_total_or_their_own_sum() -> None:
    lines = ("50.00", "30.00", "20.00")
    for name in ("net", "total", "line_total"):
        assert outcome(finding("lines_add_up", with_lines(*lines, **{name: Decimal(100)}))) is True
        assert outcome(finding("lines_add_up", with_lines(*lines, **{name: Decimal(101)}))) is False


def test_allowances_and_charges_of_the_whole_document_count() -> None:
    values = {"allowance_total": Decimal(10), "charge_total": Decimal(4), "net": Decimal(94)}
    assert outcome(finding("lines_add_up", with_lines("50.00", "50.00", **values))) is True


def test_lines_without_a_sum_to_compare_with_are_not_checked() -> None:
    assert finding("lines_add_up", with_lines("50.00", "50.00")) is None
    assert finding("lines_add_up", with_lines(total=Decimal(100))) is None
    assert finding("lines_add_up", with_lines("50.00", None, total=Decimal(100))) is None


@given(st.integers(1, 40), st.integers(-60, 60))
def test_each_line_may_be_rounded_by_one_smallest_unit(count: int, off: int) -> None:
    total = Decimal(count) + Decimal(off).scaleb(-2)
    found = finding("lines_add_up", with_lines(*["1.00"] * count, net=total))
    assert outcome(found) is (abs(off) <= count)


@pytest.mark.parametrize(
    ("quantity", "price", "amount", "currency", "passed"),
    [
        ("3", "9.99", "29.97", "EUR", True),
        ("3", "9.99", "29.98", "EUR", True),
        ("3", "9.99", "29.99", "EUR", False),
        ("0.333", "9.99", "3.33", "EUR", True),
        ("1.5", "333", "500", "JPY", True),
        ("1.5", "333", "502", "JPY", False),
        ("-1", "9.99", "-9.99", "EUR", True),
        ("-1", "9.99", "9.99", "EUR", False),
        ("12.5", "0.0799", "1.00", "EUR", True),
    ],
)
def test_quantity_times_price_is_the_amount(quantity: str, price: str, amount: str, currency: str, passed: bool) -> None:
    line = Line("x", Decimal(quantity), Decimal(price), Decimal(amount))
    assert outcome(finding("line_products", replace(plain(currency=currency), lines=(line,)))) is passed


@pytest.mark.parametrize(("amount", "passed"), [("-20.00", True), ("20.00", False)])
def test_a_credit_note_gives_back_quantity_times_price(amount: str, passed: bool) -> None:
    line = Line("Returned", Decimal(2), Decimal("10.00"), Decimal(amount))
    assert outcome(findings(replace(plain(), credit_note=True, lines=(line,)))["line_products"]) is passed


def test_lines_that_are_not_whole_are_not_multiplied() -> None:
    half = (Line("x", Decimal(1), None, Decimal(5)), Line("y", None, Decimal(5), Decimal(5)), Line("z", Decimal(1), Decimal(5)))
    assert finding("line_products", replace(plain(), lines=half)) is None
    whole = Line("w", Decimal(2), Decimal(5), Decimal(11))
    found = finding("line_products", replace(plain(), lines=(*half, whole)))
    assert outcome(found) is False


# --- tax, account, dates ---


def bands(*amounts: str | None) -> tuple[TaxBand, ...]:
    return tuple(TaxBand("VAT", Decimal(19), None, None if a is None else Decimal(a)) for a in amounts)


@pytest.mark.parametrize(
    ("amounts", "passed"),
    [
        (("19.00",), True),
        (("12.00", "7.00"), True),
        (("12.01", "7.01"), True),
        (("12.02", "7.01"), False),
        (("12.00",), False),
        (("12.00", None), None),
        ((), None),
    ],
)
def test_the_tax_of_all_rates_is_the_tax(amounts: tuple[str | None, ...], passed: bool | None) -> None:
    of = replace(plain(currency="EUR", tax=Decimal(19)), tax_bands=bands(*amounts))
    assert outcome(finding("tax_breakdown_adds_up", of)) is passed


@pytest.mark.parametrize(
    ("iban", "passed"),
    [("DE89370400440532013000", True), ("DE89 3704 0044 0532 0130 00", True), ("DE88370400440532013000", False), (None, None)],
)
def test_an_iban_has_a_checksum(iban: str | None, passed: bool | None) -> None:
    assert outcome(finding("iban_checksum", iban=iban)) is passed


@pytest.mark.parametrize(
    ("issued", "passed"),
    [
        (dt.date(2025, 3, 14), True),
        (dt.date(2025, 3, 15), True),
        (dt.date(2025, 3, 16), False),
        (dt.date(2010, 3, 14), True),
        (dt.date(2010, 3, 13), False),
        (dt.date(1, 1, 1), False),
        (dt.date(9999, 12, 31), False),
        (None, None),
    ],
)
def test_a_date_is_not_in_the_future_and_not_very_old(issued: dt.date | None, passed: bool | None) -> None:
    assert outcome(finding("date_plausible", issue_date=issued)) is passed


@pytest.mark.parametrize("today", [dt.date(2024, 2, 29), dt.date(2025, 12, 31), dt.date(2024, 3, 31)])
def test_dates_are_checked_on_any_day(today: dt.date) -> None:
    found = {f.code: f.passed for f in examine(plain(issue_date=today), REQUIRED, today)}
    assert found["date_plausible"] is True


@pytest.mark.parametrize(("due", "passed"), [(ISSUED, True), (dt.date(2025, 2, 28), False), (None, None)])
def test_nothing_is_due_before_it_was_issued(due: dt.date | None, passed: bool | None) -> None:
    assert outcome(finding("due_after_date", due_date=due)) is passed


numbers = st.none() | st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**17), max_value=10**17, places=4)
a_line = st.builds(Line, st.just("x"), numbers, numbers, numbers)


@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(("net", "tax", "total", "amount_due", "prepaid", "rounding"), numbers)),
    st.sampled_from([None, "EUR", "JPY", "KWD", "ZZZ"]),
    st.lists(a_line, max_size=4),
)
def test_any_figures_can_be_examined(amounts: dict[str, Decimal | None], currency: str | None, lines: list[Line]) -> None:
    of = replace(plain(currency=currency, **amounts), lines=tuple(lines))
    assert all(f.detail.endswith(".") for f in findings(of).values())
