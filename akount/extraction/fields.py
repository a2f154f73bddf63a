"""The fields of a document, found in its layout."""

from __future__ import annotations

from akount.extraction.layout import Document
from akount.readings import Reading


def read_document(document: Document, engine: str, version: str) -> Reading:
    """The reading of a document by its words."""
    return Reading(engine, version, len(document.pages), {})
