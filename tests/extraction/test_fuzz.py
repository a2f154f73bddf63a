"""A fuzz target for each parser: files of ours, bent at random, end in a reading or in a refusal with a code, never in a fault
of our own. A short run each; FUZZ_EXAMPLES=1000 makes it a long one.

Parsers in C run in a child, as they do in the service: it may die of a file, and that is contained. What counts as found is
an exception that is no refusal.
"""

import os
import resource
import traceback
from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from akount.errors import Unreadable
from akount.extraction import structure
from akount.extraction.einvoice import EInvoice
from akount.extraction.fields import read_document
from akount.extraction.layout import Document, Page, Word
from akount.extraction.pages import picture
from akount.extraction.textlayer import TextLayer
from akount.readings import Source, reading_from_json, reading_to_json
from make import SAMPLES
from tools.hostile import samples

SECONDS = 5
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "8"))
bounded = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])

WHOLE: dict[str, tuple[str, bytes]] = {
    "pdf": ("application/pdf", samples.bill()),
    "pdf with XML": ("application/pdf", (SAMPLES / "guesthouse-facturx-eur.pdf").read_bytes()),
    "locked pdf": ("application/pdf", samples._locked(user_password="", owner_password="x")),
    "forms": ("application/pdf", samples._laughs(2)),
    "png": ("image/png", samples.picture("PNG", (110, 105))),
    "jpeg": ("image/jpeg", samples.picture("JPEG", (110, 105))),
    "webp": ("image/webp", samples.picture("WEBP", (110, 105))),
    "tiff": ("image/tiff", samples.picture("TIFF", (110, 105))),
    "tiff of pages": ("image/tiff", samples._frames(3)),
    "xml": ("application/xml", (SAMPLES / "canal-house-ubl-eur.xml").read_bytes()),
}


@st.composite
def bent(draw: st.DrawFn, whole: bytes) -> bytes:
    """The file with pieces overwritten, doubled, taken out or cut off."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        size = draw(st.sampled_from([1, 2, 4, 16, 200]))
        how = draw(st.sampled_from(["write", "double", "remove", "number", "cut"]))
        if how == "write":
            data[at : at + size] = draw(st.binary(min_size=1, max_size=size))
        elif how == "double":
            data[at:at] = data[at : at + size]
        elif how == "remove":
            del data[at : at + size]
        elif how == "number":
            data[at : at + 4] = draw(st.sampled_from([b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"-1 0", b"9999"]))
        elif draw(st.booleans()):
            del data[at:]
    return bytes(data)


def in_child(act: Callable[[], object]) -> None:
    """Fails when the act raises something else than a refusal; a child that dies or takes too long is contained."""
    heard, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            act()
        except (Unreadable, MemoryError):
            pass
        except BaseException:  # noqa: BLE001
            os.write(told, traceback.format_exc()[-4000:].encode())
        finally:
            os._exit(0)
    os.close(told)
    with os.fdopen(heard, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(pid, 0)
    assert said == ""


@pytest.mark.parametrize("name", WHOLE)
def test_how_a_file_is_built(name: str) -> None:
    media_type, whole = WHOLE[name]

    @bounded
    @given(bent(whole))
    def target(data: bytes) -> None:
        in_child(lambda: structure.examine(Source(data, media_type), 50, 60_000_000))

    target()


@pytest.mark.parametrize("name", [name for name, (media_type, _) in WHOLE.items() if media_type != "application/xml"])
def test_pages_that_are_drawn(name: str) -> None:
    media_type, whole = WHOLE[name]

    @bounded
    @given(bent(whole), st.integers(0, 3))
    def target(data: bytes, number: int) -> None:
        in_child(lambda: picture(Source(data, media_type), number, 50, 1_000_000))

    target()


@pytest.mark.parametrize("name", [name for name, (media_type, _) in WHOLE.items() if media_type == "application/pdf"])
def test_the_text_layer_and_attachments(name: str) -> None:
    media_type, whole = WHOLE[name]

    def read(engine: TextLayer | EInvoice, data: bytes) -> None:
        reading = engine.read(Source(data, media_type), lambda _share: None)
        assert reading_from_json(reading_to_json(reading)).fields.keys() == reading.fields.keys()

    @bounded
    @given(bent(whole))
    def target(data: bytes) -> None:
        in_child(lambda: read(TextLayer(), data))
        in_child(lambda: read(EInvoice(), data))

    target()


@bounded
@given(bent(WHOLE["xml"][1]))
def test_electronic_documents(data: bytes) -> None:
    in_child(lambda: reading_from_json(reading_to_json(EInvoice().read(Source(data, "application/xml"), lambda _share: None))))


PIECES = [
    *("Total", "Net", "VAT", "19%", "EUR", "€", "Invoice", "No.", "Date", "due", "IBAN", "DE89370400440532013000", "Rechnung", "-"),
    *(
        "1.234,56",
        "1,234.56",
        "9" * 40,
        "0,00",
        "(5.00)",
        "1e9",
        "٣٤",
        "１２",
        "31.02.2024",
        "2024-99-99",
        "00/00/0000",
        "\u202e",
        "x" * 300,
    ),
]
words = st.one_of(st.sampled_from(PIECES), st.text(min_size=1, max_size=12))
places = st.floats(0, 0.95)


@settings(bounded, max_examples=10 * EXAMPLES)
@given(st.lists(st.tuples(words, places, places), max_size=60), st.booleans())
def test_words_in_any_place(found: list[tuple[str, float, float]], scanned: bool) -> None:
    page = Page(1, 595, 842, tuple(Word(text, (x, y, min(1, x + 0.05), min(1, y + 0.012)), 90) for text, x, y in found))
    reading = read_document(Document([page], scanned=scanned), "fuzz", "1")
    again = reading_from_json(reading_to_json(reading))
    assert again.fields == reading.fields
    total = reading.get("total")
    assert total is None or (isinstance(total, Decimal) and total.is_finite())
