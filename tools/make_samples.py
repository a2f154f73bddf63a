"""Write the sample documents and the record of what they say; every name and figure in them is invented.

Running it again gives the same bytes: dates, document ids and random seeds are fixed. Fonts come with reportlab.

    python tools/make_samples.py [--out samples]
"""

import argparse
import io
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import numpy as np
import pypdfium2
import reportlab
from facturx import generate_from_binary
from lxml import etree
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from reportlab.lib.pagesizes import A4, LETTER
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

FONTS = Path(reportlab.__file__).parent / "fonts"
SANS, SANS_BOLD = "Helvetica", "Helvetica-Bold"
SERIF, SERIF_BOLD, SERIF_ITALIC = "Times-Roman", "Times-Bold", "Times-Italic"
VERA, VERA_BOLD = "Vera", "VeraBd"

# --- What the documents say -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Party:
    name: str
    street: str
    postcode: str
    city: str
    country: str  # as printed
    code: str  # ISO 3166
    vat_id: str = ""
    iban: str = ""
    registration: str = ""

    @property
    def address(self) -> list[str]:
        if self.code in {"IE", "GB"}:
            return [self.street, self.city, self.postcode, self.country]
        return [self.street, f"{self.postcode} {self.city}".strip(), self.country]


@dataclass(frozen=True)
class Line:
    description: str
    quantity: Decimal
    unit: str  # UN/ECE recommendation 20
    price: Decimal
    rate: Decimal


@dataclass(frozen=True)
class Document:
    """One document; sums and taxes follow from its lines."""

    file: str
    queue: str  # the route the demo uploads it by: "bill" or "invoice"
    seller: Party
    buyer: Party | None
    number: str
    issued: date
    due: date | None
    currency: str
    lines: Sequence[Line]
    draw: Callable[["Document"], bytes] = field(repr=False)
    kind: str = "invoice"
    document_type: str = "invoice"
    allowance: Decimal = Decimal(0)
    allowance_rate: Decimal = Decimal(0)
    prepaid: Decimal = Decimal(0)
    gross: bool = False  # the lines' prices hold the tax, as in a shop

    def round(self, amount: Decimal) -> Decimal:
        unit = Decimal(1) if self.currency == "JPY" else Decimal("0.01")
        return amount.quantize(unit, ROUND_HALF_UP)

    def amount(self, line: Line) -> Decimal:
        return self.round(line.quantity * line.price)

    @property
    def line_total(self) -> Decimal:
        return sum((self.amount(line) for line in self.lines), Decimal(0))

    @property
    def taxes(self) -> dict[Decimal, tuple[Decimal, Decimal]]:
        """For each rate, the highest first, the amount taxed and the tax."""
        return {rate: self._tax_at(rate) for rate in sorted({line.rate for line in self.lines}, reverse=True)}

    def _tax_at(self, rate: Decimal) -> tuple[Decimal, Decimal]:
        listed = sum((self.amount(line) for line in self.lines if line.rate == rate), Decimal(0))
        if self.gross:
            tax = self.round(listed * rate / (100 + rate))
            return listed - tax, tax
        base = listed - (self.allowance if rate == self.allowance_rate else 0)
        return base, self.round(base * rate / 100)

    @property
    def net(self) -> Decimal:
        return sum((base for base, _ in self.taxes.values()), Decimal(0))

    @property
    def tax(self) -> Decimal:
        return sum((tax for _, tax in self.taxes.values()), Decimal(0))

    @property
    def total(self) -> Decimal:
        return self.net + self.tax

    @property
    def amount_due(self) -> Decimal:
        return self.total - self.prepaid

    def truth(self) -> dict[str, object]:
        """What a reader should find; what the document does not hold is left out."""
        said: dict[str, object] = {
            "document_type": self.document_type,
            "seller_name": self.seller.name,
            "buyer_name": self.buyer.name if self.buyer else "",
            "invoice_number": self.number,
            "issue_date": self.issued.isoformat(),
            "due_date": self.due.isoformat() if self.due else "",
            "currency": self.currency,
            "net": str(self.net),
            "tax": str(self.tax),
            "total": str(self.total),
            "amount_due": str(self.amount_due) if self.due else "",
            "line_total": str(self.line_total),
            "allowance_total": str(self.allowance or ""),
            "prepaid": str(self.prepaid or ""),
            "seller_vat_id": self.seller.vat_id,
            "iban": self.seller.iban if self.document_type == "invoice" else "",
            "lines": [self._line_truth(line) for line in self.lines],
            "line_count": len(self.lines),
        }
        return {name: value for name, value in said.items() if value != ""}

    def _line_truth(self, line: Line) -> dict[str, str]:
        return {
            "description": line.description,
            "quantity": str(line.quantity),
            "unit_price": str(line.price),
            "amount": str(self.amount(line)),
        }

    def record(self) -> dict[str, object]:
        name, _, ending = self.file.rpartition(".")
        input_type = {"jpg": "jpg", "xml": "UBL-Invoice"}.get(ending, "pdf")
        about = {"id": f"samples/{name}", "file": self.file, "kind": self.kind, "input_type": input_type, "queue": self.queue}
        return about | {"truth": self.truth()}


def line(description: str, quantity: str | int, price: str, rate: str, unit: str = "C62") -> Line:
    return Line(description, Decimal(quantity), unit, Decimal(price), Decimal(rate))


def grouped(amount: Decimal, thousands: str = ",", point: str = ".") -> str:
    """Write an amount with its own decimals, in the given marks."""
    return f"{amount:,}".translate({ord(","): thousands, ord("."): point})


def german(amount: Decimal) -> str:
    return grouped(amount, ".", ",")


def french(amount: Decimal) -> str:
    return grouped(amount, "\N{NO-BREAK SPACE}", ",")


# --- A page to draw on ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Column:
    title: str
    x: float
    align: str = "left"


class Page:
    """A PDF canvas measured in points from the top left corner."""

    def __init__(self, document: Document, size: tuple[float, float] = A4, font: str = SANS, bold: str = SANS_BOLD) -> None:
        self._buffer = io.BytesIO()
        self.width, self.height = size
        self.font, self.bold = font, bold
        self.canvas = Canvas(self._buffer, pagesize=size, invariant=1, pageCompression=1)
        self.canvas.setTitle(f"{document.seller.name}: {document.number}")
        self.canvas.setAuthor(document.seller.name)

    def text(
        self, x: float, y: float, words: str, size: float = 9, *, font: str = "", align: str = "left", ink: str = "#1c1f24"
    ) -> None:
        self.canvas.setFont(font or self.font, size)
        self.canvas.setFillColor(ink)
        draw = {"left": self.canvas.drawString, "right": self.canvas.drawRightString, "center": self.canvas.drawCentredString}
        draw[align](x, self.height - y, words)

    def block(self, x: float, y: float, rows: Iterable[str], size: float = 9, leading: float = 12.5, **style: str) -> float:
        """Write rows below each other and return the height of the next one."""
        for row in rows:
            self.text(x, y, row, size, **style)
            y += leading
        return y

    def cells(self, y: float, columns: Sequence[Column], values: Sequence[str], size: float = 9, **style: str) -> None:
        for column, value in zip(columns, values, strict=True):
            self.text(column.x, y, value, size, align=column.align, **style)

    def rule(self, x1: float, x2: float, y: float, width: float = 0.6, ink: str = "#1c1f24") -> None:
        self.canvas.setStrokeColor(ink)
        self.canvas.setLineWidth(width)
        self.canvas.line(x1, self.height - y, x2, self.height - y)

    def box(self, x: float, y: float, width: float, height: float, *, fill: str = "", stroke: str = "") -> None:
        self.canvas.setLineWidth(0.6)
        self.canvas.setFillColor(fill or "#ffffff")
        self.canvas.setStrokeColor(stroke or "#ffffff")
        self.canvas.rect(x, self.height - y - height, width, height, fill=bool(fill), stroke=bool(stroke))

    def disc(self, x: float, y: float, radius: float, fill: str) -> None:
        self.canvas.setFillColor(fill)
        self.canvas.circle(x, self.height - y, radius, stroke=0, fill=1)

    def shape(self, fill: str, *points: tuple[float, float]) -> None:
        self.canvas.setFillColor(fill)
        path = self.canvas.beginPath()
        path.moveTo(points[0][0], self.height - points[0][1])
        for x, y in points[1:]:
            path.lineTo(x, self.height - y)
        path.close()
        self.canvas.drawPath(path, stroke=0, fill=1)

    def next_page(self) -> None:
        self.canvas.showPage()

    def bytes(self) -> bytes:
        self.canvas.save()
        return self._buffer.getvalue()


def larkfield_mark(page: Page, x: float, y: float, ink: str = "#0b6e5b") -> None:
    """The demo company's mark: a bird of two wings above its name."""
    page.shape(ink, (x, y + 4), (x + 17, y + 14), (x + 17, y + 24))
    page.shape("#e2a33b", (x + 38, y), (x + 17, y + 14), (x + 17, y + 24))
    page.text(x + 46, y + 20, "Larkfield Studio", 17, font=SANS_BOLD, ink=ink)


# --- 1. A clean invoice in dollars: ruled table -----------------------------------------------------------------------

STATIONERY_COLUMNS = [
    Column("Item", 60),
    Column("Qty", 352, "right"),
    Column("Unit price", 440, "right"),
    Column("Amount", 544, "right"),
]


def draw_stationery(document: Document) -> bytes:
    page = Page(document, LETTER)
    stationery_head(page, document)
    y = ruled_table(page, document, 268)
    stationery_sums(page, document, y + 22)
    page.rule(54, 558, 716, 0.4, "#9aa3ad")
    page.text(306, 732, "Questions? billing@cedarandquill.example  |  (207) 555-0142", 8, align="center", ink="#5b6570")
    return page.bytes()


def stationery_head(page: Page, document: Document) -> None:
    assert document.buyer is not None
    assert document.due is not None
    navy = "#1f3a5f"
    page.box(54, 48, 34, 34, fill=navy)
    page.shape("#ffffff", (63, 75), (79, 53), (82, 56), (67, 77))
    page.text(98, 63, document.seller.name, 14, font=SANS_BOLD, ink=navy)
    page.text(98, 78, "Paper, pens and fine desk goods since 1987", 8.5, ink="#5b6570")
    page.text(558, 70, "INVOICE", 24, font=SANS_BOLD, align="right", ink=navy)
    page.block(54, 106, document.seller.address)
    facts = [
        ("Invoice number", document.number),
        ("Invoice date", f"{document.issued:%B} {document.issued.day}, {document.issued.year}"),
    ]
    facts += [("Due date", f"{document.due:%B} {document.due.day}, {document.due.year}"), ("Terms", "Net 30")]
    for row, (label, value) in enumerate(facts):
        page.text(430, 106 + 14 * row, label, 9, font=SANS_BOLD, align="right")
        page.text(558, 106 + 14 * row, value, 9, align="right")
    page.text(54, 178, "BILL TO", 8, font=SANS_BOLD, ink=navy)
    page.block(54, 192, [document.buyer.name, *document.buyer.address])
    page.text(320, 178, "SHIP TO", 8, font=SANS_BOLD, ink=navy)
    page.block(320, 192, ["Larkfield Studio, Booth 418", "Harbor Design Fair, 1 Seaport Lane", "Boston, MA 02210"])


def ruled_table(page: Page, document: Document, y: float) -> float:
    bottom = y + 20 * (len(document.lines) + 1)
    page.box(54, y, 504, 20, fill="#dfe6ee")
    page.cells(y + 13.5, STATIONERY_COLUMNS, [column.title for column in STATIONERY_COLUMNS], font=SANS_BOLD)
    for row, item in enumerate(document.lines, 1):
        values = [item.description, grouped(item.quantity), grouped(item.price), grouped(document.amount(item))]
        page.cells(y + 20 * row + 13.5, STATIONERY_COLUMNS, values)
        page.rule(54, 558, y + 20 * row, 0.5, "#7d8894")
    page.canvas.setLineWidth(0.5)
    for x in (54, 312, 360, 450, 558):
        page.canvas.line(x, page.height - y, x, page.height - bottom)
    page.rule(54, 558, y, 0.5, "#7d8894")
    page.rule(54, 558, bottom, 0.5, "#7d8894")
    return bottom


def stationery_sums(page: Page, document: Document, y: float) -> None:
    sums = [("Subtotal", document.net), ("Sales tax (MA 6.25%)", document.tax)]
    for label, amount in sums:
        page.text(450, y, label, align="right")
        page.text(544, y, f"${grouped(amount)}", align="right")
        y += 16
    page.box(330, y - 11, 228, 22, fill="#1f3a5f")
    page.text(450, y + 4, "Total due (USD)", 10, font=SANS_BOLD, align="right", ink="#ffffff")
    page.text(544, y + 4, f"${grouped(document.total)}", 10, font=SANS_BOLD, align="right", ink="#ffffff")
    notes = [
        "Please pay by ACH or check within 30 days and quote the invoice number.",
        "Late balances bear interest at 1% per month.",
    ]
    page.text(54, y + 48, "PAYMENT", 8, font=SANS_BOLD, ink="#1f3a5f")
    page.block(54, y + 62, notes, 8.5)


# --- 2. A hybrid invoice in German: Factur-X / ZUGFeRD ----------------------------------------------------------------

GUESTHOUSE_COLUMNS = [
    Column("Pos.", 57),
    Column("Bezeichnung", 85),
    Column("Menge", 345, "right"),
    Column("Einzelpreis", 413, "right"),
    Column("USt.", 453, "right"),
    Column("Betrag EUR", 538, "right"),
]


def draw_guesthouse(document: Document) -> bytes:
    # A hybrid invoice is a PDF/A, and a PDF/A brings all its fonts along: Vera, not the built-in ones.
    page = Page(document, A4, VERA, VERA_BOLD)
    guesthouse_head(page, document)
    y = guesthouse_table(page, document, 352)
    guesthouse_sums(page, document, y + 14)
    guesthouse_foot(page, document)
    return hybrid_pdf(page.bytes(), cii_xml(document), document)


def guesthouse_head(page: Page, document: Document) -> None:
    assert document.buyer is not None
    assert document.due is not None
    green = "#35563c"
    page.shape(green, (57, 78), (77, 48), (97, 78))
    page.shape("#a9b665", (83, 78), (98, 56), (113, 78))
    page.text(124, 66, "Gästehaus Mühlental", 16, font=VERA_BOLD, ink=green)
    page.text(124, 79, "Übernachten und Tagen in Nürnberg", 8, ink="#666f66")
    page.text(57, 132, "Gästehaus Mühlental GmbH · Mühlgässchen 7 · 90403 Nürnberg", 6.5, ink="#666f66")
    page.rule(57, 290, 136, 0.4, "#666f66")
    page.block(57, 152, [document.buyer.name, *document.buyer.address])
    facts = [("Rechnungsnummer", document.number), ("Rechnungsdatum", f"{document.issued:%d.%m.%Y}")]
    facts += [
        ("Leistungszeitraum", "09.06.–12.06.2025"),
        ("Fällig am", f"{document.due:%d.%m.%Y}"),
        ("USt-IdNr. Kunde", document.buyer.vat_id),
    ]
    for row, (label, value) in enumerate(facts):
        page.text(350, 152 + 14 * row, label, 8.5, ink="#666f66")
        page.text(538, 152 + 14 * row, value, 8.5, align="right")
    page.text(57, 272, f"Rechnung {document.number}", 15, font=VERA_BOLD, ink=green)
    greeting = ["Sehr geehrte Damen und Herren,", "für Ihren Aufenthalt in unserem Haus erlauben wir uns zu berechnen:"]
    page.block(57, 298, greeting, 8.5, 14)


def guesthouse_table(page: Page, document: Document, y: float) -> float:
    page.rule(57, 538, y - 12, 1, "#35563c")
    page.cells(y, GUESTHOUSE_COLUMNS, [column.title for column in GUESTHOUSE_COLUMNS], 8, font=VERA_BOLD)
    page.rule(57, 538, y + 6, 1, "#35563c")
    for position, item in enumerate(document.lines, 1):
        y += 20
        amounts = [german(item.quantity), german(item.price), f"{german(item.rate)} %", german(document.amount(item))]
        page.cells(y, GUESTHOUSE_COLUMNS, [str(position), item.description, *amounts], 8.5)
        page.rule(57, 538, y + 6, 0.3, "#c4cbc4")
    return y + 6


def guesthouse_sums(page: Page, document: Document, y: float) -> None:
    sums = [("Nettobetrag", document.net)]
    for rate, (base, tax) in document.taxes.items():
        sums.append((f"zzgl. {german(rate)} % USt. auf {german(base)} EUR", tax))
    for label, amount in sums:
        page.text(453, y, label, 8.5, align="right")
        page.text(538, y, german(amount), 8.5, align="right")
        y += 15
    page.box(300, y - 10, 238, 20, fill="#e9eee2")
    page.text(453, y + 4, "Gesamtbetrag EUR", 9.5, font=VERA_BOLD, align="right")
    page.text(534, y + 4, german(document.total), 9.5, font=VERA_BOLD, align="right")
    assert document.due is not None
    terms = f"Bitte überweisen Sie den Gesamtbetrag bis zum {document.due:%d.%m.%Y} ohne Abzug auf das unten genannte Konto."
    page.block(
        57, y + 44, [terms, "Wir freuen uns auf Ihren nächsten Besuch!", "Mit freundlichen Grüßen", "Jörg Weißflog"], 8.5, 16
    )


def guesthouse_foot(page: Page, document: Document) -> None:
    page.rule(57, 538, 762, 0.4, "#666f66")
    columns = [
        (57, [document.seller.name, *document.seller.address]),
        (225, ["Geschäftsführer: Jörg Weißflog", "Amtsgericht Nürnberg", "HRB 00417", f"USt-IdNr. {document.seller.vat_id}"]),
        (390, ["Sparbank Mühlental", f"IBAN {spaced(document.seller.iban)}", "BIC DEMODE00XXX", "rechnung@muehlental.example"]),
    ]
    for x, rows in columns:
        page.block(x, 775, rows, 6.8, 10, ink="#444b44")


def spaced(iban: str) -> str:
    return " ".join(re.findall(".{1,4}", iban))


def hybrid_pdf(pdf: bytes, xml: bytes, document: Document) -> bytes:
    """Embed the XML; the library stamps the present time and that is replaced, length for length, so that offsets hold."""
    metadata = {
        "author": document.seller.name,
        "keywords": "Factur-X, Rechnung",
        "title": f"{document.seller.name}: Rechnung {document.number}",
        "subject": f"Rechnung {document.number} vom {document.issued.isoformat()}",
    }
    made = generate_from_binary(
        pdf, xml, flavor="factur-x", level="en16931", lang="de-DE", pdf_metadata=metadata, xmp_compression=False
    )
    day = document.issued.isoformat().encode()
    # The colon stands as itself or as its octal escape.
    made = re.sub(rb"D(:|\\072)\d{14}", rb"D\g<1>" + day.replace(b"-", b"") + b"120000", made)
    return re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", day + b"T12:00:00", made)


# --- Invoices as data -------------------------------------------------------------------------------------------------

CII: dict[str | None, str] = {
    "rsm": "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100",
    "ram": "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100",
    "udt": "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100",
}
UBL: dict[str | None, str] = {
    None: "urn:oasis:names:specification:ubl:schema:xsd:Invoice-2",
    "cac": "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2",
    "cbc": "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2",
}


class Xml:
    """Makes elements from prefixed names."""

    def __init__(self, namespaces: dict[str | None, str]) -> None:
        self._namespaces = namespaces

    def __call__(self, name: str, *content: "etree._Element | str", **attributes: str) -> "etree._Element":
        prefix, _, local = name.rpartition(":")
        node = etree.Element(f"{{{self._namespaces[prefix or None]}}}{local}", attributes, nsmap=self._namespaces)
        for part in content:
            if isinstance(part, str):
                node.text = part
            else:
                node.append(part)
        return node


def serialised(root: "etree._Element") -> bytes:
    written: bytes = etree.tostring(root, encoding="UTF-8", xml_declaration=True, pretty_print=True)
    return written


def cii_xml(document: Document) -> bytes:
    x = Xml(CII)
    profile = x("ram:GuidelineSpecifiedDocumentContextParameter", x("ram:ID", "urn:cen.eu:en16931:2017"))
    issued = x("ram:IssueDateTime", cii_day(x, document.issued))
    transaction = x(
        "rsm:SupplyChainTradeTransaction",
        *(cii_line(x, document, position, item) for position, item in enumerate(document.lines, 1)),
        x("ram:ApplicableHeaderTradeAgreement", cii_party(x, "Seller", document.seller), cii_party(x, "Buyer", document.buyer)),
        x("ram:ApplicableHeaderTradeDelivery", cii_delivery(x, document)),
        cii_settlement(x, document),
    )
    header = x("rsm:ExchangedDocument", x("ram:ID", document.number), x("ram:TypeCode", "380"), issued)
    return serialised(x("rsm:CrossIndustryInvoice", x("rsm:ExchangedDocumentContext", profile), header, transaction))


def cii_day(x: Xml, day: date) -> "etree._Element":
    return x("udt:DateTimeString", f"{day:%Y%m%d}", format="102")


def cii_delivery(x: Xml, document: Document) -> "etree._Element":
    return x("ram:ActualDeliverySupplyChainEvent", x("ram:OccurrenceDateTime", cii_day(x, document.issued)))


def cii_line(x: Xml, document: Document, position: int, item: Line) -> "etree._Element":
    tax = (x("ram:TypeCode", "VAT"), x("ram:CategoryCode", "S"), x("ram:RateApplicablePercent", str(item.rate)))
    amount = x("ram:LineTotalAmount", str(document.amount(item)))
    return x(
        "ram:IncludedSupplyChainTradeLineItem",
        x("ram:AssociatedDocumentLineDocument", x("ram:LineID", str(position))),
        x("ram:SpecifiedTradeProduct", x("ram:Name", item.description)),
        x("ram:SpecifiedLineTradeAgreement", x("ram:NetPriceProductTradePrice", x("ram:ChargeAmount", str(item.price)))),
        x("ram:SpecifiedLineTradeDelivery", x("ram:BilledQuantity", str(item.quantity), unitCode=item.unit)),
        x(
            "ram:SpecifiedLineTradeSettlement",
            x("ram:ApplicableTradeTax", *tax),
            x("ram:SpecifiedTradeSettlementLineMonetarySummation", amount),
        ),
    )


def cii_party(x: Xml, role: str, party: Party | None) -> "etree._Element":
    assert party is not None
    address = x(
        "ram:PostalTradeAddress",
        x("ram:PostcodeCode", party.postcode),
        x("ram:LineOne", party.street),
        x("ram:CityName", party.city),
        x("ram:CountryID", party.code),
    )
    registration = x("ram:SpecifiedTaxRegistration", x("ram:ID", party.vat_id, schemeID="VA"))
    return x(f"ram:{role}TradeParty", x("ram:Name", party.name), address, registration)


def cii_settlement(x: Xml, document: Document) -> "etree._Element":
    assert document.due is not None
    account = x("ram:PayeePartyCreditorFinancialAccount", x("ram:IBANID", document.seller.iban))
    return x(
        "ram:ApplicableHeaderTradeSettlement",
        x("ram:PaymentReference", document.number),
        x("ram:InvoiceCurrencyCode", document.currency),
        x("ram:SpecifiedTradeSettlementPaymentMeans", x("ram:TypeCode", "58"), account),
        *(cii_tax(x, rate, base, tax) for rate, (base, tax) in document.taxes.items()),
        x("ram:SpecifiedTradePaymentTerms", x("ram:DueDateDateTime", cii_day(x, document.due))),
        x(
            "ram:SpecifiedTradeSettlementHeaderMonetarySummation",
            x("ram:LineTotalAmount", str(document.line_total)),
            x("ram:TaxBasisTotalAmount", str(document.net)),
            x("ram:TaxTotalAmount", str(document.tax), currencyID=document.currency),
            x("ram:GrandTotalAmount", str(document.total)),
            x("ram:DuePayableAmount", str(document.amount_due)),
        ),
    )


def cii_tax(x: Xml, rate: Decimal, base: Decimal, tax: Decimal) -> "etree._Element":
    return x(
        "ram:ApplicableTradeTax",
        x("ram:CalculatedAmount", str(tax)),
        x("ram:TypeCode", "VAT"),
        x("ram:BasisAmount", str(base)),
        x("ram:CategoryCode", "S"),
        x("ram:RateApplicablePercent", str(rate)),
    )


# --- 3. An invoice that is data only: UBL 2.1 -------------------------------------------------------------------------


def ubl_xml(document: Document) -> bytes:
    x = Xml(UBL)
    assert document.due is not None
    account = x("cac:PayeeFinancialAccount", x("cbc:ID", document.seller.iban), x("cbc:Name", document.seller.name))
    means = x("cac:PaymentMeans", x("cbc:PaymentMeansCode", "30"), x("cbc:PaymentID", document.number), account)
    root = x(
        "Invoice",
        x("cbc:CustomizationID", "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0"),
        x("cbc:ProfileID", "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0"),
        x("cbc:ID", document.number),
        x("cbc:IssueDate", document.issued.isoformat()),
        x("cbc:DueDate", document.due.isoformat()),
        x("cbc:InvoiceTypeCode", "380"),
        x("cbc:Note", "Bedankt voor uw bezoek aan ons grachtenpand."),
        x("cbc:DocumentCurrencyCode", document.currency),
        x("cbc:BuyerReference", "LARK-EVENTS"),
        ubl_party(x, "Supplier", document.seller),
        ubl_party(x, "Customer", document.buyer),
        means,
        x("cac:PaymentTerms", x("cbc:Note", "Betaling binnen 21 dagen")),
        *ubl_sums(x, document),
        *(ubl_line(x, document, position, item) for position, item in enumerate(document.lines, 1)),
    )
    return serialised(root)


def ubl_party(x: Xml, role: str, party: Party | None) -> "etree._Element":
    assert party is not None
    address = x(
        "cac:PostalAddress",
        x("cbc:StreetName", party.street),
        x("cbc:CityName", party.city),
        x("cbc:PostalZone", party.postcode),
        x("cac:Country", x("cbc:IdentificationCode", party.code)),
    )
    scheme = "9944" if party.code == "NL" else "9935"
    legal = x("cac:PartyLegalEntity", x("cbc:RegistrationName", party.name), x("cbc:CompanyID", party.registration))
    return x(
        f"cac:Accounting{role}Party",
        x(
            "cac:Party",
            x("cbc:EndpointID", party.vat_id, schemeID=scheme),
            x("cac:PartyName", x("cbc:Name", party.name)),
            address,
            x("cac:PartyTaxScheme", x("cbc:CompanyID", party.vat_id), x("cac:TaxScheme", x("cbc:ID", "VAT"))),
            legal,
        ),
    )


def ubl_category(x: Xml, name: str, rate: Decimal) -> "etree._Element":
    return x(name, x("cbc:ID", "S"), x("cbc:Percent", str(rate)), x("cac:TaxScheme", x("cbc:ID", "VAT")))


def ubl_sums(x: Xml, document: Document) -> list["etree._Element"]:
    def money(name: str, amount: Decimal) -> "etree._Element":
        return x(f"cbc:{name}", str(amount), currencyID=document.currency)

    allowance = x(
        "cac:AllowanceCharge",
        x("cbc:ChargeIndicator", "false"),
        x("cbc:AllowanceChargeReason", "Relatiekorting"),
        money("Amount", document.allowance),
        ubl_category(x, "cac:TaxCategory", document.allowance_rate),
    )
    subtotals = [
        x("cac:TaxSubtotal", money("TaxableAmount", base), money("TaxAmount", tax), ubl_category(x, "cac:TaxCategory", rate))
        for rate, (base, tax) in document.taxes.items()
    ]
    sums = [("LineExtensionAmount", document.line_total), ("TaxExclusiveAmount", document.net)]
    sums += [("TaxInclusiveAmount", document.total), ("AllowanceTotalAmount", document.allowance)]
    sums += [("PrepaidAmount", document.prepaid), ("PayableAmount", document.amount_due)]
    totals = x("cac:LegalMonetaryTotal", *(money(name, amount) for name, amount in sums))
    return [allowance, x("cac:TaxTotal", money("TaxAmount", document.tax), *subtotals), totals]


def ubl_line(x: Xml, document: Document, position: int, item: Line) -> "etree._Element":
    return x(
        "cac:InvoiceLine",
        x("cbc:ID", str(position)),
        x("cbc:InvoicedQuantity", str(item.quantity), unitCode=item.unit),
        x("cbc:LineExtensionAmount", str(document.amount(item)), currencyID=document.currency),
        x("cac:Item", x("cbc:Name", item.description), ubl_category(x, "cac:ClassifiedTaxCategory", item.rate)),
        x("cac:Price", x("cbc:PriceAmount", str(item.price), currencyID=document.currency)),
    )


# --- 4. Sixty lines over three pages ----------------------------------------------------------------------------------

EXHIBITION_COLUMNS = [
    Column("Ref", 48),
    Column("Description", 84),
    Column("Qty", 356, "right"),
    Column("Price", 414, "right"),
    Column("VAT", 458, "right"),
    Column("Net amount", 547, "right"),
]
EXHIBITION_PAGES = [range(22), range(22, 48), range(48, 60)]


def draw_exhibition(document: Document) -> bytes:
    page = Page(document)
    carried = Decimal(0)
    for number, rows in enumerate(EXHIBITION_PAGES, 1):
        y = exhibition_first_head(page, document) if number == 1 else exhibition_next_head(page, document, carried)
        for index in rows:
            y = exhibition_row(page, document, index, y)
            carried += document.amount(document.lines[index])
        if number == len(EXHIBITION_PAGES):
            exhibition_sums(page, document, y + 16)
        else:
            page.text(458, y + 12, "Carried forward", 8.5, font=SANS_BOLD, align="right")
            page.text(547, y + 12, f"£{grouped(carried)}", 8.5, font=SANS_BOLD, align="right")
        exhibition_foot(page, document, number)
        page.next_page()
    return page.bytes()


def exhibition_first_head(page: Page, document: Document) -> float:
    assert document.buyer is not None
    assert document.due is not None
    larkfield_mark(page, 48, 44)
    page.block(547, 48, [document.seller.name, *document.seller.address, f"VAT no. {document.seller.vat_id}"], 8, 11, align="right")
    page.text(48, 126, "Invoice", 20, font=SANS_BOLD)
    page.block(48, 150, [document.buyer.name, *document.buyer.address])
    facts = [("Invoice no.", document.number), ("Date", f"{document.issued:%d/%m/%Y}"), ("Payment due", f"{document.due:%d/%m/%Y}")]
    facts += [("Your order", "NMT-PO-3371"), ("Project", "Tides & Timber exhibition")]
    for row, (label, value) in enumerate(facts):
        page.text(360, 138 + 13 * row, label, 8.5, font=SANS_BOLD)
        page.text(547, 138 + 13 * row, value, 8.5, align="right")
    return exhibition_table_head(page, 228)


def exhibition_next_head(page: Page, document: Document, carried: Decimal) -> float:
    larkfield_mark(page, 48, 40)
    page.text(547, 58, f"Invoice {document.number} (continued)", 9, align="right")
    y = exhibition_table_head(page, 92)
    page.text(84, y + 10, "Brought forward", 8.5, font=SANS_BOLD)
    page.text(547, y + 10, f"£{grouped(carried)}", 8.5, font=SANS_BOLD, align="right")
    return y + 22


def exhibition_table_head(page: Page, y: float) -> float:
    page.box(42, y, 511, 18, fill="#0b6e5b")
    page.cells(y + 12.5, EXHIBITION_COLUMNS, [column.title for column in EXHIBITION_COLUMNS], 8.5, font=SANS_BOLD, ink="#ffffff")
    return y + 22


def exhibition_row(page: Page, document: Document, index: int, y: float) -> float:
    item = document.lines[index]
    if index % 2:
        page.box(42, y - 1.5, 511, 22, fill="#f1f5f3")
    amounts = [grouped(item.quantity), f"£{grouped(item.price)}", f"{item.rate}%", f"£{grouped(document.amount(item))}"]
    page.cells(y + 12.5, EXHIBITION_COLUMNS, [f"{index + 1:03d}", item.description, *amounts], 8.5)
    return y + 22


def exhibition_sums(page: Page, document: Document, y: float) -> None:
    page.rule(300, 553, y - 6, 1, "#0b6e5b")
    sums = [("Net total", document.net)]
    sums += [(f"VAT {rate}% on £{grouped(base)}", tax) for rate, (base, tax) in document.taxes.items()]
    for label, amount in sums:
        y += 16
        page.text(458, y, label, 9, align="right")
        page.text(547, y, f"£{grouped(amount)}", 9, align="right")
    y += 22
    page.text(458, y, "Invoice total", 11, font=SANS_BOLD, align="right")
    page.text(547, y, f"£{grouped(document.total)}", 11, font=SANS_BOLD, align="right")
    page.rule(300, 553, y + 7, 1, "#0b6e5b")
    pay = [f"Please pay £{grouped(document.total)} within 30 days to:", "Larkfield Studio Ltd, Demo Bank of Dublin"]
    page.block(48, y + 44, [*pay, f"IBAN {spaced(document.seller.iban)}", f"Reference {document.number}"])


def exhibition_foot(page: Page, document: Document, number: int) -> None:
    page.rule(42, 553, 806, 0.4, "#9aa3ad")
    page.text(48, 818, f"{document.seller.name}, registered in Ireland no. 000417", 7.5, ink="#5b6570")
    page.text(547, 818, f"Page {number} of {len(EXHIBITION_PAGES)}", 7.5, align="right", ink="#5b6570")


def exhibition_lines() -> list[Line]:
    """Five goods for each of twelve rooms, so that descriptions repeat the way they do in a long real invoice."""
    rooms = ["Foyer", "Gallery 1", "Gallery 2", "Gallery 3", "Boat hall", "Rope walk", "Map room", "Sail loft", "Archive", "Studio"]
    rooms += ["Café", "Courtyard"]
    goods = [
        ("object labels, matt, 120 x 80 mm", "2.35", 14, "20"),
        ("text panel, 900 x 1200 mm", "148.00", 1, "20"),
        ("wall graphic, vinyl, per sq m", "36.50", 4, "20"),
        ("visitor guide, 16 pages", "1.20", 50, "0"),
        ("fitting on site, per hour", "42.75", 2, "20"),
    ]
    return [
        line(f"{room}: {name}", start + 3 * ((number * 7 + place) % 5), price, rate)
        for number, room in enumerate(rooms)
        for place, (name, price, start, rate) in enumerate(goods)
    ]


# --- 5. A till receipt, photographed ----------------------------------------------------------------------------------

RECEIPT_CELL = (21, 40)
RECEIPT_COLUMNS = 38
PAPER = 247


def draw_receipt(document: Document) -> bytes:
    paper = print_receipt(document)
    return jpeg(photograph(paper, np.random.RandomState(417)), 70)


def print_receipt(document: Document) -> Image.Image:
    rows = [*receipt_head(document), *receipt_body(document), *receipt_foot(document)]
    width, pitch = RECEIPT_CELL
    paper = Image.new("L", (width * RECEIPT_COLUMNS + 110, pitch * len(rows) + 150), PAPER)
    for number, row in enumerate(rows):
        # A row marked like this is printed bold.
        font = ImageFont.truetype(FONTS / ("VeraBd.ttf" if row.startswith("*") else "Vera.ttf"), 28)
        for place, letter in enumerate(row.removeprefix("*")):
            paper.paste(till_letter(letter, font), (55 + width * place, 60 + pitch * number))
    return paper


def till_letter(letter: str, font: ImageFont.FreeTypeFont) -> Image.Image:
    """One letter in the middle of its cell, since a till prints in a fixed pitch; a wide letter is squeezed into it."""
    width, height = RECEIPT_CELL
    needed = max(width, int(font.getlength(letter)) + 1)
    cell = Image.new("L", (needed, height), PAPER)
    ImageDraw.Draw(cell).text((needed / 2, 30), letter, 38, font, anchor="ms")
    return cell.resize((width, height), Image.Resampling.BICUBIC)


def receipt_head(document: Document) -> list[str]:
    seller = document.seller
    place = [seller.street, f"{seller.city} {seller.postcode}", f"VAT No. {seller.vat_id}", ""]
    names = ["*" + seller.name.upper().center(RECEIPT_COLUMNS), *(words.center(RECEIPT_COLUMNS) for words in place)]
    return [*names, sides(f"{document.issued:%d/%m/%Y}  17:42", "Till 02"), sides(f"Receipt {document.number}", "Aoife")]


def receipt_body(document: Document) -> list[str]:
    items = [row for item in document.lines for row in receipt_item(document, item)]
    cash = Decimal("60.00")
    paid = [sides("CASH", grouped(cash)), sides("CHANGE", grouped(cash - document.total))]
    ruler = "-" * RECEIPT_COLUMNS
    return [ruler, *items, ruler, "*" + sides("TOTAL EUR", grouped(document.total)), *paid, ""]


def receipt_foot(document: Document) -> list[str]:
    rows = [tax_row("VAT", "Rate", "Net", "Tax", "Gross")]
    for mark, (rate, (base, tax)) in zip("ABC", document.taxes.items(), strict=True):
        rows.append(tax_row(mark, f"{rate}%", grouped(base), grouped(tax), grouped(base + tax)))
    sold = sum(item.quantity for item in document.lines)
    thanks = ["", f"{sold} items", "Thank you for shopping local", "Please keep for returns (28 days)"]
    return [*rows, *(words.center(RECEIPT_COLUMNS) for words in thanks)]


def receipt_item(document: Document, item: Line) -> list[str]:
    mark = "ABC"[list(document.taxes).index(item.rate)]
    right = f"{grouped(document.amount(item))} {mark}"
    if item.quantity == 1:
        return [sides(item.description, right)]
    return [item.description, sides(f"   {item.quantity} x {grouped(item.price)}", right)]


def sides(left: str, right: str) -> str:
    return left + right.rjust(RECEIPT_COLUMNS - len(left))


def tax_row(mark: str, rate: str, base: str, tax: str, gross: str) -> str:
    return f"{mark:<4}{rate:>8}{base:>9}{tax:>8}{gross:>9}"


def photograph(paper: Image.Image, chance: np.random.RandomState, size: tuple[int, int] = (1400, 2000)) -> Image.Image:
    """Lay the paper on a table, look at it from a slant in the light of a window, and take a picture with a plain camera."""
    corners = [(232, 96), (1172, 62), (1236, 1918), (168, 1946)]
    slanted = slant(Image.merge("RGB", [paper] * 3), corners, size)
    mask = slant(Image.new("L", paper.size, 255), corners, size)
    table = Image.fromarray(table_top(size, chance))
    shadow = Image.new("L", size, 0)
    shadow.paste(150, (14, 18), mask)
    table.paste((38, 28, 22), (0, 0), shadow.filter(ImageFilter.GaussianBlur(16)))
    table.paste(slanted, (0, 0), mask.filter(ImageFilter.GaussianBlur(1)))
    lit = np.asarray(table, dtype=np.float64) * uneven_light(size, chance)[..., None] * (1.0, 0.975, 0.925)
    lit += chance.normal(0, 4.5, lit.shape)
    return Image.fromarray(lit.clip(0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.9))


def slant(image: Image.Image, corners: Sequence[tuple[int, int]], size: tuple[int, int]) -> Image.Image:
    """Draw the image into the four-sided figure of `corners`, given clockwise from the top left."""
    width, height = image.size
    rows, wanted = [], []
    for (x, y), (u, v) in zip(corners, [(0, 0), (width, 0), (width, height), (0, height)], strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        wanted += [u, v]
    coefficients = np.linalg.solve(np.array(rows, dtype=float), np.array(wanted, dtype=float))
    return image.transform(size, Image.Transform.PERSPECTIVE, tuple(coefficients), Image.Resampling.BICUBIC)


def table_top(size: tuple[int, int], chance: np.random.RandomState) -> np.ndarray:
    """Dark wood: long streaks along one direction."""
    width, height = size
    streaks = smooth(chance.normal(0, 1, (6, 120)), (width, height)) + 0.4 * smooth(chance.normal(0, 1, (10, 500)), (width, height))
    return (np.array([92, 66, 48]) + 9 * streaks[..., None] * (1, 0.85, 0.7)).clip(0, 255).astype(np.uint8)


def uneven_light(size: tuple[int, int], chance: np.random.RandomState) -> np.ndarray:
    """A window at the top left, a shade at the bottom right, and paper that is not quite flat."""
    width, height = size
    across, down = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    return 1.0 - 0.30 * (0.45 * across + 0.55 * down) ** 1.5 + 0.012 * smooth(chance.normal(0, 1, (9, 6)), size)


def smooth(coarse: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Blow a small field of numbers up to `size`."""
    return np.asarray(Image.fromarray(coarse.astype(np.float32)).resize(size, Image.Resampling.BICUBIC), dtype=np.float64)


def jpeg(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, optimize=True)
    return buffer.getvalue()


# --- 6. A credit note, scanned ----------------------------------------------------------------------------------------

CREDIT_COLUMNS = [
    Column("Description", 62),
    Column("Qty", 352, "right"),
    Column("Unit price", 436, "right"),
    Column("Credit", 533, "right"),
]


def draw_credit_note(document: Document) -> bytes:
    printed = pypdfium2.PdfDocument(print_credit_note(document))
    try:
        sheet = printed[0].render(scale=200 / 72).to_pil().convert("L")
    finally:
        printed.close()
    picture = io.BytesIO(jpeg(scan(sheet, np.random.RandomState(418)), 55))
    page = Page(document)
    # The picture goes in as the JPEG it is.
    page.canvas.drawImage(ImageReader(picture), 0, 0, page.width, page.height)
    return page.bytes()


def print_credit_note(document: Document) -> bytes:
    assert document.buyer is not None
    page = Page(document)
    larkfield_mark(page, 62, 58, "#222222")
    page.block(533, 62, [document.seller.name, *document.seller.address, f"VAT no. {document.seller.vat_id}"], 9, 12, align="right")
    page.text(62, 164, "CREDIT NOTE", 22, font=SANS_BOLD)
    page.block(62, 194, ["To:", document.buyer.name, *document.buyer.address], 10, 13.5)
    facts = [("Credit note no.", document.number), ("Date", f"{document.issued.day} {document.issued:%B %Y}")]
    facts += [("Against invoice", "LS-2025-0119"), ("Customer no.", "C-2208")]
    for row, (label, value) in enumerate(facts):
        page.text(360, 194 + 16 * row, label, 10, font=SANS_BOLD)
        page.text(533, 194 + 16 * row, value, 10, align="right")
    credit_table(page, document, 306)
    page.text(62, 700, "Authorised by", 9)
    signature(page, 140, 700)
    page.rule(135, 290, 703, 0.5)
    page.text(62, 752, "This credit will be set against your next invoice. No payment is required.", 9)
    return page.bytes()


def credit_table(page: Page, document: Document, y: float) -> None:
    page.rule(56, 539, y - 14, 1.2)
    page.cells(y, CREDIT_COLUMNS, [column.title for column in CREDIT_COLUMNS], 10, font=SANS_BOLD)
    page.rule(56, 539, y + 7, 1.2)
    for item in document.lines:
        y += 24
        page.cells(
            y, CREDIT_COLUMNS, [item.description, grouped(item.quantity), grouped(item.price), grouped(document.amount(item))], 10
        )
    page.rule(56, 539, y + 12, 0.6)
    sums = [("Net credit", document.net), *((f"VAT {rate}%", tax) for rate, (_, tax) in document.taxes.items())]
    for label, amount in sums:
        y += 30 if label == "Net credit" else 18
        page.text(436, y, label, 10, align="right")
        page.text(533, y, grouped(amount), 10, align="right")
    page.text(436, y + 26, "Total credit EUR", 12, font=SANS_BOLD, align="right")
    page.text(533, y + 26, grouped(document.total), 12, font=SANS_BOLD, align="right")
    page.rule(330, 539, y + 33, 1.2)
    page.text(62, y + 80, "Reason: two display stands arrived damaged and one panel was returned unused.", 10)


def signature(page: Page, x: float, y: float) -> None:
    strokes = [
        (0, 4, 8, 34, 16, -6),
        (16, -6, 22, 18, 28, 4),
        (28, 4, 40, -10, 44, 12),
        (44, 12, 52, 30, 60, 2),
        (60, 2, 90, 16, 132, 8),
    ]
    page.canvas.setStrokeColor("#23324f")
    page.canvas.setLineWidth(1.3)
    base = page.height - y
    start = (0, 4)
    for a, b, c, d, e, f in strokes:
        page.canvas.bezier(x + start[0], base + start[1], x + a + 4, base + b + 6, x + c, base + d, x + e, base + f)
        start = (e, f)


def scan(sheet: Image.Image, chance: np.random.RandomState) -> Image.Image:
    """Copy a sheet the way an office scanner does: a little askew, grey paper, grain, specks, a dark edge."""
    askew = sheet.rotate(0.8, Image.Resampling.BICUBIC, fillcolor=255, translate=(6, -4)).filter(ImageFilter.GaussianBlur(0.8))
    grey = 38 + np.asarray(askew, dtype=np.float64) * (206 / 255)
    grey += 3 * smooth(chance.normal(0, 1, (24, 16)), sheet.size) + chance.normal(0, 5, grey.shape)
    for x, y in zip(chance.randint(0, sheet.width - 3, 90), chance.randint(0, sheet.height - 3, 90), strict=True):
        grey[y : y + 2, x : x + 2] -= 90
    grey[:, :14] -= np.linspace(110, 0, 14)
    return Image.fromarray(grey.clip(0, 255).astype(np.uint8))


# --- 7. A Swiss invoice in French: totals boxed at the right, the seller at the foot -----------------------------------

BINDERY_COLUMNS = [
    Column("Désignation", 62),
    Column("Quantité", 318, "right"),
    Column("Prix unitaire", 392, "right"),
    Column("TVA", 440, "right"),
    Column("Montant CHF", 533, "right"),
]
WINE = "#6d2136"


def draw_bindery(document: Document) -> bytes:
    page = Page(document, A4, SERIF, SERIF_BOLD)
    bindery_head(page, document)
    y = bindery_table(page, document, 330)
    bindery_sums(page, document, y + 34)
    bindery_foot(page, document)
    return page.bytes()


def bindery_head(page: Page, document: Document) -> None:
    assert document.buyer is not None
    assert document.due is not None
    page.box(62, 52, 30, 38, fill=WINE)
    page.box(66, 52, 2, 38, fill="#ffffff")
    page.text(79.5, 77, "M", 18, font=SERIF_BOLD, align="center", ink="#ffffff")
    page.text(104, 78, "Atelier Montbrun", 22, font=SERIF_ITALIC, ink=WINE)
    page.text(533, 78, "FACTURE", 20, font=SERIF_BOLD, align="right")
    page.rule(62, 533, 100, 0.8, WINE)
    page.block(340, 140, [document.buyer.name, *document.buyer.address], 11, 14)
    facts = [
        f"Facture n° {document.number}",
        f"Lausanne, le {french_day(document.issued)}",
        f"Échéance : {french_day(document.due)}",
    ]
    page.block(62, 140, [*facts, "Votre référence : exposition « Marées »"], 10.5, 15)
    page.text(62, 270, "Objet : reliure d'albums et coffrets pour l'exposition", 11, font=SERIF_BOLD)


MONTHS = ["janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"]


def french_day(day: date) -> str:
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def bindery_table(page: Page, document: Document, y: float) -> float:
    page.cells(y, BINDERY_COLUMNS, [column.title for column in BINDERY_COLUMNS], 10, font=SERIF_ITALIC, ink=WINE)
    page.rule(62, 533, y + 6, 0.8, WINE)
    for item in document.lines:
        y += 21
        amounts = [french(item.quantity), french(item.price), f"{french(item.rate)} %", french(document.amount(item))]
        page.cells(y, BINDERY_COLUMNS, [item.description, *amounts], 10.5)
    page.rule(62, 533, y + 8, 0.8, WINE)
    return y + 8


def bindery_sums(page: Page, document: Document, y: float) -> None:
    sums = [("Total hors TVA", document.net)]
    sums += [(f"TVA {french(rate)} % sur {french(base)}", tax) for rate, (base, tax) in document.taxes.items()]
    page.box(305, y - 16, 228, 18 * len(sums) + 40, stroke=WINE)
    for label, amount in sums:
        page.text(313, y, label, 10.5)
        page.text(525, y, french(amount), 10.5, align="right")
        y += 18
    page.box(305, y - 8, 228, 32, fill="#f4e9ec", stroke=WINE)
    page.text(313, y + 12, "Total TTC", 12.5, font=SERIF_BOLD)
    page.text(525, y + 12, f"CHF {french(document.total)}", 12.5, font=SERIF_BOLD, align="right")
    page.text(62, y + 64, "Payable à 30 jours, net, sans escompte. Merci de votre confiance.", 10.5)


def bindery_foot(page: Page, document: Document) -> None:
    seller = document.seller
    page.rule(62, 533, 752, 0.8, WINE)
    rows = [
        f"{seller.name}  –  {seller.street}  –  {seller.postcode} {seller.city}  –  {seller.country}",
        f"IDE {seller.vat_id}  –  IBAN {spaced(seller.iban)}  –  Banque Démo du Léman",
        "Tél. 021 555 01 42  –  compta@montbrun.example",
    ]
    page.block(297.5, 768, rows, 9, 13, align="center", ink="#4b3a3f")


# --- 8. Yen: no table lines, labels in a column -----------------------------------------------------------------------


def draw_paper_mill(document: Document) -> bytes:
    page = Page(document)
    page.disc(88, 74, 17, "#c8102e")
    page.rule(66, 110, 98, 1.4, "#2a2f55")
    page.text(124, 82, document.seller.name, 15, font=SANS_BOLD, ink="#2a2f55")
    y = paper_mill_labels(page, document, 140)
    y = paper_mill_lines(page, document, y + 34)
    paper_mill_sums(page, document, y + 26)
    return page.bytes()


def paper_mill_labels(page: Page, document: Document, y: float) -> float:
    assert document.buyer is not None
    assert document.due is not None
    facts = [
        ("Invoice no.", [document.number]),
        ("Issued", [f"{document.issued:%Y/%m/%d}"]),
        ("Payable by", [f"{document.due:%Y/%m/%d}"]),
        ("From", [document.seller.name, *document.seller.address]),
        ("Registration no.", [document.seller.registration]),
        ("To", [document.buyer.name, *document.buyer.address]),
        ("Subject", ["Handmade washi, spring delivery"]),
        ("Bank transfer", ["Demo Bank of Kyoto, Fushimi branch", "Ordinary account 0000417, AOZORA WASHI K.K."]),
    ]
    for label, rows in facts:
        page.text(66, y, label, 9, ink="#7a7f99")
        y = page.block(180, y, rows, 9.5, 13) + 6
    return y


def paper_mill_lines(page: Page, document: Document, y: float) -> float:
    columns = [Column("Goods", 66), Column("Sheets", 360, "right"), Column("Each", 432, "right"), Column("Yen", 529, "right")]
    page.cells(y, columns, [column.title for column in columns], 9, ink="#7a7f99")
    for item in document.lines:
        y += 19
        page.cells(y, columns, [item.description, grouped(item.quantity), grouped(item.price), grouped(document.amount(item))], 9.5)
    return y


def paper_mill_sums(page: Page, document: Document, y: float) -> None:
    sums = [("Subtotal", document.net), *((f"Consumption tax {rate}%", tax) for rate, (_, tax) in document.taxes.items())]
    for label, amount in sums:
        page.text(360, y, label, 9.5, align="right", ink="#7a7f99")
        page.text(529, y, f"¥{grouped(amount)}", 9.5, align="right")
        y += 17
    page.text(360, y + 8, "Amount payable", 12, font=SANS_BOLD, align="right", ink="#2a2f55")
    page.text(529, y + 8, f"¥{grouped(document.total)}", 14, font=SANS_BOLD, align="right", ink="#2a2f55")
    page.text(66, y + 60, "All amounts in Japanese yen (JPY). Transfer fees are borne by the payer.", 8.5, ink="#7a7f99")


# --- The eight documents ----------------------------------------------------------------------------------------------

LARKFIELD = Party(
    "Larkfield Studio Ltd",
    "12 Mill Lane",
    "D08 XX00",
    "Dublin 8",
    "Ireland",
    "IE",
    vat_id="IE9999106WH",
    iban="IE15DEMO99999912345678",
    registration="000417",
)


def documents() -> list[Document]:
    return [stationery(), guesthouse(), canal_house(), exhibition(), hardware_shop(), credit_note(), bindery(), paper_mill()]


def stationery() -> Document:
    return Document(
        file="stationery-usd.pdf",
        queue="bill",
        seller=Party("Cedar & Quill Stationery Co.", "88 Wharf Street", "", "Portland, ME 04101", "United States", "US"),
        buyer=LARKFIELD,
        number="INV-20418",
        issued=date(2025, 3, 14),
        due=date(2025, 4, 13),
        currency="USD",
        lines=[
            line("Cotton writing paper, ream of 500", 12, "38.50", "6.25"),
            line("Archival ink pens, box of 12", 8, "24.90", "6.25"),
            line("Display easel, walnut, table size", 6, "57.25", "6.25"),
            line("Visitor book, linen bound", 2, "64.00", "6.25"),
            line("Brass card holder", 20, "9.75", "6.25"),
            line("Delivery to booth, weekend slot", 1, "85.00", "6.25"),
        ],
        draw=draw_stationery,
    )


def guesthouse() -> Document:
    return Document(
        file="guesthouse-facturx-eur.pdf",
        queue="bill",
        seller=Party(
            "Gästehaus Mühlental GmbH",
            "Mühlgässchen 7",
            "90403",
            "Nürnberg",
            "Deutschland",
            "DE",
            vat_id="DE999901003",
            iban="DE88100100990123456789",
        ),
        buyer=LARKFIELD,
        number="R-2025-0612",
        issued=date(2025, 6, 12),
        due=date(2025, 6, 26),
        currency="EUR",
        lines=[
            line("Übernachtung Doppelzimmer „Pegnitz“", 6, "98.13", "7", "DAY"),
            line("Übernachtung Einzelzimmer", 3, "71.03", "7", "DAY"),
            line("Frühstücksbüfett", 15, "12.61", "19"),
            line("Tagungsraum „Große Mühle“, ganztags", 2, "240.00", "19", "DAY"),
            line("Kaffee, Tee und Gebäck", 24, "6.30", "19"),
            line("Parkplatz", 3, "8.40", "19", "DAY"),
        ],
        draw=draw_guesthouse,
    )


def canal_house() -> Document:
    return Document(
        file="canal-house-ubl-eur.xml",
        queue="bill",
        seller=Party(
            "Grachtzicht Evenementen B.V.",
            "Prinsengracht 9999",
            "1000 XX",
            "Amsterdam",
            "Nederland",
            "NL",
            vat_id="NL999990007B01",
            iban="NL93DEMO0123456789",
            registration="00000417",
        ),
        buyer=LARKFIELD,
        number="2025-00873",
        issued=date(2025, 5, 20),
        due=date(2025, 6, 10),
        currency="EUR",
        lines=[
            line("Zaalhuur Tuinkamer, hele dag", 1, "875.00", "21", "DAY"),
            line("Beamer en geluidsinstallatie", 2, "120.00", "21"),
            line("Lunchbuffet", 34, "24.75", "9"),
            line("Koffie en thee, onbeperkt", 34, "8.95", "9"),
            line("Gastvrouw", "6.5", "38.40", "21", "HUR"),
        ],
        draw=ubl_xml,
        allowance=Decimal("75.00"),
        allowance_rate=Decimal(21),
        prepaid=Decimal("500.00"),
    )


def exhibition() -> Document:
    return Document(
        file="exhibition-three-pages-gbp.pdf",
        queue="invoice",
        seller=replace(LARKFIELD, vat_id="GB999000005"),
        buyer=Party("Northgate Museums Trust", "The Customs House, 3 Quay Road", "BT1 9XX", "Belfast", "United Kingdom", "GB"),
        number="LS-2025-0131",
        issued=date(2025, 9, 1),
        due=date(2025, 10, 1),
        currency="GBP",
        lines=exhibition_lines(),
        draw=draw_exhibition,
    )


def hardware_shop() -> Document:
    return Document(
        file="hardware-receipt-photo-eur.jpg",
        queue="bill",
        kind="receipt",
        seller=Party(
            "Kilbrack Hardware", "41 Strand Street", "P99 XX00", "Kilbrack, Co. Cork", "Ireland", "IE", vat_id="IE9999113TH"
        ),
        buyer=None,
        number="0204-11873",
        issued=date(2025, 8, 9),
        due=None,
        currency="EUR",
        lines=[
            line("Picture hooks brass 10pk", 2, "3.95", "23"),
            line("Masonry drill bit 6mm", 1, "4.49", "23"),
            line("Wood glue 250ml", 1, "6.75", "23"),
            line("Masking tape 48mm", 3, "2.85", "23"),
            line("Paint brush set", 1, "8.99", "23"),
            line("Kiln dried sticks 5kg", 1, "7.50", "13.5"),
            line("Local walks map", 1, "5.50", "0"),
        ],
        gross=True,
        draw=draw_receipt,
    )


def credit_note() -> Document:
    return Document(
        file="credit-note-scan-eur.pdf",
        queue="invoice",
        document_type="credit_note",
        seller=LARKFIELD,
        buyer=Party("Ballyvara Arts Centre", "5 Harbour View", "H99 XX00", "Galway", "Ireland", "IE"),
        number="CN-2025-007",
        issued=date(2025, 10, 17),
        due=None,
        currency="EUR",
        lines=[
            line("Display stand, oak, returned damaged", 2, "186.00", "23"),
            line("Text panel 900 x 1200, returned unused", 1, "164.50", "23"),
            line("Carriage refunded", 1, "28.00", "23"),
        ],
        draw=draw_credit_note,
    )


def bindery() -> Document:
    return Document(
        file="bindery-chf.pdf",
        queue="bill",
        seller=Party(
            "Atelier Montbrun Sàrl",
            "Ruelle des Relieurs 4",
            "1000",
            "Lausanne",
            "Suisse",
            "CH",
            vat_id="CHE-999.910.016 TVA",
            iban="CH9809900000123456789",
        ),
        buyer=LARKFIELD,
        number="2025/0347",
        issued=date(2025, 2, 21),
        due=date(2025, 3, 23),
        currency="CHF",
        lines=[
            line("Album toilé, dos rond, format A3", 24, "68.50", "8.1"),
            line("Coffret rigide à rabat", 12, "41.20", "8.1"),
            line("Dorure au fer, par titre", 36, "7.35", "8.1"),
            line("Livre « L'art du papier », prix libraire", 10, "29.00", "2.6"),
            line("Emballage et port", 1, "58.00", "8.1"),
        ],
        draw=draw_bindery,
    )


def paper_mill() -> Document:
    return Document(
        file="paper-mill-jpy.pdf",
        queue="bill",
        seller=Party(
            "Aozora Washi K.K.", "4-17 Kamiya-cho, Fushimi-ku", "612-0000", "Kyoto", "Japan", "JP", registration="T0000000000417"
        ),
        buyer=LARKFIELD,
        number="AW-250430-2",
        issued=date(2025, 4, 30),
        due=date(2025, 5, 31),
        currency="JPY",
        lines=[
            line("Kozo paper, 40 g, 60 x 90 cm", 320, "415", "10"),
            line("Gampi paper, 18 g, natural", 150, "680", "10"),
            line("Indigo-dyed kozo, deep blue", 75, "1240", "10"),
            line("Sample book, spring", 2, "3500", "10"),
            line("Wooden crate and export packing", 1, "18600", "10"),
        ],
        draw=draw_paper_mill,
    )


def register_fonts() -> None:
    for name in (VERA, VERA_BOLD):
        pdfmetrics.registerFont(TTFont(name, str(FONTS / f"{name}.ttf")))


def make_samples(directory: Path) -> None:
    """Write all documents and truth.jsonl, one record a line, into `directory`."""
    register_fonts()
    directory.mkdir(parents=True, exist_ok=True)
    records = []
    for document in documents():
        (directory / document.file).write_bytes(document.draw(document))
        records.append(json.dumps(document.record(), ensure_ascii=False))
    (directory / "truth.jsonl").write_text("\n".join(records) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the sample documents.")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "samples")
    make_samples(parser.parse_args().out)


if __name__ == "__main__":
    main()
