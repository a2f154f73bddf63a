"""Jobs as people look for them, and the snapshot in the head of every page: on SQLite and Postgres, a tenant's own only."""

import dataclasses
import datetime as dt
import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import func, select, update

from akount import backlog, census, db, listing
from akount.accounts import Actor
from akount.census import Board
from akount.db import now
from akount.errors import NotFound
from akount.kinds import QUEUES
from akount.lifecycle import Runtime
from akount.listing import Wanted
from akount.models import Job, JobStatus, Record, RecordStatus, Role
from fresh import opened, settings_for
from scene import Scene, set_up

ALL = Actor(Role.OPERATOR, None)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def runtime(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    with opened(settings_for(request, tmp_path_factory)) as runtime:
        yield runtime


@pytest.fixture(scope="module")
def scene(runtime: Runtime) -> Scene:
    return set_up(runtime.database)


@pytest.fixture(scope="module")
def owner(scene: Scene) -> Actor:
    return Actor(Role.OWNER, scene.ours.id)


def ids(runtime: Runtime, *conditions) -> list[uuid.UUID]:
    """By the plainest question, the newest first."""
    with runtime.database.snapshot() as session:
        return list(session.scalars(select(Job.id).where(*conditions).order_by(Job.created_at.desc(), Job.id.desc())))


SINCE = now() - dt.timedelta(hours=3)


@pytest.mark.parametrize(
    ("wanted", "conditions"),
    [
        (Wanted(), ()),
        (Wanted(status=JobStatus.COMPLETED), (Job.status == JobStatus.COMPLETED,)),
        (Wanted(status=JobStatus.FAILED), (Job.status == JobStatus.FAILED, Job.discarded_at.is_(None))),
        (Wanted(status=JobStatus.FAILED, discarded=True), (Job.status == JobStatus.FAILED, Job.discarded_at.is_not(None))),
        (Wanted(queue=QUEUES[1]), (Job.queue == QUEUES[1],)),
        (Wanted(code="encrypted"), (Job.error_code == "encrypted",)),
        (Wanted(attempts=2), (Job.attempts >= 2,)),
        (Wanted(since=SINCE), (Job.created_at >= SINCE,)),
        (Wanted(until=SINCE), (Job.created_at <= SINCE,)),
        (Wanted(failed_since=SINCE), (Job.finished_at >= SINCE,)),
        (Wanted(worker="nobody"), (Job.worker == "nobody",)),
    ],
    ids=lambda value: "",
)
def test_a_filter_finds_what_it_says_page_by_page_both_ways(
    runtime: Runtime, scene: Scene, owner: Actor, wanted: Wanted, conditions: tuple
) -> None:
    for actor, mine in ((ALL, ()), (owner, (Job.tenant_id == scene.ours.id,))):
        expected, seen, after = ids(runtime, *conditions, *mine), [], None
        while True:
            page = listing.jobs(runtime, actor, wanted, after=after, limit=7)
            seen += [row.id for row in page.rows]
            if page.older is None:
                break
            after = page.older
        assert seen == expected
        assert listing.count(runtime, actor, wanted, 1000) == len(expected)
        if len(expected) > 7:
            before = listing.jobs(runtime, actor, wanted, before=page.newer, limit=7)
            start = len(expected) - len(page.rows)
            assert [row.id for row in before.rows] == expected[max(0, start - 7) : start]


def test_to_name_anothers_tenant_finds_nothing(runtime: Runtime, scene: Scene, owner: Actor) -> None:
    assert listing.jobs(runtime, owner, Wanted(tenant_id=scene.theirs.id)).rows == []
    assert listing.choice_of_tenants(runtime, owner) == []
    with runtime.database.snapshot() as session:
        theirs = session.scalars(select(Job.id).where(Job.tenant_id == scene.theirs.id)).first()
    assert theirs is not None
    with pytest.raises(NotFound):
        listing.job(runtime, owner, theirs)
    assert listing.job(runtime, ALL, theirs).tenant.name == scene.theirs.name


def test_the_count_goes_no_further_than_it_is_told(runtime: Runtime, scene: Scene) -> None:
    assert listing.count(runtime, ALL, Wanted(), 5) == 6


def test_a_snapshot_counts_what_waits_runs_and_is_dead(runtime: Runtime, scene: Scene) -> None:
    for tenant in (None, scene.ours.id, scene.theirs.id):
        mine = () if tenant is None else (Job.tenant_id == tenant,)
        with runtime.database.snapshot() as session:
            seen = census.look(session, tenant)
            rows = session.execute(
                select(Job.queue, Job.status, func.count(), func.min(Job.run_at))
                .where(*mine, Job.discarded_at.is_(None))
                .group_by(Job.queue, Job.status)
            ).all()
            review = (Record.status.in_([RecordStatus.NEEDS_REVIEW, RecordStatus.MANUAL_ENTRY]),)
            review += () if tenant is None else (Record.tenant_id == tenant,)
            assert seen.review == session.scalar(select(func.count()).select_from(Record).where(*review))
        shown = (JobStatus.WAITING, JobStatus.ACTIVE, JobStatus.DELAYED, JobStatus.FAILED)
        expected = {(queue, status): number for queue, status, number, _ in rows if status in shown}
        found = {(queue, JobStatus(status)): number for queue, by in seen.jobs.items() for status, number in by.items()}
        assert found == expected
        assert seen.total(*shown) == sum(expected.values())
        due = {queue: at for queue, status, _, at in rows if status is JobStatus.WAITING}
        assert seen.oldest == due
        assert len(seen.pauses) == (1 if tenant in (None, scene.theirs.id) else 0)


def test_who_sees_one_tenant_only_is_told_of_a_queue_that_is_held_up(runtime: Runtime, scene: Scene) -> None:
    with runtime.database.transaction() as session:
        backlog.pause(session, queue=QUEUES[0], tenant_id=None, reason="a new disk", by="shell")
    db.see_only(scene.ours.id)
    try:
        seen = Board(runtime.database).look(scene.ours.id)
        assert seen is not None
        assert [(pause.queue, pause.tenant_id) for pause in seen.pauses] == [(QUEUES[0], None)], "and not of another tenant"
    finally:
        db.see_all()
    with runtime.database.transaction() as session:
        backlog.resume(session, queue=QUEUES[0], tenant_id=None, by="shell")


def test_a_number_is_counted_no_further_than_its_cap(runtime: Runtime, scene: Scene) -> None:
    with runtime.database.snapshot() as session:
        capped = backlog.capped_counts(session, QUEUES, None, 2)
        assert backlog.to_review(session, None, 2) == 3
    assert max(number for by in capped.values() for number in by.values()) == 3


def test_everybody_who_looks_within_seconds_is_shown_the_same(runtime: Runtime, scene: Scene) -> None:
    board = Board(runtime.database)
    first = board.look(None)
    assert first is not None
    with runtime.database.transaction() as session:
        session.execute(update(Job).where(Job.id == scene.dead[0]).values(discarded_at=now()))
    assert board.look(None) is first
    assert board.look(scene.ours.id) is not first
    board.forget(scene.ours.id)
    second = board.look(None)
    assert second is not None
    assert second.total(JobStatus.FAILED) == first.total(JobStatus.FAILED) - 1
    assert dataclasses.replace(second, at=first.at) != first


def test_what_comes_out_the_same_is_asked_for_less_often(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, asked, answer = [0.0], [], ["the same"]
    monkeypatch.setattr("akount.census.time.monotonic", lambda: clock[0])
    board = Board(runtime.database)

    def make(_session: object, _tenant: object) -> str:
        asked.append(clock[0])
        return answer[0]

    for second in range(60):
        clock[0] = second
        answer[0] = "the same" if second < 40 else f"changed {second}"
        assert board.keep("it", None, make, 4) == (answer[0] if asked[-1] == second else board.keep("it", None, make, 4))
    assert asked == [0, 4, 12, 24, 36, 48, 52, 56]
    board.forget(None)
    board.keep("it", None, make, 4)
    assert asked[-1] == 59, "who has changed something sees it at once"
