"""A reading crosses the pipe unchanged; what is not a reading is refused with ValueError and nothing else."""

import copy
import datetime as dt
import json
import math
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st

from akount.readings import (
    DATE_FIELDS,
    FIELDS,
    MAX_LINES,
    MAX_TEXT,
    MONEY_FIELDS,
    TEXT_FIELDS,
    Evidence,
    Line,
    Reading,
    Refusal,
    TaxBand,
    Value,
    clean_text,
    reading_from_json,
    reading_to_json,
)
from make import reading

texts = st.text(st.characters(exclude_categories=["C"]), max_size=30).map(clean_text)
some_text = texts.filter(bool)
amounts = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**17), max_value=10**17, places=6)
shares = st.floats(0, 1)
percent = st.integers(0, 100)
evidence = st.none() | st.builds(Evidence, st.integers(1, 50), st.none() | st.tuples(shares, shares, shares, shares), texts, texts)
fields = st.fixed_dictionaries(
    {},
    optional={
        **{n: st.builds(Value, some_text, percent, evidence) for n in TEXT_FIELDS},
        **{n: st.builds(Value, st.dates(), percent, evidence) for n in DATE_FIELDS},
        **{n: st.builds(Value, amounts, percent, evidence) for n in MONEY_FIELDS},
    },
)
maybe = st.none() | amounts
lines = st.lists(st.builds(Line, texts, maybe, maybe, maybe, maybe, maybe, percent, evidence), max_size=3).map(tuple)
bands = st.lists(st.builds(TaxBand, texts, maybe, maybe, maybe), max_size=3).map(tuple)
refusals = st.lists(st.builds(Refusal, texts, texts, texts), max_size=3).map(tuple)
warnings = st.lists(texts, max_size=3).map(tuple)
readings = st.builds(Reading, texts, texts, st.integers(0, 50), fields, lines, bands, st.booleans(), warnings, refusals)


@given(readings)
def test_a_reading_survives_the_way_through_json(given_: Reading) -> None:
    assert reading_from_json(json.loads(json.dumps(reading_to_json(given_)))) == given_


def test_amounts_and_dates_are_written_as_text_digit_by_digit() -> None:
    raw = reading_to_json(reading(total=Decimal("1E+3"), net=Decimal("0.10"), issue_date=dt.date(2025, 3, 14)))
    assert raw["fields"]["total"]["value"] == "1000"
    assert raw["fields"]["net"]["value"] == "0.10"
    assert raw["fields"]["issue_date"]["value"] == "2025-03-14"


def test_every_field_is_of_one_sort() -> None:
    assert len(FIELDS) == len(set(FIELDS)) == len(TEXT_FIELDS) + len(DATE_FIELDS) + len(MONEY_FIELDS)


def test_a_reading_is_complete_with_a_total() -> None:
    assert reading().complete
    assert not reading(total=None).complete
    assert reading().get("total") == Decimal("119.00")
    assert reading(total=None).get("total") is None


# --- what is not one ---

RAW: dict[str, Any] = reading_to_json(
    replace(reading(), tax_bands=(TaxBand("VAT", Decimal(19), Decimal(100), Decimal(19)),), refusals=(Refusal("a", "b", "c"),))
)
NUMBERS = ["NaN", "sNaN", "Infinity", "-inf", "1e18", "1e999999999", "1e-37", "1e-999999999", "9" * 40, "", "x", True, [], {}]


def altered(*path: str | int, value: Any) -> dict[str, Any]:
    raw = copy.deepcopy(RAW)
    at: Any = raw
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return raw


def refused(raw: Any) -> None:
    with pytest.raises(ValueError):
        reading_from_json(raw)


def test_the_raw_reading_of_these_tests_is_one() -> None:
    assert reading_from_json(RAW).get("total") == Decimal("119.00")


@pytest.mark.parametrize("raw", [None, 1, "x", [], {}, {"fields": {}}, [RAW], True], ids=repr)
def test_something_else_is_refused(raw: Any) -> None:
    refused(raw)


@pytest.mark.parametrize("part", list(RAW))
def test_a_part_that_is_missing_or_of_another_sort_is_refused(part: str) -> None:
    refused({k: v for k, v in RAW.items() if k != part})
    for other in (None, 7, {"x": 1}):
        if part != "credit_note" and (part, other) != ("pages", 7):
            refused(altered(part, value=other))


def test_only_true_is_a_credit_note() -> None:
    assert reading_from_json(altered("credit_note", value=True)).credit_note
    for other in (1, "true", None, [1]):
        assert not reading_from_json(altered("credit_note", value=other)).credit_note


@pytest.mark.parametrize("number", NUMBERS, ids=repr)
@pytest.mark.parametrize("path", [("fields", "total", "value"), ("lines", 0, "amount"), ("tax_bands", 0, "rate")], ids=str)
def test_an_impossible_number_is_refused(path: tuple[str | int, ...], number: Any) -> None:
    refused(altered(*path, value=number))


@pytest.mark.parametrize("number", ["999999999999999999", "-1e17", "0.000001", 12, 1.5, "1e-36"], ids=repr)
def test_a_possible_number_is_taken(number: Any) -> None:
    assert reading_from_json(altered("fields", "total", "value", value=number)).get("total") == Decimal(str(number))


@pytest.mark.parametrize("number", [-1, 101, 1.0, True, "95", None, 10**400])
def test_a_confidence_is_a_whole_number_of_a_hundred(number: Any) -> None:
    refused(altered("fields", "total", "confidence", value=number))
    refused(altered("lines", 0, "confidence", value=number))


@pytest.mark.parametrize("date", ["2025-02-30", "14.3.2025", 20250314, None, ""])
def test_an_impossible_date_is_refused(date: Any) -> None:
    refused(altered("fields", "issue_date", "value", value=date))


@pytest.mark.parametrize(
    "box", [[0, 0, 1], [0, 0, 1, 1, 1], "abcd", [0, 0, 1, None], [0, 0, 1, 10**400], 5, [[0], 0, 1, 1]], ids=repr
)
def test_an_impossible_box_is_refused(box: Any) -> None:
    refused(altered("fields", "total", "evidence", "box", value=box))


def test_a_box_beyond_the_page_is_cut_to_it() -> None:
    found = reading_from_json(altered("fields", "total", "evidence", "box", value=[-1, 0.5, math.inf, math.nan]))
    evidence = found.fields["total"].evidence
    assert evidence is not None
    assert evidence.box == (0.0, 0.5, 1.0, 0.0)


@pytest.mark.parametrize("page", [0, -1, 100_001, 1.5, None])
def test_an_impossible_page_is_refused(page: Any) -> None:
    refused(altered("fields", "total", "evidence", "page", value=page))


def test_a_field_that_there_is_not_is_refused() -> None:
    refused(altered("fields", "password", value=RAW["fields"]["total"]))
    refused(altered("fields", "__class__", value=RAW["fields"]["total"]))


@pytest.mark.parametrize("text", ["", " \n", "\u200b\u202e", "\0", "\ud800"], ids=ascii)
def test_a_field_without_anything_in_it_is_refused(text: str) -> None:
    refused(altered("fields", "seller_name", "value", value=text))


def test_more_lines_than_any_document_has_are_refused() -> None:
    line = RAW["lines"][0]
    assert len(reading_from_json(altered("lines", value=[line] * MAX_LINES)).lines) == MAX_LINES
    refused(altered("lines", value=[line] * (MAX_LINES + 1)))


def test_long_lists_of_lesser_things_are_cut() -> None:
    raw = RAW | {"warnings": ["w"] * 1000, "tax_bands": RAW["tax_bands"] * 1000, "refusals": RAW["refusals"] * 1000}
    found = reading_from_json(raw)
    assert (len(found.warnings), len(found.tax_bands), len(found.refusals)) == (100, 100, 20)


def test_a_refusal_with_other_parts_is_refused() -> None:
    refused(altered("refusals", 0, value={"engine": "a", "code": "b", "detail": "c", "more": "d"}))
    refused(altered("refusals", 0, value={"engine": "a"}))


def test_texts_are_cleaned_and_cut() -> None:
    found = reading_from_json(altered("fields", "seller_name", "value", value="Ced\0ar\u202e &\n\tQuill\ud83d " + "x" * 5000))
    name = found.get("seller_name")
    assert name.startswith("Ced ar & Quill x")
    assert len(name) == MAX_TEXT
    name.encode()


@given(st.text(max_size=100))
def test_a_clean_text_can_be_stored_and_stays_as_it_is(text: str) -> None:
    cleaned = clean_text(text)
    assert clean_text(cleaned) == cleaned
    cleaned.encode()
    assert not set(cleaned) & set("\0\n\r\t\u200b\u202e\ufeff")


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["1e5", "9" * 30, "-0"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["value", "box", "page", "x"]), inner, max_size=3),
    max_leaves=5,
)
paths = st.sampled_from(
    [
        *((part,) for part in RAW),
        *(("fields", "total", part) for part in ("value", "confidence", "evidence")),
        *(("fields", "issue_date", part) for part in ("value", "confidence", "evidence")),
        *(("fields", "total", "evidence", part) for part in ("page", "box", "text", "engine")),
        *(("lines", 0, part) for part in RAW["lines"][0]),
        *(("tax_bands", 0, part) for part in RAW["tax_bands"][0]),
        *(("refusals", 0, part) for part in RAW["refusals"][0]),
        ("lines", 1),
        ("tax_bands", 0),
        ("refusals", 0),
        ("fields", "total"),
    ]
)


@profile(max_examples=400)
@given(paths, junk)
def test_junk_anywhere_is_refused_with_value_error_or_is_harmless(path: tuple[str | int, ...], value: Any) -> None:
    try:
        found = reading_from_json(altered(*path, value=value))
    except ValueError:
        return
    assert reading_from_json(json.loads(json.dumps(reading_to_json(found)))) == found


@given(junk)
def test_any_json_is_refused_with_value_error(value: Any) -> None:
    refused(value)
