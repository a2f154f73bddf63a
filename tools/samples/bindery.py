"""A Swiss invoice in French: totals boxed at the right, the seller at the foot."""

from datetime import date

from reportlab.lib.pagesizes import A4

from tools.samples.facts import LARKFIELD, Document, Party, french, line, spaced
from tools.samples.page import SERIF, SERIF_BOLD, SERIF_ITALIC, Column, Page

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
