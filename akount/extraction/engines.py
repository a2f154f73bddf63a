"""What an engine is, and the order in which engines are asked: the first complete reading wins."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from akount.errors import Unreadable
from akount.readings import Reading, Refusal, Source

MAX_PAGES = 50
MAX_PIXELS = 60_000_000

Report = Callable[[float], None]
"""Told the share of the work that is done, 0 to 1."""


class Loads(enum.StrEnum):
    """What a reader has in memory before it forks: the more, the dearer a fork."""

    STRUCTURE = "structure"
    "opens files, and looks how they are built"
    TEXT = "text"
    "reads what carries its words"
    MODELS = "models"
    "reads pictures as well"


class NeedsModels(Exception):
    """The next step is OCR, and the models for it are in another process."""


class Engine(Protocol):
    """Something that can read documents."""

    name: str
    version: str

    def read(self, source: Source, report: Report) -> Reading:
        """What the document says. Raises Unreadable with a stable code for a document this engine cannot read."""
        ...


# Which refusal tells a person most, when every engine refused: what is wrong with the file before what is not in it.
_TELLING = (
    "encrypted",
    "too_many_pages",
    "too_many_pixels",
    "too_small",
    "xml_doctype",
    "malformed_xml",
    "not_an_invoice",
    "heic_unsupported",
    "damaged",
    "empty_document",
    "no_text",
    "no_values",
)


def local_engines(max_pages: int = MAX_PAGES, max_pixels: int = MAX_PIXELS, *, models: bool = True) -> tuple[Engine, ...]:
    """The engines that need nothing but this machine, in the order they are asked. Without `models` OCR raises NeedsModels
    where it would begin."""
    from akount.extraction.einvoice import EInvoice
    from akount.extraction.ocr import Ocr
    from akount.extraction.textlayer import TextLayer

    return (EInvoice(), TextLayer(max_pages), Ocr(max_pages, max_pixels, models=models))


def read_source(
    source: Source,
    report: Report = lambda _share: None,
    *,
    max_pages: int = MAX_PAGES,
    max_pixels: int = MAX_PIXELS,
    models: bool = True,
) -> Reading:
    """The best reading of the document by the local engines. Raises Unreadable when none found anything, and NeedsModels
    without `models` when it is for OCR to say."""
    engines = local_engines(max_pages, max_pixels, models=models)
    if source.options.ocr_only:
        engines = tuple(engine for engine in engines if engine.name == "ocr")
    return read_with(engines, source, report)


def read_with(engines: Sequence[Engine], source: Source, report: Report) -> Reading:
    """The first complete reading, else the incomplete one with most values; refusals are kept in it.

    Raises the most telling Unreadable when no engine found a value. A file that is not well (`encrypted`, too large)
    is not offered to the next engine.
    """
    report = only_forwards(report)
    refusals: list[Refusal] = []
    errors: list[Unreadable] = []
    best: Reading | None = None
    for engine in engines:
        try:
            reading = engine.read(source, report)
        except Unreadable as error:
            errors.append(error)
            refusals.append(Refusal(engine.name, error.code, error.detail))
            continue
        if best is None or reading.complete or len(reading.fields) > len(best.fields):
            best = reading
        if reading.complete:
            break
        refusals.append(Refusal(engine.name, "incomplete", "No total was found."))
    if best is None or not best.fields:
        raise _most_telling(errors)
    report(1.0)
    return replace(cross_checked(best, source), refusals=tuple(refusals))


def only_forwards(report: Report) -> Report:
    """The report, told only when there is progress: the next engine starts again at nothing."""
    told = 0.0

    def forwards(share: float) -> None:
        nonlocal told
        if share > told:
            told = min(1.0, share)
            report(told)

    return forwards


def _most_telling(errors: Sequence[Unreadable]) -> Unreadable:
    ranked = sorted((error for error in errors if error.code in _TELLING), key=lambda error: _TELLING.index(error.code))
    return ranked[0] if ranked else Unreadable("Nothing was found in the document that belongs to an invoice.", code="no_values")


def cross_checked(reading: Reading, source: Source) -> Reading:
    """A reading of XML embedded in a PDF, with places and warnings by what the pages say; other readings as they are.

    What people see and what machines read can differ, by mistake or on purpose: then somebody has to look.
    """
    if reading.engine != "einvoice" or source.media_type != "application/pdf":
        return reading
    from akount.extraction.textlayer import compare_with_pages

    return compare_with_pages(reading, source)


def warm(loads: Loads = Loads.MODELS) -> None:
    """Load libraries, tables and models once, and read a specimen, so that a process forked from this one reads at once."""
    from akount.extraction import structure

    structure.warm()
    if loads is Loads.STRUCTURE:
        return
    from akount.extraction import copies, einvoice, fields, ocr, specimen

    einvoice.warm_for_pdfs()
    fields.warm()
    if loads is Loads.MODELS:
        copies.warm()
        ocr.warm()
    for source in specimen.sources():
        read_source(source, models=False)
