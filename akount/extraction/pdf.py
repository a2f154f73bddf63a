"""What pdfium says about a PDF: its pages, their words and pictures.

pdfium is not thread-safe: one thread per process may be in this module. Open documents with `with open_pdf(...)`.
"""

from __future__ import annotations

import contextlib
import ctypes
import enum
import functools
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from akount.errors import Unreadable
from akount.extraction.disguises import OVERRIDES, UNPRINTED, is_disguised
from akount.extraction.layout import Page, Word, turn_box
from akount.readings import Box

MAX_CHARS = 60_000
"""Characters of one page that are looked at; a dense page of print has 8,000."""

MAX_OBJECTS = 4_000
MAX_TOLD = 500
"""Unseen words of a page that are remembered."""
MAX_SIDE = 4_000
_DEVICE = 1_000_000  # pdfium maps to whole pixels: on a page this wide they are exact enough
_SPAN = 1_000.0  # points, about the size of a page
_INVISIBLE_MODE = 3
_JUMP = 1.2  # text heights between two characters of one word


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The characters of a page before they become words, and what the classifier wants to know about them."""

    words: tuple[Word, ...]
    """Their boxes are those of the page turned by `turned` degrees counter-clockwise, which makes most rows level."""
    chars: int
    map_errors: int
    odd: int
    invisible: int
    turned: int = 0
    unseen: tuple[str, ...] = ()
    disguised: tuple[str, ...] = ()
    overrides: bool = False
    """As layout.Page has them."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """How much of the page images cover (0-1), and whether anything else is drawn."""

    share: float
    vectors: bool


def warm() -> None:
    """Load pdfium."""
    import pypdfium2  # noqa: F401


@contextlib.contextmanager
def open_pdf(data: bytes, max_pages: int) -> Iterator[Any]:
    """The document of pypdfium2. Raises Unreadable: `encrypted`, `damaged`, `empty_document`, `too_many_pages`."""
    import pypdfium2 as pdfium

    try:
        document = pdfium.PdfDocument(data)
    except pdfium.PdfiumError as error:
        if getattr(error, "err_code", None) in (pdfium.raw.FPDF_ERR_PASSWORD, pdfium.raw.FPDF_ERR_SECURITY):
            raise Unreadable(
                "The PDF is protected by a password; save it without one and send it again.", code="encrypted"
            ) from error
        raise Unreadable("The PDF is damaged and cannot be opened; ask the sender for the file again.", code="damaged") from error
    try:
        count = len(document)
        if count == 0:
            raise Unreadable("The PDF has no pages.", code="empty_document")
        if count > max_pages:
            raise Unreadable(
                f"The PDF has {count} pages; at most {max_pages} are read. Send the invoice alone.", code="too_many_pages"
            )
        yield document
    finally:
        document.close()


@contextlib.contextmanager
def open_page(document: Any, index: int) -> Iterator[Any]:
    """A page by its index from 0. Raises Unreadable `damaged` when pdfium cannot load it."""
    import pypdfium2 as pdfium

    try:
        page = document[index]
    except pdfium.PdfiumError as error:
        raise Unreadable(f"Page {index + 1} of the PDF is damaged.", code="damaged") from error
    try:
        yield page
    finally:
        page.close()


def render(page: Any, dpi: float, max_pixels: int) -> Any:
    """The page as an RGB image of Pillow, coarser than asked for when it would be wider or higher than MAX_SIDE pixels.

    Raises Unreadable `too_many_pixels` for a page that is too large even so.
    """
    width, height = page.get_size()
    scale = min(dpi / 72, MAX_SIDE / max(width, height, 1.0))
    if not 0 < width * height * scale * scale <= max_pixels:
        raise Unreadable("A page of the PDF is too large to be read; send it in a usual paper size.", code="too_many_pixels")
    return page.render(scale=scale, draw_annots=True).to_pil().convert("RGB")


def layout_page(page: Any, number: int, found: Glyphs) -> Page:
    """The words with the size of their page, turned as they are."""
    width, height = page.get_size()
    if found.turned in (90, 270):
        width, height = height, width
    return Page(
        number,
        max(1.0, width),
        max(1.0, height),
        found.words,
        turned=found.turned,
        unseen=found.unseen,
        disguised=found.disguised,
        overrides=found.overrides,
    )


def glyphs(page: Any) -> Glyphs:
    """The words a person can see on the page, in the order of the file, and counts over all characters."""
    textpage = page.get_textpage()
    try:
        return _Collector(page, textpage).collect()
    finally:
        textpage.close()


def pictures(page: Any) -> Pictures:
    """What else than text is on the page; overlapping images count twice, so the share is an upper bound."""
    from pypdfium2 import raw

    width, height = page.get_size()
    area, vectors = 0.0, False
    for index, thing in enumerate(page.get_objects(max_depth=3)):
        if index > MAX_OBJECTS:
            break
        if thing.type == raw.FPDF_PAGEOBJ_IMAGE:
            left, bottom, right, top = thing.get_bounds()
            area += max(0.0, right - left) * max(0.0, top - bottom)
        vectors = vectors or thing.type in (raw.FPDF_PAGEOBJ_PATH, raw.FPDF_PAGEOBJ_SHADING)
    return Pictures(min(1.0, area / max(1.0, width * height)), vectors)


class _Sort(enum.Enum):
    """What becomes of a character."""

    LETTER = enum.auto()
    SPACE = enum.auto()
    NOTHING = enum.auto()
    "a hyphen at the end of a line, or no character at all"
    CONTROL = enum.auto()
    UNPRINTED = enum.auto()
    ODD = enum.auto()
    "shown, and of no meaning"


@functools.lru_cache(maxsize=4096)
def _sorted(code: int) -> tuple[str, _Sort]:
    """The character of a code, and what becomes of it."""
    char = "\ufffd" if 0xD800 <= code <= 0xDFFF else chr(code)  # half of a pair: a sign beyond the letters of bills
    if char in "\x02\ufffe":
        return char, _Sort.NOTHING
    if char.isspace():
        return char, _Sort.SPACE
    if UNPRINTED.match(char):
        return char, _Sort.CONTROL if char < " " or "\x7f" <= char <= "\x9f" else _Sort.UNPRINTED
    return char, _Sort.ODD if "\ue000" <= char <= "\uf8ff" or char == "\ufffd" else _Sort.LETTER


class _Collector:
    """Groups the characters of a page into words at pdfium's own spaces, and drops what is not to be seen."""

    def __init__(self, page: Any, textpage: Any) -> None:
        from pypdfium2 import raw

        self.raw, self.page, self.textpage = raw, page, textpage.raw
        self.words: list[Word] = []
        self.doubtful: list[Word] = []
        self.text: list[str] = []
        self.boxes: list[Box] = []
        self.doubt = False
        self.rect = raw.FS_RECTF()
        self.matrix = _page_matrix(page)
        self.turns: Counter[int] = Counter()
        width, height = page.get_size()
        self.aspect = max(1.0, height) / max(1.0, width)
        self.colour = [ctypes.c_uint() for _ in range(4)]
        self.modes: dict[bytes, bool] = {}
        self.unseen: list[str] = []
        self.disguised: list[str] = []
        self.ghost: list[str] = []
        self.overrides = False

    def collect(self) -> Glyphs:
        unicode_of, has_error = self.raw.FPDFText_GetUnicode, self.raw.FPDFText_HasUnicodeMapError
        chars = errors = odd = invisible = 0
        for index in range(min(self.raw.FPDFText_CountChars(self.textpage), MAX_CHARS)):
            char, sort = _sorted(unicode_of(self.textpage, index))
            if sort is _Sort.SPACE:
                self.flush()
            if sort in (_Sort.SPACE, _Sort.NOTHING):
                continue
            chars += 1
            odd += sort in (_Sort.CONTROL, _Sort.ODD)
            if sort in (_Sort.CONTROL, _Sort.UNPRINTED):
                self.overrides = self.overrides or char in OVERRIDES
                continue
            errors += has_error(self.textpage, index) == 1
            if self.is_invisible(index):
                invisible += 1
                if not self.ghost:
                    self.flush()
                self.ghost.append(char)
                continue
            if self.ghost:
                self.flush()
            self.add(char, index)
        self.flush()
        seen = _seen(self.page, self.doubtful)
        self.words += seen
        self.unseen += [word.text for word in self.doubtful if word not in seen]
        turn = self.turns.most_common(1)[0][0] if self.turns else 0
        words = tuple(replace(word, box=turn_box(word.box, 360 - turn)) for word in self.words) if turn else tuple(self.words)
        told = (tuple(self.unseen[:MAX_TOLD]), tuple(self.disguised[:MAX_TOLD]), self.overrides)
        return Glyphs(words, chars, errors, odd, invisible, turn, *told)

    def is_invisible(self, index: int) -> bool:
        thing = self.raw.FPDFText_GetTextObject(self.textpage, index)
        key = bytes(thing)  # the address
        if key not in self.modes:
            self.modes[key] = self.raw.FPDFTextObj_GetTextRenderMode(thing) == _INVISIBLE_MODE
        return self.modes[key]

    def is_pale(self, index: int) -> bool:
        red, green, blue, alpha = self.colour
        if not self.raw.FPDFText_GetFillColor(self.textpage, index, red, green, blue, alpha):
            return False
        return alpha.value < 40 or min(red.value, green.value, blue.value) > 215

    def add(self, char: str, index: int) -> None:
        if not self.raw.FPDFText_GetLooseCharBox(self.textpage, index, self.rect):
            return
        box = self.map(self.rect)
        if self.boxes and _apart(self.boxes[-1], box):
            self.flush()
        if not self.text:
            self.doubt = self.is_pale(index)
        self.text.append(char)
        self.boxes.append(box)

    def map(self, rect: Any) -> Box:
        a, b, c, d, e, f = self.matrix
        left, top, right, bottom = rect.left, rect.top, rect.right, rect.bottom
        x0, x1 = a * left + b * top + c, a * right + b * bottom + c
        y0, y1 = d * left + e * top + f, d * right + e * bottom + f
        if x0 > x1:
            x0, x1 = x1, x0
        return (x0, y0, x1, y1) if y0 <= y1 else (x0, y1, x1, y0)

    def flush(self) -> None:
        if self.text:
            x0, y0, x1, y1 = zip(*self.boxes, strict=True)
            box = (min(x0), min(y0), max(x1), max(y1))
            text = "".join(self.text)
            if not _on_page(box):
                self.unseen.append(text)
            elif is_disguised(text):
                self.disguised.append(text)
            else:
                home = self.doubtful if self.doubt or box[3] - box[1] < 0.003 else self.words
                home.append(Word(text, box))
                if len(self.text) > 2:
                    self.turns[_turn_for(self.boxes[0], self.boxes[-1], self.aspect)] += 1
        if self.ghost:
            self.unseen.append("".join(self.ghost))
        self.text, self.boxes, self.ghost = [], [], []


def _page_matrix(page: Any) -> tuple[float, float, float, float, float, float]:
    """From page coordinates to fractions of the page as seen: what pdfium does to three points, as it is done to all.

    Rotation, cropping and a displaced origin are in it; the boxes of characters know nothing of them.
    """
    from pypdfium2 import raw

    x, y = ctypes.c_int(), ctypes.c_int()

    def place(at_x: float, at_y: float) -> tuple[float, float]:
        raw.FPDF_PageToDevice(page, 0, 0, _DEVICE, _DEVICE, 0, at_x, at_y, x, y)
        return x.value / _DEVICE, y.value / _DEVICE

    (c, f), (right, right_y), (up_x, up) = place(0, 0), place(_SPAN, 0), place(0, _SPAN)
    return ((right - c) / _SPAN, (up_x - c) / _SPAN, c, (right_y - f) / _SPAN, (up - f) / _SPAN, f)


def _turn_for(first: Box, last: Box, aspect: float) -> int:
    """By how many degrees counter-clockwise a page has to be turned so that a word runs from left to right."""
    right, down = last[0] - first[0], (last[1] - first[1]) * aspect
    if abs(right) >= abs(down):
        return 0 if right >= 0 else 180
    return 90 if down > 0 else 270


def _apart(last: Box, box: Box) -> bool:
    """Whether two characters cannot be of one word: far from each other, or on other lines."""
    height = max(1e-4, min(last[3] - last[1], box[3] - box[1]))
    middle = (box[1] + box[3]) / 2
    upright = last[1] - 0.3 * height <= middle <= last[3] + 0.3 * height
    sideways = abs((box[0] + box[2]) - (last[0] + last[2])) / 2 < box[2] - box[0]
    return not (upright or sideways) or (upright and box[0] - last[2] > _JUMP * height)


def _on_page(box: Box) -> bool:
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return 0 <= x <= 1 and 0 <= y <= 1


def _seen(page: Any, words: list[Word]) -> list[Word]:
    """Those pale or tiny words that differ from their background when the page is rendered (white on dark, say)."""
    if not words:
        return []
    image = render(page, 72, MAX_SIDE**2).convert("L")
    width, height = image.size
    seen = []
    for word in words:
        x0, y0, x1, y1 = word.box
        area = image.crop(
            (
                int(x0 * width),
                int(y0 * height),
                max(int(x0 * width) + 1, int(x1 * width)),
                max(int(y0 * height) + 1, int(y1 * height)),
            )
        )
        low, high = area.getextrema()
        if high - low > 60 and re.search(r"\w", word.text) and (y1 - y0) * height > 2:
            seen.append(word)
    return seen
