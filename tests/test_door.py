"""The door: what a worker would refuse for the way it is built is refused at once, in the worker's words (E5)."""

import contextlib
import dataclasses
import io
import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from PIL import Image
from pypdf import PdfReader, PdfWriter
from sqlalchemy import select
from werkzeug.test import TestResponse

from akount import intake, photos
from akount.errors import Unreadable
from akount.extraction import sandbox
from akount.extraction.engines import Loads
from akount.extraction.sandbox import Limits, Sandbox, SharedSandbox
from akount.intake import HEAD, media_type
from akount.lifecycle import Runtime
from akount.models import Document
from akount.storage import Incoming, LocalStorage
from fresh import opened, settings_for, web_application
from make import BILL, SAMPLES, pdf, sent
from people import People, settle_in
from servers import free_port

UBL = b'<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"/>'
LIMITS = Limits(seconds=20, max_pages=3, max_pixels=1_000_000)


def picture(form: str, size: tuple[int, int] = (300, 200), **options: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "white").save(out, form, **options)
    return out.getvalue()


def locked(**options: str) -> bytes:
    writer = PdfWriter(PdfReader(io.BytesIO(pdf("Invoice of one who locks things"))))
    writer.encrypt(algorithm="RC4-128", **options)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def pages(count: int) -> bytes:
    writer = PdfWriter()
    for _ in range(count):
        writer.add_blank_page(595, 842)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


REFUSED = {
    "a PDF with a password": (lambda: locked(user_password="x"), "encrypted"),
    "a PDF of noise": (lambda: b"%PDF-1.7\n" + bytes(range(256)) * 20, "damaged"),
    "a PDF without pages": (lambda: pages(0), "damaged"),
    "a PDF of too many pages": (lambda: pages(4), "too_many_pages"),
    "a TIFF of too many pages": (
        lambda: picture("TIFF", save_all=True, append_images=[Image.new("RGB", (200, 200))] * 3),
        "too_many_pages",
    ),
    "too many pixels": (lambda: picture("PNG", (1001, 1000)), "too_many_pixels"),
    "too small": (lambda: picture("JPEG", (63, 400)), "too_small"),
    "a signature and nothing else": (lambda: b"\x89PNG\r\n\x1a\n", "damaged"),
    "a WebP of noise": (lambda: b"RIFF\x40\0\0\0WEBPVP8 " + bytes(range(60)), "damaged"),
    "XML that was cut off": (lambda: UBL[:-2], "malformed_xml"),
    "XML with a document type": (lambda: b"<!DOCTYPE Invoice SYSTEM 'file:///etc/passwd'>" + UBL, "xml_doctype"),
    "XML with a document type in UTF-16": (
        lambda: ("<?xml version='1.0' encoding='UTF-16'?><!DOCTYPE Invoice>" + UBL.decode()).encode("utf-16"),
        "xml_doctype",
    ),
    "XML that is something else": (lambda: b"<?xml version='1.0'?><Order/>", "not_an_invoice"),
}
TAKEN = {
    "a PDF that may not be changed": lambda: locked(user_password="", owner_password="x"),
    "a picture of the least size": lambda: picture("PNG", (64, 64)),
    "a WebP": lambda: picture("WEBP"),
    "an electronic document": lambda: UBL,
}


@pytest.fixture(scope="module")
def opener() -> Iterator[SharedSandbox]:
    made = SharedSandbox(LIMITS)
    yield made
    made.close()


@pytest.fixture(scope="module")
def worker() -> Iterator[Sandbox]:
    """What a worker asks, without the models: none of these files gets as far as that."""
    made = Sandbox(LIMITS, Loads.TEXT)
    made.start()
    yield made
    made.close()


@contextlib.contextmanager
def came(tmp_path: Path, data: bytes) -> Iterator[Incoming]:
    made = LocalStorage(tmp_path).receive(1 << 24)
    made.write(data)
    try:
        yield made
    finally:
        made.close()


@pytest.mark.parametrize("name", REFUSED)
def test_the_door_and_the_worker_refuse_with_the_same_words(
    name: str, opener: SharedSandbox, worker: Sandbox, tmp_path: Path
) -> None:
    make, code = REFUSED[name]
    with came(tmp_path, make()) as file:
        kind = media_type(file.head(HEAD))
        with pytest.raises(Unreadable) as at_the_door:
            intake.look(opener, file, kind, 5)
        with pytest.raises(Unreadable) as in_the_worker:
            worker.read(file.file, kind)
    assert at_the_door.value.code == in_the_worker.value.code == code
    assert at_the_door.value.detail == in_the_worker.value.detail


@pytest.mark.parametrize("side", [64, 99])
def test_a_narrow_strip_comes_in_and_its_job_says_that_it_is_too_small(
    side: int, opener: SharedSandbox, worker: Sandbox, tmp_path: Path
) -> None:
    with came(tmp_path, picture("PNG", (side, 300))) as file:
        intake.look(opener, file, "image/png", 5)
        with pytest.raises(Unreadable) as refused:
            worker.read(file.file, "image/png")
    assert refused.value.code == "too_small"


@pytest.mark.parametrize("name", TAKEN)
def test_what_may_be_read_comes_in(name: str, opener: SharedSandbox, tmp_path: Path) -> None:
    with came(tmp_path, TAKEN[name]()) as file:
        intake.look(opener, file, media_type(file.head(HEAD)), 5)


def test_what_cannot_be_told_in_time_is_left_to_the_worker(
    opener: SharedSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with came(tmp_path, REFUSED["a PDF with a password"][0]()) as file:
        with opener.held(1):
            intake.look(opener, file, "application/pdf", 0.1)
        intake.look(opener, file, "application/pdf", 0)
        with opener.held(1) as held:
            held.close()
            held.start()
            os.kill(held.pids[0], signal.SIGSTOP)
        monkeypatch.setattr(sandbox, "GRACE_SECONDS", 0)
        intake.look(opener, file, "application/pdf", 0.1)


@pytest.fixture(scope="module")
def runtime(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    with opened(settings_for(request, tmp_path_factory, INTAKE_SECONDS="5")) as runtime:
        yield runtime


@pytest.fixture(scope="module")
def people(runtime: Runtime) -> People:
    return settle_in(runtime.database)


def test_every_sample_comes_in(runtime: Runtime, people: People) -> None:
    for path in SAMPLES.iterdir():
        if path.suffix != ".jsonl":
            assert not sent(runtime, people.ada, path.read_bytes()).duplicate


def document_of(runtime: Runtime, document_id: uuid.UUID) -> Document:
    with runtime.database.snapshot() as session:
        return session.scalars(select(Document).where(Document.id == document_id)).one()


def test_what_is_refused_leaves_nothing_behind(runtime: Runtime, people: People) -> None:
    def files() -> list[Path]:
        return [path for path in (runtime.settings.directory / "files").rglob("*") if path.is_file()]

    before = files()
    with pytest.raises(Unreadable, match="password"):
        sent(runtime, people.ada, REFUSED["a PDF with a password"][0]())
    assert files() == before


def test_a_photo_is_kept_without_its_place_and_known_by_the_bytes_that_were_sent(runtime: Runtime, people: People) -> None:
    exif = Image.Exif()
    exif[0x010E] = "at home"
    data = picture("JPEG", exif=exif)
    first = sent(runtime, people.ada, data)
    document = document_of(runtime, first.job.document_id)
    with runtime.storage.open(document.storage_key, document.checksum) as file:
        kept = file.read()
    assert b"at home" in data
    assert b"at home" not in kept
    assert document.size == len(kept)
    assert document.stored_sha256 not in (None, document.sha256)
    again = sent(runtime, people.ada, data)
    assert (again.duplicate, again.job.id) == (True, first.job.id)


def test_a_file_that_is_kept_as_it_came_has_one_checksum(runtime: Runtime, people: People) -> None:
    document = document_of(runtime, sent(runtime, people.ada).job.document_id)
    assert document.stored_sha256 is None
    assert document.checksum == document.sha256


def test_every_type_of_picture_is_cleaned() -> None:
    assert {found for found, _ in intake._SIGNATURES if found.startswith("image/")} == photos.FORMATS


@pytest.fixture(scope="module")
def client(runtime: Runtime) -> Iterator[FlaskClient]:
    app = web_application(runtime.settings)
    yield app.test_client()
    app.extensions["akount"].close()


def post(client: FlaskClient, people: People, data: bytes) -> TestResponse:
    url = f"/api/business/{BILL.plural}/scan"
    return client.post(url, headers=people.ada.headers, data={"file": (io.BytesIO(data), "a.pdf")})


def test_over_http_a_refusal_has_its_code_and_a_sentence(client: FlaskClient, people: People) -> None:
    answer = post(client, people, REFUSED["XML with a document type"][0]())
    assert (answer.status_code, answer.mimetype) == (422, "application/problem+json")
    assert answer.json["code"] == "xml_doctype"
    assert "must not" in answer.json["detail"]


def test_over_http_nothing_comes_in_while_nobody_looks_for_viruses(client: FlaskClient, people: People) -> None:
    opened = client.application.extensions["akount"]
    before = opened.settings
    opened.settings = dataclasses.replace(before, clamav_host="127.0.0.1", clamav_port=free_port())
    answer = post(client, people, pdf())
    opened.settings = before
    assert (answer.status_code, answer.json["code"], answer.headers["Retry-After"]) == (503, "antivirus_unavailable", "30")
