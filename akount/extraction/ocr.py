"""The engine for pictures: photos, scans, and PDF pages whose text layer is missing or not to be believed."""

from __future__ import annotations

import math
import statistics
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from akount.errors import Unreadable
from akount.extraction import pdf
from akount.extraction.engines import NeedsModels
from akount.extraction.fields import read_document
from akount.extraction.images import open_images
from akount.extraction.layout import Document, Page, Word
from akount.extraction.textlayer import read_pages
from akount.readings import Box, Reading, Source

LONG_SIDE = 2_000
"""Pixels of the longer side that OCR works on; more costs time and finds nothing."""

DPI = 200
FINE = 1.5
"""So much more of both, where somebody asked for it."""
_TURN_SCORE = 0.85  # mean score of a page below which other directions are tried
_lock = threading.Lock()
_engine: Any = None


class Ocr:
    """Reads pictures with the models inside of the rapidocr package; nothing is ever downloaded."""

    name = "ocr"
    version = "rapidocr-3"

    def __init__(self, max_pages: int = 50, max_pixels: int = 60_000_000, *, models: bool = True) -> None:
        """Without `models` it raises NeedsModels when there is a picture to be read."""
        self.max_pages, self.max_pixels, self.models = max_pages, max_pixels, models

    def read(self, source: Source, report: Callable[[float], None]) -> Reading:
        """The reading of all pages. Raises Unreadable: `empty_document`, `too_small`, `too_many_pixels`, `damaged`, …"""
        if source.media_type == "application/pdf":
            pages = self._pdf_pages(source, report)
        elif source.media_type.startswith("image/"):
            pages = self._image_pages(source, report)
        else:
            raise Unreadable("The document is not a picture.", code="not_an_image")
        if not any(page.words for page in pages):
            raise Unreadable(
                "There is no text to be read in the document; check that the right page was scanned.", code="empty_document"
            )
        return read_document(Document(pages, scanned=True), self.name, self.version)

    def _pdf_pages(self, source: Source, report: Callable[[float], None]) -> list[Page]:
        """Pages with a text layer by their text, the others by OCR."""
        texts = read_pages(source, self.max_pages)
        if not self.models and None in texts:
            raise NeedsModels
        pages, scale = [], _scale(source)
        with pdf.open_pdf(source.data, self.max_pages) as document:
            for index, text in enumerate(texts):
                if text is not None:
                    pages.append(text)
                else:
                    with pdf.open_page(document, index) as page:
                        pages.append(read_image(pdf.render(page, DPI * scale, self.max_pixels), index + 1, scale))
                report((index + 1) / len(texts))
        return pages

    def _image_pages(self, source: Source, report: Callable[[float], None]) -> list[Page]:
        pages = []
        for number, count, image in open_images(source, self.max_pages, self.max_pixels):
            if number > source.pages_of(count):
                break
            if not self.models:
                raise NeedsModels
            pages.append(read_image(image, number, _scale(source)))
            report(number / source.pages_of(count))
        return pages


def _scale(source: Source) -> float:
    """How much larger than as always a picture is looked at."""
    return FINE if source.options.fine else 1.0


def warm() -> None:
    """Load the models and run them once."""
    from PIL import Image

    read_image(Image.new("RGB", (320, 160), "white"), 1)


def read_image(image: Any, number: int, scale: float = 1.0) -> Page:
    """The words of one picture, turned upright when it lies on its side or on its head."""
    image = image.copy()
    longest = round(LONG_SIDE * scale)
    image.thumbnail((longest, longest))
    lines = _recognise(image)
    turned = 0
    if lines and _looks_turned(lines):
        image, lines, turned = _best_turn(image, lines)
    words = tuple(word for line in lines for word in _words(line, image.size))
    return Page(number, float(image.width), float(image.height), words, slope=_slope(lines, image.size), turned=turned)


_Line = tuple[str, float, list[tuple[str, float, list[list[float]]]], list[list[float]]]
"""Text, score, its words (text, score, corners) and corners, in pixels."""


def _recognise(image: Any) -> list[_Line]:
    import numpy as np

    pixels = np.ascontiguousarray(np.asarray(image)[:, :, ::-1])
    result = _models()(pixels, return_word_box=True)
    if result is None or result.txts is None or result.boxes is None:
        return []
    words = result.word_results or [()] * len(result.txts)
    return [
        (text, float(score), [(part[0], float(part[1]), part[2]) for part in parts if part[2] is not None], box.tolist())
        for text, score, parts, box in zip(result.txts, result.scores, words, result.boxes, strict=True)
    ]


def _models() -> Any:
    global _engine  # noqa: PLW0603 - one set of models per process: loading costs half a second and 160 MB
    with _lock:
        if _engine is None:
            _engine = _load()
        return _engine


def _load() -> Any:
    import cv2
    import rapidocr

    cv2.setNumThreads(1)  # type: ignore[attr-defined, unused-ignore]
    models = Path(rapidocr.__file__).parent / "models"
    return rapidocr.RapidOCR(
        params={
            "Global.log_level": "critical",
            "Global.use_cls": False,
            "Global.max_side_len": LONG_SIDE,
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            "Det.model_path": str(models / "PP-OCRv6_det_small.onnx"),
            "Rec.model_path": str(models / "PP-OCRv6_rec_small.onnx"),
            "Cls.model_path": str(models / "ch_ppocr_mobile_v2.0_cls_mobile.onnx"),
            "Det.limit_type": "max",
            "Det.limit_side_len": 1280,
            "Rec.rec_batch_num": 1,
            "Rec.rec_img_shape": [3, 48, 64],
        }
    )


def _score(lines: list[_Line]) -> float:
    """Mean score weighted by length: what a page in the right direction gets 0.9 and more of."""
    letters = sum(len(line[0]) for line in lines)
    return sum(line[1] * len(line[0]) for line in lines) / letters if letters else 0.0


def _looks_turned(lines: list[_Line]) -> bool:
    long = [line for line in lines if len(line[0]) > 2] or lines
    tall = sum(_is_tall(line[3]) for line in long)
    return _score(lines) < _TURN_SCORE or tall > len(long) / 2


def _is_tall(corners: list[list[float]]) -> bool:
    (x0, y0), (x1, y1), (x2, y2), _ = corners
    return math.hypot(x2 - x1, y2 - y1) > 1.3 * math.hypot(x1 - x0, y1 - y0) or abs(y1 - y0) > abs(x1 - x0)


def _best_turn(image: Any, lines: list[_Line]) -> tuple[Any, list[_Line], int]:
    """The picture in the direction (degrees counter-clockwise) that reads best, the given one first."""
    tall = sum(_is_tall(line[3]) for line in lines) > len(lines) / 2
    best = (image, lines, 0)
    best_worth = _score(lines) * (0.8 if tall else 1.0)
    for angle in (90, 270, 180) if tall else (180, 90, 270):
        other = image.rotate(angle, expand=True)
        found = _recognise(other)
        still_tall = bool(found) and sum(_is_tall(line[3]) for line in found) > len(found) / 2
        worth = _score(found) * (0.8 if still_tall else 1.0)
        if worth > best_worth:
            best, best_worth = (other, found, angle), worth
        if best_worth > 0.9:
            break
    return best


def _words(line: _Line, size: tuple[int, int]) -> list[Word]:
    text, score, parts, corners = line
    if not parts or "".join(part[0] for part in parts).replace(" ", "") != text.replace(" ", ""):
        return _split_evenly(text, score, _box(corners, size))
    words: list[Word] = []
    at = 0
    for piece in text.split():
        taken, boxes, scores = "", [], []
        while at < len(parts) and len(taken) < len(piece):
            taken += parts[at][0].replace(" ", "")
            boxes.append(parts[at][2])
            scores.append(parts[at][1])
            at += 1
        if taken != piece:
            return _split_evenly(text, score, _box(corners, size))
        corners_of = [corner for box in boxes for corner in box]
        words.append(Word(piece, _box(corners_of, size), round(100 * min(scores))))
    return words


def _split_evenly(text: str, score: float, box: Box) -> list[Word]:
    """Words of a line whose own boxes are unknown: each gets its share of the letters."""
    x0, y0, x1, y1 = box
    step = (x1 - x0) / max(1, len(text))
    words, at = [], 0
    for piece in text.split():
        at = text.index(piece, at)
        words.append(Word(piece, (x0 + at * step, y0, x0 + (at + len(piece)) * step, y1), round(100 * score)))
        at += len(piece)
    return words


def _box(corners: list[list[float]], size: tuple[int, int]) -> Box:
    xs, ys = [corner[0] for corner in corners], [corner[1] for corner in corners]
    return (min(xs) / size[0], min(ys) / size[1], max(xs) / size[0], max(ys) / size[1])


def _slope(lines: list[_Line], size: tuple[int, int]) -> float:
    """How far rows fall over the width of the page, in page heights: the median over lines long enough to tell."""
    width, height = size
    slopes = [
        (corners[1][1] - corners[0][1]) / (corners[1][0] - corners[0][0])
        for text, _, _, corners in lines
        if len(text) > 4 and corners[1][0] - corners[0][0] > 20
    ]
    return statistics.median(slopes) * width / height if slopes else 0.0
