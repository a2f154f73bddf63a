"""Who sends a document and who gets it, where no word announces either."""

import pytest

from akount.extraction import buyers, sellers
from akount.extraction.layout import Document, Page, Word

Placed = tuple[float, float, str]
"""From the left, from the top, in hundredths of the page; a text."""
SENDER = ("Tannhof Metallbau GmbH", "Lindenweg 3", "01067 Dresden")
GUEST = ("Brückmann Feinkost", "Am Hafen 12", "28195 Bremen")
PHONE = "Tel. 0421 555123"


def block(x: float, y: float, *lines: str) -> list[Placed]:
    return [(x, y + 1.4 * index, line) for index, line in enumerate(lines)]


def parties(*texts: Placed) -> tuple[str | None, str | None]:
    """Seller and buyer."""
    words = []
    for left, y, text in texts:
        x = left / 100
        for word in text.split():
            words.append(Word(word, (x, y / 100, x + 0.009 * len(word), y / 100 + 0.01)))
            x += 0.009 * len(word) + 0.004
    document = Document([Page(1, 100, 141, tuple(words))])
    buyer = buyers.find_buyer(document)
    seller = sellers.find_seller(document, buyer)
    buyer = buyer or buyers.find_addressee(document, seller)
    return seller and seller.value, buyer and buyer.value


def test_a_letterhead_at_the_right_with_a_telephone_is_the_sender() -> None:
    said = parties(*block(67, 5, *SENDER, "", PHONE), *block(8, 16, *GUEST), (8, 34, "Rechnung Nr. 4711"))
    assert said == (SENDER[0], GUEST[0])


def test_beside_each_other_the_one_with_a_telephone_is_the_sender() -> None:
    left, right = block(8, 6, *SENDER, PHONE), block(50, 6, *GUEST)
    assert parties(*left, *right) == (SENDER[0], GUEST[0])
    left, right = block(8, 6, *GUEST), block(50, 6, *SENDER, PHONE)
    assert parties(*left, *right) == (SENDER[0], GUEST[0])


def test_who_stands_at_the_foot_alone_is_the_sender() -> None:
    said = parties(*block(54, 16, *GUEST), (8, 34, "Rechnung Nr. 4711"), *block(8, 91, *SENDER), (39, 91, PHONE))
    assert said == (SENDER[0], GUEST[0])


def test_the_name_of_the_domain_with_its_address_elsewhere_is_the_sender() -> None:
    said = parties(
        (8, 5, "Hollerbach"), (80, 5, "Schulgasse 4"), (80, 6.4, "79098 Freiburg"), (80, 7.8, "hollerbach.example"),
        *block(54, 16, *GUEST),
    )  # fmt: skip
    assert said == ("Hollerbach", GUEST[0])


def test_the_brand_of_a_letterhead_is_told_by_its_legal_name() -> None:
    said = parties((8, 5, "TANNHOF"), *block(8, 16, *GUEST), *block(8, 91, *SENDER), (39, 91, PHONE))
    assert said == (SENDER[0], GUEST[0])


@pytest.mark.parametrize("person", ["Attn: Wiesinger", "z. Hd. Frau Wiesinger", "À l'attention de Wiesinger", "c/o Wiesinger"])
def test_the_person_for_whose_attention_it_is_is_not_the_firm(person: str) -> None:
    said = parties(*block(67, 5, *SENDER, PHONE), *block(8, 16, GUEST[0], person, *GUEST[1:]))
    assert said == (SENDER[0], GUEST[0])


@pytest.mark.parametrize("form", ["Firma", "Société", "Monsieur", "Spett.le", "Accounts Payable", "An"])
def test_a_form_of_address_over_a_name_is_no_name(form: str) -> None:
    assert parties(*block(67, 5, *SENDER, PHONE), *block(8, 16, form, *GUEST)) == (SENDER[0], GUEST[0])


@pytest.mark.parametrize("word", ["Eigner:", "Bauherr:", "Versicherungsnehmerin:"])
def test_a_word_that_nobody_knows_announces_by_its_colon(word: str) -> None:
    assert parties(*block(8, 5, *SENDER, PHONE), *block(8, 16, word, *GUEST)) == (SENDER[0], GUEST[0])


def test_two_parties_of_one_town_are_told_apart() -> None:
    guest = (*GUEST[:2], SENDER[2])
    assert parties(*block(67, 5, *SENDER, PHONE), *block(8, 16, *guest)) == (SENDER[0], GUEST[0])


def test_a_lonely_address_is_that_of_the_sender() -> None:
    assert parties(*block(8, 5, *SENDER, PHONE), (8, 34, "Rechnung Nr. 4711")) == (SENDER[0], None)


def test_who_sold_on_a_marketplace_is_the_sender_not_whose_foot_it_is() -> None:
    market = ((8, 3, "kaufwelt.de"), (8, 95, "Kaufwelt Services GmbH, Ringstr. 3, 10115 Berlin"))
    seller, buyer = parties(*market, *block(8, 10, *GUEST), *block(60, 20, "Verkauft von", *SENDER))
    assert (seller, buyer) == (SENDER[0], GUEST[0])


def test_of_a_person_and_a_firm_under_a_label_the_firm_is_the_buyer() -> None:
    seller, buyer = parties(*block(8, 6, *SENDER, PHONE), *block(8, 20, "Bill to", "Marketing", "Quiet Rooms GmbH", "Am Hafen 12"))
    assert (seller, buyer) == (SENDER[0], "Quiet Rooms GmbH")


def test_a_legal_form_alone_in_the_next_line_belongs_to_the_name() -> None:
    seller, _ = parties(*block(8, 10, *GUEST), *block(60, 20, "Verkauft von", "Tannhof Metallbau", "GmbH"))
    assert seller == "Tannhof Metallbau GmbH"


def test_a_town_of_great_britain_in_the_line_at_the_foot_makes_it_an_address() -> None:
    foot = (8, 92, "Skylark Mobile Limited, The Connection, Newbury, Berkshire RG14 2FN. Registered No 1471587")
    seller, buyer = parties(*block(8, 16, "Mrs Fiona Rattray", "14 Glenbrook Road", "Perth PH2 0AX"), foot)
    assert (seller, buyer) == ("Skylark Mobile Limited", "Fiona Rattray")


def test_the_columns_of_a_timetable_announce_nobody() -> None:
    head = [(8 + 18 * at, 30, text) for at, text in enumerate(("From", "To", "Flight", "Class", "Date"))]
    trip = [(8 + 18 * at, 32, text) for at, text in enumerate(("ZURICH ZRH", "LISBON LIS", "AU2084", "Y", "14OCT24"))]
    assert parties(*block(8, 6, *SENDER, PHONE), *head, *trip)[0] == SENDER[0]


def test_a_firm_in_the_middle_of_the_line_at_the_foot_is_the_sender() -> None:
    foot = (20, 92, "www.wijzerhosting.example · support@wijzerhosting.example · Wijzer Hosting B.V. · KvK 60112233")
    assert parties(*block(8, 20, "Billed to", "Quiet Rooms", "Zuidplein 30"), foot) == ("Wijzer Hosting B.V.", "Quiet Rooms")


def test_a_word_for_an_address_is_no_name() -> None:
    side_by_side = [*block(8, 20, "Bill to:", GUEST[0]), (50, 20, "Verzendadres")]
    assert parties(*block(8, 6, *SENDER, PHONE), *side_by_side) == (SENDER[0], GUEST[0])
