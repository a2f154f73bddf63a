import io
from collections.abc import Callable

import pytest
from pypdf import PdfReader, PdfWriter
from pypdf.generic import RectangleObject
from reportlab.lib.colors import Color, black, white
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen import canvas

from akount.errors import Unreadable
from akount.extraction.layout import Page, Word, turn_box
from akount.extraction.pdf import Glyphs, Pictures
from akount.extraction.textlayer import TextLayer, needs_ocr, read_pages
from akount.readings import Source

WIDTH, HEIGHT = A4
FILLER = "Delivery of office furniture to the branch in Hamburg as agreed"


def pdf(draw: Callable[[canvas.Canvas], None]) -> bytes:
    out = io.BytesIO()
    page = canvas.Canvas(out, pagesize=A4)
    page.drawString(60, 400, FILLER)
    draw(page)
    page.save()
    return out.getvalue()


def changed(data: bytes, change: Callable[[PdfWriter], None]) -> bytes:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(data)))
    change(writer)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def only_page(data: bytes) -> Page:
    (page,) = read_pages(Source(data, "application/pdf"), 5)
    assert page is not None
    return page


def middle(page: Page, text: str) -> tuple[float, float]:
    (box,) = [word.box for word in page.words if word.text == text]
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def texts(data: bytes) -> set[str]:
    return {word.text for word in only_page(data).words}


def mark(page: canvas.Canvas) -> None:
    page.setFont("Helvetica", 12)
    page.drawString(100, HEIGHT - 100, "MARK")


def test_boxes_are_fractions_of_the_page_from_the_top_left() -> None:
    x, y = middle(only_page(pdf(mark)), "MARK")
    assert x == pytest.approx(118 / WIDTH, abs=0.01)
    assert y == pytest.approx(96 / HEIGHT, abs=0.01)


def test_a_rotated_page_is_mapped_as_it_is_seen() -> None:
    data = changed(pdf(mark), lambda writer: writer.pages[0].rotate(90) and None)
    page = only_page(data)
    (box,) = [turn_box(word.box, page.turned) for word in page.words if word.text == "MARK"]
    assert page.turned == 90
    assert (box[0] + box[2]) / 2 == pytest.approx(1 - 96 / HEIGHT, abs=0.01)
    assert (box[1] + box[3]) / 2 == pytest.approx(118 / WIDTH, abs=0.01)


def test_text_that_stands_sideways_is_read_in_rows() -> None:
    def sideways(page: canvas.Canvas) -> None:
        page.saveState()
        page.rotate(90)
        for line, row in enumerate(("Invoice no. S-17", "Date: 17.05.2024", "Net 100.00 EUR", "VAT 19.00 EUR", "Total 119.00 EUR")):
            page.drawString(100, -100 - 20 * line, row)
        page.restoreState()

    reading = TextLayer().read(
        Source(pdf(sideways).replace(FILLER.encode(), b" " * len(FILLER)), "application/pdf"), lambda _share: None
    )
    assert (reading.get("invoice_number"), str(reading.get("total"))) == ("S-17", "119.00")
    evidence = reading.fields["total"].evidence
    assert evidence is not None and evidence.box is not None
    assert evidence.box[0] == pytest.approx(178 / WIDTH, abs=0.03)


def test_a_cropped_page_is_mapped_as_it_is_seen() -> None:
    def crop(writer: PdfWriter) -> None:
        writer.pages[0].cropbox = RectangleObject((50, 300, WIDTH, HEIGHT))

    x, y = middle(only_page(changed(pdf(mark), crop)), "MARK")
    assert x == pytest.approx((118 - 50) / (WIDTH - 50), abs=0.01)
    assert y == pytest.approx(96 / (HEIGHT - 300), abs=0.01)


def test_what_nobody_sees_is_not_read() -> None:
    def hide(page: canvas.Canvas) -> None:
        page.setFillColor(white)
        page.drawString(60, 700, "WHITE 999.00")
        page.setFillColor(black)
        page.drawString(60, 2000, "OFFPAGE")
        text = page.beginText(60, 650)
        text.setTextRenderMode(3)
        text.textOut("INVISIBLE")
        page.drawText(text)
        page.setFont("Helvetica", 0.5)
        page.drawString(60, 620, "TINY")

    found = texts(pdf(hide))
    assert "furniture" in found
    assert not found & {"WHITE", "999.00", "OFFPAGE", "INVISIBLE", "TINY"}


def test_white_letters_on_dark_ground_are_read() -> None:
    def header(page: canvas.Canvas) -> None:
        page.setFillColor(Color(0.1, 0.1, 0.3))
        page.rect(50, 690, 300, 30, stroke=0, fill=1)
        page.setFillColor(white)
        page.drawString(60, 700, "Description")

    assert "Description" in texts(pdf(header))


def glyphs(*words: str, **changes: int) -> Glyphs:
    made = tuple(Word(word, (0.1, 0.1, 0.2, 0.2)) for word in words or FILLER.split())
    return Glyphs(made, **{"chars": 500, "map_errors": 0, "odd": 0, "invisible": 0, **changes})


@pytest.mark.parametrize(
    ("found", "drawn", "ocr"),
    [
        (glyphs(), Pictures(0.2, True), False),
        (glyphs(chars=0), Pictures(0.0, False), False),
        (glyphs(chars=3), Pictures(1.0, False), True),
        (glyphs(map_errors=200), Pictures(0.0, False), True),
        (glyphs(odd=100), Pictures(0.0, False), True),
        (glyphs(invisible=400), Pictures(1.0, False), True),
        (glyphs("xkcd", "qwrt", "zzpq", "bcdfg"), Pictures(0.0, False), True),
        (glyphs("счёт", "на", "оплату"), Pictures(0.0, False), False),
        (glyphs(chars=150), Pictures(0.95, False), True),
    ],
)
def test_a_page_goes_to_ocr_when_its_text_cannot_be_believed(found: Glyphs, drawn: Pictures, ocr: bool) -> None:
    assert needs_ocr(found, drawn) is ocr


def refusal(data: bytes, media_type: str = "application/pdf") -> str:
    with pytest.raises(Unreadable) as caught:
        TextLayer(max_pages=2).read(Source(data, media_type), lambda _share: None)
    return caught.value.code


def test_files_that_are_not_well_are_refused_with_their_code() -> None:
    good = pdf(mark)
    assert refusal(changed(good, lambda writer: writer.encrypt("secret", algorithm="RC4-128"))) == "encrypted"
    assert refusal(b"%PDF-1.7 and then nothing") == "damaged"
    assert refusal(good, "image/png") == "not_a_pdf"


def test_too_many_pages_are_refused() -> None:
    def three(page: canvas.Canvas) -> None:
        for _ in range(3):
            page.showPage()
            page.drawString(60, 400, FILLER)

    assert refusal(pdf(three)) == "too_many_pages"


def test_progress_is_reported_per_page() -> None:
    def two(page: canvas.Canvas) -> None:
        page.showPage()
        page.drawString(60, 400, FILLER)

    told: list[float] = []
    read_pages(Source(pdf(two), "application/pdf"), 5, told.append)
    assert told == [0.5, 1.0]
