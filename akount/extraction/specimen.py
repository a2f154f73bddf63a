"""Documents of nobody, read once before a reader forks: what is made at its first use - patterns, tables, rules of check
digits, parts of libraries - is then there in every child."""

from __future__ import annotations

from akount.readings import Source

_ROWS: tuple[tuple[tuple[int, str], ...], ...] = (
    ((50, "Specimen Handels GmbH"), (400, "INVOICE / Rechnung")),
    ((50, "Musterweg 12, 10115 Berlin, Deutschland"), (400, "Invoice number: RE-2025/0417")),
    ((50, "USt-IdNr. DE136695976"), (400, "Date: 14 March 2025"), (520, "03/14/25")),
    ((50, "Bill to:"), (400, "Due date: 2025-04-13")),
    ((50, "Example Trading Ltd"), (400, "Payment terms: 30 days net")),
    ((50, "12 Mill Lane, London SW1A 1AA, United Kingdom"), (400, "VAT no. GB 980 7806 84")),
    ((50, "www.specimen.example"), (300, "bookkeeping@specimen.example")),
    ((50, "Description"), (270, "Qty"), (340, "Unit price"), (430, "VAT %"), (510, "Amount EUR")),
    ((50, "Paper, white (A4)"), (270, "2 pcs"), (340, "1.250,00"), (430, "19 %"), (510, "2.500,00")),
    ((50, "Ink of another sort"), (270, "3"), (340, "100,50"), (430, "19 %"), (510, "301,50")),
    ((340, "Subtotal"), (510, "2.801,50")),
    ((340, "19 % VAT on 2.801,50"), (510, "532,29")),
    ((340, "Total EUR"), (510, "3.333,79")),
    ((50, "IBAN DE89 3704 0044 0532 0130 00"), (300, "BIC COBADEFFXXX")),
)
_XML = b"""<?xml version="1.0" encoding="UTF-8"?>
<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"
 xmlns:a="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
 xmlns:b="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">
<b:ID>RE-2025/0417</b:ID><b:IssueDate>2025-03-14</b:IssueDate><b:InvoiceTypeCode>380</b:InvoiceTypeCode>
<b:DocumentCurrencyCode>EUR</b:DocumentCurrencyCode>
<a:AccountingSupplierParty><a:Party><a:PartyName><b:Name>Specimen Handels GmbH</b:Name></a:PartyName></a:Party>
</a:AccountingSupplierParty>
<a:LegalMonetaryTotal><b:TaxExclusiveAmount currencyID="EUR">2801.50</b:TaxExclusiveAmount>
<b:TaxInclusiveAmount currencyID="EUR">3333.79</b:TaxInclusiveAmount>
<b:PayableAmount currencyID="EUR">3333.79</b:PayableAmount></a:LegalMonetaryTotal>
<a:InvoiceLine><b:ID>1</b:ID><b:InvoicedQuantity unitCode="C62">1</b:InvoicedQuantity>
<b:LineExtensionAmount currencyID="EUR">2801.50</b:LineExtensionAmount>
<a:Item><b:Name>Paper</b:Name></a:Item><a:Price><b:PriceAmount currencyID="EUR">2801.50</b:PriceAmount></a:Price>
</a:InvoiceLine></Invoice>"""


def sources() -> tuple[Source, ...]:
    """Electronic, as a PDF with text, and as a PDF with both."""
    attached = pdf(_ROWS, _XML)
    return Source(_XML, "application/xml"), Source(pdf(_ROWS), "application/pdf"), Source(attached, "application/pdf")


def pdf(rows: tuple[tuple[tuple[int, str], ...], ...], attachment: bytes | None = None) -> bytes:
    """A page with words at these places, in points from the left; with an attachment `factur-x.xml`."""
    shown = [
        f"BT /F 9 Tf {x} {800 - 18 * row} Td ({text.replace('(', '[').replace(')', ']')}) Tj ET"
        for row, cells in enumerate(rows)
        for x, text in cells
    ]
    names = b"/Names<</EmbeddedFiles<</Names[(factur-x.xml) 6 0 R]>>>>" if attachment else b""
    objects = [
        b"<</Type/Catalog/Pages 2 0 R" + names + b">>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>",
        _stream("\n".join(shown).encode("latin-1")),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    if attachment:
        objects += [
            b"<</Type/Filespec/F(factur-x.xml)/UF(factur-x.xml)/EF<</F 7 0 R>>>>",
            _stream(attachment, b"/Type/EmbeddedFile"),
        ]
    return _file(objects)


def _stream(data: bytes, more: bytes = b"") -> bytes:
    return b"<<%s/Length %d>>stream\n%s\nendstream" % (more, len(data), data)


def _file(objects: list[bytes]) -> bytes:
    """Numbered objects, the table of their places, and where that is."""
    out, places = b"%PDF-1.7\n", []
    for number, body in enumerate(objects, 1):
        places.append(b"%010d 00000 n \n" % len(out))
        out += b"%d 0 obj%s endobj\n" % (number, body)
    table = b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, b"".join(places))
    return out + table + b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, len(out))
