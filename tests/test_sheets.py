"""A table that somebody opens in a spreadsheet runs nothing there, and a reader of CSV gets back what went in."""

import csv
import datetime as dt
import io
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from akount import sheets


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1", '=cmd|"/c calc"!A1', "\n=1"])
def test_a_text_is_never_a_formula(text: str) -> None:
    assert sheets.cell(text) == f"'{text}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (Decimal("-119.00"), "-119.00"),
        (Decimal("1E+3"), "1000"),
        (-7, "-7"),
        (True, "true"),
        ("Cedar & Quill", "Cedar & Quill"),
        ("A-17", "A-17"),
        (dt.datetime(2026, 1, 31, 13, tzinfo=dt.timezone(dt.timedelta(hours=1))), "2026-01-31T12:00:00.000Z"),
    ],
)
def test_numbers_and_plain_texts_stay_as_they_are(value: Any, text: str) -> None:
    assert sheets.cell(value) == text


@given(st.lists(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=2, max_size=4), max_size=5))
def test_what_is_written_can_be_read_again(rows: list[list[str]]) -> None:
    said = "".join(sheets.lines(["head", "more"], rows)).removeprefix(sheets.BOM)
    read = list(csv.reader(io.StringIO(said, newline="")))[1:]
    assert read == [[sheets.cell(text) for text in row] for row in rows]
