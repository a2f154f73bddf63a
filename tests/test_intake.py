"""What a file is, is decided by its content and never by its name; what is refused is refused with a sentence (E5)."""

import io
import json
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from akount import intake
from akount.errors import Invalid, TooLarge, UnsupportedType
from akount.intake import HEAD, admit, clean_filename, media_type
from akount.storage import Incoming, LocalStorage
from make import SAMPLES, pdf

LIMIT = 10_485_760
UBL = '<?xml version="1.0" encoding="{}"?><Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"/>'
ROOTS = [
    b'<Invoice xmlns="urn:x"/>',
    b'<ubl:CreditNote xmlns:ubl="urn:x">',
    b"<!-- made by hand -->\n<rsm:CrossIndustryInvoice xmlns:rsm='urn:x'>",
]


def picture(form: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, form)
    return out.getvalue()


def archive(name: str, text: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr(name, text)
    return out.getvalue()


def heif(brand: bytes) -> bytes:
    return b"\x00\x00\x00\x18ftyp" + brand + b"\x00\x00\x00\x00mif1heic"


TAKEN = {
    "PDF": (pdf(), "application/pdf"),
    "PDF behind blank lines": (b"\r\n\r\n" + pdf(), "application/pdf"),
    "PDF behind a mail's header": (b"HTTP/1.1 200 OK\r\n\r\n" + pdf(), "application/pdf"),
    "PDF with a BOM": (b"\xef\xbb\xbf" + pdf(), "application/pdf"),
    "PNG": (picture("PNG"), "image/png"),
    "JPEG": (picture("JPEG"), "image/jpeg"),
    "WebP": (picture("WEBP"), "image/webp"),
    "TIFF, little end first": (picture("TIFF"), "image/tiff"),
    "TIFF, big end first": (b"MM\x00*" + b"\0" * 8, "image/tiff"),
    "HEIC": (heif(b"heic"), "image/heic"),
    "HEIF": (heif(b"mif1"), "image/heic"),
    "XML": (UBL.format("UTF-8").encode(), "application/xml"),
    "XML with a BOM": (UBL.format("UTF-8").encode("utf-8-sig"), "application/xml"),
    "XML in UTF-16": (UBL.format("UTF-16").encode("utf-16"), "application/xml"),
    "XML in UTF-16, big end first": (b"\xfe\xff" + UBL.format("UTF-16").encode("utf-16-be"), "application/xml"),
    "XML behind blank lines": (b"\n\n  " + UBL.format("UTF-8").encode(), "application/xml"),
    "XML that mentions %PDF-": (b"<?xml version='1.0'?><!-- not a %PDF-1.7 --><Invoice/>", "application/xml"),
}
NOT_TAKEN = {
    "nothing": b"",
    "text": b"This is a bill. Please pay.",
    "text with a long head": b"x" * 2000 + b"%PDF-1.7",
    "HTML": b"<!DOCTYPE html><html><body>Invoice</body></html>",
    "HTML that mentions %PDF-": b"<html><body>A file that starts with %PDF-1.7 is a PDF</body></html>",
    "HTML in UTF-16": "<html><body>Invoice</body></html>".encode("utf-16"),
    "JSON that mentions %PDF-": json.dumps({"data": "%PDF-1.7"}).encode(),
    "PostScript": b"%!PS-Adobe-3.0\n%PDF-1.7",
    "GIF": b"GIF89a" + b"\0" * 100,
    "BMP": picture("BMP"),
    "ZIP": archive("a.txt", b"hello"),
    "ZIP with a PDF inside": archive("a.pdf", b"%PDF-1.7"),
    "XML without a declaration that is no invoice": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "RIFF that is no WebP": b"RIFF\0\0\0\0WAVEfmt ",
    "a film": heif(b"isom"),
    "AVIF": heif(b"avif"),
    "an executable": b"\x7fELF" + b"\0" * 60,
    "half a signature": b"\x89PN",
    "zeroes": b"\0" * 5000,
}


@pytest.mark.parametrize("name", TAKEN)
def test_a_file_that_is_taken_is_known_by_its_content(name: str) -> None:
    data, found = TAKEN[name]
    assert media_type(data[:HEAD]) == found


@pytest.mark.parametrize("root", ROOTS)
def test_an_invoice_in_xml_needs_no_declaration(root: bytes) -> None:
    assert media_type(root) == "application/xml"


@pytest.mark.parametrize("name", NOT_TAKEN)
def test_a_file_that_is_not_taken_has_no_type(name: str) -> None:
    assert media_type(NOT_TAKEN[name][:HEAD]) is None


def test_every_sample_is_taken() -> None:
    suffixes = {".pdf": "application/pdf", ".jpg": "image/jpeg", ".png": "image/png", ".xml": "application/xml"}
    files = [p for p in SAMPLES.iterdir() if p.suffix in suffixes]
    assert files
    for file in files:
        assert media_type(file.read_bytes()[:HEAD]) == suffixes[file.suffix]


@given(st.binary(max_size=200))
def test_any_bytes_have_a_type_or_none(head: bytes) -> None:
    assert media_type(head) in {None, *(found for found, _ in intake._SIGNATURES)}


def incoming(tmp_path: Path, data: bytes, limit: int = LIMIT) -> Incoming:
    made = LocalStorage(tmp_path).receive(limit)
    made.write(data)
    return made


def test_a_file_of_exactly_the_limit_is_admitted_and_one_byte_more_is_not(tmp_path: Path) -> None:
    data = pdf().ljust(LIMIT, b" ")
    fits = incoming(tmp_path, data)
    assert admit(fits, LIMIT) == "application/pdf"
    fits.write(b" ")
    with pytest.raises(TooLarge, match="larger than 10 MiB"):
        admit(fits, LIMIT)
    fits.close()


def test_an_empty_file_is_refused_as_empty(tmp_path: Path) -> None:
    empty = incoming(tmp_path, b"")
    with pytest.raises(Invalid) as refused:
        admit(empty, LIMIT)
    assert (refused.value.status, refused.value.code) == (422, "empty_file")
    empty.close()


def test_a_file_of_another_type_is_refused_with_what_is_taken(tmp_path: Path) -> None:
    words = incoming(tmp_path, b"just words")
    with pytest.raises(UnsupportedType, match="PDF, JPEG, PNG, WebP, TIFF, HEIC") as refused:
        admit(words, LIMIT)
    assert refused.value.status == 415
    words.close()


@given(st.text(max_size=400))
def test_a_cleaned_name_is_short_printable_and_no_path(name: str) -> None:
    cleaned = clean_filename(name)
    assert 0 < len(cleaned) <= 200
    assert not set(cleaned) & set("/\\\0\r\n\u202e\u200b")
    assert cleaned not in {".", ".."}
    cleaned.encode()


@given(st.text(max_size=400))
def test_cleaning_a_name_twice_changes_nothing_more(name: str) -> None:
    once = clean_filename(name)
    assert clean_filename(once) == once


def test_an_ending_survives_the_shortening() -> None:
    assert clean_filename("x" * 500 + ".pdf").endswith("x.pdf")
