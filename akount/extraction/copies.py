"""A copy of a document that may be shown to others: pictures of its pages made by us, what is personal painted over, and its
words in rows, masked likewise. Nothing else of the file is in it: no hidden text, no attachment, no metadata.

Made where engines run, in a confined child. What crosses the pipe is validated like a reading.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from akount.errors import Unreadable
from akount.extraction import pdf, redaction
from akount.extraction.images import open_images
from akount.extraction.layout import Page, Word, rows_of, turn_box
from akount.extraction.redaction import MASKED, personal_words
from akount.readings import Box, Source, clean_text

DPI = 150
LONG_SIDE = 2_000
"""Pixels of the longer side at most: more makes hosted engines dearer and not better."""
QUALITY = 85
MARGIN = 0.15
"""Text heights that the paint reaches beyond a word."""
MAX_WORDS = 60_000
JPEG = b"\xff\xd8\xff"


@dataclass(frozen=True, slots=True)
class Line:
    """The words of one row of a page, from left to right; a masked word is MASKED."""

    page: int
    words: tuple[Word, ...]

    @property
    def text(self) -> str:
        """The words with spaces."""
        return " ".join(word.text for word in self.words)


@dataclass(frozen=True, slots=True)
class Copy:
    """The pages as JPEG, all of them as one PDF where there are several, the words, and how many of them are masked."""

    pictures: tuple[bytes, ...]
    document: bytes
    lines: tuple[Line, ...]
    masked: int


def make(source: Source, masks: Sequence[str], max_pages: int, max_pixels: int) -> Copy:
    """The copy of a document. A page without words is left out while anything is to be masked: nobody knows what is on it.
    Raises Unreadable: what keeps the file from being opened, and `nothing_to_show` where no page is left."""
    pictures, lines, masked = [], [], 0
    for image, page in _pages(source, max_pages, max_pixels):
        if masks and not page.words:
            continue
        shown, boxes = _masked(page, masks)
        image.thumbnail((LONG_SIDE, LONG_SIDE))
        _paint(image, [turn_box(box, page.turned) for box in boxes])
        pictures.append(image)
        lines += shown
        masked += len(boxes)
    if not pictures:
        raise Unreadable("The document has no page that may be shown.", code="nothing_to_show")
    whole = _as_pdf(pictures) if len(pictures) > 1 else b""
    return Copy(tuple(_as_jpeg(image) for image in pictures), whole, tuple(lines), masked)


def warm() -> None:
    """Load what paints and writes pictures, and the rules of check digits: a confined child can open no file."""
    from PIL import Image

    copy = Image.new("RGB", (8, 8), "white")
    _paint(copy, [(0.0, 0.0, 1.0, 1.0)])
    _as_jpeg(copy)
    _as_pdf([copy, copy])
    redaction.warm()


def _pages(source: Source, max_pages: int, max_pixels: int) -> Iterator[tuple[Any, Page]]:
    """Each page as a picture, with its words by the text layer where that can be believed, else by OCR."""
    from akount.extraction.ocr import read_image
    from akount.extraction.textlayer import read_pages

    if source.media_type.startswith("image/"):
        for number, _count, image in open_images(source, max_pages, max_pixels):
            yield image.copy(), read_image(image, number)
    if source.media_type == "application/pdf":
        texts = read_pages(source, max_pages)
        with pdf.open_pdf(source.data, max_pages) as document:
            for index, text in enumerate(texts):
                with pdf.open_page(document, index) as page:
                    image = pdf.render(page, DPI, max_pixels)
                yield image, text if text is not None else read_image(image, index + 1)


def _masked(page: Page, masks: Sequence[str]) -> tuple[list[Line], list[Box]]:
    """The rows of a page with what is personal masked, and the places where it stands."""
    lines, boxes = [], []
    for row in rows_of(page):
        words = [word for cell in row.cells for word in cell.words]
        personal = personal_words([word.text for word in words], masks)
        boxes += [words[place].box for place in sorted(personal)]
        shown = tuple(replace(word, text=MASKED) if place in personal else word for place, word in enumerate(words))
        lines.append(Line(page.number, shown))
    return lines, boxes


def _paint(image: Any, boxes: Sequence[Box]) -> None:
    from PIL import ImageDraw

    brush = ImageDraw.Draw(image)
    for x0, y0, x1, y1 in boxes:
        more = MARGIN * (y1 - y0)
        brush.rectangle(
            (x0 * image.width - 2, (y0 - more) * image.height - 1, x1 * image.width + 2, (y1 + more) * image.height + 1),
            fill="black",
        )


def _as_jpeg(image: Any) -> bytes:
    """Only the pixels: what came with the picture is not written."""
    image.info.clear()
    out = io.BytesIO()
    image.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


def _as_pdf(images: list[Any]) -> bytes:
    out = io.BytesIO()
    images[0].save(out, "PDF", save_all=True, append_images=images[1:], resolution=DPI, quality=QUALITY)
    return out.getvalue()


def copy_to_json(copy: Copy) -> dict[str, Any]:
    """The copy as plain JSON values."""
    return {
        "pictures": [base64.b64encode(picture).decode() for picture in copy.pictures],
        "document": base64.b64encode(copy.document).decode(),
        "lines": [[line.page, [[word.text, *word.box, word.confidence] for word in line.words]] for line in copy.lines],
        "masked": copy.masked,
    }


def copy_from_json(raw: Any) -> Copy:
    """The copy that `copy_to_json` wrote. Raises ValueError for anything that is not one."""
    try:
        copy = Copy(
            pictures=tuple(base64.b64decode(picture, validate=True) for picture in raw["pictures"]),
            document=base64.b64decode(raw["document"], validate=True),
            lines=tuple(Line(int(page), tuple(_word(*word) for word in words)) for page, words in raw["lines"]),
            masked=int(raw["masked"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ValueError(f"not a copy: {type(error).__name__}") from error
    whole = copy.document.startswith(b"%PDF-") if len(copy.pictures) > 1 else not copy.document
    if not copy.pictures or not whole or not all(picture.startswith(JPEG) for picture in copy.pictures):
        raise ValueError("not a copy: no pictures")
    if sum(len(line.words) for line in copy.lines) > MAX_WORDS:
        raise ValueError("not a copy: too many words")
    return copy


def _word(text: Any, *numbers: Any) -> Word:
    *edges, confidence = numbers
    left, top, right, bottom = (min(1.0, max(0.0, float(edge))) for edge in edges)
    return Word(clean_text(str(text), 200), (left, top, right, bottom), min(100, max(0, int(confidence))))
