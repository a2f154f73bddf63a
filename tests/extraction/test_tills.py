from decimal import Decimal

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
