"""Redis frozen, killed, emptied, Postgres killed: uploads go on, health tells the truth, every document is booked once."""

import random
import statistics
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from sqlalchemy import func, select

from akount.db import Database
from akount.models import Attempt, Document, Job, JobStatus, Record
from make import pdf
from servers import Server, create_database, postgres_server, redis_server
from service import PLAIN, Service

NO_LIMITS = {"JOBS_PER_MINUTE": "1000000", "RATE_LIMIT_PER_MINUTE": "1000000", "LEASE_SECONDS": "5"}
"""Limits are others' tests; a short lease makes those of outages quick."""


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with redis_server(tmp_path_factory.mktemp("valkey"), password="p@ss/word") as server:
        yield server


@pytest.fixture(scope="module")
def own_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One that keeps what it has committed, also when it is killed."""
    with postgres_server(tmp_path_factory.mktemp("postgres"), fast=False) as server:
        yield server


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, own_postgres: Server, valkey: Server) -> Iterator[Service]:
    environ = {"DATABASE_URL": create_database(own_postgres, "akount"), "REDIS_URL": valkey.url, **NO_LIMITS}
    with Service(tmp_path_factory.mktemp("service"), **environ) as running:
        yield running


@pytest.fixture(scope="module")
def database(service: Service) -> Iterator[Database]:
    opened = Database(service.environ["DATABASE_URL"])
    yield opened
    opened.close()


def booked_once(service: Service, database: Database, uploads: list[dict[str, Any]]) -> None:
    """Every upload became one record, by one completed attempt."""
    ended = [service.result(upload) for upload in uploads]
    assert [job["status"] for job in ended] == ["completed"] * len(uploads)
    ids = [uuid.UUID(upload["jobId"]) for upload in uploads]
    with database.snapshot() as session:
        completed = select(Attempt.job_id).where(Attempt.job_id.in_(ids), Attempt.outcome == "completed")
        assert sorted(session.scalars(select(Record.job_id).where(Record.job_id.in_(ids)))) == sorted(ids)
        assert sorted(session.scalars(completed)) == sorted(ids)


def _command(process: psutil.Process) -> list[str]:
    """None of one that has ended, such as the child that read a document a moment ago, or was only just forked: until it runs
    a program of its own, its command is that of its parent."""
    try:
        return process.cmdline() if time.time() - process.create_time() > 3 else []
    except psutil.NoSuchProcess:
        return []


@contextmanager
def nobody_restarted(service: Service) -> Iterator[None]:
    """The processes that were there before are there after, but for those that read."""
    commands = {process.pid: _command(process) for process in service.family()}
    before = {pid for pid, command in commands.items() if command and "akount.extraction.reader" not in command}
    yield
    assert before <= {process.pid for process in service.family()}


@dataclass(frozen=True)
class Uploads:
    """What some uploads were answered, and how long each took, in seconds."""

    answers: list[dict[str, Any]]
    seconds: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def slowest(self) -> float:
        return max(self.seconds)

    def __str__(self) -> str:
        return f"median {self.median:.3f} s, slowest {self.slowest:.3f} s of {len(self.seconds)}"


def timed_uploads(service: Service) -> Uploads:
    """By four clients at once; every document is accepted."""
    with ThreadPoolExecutor(4) as pool:
        answered = list(pool.map(lambda _: timed_upload(service, pdf()), range(24)))
    assert [answer.status_code for _, answer in answered] == [202] * 24
    return Uploads([answer.json() for _, answer in answered], [taken for taken, _ in answered])


def timed_upload(service: Service, data: bytes) -> tuple[float, httpx.Response]:
    """By a connection of its own, so that every web process has its share."""
    with stranger(service) as client:
        started = time.monotonic()
        answer = client.post("/api/business/bills/scan", headers=service.client.headers, files={"file": ("a.pdf", data)})
        return time.monotonic() - started, answer


def ask(service: Service, path: str) -> tuple[float, httpx.Response]:
    with stranger(service) as client:
        started = time.monotonic()
        answer = client.get(path)
        return time.monotonic() - started, answer


def stranger(service: Service) -> httpx.Client:
    return httpx.Client(base_url=service.address, timeout=30, **PLAIN)


# --- Redis ---


def test_a_frozen_redis_delays_no_upload_and_health_tells_the_truth(
    service: Service, database: Database, valkey: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    usual, usual_health = timed_uploads(service), ask(service, "/health")
    with nobody_restarted(service):
        valkey.freeze()
        try:
            frozen, health, ready = timed_uploads(service), ask(service, "/health"), ask(service, "/health/ready")
        finally:
            valkey.thaw()
        booked_once(service, database, [*usual.answers, *frozen.answers])
    with capsys.disabled():
        print(f"\n  uploads: {usual}; with Redis frozen: {frozen}; /health {health[0]:.3f} s instead of {usual_health[0]:.3f} s")
    assert usual_health[1].json()["status"] == "ok"
    assert frozen.median < usual.median + 5, "an upload does not wait for the bell"
    assert frozen.slowest < usual.slowest + 15
    body = health[1].json()
    assert (health[1].status_code, body["status"], body["checks"]["redis"]) == (200, "degraded", "error")
    assert (body["checks"]["database"], body["checks"]["storage"]) == ("ok", "ok")
    assert health[0] < usual_health[0] + 15
    assert (ready[1].status_code, ready[1].json()["failing"]) == (503, ["redis"])
    assert ask(service, "/health")[1].json()["status"] == "ok"
    assert ask(service, "/health/ready")[1].status_code == 200


@pytest.mark.parametrize("empty", [False, True], ids=["with its data", "empty"])
def test_a_redis_that_is_killed_and_comes_back_loses_no_document(
    service: Service, database: Database, valkey: Server, empty: bool
) -> None:
    with nobody_restarted(service):
        with service.asleep():
            before = [service.upload(pdf()) for _ in range(5)]
            valkey.kill()
            during = [service.upload(pdf()) for _ in range(5)]
            valkey.restart(empty=empty)
        booked_once(service, database, [*before, *during, service.upload(pdf())])


def test_a_redis_that_is_killed_under_waiting_workers_is_found_again(service: Service, database: Database, valkey: Server) -> None:
    with nobody_restarted(service):
        valkey.kill()
        uploads = [service.upload(pdf()) for _ in range(3)]
        time.sleep(2)
        valkey.start()
        booked_once(service, database, uploads)


# --- Postgres ---


class Clients:
    """Send documents as fast as they are answered, and keep every answer."""

    def __init__(self, service: Service, number: int) -> None:
        self.answers: list[tuple[bytes, httpx.Response]] = []
        self._service = service
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send) for _ in range(number)]

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _send(self) -> None:
        while not self._stop.is_set():
            data = pdf()
            self.answers.append((data, timed_upload(self._service, data)[1]))
            time.sleep(0.05)


@pytest.mark.parametrize("how", ["killed", "restarted"])
def test_a_postgres_that_goes_in_the_middle_of_work_loses_no_accepted_document(
    service: Service, database: Database, own_postgres: Server, how: str
) -> None:
    with nobody_restarted(service):
        with Clients(service, 3) as clients:
            time.sleep(1.5)
            own_postgres.kill() if how == "killed" else own_postgres.stop()
            time.sleep(1)
            own_postgres.start()
            time.sleep(1.5)
        refused = [(data, answer) for data, answer in clients.answers if answer.status_code != 202]
        accepted = [answer.json() for _, answer in clients.answers if answer.status_code == 202]
        print(f"{len(accepted)} accepted, {len(refused)} refused")
        assert {answer.status_code for _, answer in refused} == {503}, [answer.text for _, answer in refused]
        assert all(int(answer.headers["Retry-After"]) > 0 for _, answer in refused)
        again = [service.client.post("/api/business/bills/scan", files={"file": ("a.pdf", data)}) for data, _ in refused]
        assert {answer.status_code for answer in again} <= {202, 200}, "it takes uploads again"
        booked_once(service, database, [*accepted, *(answer.json() for answer in again)])
    assert ask(service, "/health/ready")[1].status_code == 200


def test_over_all_outages_nothing_was_lost_or_booked_twice_or_a_fault_of_ours(service: Service, database: Database) -> None:
    with database.snapshot() as session:
        documents = session.scalar(select(func.count()).select_from(Document))
        assert session.scalar(select(func.count()).select_from(Job).where(Job.status == JobStatus.COMPLETED)) == documents
        assert session.scalar(select(func.count()).select_from(Record)) == documents
        stored = {document.storage_key for document in session.scalars(select(Document))}
    files = service.directory / "var" / "files"
    assert {path.relative_to(files).as_posix() for path in files.glob("*/*/documents/*/*")} >= stored
    log = service.log.read_text()
    assert "queue away" in log
    assert "database_unavailable" in log
    assert "fault of ours" not in log
    assert "Unhandled exception" not in log, "an outage is a warning, not a traceback"


# --- no job waits for a sweep ---

IDLE_JOBS = 20


@pytest.fixture(params=["Redis", "SQLite"])
def idle(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Service]]:
    """A service with nothing to do."""
    if request.param == "Redis":
        yield request.param, request.getfixturevalue("service")
        return
    with Service(tmp_path, **NO_LIMITS) as running:
        yield request.param, running


def test_an_idle_worker_starts_at_once(idle: tuple[str, Service], capsys: pytest.CaptureFixture[str]) -> None:
    backend, service = idle
    chance, ids = random.Random(7), []
    for _ in range(IDLE_JOBS):
        time.sleep(chance.uniform(0.05, 0.4))
        upload = service.upload(pdf())
        assert service.result(upload)["status"] == "completed"
        ids.append(uuid.UUID(upload["jobId"]))
    database = Database(service.environ.get("DATABASE_URL") or f"sqlite:///{service.directory / 'var' / 'akount.db'}")
    with database.snapshot() as session:
        rows = session.execute(select(Job.created_at, Job.started_at).where(Job.id.in_(ids))).all()
    database.close()
    waits = sorted((started - created).total_seconds() for created, started in rows if started is not None)
    with capsys.disabled():
        shown = f"p50 {statistics.median(waits) * 1000:.0f} ms, p99 {statistics.quantiles(waits, n=100)[98] * 1000:.0f} ms"
        print(f"\n  idle start latency on {backend}: {shown}, worst {waits[-1] * 1000:.0f} ms of {len(waits)}")
    assert len(waits) == IDLE_JOBS
    assert statistics.median(waits) < 3, "a sweep comes after five seconds"
