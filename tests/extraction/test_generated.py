"""Documents that the project makes itself, of every country it knows, read back; the whole set is read by `make eval`."""

import random

import pytest

from akount.extraction.engines import read_source
from akount.readings import Source, reading_to_json
from tools.documents.facts import make_facts, truth_of, vat_id, words
from tools.documents.layouts import draw
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


def test_the_same_seed_makes_the_same_document() -> None:
    one, other = ((rng := random.Random("again"), draw(make_facts(rng, "DE"), rng))[1] for _ in range(2))
    assert one == other


def test_generated_tax_ids_have_right_check_digits() -> None:
    from akount.extraction.identifiers import is_vat_id

    rng = random.Random("ids")
    assert all(is_vat_id(vat_id(rng, country)) for country in ("DE", "NL", "IT", "PL", "PT", "FI"))
