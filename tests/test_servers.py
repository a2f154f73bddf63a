"""The harness that starts servers for the tests keeps its promises, with every set of programs that is installed."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest
import redis

from servers import (
    Server,
    ServerError,
    ServerMissingError,
    create_database,
    drop_database,
    hear_signals,
    postgres_programs,
    postgres_server,
    redis_program,
    redis_server,
)


@pytest.fixture(params=["system", "wheels"])
def programs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("TEST_BINARIES", request.param)
    monkeypatch.delenv("TEST_DATABASE_URL", raising=False)
    monkeypatch.delenv("TEST_REDIS_URL", raising=False)
    return request.param


@pytest.fixture
def postgres(programs: str, tmp_path: Path) -> Iterator[Server]:
    try:
        postgres_programs()
    except ServerMissingError as missing:
        pytest.skip(f"{programs}: {missing}")
    with postgres_server(tmp_path, fast=False) as server:
        yield server


@pytest.fixture
def valkey(programs: str, tmp_path: Path) -> Iterator[Server]:
    try:
        redis_program()
    except ServerMissingError as missing:
        pytest.skip(f"{programs}: {missing}")
    with redis_server(tmp_path, password="p@ss/word") as server:
        yield server


def ask(url: str, statement: str) -> list[tuple]:
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def client_of(server: Server, timeout: float = 5) -> redis.Redis:
    # Without retries a test sees the failure itself, at once.
    return redis.Redis.from_url(server.url, decode_responses=True, socket_timeout=timeout, retry=None)


def test_postgres_keeps_its_data_and_its_url_over_stop_kill_and_restart(postgres: Server):
    url = create_database(postgres, "kept")
    ask(url, "CREATE TABLE note (body text)")
    ask(url, "INSERT INTO note VALUES ('Zażółć €')")
    postgres.restart()
    assert ask(url, "SELECT body FROM note") == [("Zażółć €",)]

    postgres.kill()
    with pytest.raises(psycopg2.OperationalError):
        ask(url, "SELECT 1")
    postgres.restart()
    assert ask(url, "SELECT body FROM note") == [("Zażółć €",)]


def test_a_restarted_postgres_may_be_an_empty_one(postgres: Server):
    url = create_database(postgres, "forgotten")
    postgres.restart(empty=True)
    with pytest.raises(psycopg2.OperationalError, match="does not exist"):
        ask(url, "SELECT 1")


def test_a_database_is_dropped_under_an_open_connection(postgres: Server):
    url = create_database(postgres, "shortlived")
    connection = psycopg2.connect(url)
    drop_database(postgres, "shortlived")
    connection.close()
    assert ask(postgres.url, "SELECT count(*) FROM pg_database WHERE datname = 'shortlived'") == [(0,)]


def test_a_frozen_postgres_is_silent_in_its_open_connections_too(postgres: Server):
    connection = psycopg2.connect(postgres.url)
    try:
        answers: list[tuple] = []

        def query() -> None:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
                answers.extend(cursor.fetchall())

        postgres.freeze()
        asking = threading.Thread(target=query)
        asking.start()
        asking.join(0.5)
        assert answers == []
        postgres.thaw()
        asking.join(10)
        assert answers == [(1,)]
    finally:
        connection.close()


def test_a_killed_postgres_leaves_no_process(postgres: Server):
    ask(postgres.url, "SELECT 1")
    family = [psutil.Process(postgres.pid), *psutil.Process(postgres.pid).children(recursive=True)]
    assert len(family) > 1
    postgres.kill()
    assert not any(member.is_running() for member in family)


def test_what_is_made_outside_the_tests_directory_is_removed(programs: str, tmp_path: Path):
    try:
        server = postgres_server(tmp_path)
    except ServerMissingError as missing:
        pytest.skip(str(missing))
    home = Path(ask(server.url, "SHOW data_directory")[0][0]).parent
    assert home.exists()
    server.kill()
    server.close()
    assert home.exists() == home.is_relative_to(tmp_path)
    server.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has directories that the server's account cannot enter")
def test_programs_in_a_closed_directory_still_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv("TEST_DATABASE_URL", raising=False)
    monkeypatch.setenv("TEST_BINARIES", "wheels")
    try:
        package = postgres_programs().parent.parent
    except ServerMissingError as missing:
        pytest.skip(str(missing))
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for part in (package, package.with_name(f"{package.name}.libs")):
        subprocess.run(["cp", "-a", part, closed], check=True)
    monkeypatch.setattr("servers.postgres_programs", lambda: closed / package.name / "pginstall" / "bin")
    with postgres_server(tmp_path) as server:
        assert ask(server.url, "SELECT 1") == [(1,)]


def test_redis_keeps_acknowledged_writes_over_stop_kill_and_restart(valkey: Server):
    with client_of(valkey) as client:
        client.set("count", 1)
        valkey.restart()
        assert client.get("count") == "1"
        client.incr("count")
        valkey.kill()
        with pytest.raises(redis.ConnectionError):
            client.get("count")
        valkey.restart()
        assert client.get("count") == "2"


def test_a_restarted_redis_may_be_an_empty_one(valkey: Server):
    with client_of(valkey) as client:
        client.set("count", 1)
        valkey.restart(empty=True)
        assert client.get("count") is None


def test_redis_without_an_append_only_file_forgets(programs: str, tmp_path: Path):
    try:
        server = redis_server(tmp_path, appendonly=False)
    except ServerMissingError as missing:
        pytest.skip(str(missing))
    with server, client_of(server) as client:
        client.set("count", 1)
        server.restart()
        assert client.get("count") is None


def test_redis_wants_its_password(valkey: Server):
    with (
        redis.Redis.from_url(valkey.url.replace("p%40ss%2Fword", "wrong"), retry=None) as client,
        pytest.raises(redis.AuthenticationError),
    ):
        client.ping()


def test_a_frozen_redis_is_silent(valkey: Server):
    with client_of(valkey, timeout=0.3) as client:
        client.ping()
        valkey.freeze()
        with pytest.raises(redis.TimeoutError):
            client.ping()
        valkey.thaw()
        assert client.ping()


def test_a_frozen_server_can_be_stopped(valkey: Server):
    valkey.freeze()
    valkey.stop()
    with pytest.raises(ServerError, match="not running"):
        valkey.kill()


def test_a_server_restarted_from_a_thread_outlives_the_thread(valkey: Server):
    valkey.stop()
    starting = threading.Thread(target=valkey.restart)
    starting.start()
    starting.join()
    time.sleep(0.2)
    with client_of(valkey) as client:
        assert client.ping()


@pytest.mark.parametrize("start", ["postgres_server", "redis_server"])
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_server_goes_when_its_test_process_goes(start: str, end: signal.Signals, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv("TEST_DATABASE_URL", raising=False)
    monkeypatch.delenv("TEST_REDIS_URL", raising=False)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)]))
    script = f"import servers, pathlib, time; s = servers.{start}(pathlib.Path('.')); print(s.pid, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout is not None
        server = psutil.Process(int(tests.stdout.readline()))
        tests.send_signal(end)
    assert psutil.wait_procs([server], 60)[1] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT, signal.SIGTERM])
def test_what_a_test_starts_heeds_signals_also_where_the_suite_was_told_not_to(number: signal.Signals):
    before = signal.signal(number, signal.SIG_IGN)
    try:
        hear_signals()
        with subprocess.Popen(["sleep", "60"]) as started:
            started.send_signal(number)
            assert started.wait(60) == -number
    finally:
        signal.signal(number, before)


def test_a_server_that_does_not_come_up_says_what_it_printed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv("TEST_REDIS_URL", raising=False)
    monkeypatch.setattr("servers._redis_settings", lambda *_: ["--no-such-setting", "1"])
    try:
        redis_program()
    except ServerMissingError as missing:
        pytest.skip(str(missing))
    with pytest.raises(ServerError, match=r"(?s)status 1 .*no-such-setting"):
        redis_server(tmp_path)


def test_a_server_named_in_the_environment_has_a_url_and_no_more(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("TEST_DATABASE_URL", "postgresql://somebody@database.example/akount")
    monkeypatch.setenv("TEST_REDIS_URL", "redis://queue.example/3")
    with postgres_server(tmp_path) as database, redis_server(tmp_path) as queue:
        assert database.url == "postgresql://somebody@database.example/akount"
        assert queue.url == "redis://queue.example/3"
        for act in (database.kill, database.stop, database.restart, queue.freeze, queue.thaw, lambda: queue.pid):
            with pytest.raises(ServerError, match="does not control"):
                act()
