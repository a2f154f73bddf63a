"""Documents that the project makes itself, of every country it knows, read back; the whole set is read by `make eval`."""

import datetime as dt
import random
from decimal import Decimal

import pypdfium2
import pytest

from akount.extraction.engines import read_source
from akount.extraction.layout import plain
from akount.readings import Source, reading_to_json
from tools.documents.facts import make_facts, truth_of, vat_id, words
from tools.documents.layouts import draw
from tools.documents.sorts import SORTS, draw_sort
from tools.reading.scoring import KEY_FIELDS, judged, matched_lines

MONEY = ("net", "tax", *KEY_FIELDS)


@pytest.mark.parametrize("country", list(words()["country"]))
def test_a_document_of_each_country_is_read(country: str) -> None:
    rng = random.Random(f"test {country}")
    facts = make_facts(rng, country)
    data, printed, _family = draw(facts, rng)
    truth = truth_of(facts, printed)
    raw = reading_to_json(read_source(Source(data, "application/pdf")))
    said = {name: value["value"] for name, value in raw["fields"].items()}
    verdicts = judged(truth, said)
    assert {name: said.get(name) for name in MONEY if not verdicts[name]} == {}
    assert sum(bool(right) for right in verdicts.values()) >= len(verdicts) - 1
    assert matched_lines(truth, raw["lines"]) >= 0.9 * len(truth["lines"])


@pytest.mark.parametrize("name", list(SORTS))
def test_a_document_of_each_sort_is_read(name: str) -> None:
    sort, countries = SORTS[name]
    rng = random.Random(f"test {name}")
    facts = make_facts(rng, countries[0])
    data, printed, changes = draw_sort(sort, facts, rng)
    truth = truth_of(facts, printed) | changes
    raw = reading_to_json(read_source(Source(data, "application/pdf")))
    said = {name: value["value"] for name, value in raw["fields"].items()}
    verdicts = judged(truth, said)
    assert {name: said.get(name) for name in MONEY if name in verdicts and not verdicts[name]} == {}
    assert sum(bool(right) for right in verdicts.values()) >= len(verdicts) - 1


@pytest.mark.parametrize("country", ["GB", "DE", "SE", "JP"])
def test_under_each_box_stands_the_value(country: str) -> None:
    """The words of the page inside of the box of a value are what it was read from, and read again they are the value."""
    rng = random.Random(f"boxes {country}")
    data, _printed, _family = draw(make_facts(rng, country), rng)
    reading = read_source(Source(data, "application/pdf"))
    checked = 0
    with pypdfium2.PdfDocument(data) as document:
        pages = [page.get_textpage() for page in document]
        for name, value in reading.fields.items():
            evidence = value.evidence
            if evidence is None or evidence.box is None or name in ("currency", "payment_terms"):
                continue
            width, height = document[evidence.page - 1].get_size()
            x0, y0, x1, y1 = evidence.box
            box = (x0 * width - 1, (1 - y1) * height - 1, x1 * width + 1, (1 - y0) * height + 1)
            under = plain(pages[evidence.page - 1].get_text_bounded(*box))
            if isinstance(value.value, Decimal):
                assert _digits(under).endswith(_digits(f"{abs(value.value)}"))
            elif isinstance(value.value, dt.date):
                assert str(value.value.day) in under and f"{value.value:%y}" in under
            else:
                assert _letters(value.value) in _letters(under)
            checked += 1
    assert checked > 6


def _digits(text: str) -> str:
    return "".join(char for char in text if char.isdigit())


def _letters(text: object) -> str:
    return plain(str(text)).replace(" ", "")


def test_the_same_seed_makes_the_same_document() -> None:
    one, other = ((rng := random.Random("again"), draw(make_facts(rng, "DE"), rng))[1] for _ in range(2))
    assert one == other


def test_generated_tax_ids_have_right_check_digits() -> None:
    from akount.extraction.identifiers import is_vat_id

    rng = random.Random("ids")
    assert all(is_vat_id(vat_id(rng, country)) for country in ("DE", "NL", "IT", "PL", "PT", "FI"))
