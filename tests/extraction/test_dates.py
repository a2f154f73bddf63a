import datetime as dt

import pytest

from akount.extraction.dates import dates, numeric
from akount.extraction.layout import Document, Page, Word


def document(*lines: str) -> Document:
    words = []
    for row, line in enumerate(lines):
        x = 0.05
        for word in line.split():
            words.append(Word(word, (x, 0.05 + 0.03 * row, x + 0.01 * len(word), 0.065 + 0.03 * row)))
            x += 0.01 * len(word) + 0.004
    return Document([Page(1, 100, 100, tuple(words))])


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("17.05.2024", dt.date(2024, 5, 17)),
        ("17.5.24", dt.date(2024, 5, 17)),
        ("2024-05-17", dt.date(2024, 5, 17)),
        ("20240517", dt.date(2024, 5, 17)),
        ("17/05/2024 12:30", dt.date(2024, 5, 17)),
        ("29/12/201711:41", dt.date(2017, 12, 29)),
        ("17 May 2024", dt.date(2024, 5, 17)),
        ("May 17, 2024", dt.date(2024, 5, 17)),
        ("17. März 2024", dt.date(2024, 3, 17)),
        ("17 février 2024", dt.date(2024, 2, 17)),
        ("17 de mayo de 2024", dt.date(2024, 5, 17)),
        ("17 maja 2024", dt.date(2024, 5, 17)),
        ("03-Mar-2018", dt.date(2018, 3, 3)),
    ],
)
def test_dates_of_many_kinds(text: str, day: dt.date) -> None:
    (found,) = dates(document(text))
    assert (found.day, found.certain) == (day, True)


@pytest.mark.parametrize("text", ["31.02.2024", "12.34", "1.234,56", "99/99/2024", "0123456789", "2.1.1", "192.168.1.20"])
def test_what_is_in_no_calendar_is_no_date(text: str) -> None:
    assert dates(document(text)) == []


def test_both_readings_of_an_ambiguous_date_are_kept() -> None:
    (found,) = dates(document("03/04/2024"))
    assert found.readings == (dt.date(2024, 4, 3), dt.date(2024, 3, 4))


def test_another_date_of_the_page_settles_the_order() -> None:
    assert [found.day for found in dates(document("03/04/2024", "11/17/2024"))] == [dt.date(2024, 3, 4), dt.date(2024, 11, 17)]


def test_an_american_address_and_the_dollar_settle_it_too() -> None:
    page = ("Springfield, IL 62701", "03/04/2024")
    assert dates(document(*page), "USD")[0].day == dt.date(2024, 3, 4)
    assert dates(document(*page), "EUR")[0].day == dt.date(2024, 4, 3)


def test_with_points_the_day_comes_first() -> None:
    assert numeric("03", "04", "2024", ".") == (dt.date(2024, 4, 3),)


@pytest.mark.parametrize(
    ("about", "currency", "day", "guessed"),
    [
        ("Portland, ME 04101", "USD", dt.date(2024, 3, 4), False),
        ("Portland, ME 04101", "EUR", dt.date(2024, 4, 3), True),
        ("Portland, ME 04101 Tel. +49 421 555123", "EUR", dt.date(2024, 4, 3), True),
        ("Tel. +49 421 555123", "EUR", dt.date(2024, 4, 3), False),
        ("Paid 28/02/2024 Portland, ME 04101", "USD", dt.date(2024, 4, 3), False),
        ("no word for any country", "USD", dt.date(2024, 4, 3), True),
        ("no word for any country", "GBP", dt.date(2024, 4, 3), False),
        ("Edmonton, AB", "CAD", dt.date(2024, 4, 3), True),
        ("Edmonton, AB 2:13 PM", "CAD", dt.date(2024, 3, 4), True),
        ("no word for any country 2:13 PM", "USD", dt.date(2024, 3, 4), True),
    ],
)
def test_day_or_month_first_is_a_guess_where_nothing_says_it(about: str, currency: str, day: dt.date, guessed: bool) -> None:
    found = dates(document(about, "Date 03/04/2024"), currency)[-1]
    assert (found.day, found.guessed) == (day, guessed)
