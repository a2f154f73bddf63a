"""Who waits for a job hears of each change once, and everybody is sent away when the process ends."""

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from sqlalchemy import event, update

from akount import ledger
from akount.errors import Unavailable
from akount.lifecycle import Runtime
from akount.models import Job, JobStatus
from akount.watch import Watch, Watcher
from make import submitted
from people import People, Person
from shared import emptied, shared_url

SOON = 10
"""Seconds that no test waits for in full unless something is broken."""


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    return shared_url(request, tmp_path_factory)


@pytest.fixture
def database_url(shared: str) -> str:
    return emptied(shared)


@pytest.fixture
def ada(people: People) -> Person:
    return people.ada


@pytest.fixture
def watcher(runtime: Runtime) -> Iterator[Watcher]:
    made = Watcher(runtime.database, limit=5)
    yield made
    made.close()


def moved(runtime: Runtime, job: Job, progress: int) -> None:
    with runtime.database.transaction() as session:
        session.execute(update(Job).where(Job.id == job.id).values(progress=progress, version=Job.version + 1))


def test_a_change_is_heard(runtime: Runtime, ada: Person, watcher: Watcher) -> None:
    job = submitted(runtime, ada)
    with watcher.watching(job) as watch:
        with runtime.database.transaction() as session:
            ledger.cancel(session, job)
        changed = watch.next(SOON)
    assert changed is not None
    assert (changed.id, changed.status, changed.version) == (job.id, JobStatus.CANCELLED, job.version + 1)
    assert not watch.ended


def test_without_a_change_nothing_is_heard(runtime: Runtime, ada: Person, watcher: Watcher) -> None:
    with watcher.watching(submitted(runtime, ada)) as watch:
        assert watch.next(0.3) is None
        assert not watch.ended


def test_a_change_is_heard_once(runtime: Runtime, ada: Person, watcher: Watcher) -> None:
    job = submitted(runtime, ada)
    with watcher.watching(job) as watch:
        moved(runtime, job, 50)
        assert watch.next(SOON) is not None
        assert watch.next(0.3) is None


def test_a_change_before_the_watching_began_is_heard_too(runtime: Runtime, ada: Person, watcher: Watcher) -> None:
    """Between reading the job and watching it, it may have ended."""
    job = submitted(runtime, ada)
    moved(runtime, job, 50)
    with watcher.watching(job) as watch:
        changed = watch.next(SOON)
    assert changed is not None
    assert changed.progress == 50


def test_all_that_wait_hear_of_one_change(runtime: Runtime, ada: Person, watcher: Watcher) -> None:
    job, other = submitted(runtime, ada), submitted(runtime, ada)
    with ExitStack() as stack:
        watches = [stack.enter_context(watcher.watching(job)) for _ in range(4)]
        elsewhere = stack.enter_context(watcher.watching(other))
        moved(runtime, job, 50)
        assert [w.next(SOON).progress for w in watches] == [50] * 4  # type: ignore[union-attr]
        assert elsewhere.next(0.3) is None
        moved(runtime, other, 20)
        assert elsewhere.next(SOON).progress == 20  # type: ignore[union-attr]


def test_all_that_wait_cost_one_question(runtime: Runtime, ada: Person, watcher: Watcher) -> None:
    asked: list[str] = []
    jobs = [submitted(runtime, ada) for _ in range(4)]
    with ExitStack() as stack:
        for job in jobs:
            stack.enter_context(watcher.watching(job))
        time.sleep(0.2)
        started = time.monotonic()
        event.listen(runtime.database.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
        while not asked or time.monotonic() < started + 1:
            time.sleep(0.1)
        most = 10 * (time.monotonic() - started) + 1
    questions = [statement for statement in asked if "jobs" in statement]
    assert 1 <= len(questions) <= most, "ten a second at most, for all of them"


def test_nobody_asks_while_nobody_waits(runtime: Runtime, ada: Person, watcher: Watcher) -> None:
    with watcher.watching(submitted(runtime, ada)):
        pass
    asked: list[str] = [""]
    event.listen(runtime.database.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    ends = time.monotonic() + 60
    while asked and time.monotonic() < ends:  # the last question may still be on its way
        asked.clear()
        time.sleep(0.5)
    assert asked == []


def test_who_went_away_makes_room(runtime: Runtime, ada: Person, watcher: Watcher) -> None:
    job = submitted(runtime, ada)
    for _ in range(12):
        with pytest.raises(KeyError), watcher.watching(job):
            raise KeyError
    with watcher.watching(job):
        pass


def test_more_than_there_is_room_for_are_sent_away(runtime: Runtime, ada: Person, watcher: Watcher) -> None:
    job = submitted(runtime, ada)
    with ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(watcher.watching(job))
        with pytest.raises(Unavailable) as refused:
            stack.enter_context(watcher.watching(job))
        assert (refused.value.code, refused.value.retry_after) == ("too_many_streams", 2)
    with watcher.watching(job):
        pass


def test_closing_ends_every_wait_at_once(runtime: Runtime, ada: Person, watcher: Watcher) -> None:
    ended: list[bool] = []
    waiting = threading.Barrier(6)

    def wait() -> None:
        with watcher.watching(job) as watch:
            waiting.wait()
            assert watch.next(60) is None
            ended.append(watch.ended)

    job = submitted(runtime, ada)
    threads = [threading.Thread(target=wait) for _ in range(5)]
    for thread in threads:
        thread.start()
    waiting.wait()
    started = time.monotonic()
    watcher.close()
    for thread in threads:
        thread.join(SOON)
    assert ended == [True] * 5
    assert time.monotonic() - started < SOON


def test_closing_ends_the_watching_though_nobody_waits(runtime: Runtime, ada: Person, watcher: Watcher) -> None:
    with watcher.watching(submitted(runtime, ada)):
        pass
    time.sleep(0.3)  # by now it sleeps until somebody comes
    watcher.close()
    assert watcher._thread is not None
    watcher._thread.join(SOON)
    assert not watcher._thread.is_alive()


def test_after_closing_nobody_is_let_in(runtime: Runtime, ada: Person, watcher: Watcher) -> None:
    job = submitted(runtime, ada)
    watcher.close()
    watcher.close()
    with pytest.raises(Unavailable), watcher.watching(job):
        pass


def test_who_comes_while_it_closes_is_sent_away_too(runtime: Runtime, ada: Person, watcher: Watcher) -> None:
    job = submitted(runtime, ada)
    watch = Watch(job.version)
    watcher.close()
    watcher._add(job.id, watch)  # let in just before, added just after
    assert watch.next(SOON) is None
    assert watch.ended


def test_an_older_state_than_the_one_known_is_not_told() -> None:
    """The watching thread may have read the job before the one who now waits did."""
    watch = Watch(5)
    watch.tell(Job(id=uuid.uuid4(), version=4))
    assert watch.next(0) is None
    watch.tell(Job(id=uuid.uuid4(), version=6))
    watch.tell(Job(id=uuid.uuid4(), version=6))
    assert watch.next(0).version == 6  # type: ignore[union-attr]
    assert watch.next(0) is None


def test_watching_survives_an_outage_of_the_database(runtime: Runtime, ada: Person, watcher: Watcher) -> None:
    job = submitted(runtime, ada)
    engine = runtime.database.engine

    def away(*_: object) -> None:
        raise Unavailable

    with watcher.watching(job) as watch:
        event.listen(engine, "begin", away)
        time.sleep(0.3)
        event.remove(engine, "begin", away)
        moved(runtime, job, 50)
        assert watch.next(SOON).progress == 50  # type: ignore[union-attr]
