"""How a file is built, before anybody reads it: whether it can be opened at all and is not too much of anything.

The verdicts are those of the engines, made by the same functions: what is refused at the door is what a worker would have
refused, in the same words. It runs where engines run, in a confined child, and nowhere else.
"""

from __future__ import annotations

from akount.extraction import einvoice, images, pdf, specimen
from akount.readings import Source


def warm() -> None:
    """Load what opens files and open some, and nothing else: the less a process has in memory, the cheaper it is to fork."""
    einvoice.warm()
    images.warm()
    pdf.warm()
    for source in specimen.sources():
        examine(source, max_pages=1, max_pixels=1)


def examine(source: Source, max_pages: int, max_pixels: int) -> int:
    """How many pages a document has that may be read. Raises Unreadable: `encrypted`, `damaged`, `empty_document`,
    `too_many_pages`, `too_many_pixels`, `too_small`, `malformed_xml`, `xml_doctype`, `not_an_invoice`."""
    if source.media_type == "application/pdf":
        with pdf.open_pdf(source.data, max_pages) as document:
            return len(document)
    if source.media_type.startswith("image/"):
        return images.measure(source, max_pages, max_pixels)
    einvoice.tree(source.data)
    return 1
