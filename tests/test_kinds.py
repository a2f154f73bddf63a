"""The two kinds differ in their data only, and a record is trusted no further than its weakest part (S5)."""

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from akount.checks import Finding
from akount.errors import NotFound
from akount.kinds import DEFAULT_KIND, KINDS, QUEUES, WEIGHTY, Kind, kind_named
from akount.readings import FIELDS, Reading, Value
from make import reading

every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
PASSED, FAILED = Finding("totals_add_up", True, "x."), Finding("totals_add_up", False, "x.")


def trusted(confidence: int = 100, **values: Any) -> Reading:
    """A reading whose every field has the confidence given."""
    found = reading(**values)
    return replace(found, fields={n: Value(v.value, confidence) for n, v in found.fields.items()})


@every_kind
def test_everything_found_is_trusted_as_far_as_its_weakest_required_field(kind: Kind) -> None:
    found = trusted()
    assert kind.confidence(found, (PASSED,)) == 100
    for name in kind.required:
        weak = replace(found, fields=found.fields | {name: Value(found.get(name), 61)})
        assert kind.confidence(weak, (PASSED,)) == 61


@every_kind
def test_a_field_that_is_not_required_does_not_matter(kind: Kind) -> None:
    found = trusted()
    other = "seller_name" if kind.party == "buyer_name" else "buyer_name"
    weak = replace(found, fields=found.fields | {n: Value(found.get(n), 1) for n in (other, "net", "tax")})
    assert kind.confidence(weak, (PASSED,)) == 100


@every_kind
def test_a_number_that_is_printed_has_to_be_right_as_well(kind: Kind) -> None:
    found = trusted()
    weak = replace(found, fields=found.fields | {"invoice_number": Value("A-1", 61)})
    assert kind.confidence(weak, (PASSED,)) == 61


@every_kind
def test_each_missing_required_field_costs_a_quarter(kind: Kind) -> None:
    assert kind.confidence(trusted(currency=None), ()) == 75
    assert kind.confidence(trusted(currency=None, issue_date=None), ()) == 50
    assert kind.confidence(trusted(currency=None, issue_date=None, **{kind.party: None}), ()) == 25


@every_kind
def test_without_a_total_a_person_enters_the_figures(kind: Kind) -> None:
    assert kind.confidence(trusted(total=None), ()) == 30


@every_kind
def test_without_a_number_a_record_is_looked_at(kind: Kind) -> None:
    assert kind.confidence(trusted(invoice_number=None), ()) == 79


@every_kind
def test_sums_that_do_not_add_up_leave_a_record_below_the_line(kind: Kind) -> None:
    assert kind.confidence(trusted(), (FAILED,)) == 75
    assert kind.confidence(trusted(50), (FAILED,)) == 50


@every_kind
def test_what_is_missing_is_not_counted_twice(kind: Kind) -> None:
    assert kind.confidence(trusted(), (Finding("required_fields", False, "x."),)) == 100


@every_kind
def test_nothing_found_is_trusted_not_at_all(kind: Kind) -> None:
    assert kind.confidence(Reading("fake", "1", 1, {}), ()) == 0


@given(
    st.sampled_from(list(KINDS.values())),
    st.dictionaries(st.sampled_from(FIELDS), st.integers(0, 100)),
    st.booleans(),
)
def test_a_confidence_is_never_above_what_was_found(kind: Kind, confidences: dict[str, int], failed: bool) -> None:
    of = Reading("fake", "1", 1, {name: Value("x", c) for name, c in confidences.items()})
    found = kind.confidence(of, (FAILED if failed else PASSED,))
    assert 0 <= found <= min([100, *(c for n, c in confidences.items() if n in kind.required)])
    complete = set(kind.required) <= set(confidences)
    assert found < 80 or (complete and not failed and "invoice_number" in confidences)


@every_kind
def test_a_kind_requires_the_weighty_fields_and_its_own_party(kind: Kind) -> None:
    assert set(kind.required) == {*WEIGHTY, kind.party}
    assert set(kind.required) | {kind.party_tax_id} <= set(FIELDS)


@every_kind
def test_a_kind_examines_what_it_requires(kind: Kind) -> None:
    found = kind.examine(reading(**{kind.party: None}))
    assert [f.passed for f in found if f.code == "required_fields"] == [False]


def test_kinds_have_nothing_in_common() -> None:
    for field in fields(Kind):
        values = [getattr(kind, field.name) for kind in KINDS.values()]
        assert len(set(values)) == len(values), field.name


def test_a_kind_is_found_by_its_name() -> None:
    assert all(kind_named(name) is kind and kind.name == name for name, kind in KINDS.items())
    assert kind_named(DEFAULT_KIND).name == DEFAULT_KIND
    assert list(QUEUES) == [kind.queue for kind in KINDS.values()]
    with pytest.raises(NotFound) as refused:
        kind_named("x" * 1000)
    assert len(refused.value.detail) < 100
