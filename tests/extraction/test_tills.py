from decimal import Decimal

import pytest

from akount.extraction.fields import read_document
from akount.extraction.layout import Document, Page, Word
from akount.readings import Reading


def till(*rows: tuple[str, str]) -> Reading:
    words = []
    for number, (text, amount) in enumerate(rows):
        y, x = 0.05 + 0.04 * number, 0.05
        for word in text.split():
            words.append(Word(word, (x, y, x + 0.015 * len(word), y + 0.025), 98))
            x += 0.015 * len(word) + 0.006
        if amount:
            words.append(Word(amount, (0.95 - 0.015 * len(amount), y, 0.95, y + 0.025), 98))
    return read_document(Document([Page(1, 60, 100, tuple(words))], scanned=True), "ocr", "1")


HEAD = (("CORNER SHOP LTD", ""), ("17.05.2024 12:30", ""))


def test_positions_that_add_up_are_read() -> None:
    reading = till(*HEAD, ("Green tea", "3.50"), ("Bread rolls", ""), ("3 x 0.75", "2.25"), ("TOTAL", "5.75"))
    assert [(line.description, line.quantity, line.unit_price, line.amount) for line in reading.lines] == [
        ("Green tea", None, None, Decimal("3.50")),
        ("Bread rolls", Decimal(3), Decimal("0.75"), Decimal("2.25")),
    ]
    assert reading.fields["total"].confidence >= 80


def test_positions_that_do_not_add_up_are_left_out() -> None:
    assert till(*HEAD, ("Green tea", "3.50"), ("Bread rolls", "9.25"), ("TOTAL", "5.75")).lines == ()


def test_the_summary_of_rates_is_not_the_total() -> None:
    reading = till(
        *HEAD,
        ("Book", "10.70"),
        ("Pen", "11.90"),
        ("TOTAL EUR", "22.60"),
        ("7,00% 10.00 0.70", "10.70"),
        ("19,00% 10.00 1.90", "11.90"),
    )
    assert reading.get("total") == Decimal("22.60")


def test_what_ocr_doubts_is_not_sure() -> None:
    words = (Word("TOTAL", (0.1, 0.5, 0.2, 0.52), 99), Word("5.75", (0.8, 0.5, 0.9, 0.52), 40))
    sure = (Word("TOTAL", (0.1, 0.5, 0.2, 0.52), 99), Word("5.75", (0.8, 0.5, 0.9, 0.52), 99))
    doubted, clear = (read_document(Document([Page(1, 60, 100, one)], scanned=True), "ocr", "1") for one in (words, sure))
    assert doubted.fields["total"].confidence < clear.fields["total"].confidence - 15


@pytest.mark.parametrize(
    ("foot", "currency"),
    [
        ("Edmonton, AB", "CAD"),
        ("Toronto ON M5H 2N2", "CAD"),
        ("SAN JOSE CA 95122", "USD"),
        ("Town Hall NSW 2000", "AUD"),
        ("GST 5.00 % 0.28", "CAD"),
        ("GST 15% 0.75", "NZD"),
    ],
)
def test_a_bare_dollar_is_that_of_the_address_or_of_the_rate(foot: str, currency: str) -> None:
    assert till(*HEAD, ("Coffee", "$5.75"), ("TOTAL", "$5.75"), (foot, "")).get("currency") == currency


def test_a_bare_dollar_beside_a_foreign_tax_is_doubted() -> None:
    doubted = till(*HEAD, ("Coffee", "$5.75"), ("TOTAL", "$5.75"), ("GST", "$0.27"))
    assert doubted.fields["currency"].confidence < 80


@pytest.mark.parametrize(
    ("foot", "currency"),
    [
        ("44 Station Road Didcot OX11 7LZ", "GBP"),
        ("1122 S 9th St, Philadelphia PA 19147", "USD"),
        ("GSTIN27AABCR1718E1ZP", "INR"),
        ("Circle K Sverige AB", None),
        ("MWST-Nr. CHE-105.920.456", "CHF"),
    ],
)
def test_the_end_of_an_address_tells_the_currency_that_nothing_is_printed_of(foot: str, currency: str | None) -> None:
    assert till(*HEAD, ("Coffee", "5.75"), ("TOTAL", "5.75"), (foot, "")).get("currency") == currency


def test_what_is_left_after_a_gift_card_is_not_the_total() -> None:
    reading = till(
        *HEAD, ("Photos", "37.95"), ("SUMME EUR", "37,95"), ("Geschenkkarte", "-25,00"), ("Zu zahlender Betrag EUR", "12,95")
    )
    assert reading.get("total") == Decimal("37.95")


def test_the_end_of_a_card_is_no_number_of_the_document() -> None:
    assert till(*HEAD, ("Coffee", "5.75"), ("TOTAL", "5.75"), ("Nr. XXXX6225", "")).get("invoice_number") is None


@pytest.mark.parametrize(
    ("head", "seller"),
    [
        (("MERCATO AZUL, S.A. A-46103834", "C/ ENRIQUE GRANADOS 102"), "MERCATO AZUL, S.A."),
        (("Brutto Kauf-Discount", "Stiftung & Co. KG"), "Brutto Kauf-Discount Stiftung & Co. KG"),
    ],
)
def test_a_name_with_its_tax_id_behind_or_its_legal_form_below(head: tuple[str, str], seller: str) -> None:
    reading = till(*((line, "") for line in head), ("17.05.2024 12:30", ""), ("Leche", "5,75"), ("TOTAL (\u20ac)", "5,75"))
    assert reading.get("seller_name") == seller


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("FACTURA SIMPLIFICADA: 2788-013-447712", "2788-013-447712"),
        ("Transactie 00122881", "00122881"),
        ("Invoice ABN 88 000 014 675", None),
        ("Receipt no DE136695976", None),
        ("Ref no RM53.60", None),
    ],
)
def test_the_number_of_a_till_is_neither_a_tax_id_nor_money(said: str, number: str | None) -> None:
    assert till(*HEAD, (said, ""), ("Coffee", "5.75"), ("TOTAL", "5.75")).get("invoice_number") == number


def test_the_number_of_the_document_stands_before_that_of_the_folio() -> None:
    assert (
        till(*HEAD, ("Folio No. 118834", ""), ("Invoice No. EDK-55120", ""), ("TOTAL", "5.75")).get("invoice_number") == "EDK-55120"
    )


def test_hours_are_no_amounts() -> None:
    reading = till(
        *HEAD, ("MO.-SA. 9.00 Uhr - 20.00 Uhr", ""), ("Tee", "5,75"), ("ZU ZAHLEN", "5,75"), ("BAR", "6,00"), ("ZURUECK", "0,25")
    )
    assert reading.get("total") == Decimal("5.75")


@pytest.mark.parametrize(
    ("word", "paid"), [("TOPLAM", "KREDI KARTI"), ("UKUPNO", "Gotovina"), ("\u00d6SSZESEN", "BANKK\u00c1RTYA")]
)
def test_totals_of_more_languages_and_signs_in_the_place_of_a_currency(word: str, paid: str) -> None:
    rows = (("Peynir", "*4,50"), ("Ekmek", "*1,25"), (word, "*5,75"), (paid, "*5,75"))
    assert till(*HEAD, *rows).get("total") == Decimal("5.75")


@pytest.mark.parametrize("name", ["The Red Lion", "THE CORNER DEPOT"])
def test_a_name_may_begin_with_an_article_and_is_not_that_of_the_manager(name: str) -> None:
    rows = (
        (name, ""),
        ("12 Market Street", ""),
        ("ANN STORE MANAGER", ""),
        ("17.05.2024 12:30", ""),
        ("Tea", "5.75"),
        ("TOTAL", "5.75"),
    )
    assert till(*rows).get("seller_name") == name


def test_a_dollar_sign_that_was_read_as_a_five_is_one_where_the_amount_stands_elsewhere() -> None:
    rows = (("Lamb chops", "30.00"), ("Cheese", "13.75"), ("SUBTOTAL", "$43.75"), ("TOTAL", "543.75"), ("EFT", "$43.75"))
    assert till(*HEAD, *rows, ("TOTAL includes GST", "$2.22")).get("total") == Decimal("43.75")
    assert till(*HEAD, ("Sofa", "543.75"), ("TOTAL", "543.75")).get("total") == Decimal("543.75")


def test_of_two_totals_the_one_after_the_discount_is_meant() -> None:
    rows = (("Total bruto de itens", "46,38"), ("Desconto sobre item", "-5,33"), ("TOTAL R$", "41,05"), ("PIX", "41,05"))
    assert till(*HEAD, *rows).get("total") == Decimal("41.05")


def test_thousands_are_parted_by_a_space_before_a_currency_without_decimals() -> None:
    reading = till(*HEAD, ("Bor", ""), ("\u00d6SSZESEN: 6 485 Ft", ""))
    assert (reading.get("total"), reading.get("currency")) == (Decimal(6485), "HUF")


def test_a_word_for_the_total_that_stands_alone_makes_another_total_doubtful() -> None:
    rows = (("Beer", "144,30"), ("Mezisou\u010det", "144,30"), ("Zaokrouhlen\u00ed", "-0,30"))
    lost = till(*HEAD, *rows, ("CELKEM KC", ""), ("Hotovost", "200,00"))
    assert "total" not in lost.fields or lost.fields["total"].confidence < 80


def test_the_day_of_what_is_returned_is_not_that_of_the_return() -> None:
    rows = (("RETOURE", ""), ("Gutschrift zu Bon 5512 vom 22.04.2025", ""), ("Bits", "-24,90"), ("SUMME EUR", "-24,90"))
    assert str(till(("BAUMARKT GMBH", ""), *rows, ("26.04.2025 11:20", "")).get("issue_date")) == "2025-04-26"


@pytest.mark.parametrize(
    ("foot", "currency"), [("TOPKDV 4,82", "TRY"), ("PPN 5,797", "IDR"), ("BOOTMAKERS UK LTD", "GBP"), ("ST 0044 T 12", None)]
)
def test_taxes_and_firms_tell_the_currency_and_numbers_of_shops_do_not(foot: str, currency: str | None) -> None:
    assert till(*HEAD, ("Coffee", "5.75"), ("TOTAL", "5.75"), (foot, "")).get("currency") == currency
