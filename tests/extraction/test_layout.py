import pytest

from akount.extraction import labels
from akount.extraction.layout import Document, Page, Word, plain, turn_box


def page(*words: tuple[str, float, float], slope: float = 0.0) -> Page:
    return Page(1, 100, 100, tuple(Word(text, (x, y, x + 0.01 * len(text), y + 0.02)) for text, x, y in words), slope=slope)


def rows(*words: tuple[str, float, float], slope: float = 0.0) -> list[list[str]]:
    return [[cell.text for cell in row.cells] for row in Document([page(*words, slope=slope)]).rows]


def test_words_of_one_height_are_a_row_and_wide_gaps_part_cells() -> None:
    assert rows(("Total", 0.1, 0.5), ("amount", 0.155, 0.502), ("12.50", 0.7, 0.497), ("Tax", 0.1, 0.55)) == [
        ["Total amount", "12.50"],
        ["Tax"],
    ]


def test_rows_that_slope_stay_together_when_the_slope_is_known() -> None:
    words = (("Total", 0.1, 0.5), ("12.50", 0.8, 0.535), ("Tax", 0.1, 0.54), ("2.50", 0.8, 0.575))
    assert rows(*words, slope=0.05) == [["Total", "12.50"], ["Tax", "2.50"]]


def test_neighbours_are_found_by_place() -> None:
    document = Document([page(("Number", 0.1, 0.1), ("Date", 0.5, 0.1), ("4711", 0.11, 0.13), ("today", 0.5, 0.13))])
    number = document.cells[0]
    assert [cell.text for cell in document.right_of(number)] == ["Date"]
    assert [cell.text for cell in document.below(number)] == ["4711"]
    assert [cell.text for cell in document.above(document.cells[-1])] == ["Date"]


def test_the_box_of_a_part_is_that_of_its_words() -> None:
    cell = Document([page(("Invoice", 0.1, 0.1), ("A-17", 0.18, 0.1))]).cells[0]
    assert cell.span_box(8, 12) == pytest.approx((0.18, 0.1, 0.22, 0.12))


def test_four_turns_are_none() -> None:
    box = (0.1, 0.2, 0.3, 0.25)
    turned = box
    for _ in range(4):
        turned = turn_box(turned, 90)
    assert turned == pytest.approx(box)
    assert turn_box(turn_box(box, 90), 270) == pytest.approx(box)


def test_labels_are_compared_without_accents_and_signs() -> None:
    assert plain("N° de TVA – Échéance:") == "n de tva echeance"
    assert plain("Zapłacono 7 %") == "zaplacono 7 %"


def test_the_longest_label_wins() -> None:
    assert [(label.role, label.phrase) for label in labels.find("Net total amount (EUR)", "money")] == [("net", "net total amount")]
    assert [label.role for label in labels.find("Invoice date", "number")] == ["other"]


def test_a_compound_of_the_german_word_is_one_too() -> None:
    assert [label.role for label in labels.find("Werkstattrechnung 4711", "number")] == ["issue"]


def test_one_misread_letter_is_mended_and_the_length_stays() -> None:
    assert labels.mended("Gesantbetrag 34,00") == "gesamtbetrag 34,00"
    assert labels.mended("Nordwind 2024") == "Nordwind 2024"
