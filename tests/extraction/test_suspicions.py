"""What is made for machines and not for eyes is not used as a value, and a person is told; honest documents are left alone."""

import io
from collections.abc import Callable

import pytest
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from akount.extraction.disguises import is_disguised
from akount.extraction.fields import read_document
from akount.extraction.layout import Document, Page, Word
from akount.extraction.textlayer import TextLayer
from akount.readings import Reading, Source
from make import SAMPLES

LINES = ["Cedar & Quill Ltd", "Invoice number: A-17", "Date: 2025-03-14", "Net amount 100.00 EUR", "VAT 19% 19.00 EUR"]
HONEST = "Total due: 119.00 EUR"
FALSE = "Total due: 9999.99 EUR"


def document(draw: Callable[[Canvas], None] = lambda _canvas: None, *, total: str = HONEST) -> bytes:
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4, invariant=1)
    for row, line in enumerate([*LINES, total]):
        canvas.drawString(72, 760 - 20 * row, line)
    draw(canvas)
    canvas.save()
    return out.getvalue()


def read(data: bytes) -> Reading:
    return TextLayer().read(Source(data, "application/pdf"), lambda _share: None)


def invisible(canvas: Canvas, said: str = FALSE) -> None:
    text = canvas.beginText(72, 500)
    text.setTextRenderMode(3)
    text.textOut(said)
    canvas.drawText(text)


def white(canvas: Canvas) -> None:
    canvas.setFillColorRGB(1, 1, 1)
    canvas.drawString(72, 500, FALSE)


def tiny(canvas: Canvas) -> None:
    canvas.setFont("Helvetica", 0.8)
    canvas.drawString(72, 500, FALSE)


def beside(canvas: Canvas) -> None:
    canvas.drawString(900, 500, FALSE)


@pytest.mark.parametrize("way", [invisible, white, tiny, beside])
def test_a_total_that_nobody_sees_is_not_used_and_is_told(way: Callable[[Canvas], None]) -> None:
    reading = read(document(way))
    assert str(reading.get("total")) == "119.00"
    assert len(reading.warnings) == 1
    assert "9999.99" in reading.warnings[0]


def test_an_account_that_nobody_sees_is_told() -> None:
    reading = read(document(lambda canvas: invisible(canvas, "DE89 3704 0044 0532 0130 00")))
    assert "iban" not in reading.fields
    assert "DE89" in reading.warnings[0]


def test_hidden_words_and_hidden_copies_of_what_is_printed_are_no_news() -> None:
    assert read(document(lambda canvas: invisible(canvas, "Total due: 119.00 EUR, page 1 of 1, v2.10.3"))).warnings == ()


def test_white_letters_on_a_dark_ground_are_seen() -> None:
    def on_black(canvas: Canvas) -> None:
        canvas.rect(60, 490, 300, 30, fill=1)
        white(canvas)

    reading = read(document(on_black, total=""))
    assert str(reading.get("total")) == "9999.99"
    assert not [warning for warning in reading.warnings if "seen" in warning]


def test_a_second_total_is_told() -> None:
    reading = read(document(lambda canvas: canvas.drawString(72, 500, FALSE)))
    assert len(reading.warnings) == 1
    assert "total" in reading.warnings[0]


@pytest.mark.parametrize(
    "said", [HONEST, "Total 119.00 EUR", "Total net 100.00 EUR", "Total VAT 19.00 EUR", "Paid 19.00 EUR", "Amount due 100.00 EUR"]
)
def test_a_sum_of_the_others_is_no_second_total(said: str) -> None:
    assert read(document(lambda canvas: canvas.drawString(72, 500, said))).warnings == ()


def mapped(letters: dict[str, int], total: str) -> bytes:
    """The document with a font whose letters stand for other characters when they are copied."""
    pairs = "\n".join(f"<{ord(letter):02x}> <{code:04x}>" for letter, code in letters.items())
    cmap = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapType 2 def 1 begincodespacerange <00> <ff> "
        f"endcodespacerange {len(letters)} beginbfchar {pairs} endbfchar endcmap end end"
    ).encode()
    rows = [*LINES, total]
    content = "BT /F1 11 Tf 14 TL 72 760 Td " + " ".join(f"({row}) Tj T*" for row in rows) + " ET"
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%b\nendstream" % (len(content), content.encode()),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding/ToUnicode 6 0 R>>",
        b"<</Length %d>>stream\n%b\nendstream" % (len(cmap), cmap),
    ]
    body = b"%PDF-1.7\n" + b"".join(b"%d 0 obj\n%b\nendobj\n" % (number, said) for number, said in enumerate(objects, 1))
    return body + b"trailer\n<</Size 7/Root 1 0 R>>\n%%EOF\n"


def test_digits_of_another_script_are_not_used_and_are_told() -> None:
    reading = read(mapped({"5": 0xFF15, "6": 0xFF16}, "Total due: 56.56 EUR"))
    assert str(reading.get("total")) != "56.56"
    assert "another script" in reading.warnings[0]


def test_a_turned_direction_of_writing_is_told_and_does_not_get_into_values() -> None:
    reading = read(mapped({"~": 0x202E, "^": 0x200B}, "Total due: ~119^.00 EUR"))
    assert str(reading.get("total")) == "119.00"
    assert any("direction" in warning for warning in reading.warnings)


def test_what_has_no_width_is_no_news() -> None:
    reading = read(mapped({"^": 0x200B}, "Total due: 119^.00 EUR"))
    assert str(reading.get("total")) == "119.00"
    assert reading.warnings == ()


@pytest.mark.parametrize(
    "text", ["\uff11\uff12.\uff10\uff10", "1\u041e0.00", "\u0661\u0662", "2\u03bf,5\u03bf", "\U0001d7d9\U0001d7d8"]
)
def test_numbers_in_disguise_are_known(text: str) -> None:
    assert is_disguised(text)


@pytest.mark.parametrize(
    "text", ["100.00", "10O.00", "\u041e\u041e\u041e", "\u20ac100", "m\u00b2", "\u00bd", "\u041c-10", "1\u00a0000", "No\u0456"]
)
def test_honest_words_are_none(text: str) -> None:
    assert not is_disguised(text)


def test_what_a_scan_says_is_never_a_second_total() -> None:
    """OCR misreads: two readings of one figure would be two totals."""
    words = tuple(
        Word(word, (0.1 + 0.1 * at, 0.1 + 0.1 * row, 0.19 + 0.1 * at, 0.12 + 0.1 * row))
        for row, line in enumerate(["Total due: 119.00 EUR", "Total due: 719.00 EUR"])
        for at, word in enumerate(line.split())
    )
    assert read_document(Document([Page(1, 595, 842, words)], scanned=True), "ocr", "1").warnings == ()


def test_the_samples_are_above_suspicion() -> None:
    for path in SAMPLES.glob("*.pdf"):
        if "scan" not in path.name:
            assert read(path.read_bytes()).warnings == (), path.name
