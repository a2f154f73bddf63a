"""Two readers for one document: which of them reads it, and what they share."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from akount.errors import Crashed, TimedOut, Unreadable
from akount.extraction import engines, specimen
from akount.extraction.engines import Loads, NeedsModels
from akount.extraction.sandbox import Limits, Sandbox
from akount.extraction.tiers import TieredSandbox
from akount.readings import Reading, ReadingOptions
from make import SAMPLES, pdf

XML = "canal-house-ubl-eur.xml"
TEXT = "stationery-usd.pdf"
SCAN = "credit-note-scan-eur.pdf"
PHOTO = "hardware-receipt-photo-eur.jpg"
TYPES = {".xml": "application/xml", ".pdf": "application/pdf", ".jpg": "image/jpeg"}


@pytest.fixture(scope="module")
def started() -> Iterator[TieredSandbox]:
    made = TieredSandbox(Limits(seconds=60))
    made.start()
    yield made
    made.close()


def read(sandbox: TieredSandbox | Sandbox, name: str, options: ReadingOptions | None = None) -> Reading:
    with (SAMPLES / name).open("rb") as file:
        return sandbox.read(file, TYPES[Path(name).suffix], lambda _share: None, options or ReadingOptions())


def mapped(sandbox: Sandbox) -> str:
    return Path(f"/proc/{sandbox._process.pid}/maps").read_text()


def test_the_reader_for_text_has_no_models(started: TieredSandbox) -> None:
    assert "onnxruntime" in mapped(started._models)
    assert "onnxruntime" not in mapped(started._text)
    assert "pdfium" in mapped(started._text)


@pytest.mark.parametrize(("name", "engine"), [(XML, "einvoice"), (TEXT, "textlayer")])
def test_what_carries_its_words_is_read_without_models(name: str, engine: str) -> None:
    lazy = TieredSandbox(Limits(seconds=60))
    try:
        assert read(lazy, name).engine == engine
        assert lazy._models._process is None, "what is not needed does not start"
    finally:
        lazy.close()


def test_a_page_without_text_is_handed_over(started: TieredSandbox) -> None:
    shares: list[float] = []
    with (SAMPLES / SCAN).open("rb") as file, pytest.raises(NeedsModels):
        started._text.read(file, "application/pdf")
    with (SAMPLES / SCAN).open("rb") as file:
        reading = started.read(file, "application/pdf", shares.append)
    assert (reading.engine, reading.complete) == ("ocr", True)
    assert shares == sorted(set(shares)), "the second child does not tell again what the first has told"


def asked(sandbox: TieredSandbox, monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """What the reader with the models is asked from now on; it is asked nothing really."""
    found: list[tuple[object, ...]] = []

    def note(_file: object, *rest: object) -> Reading:
        found.append(rest)
        return Reading("ocr", "1", 1, {})

    monkeypatch.setattr(sandbox._models, "read", note)
    return found


@pytest.mark.parametrize(
    ("name", "options"), [(PHOTO, ReadingOptions()), (TEXT, ReadingOptions(ocr_only=True)), (SCAN, ReadingOptions(ocr_only=True))]
)
def test_pictures_and_what_is_to_be_read_as_such_go_to_the_models_at_once(
    name: str, options: ReadingOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    lazy = TieredSandbox(Limits(seconds=60))
    found = asked(lazy, monkeypatch)
    read(lazy, name, options)
    assert len(found) == 1
    assert lazy._text._process is None


UNREADABLE = {
    "no bill": b"<Order/>",
    "damaged": b"%PDF-1.7\n",
    "without a total": pdf("There are words enough on this page, and no value."),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_no_engine_reads_is_said_as_by_one_reader_with_everything(started: TieredSandbox, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(UNREADABLE[name])

    def outcome(sandbox: TieredSandbox | Sandbox) -> object:
        with path.open("rb") as file:
            try:
                return sandbox.read(file, "application/xml" if name == "no bill" else "application/pdf")
            except Unreadable as error:
                return error.code, error.detail

    assert outcome(started._text) == outcome(started) == outcome(started._models)


class Clock:
    """Stands still but for what the first child takes."""

    def __init__(self, took: float) -> None:
        self.now, self.took = 0.0, took

    def monotonic(self) -> float:
        return self.now

    def hand_over(self, *_: object) -> Reading:
        self.now += self.took
        raise NeedsModels


def test_both_children_share_the_time_of_one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox, clock = TieredSandbox(Limits(seconds=20)), Clock(12.5)
    monkeypatch.setattr("akount.extraction.tiers.time", clock)
    monkeypatch.setattr(sandbox._text, "read", clock.hand_over)
    found = asked(sandbox, monkeypatch)
    read(sandbox, SCAN)
    assert [rest[-1] for rest in found] == [7.5]
    clock.took = 20.0
    with pytest.raises(TimedOut):
        read(sandbox, SCAN)
    assert len(found) == 1


def test_what_is_abandoned_between_the_two_is_not_read_on(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = TieredSandbox(Limits(seconds=20))

    def abandoned(*_: object) -> Reading:
        sandbox.abandon()
        raise NeedsModels

    monkeypatch.setattr(sandbox._text, "read", abandoned)
    found = asked(sandbox, monkeypatch)
    with pytest.raises(Crashed):
        read(sandbox, SCAN)
    assert found == []


def test_a_child_with_models_that_asks_for_models_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = Sandbox(Limits(), Loads.MODELS)
    monkeypatch.setattr(sandbox, "_ask", lambda *_: {"needs_models": True})
    with pytest.raises(Crashed):
        read(sandbox, SCAN)


def test_closing_ends_both() -> None:
    sandbox = TieredSandbox(Limits(seconds=20))
    sandbox.start()
    both = [psutil.Process(one._process.pid) for one in (sandbox._text, sandbox._models)]
    sandbox.close()
    assert not any(process.is_running() for process in both)


def test_a_specimen_is_read_whole() -> None:
    """Else it would load less than a document needs."""
    readings = [engines.read_source(source, models=False) for source in specimen.sources()]
    assert [reading.engine for reading in readings] == ["einvoice", "textlayer", "einvoice"]
    assert {str(reading.get("total")) for reading in readings} == {"3333.79"}
    assert readings[1].fields.keys() >= {"seller_name", "buyer_name", "due_date", "seller_vat_id", "iban", "payment_terms", "tax"}
    assert len(readings[1].lines) == 2
