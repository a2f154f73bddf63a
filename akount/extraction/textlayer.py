"""The engine for PDFs that carry their text: words with places, if the text layer can be believed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from akount.errors import Unreadable
from akount.extraction import pdf
from akount.extraction.fields import read_document
from akount.extraction.layout import Document, Page
from akount.readings import Evidence, Reading, Source, Value

_TOKEN = re.compile(r"[^\W\d_]{2,}\.?|[\d.,:/%€$£+-]+\w?|\w{1,3}|[\w.-]+@[\w.-]+|\W+|[\w.,:/()#&'’+-]{2,30}")
_WORDLIKE = re.compile(r"[^\W\d_]{3,}")
_VOWEL = re.compile(r"[aeiouyäöüáàâãåéèêëíìîïóòôõøúùûæœąęó]", re.IGNORECASE)
_OTHER_SCRIPT = re.compile(r"[^\x00-\u024f\u2000-\u2bff]")


class TextLayer:
    """Reads the words a PDF carries. Pages without believable text are left to OCR."""

    name = "textlayer"
    version = "1"

    def __init__(self, max_pages: int = 50) -> None:
        self.max_pages = max_pages

    def read(self, source: Source, report: Callable[[float], None]) -> Reading:
        """The reading of the pages with text. Raises Unreadable `no_text` when no page has any, or as `pdf.open_pdf`."""
        if source.media_type != "application/pdf":
            raise Unreadable("The document is not a PDF.", code="not_a_pdf")
        pages = [page for page in read_pages(source, self.max_pages, report) if page is not None]
        if not any(page.words for page in pages):
            raise Unreadable("The PDF carries no text that can be read.", code="no_text")
        return read_document(Document(pages), self.name, self.version)


def read_pages(source: Source, max_pages: int, report: Callable[[float], None] = lambda _share: None) -> list[Page | None]:
    """Every page that is to be read, by its text layer; None for a page that needs OCR. A blank page has no words."""
    pages: list[Page | None] = []
    with pdf.open_pdf(source.data, max_pages) as document:
        count = source.pages_of(len(document))
        for index in range(count):
            with pdf.open_page(document, index) as page:
                pages.append(None if source.options.ocr_only else _read_page(page, index + 1))
            report((index + 1) / count)
    return pages


def _read_page(page: Any, number: int) -> Page | None:
    found = pdf.glyphs(page)
    if needs_ocr(found, pdf.pictures(page)):
        return None
    return pdf.layout_page(page, number, found)


def needs_ocr(found: pdf.Glyphs, drawn: pdf.Pictures) -> bool:
    """Whether the text layer of a page is missing, broken, or somebody else's OCR. The order of the questions matters."""
    if found.chars < 25:
        return drawn.share > 0 or drawn.vectors or found.chars > 0
    if found.map_errors > 0.2 * found.chars or found.odd > 0.1 * found.chars:
        return True
    if found.invisible > 0.5 * found.chars:
        return drawn.share > 0.5
    thin = drawn.share > 0.85 and found.chars < 200
    return thin or not found.words or not _plausible([word.text for word in found.words])


def _plausible(texts: list[str]) -> bool:
    """Whether words look like words: fonts without a true encoding give letters without sense. Other scripts pass."""
    if _OTHER_SCRIPT.search("".join(texts)):
        return True
    tokens = sum(_TOKEN.fullmatch(text) is not None for text in texts)
    wordlike = [text for text in texts if _WORDLIKE.fullmatch(text)]
    vowels = sum(_VOWEL.search(text) is not None for text in wordlike)
    return tokens >= 0.35 * len(texts) and vowels >= 0.5 * len(wordlike)


def compare_with_pages(reading: Reading, source: Source) -> Reading:
    """The reading of embedded XML, its values placed on the pages where they are printed.

    Warns when number, date or total are not printed: somebody sees something else than the machine. Pages that
    cannot be read say nothing.
    """
    try:
        pages = [page for page in read_pages(source, 50) if page is not None]
    except Unreadable:
        return reading
    document = Document(pages)
    if len(document.cells) < 5:
        return replace(reading, pages=max(1, len(pages)))
    fields, warnings = dict(reading.fields), list(reading.warnings)
    for name, value in reading.fields.items():
        evidence = _printed(value, document)
        if evidence is not None:
            fields[name] = Value(value.value, value.confidence, evidence)
        elif name in ("invoice_number", "issue_date", "total"):
            label = name.replace("_", " ")
            warnings.append(f"The {label} of the embedded XML is not printed on the pages; compare both before paying.")
    return replace(reading, fields=fields, warnings=tuple(warnings), pages=len(pages))


def _printed(value: Value, document: Document) -> Evidence | None:
    from akount.extraction import dates, money

    if isinstance(value.value, Decimal):
        for amount in money.amounts(document):
            if abs(amount.value) == abs(value.value):
                return Evidence(amount.cell.page, amount.box, amount.text, "einvoice")
        return None
    if isinstance(value.value, str):
        wanted = re.sub(r"\W", "", value.value).casefold()
        for cell in document.cells:
            if wanted and wanted in re.sub(r"\W", "", cell.text).casefold():
                return Evidence(cell.page, cell.box, cell.text, "einvoice")
        return None
    for date in dates.dates(document):
        if value.value in date.readings:
            return Evidence(date.cell.page, date.box, date.text, "einvoice")
    return None
