from decimal import Decimal

import pytest

from akount.extraction.layout import Cell, Document, Page, Word
from akount.extraction.money import Amount, amounts, amounts_in, parse, uses_comma


def cell(text: str) -> Cell:
    words, x = [], 0.1
    for word in text.split():
        words.append(Word(word, (x, 0.1, x + 0.01 * len(word), 0.11)))
        x += 0.01 * len(word) + 0.003
    return Cell(words, 1)


def one(text: str) -> Amount:
    (found,) = amounts_in(cell(text))
    return found


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,234.56", "1234.56"),
        ("1.234,56", "1234.56"),
        ("1 234,56", "1234.56"),
        ("1'234.50", "1234.50"),
        ("1.234.567", "1234567"),
        ("12,34,567.00", "1234567.00"),
        ("15.90", "15.90"),
        ("0,5", "0.5"),
        ("0.025", "0.025"),
        ("1.0000", "1.0000"),
        ("7", "7"),
    ],
)
def test_a_number_is_read_by_its_shape(text: str, value: str) -> None:
    assert parse(text) == Decimal(value)


@pytest.mark.parametrize(("comma", "value"), [(True, "10000"), (False, "10.000"), (None, "10000")])
def test_one_point_before_three_digits_is_settled_by_the_page(comma: bool | None, value: str) -> None:
    assert parse("10.000", comma) == Decimal(value)


@pytest.mark.parametrize(
    ("text", "value", "currency"),
    [
        ("€ 12,50", "12.50", "EUR"),
        ("12,50 €", "12.50", "EUR"),
        ("- €2.50", "-2.50", "EUR"),
        ("-20,48 €", "-20.48", "EUR"),
        ("20.48-", "-20.48", None),
        ("(20.48)", "-20.48", None),
        ("RM14.10", "14.10", "MYR"),
        ("USD 1,000.00", "1000.00", "USD"),
        ("99,00 PLN", "99.00", "PLN"),
        ("R$ 1.950,00", "1950.00", "BRL"),
        ("45,-", "45", None),
    ],
)
def test_sign_and_currency_go_with_the_amount(text: str, value: str, currency: str | None) -> None:
    found = one(text)
    assert (found.value, found.currency) == (Decimal(value), currency)


@pytest.mark.parametrize("text", ["A-1234", "12/2024", "#4711.00", "2.5kg", "19 %", "19.00%"])
def test_what_is_part_of_something_else_is_no_money(text: str) -> None:
    assert not any(found.looks_like_money for found in amounts_in(cell(text)))


def test_a_scan_that_lost_its_point_is_mended_only_alone_in_a_cell() -> None:
    assert [found.value for found in amounts_in(cell("16 85 SR"), scanned=True)] == [Decimal("16.85")]
    assert [found.value for found in amounts_in(cell("16 85 SR"))] == [Decimal(16), Decimal(85)]


def test_the_page_votes_on_the_decimal_sign() -> None:
    words = [Word(text, (0.1, y, 0.2, y + 0.01)) for text, y in (("1,50", 0.1), ("22,00", 0.2), ("1.000", 0.3))]
    document = Document([Page(1, 100, 100, tuple(words))])
    assert uses_comma(document) is True
    assert [found.value for found in amounts(document)] == [Decimal("1.50"), Decimal("22.00"), Decimal(1000)]


def test_the_box_of_an_amount_is_that_of_its_words() -> None:
    found = one("Total 12.50")
    assert found.box[0] == pytest.approx(0.153)


def test_a_label_may_touch_its_amount_and_nothing_else_may() -> None:
    assert not one("Total amount due2,005.74").glued
    assert one("Model due2").glued and one("Panel2,005.74").glued
