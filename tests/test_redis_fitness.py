"""A Redis that throws waiting work away, or forgets it at a restart, is told of at every start and by the doctor (R9)."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import redis
from structlog.testing import capture_logs

import config
from akount import doctor
from akount.connections import FAULTS, examine, redis_client, weaknesses
from akount.kinds import QUEUES
from fresh import make_settings
from servers import Server, redis_server
from service import ROOT
from web import Web

UNFIT, UNKNOWN = "redis unfit for a queue", "redis not examined"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One that forgets everything at a restart."""
    with redis_server(tmp_path_factory.mktemp("forgetful"), appendonly=False) as server:
        yield server


@pytest.fixture
def admin(server: Server) -> Iterator[redis.Redis]:
    """Changes the server, and changes it back: a server that is just turning persistence on does not heed TERM."""
    with redis.Redis.from_url(server.url) as admin:
        yield admin
        admin.config_set("maxmemory-policy", "noeviction")
        admin.config_set("appendonly", "no")


def make_fit(admin: redis.Redis) -> None:
    admin.config_set("maxmemory-policy", "noeviction")
    admin.config_set("appendonly", "yes")


def make_unfit(admin: redis.Redis) -> None:
    admin.config_set("maxmemory-policy", "allkeys-lru")
    admin.config_set("appendonly", "no")


@pytest.fixture
def settings(tmp_path: Path, sqlite_url: str, server: Server) -> config.Settings:
    return make_settings(tmp_path, sqlite_url, REDIS_URL=server.url)


def found(settings: config.Settings) -> dict[str, str]:
    with redis_client(settings) as client:
        return weaknesses(client)


def test_each_weakness_is_found_and_says_how_it_is_mended(settings: config.Settings, admin: redis.Redis) -> None:
    make_fit(admin)
    assert found(settings) == {}
    admin.config_set("appendonly", "no")
    assert set(found(settings)) == {"persistence"}
    make_unfit(admin)
    assert set(found(settings)) == {"eviction", "persistence"}
    for sentence in found(settings).values():
        admin.execute_command(*sentence.rpartition("; ")[2].rstrip(".").split())  # the cure is a command
    assert found(settings) == {}


def test_every_policy_but_one_may_throw_work_away(settings: config.Settings, admin: redis.Redis) -> None:
    for policy in ("allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-random", "volatile-ttl"):
        admin.config_set("maxmemory-policy", policy)
        assert "eviction" in found(settings)


def test_it_is_found_where_config_is_forbidden(settings: config.Settings, admin: redis.Redis, server: Server) -> None:
    admin.acl_setuser("ada", enabled=True, passwords=["+pw"], keys=["*"], commands=["+@all", "-config"])
    make_unfit(admin)
    url = server.url.replace("://", "://ada:pw@")
    assert set(found(make_settings(settings.directory, "sqlite://", REDIS_URL=url))) == {"eviction", "persistence"}


def test_where_even_info_is_forbidden_the_start_goes_on(settings: config.Settings, admin: redis.Redis, server: Server) -> None:
    admin.acl_setuser("eve", enabled=True, passwords=["+pw"], keys=["*"], commands=["+@all", "-info"])
    url = server.url.replace("://", "://eve:pw@")
    eves = make_settings(settings.directory, "sqlite://", REDIS_URL=url)
    with pytest.raises(FAULTS):
        found(eves)
    with capture_logs() as lines:
        examine(eves)
    assert [(line["event"], line["error"]) for line in lines] == [(UNKNOWN, "NoPermissionError")]


def test_without_redis_there_is_nothing_to_examine(tmp_path: Path) -> None:
    with capture_logs() as lines:
        examine(make_settings(tmp_path, "sqlite://"))
    assert lines == []


def test_a_redis_that_is_away_or_frozen_is_left_after_a_moment(settings: config.Settings, server: Server) -> None:
    with capture_logs() as lines:
        examine(make_settings(settings.directory, "sqlite://", REDIS_URL="redis://127.0.0.1:1/0"))
        server.freeze()
        started = time.monotonic()
        try:
            examine(settings)
        finally:
            server.thaw()
        assert time.monotonic() - started < 15
    assert [(line["event"], line["error"]) for line in lines] == [(UNKNOWN, "ConnectionError"), (UNKNOWN, "TimeoutError")]


def test_the_doctor_says_the_same(settings: config.Settings, admin: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PROBES", {"redis": doctor.PROBES["redis"]})
    said: list[str] = []
    make_fit(admin)
    assert doctor.examine(settings, said.append)
    admin.config_set("appendonly", "no")
    assert doctor.examine(settings, said.append), "a warning, no fault"
    make_unfit(admin)
    assert not doctor.examine(settings, said.append)
    assert said[0] == "ok     redis: answers"
    assert said[1].startswith("ok     redis: answers; appendonly is off")
    assert said[2].startswith("FAULT  redis: maxmemory-policy is not noeviction")


# --- at a start ---


def start_of_web(settings: config.Settings) -> list[tuple[str, str]]:
    """What a web process says of Redis as it starts."""
    with Web(settings, WEB_PROCESSES="1") as web:
        pass
    return about_redis(web.log.read_text())


def start_of_worker(settings: config.Settings) -> list[tuple[str, str]]:
    """What a worker says of Redis until it is ready to work."""
    log = settings.directory / "worker.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    said = {"APP_ENV": "test", "DATA_DIR": str(settings.directory), "DATABASE_URL": settings.database, "LOG_FORMAT": "json"}
    environ = said | {"REDIS_URL": settings.redis_url, "PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", "akount", "worker", "--queue", QUEUES[0]]
    with log.open("wb") as out, subprocess.Popen(command, cwd=ROOT, env=environ, stdout=out, stderr=out) as process:
        deadline = time.monotonic() + 60
        while "worker ready" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    return about_redis(log.read_text())


def about_redis(log: str) -> list[tuple[str, str]]:
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return [(line["level"], line.get("weakness", line["event"])) for line in lines if line["event"] in (UNFIT, UNKNOWN)]


@pytest.mark.parametrize("start", [start_of_web, start_of_worker])
def test_a_start_warns_of_each_weakness(
    start: Callable[[config.Settings], list[tuple[str, str]]], settings: config.Settings, admin: redis.Redis
) -> None:
    make_unfit(admin)
    assert start(settings) == [("warning", "eviction"), ("warning", "persistence")]
    make_fit(admin)
    assert start(settings) == []


def test_a_worker_starts_although_redis_is_away(settings: config.Settings) -> None:
    away = make_settings(settings.directory, settings.database, REDIS_URL="redis://127.0.0.1:1/0")
    assert start_of_worker(away) == [("warning", UNKNOWN)]


def test_a_web_process_starts_although_redis_is_away(settings: config.Settings) -> None:
    """Not ready, but alive: an upload is taken all the same."""
    web = Web(make_settings(settings.directory, settings.database, REDIS_URL="redis://127.0.0.1:1/0"), WEB_PROCESSES="1")
    try:
        deadline = time.monotonic() + 40
        while True:
            try:
                assert web.get("/health/live", {}).status_code == 200
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline, web.log.read_text()
                time.sleep(0.1)
        assert web.get("/health", {}).json()["status"] == "degraded"
    finally:
        web.__exit__()
    assert about_redis(web.log.read_text()) == [("warning", UNKNOWN)]
