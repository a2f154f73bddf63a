"""What is done over and over: by one for all, again after it failed, now when somebody wants it, and never at the sweep's cost."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select, update

from akount import schedules
from akount.db import Database, now
from akount.errors import NotFound, Unavailable
from akount.lifecycle import Runtime
from akount.models import AuditEntry, Schedule
from akount.schedules import PLANS
from akount.tasks import upkeep
from people import People
from shared import emptied, shared_url

PLAN = PLANS["prune"]


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    return shared_url(request, tmp_path_factory)


@pytest.fixture
def database_url(shared: str) -> str:
    return emptied(shared)


def taken(database: Database, by: str = "me") -> bool:
    with database.transaction() as session:
        return schedules.take(session, PLAN, by)


def row(database: Database) -> Schedule:
    with database.snapshot() as session:
        return session.get_one(Schedule, PLAN.name)


def test_of_many_at_once_one_takes_the_round(runtime: Runtime) -> None:
    def attempt(number: int) -> bool:
        database = Database(runtime.settings.database)
        try:
            return taken(database, f"worker {number}")
        finally:
            database.close()

    for _ in range(2):
        with ThreadPoolExecutor(6) as pool:
            assert sum(pool.map(attempt, range(6))) == 1
        with runtime.database.transaction() as session:
            session.execute(update(Schedule).values(due_at=now()))


def test_a_round_is_done_again_only_after_its_time(runtime: Runtime) -> None:
    assert taken(runtime.database)
    assert not taken(runtime.database)
    assert row(runtime.database).due_at - now() == pytest.approx(PLAN.every, abs=dt.timedelta(seconds=30))
    with runtime.database.snapshot() as session:
        assert PLAN not in schedules.due(session)


@pytest.mark.parametrize(
    ("error", "outcome", "detail"),
    [
        (None, "done", "removed=3"),
        (Unavailable(code="storage_unavailable"), "failed", "removed=3 error=storage_unavailable"),
        (ZeroDivisionError("secret"), "failed", "removed=3 error=internal_error"),
    ],
)
def test_how_a_round_went_is_told(runtime: Runtime, error: Exception | None, outcome: str, detail: str) -> None:
    taken(runtime.database)
    with schedules.round_of(runtime.database, PLAN, "me") as told:
        told["removed"] = 3
        if error:
            raise error
    found = row(runtime.database)
    assert (found.outcome, found.detail, found.taken_by) == (outcome, detail, "me")
    assert found.duration_ms is not None
    assert found.ended_at is not None


def test_who_wants_it_now_has_it_and_is_named(runtime: Runtime, people: People) -> None:
    taken(runtime.database)
    with runtime.database.transaction() as session:
        schedules.run_now(session, people.otto.call, PLAN.name)
        assert PLAN in schedules.due(session)
        said = session.scalars(select(AuditEntry.actor).where(AuditEntry.action == "schedule.run")).all()
        with pytest.raises(NotFound):
            schedules.run_now(session, people.otto.call, "nothing")
    assert people.otto.actor.name in said


def test_what_nobody_comes_for_is_missed(runtime: Runtime) -> None:
    assert schedules.missed(PLAN, None)
    taken(runtime.database)
    assert not schedules.missed(PLAN, row(runtime.database))
    with runtime.database.transaction() as session:
        session.execute(update(Schedule).values(due_at=now() - 4 * PLAN.every))
    assert schedules.missed(PLAN, row(runtime.database))


def test_a_sweeper_does_everything_that_is_due_once(runtime: Runtime) -> None:
    upkeep.run_due(runtime)
    with runtime.database.snapshot() as session:
        listed = schedules.listed(session)
        assert [plan.name for plan, _ in listed] == list(PLANS)
        assert {held.outcome for _, held in listed if held} == {"done"}
        assert all(held for _, held in listed)
        assert schedules.due(session) == []


def test_every_plan_has_its_duty() -> None:
    assert set(upkeep.DUTIES) == set(PLANS)
