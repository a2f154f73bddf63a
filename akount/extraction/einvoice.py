"""The engine for electronic bills: CII (Factur-X, ZUGFeRD, XRechnung) and UBL, as XML or embedded in a PDF."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from akount.errors import Unreadable
from akount.extraction import einvoice_terms
from akount.extraction.einvoice_tables import ROOTS, Syntax
from akount.readings import MAX_LINES, Reading, Source

MAX_XML = 20_000_000
"""Bytes of XML that are parsed; the largest real bill seen has a tenth of that."""

MAX_ATTACHMENTS = 50


class EInvoice:
    """Reads what a machine wrote for machines: exact values, no places on a page."""

    name = einvoice_terms.ENGINE
    version = "1"

    def read(self, source: Source, report: Callable[[float], None]) -> Reading:
        """The terms of the XML. Raises Unreadable (`no_xml`, `malformed_xml`, `xml_doctype`, `not_an_invoice`, …)."""
        if source.media_type == "application/pdf":
            root, syntax = embedded_tree(source.data)
        elif source.media_type.endswith("xml"):
            root, syntax = tree(source.data)
        else:
            raise Unreadable("The document is not an electronic invoice.", code="no_xml")
        einvoice_terms.plain_names(root)
        terms = einvoice_terms.read_terms(root, syntax)
        report(1.0)
        return Reading(
            engine=self.name,
            engine_version=self.version,
            pages=1,
            fields=terms.fields,
            lines=tuple(terms.lines[:MAX_LINES]),
            tax_bands=tuple(terms.bands[:100]),
            credit_note=terms.credit_note,
            warnings=tuple(terms.warnings[:100]),
        )


def warm() -> None:
    """Load what reads XML."""
    from lxml import etree  # noqa: F401


def warm_for_pdfs() -> None:
    """Load what finds the XML inside of a PDF."""
    import pypdf  # noqa: F401


def tree(data: bytes) -> tuple[Any, Syntax]:
    """The parsed root element and its syntax. Raises Unreadable. Nothing outside of the bytes is ever looked at."""
    root = _parse(data)
    name = root.tag
    namespace, _, local = name[1:].rpartition("}") if name.startswith("{") else ("", "", name)
    syntax = ROOTS.get((namespace, local))
    if syntax is None:
        raise Unreadable(
            f"The XML is a {local[:60]!r}, not an invoice or credit note in CII or UBL; send the invoice itself.",
            code="not_an_invoice",
        )
    return root, syntax


def _parse(data: bytes) -> Any:
    from lxml import etree

    if len(data) > MAX_XML:
        raise Unreadable("The XML is too large for an invoice.", code="malformed_xml")
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        huge_tree=False,
        load_dtd=False,
        dtd_validation=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        if b"<!DOCTYPE" in data[:4096]:
            raise _doctype() from error
        raise Unreadable("The XML is damaged or cut off; ask the sender for the file again.", code="malformed_xml") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise _doctype()
    return root


def _doctype() -> Unreadable:
    return Unreadable("The XML declares a document type, which invoices must not do; it was not read.", code="xml_doctype")


def embedded_tree(data: bytes) -> tuple[Any, Syntax]:
    """The first attachment of a PDF that is a bill in XML. Raises Unreadable: `no_xml` when none is attached."""
    refusal = Unreadable("No electronic invoice is embedded in the PDF.", code="no_xml")
    for content in xml_attachments(data):
        try:
            return tree(content)
        except Unreadable as error:
            refusal = error
    raise refusal


def xml_attachments(data: bytes) -> list[bytes]:
    """The attached XML files, those with the names of the standards first. Raises Unreadable for a PDF that cannot be opened."""
    import io

    from pypdf import PdfReader

    # pypdf reports every repair of a crooked file; the text layer has its own opinion of such files.
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    if b"/EmbeddedFile" not in data and b"/ObjStm" not in data:
        return []
    try:
        reader = PdfReader(io.BytesIO(data))
        found = []
        for attachment in list(reader.attachment_list)[:MAX_ATTACHMENTS]:
            name = attachment.name.lower()
            if name.endswith(".xml"):
                found.append((not _is_standard_name(name), attachment.content))
    except Exception as error:
        raise Unreadable("The attachments of the PDF could not be opened.", code="no_xml") from error
    found.sort(key=lambda pair: pair[0])
    return [content for _, content in found]


def _is_standard_name(name: str) -> bool:
    return any(word in name for word in ("factur-x", "zugferd", "xrechnung", "facturx"))
