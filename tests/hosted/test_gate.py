"""The budget, the breaker and the cap are exact, however many ask at once, on both databases."""

import datetime as dt
import threading
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest
from hosted_help import agrees, decided, opened, printed, process, rows
from sqlalchemy import update

from akount.hosted import gate, opinions
from akount.hosted.gate import Ticket, Wish
from akount.hosted.refusals import NotAnswered
from akount.lifecycle import Runtime, open_runtime
from akount.models import HostedBreaker, HostedCall, HostedSpending, Job, JobStatus
from akount.tasks import upkeep
from fakes import FakeReader
from make import reading, submitted
from people import People, settle_in
from providers import Provider, form_of, says, spoken
from shared import shared_url


@pytest.fixture(scope="module")
def server() -> Iterator[Provider]:
    with Provider() as opened_server:
        yield opened_server


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    return shared_url(request, tmp_path_factory)


@pytest.fixture
def runtime(shared: str, tmp_path: Path, server: Provider, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    monkeypatch.setattr(opinions, "PAUSE_SECONDS", 0.01)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    patient = {"HOSTED_CALLS_AT_ONCE": "100", "HOSTED_TIMEOUT_SECONDS": "20", "DATABASE_POOL_TIMEOUT_SECONDS": "120"}
    with opened(shared, tmp_path, server, **patient) as runtime:
        yield runtime


@pytest.fixture
def people(runtime: Runtime) -> People:
    people = settle_in(runtime.database, unique=True)
    agrees(runtime, people.ada)
    return people


@pytest.fixture
def job_id(runtime: Runtime, people: People) -> uuid.UUID:
    return submitted(runtime, people.ada).id


def admit(runtime: Runtime, people: People, job_id: uuid.UUID, *, price: int = 1, budget: int = 1000, at_once: int = 100) -> Ticket:
    wish = Wish(people.ada.actor.tenant, job_id, "mistral", "model", price, budget, "0" * 64, 1, 30)
    with runtime.database.transaction() as session:
        return gate.admit(session, wish, at_once)


def settle(runtime: Runtime, ticket: Ticket, cost: int) -> None:
    with runtime.database.transaction() as session:
        gate.settle(session, ticket, "answered", cost)


def report(runtime: Runtime, *, failed: bool) -> bool:
    with runtime.database.transaction() as session:
        return gate.report(session, "mistral", failed=failed)


def refused(runtime: Runtime, people: People, job_id: uuid.UUID, **how: int) -> str:
    with pytest.raises(NotAnswered) as told:
        admit(runtime, people, job_id, **how)
    return told.value.code


def test_a_hundred_documents_at_once_against_a_budget_for_forty_make_exactly_forty_calls(
    runtime: Runtime, people: People, server: Provider
) -> None:
    decided(runtime, people.ada, "mistral", budget=40 * 3_000 + 2_999)
    server.act = says(200, spoken("mistral", form_of(reading())))
    jobs = [submitted(runtime, people.ada).id for _ in range(100)]
    work = [threading.Thread(target=process, args=(runtime, job, FakeReader(reading(), printed(reading())))) for job in jobs]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join(120)
    while left := [job.id for job in rows(runtime, Job) if job.status is JobStatus.WAITING]:  # two have reached for the same one
        process(runtime, left[0], FakeReader(reading(), printed(reading())))
    assert len(server.heard) == 40
    assert {(job.status, job.attempts) for job in rows(runtime, Job)} == {(JobStatus.COMPLETED, 1)}
    (spending,) = rows(runtime, HostedSpending)
    assert (spending.spent, spending.reserved) == (40 * 3_000, 0)


def test_after_five_failures_over_three_workers_nobody_calls(
    shared: str, runtime: Runtime, people: People, tmp_path: Path, server: Provider
) -> None:
    """Each worker has a runtime of its own, as processes have; one call at a time, so that none is under way at the fifth."""
    decided(runtime, people.ada, "mistral")
    server.act = says(500, {})
    jobs = [submitted(runtime, people.ada).id for _ in range(9)]
    with ExitStack() as stack:
        settings = replace(runtime.settings, hosted_calls_at_once=1)
        workers = [stack.enter_context(closing(open_runtime(settings))) for _ in range(3)]

        def work(worker: Runtime) -> None:
            for job in jobs:  # whichever is next: the bell does not say
                process(worker, job, FakeReader(reading(), printed(reading())))

        threads = [threading.Thread(target=work, args=(worker,)) for worker in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert len(server.heard) == gate.FAILURES
    assert {job.status for job in rows(runtime, Job)} == {JobStatus.COMPLETED}
    assert refused(runtime, people, jobs[0]) == "hosted_breaker_open"


def test_what_is_set_aside_counts_until_it_is_settled(runtime: Runtime, people: People, job_id: uuid.UUID) -> None:
    first = admit(runtime, people, job_id, price=60, budget=100)
    assert refused(runtime, people, job_id, price=41, budget=100) == "hosted_budget"
    settle(runtime, first, 10)
    settle(runtime, first, 10)
    admit(runtime, people, job_id, price=90, budget=100)
    (spending,) = rows(runtime, HostedSpending)
    assert (spending.spent, spending.reserved) == (10, 90)


def test_who_is_refused_by_the_budget_leaves_nothing_behind(runtime: Runtime, people: People, job_id: uuid.UUID) -> None:
    assert refused(runtime, people, job_id, price=2, budget=1) == "hosted_budget"
    assert (rows(runtime, HostedCall), rows(runtime, HostedBreaker)) == ([], [])


def test_another_month_has_its_own_budget(
    runtime: Runtime, people: People, job_id: uuid.UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    admit(runtime, people, job_id, price=100, budget=100)
    monkeypatch.setattr(gate, "month_of", lambda _at=None: "2099-01")
    admit(runtime, people, job_id, price=100, budget=100)


def test_calls_of_long_ago_are_forgotten_and_what_they_cost_is_not(runtime: Runtime, people: People, job_id: uuid.UUID) -> None:
    kept = runtime.settings.keep_hosted_calls_days
    for days in (kept + 1, kept - 1):
        ticket = admit(runtime, people, job_id)
        settle(runtime, ticket, 1)
        with runtime.database.transaction() as session:
            begun = gate.now() - dt.timedelta(days=days)
            session.execute(update(HostedCall).where(HostedCall.id == ticket.id).values(started_at=begun))
    upkeep.prune(runtime)
    assert [call.id for call in rows(runtime, HostedCall)] == [ticket.id]
    assert [spending.spent for spending in rows(runtime, HostedSpending)] == [2]


def test_another_tenant_has_its_own_budget(runtime: Runtime, people: People, job_id: uuid.UUID) -> None:
    admit(runtime, people, job_id, price=100, budget=100)
    admit(runtime, People(people.mallory, people.otto, people.ada), job_id, price=100, budget=100)


def test_calls_at_once_are_capped_and_one_that_hangs_for_good_makes_room(
    runtime: Runtime, people: People, job_id: uuid.UUID
) -> None:
    first, _second = (admit(runtime, people, job_id, at_once=2) for _ in range(2))
    assert refused(runtime, people, job_id, at_once=2) == "hosted_busy"
    settle(runtime, first, 1)
    admit(runtime, people, job_id, at_once=2)
    assert refused(runtime, people, job_id, at_once=2) == "hosted_busy"
    with runtime.database.transaction() as session:
        session.execute(update(HostedCall).values(expires_at=dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1)))
    admit(runtime, people, job_id, at_once=2)


def test_the_breaker_opens_at_the_fifth_failure_in_a_row(runtime: Runtime, people: People, job_id: uuid.UUID) -> None:
    admit(runtime, people, job_id)
    assert [report(runtime, failed=True) for _ in range(4)] == [True] * 4
    report(runtime, failed=False)
    assert [report(runtime, failed=True) for _ in range(5)] == [True] * 4 + [False]
    assert refused(runtime, people, job_id) == "hosted_breaker_open"
    (breaker,) = rows(runtime, HostedBreaker)
    assert 50 < (breaker.open_until - dt.datetime.now(dt.UTC)).total_seconds() <= 60


@pytest.mark.parametrize("recovered", [True, False], ids=["it is well again", "it is not"])
def test_after_a_minute_one_of_many_is_let_through_to_see(
    runtime: Runtime, people: People, job_id: uuid.UUID, *, recovered: bool
) -> None:
    admit(runtime, people, job_id)
    for _ in range(5):
        report(runtime, failed=True)
    with runtime.database.transaction() as session:
        session.execute(update(HostedBreaker).values(open_until=dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1)))
    through: list[Ticket] = []

    def attempt() -> None:
        try:
            through.append(admit(runtime, people, job_id))
        except NotAnswered as refusal:
            assert refusal.code == "hosted_breaker_open"

    work = [threading.Thread(target=attempt) for _ in range(12)]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join(60)
    assert len(through) == 1
    report(runtime, failed=not recovered)
    if recovered:
        admit(runtime, people, job_id)
    else:
        assert refused(runtime, people, job_id) == "hosted_breaker_open"
