"""The web server as it is shipped: real gunicorn, its workers and its refusals to start. How it stops: tests/stopping."""

import contextlib
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from api_help import Worker

import config
from akount import db
from akount.lifecycle import Runtime
from fresh import make_settings, opened, postgres_copy
from make import pdf
from people import People, settle_in
from servers import Server, create_database, postgres_server
from web import MIB, Web, stream_lines


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, postgres: Server) -> config.Settings:
    return make_settings(tmp_path_factory.mktemp("web"), postgres_copy(postgres))


@pytest.fixture(scope="module")
def web(settings: config.Settings) -> Iterator[Web]:
    """Two workers, as by default."""
    with Web(settings, WEB_PROCESSES="2") as web:
        yield web


@pytest.fixture(scope="module")
def runtime(web: Web, settings: config.Settings) -> Iterator[Runtime]:
    with opened(settings) as runtime:
        yield runtime


@pytest.fixture(scope="module")
def people(runtime: Runtime) -> People:
    return settle_in(runtime.database)


@pytest.fixture
def worker(runtime: Runtime) -> Iterator[Worker]:
    hired = Worker(runtime)
    yield hired
    hired.stop()


def refusal(settings: config.Settings, **environ: str) -> tuple[int, str]:
    """How a gunicorn that cannot serve ends, and all it says."""
    web = Web(settings, **environ)
    try:
        return web.process.wait(90), web.log.read_text()
    finally:
        web.process.kill()


# --- serving --------------------------------------------------------------------------------------


def test_it_answers_health_and_takes_an_upload(web: Web, people: People) -> None:
    assert web.get("/health/live", {}).json() == {"status": "ok"}
    assert web.get("/health", {}).json()["status"] == "ok"
    answer = web.upload(people.ada, pdf())
    assert answer.status_code == 202
    assert web.get(answer.json()["statusUrl"], people.ada.headers).json()["status"] == "waiting"


def test_every_worker_knows_the_jobs_and_the_tickets_of_the_others(web: Web, people: People, worker: Worker) -> None:
    assert len(web.workers()) == 2
    said = web.upload(people.ada, pdf()).json()
    worker.process(uuid.UUID(said["jobId"]))
    for path, headers in ((said["statusUrl"], people.ada.headers), (said["streamUrl"], {})):
        answers = [web.get(path, headers) for _ in range(12)]
        assert [answer.status_code for answer in answers] == [200] * 12
        assert all('"completed"' in answer.text for answer in answers)


def test_a_job_that_another_process_completes_is_told_to_who_watches(web: Web, people: People, worker: Worker) -> None:
    said = web.upload(people.ada, pdf()).json()
    address = web.url + said["streamUrl"]
    with httpx.stream("GET", address, timeout=30, trust_env=False) as stream:
        coming = stream_lines(stream)
        assert [next(coming)["event"], next(coming)["event"]] == ["connected", "initial"]
        worker.process(uuid.UUID(said["jobId"]))
        *_, last = coming
    assert last["event"] == "completed"
    assert last["result"]["documentId"] == said["documentId"]


def test_a_patient_question_is_answered_when_another_process_completes_the_job(web: Web, people: People, worker: Worker) -> None:
    said = web.upload(people.ada, pdf()).json()
    with ThreadPoolExecutor(1) as waiting:
        asked = waiting.submit(web.get, said["statusUrl"], people.ada.headers | {"Prefer": "wait=20"})
        time.sleep(0.3)
        with worker.at_work(uuid.UUID(said["jobId"])):
            answer = asked.result(30)
    assert answer.json()["status"] == "active"
    assert answer.headers["Preference-Applied"] == "wait=20"


def test_a_far_too_large_upload_is_refused_before_it_is_sent(web: Web, people: People) -> None:
    with socket.create_connection(("127.0.0.1", web.port), timeout=20) as sent:
        sent.sendall(web.upload_head(people.ada, 10**12))
        assert sent.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_a_chunked_upload_is_held_to_the_limit_too(web: Web, people: People) -> None:
    def chunks(total: int) -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n' + pdf()
        for _ in range(total // MIB):
            yield b"%" * MIB
        yield b"\r\n--x--\r\n"

    def send(total: int) -> int:
        headers = people.ada.headers | {"Content-Type": "multipart/form-data; boundary=x"}
        address = f"{web.url}/api/business/bills/scan"
        return httpx.post(address, headers=headers, content=chunks(total), timeout=60, trust_env=False).status_code

    assert send(2 * MIB) == 202
    with contextlib.suppress(httpx.WriteError, httpx.ReadError):  # refused while the client was still sending
        assert send(20 * MIB) == 413


def test_each_request_leaves_one_line_without_key_or_ticket(web: Web, people: People, worker: Worker) -> None:
    said = web.upload(people.ada, pdf()).json()
    worker.process(uuid.UUID(said["jobId"]))
    sent_id = f"request-{uuid.uuid4()}"
    web.get(said["streamUrl"], {"X-Request-ID": sent_id})
    line = web.line_of(sent_id)
    assert (line["event"], line["status"], line["tenant"]) == ("request", 200, str(people.ada.actor.tenant))
    assert line["path"] == f"/api/ai/jobs/{said['jobId']}/stream"
    text = web.log.read_text()
    assert "ticket" not in text
    assert people.ada.key not in text
    assert "/health" not in text


def test_many_uploads_at_once_are_not_held_in_memory(settings: config.Settings, people: People) -> None:
    """One worker takes twenty files of 5 MiB at once; held in memory they would be a hundred."""
    with Web(settings, WEB_PROCESSES="1", WEB_THREADS="24") as web:
        made = pdf()

        def upload(number: int) -> int:
            data = made + b"%d" % number + b"%" * (5 * MIB)
            return web.upload(people.ada, data).status_code

        assert upload(1000) == 202  # what is imported with the first upload is there now
        (process,) = web.workers()
        before = peak = process.memory_info().rss
        with ThreadPoolExecutor(20) as senders:
            sent = [senders.submit(upload, number) for number in range(20)]
            while not all(each.done() for each in sent):
                peak = max(peak, process.memory_info().rss)
                time.sleep(0.01)
        assert [each.result() for each in sent] == [202] * 20
        assert (peak - before) / MIB < 60
        assert (process.memory_info().rss - before) / MIB < 60


# --- a worker that dies ----------------------------------------------------------------------------


def test_a_worker_that_is_killed_is_replaced(settings: config.Settings, people: People) -> None:
    with Web(settings, WEB_PROCESSES="1") as web:
        (first,) = web.workers()
        first.kill()
        first.wait(30)
        deadline = time.monotonic() + 60
        while not web.workers() or web.workers()[0].pid == first.pid:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert web.upload(people.ada, pdf()).status_code == 202


def test_a_worker_that_is_replaced_while_the_database_is_away_does_not_take_the_server_down(tmp_path: Path) -> None:
    with postgres_server(tmp_path) as postgres:
        settings = make_settings(tmp_path, create_database(postgres, "own"))
        db.migrate(settings.database)
        with Web(settings, WEB_PROCESSES="1") as web:
            postgres.kill()
            (first,) = web.workers()
            first.kill()
            first.wait(30)
            assert eventually(lambda: web.get("/health/live", {}).status_code == 200, 90), web.log.read_text()
            assert web.get("/health/ready", {}).json()["checks"]["database"] == "error"
            postgres.start()
            assert eventually(lambda: web.get("/health/ready", {}).status_code == 200, 90), web.log.read_text()
            assert web.process.poll() is None


def eventually(holds: Callable[[], bool], seconds: float) -> bool:
    """Whether it comes true in time; no connection yet is not yet."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            if holds():
                return True
        time.sleep(0.1)
    return False


# --- refusing to start ----------------------------------------------------------------------------


def test_an_old_schema_is_refused_in_one_sentence(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, f"sqlite:///{tmp_path / 'old.db'}")
    status, said = refusal(settings, WEB_PROCESSES="3")
    assert status == 2
    assert "run `python -m akount migrate`" in said
    assert len(said.strip().splitlines()) == 1, said


def test_a_schema_from_the_past_is_refused_too(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, f"sqlite:///{tmp_path / 'old.db'}")
    db.migrate(settings.database, "0001")
    status, said = refusal(settings)
    assert (status, len(said.strip().splitlines())) == (2, 1), said


def test_wrong_settings_are_refused_by_name(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, f"sqlite:///{tmp_path / 'a.db'}")
    status, said = refusal(settings, WEB_THREADS="many", APP_ENV="production", SECRET_KEY="a-short-secret")
    assert status == 2
    assert "WEB_THREADS:" in said
    assert "SECRET_KEY:" in said
    assert "a-short-secret" not in said
    assert "Traceback" not in said


def test_a_database_that_is_away_is_told_in_one_sentence(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, "postgresql://somebody:a-secret@127.0.0.1:1/nothing")
    status, said = refusal(settings)
    assert status == 1
    assert len(said.strip().splitlines()) == 1, said
    assert "a-secret" not in said
