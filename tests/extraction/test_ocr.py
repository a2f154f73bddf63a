import io
from decimal import Decimal

import pytest
from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen import canvas

from akount.errors import Unreadable
from akount.extraction.engines import read_source
from akount.extraction.images import open_images
from akount.extraction.layout import turn_box
from akount.extraction.ocr import Ocr, read_image
from akount.readings import Reading, ReadingOptions, Source

ROWS = (
    "CORNER SHOP LTD",
    "12 High Street",
    "Receipt no. 4711",
    "Date 17.05.2024 12:30",
    "Tea          3.50",
    "Bread        2.25",
    "TOTAL        5.75",
    "CASH        10.00",
    "CHANGE       4.25",
)


def receipt(rows: tuple[str, ...] = ROWS) -> Image.Image:
    image = Image.new("RGB", (620, 80 + 50 * len(rows)), "white")
    draw = ImageDraw.Draw(image)
    for number, row in enumerate(rows):
        draw.text((40, 40 + 50 * number), row, fill="black", font=ImageFont.load_default(28))
    return image


def saved(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def read(data: bytes, media_type: str = "image/png", **limits: int) -> Reading:
    return Ocr(**limits).read(Source(data, media_type), lambda _share: None)


def refusal(data: bytes, media_type: str = "image/png", **limits: int) -> str:
    with pytest.raises(Unreadable) as caught:
        read(data, media_type, **limits)
    return caught.value.code


@pytest.fixture(scope="module")
def upright() -> Reading:
    return read(saved(receipt()))


def test_a_receipt_is_read(upright: Reading) -> None:
    assert (upright.get("total"), upright.get("seller_name")) == (Decimal("5.75"), "CORNER SHOP LTD")
    assert str(upright.get("issue_date")) == "2024-05-17"
    assert upright.fields["total"].confidence >= 85


def test_every_value_says_where_it_stands(upright: Reading) -> None:
    evidence = upright.fields["total"].evidence
    assert evidence is not None and evidence.box is not None and evidence.engine == "ocr"
    assert evidence.box[1] == pytest.approx(355 / 530, abs=0.04)


def test_a_receipt_on_its_side_is_turned_and_its_boxes_turned_back(upright: Reading) -> None:
    reading = read(saved(receipt().rotate(90, expand=True)))
    assert reading.get("total") == Decimal("5.75")
    first, second = upright.fields["total"].evidence, reading.fields["total"].evidence
    assert first is not None and first.box is not None and second is not None and second.box is not None
    x0, y0, x1, y1 = first.box
    assert second.box == pytest.approx((y0, 1 - x1, y1, 1 - x0), abs=0.05)


@pytest.mark.parametrize("angle", [90, 180, 270])
def test_turned_boxes_come_back_to_their_place(angle: int) -> None:
    page = Image.new("L", (200, 100), "white")
    page.putpixel((30, 20), 0)
    turned = page.rotate(angle, expand=True)
    at = next(
        index
        for index in range(turned.width * turned.height)
        if turned.getpixel((index % turned.width, index // turned.width)) == 0
    )
    x, y = at % turned.width / turned.width, at // turned.width / turned.height
    box = turn_box((x, y, x + 1 / turned.width, y + 1 / turned.height), angle)
    assert box == pytest.approx((30 / 200, 20 / 100, 31 / 200, 21 / 100))


def test_skewed_rows_stay_together() -> None:
    skewed = receipt().rotate(4, expand=True, fillcolor="white", resample=Image.Resampling.BICUBIC)
    assert abs(read_image(skewed, 1).slope) > 0.02
    assert read(saved(skewed)).get("total") == Decimal("5.75")


def test_the_camera_s_own_rotation_is_obeyed() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = saved(receipt().rotate(90, expand=True), "JPEG", exif=exif)
    ((_, _, image),) = open_images(Source(data, "image/jpeg"), 5, 10**7)
    assert image.size == receipt().size


def test_every_page_of_a_tiff_is_read() -> None:
    pages = [receipt(("Delivery note", "12 parcels")), receipt()]
    data = saved(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    reading = read(data, "image/tiff")
    assert (reading.pages, reading.get("total")) == (2, Decimal("5.75"))
    evidence = reading.fields["total"].evidence
    assert evidence is not None and evidence.page == 2
    assert refusal(data, "image/tiff", max_pages=1) == "too_many_pages"


def test_transparent_is_paper() -> None:
    image = Image.new("RGBA", (300, 200), (0, 0, 0, 0))
    ((_, _, flat),) = open_images(Source(saved(image), "image/png"), 5, 10**7)
    assert flat.getpixel((5, 5)) == (255, 255, 255)


def test_pictures_that_cannot_be_read_are_refused_with_their_code() -> None:
    blank = Image.new("RGB", (400, 400), "white")
    assert refusal(saved(blank)) == "empty_document"
    assert refusal(saved(blank.resize((99, 400)))) == "too_small"
    assert refusal(saved(blank), max_pixels=100_000) == "too_many_pixels"
    assert refusal(saved(receipt())[:-900] + b"x") == "damaged"
    assert refusal(b"\x89PNG nonsense") == "damaged"
    assert refusal(b"\0\0\0\x18ftypheic" + b"\0" * 40, "image/heic") == "damaged"
    assert refusal(b"<a/>", "application/xml") == "not_an_image"


def test_a_decompression_bomb_is_refused_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100_000)
    assert refusal(saved(receipt())) == "too_many_pixels"


def test_a_scan_inside_of_a_pdf_is_read() -> None:
    data = saved(receipt().resize((1240, 1060)), "PDF", resolution=150)
    reading = read_source(Source(data, "application/pdf"))
    assert (reading.engine, reading.get("total")) == ("ocr", Decimal("5.75"))
    assert [refusal.code for refusal in reading.refusals] == ["no_xml", "no_text"]


def test_whoever_wants_it_has_pages_with_text_read_as_pictures() -> None:
    out = io.BytesIO()
    page = canvas.Canvas(out, pagesize=A4)
    page.setFont("Helvetica", 14)
    for row, text in enumerate(("Invoice number 2025-118", "Date 2025-11-03", "Delivery of office furniture", "Total EUR 99.00")):
        page.drawString(60, 700 - 40 * row, text)
    page.save()
    read = {}
    for options in (ReadingOptions(), ReadingOptions(ocr_only=True)):
        reading = read_source(Source(out.getvalue(), "application/pdf", options))
        read[reading.engine] = reading.get("total")
    assert read == {"textlayer": Decimal("99.00"), "ocr": Decimal("99.00")}


def test_whoever_wants_it_has_the_first_pages_read_only() -> None:
    pages = [receipt(("Delivery note", "12 parcels")), receipt()]
    data = saved(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    first = Ocr().read(Source(data, "image/tiff", ReadingOptions(first_pages=1)), lambda _share: None)
    assert (first.pages, first.get("total")) == (1, None)


def test_in_fine_resolution_a_value_stands_where_it_stood() -> None:
    data = saved(receipt().resize((1240, 1060)), "PDF", resolution=150)
    boxes = []
    for options in (ReadingOptions(), ReadingOptions(fine=True)):
        reading = read_source(Source(data, "application/pdf", options))
        evidence = reading.fields["total"].evidence
        assert reading.get("total") == Decimal("5.75") and evidence is not None
        boxes.append(evidence.box)
    assert boxes[0] == pytest.approx(boxes[1], abs=0.02)


def test_a_picture_is_opened_by_the_decoder_of_its_type_and_by_no_other() -> None:
    data = saved(Image.new("RGB", (200, 200), "white"))
    assert len(list(open_images(Source(data, "image/png"), 5, 10**7))) == 1
    for other in ("image/jpeg", "image/tiff", "image/webp", "image/heic", "image/gif"):
        with pytest.raises(Unreadable) as refused:
            list(open_images(Source(data, other), 5, 10**7))
        assert refused.value.code in ("damaged", "heic_unsupported")
