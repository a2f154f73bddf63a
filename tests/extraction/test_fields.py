"""Whole documents, printed by the test in the layouts and languages of the world, read back."""

import datetime as dt
import io
from decimal import Decimal

import pytest
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen import canvas

from akount.extraction.engines import read_source
from akount.readings import Reading, Source, reading_from_json, reading_to_json

Placed = tuple[float, float, str]
"""x in points, line from the top, text."""


def printed(*texts: Placed) -> Reading:
    out = io.BytesIO()
    page = canvas.Canvas(out, pagesize=A4)
    page.setFont("Helvetica", 10)
    for x, line, text in texts:
        page.drawString(x, A4[1] - 40 - 14 * line, text)
    page.save()
    return read_source(Source(out.getvalue(), "application/pdf"))


def table(line: int, heading: tuple[str, ...], *rows: tuple[str, ...]) -> list[Placed]:
    columns = (60, 300, 370, 470)
    return [(x, line + number, text) for number, row in enumerate((heading, *rows)) for x, text in zip(columns, row, strict=True)]


ENGLISH = printed(
    (60, 0, "Northern Lights Ltd"),
    (60, 1, "12 Harbour Street"),
    (60, 2, "Leeds LS1 4AP"),
    (60, 6, "Bill to:"),
    (60, 7, "Quiet Rooms LLP"),
    (60, 8, "3 Mill Lane"),
    (60, 9, "York YO1 7EP"),
    (350, 6, "Invoice number: NL-2024/118"),
    (350, 7, "Invoice date: 17 May 2024"),
    (350, 8, "Due date: 16 June 2024"),
    (350, 9, "Order number: 998877"),
    *table(
        14,
        ("Description", "Qty", "Unit price", "Amount"),
        ("Acoustic panel", "4", "25.00", "100.00"),
        ("Fitting, per hour", "2", "50.00", "100.00"),
    ),
    (370, 19, "Subtotal"),
    (470, 19, "£200.00"),
    (370, 20, "VAT 20%"),
    (470, 20, "£40.00"),
    (370, 21, "Total"),
    (470, 21, "£240.00"),
    (60, 50, "VAT no. GB980780684    IBAN GB29 NWBK 6016 1331 9268 19"),
)

GERMAN = printed(
    (60, 4, "Tischlerei Brandt GmbH · Am Hafen 3 · 28195 Bremen"),
    (60, 6, "Praxis Dr. Sommer"),
    (60, 7, "Lindenweg 8"),
    (60, 8, "28203 Bremen"),
    (380, 6, "Rechnungsnummer"),
    (480, 6, "2024-0815"),
    (380, 7, "Rechnungsdatum"),
    (480, 7, "03.04.2024"),
    (380, 8, "Leistungsdatum"),
    (480, 8, "28.03.2024"),
    (60, 12, "Rechnung"),
    *table(
        14,
        ("Bezeichnung", "Menge", "Einzelpreis", "Gesamtpreis"),
        ("Regal Eiche", "2", "1.250,00", "2.500,00"),
        ("Montage", "3,5", "60,00", "210,00"),
    ),
    (370, 19, "Nettobetrag"),
    (470, 19, "2.710,00 €"),
    (370, 20, "zzgl. 19 % MwSt."),
    (470, 20, "514,90 €"),
    (370, 21, "Gesamtbetrag"),
    (470, 21, "3.224,90 €"),
    (60, 24, "Zahlbar bis 03.05.2024 ohne Abzug."),
    (60, 50, "USt-IdNr. DE136695976"),
    (300, 50, "IBAN DE89 3704 0044 0532 0130 00"),
)


def values(reading: Reading, *names: str) -> tuple[object, ...]:
    return tuple(reading.get(name) for name in names)


def test_an_english_document() -> None:
    names = ("seller_name", "buyer_name", "invoice_number", "currency", "seller_vat_id", "iban")
    assert values(ENGLISH, *names) == (
        "Northern Lights Ltd",
        "Quiet Rooms LLP",
        "NL-2024/118",
        "GBP",
        "GB980780684",
        "GB29NWBK60161331926819",
    )
    assert values(ENGLISH, "issue_date", "due_date") == (dt.date(2024, 5, 17), dt.date(2024, 6, 16))
    assert values(ENGLISH, "net", "tax", "total") == (Decimal(200), Decimal(40), Decimal(240))


def test_a_german_letter_with_a_window() -> None:
    names = ("seller_name", "buyer_name", "invoice_number", "currency", "seller_vat_id", "iban")
    assert values(GERMAN, *names) == (
        "Tischlerei Brandt GmbH",
        "Praxis Dr. Sommer",
        "2024-0815",
        "EUR",
        "DE136695976",
        "DE89370400440532013000",
    )
    assert values(GERMAN, "issue_date", "due_date") == (dt.date(2024, 4, 3), dt.date(2024, 5, 3))
    assert values(GERMAN, "net", "tax", "total") == (Decimal("2710.00"), Decimal("514.90"), Decimal("3224.90"))


def test_the_lines_of_a_table() -> None:
    assert [(one.description, one.quantity, one.unit_price, one.amount) for one in GERMAN.lines] == [
        ("Regal Eiche", Decimal(2), Decimal("1250.00"), Decimal("2500.00")),
        ("Montage", Decimal("3.5"), Decimal("60.00"), Decimal("210.00")),
    ]
    assert [one.amount for one in ENGLISH.lines] == [Decimal(100), Decimal(100)]


def test_the_bands_of_the_tax_and_the_terms() -> None:
    assert [(band.rate, band.base, band.amount) for band in GERMAN.tax_bands] == [
        (Decimal(19), Decimal("2710.00"), Decimal("514.90"))
    ]
    assert GERMAN.get("payment_terms") == "Zahlbar bis 03.05.2024 ohne Abzug."


def test_a_total_that_arithmetic_confirms_is_sure() -> None:
    assert ENGLISH.fields["total"].confidence >= 85
    assert GERMAN.fields["total"].confidence >= 85


def test_a_lonely_number_is_a_guess() -> None:
    reading = printed((60, 3, "Handwritten note by the landlord, please do not lose it"), (60, 5, "repairs as agreed 480.00"))
    assert reading.fields["total"].confidence < 60


def test_evidence_is_inside_of_the_page_and_survives_the_pipe() -> None:
    for value in GERMAN.fields.values():
        assert value.evidence is not None and value.evidence.box is not None
        assert all(0 <= edge <= 1 for edge in value.evidence.box)
    assert reading_from_json(reading_to_json(GERMAN)) == GERMAN


@pytest.mark.parametrize(
    ("number", "date", "net", "tax", "total"),
    [
        ("Facture n° FA-2024-17", "Date de facture : 17/05/2024", "Total HT", "TVA 20 %", "Total TTC"),
        ("Número de factura: F24/17", "Fecha de factura: 17/05/2024", "Base imponible", "IVA 20%", "Total a pagar"),
        ("Fattura n. 17/2024", "Data fattura: 17/05/2024", "Imponibile", "IVA 20%", "Totale fattura"),
        ("Factuurnummer: 2024017", "Factuurdatum: 17-05-2024", "Totaal excl. btw", "Btw 20%", "Totaal incl. btw"),
        ("Faktura nr 17/05/2024/A", "Data wystawienia: 2024-05-17", "Razem netto", "VAT 20%", "Do zapłaty"),
        ("Fatura n.º FT 2024/17", "Data de emissão: 17/05/2024", "Total ilíquido", "IVA 20%", "Total a pagar"),
        ("Fakturanummer: 2024-17", "Fakturadatum: 2024-05-17", "Summa exkl moms", "Moms 20%", "Att betala"),
    ],
)
def test_labels_of_other_languages(number: str, date: str, net: str, tax: str, total: str) -> None:
    reading = printed(
        (60, 1, "Alpha Beta Gamma"),
        (60, 5, number),
        (60, 6, date),
        (60, 10, net),
        (300, 10, "1.000,00 EUR"),
        (60, 11, tax),
        (300, 11, "200,00 EUR"),
        (60, 12, total),
        (300, 12, "1.200,00 EUR"),
    )
    assert values(reading, "net", "tax", "total", "currency") == (Decimal(1000), Decimal(200), Decimal(1200), "EUR")
    assert reading.get("issue_date") == dt.date(2024, 5, 17)
    assert "17" in str(reading.get("invoice_number"))


def test_a_credit_note_gives_money_back() -> None:
    reading = printed(
        (60, 1, "Alpha Supplies Ltd"),
        (60, 4, "Credit note no. CN-77"),
        (60, 5, "Date: 17 May 2024"),
        (60, 8, "Total"),
        (300, 8, "120.00 EUR"),
    )
    assert reading.credit_note
    assert values(reading, "invoice_number", "total") == ("CN-77", Decimal(-120))


def test_what_is_paid_in_cash_is_not_the_total() -> None:
    reading = printed(
        (60, 1, "Corner Shop"),
        (60, 3, "17/05/2024 12:31"),
        (60, 5, "Tea"),
        (200, 5, "3.50"),
        (60, 6, "Total"),
        (200, 6, "3.50"),
        (60, 7, "Cash"),
        (200, 7, "10.00"),
        (60, 8, "Change"),
        (200, 8, "6.50"),
    )
    assert reading.get("total") == Decimal("3.50")


def test_a_word_for_credit_notes_inside_of_a_sentence_changes_nothing() -> None:
    reading = printed(
        (60, 1, "Alpha Supplies Ltd"),
        (60, 3, "Après avoir reçu ce document, payez la somme suivante"),
        (60, 8, "Total"),
        (300, 8, "120.00 EUR"),
    )
    assert not reading.credit_note
    assert reading.get("total") == Decimal(120)


@pytest.mark.parametrize(
    ("address", "currency"), [("Toronto, Canada", "CAD"), ("Auckland, New Zealand", "NZD"), ("Springfield, IL 62701", "USD")]
)
def test_a_bare_dollar_is_that_of_the_country(address: str, currency: str) -> None:
    reading = printed((60, 1, "Alpha Supplies Ltd"), (60, 2, address), (60, 8, "Total"), (300, 8, "$120.00"))
    assert reading.get("currency") == currency


def test_a_word_that_is_also_a_code_is_no_currency() -> None:
    till = ((60, 1, "Corner Shop Sdn Bhd"), (60, 4, "PAPER CUP 1.20"), (60, 5, "TEA 7.80"), (60, 8, "Total"), (300, 8, "9.00"))
    assert printed(*till).get("currency") == "MYR"


def test_a_rare_currency_beside_the_total_counts() -> None:
    reading = printed((60, 1, "Alpha Supplies Ltd"), (60, 6, "Work"), (300, 6, "100.00"), (60, 8, "Total"), (300, 8, "ISK 100.00"))
    assert reading.get("currency") == "ISK"


def test_a_part_of_a_date_is_no_amount() -> None:
    reading = printed(
        (60, 0, "Marlow & Finch LLP"),
        (350, 4, "Date / Tax Point"),
        (450, 4, "25 Feb 2021"),
        (60, 10, "Total fees"),
        (470, 10, "182.05"),
        (60, 11, "VAT 20%"),
        (470, 11, "36.41"),
        (60, 12, "Total amount now due"),
        (470, 12, "218.46"),
    )
    assert values(reading, "net", "tax", "total") == (Decimal("182.05"), Decimal("36.41"), Decimal("218.46"))


def test_the_column_that_adds_up_holds_the_amounts() -> None:
    reading = printed(
        *table(
            4,
            ("Description", "Qty", "Price excl.", "Price incl."),
            ("Lamp", "2", "50.00", "120.00"),
            ("Cable", "3", "10.00", "36.00"),
        ),
        (60, 8, "Invoice total"),
        (470, 8, "156.00"),
    )
    assert [one.amount for one in reading.lines] == [Decimal("120.00"), Decimal("36.00")]


def test_an_address_in_the_window_is_not_the_seller_at_the_foot() -> None:
    reading = printed(
        (60, 6, "Quiet Rooms LLP"),
        (60, 7, "3 Mill Lane"),
        (60, 8, "York YO1 7EP"),
        (350, 6, "Invoice number: 4711"),
        (60, 14, "Total"),
        (470, 14, "£240.00"),
        (60, 52, "Northern Lights Ltd"),
        (60, 53, "12 Harbour Street"),
        (60, 54, "Leeds LS1 4AP"),
    )
    assert values(reading, "seller_name", "buyer_name") == ("Northern Lights Ltd", "Quiet Rooms LLP")


def test_tax_that_is_kept_back_is_not_paid_and_the_total_stays() -> None:
    reading = printed(
        (60, 6, "Base imponible"), (470, 6, "1.000,00 €"), (60, 7, "IVA 21%"), (470, 7, "210,00 €"), (60, 8, "Total factura"),
        (470, 8, "1.210,00 €"), (60, 9, "Retención IRPF 15%"), (470, 9, "-150,00 €"),
        (60, 10, "Total a pagar"), (470, 10, "1.060,00 €"),
    )  # fmt: skip
    assert values(reading, "net", "tax", "total", "amount_due") == tuple(map(Decimal, ("1000", "210", "1210", "1060")))


def test_a_tip_belongs_to_the_total_and_two_cards_pay_it() -> None:
    reading = printed(
        (60, 6, "Subtotal"), (470, 6, "$90.00"), (60, 7, "Sales tax"), (470, 7, "$8.10"), (60, 8, "Tip"), (470, 8, "$15.00"),
        (60, 9, "Total paid"), (470, 9, "$113.10"), (60, 10, "Visa XXXX1881"), (470, 10, "$33.10"), (60, 11, "Mastercard XXXX4444"),
        (470, 11, "$80.00"),
    )  # fmt: skip
    assert values(reading, "total") == (Decimal("113.10"),)


def test_a_credit_note_is_not_the_document_it_corrects() -> None:
    reading = printed(
        (60, 3, "Rechnungskorrektur"), (350, 3, "Nummer: GS-2024-007"), (350, 4, "Datum: 10.06.2024"),
        (60, 6, "zu Rechnung Nr. RE-2024-0555 vom 02.05.2024"), (60, 10, "Nettobetrag"), (470, 10, "100,00"),
        (60, 11, "zzgl. 19% MwSt."), (470, 11, "19,00"), (60, 12, "Gesamtbetrag"), (470, 12, "119,00 EUR"),
    )  # fmt: skip
    assert values(reading, "invoice_number", "issue_date") == ("GS-2024-007", dt.date(2024, 6, 10))


@pytest.mark.parametrize(
    "terms",
    [
        "Zahlbar bis 20.06.2024 mit 2% Skonto: 1.166,20 EUR, bis 10.07.2024 ohne Abzug: 1.190,00 EUR",
        "Zahlbar innerhalb 30 Tagen netto bis 10.07.2024, 3% Skonto innerhalb 10 Tagen bis 20.06.2024",
    ],
)
def test_the_day_of_a_cash_discount_is_not_the_due_date(terms: str) -> None:
    reading = printed(
        (60, 4, "Rechnung Nr. 4711"), (350, 4, "Datum: 10.06.2024"), (60, 8, "Gesamtbetrag"), (470, 8, "1.190,00 EUR"),
        (60, 12, terms),
    )  # fmt: skip
    assert values(reading, "due_date", "total") == (dt.date(2024, 7, 10), Decimal("1190.00"))


def test_a_payment_of_the_last_bill_says_nothing_about_this_one() -> None:
    reading = printed(
        (60, 3, "Votre facture du 1 mars 2024"), (60, 4, "N° de facture : 0987654321"), (60, 7, "Solde précédent"),
        (470, 7, "49,99 EUR"), (60, 8, "Paiement reçu le 15/02/2024, merci"), (470, 8, "-49,99 EUR"), (60, 9, "Abonnements"),
        (470, 9, "44,15 EUR"), (60, 10, "TVA 20%"), (470, 10, "8,83 EUR"), (60, 11, "Total de la facture TTC"),
        (470, 11, "52,98 EUR"), (60, 12, "Montant prélevé le 15/03/2024"), (470, 12, "52,98 EUR"),
    )  # fmt: skip
    said = values(reading, "issue_date", "due_date", "total", "amount_due")
    assert said == (dt.date(2024, 3, 1), dt.date(2024, 3, 15), Decimal("52.98"), Decimal("52.98"))


def sums(*rows: tuple[str, str], head: tuple[Placed, ...] = ()) -> Reading:
    """A bill of two lines, 100.00 in all, and what stands under them."""
    under = [(x, 20 + at, text) for at, row in enumerate(rows) for x, text in zip((330, 470), row, strict=True)]
    heading = head or ((60, 0, "Hazel Works Ltd"), (350, 6, "Invoice number: 4711"), (350, 7, "Invoice date: 17 May 2024"))
    lines = table(
        14, ("Description", "Qty", "Unit price", "Amount"), ("Hinges", "4", "20.00", "80.00"), ("Glue", "1", "20.00", "20.00")
    )
    return printed(*heading, *lines, *under)


def test_a_total_that_is_not_printed_follows_from_what_is_left_to_pay() -> None:
    said = sums(("Subtotal", "100.00"), ("VAT 20%", "20.00"), ("Paid", "-50.00"), ("Balance due", "GBP 70.00"))
    assert values(said, "net", "tax", "total", "amount_due") == (Decimal(100), Decimal(20), Decimal(120), Decimal(70))


def test_taxes_that_name_what_they_are_of_are_added() -> None:
    said = sums(("Subtotal", "100.00"), ("VAT 20% on 80.00", "16.00"), ("VAT 10% on 20.00", "2.00"), ("Total", "£118.00"))
    assert values(said, "net", "tax", "total") == (Decimal(100), Decimal(18), Decimal(118))


@pytest.mark.parametrize(
    ("printed_as", "number"),
    [
        (((350, 6, "Rechnungsnummer 723 110 4985"),), "723 110 4985"),
        (((350, 6, "Rechnungsnummer"), (450, 6, "20240118")), "20240118"),
        (((350, 6, "Rechnungsnummer"), (450, 6, "GS-2024-"), (450, 7, "0042")), "GS-2024-0042"),
        (((350, 5, "Folio no."), (450, 5, "118834"), (350, 9, "Invoice no."), (450, 9, "EDK-55120")), "EDK-55120"),
    ],
    ids=["groups", "looks-like-a-day", "broken", "two-numbers"],
)
def test_a_number_is_told_whole(printed_as: tuple[Placed, ...], number: str) -> None:
    said = sums(("Total", "EUR 100.00"), head=((60, 0, "Hazel Works Ltd"), (60, 10, "Datum: 17.05.2024"), *printed_as))
    assert said.get("invoice_number") == number


def test_letters_set_apart_make_a_title_and_no_name() -> None:
    said = sums(
        ("Total", "EUR 100.00"), head=((230, 0, "C R E D I T  N O T E"), (60, 2, "Hazel Works"), (60, 4, "Credit note no. 7-1"))
    )
    assert said.credit_note
    assert said.get("seller_name") == "Hazel Works"


def test_days_in_one_cell_are_told_apart_by_the_words_over_each() -> None:
    days = ((60, 5, "Number"), (110, 5, "Date"), (180, 5, "Due date"), (60, 6, "4711-8"), (110, 6, "15.04.2024 29.04.2024"))
    said = sums(("Total", "EUR 100.00"), head=((60, 0, "Hazel Works Ltd"), *days))
    assert said.get("issue_date") == dt.date(2024, 4, 15)


def test_the_day_of_a_direct_debit_is_when_it_is_due() -> None:
    text = "Der Betrag wird am 21.10.2024 von Ihrem Konto abgebucht."
    said = sums(("Summe", "EUR 100.00"), head=((60, 0, "Hazel Works Ltd"), (350, 6, "Datum 07.10.2024"), (60, 9, text)))
    assert values(said, "issue_date", "due_date") == (dt.date(2024, 10, 7), dt.date(2024, 10, 21))


def test_a_table_of_taxes_beside_the_sums_does_not_name_them() -> None:
    heading = ("Product", "Qty", "Unit price", "Total (excl. tax)")
    taxes = ((60, "Goods"), (130, "20 %"), (190, "100.00"), (250, "20.00"))
    said = printed(
        (60, 0, "Hazel Works Ltd"),
        (350, 6, "Invoice number: 4711"),
        (350, 7, "Invoice date: 17 May 2024"),
        *table(14, heading, ("Hinges", "4", "20.00", "80.00"), ("Glue", "1", "20.00", "20.00")),
        *((x, 18, text) for x, text in zip((60, 130, 190, 250), ("Tax detail", "Rate", "Base", "Tax"), strict=True)),
        (370, 18, "Total (excl. tax)"),
        (470, 18, "100.00"),
        *((x, 19, text) for x, text in taxes),
        (370, 19, "Total"),
        (470, 19, "120.00"),
    )
    assert values(said, "net", "total") == (Decimal(100), Decimal(120))


def test_what_is_paid_besides_fees_belongs_to_the_total() -> None:
    said = sums(
        ("Total fees", "$100.00"), ("Disbursements", "$41.20"), ("Prior balance", "$12.00"), ("Total balance due", "$141.20")
    )
    assert said.get("total") == Decimal("141.20")


def test_days_of_work_are_not_the_day_of_the_bill() -> None:
    days = [(60, 10 + at, f"0{at}/04/24 Review of the lease") for at in range(3, 7)]
    said = sums(("Total", "$100.00"), head=((60, 0, "Hazel & Linden LLP"), (60, 3, "October 8, 2024"), *days))
    assert said.get("issue_date") in (dt.date(2024, 10, 8), None)


def test_a_larger_total_further_down_makes_the_one_above_doubtful() -> None:
    below = sums(("Subtotal", "100.00"), ("VAT 20%", "20.00"), ("Grand total", "120.00"), ("Total", "172.08"))
    alone = sums(("Subtotal", "100.00"), ("VAT 20%", "20.00"), ("Grand total", "120.00"))
    assert (below.get("total"), alone.get("total")) == (Decimal(120), Decimal(120))
    assert below.fields["total"].confidence <= 70 < alone.fields["total"].confidence


def test_a_total_subject_to_tax_is_the_net_amount() -> None:
    said = sums(("Total charges subject to VAT", "100.00"), ("VAT 20%", "20.00"), ("Total amount", "£120.00"))
    assert values(said, "net", "tax", "total") == (Decimal(100), Decimal(20), Decimal(120))


def test_an_original_is_numbered_by_its_own_title() -> None:
    said = sums(
        ("Total", "€100.00"), head=((60, 0, "Original invoice #100047"), (60, 1, "Order #2024-5531"), (60, 2, "19.04.2024"))
    )
    assert said.get("invoice_number") == "100047"
