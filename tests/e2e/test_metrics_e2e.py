"""The numbers of a real service: right over several processes, when some die, after a restart, and asked of the workers (H7)."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

import config
from akount.db import Database
from akount.kinds import QUEUES
from fresh import make_settings, postgres_copy
from make import pdf
from monitor import Numbers
from people import People, settle_in
from servers import Server
from service import PLAIN, Service, free_port
from web import Web

TOKEN = "a-token-of-the-monitor"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
JOB = "/api/ai/jobs/<uuid:job_id>"
NOTHING = "/api/ai/jobs/00000000-0000-0000-0000-000000000001"


@pytest.fixture
def settings(tmp_path: Path, postgres: Server) -> config.Settings:
    return make_settings(tmp_path, postgres_copy(postgres))


@pytest.fixture
def people(settings: config.Settings) -> People:
    database = Database(settings.database)
    known = settle_in(database)
    database.close()
    return known


def scrape(url: str, headers: dict[str, str] = BEARER) -> Numbers:
    answer = httpx.get(f"{url}/metrics", headers=headers, timeout=30, **PLAIN)
    assert answer.status_code == 200, answer.text
    return Numbers(answer.text)


def settled(ask: "Iterator[float]", wanted: float, seconds: float = 60) -> float:
    """What a number comes to; it may lag behind an answer by a moment."""
    deadline = time.monotonic() + seconds
    while (found := next(ask)) != wanted and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def test_the_web_processes_count_together_also_when_one_was_killed(settings: config.Settings, people: People) -> None:
    with Web(settings, WEB_PROCESSES="4", METRICS_TOKEN=TOKEN) as web:
        for _ in range(40):  # each over a connection of its own, so that every process answers some
            assert web.get(NOTHING, people.ada.headers).status_code == 404

        def counted() -> float:
            return scrape(web.url).total("akount_http_requests_total", method="GET", route=JOB, status="4xx")

        assert {counted() for _ in range(12)} == {40}, "whoever is asked, it is the same"
        said = web.upload(people.ada, pdf()).json()
        with httpx.stream("GET", web.url + said["streamUrl"], timeout=60, **PLAIN) as stream:
            next(stream.iter_lines())
            assert settled(iter(lambda: scrape(web.url).total("akount_http_requests_in_progress"), None), 2) == 2
            for worker in web.workers():
                worker.kill()
        await_answers(web)
        assert settled(iter(lambda: scrape(web.url).total("akount_http_requests_in_progress"), None), 1) == 1, "only the scrape"
        assert counted() == 40, "the dead have counted too"
        web.get(NOTHING, people.ada.headers)
        assert counted() == 41
        assert scrape(web.url).total("akount_upload_bytes_total", kind="bill") > 500
    with Web(settings, WEB_PROCESSES="2", METRICS_TOKEN=TOKEN) as web:
        assert scrape(web.url).total("akount_http_requests_total", route=JOB) == 0, "a restart is a new count"


def await_answers(web: Web) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            if web.get("/health/live", {}).status_code == 200:
                return
        time.sleep(0.2)
    raise AssertionError(web.log.read_text())


def test_on_one_machine_the_web_server_shows_the_work_too(tmp_path: Path) -> None:
    with Service(tmp_path, METRICS_TOKEN=TOKEN) as service:
        uploads = [service.upload(pdf()) for _ in range(3)] + [service.upload(pdf(), plural="invoices")]
        assert [service.result(upload)["status"] for upload in uploads] == ["completed"] * 4
        bills, invoices = (next(q for q in QUEUES if q.startswith(k)) for k in ("bill", "invoice"))

        def done() -> dict[str, float]:
            numbers = scrape(service.address)
            return {q: numbers.total("akount_jobs_total", queue=q, outcome="completed") for q in QUEUES}

        assert settled(iter(lambda: done()[bills], None), 3) == 3
        assert done() == {bills: 3, invoices: 1}
        numbers = scrape(service.address)
        assert numbers.total("akount_job_wait_seconds_count") == numbers.total("akount_job_run_seconds_count") == 4
        assert numbers.total("akount_engine_calls_total", outcome="read") == 4
        assert settled(iter(lambda: scrape(service.address).total("akount_workers_alive"), None), 2) == 2
        kill_reader(service, bills)
        assert service.result(service.upload(pdf()))["status"] == "completed"
        assert settled(iter(lambda: done()[bills], None), 4) == 4, "its successor goes on where it was"


def kill_reader(service: Service, queue: str) -> None:
    """The process that reads, by SIGKILL; the consumer starts another."""
    consumer, *_ = service.workers(queue)
    before = {child.pid for child in consumer.children()}
    ready = service.log.read_text().count("worker ready")
    for child in consumer.children():
        if child.children() or any("reader" in part for part in child.cmdline()):
            os.kill(child.pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while service.log.read_text().count("worker ready") == ready:
        assert time.monotonic() < deadline, (before, service.log.read_text()[-2000:])
        time.sleep(0.2)


def test_the_workers_of_a_machine_are_asked_at_a_port_of_their_own(tmp_path: Path) -> None:
    port = free_port()
    with Service(tmp_path, METRICS_TOKEN=TOKEN, WORKER_METRICS_PORT=str(port)) as service:
        own = f"http://127.0.0.1:{port}"
        assert service.result(service.upload(pdf()))["status"] == "completed"
        await_port(port)
        assert settled(iter(lambda: scrape(own).total("akount_jobs_total", outcome="completed"), None), 1) == 1
        assert "akount_http_requests_total" not in {s.name for s in scrape(own).samples if s.value}
        web = scrape(service.address)
        assert web.total("akount_jobs_total") == 0, "counted once, not twice"
        assert web.total("akount_http_requests_total") > 0
        refused = [({}, "/metrics"), ({"Authorization": "Bearer wrong"}, "/metrics"), (BEARER, "/"), (BEARER, "/metrics/x")]
        answers = [httpx.get(own + path, headers=headers, timeout=30, **PLAIN) for headers, path in refused]
        assert [(answer.status_code, answer.text) for answer in answers] == [(404, "")] * 4
        server = next(p for p in service.family() if listens(p, port))
        server.kill()
        await_port(port, seconds=60)
        assert scrape(own).total("akount_jobs_total", outcome="completed") == 1, "another one answers in its place"


def listens(process: psutil.Process, port: int) -> bool:
    return any(c.laddr.port == port and c.status == psutil.CONN_LISTEN for c in process.net_connections("tcp"))


def await_port(port: int, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{port}/", timeout=5, **PLAIN)
            return
        time.sleep(0.2)
    raise AssertionError(f"nobody answers at {port}")
