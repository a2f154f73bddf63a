"""The confidence of a value is a probability by a model that was learned; how it is learned and told."""

import random
from xml.etree import ElementTree

import pytest

from akount.extraction.confidence import SURE, per_cent, probability, signals_of
from tools.documents.facts import words
from tools.reading.evaluate import Judged, bins, named, thresholds
from tools.reading.picture import reliability
from tools.reading.scoring import judged, matched_lines, tallies
from tools.reading.train import FEWEST, FOLDS, LEAST, Sample, fold_of, learn

KEY = ("total", "currency", "issue_date", "invoice_number", "seller_name")


def test_what_the_rule_is_sure_of_is_likelier_right() -> None:
    for field in ("currency", "issue_date", "invoice_number", "iban"):
        low, high = (per_cent(field, signals_of(rule, False, 100, {"lead": lead})) for rule, lead in ((20, 0.0), (95, 2.0)))
        assert low < 60 < 90 < high <= SURE, (field, low, high)


@pytest.mark.parametrize("field", [*KEY, "buyer_name", "due_date", "iban", "seller_vat_id", "net", "tax"])
def test_what_ocr_doubts_is_less_likely_right(field: str) -> None:
    reasons = {"label": 1.0, "largest": 1.0, "lead": 1.0}
    sure, doubtful = (probability(field, signals_of(70, True, read, reasons)) for read in (99, 60))
    assert odds(doubtful) < odds(sure) / 3


def odds(share: float) -> float:
    return share / (1 - share)


def test_a_close_rival_makes_a_seller_doubtful() -> None:
    alone, close = (per_cent("seller_name", signals_of(80, False, 100, {"lead": lead, "firm": 1.0})) for lead in (2.0, 0.1))
    assert close < 80 and alone > 90


def test_a_date_that_is_a_guess_is_doubtful() -> None:
    told, guessed = (
        per_cent("issue_date", signals_of(rule, False, 100, {"alone": 1.0, "lead": 2.0, "ambiguous": ambiguous}))
        for rule, ambiguous in ((90, 0.0), (55, 1.0))
    )
    assert told > 90 and guessed < 80


def test_what_no_wrong_value_could_teach_is_held() -> None:
    """All is right in what was seen, doubted by OCR or not: a doubt must speak against a value for all that."""
    known = [Sample("iban", f"family {one}", 1.0, {"rule": 0.9, "doubt": one % 3 / 2}, True) for one in range(FEWEST)]
    assert learn(known)["iban"]["doubt"] == LEAST[""]["doubt"] < 0


def test_a_field_without_a_model_is_believed_as_its_rule_says() -> None:
    assert per_cent("payment_terms", signals_of(70, False, 100, {})) == 70


def test_learning_finds_what_matters_and_stays_modest_where_it_has_seen_nothing() -> None:
    rng = random.Random(7)
    known = []
    for number in range(400):
        lead = rng.uniform(0, 2)
        right = rng.random() < (0.5 if lead < 0.5 else 0.98)
        known.append(Sample("total", f"family {number % 40}", 1.0, {"rule": 0.9, "lead": lead, "noise": rng.random()}, right))
    model = learn(known)["total"]
    assert model["lead"] > 1 > abs(model.get("noise", 0.0))
    doubted, sure = (model[""] + model["rule"] * rule for rule in (0.1, 0.9))
    assert doubted < sure - 1, "nothing so doubtful was ever seen to be right"


def test_a_family_is_always_in_the_same_fold() -> None:
    folds = {fold_of(f"set/family {number}") for number in range(100)}
    assert folds == set(range(FOLDS))
    assert fold_of("set/one") == fold_of("set/one")


RECORDS = [
    Judged(False, "ocr", 85, True),
    Judged(False, "ocr", 85, False),
    Judged(False, "ocr", 97, True),
    Judged(False, "ocr", 40, False),
]


def test_thresholds_tell_how_many_reach_them_and_how_many_are_right() -> None:
    told = {threshold: (share, right) for threshold, share, right in thresholds(RECORDS)}
    assert told[80] == (75.0, 66.7)
    assert told[95] == (25.0, 100)


def test_the_picture_shows_every_step_of_confidence() -> None:
    steps = bins(RECORDS)
    assert steps == [(40, 0, 1), (85, 50, 2), (97, 100, 1)]
    circles = ElementTree.fromstring(reliability({"all": steps})).iter("{http://www.w3.org/2000/svg}circle")
    assert len(list(circles)) == len(steps) + 1, "and one in the legend"


def test_scoring_forgives_the_writing_and_not_the_value() -> None:
    truth = {
        "document_type": "invoice",
        "total": "1234.50",
        "currency": "EUR",
        "seller_name": "Müller & Söhne GmbH",
        "invoice_number": "A 17",
        "iban": "DE89 3704 0044 0532 0130 00",
        "lines": [{"description": "Oak shelf", "amount": "10.00"}, {"description": "Lamp", "amount": "5.00"}],
    }
    said = {"total": "1234.5", "currency": "USD", "seller_name": "Muller und Sohne", "invoice_number": "A17"}
    verdicts = judged(truth, said)
    assert (verdicts["total"], verdicts["currency"], verdicts["invoice_number"], verdicts["iban"]) == (True, False, True, None)
    assert matched_lines(truth, [{"description": "oak shelf, oiled", "amount": "10"}, {"description": "Chair", "amount": "5"}]) == 1
    counted = tallies([(truth, said)])
    assert (counted["total"].f1, counted["currency"].f1, counted["iban"].f1) == (100, 0, 0)


def test_a_credit_note_may_be_printed_with_either_sign() -> None:
    assert judged({"document_type": "credit_note", "total": "-5.00"}, {"total": "5.00"}) == {"total": True}
    assert judged({"document_type": "invoice", "total": "-5.00"}, {"total": "5.00"}) == {"total": False}


def test_no_rule_names_a_vendor() -> None:
    surnames = [name for said in words().values() for name in said.get("surnames", ())]
    assert named(surnames) == []
    assert named(["gesamtbetrag"]) == ["gesamtbetrag"], "it looks into the data as well"
