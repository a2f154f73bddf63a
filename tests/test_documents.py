"""What people see of a file: pictures of its pages, made by us in a confined child; the file itself only as it was stored."""

import io
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from akount import documents
from akount.errors import Crashed, Invalid, NotFound, Unavailable, Unreadable
from akount.extraction.engines import Loads
from akount.extraction.sandbox import PNG, Limits, Sandbox, SharedSandbox
from akount.lifecycle import Runtime
from akount.models import Document
from fresh import opened, settings_for
from make import SAMPLES, pdf, submitted
from people import People, settle_in

PRIVATE = b"N 52 31 E 13 24 at home"


@pytest.fixture(scope="module")
def runtime(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    with opened(settings_for(request, tmp_path_factory)) as runtime:
        yield runtime


@pytest.fixture(scope="module")
def people(runtime: Runtime) -> People:
    return settle_in(runtime.database)


def document_of(runtime: Runtime, people: People, data: bytes) -> Document:
    job = submitted(runtime, people.ada, data)
    return documents.find(runtime, people.ada.actor, job.document_id)


def photo(size: tuple[int, int] = (400, 200), **options: object) -> bytes:
    """A picture whose left half is red."""
    image = Image.new("RGB", size, "white")
    image.paste("red", (0, 0, size[0] // 2, size[1]))
    out = io.BytesIO()
    image.save(out, "JPEG", **options)
    return out.getvalue()


def drawn(png: bytes) -> Image.Image:
    assert png.startswith(PNG)
    return Image.open(io.BytesIO(png))


def test_the_pages_of_a_pdf_are_pictures_in_its_proportions(runtime: Runtime, people: People) -> None:
    document = document_of(runtime, people, (SAMPLES / "exhibition-three-pages-gbp.pdf").read_bytes())
    pages = [documents.page(runtime, document, number) for number in (1, 2, 3)]
    assert len(set(pages)) == 3
    width, height = drawn(pages[0]).size
    assert 1.3 < height / width < 1.5
    assert max(width, height) <= 2000


def test_a_photo_is_shown_upright_and_without_what_it_knows_of_its_maker(runtime: Runtime, people: People) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    exif[0x010E] = PRIVATE.decode()
    document = document_of(runtime, people, photo(exif=exif, comment=PRIVATE, icc_profile=b"\0" * 128 + PRIVATE))
    png = documents.page(runtime, document, 1)
    image = drawn(png)
    assert image.size == (200, 400)
    assert image.getpixel((100, 20))[1] < 60, "the red half is on top"
    assert image.info == {}
    assert PRIVATE not in png


@pytest.mark.parametrize("number", [0, 2, -1, 10**9])
def test_a_page_that_is_not_there_is_not_found(runtime: Runtime, people: People, number: int) -> None:
    document = document_of(runtime, people, pdf())
    with pytest.raises(NotFound) as missing:
        documents.page(runtime, document, number)
    assert missing.value.code == "no_such_page"


def test_an_electronic_document_has_no_pages_to_see(runtime: Runtime, people: People) -> None:
    document = document_of(runtime, people, next(SAMPLES.glob("*.xml")).read_bytes())
    with pytest.raises(NotFound):
        documents.page(runtime, document, 1)


def test_a_file_that_cannot_be_opened_is_told_as_a_worker_would(runtime: Runtime, people: People) -> None:
    document = document_of(runtime, people, pdf())
    document.media_type = "image/png"  # as if a decoder met what is none of its own
    with pytest.raises(Unreadable) as refused:
        documents.page(runtime, document, 1)
    assert refused.value.code == "damaged"


def test_drawing_without_end_is_ended(runtime: Runtime, people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    document = document_of(runtime, people, (SAMPLES / "hardware-receipt-photo-eur.jpg").read_bytes())
    monkeypatch.setattr(documents, "PAGE_SECONDS", 0.001)
    with pytest.raises(Invalid) as refused:
        documents.page(runtime, document, 1)
    assert refused.value.code == "page_not_shown"
    monkeypatch.undo()
    assert documents.page(runtime, document, 1).startswith(PNG)


def test_somebody_elses_document_is_not_there(runtime: Runtime, people: People) -> None:
    document = document_of(runtime, people, pdf())
    with pytest.raises(NotFound):
        documents.find(runtime, people.mallory.actor, document.id)
    with pytest.raises(NotFound):
        documents.find(runtime, people.ada.actor, uuid.uuid4())


def test_a_file_that_is_gone_from_the_storage_is_not_found(runtime: Runtime, people: People) -> None:
    document = document_of(runtime, people, pdf())
    runtime.storage.delete(document.storage_key)
    with pytest.raises(NotFound) as missing:
        documents.page(runtime, document, 1)
    assert missing.value.code == "file_gone"


def test_the_original_is_what_was_sent(runtime: Runtime, people: People) -> None:
    data = pdf()
    with documents.original(runtime, document_of(runtime, people, data)) as file:
        assert file.read() == data


def test_who_waits_too_long_for_their_turn_is_told_when_to_come_back(runtime: Runtime) -> None:
    with runtime.opener.held(1), pytest.raises(Unavailable) as busy, runtime.opener.held(0.01):
        raise AssertionError("two at once")
    assert (busy.value.status, busy.value.code, busy.value.retry_after) == (503, "reader_busy", 1)


def test_nothing_starts_before_it_is_asked_for() -> None:
    idle = SharedSandbox(Limits())
    idle.close()


def test_what_is_no_picture_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = Sandbox(Limits(), Loads.STRUCTURE)
    for said in ({}, {"picture": "!"}, {"picture": "PGh0bWw+"}, {"picture": 7}):
        monkeypatch.setattr(sandbox, "_ask", lambda *_a, said=said: said)
        with pytest.raises(Crashed), io.BytesIO() as file:
            sandbox.page(file, "image/png", 1, 1)
    for wrong in ({}, {"pages": 0}, {"pages": "3"}, {"pages": True}, {"pages": 51}):
        monkeypatch.setattr(sandbox, "_ask", lambda *_a, said=wrong: said)
        with pytest.raises(Crashed), io.BytesIO() as file:
            sandbox.look(file, "image/png", 1)


def test_the_confined_child_looks_without_reading(runtime: Runtime, tmp_path: Path) -> None:
    path = tmp_path / "three.pdf"
    path.write_bytes((SAMPLES / "exhibition-three-pages-gbp.pdf").read_bytes())
    with path.open("rb") as file, runtime.opener.held(1) as sandbox:
        assert sandbox.look(file, "application/pdf", 5) == 3
