"""Whose turn it is, with the real service at work: tenants do not delay each other, and a pause holds."""

import datetime as dt
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Integer, String, case, cast, event, func, insert, literal, select, text, update
from sqlalchemy.orm import Session

import config
from akount import backlog, ledger, scans
from akount.accounts import SHELL
from akount.db import Database, now
from akount.kinds import KINDS
from akount.lifecycle import Runtime, open_runtime
from akount.models import Document, Job, JobStatus, Pause
from akount.tasks.queues import hang_bells
from fresh import postgres_copy
from make import BILL, pdf, submitted
from people import People, Person, settle_in
from servers import Server, redis_server
from service import PLAIN, Service

QUEUE = BILL.queue
SECOND = dt.timedelta(seconds=1)
WORKERS, BACKLOG = 1, 80


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, postgres: Server) -> Iterator[Service]:
    limits = {"JOBS_PER_MINUTE": "1000000", "RATE_LIMIT_PER_MINUTE": "1000000", "WORKER_PROCESSES": str(WORKERS)}
    with (
        redis_server(tmp_path_factory.mktemp("redis")) as valkey,
        Service(tmp_path_factory.mktemp("turns"), DATABASE_URL=postgres_copy(postgres), REDIS_URL=valkey.url, **limits) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def shelf(service: Service) -> Iterator[Runtime]:
    """The same database, files and queue, from the test's own process."""
    runtime = open_runtime(config.load(service.environ | {"APP_ENV": "test"}, env_file=Path("no.env")))
    hang_bells(runtime)
    yield runtime
    runtime.close()


@pytest.fixture(scope="module")
def people(shelf: Runtime) -> People:
    return settle_in(shelf.database)


def upload(service: Service, person: Person, plural: str = BILL.plural) -> uuid.UUID:
    url, files = f"{service.address}/api/business/{plural}/scan", {"file": ("a.pdf", pdf())}
    answer = httpx.post(url, headers=person.headers, files=files, timeout=30, **PLAIN)
    assert answer.status_code == 202, answer.text
    return uuid.UUID(answer.json()["jobId"])


def job_of(shelf: Runtime, job_id: uuid.UUID) -> Job:
    with shelf.database.snapshot() as session:
        return session.get_one(Job, job_id)


def completed(shelf: Runtime, job_id: uuid.UUID, seconds: float = 90) -> Job:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        job = job_of(shelf, job_id)
        if job.status is JobStatus.COMPLETED:
            return job
        time.sleep(0.05)
    raise AssertionError(f"not completed in {seconds} s: {job.status}, {job.error_code}")


def count(shelf: Runtime, *where: Any) -> int:
    with shelf.database.snapshot() as session:
        return session.scalar(select(func.count()).select_from(Job).where(*where)) or 0


# --- fairness ---


def test_a_backlog_of_one_tenant_does_not_delay_the_document_of_another(service: Service, shelf: Runtime, people: People) -> None:
    with service.asleep():
        for _ in range(BACKLOG):
            submitted(shelf, people.ada)
        single = upload(service, people.mallory)
    job = completed(shelf, single)
    hers = Job.tenant_id == people.ada.actor.tenant
    assert job.started_at is not None
    before_it = count(shelf, hers, Job.started_at >= job.created_at, Job.started_at <= job.started_at)
    left = count(shelf, hers, Job.status == JobStatus.WAITING)
    print(f"{before_it} of the other's {left + before_it} jobs came first")
    assert left > BACKLOG - 10, "she still has a backlog"
    assert before_it <= WORKERS + 4, "what ran already, and what was claimed while hers was committed"
    with shelf.database.transaction() as session:
        session.execute(update(Job).where(hers, Job.status == JobStatus.WAITING).values(status=JobStatus.CANCELLED))


@pytest.fixture
def crowded(postgres: Server) -> Iterator[tuple[Database, People]]:
    """Ten thousand jobs of one tenant that wait, beside a hundred thousand that are done."""
    database = Database(postgres_copy(postgres))
    people = settle_in(database)
    with database.transaction() as session:
        _fill(session, people.ada, 110_000, waiting=10_000)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    yield database, people
    database.close()


def _fill(session: Session, person: Person, total: int, waiting: int) -> None:
    number = func.generate_series(1, total).column_valued("number")
    document = {
        "id": func.gen_random_uuid(),
        "tenant_id": literal(person.actor.tenant),
        "entity_id": literal(person.entity_id),
        "kind": literal(BILL.name),
        "filename": literal("a.pdf"),
        "filename_key": literal("a.pdf"),
        "media_type": literal("application/pdf"),
        "size": literal(1),
        "sha256": func.repeat(func.md5(cast(number, String)), 2),
        "storage_key": cast(number, String),
    }
    session.execute(insert(Document).from_select(list(document), select(*document.values())))
    turn = cast(Document.storage_key, Integer)
    job = {
        "id": Document.id,
        "tenant_id": Document.tenant_id,
        "document_id": Document.id,
        "queue": literal(QUEUE),
        "kind": Document.kind,
        "status": case((turn <= waiting, JobStatus.WAITING.value), else_=JobStatus.COMPLETED.value),
        "turn": turn,
        "max_attempts": literal(3),
        "rung_at": literal(now()),
    }
    session.execute(insert(Job).from_select(list(job), select(*job.values())))


def test_ten_thousand_waiting_documents_do_not_delay_another_tenants_and_are_found_by_an_index(
    crowded: tuple[Database, People], capsys: pytest.CaptureFixture[str]
) -> None:
    database, people = crowded
    asked: list[tuple[str, Any]] = []
    with database.transaction() as session:
        document = Document(
            tenant_id=people.mallory.actor.tenant,
            entity_id=people.mallory.entity_id,
            kind=BILL.name,
            filename="a.pdf",
            media_type="application/pdf",
            size=1,
            sha256="f" * 64,
            storage_key="mallory",
        )
        session.add(document)
        session.flush()
    event.listen(database.engine, "before_cursor_execute", lambda _c, _k, sql, said, *_: asked.append((sql, said)))
    present = backlog.present_turn(database, QUEUE, backlog.Priority.PERSON)
    with database.transaction() as session:
        document = session.merge(document)
        job = ledger.enter(session, document, queue=QUEUE, max_attempts=3, request_id="", present=present)
    served, times = [], []
    for _ in range(20):
        started = time.perf_counter()
        with database.transaction() as session:
            held = ledger.claim(session, backlog.next_up(QUEUE), worker="w:1:1", lease_seconds=30)
            assert held is not None
        times.append(time.perf_counter() - started)
        served.append(held.job_id)
    assert job.id in served[:2], "it is her turn at once, not after ten thousand others"

    reads = {sql.rpartition("; ")[2]: said for sql, said in asked if "jobs" in sql}  # without what Postgres is told first
    assert len(reads) == 3, "the turn that is served, the turn of who comes, whose turn it is"
    with database.engine.connect() as connection, capsys.disabled():
        print(f"\n  claim with 10,000 waiting and 100,000 done: median {sorted(times)[10] * 1000:.1f} ms")
        for sql, said in reads.items():
            how = "COSTS OFF" if sql.startswith("INSERT") else "ANALYZE, TIMING OFF, SUMMARY OFF"  # it has been inserted already
            plan = connection.exec_driver_sql(f"EXPLAIN ({how}) {sql}", said).scalars().all()
            print("   ", "\n    ".join(plan))
            assert "Seq Scan on jobs" not in "\n".join(plan)


# --- pauses ---


def test_a_paused_queue_rests_within_two_seconds_and_over_a_restart_of_its_worker_until_it_is_resumed(
    service: Service, shelf: Runtime, people: People
) -> None:
    jobs = [submitted(shelf, people.ada).id for _ in range(60)]
    completed(shelf, jobs[0])
    scans.pause(shelf, SHELL, queue=QUEUE, tenant_id=None, reason="stock-taking", until=None)
    paused_at = now()
    jobs.append(upload(service, people.mallory))
    elsewhere = upload(service, people.mallory, KINDS["invoice"].plural)
    completed(shelf, elsewhere)
    time.sleep(4)
    started_since = (Job.queue == QUEUE, Job.started_at > paused_at + 2 * SECOND)
    assert count(shelf, *started_since) == 0
    assert count(shelf, Job.queue == QUEUE, Job.status == JobStatus.WAITING) > 1, "there was something to start"

    starts = service.log.read_text().count("worker ready")
    service.workers(QUEUE)[0].kill()
    ends = time.monotonic() + 60
    while service.log.read_text().count("worker ready") == starts:
        assert time.monotonic() < ends
        time.sleep(0.1)
    time.sleep(3)
    assert count(shelf, *started_since) == 0, "the pause is in the database, not in the worker"

    scans.resume(shelf, SHELL, queue=QUEUE, tenant_id=None)
    for job_id in jobs:
        completed(shelf, job_id)


def test_a_pause_with_an_end_ends_by_itself(service: Service, shelf: Runtime, people: People) -> None:
    scans.pause(shelf, SHELL, queue=None, tenant_id=people.ada.actor.tenant, reason="until five", until=now() + 3600 * SECOND)
    held, free = upload(service, people.ada), upload(service, people.mallory)
    completed(shelf, free)
    assert job_of(shelf, held).status is JobStatus.WAITING
    until = now() + 2 * SECOND
    with shelf.database.transaction() as session:
        session.execute(update(Pause).where(Pause.until.is_not(None)).values(until=until))
    job = completed(shelf, held)
    assert job.started_at is not None
    assert job.started_at >= until
    with shelf.database.snapshot() as session:
        assert backlog.pauses(session) == []
