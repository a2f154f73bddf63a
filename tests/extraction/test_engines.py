from collections.abc import Callable
from decimal import Decimal

import pytest

from akount.errors import Unreadable
from akount.extraction.engines import local_engines, read_source, read_with
from akount.readings import Reading, Source, Value

SOURCE = Source(b"", "application/pdf")


class Says:
    """An engine that finds what it is told to."""

    version = "1"

    def __init__(self, name: str, **fields: Decimal | str) -> None:
        self.name, self.fields = name, fields

    def read(self, source: Source, report: Callable[[float], None]) -> Reading:
        return Reading(self.name, self.version, 1, {name: Value(value, 90) for name, value in self.fields.items()})


class Refuses:
    """An engine that cannot read it."""

    version = "1"

    def __init__(self, name: str, code: str) -> None:
        self.name, self.code = name, code

    def read(self, source: Source, report: Callable[[float], None]) -> Reading:
        raise Unreadable("Not this one.", code=self.code)


def ignore(_share: float) -> None:
    """Nobody watches."""


def test_the_first_complete_reading_wins_and_refusals_are_kept() -> None:
    engines = [Refuses("a", "no_xml"), Says("b", invoice_number="1"), Says("c", total=Decimal(5)), Says("d", total=Decimal(6))]
    reading = read_with(engines, SOURCE, ignore)
    assert (reading.engine, reading.get("total")) == ("c", Decimal(5))
    assert [(refusal.engine, refusal.code) for refusal in reading.refusals] == [("a", "no_xml"), ("b", "incomplete")]


def test_without_a_complete_reading_the_fullest_is_given() -> None:
    reading = read_with(
        [Says("a", currency="EUR"), Says("b", currency="EUR", invoice_number="1"), Refuses("c", "no_text")], SOURCE, ignore
    )
    assert (reading.engine, reading.complete) == ("b", False)


@pytest.mark.parametrize(
    ("codes", "told"),
    [
        (("no_xml", "encrypted", "damaged"), "encrypted"),
        (("no_xml", "no_text", "empty_document"), "empty_document"),
        (("no_xml", "not_a_pdf", "too_small"), "too_small"),
        (("malformed_xml", "not_a_pdf", "not_an_image"), "malformed_xml"),
        ((), "no_values"),
    ],
)
def test_without_any_value_the_most_telling_refusal_is_raised(codes: tuple[str, ...], told: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_with([Refuses(str(number), code) for number, code in enumerate(codes)], SOURCE, ignore)
    assert caught.value.code == told
    assert caught.value.permanent


def test_progress_ends_with_all_of_it() -> None:
    told: list[float] = []
    read_with([Says("a", total=Decimal(5))], SOURCE, told.append)
    assert told[-1] == 1.0


def test_the_engines_are_asked_from_exact_to_guessing() -> None:
    assert [engine.name for engine in local_engines()] == ["einvoice", "textlayer", "ocr"]


@pytest.mark.parametrize(
    "media_type", ["application/pdf", "image/png", "image/jpeg", "image/tiff", "image/webp", "application/xml"]
)
def test_rubbish_of_every_type_is_refused_in_words(media_type: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_source(Source(b"\x00\x01rubbish" * 20, media_type))
    assert caught.value.code in ("damaged", "malformed_xml")
    assert caught.value.detail.endswith(".")
