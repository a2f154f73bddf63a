"""The web server stops in order, at whatever signal, and its exit code tells whether it did (H4): real gunicorn, real clients."""

import contextlib
import io
import json
import os
import signal
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

import config
from akount import db
from akount.db import Database
from fresh import make_settings, postgres_copy
from make import pdf
from people import People, settle_in
from servers import Server, create_database, postgres_server
from web import Web, lines_to, upload_body

SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT]
BUDGET = 30
"""Seconds in all (H4)."""
SHORT = {"STOP_SECONDS": "8", "WEB_PROCESSES": "1"}
"""For what waits its time out."""
SERVICES = ["console", "watchman", "probes"]
BELLS = ["bell invoice-scan", "bell bill-scan"]
ORDER = ["streams", "requests", *SERVICES, *BELLS, "opener", "limiter", "storage", "database"]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, postgres: Server) -> config.Settings:
    return make_settings(tmp_path_factory.mktemp("web"), postgres_copy(postgres))


@pytest.fixture(scope="module")
def people(settings: config.Settings) -> People:
    return settled(settings)


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Postgres that tests may freeze and stop."""
    with postgres_server(tmp_path_factory.mktemp("mortal")) as server:
        yield server


@pytest.fixture(scope="module")
def mortal_settings(tmp_path_factory: pytest.TempPathFactory, mortal: Server) -> config.Settings:
    url = create_database(mortal, "mortal")
    db.migrate(url)
    return make_settings(tmp_path_factory.mktemp("mortal-web"), url)


@pytest.fixture(scope="module")
def mortals(mortal_settings: config.Settings) -> People:
    return settled(mortal_settings)


def settled(settings: config.Settings) -> People:
    database = Database(settings.database)
    try:
        return settle_in(database)
    finally:
        database.close()


def tell(web: Web, number: signal.Signals, whom: str = "master") -> None:
    """As `docker stop` or a supervisor does; or as a terminal does, to all processes of the group at once."""
    if whom == "group":
        os.killpg(web.process.pid, number)
    else:
        web.process.send_signal(number)


def rest_of(stream: Iterator[str]) -> list[str]:
    """What else comes over an event stream until it is ended in order, without the signs of life."""
    return [line for line in stream if line and not line.startswith(":")]


def ended(web: Web, started: float) -> int:
    """The exit code, when it came in time."""
    code = web.process.wait(BUDGET + 10)
    assert time.monotonic() - started < BUDGET, web.log.read_text()
    return code


def closed(web: Web) -> list[str]:
    """The closing steps that came to their end, in their order; of one worker process."""
    lines = web.said("closed")
    assert all(isinstance(line["ms"], int) and line["level"] == "info" for line in lines)
    return [line["part"] for line in lines]


@pytest.mark.parametrize(
    ("number", "whom"),
    [*((number, "master") for number in SIGNALS), (signal.SIGINT, "group"), (signal.SIGQUIT, "group")],
    ids=lambda value: getattr(value, "name", value),
)
def test_requests_are_finished_streams_are_ended_and_everything_is_closed_in_order(
    settings: config.Settings, people: People, number: signal.Signals, whom: str
) -> None:
    body = upload_body(pdf())
    with Web(settings, WEB_PROCESSES="1", WEB_PRELOAD=str(whom == "group").lower()) as web:
        said = web.upload(people.ada, pdf()).json()
        with (
            httpx.stream("GET", web.url + said["streamUrl"], timeout=40, trust_env=False) as stream,
            socket.create_connection(("127.0.0.1", web.port), timeout=40) as slow,
        ):
            coming = stream.iter_lines()
            while '"initial"' not in next(coming):
                pass
            slow.sendall(web.upload_head(people.ada, len(body)) + body[:300])
            time.sleep(0.5)
            started = time.monotonic()
            tell(web, number, whom)
            assert rest_of(coming) == ["retry: 2000"], "the stream is ended at once, in order, with a hint"
            for again in SIGNALS:  # a second one neither hurries nor repeats anything
                tell(web, again, "group")
            time.sleep(0.3)
            assert web.process.poll() is None
            slow.sendall(body[300:])
            answer = slow.makefile("rb").read()
        assert answer.startswith(b"HTTP/1.1 202 ")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["status"] == "queued"
        assert ended(web, started) == 0
        assert closed(web) == ORDER
        assert sorted(line["part"] for line in web.said("stopping")) == ["web", "web process"], "once each"
        assert not [line for line in web.lines() if line["level"] in {"error", "warning"}]


@contextlib.contextmanager
def one_for_each_signal(settings: config.Settings, app: str = "wsgi:app", **environ: str) -> Iterator[dict[signal.Signals, Web]]:
    """Three servers, side by side."""
    webs = {number: Web(settings, app, **environ) for number in SIGNALS}
    with contextlib.ExitStack() as stack:
        yield {number: stack.enter_context(web) for number, web in webs.items()}


def test_an_idle_server_ends_with_zero(settings: config.Settings) -> None:
    with one_for_each_signal(settings, WEB_PROCESSES="2", WEB_PRELOAD="true") as webs:
        started = time.monotonic()
        for number, web in webs.items():
            tell(web, number)
        for web in webs.values():
            assert ended(web, started) == 0
            assert Counter(closed(web)) == dict.fromkeys(ORDER, 2)


def test_a_server_that_is_stopped_while_it_starts_ends_with_zero(settings: config.Settings) -> None:
    """A worker that was just forked would take the signal for its master's and never hear of it."""
    web = Web(settings, configuration="tests/slow_fork.conf.py", WEB_PROCESSES="2", WEB_PRELOAD="true")
    try:
        while len(psutil.Process(web.process.pid).children()) < 2:
            time.sleep(0.01)
        started = time.monotonic()
        tell(web, signal.SIGTERM)
        assert ended(web, started) == 0
    finally:
        web.process.kill()


def test_a_closing_step_that_hangs_is_named_and_left_behind(settings: config.Settings) -> None:
    with one_for_each_signal(settings, "hung_wsgi:app", **SHORT) as webs:
        started = time.monotonic()
        for number, web in webs.items():
            tell(web, number)
            tell(web, number)
        for web in webs.values():
            assert ended(web, started) == 1
            assert [line["part"] for line in web.said("closing hangs, left behind")] == ["hung"]
            assert closed(web) == ORDER, "the others are closed all the same"


def test_a_request_that_hangs_in_a_frozen_database_is_cut_off_in_time(
    mortal: Server, mortal_settings: config.Settings, mortals: People
) -> None:
    port = urlsplit(mortal.url).port or 0
    with one_for_each_signal(mortal_settings, WEB_PRELOAD="true", **SHORT) as webs, ThreadPoolExecutor(6) as asking:
        path = next(iter(webs.values())).upload(mortals.ada, pdf()).json()["statusUrl"]
        workers = [worker for web in webs.values() for worker in web.workers()]
        mortal.freeze()
        try:
            before = [len(lines_to(worker, port)) for worker in workers]
            asked = [asking.submit(web.get, path, mortals.ada.headers) for web in webs.values() for _ in range(2)]
            for worker, lines in zip(workers, before, strict=True):
                while len(lines_to(worker, port)) == lines:  # the second of the two needs a line of its own
                    time.sleep(0.05)
            time.sleep(0.5)
            started = time.monotonic()
            for number, web in webs.items():
                tell(web, number)
            assert [ended(web, started) for web in webs.values()] == [1, 1, 1]
        finally:
            mortal.thaw()
        assert all(isinstance(one.exception(60), httpx.TransportError) for one in asked)
        for web in webs.values():
            (cut,) = [line["cut_off"] for line in web.said("closed") if line["part"] == "requests"]
            assert cut >= 1


def test_a_frozen_database_does_not_hold_up_an_idle_server(
    mortal: Server, mortal_settings: config.Settings, mortals: People
) -> None:
    with Web(mortal_settings, WEB_PRELOAD="true", **SHORT) as web:
        address = web.url + web.upload(mortals.ada, pdf()).json()["streamUrl"]
        with httpx.stream("GET", address, timeout=40, trust_env=False) as stream:
            coming = stream.iter_lines()
            while '"initial"' not in next(coming):
                pass
            mortal.freeze()
            try:
                assert web.get("/health", {}).status_code == 503  # probes hang, and who watches for the stream does
                started = time.monotonic()
                tell(web, signal.SIGTERM)
                assert rest_of(coming) == ["retry: 2000"]
                assert ended(web, started) == 0
            finally:
                mortal.thaw()
        assert closed(web) == ORDER


def test_a_worker_that_has_to_be_killed_makes_the_server_end_with_one(settings: config.Settings) -> None:
    with Web(settings, WEB_PRELOAD="true", **SHORT) as web:
        (worker,) = web.workers()
        worker.suspend()
        started = time.monotonic()
        tell(web, signal.SIGTERM)
        assert ended(web, started) == 1
        assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE


def test_nobody_who_was_let_in_is_turned_away_under_load(settings: config.Settings, people: People) -> None:
    """Clients with a connection for each request and clients that keep theirs, until nobody is let in any more."""
    outcomes: Counter[str] = Counter()
    refused = threading.Event()

    trust = ssl.create_default_context()  # made once: it takes longer than many requests

    def ask(keep: bool, number: int) -> None:
        headers = people.ada.headers if keep else people.ada.headers | {"Connection": "close"}
        with httpx.Client(base_url=web.url, headers=headers, timeout=40, trust_env=False, verify=trust) as client:
            while not refused.is_set():
                try:
                    if number % 4 == 0:
                        answer = client.post("/api/business/bills/scan", files={"file": ("a.pdf", io.BytesIO(pdf()))})
                    else:
                        answer = client.get(path)
                    outcomes[str(answer.status_code)] += 1
                except httpx.ConnectError:
                    refused.set()
                except httpx.TransportError as error:
                    outcomes[repr(error)] += 1
                    return

    with Web(settings, WEB_PROCESSES="2", WEB_PRELOAD="true", RATE_LIMIT_PER_MINUTE="1000000", JOBS_PER_MINUTE="1000000") as web:
        path = web.upload(people.ada, pdf()).json()["statusUrl"]
        threads = [threading.Thread(target=ask, args=(number % 2 == 0, number)) for number in range(12)]
        for thread in threads:
            thread.start()
        while outcomes["200"] < 40 or outcomes["202"] < 10:
            time.sleep(0.1)
        started = time.monotonic()
        tell(web, signal.SIGTERM)
        for thread in threads:
            thread.join(40)
        assert ended(web, started) == 0, web.log.read_text()[-3000:]
        assert set(outcomes) <= {"200", "202"}, outcomes
        assert refused.is_set()


# --- a database that is away while the server runs ------------------------------------------------


def test_a_worker_that_dies_while_the_database_is_away_is_replaced(
    mortal: Server, mortal_settings: config.Settings, mortals: People
) -> None:
    with Web(mortal_settings, WEB_PROCESSES="1") as web:
        (first,) = web.workers()
        mortal.stop()
        try:
            first.kill()
            first.wait(30)
            until_answered(web, "/health/live", 200)
            until_answered(web, "/health/ready", 503)
            assert first.pid not in {worker.pid for worker in web.workers()}
        finally:
            mortal.start()
        until_answered(web, "/health/ready", 200)
        assert web.upload(mortals.ada, pdf()).status_code == 202


def until_answered(web: Web, path: str, status: int) -> None:
    deadline = time.monotonic() + 90
    while True:
        assert web.process.poll() is None, web.log.read_text()
        try:
            if web.get(path, {}).status_code == status:
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline, web.log.read_text()
        time.sleep(0.1)


def test_a_reload_goes_on_serving(settings: config.Settings, people: People, tmp_path: Path) -> None:
    """HUP: new workers, and the old ones end gently without shutting the door that they share."""
    with Web(settings, WEB_PROCESSES="1") as web:
        (old,) = web.workers()
        web.process.send_signal(signal.SIGHUP)
        old.wait(30)
        for _ in range(5):
            assert web.upload(people.ada, pdf()).status_code == 202
