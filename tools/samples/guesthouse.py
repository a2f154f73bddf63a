"""A hybrid invoice in German: Factur-X / ZUGFeRD."""

import re
from datetime import date

from facturx import generate_from_binary
from reportlab.lib.pagesizes import A4

from tools.samples.cii import cii_xml
from tools.samples.facts import LARKFIELD, Document, Party, german, line, spaced
from tools.samples.page import VERA, VERA_BOLD, Column, Page

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
