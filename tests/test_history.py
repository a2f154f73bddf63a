"""What became of jobs over time: counted right, waits and runs apart, twice the same, across restarts, and for each tenant."""

import datetime as dt
import random
import statistics
import uuid
from collections.abc import Callable

import pytest
from sqlalchemy import func, select, update

from akount import history, ledger
from akount.db import now
from akount.distributions import Distribution
from akount.errors import AkountError, TimedOut, Unreadable
from akount.history import HOUR, MINUTE, QUARTER, Point, Span
from akount.kinds import QUEUES
from akount.lifecycle import Runtime, open_runtime
from akount.models import Attempt, HistoryRow, Job, JobStatus
from make import submitted
from people import People, Person
from shared import emptied, shared_url

QUEUE, OTHER = QUEUES
SECOND, A_MINUTE = dt.timedelta(seconds=1), dt.timedelta(minutes=1)


@pytest.mark.parametrize("share", [0.5, 0.95, 0.99])
def test_a_percentile_is_right_to_within_a_quarter(share: float) -> None:
    numbers = random.Random(4)
    seconds = [numbers.lognormvariate(1, 1.5) for _ in range(2000)]
    kept = Distribution()
    for one in seconds:
        kept.add(one)
    exact = statistics.quantiles(seconds, n=100)[round(share * 100) - 1]
    found = Distribution(kept.as_json()).percentile(share)
    assert found is not None
    assert exact / 1.26 <= found <= exact * 1.26


def test_distributions_add_up_and_an_empty_one_has_no_percentile() -> None:
    one, other = Distribution(), Distribution()
    one.add(0)
    other.add(1e9)
    assert Distribution().merge([one, other]).total == 2
    assert (Distribution().percentile(0.5), one.percentile(1)) == (None, 0.05)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    return shared_url(request, tmp_path_factory)


@pytest.fixture
def database_url(shared: str) -> str:
    return emptied(shared)


def ended(
    runtime: Runtime,
    person: Person,
    error: AkountError | None = None,
    *,
    ago: dt.timedelta = dt.timedelta(),
    wait: float = 1,
    run: float = 2,
) -> uuid.UUID:
    """A job that waited and ran for so long, moved by the ledger, with its times as if it had been then."""
    job = submitted(runtime, person)
    with runtime.database.transaction() as session:
        held = ledger.claim(session, job.id, worker=ledger.worker_name(), lease_seconds=30)
        assert held is not None
        if error is None:
            ledger.finish(session, held, {})
        else:
            ledger.settle(session, held, error)
        end = now() - ago
        start = end - dt.timedelta(seconds=run)
        times = {"ended_at": end, "started_at": start, "due_at": start - dt.timedelta(seconds=wait)}
        session.execute(update(Attempt).where(Attempt.job_id == job.id).values(**times))
    return job.id


def rolled(runtime: Runtime) -> None:
    with runtime.database.transaction() as session:
        history.roll_minutes(session)
        history.roll_hours(session)


def series(runtime: Runtime, span: Span = Span.HOUR, **which: object) -> list[Point]:
    with runtime.database.snapshot() as session:
        return history.series(session, span, **which)  # type: ignore[arg-type]


def total(runtime: Runtime, span: Span = Span.HOUR, **which: object) -> Point:
    whole = history.totals(series(runtime, span, **which))
    assert whole is not None
    return whole


def test_what_ended_is_counted_by_what_became_of_it(runtime: Runtime, people: People) -> None:
    for error in (None, None, Unreadable(), TimedOut()):
        ended(runtime, people.ada, error)
    rolled(runtime)
    whole = total(runtime)
    assert (whole.completed, whole.failed, whole.retried, whole.lost) == (2, 1, 1, 0)
    assert (total(runtime, queue=QUEUE).completed, total(runtime, queue=OTHER).completed) == (2, 0)
    assert series(runtime)[-1].partial


def test_waits_and_runs_are_apart(runtime: Runtime, people: People) -> None:
    for _ in range(4):
        ended(runtime, people.ada, wait=100, run=1)
    rolled(runtime)
    whole = total(runtime)
    assert whole.waits.percentile(0.95) == pytest.approx(100, rel=0.26)
    assert whole.runs.percentile(0.95) == pytest.approx(1, rel=0.26)


def test_counting_again_changes_nothing_and_a_late_transaction_is_counted(runtime: Runtime, people: People) -> None:
    ended(runtime, people.ada, ago=A_MINUTE)
    rolled(runtime)
    rolled(runtime)
    assert total(runtime).completed == 1
    ended(runtime, people.ada, ago=A_MINUTE)  # ended a minute ago, and seen only now
    rolled(runtime)
    assert total(runtime).completed == 2
    assert series(runtime)[-2].completed == 2


def test_after_a_pause_of_all_sweepers_what_they_missed_is_counted(
    runtime: Runtime, people: People, time_passes: Callable[[dt.timedelta], None]
) -> None:
    rolled(runtime)
    time_passes(dt.timedelta(minutes=40))
    ended(runtime, people.ada, ago=dt.timedelta(minutes=35))
    ended(runtime, people.ada, ago=dt.timedelta(minutes=5))
    rolled(runtime)
    assert [point.minutes for point in series(runtime) if point.completed] == [1, 1]
    assert total(runtime, Span.DAY).completed == 2


@pytest.fixture
def time_passes(monkeypatch: pytest.MonkeyPatch) -> Callable[[dt.timedelta], None]:
    """It is so much later than it was."""

    def pass_(time: dt.timedelta) -> None:
        later = now() + time
        monkeypatch.setattr(history, "now", lambda: later)
        monkeypatch.setitem(globals(), "now", lambda: later)

    return pass_


def test_each_span_tells_the_same_number_and_a_restart_loses_none(
    runtime: Runtime, people: People, time_passes: Callable[[dt.timedelta], None]
) -> None:
    ended(runtime, people.ada)
    ended(runtime, people.ada, Unreadable())
    rolled(runtime)
    again = open_runtime(runtime.settings)
    for span, points in ((Span.HOUR, 60), (Span.DAY, 96), (Span.WEEK, 168), (Span.MONTH, 120)):
        assert len(series(again, span)) == points
        assert (total(again, span).completed, total(again, span).failed) == (1, 1)
    again.close()
    time_passes(dt.timedelta(hours=5))
    rolled(runtime)
    assert total(runtime).completed == 0
    assert total(runtime, Span.DAY).completed == total(runtime, Span.MONTH).completed == 1


def test_what_nobody_counted_is_unknown_and_not_nought(runtime: Runtime, people: People) -> None:
    assert not any(point.known for point in series(runtime))
    assert history.totals(series(runtime)) is None
    rolled(runtime)
    last = series(runtime)[-1]
    assert (last.known, last.completed, last.waiting, last.oldest_wait) == (True, 0, 0, 0.0)


def test_what_stands_in_line_is_seen(runtime: Runtime, people: People) -> None:
    ended(runtime, people.ada, Unreadable())
    ended(runtime, people.ada, TimedOut())
    waiting = submitted(runtime, people.mallory)
    with runtime.database.transaction() as session:
        session.execute(update(Job).where(Job.id == waiting.id).values(run_at=now() - dt.timedelta(seconds=90)))
    rolled(runtime)
    last = series(runtime, queue=QUEUE)[-1]
    assert (last.waiting, last.delayed, last.active, last.dead) == (1, 1, 0, 1)
    assert last.oldest_wait == pytest.approx(90, abs=5)
    with runtime.database.snapshot() as session:
        waits = history.most_waiting(session)
        assert {one.tenant_id: one.number for one in waits} == {people.ada.actor.tenant: 1, people.mallory.actor.tenant: 1}
        assert [one.tenant_id for one in history.most_failed(session)] == [people.ada.actor.tenant]
        assert session.scalar(select(func.count()).where(Job.status == JobStatus.WAITING)) == 1


def test_a_tenants_history_is_its_own(runtime: Runtime, people: People) -> None:
    ended(runtime, people.ada)
    ended(runtime, people.mallory)
    ended(runtime, people.mallory)
    rolled(runtime)
    ada, mallory = people.ada.actor.tenant, people.mallory.actor.tenant
    assert (total(runtime).completed, total(runtime, tenant_id=ada).completed) == (3, 1)
    with runtime.database.snapshot() as session:
        found = history.of_tenants(session, [ada, mallory, uuid.uuid4()], Span.DAY)
    assert {tenant: point.completed for tenant, point in found.items()} == {ada: 1, mallory: 2}


def test_old_rows_are_forgotten_by_their_resolution(
    runtime: Runtime, people: People, time_passes: Callable[[dt.timedelta], None]
) -> None:
    rolled(runtime)
    left = []
    for time in (dt.timedelta(hours=1), dt.timedelta(hours=5), dt.timedelta(days=3), dt.timedelta(days=33)):
        time_passes(time)
        with runtime.database.transaction() as session:
            history.prune(session)
            left.append(set(session.scalars(select(HistoryRow.minutes).distinct())))
    assert left == [{MINUTE, QUARTER, HOUR}, {QUARTER, HOUR}, {HOUR}, set()]
