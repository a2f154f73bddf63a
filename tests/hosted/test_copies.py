"""What is shown to others: pictures made by us, what is personal painted over and masked in the words, and nothing else."""

import io
from pathlib import Path

import pypdfium2
import pytest
from PIL import Image
from reportlab.lib.colors import white
from reportlab.pdfgen.canvas import Canvas

from akount.errors import Unreadable
from akount.extraction import copies
from akount.extraction.copies import copy_from_json, copy_to_json
from akount.extraction.redaction import BANK_ACCOUNTS, CARDS, MASKED, MASKS, NATIONAL_IDS, personal_words
from akount.extraction.sandbox import Limits, Sandbox
from akount.readings import Source
from make import SAMPLES

CARD, IBAN = "4111 1111 1111 1111", "DE89 3704 0044 0532 0130 00"


@pytest.mark.parametrize(
    ("row", "hidden"),
    [
        (f"Paid by card {CARD} on 14 March", CARD),
        ("Card 4111111111111111", "4111111111111111"),
        ("Card 4111-1111-1111-1111", "4111-1111-1111-1111"),
        ("Card 4111 1111 1111 1112", "4111 1111 1111 1112"),  # a digit that OCR has misread
        ("AMEX 3782 822463 10005", "3782 822463 10005"),
        (f"IBAN {IBAN} BIC COBADEFF", IBAN),
        ("Konto-Nr: 532013000", "532013000"),
        ("Account no. 12-3456-0789", "12-3456-0789"),
        ("SSN 536-90-4399", "536-90-4399"),
        ("Steuer-ID 36 574 261 809", "36 574 261 809"),
        ("DNI: 54362315K", "54362315K"),
        ("Codice RCCMNL83S18D969H", "RCCMNL83S18D969H"),
        ("AHV 756.9217.0769.85", "756.9217.0769.85"),
        ("PESEL 83010411457", "83010411457"),
    ],
)
def test_what_is_personal_is_found_whole_and_alone(row: str, hidden: str) -> None:
    words = row.split()
    assert " ".join(words[n] for n in sorted(personal_words(words, MASKS))) == hidden


@pytest.mark.parametrize(
    "row",
    [
        "Invoice 2025-0314 of 2025-03-14 Total EUR 1,190.00",
        "Net 1 234 567.00 Tax 234 567.90 Total 1 469 134.90",
        "Phone +49 30 1234 5678",
        "VAT ID DE136695976",
        "Order 45-1234567 Delivery 2025-03-14 Qty 12 34.50 414.00",
        "14.03.2025 12.03.2025 100,00 19,00 119,00",
    ],
)
def test_what_an_invoice_is_read_for_is_left(row: str) -> None:
    assert personal_words(row.split(), MASKS) == set()


@pytest.mark.parametrize(("masks", "count"), [((), 0), ((CARDS,), 4), ((BANK_ACCOUNTS,), 6), ((NATIONAL_IDS,), 1), (MASKS, 11)])
def test_the_policy_says_what_is_masked(masks: tuple[str, ...], count: int) -> None:
    words = f"{CARD} then {IBAN} then 536-90-4399".split()
    assert len(personal_words(words, masks)) == count


def document(pages: int = 1) -> bytes:
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=(400, 400), invariant=1)
    for _ in range(pages):
        canvas.drawString(40, 340, "Cedar & Quill")
        canvas.drawString(40, 300, f"Card {CARD}")
        canvas.drawString(40, 260, "Total EUR 119.00")
        canvas.setFillColor(white)
        canvas.drawString(40, 220, "Hidden words that nobody sees")
        canvas.setFillColorRGB(0, 0, 0)
        canvas.showPage()
    canvas.setAuthor("Author-in-the-metadata")
    canvas.save()
    return out.getvalue()


def dark_share(picture: bytes, box: tuple[float, float, float, float]) -> float:
    """How much of a part of a picture is black."""
    with Image.open(io.BytesIO(picture)) as image:
        grey = image.convert("L")
        part = grey.crop(tuple(round(edge * side) for edge, side in zip(box, grey.size * 2, strict=True)))  # type: ignore[arg-type]
        return sum(part.histogram()[:60]) / (part.width * part.height)


def test_a_card_number_is_black_in_the_picture_and_masked_in_the_words() -> None:
    copy = copies.make(Source(document(), "application/pdf"), MASKS, 5, 60_000_000)
    assert [line.text for line in copy.lines] == ["Cedar & Quill", f"Card {' '.join([MASKED] * 4)}", "Total EUR 119.00"]
    (picture,) = copy.pictures
    hidden = [word.box for line in copy.lines for word in line.words if word.text == MASKED]
    shown = [word.box for line in copy.lines for word in line.words if word.text != MASKED]
    assert copy.masked == len(hidden) == 4
    assert all(dark_share(picture, box) > 0.95 for box in hidden)
    assert all(dark_share(picture, box) < 0.6 for box in shown)


def test_what_ocr_reads_in_a_picture_is_painted_over_there() -> None:
    with pypdfium2.PdfDocument(document()) as pdf:
        out = io.BytesIO()
        pdf[0].render(scale=2.5).to_pil().save(out, "PNG")
    copy = copies.make(Source(out.getvalue(), "image/png"), MASKS, 5, 60_000_000)
    said = " ".join(line.text for line in copy.lines)
    assert "4111" not in said
    assert "119.00" in said
    hidden = [word.box for line in copy.lines for word in line.words if word.text == MASKED]
    assert hidden
    assert all(dark_share(copy.pictures[0], box) > 0.95 for box in hidden)
    read_again = copies.make(Source(copy.pictures[0], "image/jpeg"), (), 5, 60_000_000)
    assert "1111" not in "".join(line.text for line in read_again.lines), "nobody can read it from the picture"


def test_the_file_itself_its_metadata_and_hidden_words_are_not_in_it() -> None:
    copy = copies.make(Source(document(3), "application/pdf"), MASKS, 5, 60_000_000)
    assert len(copy.pictures) == 3
    everything = copy.document + b"".join(copy.pictures) + "".join(line.text for line in copy.lines).encode()
    for part in (b"Author-in-the-metadata", b"Hidden", b"4111", b"Cedar & Quill (", b"/Font"):
        assert part not in everything


def test_a_page_without_words_is_left_out_while_anything_is_to_be_masked() -> None:
    out = io.BytesIO()
    canvas = Canvas(out, invariant=1)
    canvas.drawString(40, 340, "Cedar & Quill, invoice 7 of 14 March 2025")
    canvas.showPage()
    canvas.showPage()
    canvas.save()
    source = Source(out.getvalue(), "application/pdf")
    assert len(copies.make(source, MASKS, 5, 60_000_000).pictures) == 1
    assert len(copies.make(source, (), 5, 60_000_000).pictures) == 2


def test_where_no_page_may_be_shown_there_is_no_copy() -> None:
    with Image.new("RGB", (400, 400), "white") as blank:
        out = io.BytesIO()
        blank.save(out, "PNG")
    for source in (Source(out.getvalue(), "image/png"), Source(b"<Invoice/>", "application/xml")):
        with pytest.raises(Unreadable) as refused:
            copies.make(source, MASKS, 5, 60_000_000)
        assert refused.value.code == "nothing_to_show"


def test_a_copy_survives_the_pipe_and_what_is_none_is_refused() -> None:
    copy = copies.make(Source(document(), "application/pdf"), MASKS, 5, 60_000_000)
    raw = copy_to_json(copy)
    assert copy_from_json(raw).pictures == copy.pictures
    assert [line.text for line in copy_from_json(raw).lines] == [line.text for line in copy.lines]
    for wrong in (
        None,
        {},
        raw | {"pictures": []},
        raw | {"pictures": ["!"]},
        raw | {"lines": [[1, [["a"]]]]},
        raw | {"document": "eA=="},
    ):
        with pytest.raises(ValueError, match="not a copy"):
            copy_from_json(wrong)


@pytest.mark.parametrize("name", ["hardware-receipt-photo-eur.jpg", "exhibition-three-pages-gbp.pdf"])
def test_the_sandbox_makes_copies_of_pictures_and_of_pages(name: str) -> None:
    sandbox = Sandbox(Limits(seconds=60))
    path: Path = SAMPLES / name
    try:
        with path.open("rb") as file:
            copy = sandbox.copy(file, "image/jpeg" if name.endswith("jpg") else "application/pdf", MASKS, 60)
        assert len(copy.pictures) == (3 if "three" in name else 1)
        assert any("total" in line.text.casefold() or "eur" in line.text.casefold() for line in copy.lines)
        assert bool(copy.document) is ("three" in name)
    finally:
        sandbox.close()
