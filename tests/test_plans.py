"""A plan's documents of a month are counted exactly, however many come at once, and what is refused leaves nothing behind."""

import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import func, select

from akount import accounts, plans, scans
from akount.errors import LimitExceeded
from akount.lifecycle import Runtime
from akount.models import Document
from akount.plans import ALLOWANCES, Plan
from fresh import opened, settings_for
from make import pdf, sent, submitted
from people import People, settle_in

MIB = 1 << 20


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def runtime(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    with opened(settings_for(request, tmp_path_factory)) as runtime:
        yield runtime


@pytest.fixture
def people(runtime: Runtime) -> People:
    return settle_in(runtime.database, unique=True)


def give(runtime: Runtime, people: People, plan: Plan | None) -> None:
    with runtime.database.transaction() as session:
        accounts.set_plan(session, people.ada.actor.tenant, plan)


def used(runtime: Runtime, people: People) -> int:
    with runtime.database.snapshot() as session:
        return plans.standing(session, people.ada.actor.tenant, 10 * MIB).used


def documents(runtime: Runtime, people: People) -> int:
    with runtime.database.snapshot() as session:
        return session.scalar(select(func.count()).where(Document.tenant_id == people.ada.actor.tenant)) or 0


def test_the_plans_are_those_that_are_sold() -> None:
    assert {plan: (a.documents, a.size // MIB) for plan, a in ALLOWANCES.items()} == {
        "FREE": (10, 5),
        "PRO": (100, 10),
        "ENTERPRISE": (1000, 50),
    }


def test_of_many_at_once_exactly_those_of_the_plan_come_in(runtime: Runtime, people: People) -> None:
    give(runtime, people, Plan.FREE)
    files, told = [pdf() for _ in range(16)], []

    def send(data: bytes) -> None:
        try:
            submitted(runtime, people.ada, data)
        except LimitExceeded as error:
            told.append(error)

    threads = [threading.Thread(target=send, args=[data]) for data in files]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (documents(runtime, people), used(runtime, people), len(told)) == (10, 10, 6)
    assert {error.code for error in told} == {"quota_exceeded"}
    assert len(list(runtime.storage.keys(plans.now() + plans.dt.timedelta(days=1)))) >= 10


def test_who_is_told_no_is_told_when_it_begins_anew(runtime: Runtime, people: People) -> None:
    give(runtime, people, Plan.FREE)
    for _ in range(10):
        submitted(runtime, people.ada)
    with pytest.raises(LimitExceeded) as refused:
        submitted(runtime, people.ada)
    with runtime.database.snapshot() as session:
        standing = plans.standing(session, people.ada.actor.tenant, 0)
    assert f"on {standing.resets_at:%Y-%m-%d} (UTC)" in refused.value.detail
    assert 0 < (refused.value.retry_after or 0) <= 31 * 86400
    assert refused.value.headers["RateLimit-Limit"] == "10"
    assert (standing.resets_at.day, standing.resets_at.hour) == (1, 0)


def test_what_is_there_already_costs_nothing(runtime: Runtime, people: People) -> None:
    give(runtime, people, Plan.FREE)
    data = pdf()
    submitted(runtime, people.ada, data)
    assert sent(runtime, people.ada, data).duplicate
    assert used(runtime, people) == 1


def test_what_came_before_the_plan_counts_and_a_larger_plan_holds_at_once(runtime: Runtime, people: People) -> None:
    for _ in range(11):
        submitted(runtime, people.ada)
    give(runtime, people, Plan.FREE)
    with pytest.raises(LimitExceeded):
        submitted(runtime, people.ada)
    give(runtime, people, Plan.PRO)
    submitted(runtime, people.ada)
    assert used(runtime, people) == 12
    give(runtime, people, None)
    submitted(runtime, people.ada)


def test_each_month_begins_anew(runtime: Runtime, people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    give(runtime, people, Plan.FREE)
    for _ in range(10):
        submitted(runtime, people.ada)
    later = plans.now() + plans.dt.timedelta(days=32)
    monkeypatch.setattr(plans, "now", lambda: later)
    submitted(runtime, people.ada)
    assert used(runtime, people) == 1


@pytest.mark.parametrize(("plan", "size"), [(None, 10), (Plan.FREE, 5), (Plan.PRO, 10), (Plan.ENTERPRISE, 50)])
def test_the_plan_says_how_large_a_file_may_be(runtime: Runtime, people: People, plan: Plan | None, size: int) -> None:
    give(runtime, people, plan)
    assert scans.largest(runtime, people.ada.actor, None) == size * MIB
