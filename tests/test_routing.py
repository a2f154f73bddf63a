"""A draft is made without review only when nothing speaks against it, and everything that does is named (S6)."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from akount.checks import Finding
from akount.models import RecordStatus
from akount.routing import STATUS, Policy, Route, Routing, route

POLICY = Policy()
GOOD = Finding("totals_add_up", True, "100 + 19 = 119.")
BAD = Finding("lines_add_up", False, "3 lines: 100 = 101 does not hold: 1 apart.")


def routed(policy: Policy = POLICY, **values: Any) -> Routing:
    """The way of a record that nothing speaks against, but for the values given."""
    best: dict[str, Any] = {
        "confidence": 95,
        "findings": (GOOD,),
        "warnings": (),
        "total": Decimal("119.00"),
        "consented": True,
        "new_user": False,
    }
    return route(policy, **best | values)


def test_what_nothing_speaks_against_is_made_without_review() -> None:
    routing = routed()
    assert routing.route is Route.AUTO_CREATED
    assert routing.reason == "Confidence 95, all 1 checks passed, within the limit, consented."


@pytest.mark.parametrize(
    ("confidence", "way"),
    [
        (100, Route.AUTO_CREATED),
        (80, Route.AUTO_CREATED),
        (79, Route.QUEUED_FOR_REVIEW),
        (60, Route.QUEUED_FOR_REVIEW),
        (59, Route.MANUAL_ENTRY),
        (0, Route.MANUAL_ENTRY),
    ],
)
def test_the_lines_lie_at_80_and_60(confidence: int, way: Route) -> None:
    assert routed(confidence=confidence).route is way


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"findings": (GOOD, BAD)}, "check failed: 3 lines: 100 = 101 does not hold: 1 apart"),
        ({"warnings": ("The document has hidden text.",)}, "warning: The document has hidden text"),
        ({"confidence": 70}, "confidence 70 is below 80"),
        ({"total": Decimal("5000.01")}, "the total is above the limit of 5000"),
        ({"total": Decimal("-5000.01")}, "the total is above the limit of 5000"),
        ({"total": None}, "no total was found"),
        ({"new_user": True}, "the uploads of a new user are reviewed at first"),
        ({"consented": False}, "drafts without review were not consented to"),
    ],
)
def test_each_thing_that_speaks_against_it_sends_it_to_review(values: dict[str, Any], reason: str) -> None:
    routing = routed(**values)
    assert routing.route is Route.QUEUED_FOR_REVIEW
    assert routing.reason == f"To be reviewed: {reason}."


def test_everything_that_speaks_against_it_is_named() -> None:
    routing = routed(findings=(BAD,), warnings=("odd",), confidence=70, total=Decimal(10_000), new_user=True, consented=False)
    assert routing.reason.count(";") == 5


def test_a_total_of_exactly_the_limit_is_within_it() -> None:
    assert routed(total=Decimal(5000)).route is Route.AUTO_CREATED
    assert routed(total=Decimal(-5000)).route is Route.AUTO_CREATED


def test_the_lines_and_the_limit_are_the_policys() -> None:
    policy = Policy(auto_create_confidence=97, review_confidence=90, limit=Decimal(10))
    assert routed(policy, confidence=98, total=Decimal(10)).route is Route.AUTO_CREATED
    assert routed(policy, confidence=96, total=Decimal(10)).route is Route.QUEUED_FOR_REVIEW
    assert routed(policy, confidence=89, total=Decimal(10)).route is Route.MANUAL_ENTRY
    assert routed(policy, confidence=98, total=Decimal(11)).route is Route.QUEUED_FOR_REVIEW


@given(
    st.integers(0, 100),
    st.lists(st.sampled_from([GOOD, BAD])),
    st.lists(st.just("odd")),
    st.none() | st.decimals(-10_000, 10_000, places=2),
    st.booleans(),
    st.booleans(),
)
def test_nobody_gets_a_draft_against_whom_anything_speaks(
    confidence: int, findings: list[Finding], warnings: list[str], total: Decimal | None, consented: bool, new_user: bool
) -> None:
    routing = routed(
        confidence=confidence,
        findings=tuple(findings),
        warnings=tuple(warnings),
        total=total,
        consented=consented,
        new_user=new_user,
    )
    good = confidence >= 80 and BAD not in findings and not warnings and consented and not new_user
    within = total is not None and abs(total) <= 5000
    assert (routing.route is Route.AUTO_CREATED) == (good and within)
    assert (routing.route is Route.MANUAL_ENTRY) == (confidence < 60)
    assert routing.reason.endswith(".")
    assert ".." not in routing.reason


def test_each_way_ends_in_a_status_of_its_own() -> None:
    assert set(STATUS) == set(Route)
    assert STATUS[Route.AUTO_CREATED] is RecordStatus.DRAFT
    assert STATUS[Route.QUEUED_FOR_REVIEW] is RecordStatus.NEEDS_REVIEW
    assert STATUS[Route.MANUAL_ENTRY] is RecordStatus.MANUAL_ENTRY
