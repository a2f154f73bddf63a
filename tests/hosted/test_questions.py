"""What fits the form is a reading; whatever else an engine may say is no answer, and never a fault of ours."""

import datetime as dt
import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from akount.extraction.copies import Copy
from akount.hosted import questions, wire
from akount.hosted.providers import PROVIDERS, price
from akount.hosted.questions import understood
from akount.hosted.refusals import NotAnswered
from fakes import lines
from fresh import make_settings
from providers import ENGINES, USAGE, form

ROOT = Path(__file__).resolve().parent.parent.parent


def test_what_fits_the_form_is_a_reading() -> None:
    line = {"description": "Chairs", "quantity": "2", "unit_price": "50.00", "amount": "100.00", "tax_rate": None}
    band = {"rate": "19", "base": "100.00", "amount": "19.00"}
    said = form(total="119.00", issue_date="2025-03-14", invoice_number=" A-17 ", currency="EUR", lines=[line], tax_bands=[band])
    reading = understood(said, "mistral", "model", 2)
    assert (reading.get("total"), reading.get("issue_date")) == (Decimal("119.00"), dt.date(2025, 3, 14))
    assert (reading.get("invoice_number"), reading.get("net"), reading.pages) == ("A-17", None, 2)
    assert (reading.lines[0].amount, reading.tax_bands[0].rate) == (Decimal("100.00"), Decimal(19))
    assert (reading.engine, reading.engine_version) == ("mistral", f"model/{questions.VERSION}")


def test_a_number_is_taken_exactly_and_an_empty_text_is_none() -> None:
    said = wire.parsed(
        json.dumps(form(seller_name="  ", total=0)).replace('"total": "0"', '"total": 0').replace('"total": 0', '"total": 1.10')
    )
    reading = understood(said, "mistral", "model", 1)
    assert (reading.get("total"), reading.get("seller_name")) == (Decimal("1.10"), None)


@pytest.mark.parametrize(
    "said",
    [
        *(None, 7, "total", [], {}, [form()], form() | {"more": 1}),
        *({n: v for n, v in form().items() if n != name} for name in ("total", "lines", "credit_note")),
        *(form(total=wrong) for wrong in ("12,00", "EUR 12", "NaN", "Infinity", "1e99", "9" * 40, ["1"], {"a": 1}, True)),
        *(form(issue_date=wrong) for wrong in ("14.03.2025", "2025-02-30", "soon", 14)),
        *(form(credit_note=wrong) for wrong in ("yes", None, 1)),
        *(form(lines=wrong) for wrong in (7, "x", {"a": 1}, [7], [None], [{}], [{"description": "x"}])),
        form(lines=[dict.fromkeys(questions.LINE)]),
        form(tax_bands=[{"rate": "x", "base": None, "amount": None}]),
        form(seller_name=["a"]),
        form(seller_name=True),
    ],
    ids=lambda said: json.dumps(said, default=str)[-40:],
)
def test_what_does_not_fit_is_no_answer(said: Any) -> None:
    with pytest.raises(NotAnswered) as refused:
        understood(said, "mistral", "model", 1)
    assert refused.value.code == "hosted_bad_answer"


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "said",
    [
        {},
        {"usage": 7, "usage_info": [], "choices": {}, "content": 7, "document_annotation": {}, "stop_reason": "end_turn"},
        {
            "usage": {"input_tokens": -1},
            "usage_info": {"pages_processed": "1"},
            "choices": [7],
            "content": [7],
            "stop_reason": "end_turn",
        },
        {"choices": [{"finish_reason": "length", "message": {"content": "{}"}}], "stop_reason": "max_tokens"},
        {"choices": [{"finish_reason": "stop", "message": 7}], "content": [{"type": "text"}], "stop_reason": "end_turn"},
    ],
    ids=["nothing", "other types", "impossible", "cut short", "no text"],
)
def test_an_answer_in_other_words_is_no_answer(engine: str, said: dict[str, Any]) -> None:
    assert PROVIDERS[engine].usage(said) is None
    with pytest.raises(NotAnswered):
        PROVIDERS[engine].answer(said)


@pytest.mark.parametrize("text", ["", "{", "NaN", "[" * 100_000, "1" * 5_000, '{"a": Infinity}', b"\xff\xfe"])
def test_what_is_no_json_is_no_answer(text: str | bytes) -> None:
    with pytest.raises(NotAnswered):
        wire.parsed(text)


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_set_aside_is_at_least_what_an_answer_costs(engine: str, tmp_path: Any) -> None:
    settings = make_settings(tmp_path, f"sqlite:///{tmp_path}/none.db", OPENAI_COMPATIBLE_PRICE_INPUT="7")
    provider, copy = PROVIDERS[engine], Copy((b"", b""), b"", lines("Total 1"), 0)
    counted = provider.usage(dict(USAGE[engine]))
    assert counted is not None
    assert price(provider.prices(settings), provider.most(copy)) >= price(provider.prices(settings), counted) > 0


def test_the_form_is_closed_at_every_level() -> None:
    """The strict modes of the engines want every property named as required and no others."""

    def walk(part: Any) -> None:
        if isinstance(part, dict):
            if part.get("type") == "object":
                assert part["additionalProperties"] is False
                assert part["required"] == [*part["properties"]]
            for value in part.values():
                walk(value)

    walk(questions.schema())


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("7", 7), ("0", 0), ("1.5", 1.5), ("-3", 0), ("", None), ("soon", None), ("NaN", None), ("inf", None)],
)
def test_how_long_it_asks_to_wait(said: str, seconds: float | None) -> None:
    assert wire.retry_after(said) == seconds


def test_it_may_ask_to_wait_until_a_date() -> None:
    at = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=100)
    seconds = wire.retry_after(at.strftime("%a, %d %b %Y %H:%M:%S GMT"))
    assert seconds is not None
    assert 90 < seconds <= 100


def test_every_code_of_the_room_is_explained() -> None:
    written = {
        code for path in (ROOT / "akount/hosted").glob("*.py") for code in re.findall(r'"(hosted_[a-z_]+)"', path.read_text())
    }
    written -= {"hosted_policies"}
    assert len(written) > 15
    assert written == set(re.findall(r"`(hosted_[a-z_]+)`", (ROOT / "docs/hosted.md").read_text())) - {"hosted_calls"}
