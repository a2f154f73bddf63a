"""One page of a document as a person sees it: a picture made by us, in which nothing of the file is left but what it shows."""

from __future__ import annotations

import io
from typing import Any

from akount.errors import Unreadable
from akount.extraction import images, pdf
from akount.readings import Source

DPI = 150
LONG_SIDE = 2_000
"""Pixels of the longer side at most: what a screen shows, also enlarged."""


def picture(source: Source, number: int, max_pages: int, max_pixels: int) -> bytes:
    """The page, counted from 1, as PNG, upright and in the frame that the boxes of evidence refer to. Raises Unreadable:
    `no_such_page`, or what keeps the file from being opened."""
    if source.media_type == "application/pdf":
        with pdf.open_pdf(source.data, max_pages) as document:
            if not 0 < number <= len(document):
                raise _no_such_page()
            with pdf.open_page(document, number - 1) as page:
                return _png(pdf.render(page, DPI, max_pixels))
    if source.media_type.startswith("image/"):
        for at, _count, image in images.open_images(source, max_pages, max_pixels):
            if at == number:
                return _png(image)
    raise _no_such_page()


def _no_such_page() -> Unreadable:
    return Unreadable("The document has no such page.", code="no_such_page")


def _png(image: Any) -> bytes:
    """Only the pixels: a profile, a comment or a place that came with the picture is not written."""
    image.thumbnail((LONG_SIDE, LONG_SIDE))
    image.info.clear()
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=3)
    return out.getvalue()
