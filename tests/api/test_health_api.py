"""/health, /health/live, /health/ready: what they say while parts of the house are away, broken or frozen (H1-H3, R9)."""

import datetime as dt
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from api_help import events

import config
from akount import db, scans
from akount.kinds import QUEUES
from fresh import make_settings, serving
from make import submitted
from people import settle_in
from servers import Server, create_database, postgres_server, redis_server

PASSWORD = "a-secret/of:redis"
PRODUCTION = {"APP_ENV": "production", "SECRET_KEY": "s" * 40, "ALLOW_LOCAL_SERVICES": "true"}


@pytest.fixture(scope="module")
def own_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Postgres that these tests may stop and freeze."""
    with postgres_server(tmp_path_factory.mktemp("own-postgres")) as server:
        yield server


@pytest.fixture(scope="module")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with redis_server(tmp_path_factory.mktemp("own-redis"), password=PASSWORD) as server:
        yield server


@pytest.fixture(scope="module")
def own_database(own_postgres: Server) -> str:
    url = create_database(own_postgres, "health")
    db.migrate(url)
    return url


@pytest.fixture
def settings(tmp_path: Path, own_database: str, own_redis: Server) -> config.Settings:
    return make_settings(tmp_path, own_database, REDIS_URL=own_redis.url)


@pytest.fixture
def quiet_settings(tmp_path: Path, sqlite_url: str) -> config.Settings:
    """The embedded mode: SQLite, no Redis."""
    return make_settings(tmp_path, sqlite_url)


def get(client: Any, path: str) -> tuple[int, dict[str, Any]]:
    """Status and body; whatever is wrong, no body tells of the inside."""
    answer = client.get(path)
    assert answer.content_type == "application/json"
    assert not re.search(r"127\.0\.0\.1|localhost|secret|akount_|Error\b|Errno|psycopg|redis\.|Traceback|/var/|/tmp/", answer.text)
    return answer.status_code, answer.json


def wait_until(what: Any) -> None:
    """Servers and pools need a moment to come back."""
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline, "it did not come back"
        time.sleep(0.1)


def test_everything_is_well(settings: config.Settings) -> None:
    with serving(settings) as app:
        client = app.test_client()
        assert get(client, "/health/live") == (200, {"status": "ok"})
        parts = ("database", "migrations", "storage", "redis", "eviction")
        assert get(client, "/health/ready") == (200, {"status": "ok", "failing": [], "checks": dict.fromkeys(parts, "ok")})
        status, said = get(client, "/health")
        stamp = said.pop("timestamp")
        checks = {"database": "ok", "redis": "ok", "storage": "ok", "queue": {}}
        assert (status, said) == (200, {"status": "ok", "checks": checks})
        assert stamp.endswith("Z")
        assert abs(dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(stamp)) < dt.timedelta(minutes=1)


def test_the_embedded_mode_is_well_without_redis(quiet_settings: config.Settings) -> None:
    with serving(quiet_settings) as app:
        client = app.test_client()
        assert get(client, "/health/ready") == (
            200,
            {"status": "ok", "failing": [], "checks": dict.fromkeys(("database", "migrations", "storage"), "ok")},
        )
        status, said = get(client, "/health")
        assert (status, said["status"], said["checks"]["redis"]) == (200, "ok", "off")


def test_health_counts_what_waits_in_each_queue(quiet_settings: config.Settings) -> None:
    with serving(quiet_settings) as app:
        runtime = app.extensions["akount"]
        people = settle_in(runtime.database)
        for _ in range(2):
            submitted(runtime, people.ada)
        assert get(app.test_client(), "/health")[1]["checks"]["queue"] == {QUEUES[0]: {"waiting": 2}}


def test_redis_gone_is_degraded_and_not_ready(settings: config.Settings, own_redis: Server) -> None:
    with serving(settings) as app:
        client = app.test_client()
        own_redis.stop()
        try:
            status, said = get(client, "/health")
            assert (status, said["status"]) == (200, "degraded")
            assert said["checks"] == {"database": "ok", "redis": "error", "storage": "ok", "queue": {}}
            status, said = get(client, "/health/ready")
            assert (status, said["status"], said["failing"], said["checks"]["redis"]) == (503, "error", ["redis"], "error")
            assert get(client, "/health/live")[0] == 200
        finally:
            own_redis.start()
        wait_until(lambda: get(client, "/health/ready")[0] == 200)


def test_the_database_gone_is_an_error(settings: config.Settings, own_postgres: Server) -> None:
    with serving(settings) as app:
        client = app.test_client()
        own_postgres.stop()
        try:
            status, said = get(client, "/health")
            assert (status, said["status"]) == (503, "error")
            assert said["checks"] == {"database": "error", "redis": "ok", "storage": "ok", "queue": {}}
            status, said = get(client, "/health/ready")
            assert (status, set(said["failing"])) == (503, {"database", "migrations"})
            assert get(client, "/health/live") == (200, {"status": "ok"})
            answer = client.get("/api/business/bills", headers={"Authorization": "Bearer ak_somebody"})
            assert (answer.status_code, answer.json["code"]) == (503, "database_unavailable")
            assert int(answer.headers["Retry-After"]) > 0
        finally:
            own_postgres.start()
        wait_until(lambda: get(client, "/health/ready")[0] == 200)


def test_a_storage_that_takes_nothing_is_not_ready(quiet_settings: config.Settings) -> None:
    with serving(quiet_settings) as app:
        client = app.test_client()
        (quiet_settings.directory / "files").write_text("a file where the directory should be")
        status, said = get(client, "/health/ready")
        assert (status, said["failing"]) == (503, ["storage"])
        status, said = get(client, "/health")
        assert (status, said["status"], said["checks"]["storage"]) == (200, "degraded", "error")


def test_a_schema_that_is_behind_is_not_ready(quiet_settings: config.Settings) -> None:
    with serving(quiet_settings) as app:
        client = app.test_client()
        db.migrate(quiet_settings.database, "base")
        status, said = get(client, "/health/ready")
        assert (status, said["failing"]) == (503, ["migrations"])
        db.migrate(quiet_settings.database)
        assert get(client, "/health/ready")[0] == 200


@pytest.mark.parametrize(
    ("environ", "status", "failing"), [(PRODUCTION, 503, ["eviction"]), ({}, 200, [])], ids=["production", "test"]
)
def test_a_redis_that_may_evict_messages_fails_production_only(
    tmp_path: Path, own_database: str, own_redis: Server, environ: dict[str, str], status: int, failing: list[str]
) -> None:
    settings = make_settings(tmp_path, own_database, REDIS_URL=own_redis.url, **environ)
    assert settings.production is bool(environ)
    with serving(settings) as app, redis.Redis.from_url(own_redis.url) as admin:
        client = app.test_client()
        admin.config_set("maxmemory-policy", "allkeys-lru")
        try:
            answered, said = get(client, "/health/ready")
            assert (answered, said["failing"]) == (status, failing)
        finally:
            admin.config_set("maxmemory-policy", "noeviction")
        assert get(client, "/health/ready")[0] == 200


def test_a_redis_with_another_password_is_not_ready(tmp_path: Path, own_database: str, own_redis: Server) -> None:
    settings = make_settings(tmp_path, own_database, REDIS_URL=own_redis.url.replace("a-secret", "b-secret"))
    with serving(settings) as app:
        status, said = get(app.test_client(), "/health/ready")
        assert (status, said["failing"]) == (503, ["redis"])


def test_frozen_servers_do_not_freeze_the_answer(settings: config.Settings, own_postgres: Server, own_redis: Server) -> None:
    with serving(settings) as app:
        client = app.test_client()
        assert get(client, "/health")[0] == 200
        own_postgres.freeze()
        own_redis.freeze()
        took = []
        try:
            for _ in range(2):  # the second finds the probes of the first still hanging
                for path in ("/health", "/health/ready"):
                    started = time.monotonic()
                    status, said = get(client, path)
                    took.append(time.monotonic() - started)
                    assert status == 503, said
                assert get(client, "/health/live")[0] == 200
            assert max(took) < 20
            assert min(took) < 8, "no answer came after the second that a probe has"
            assert get(client, "/health")[1]["checks"] == {"database": "error", "redis": "error", "storage": "ok", "queue": {}}
        finally:
            own_redis.thaw()
            own_postgres.thaw()
        wait_until(lambda: get(client, "/health")[1]["status"] == "ok")
        wait_until(lambda: get(client, "/health/ready")[0] == 200)


def test_many_who_ask_while_one_part_hangs_hear_that_the_others_are_well(settings: config.Settings, own_postgres: Server) -> None:
    """A monitor in a hurry must not fill the process with hanging probes."""
    with serving(settings) as app:
        heard: list[dict[str, Any]] = []
        own_postgres.freeze()
        try:
            threads = [threading.Thread(target=lambda: heard.append(get(app.test_client(), "/health")[1])) for _ in range(12)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            own_postgres.thaw()
        assert [said["checks"] for said in heard] == [{"database": "error", "redis": "ok", "storage": "ok", "queue": {}}] * 12
        wait_until(lambda: get(app.test_client(), "/health")[1]["status"] == "ok")


def test_a_stream_outlives_an_outage_of_the_database(settings: config.Settings, own_postgres: Server) -> None:
    with serving(settings) as app:
        runtime = app.extensions["akount"]
        people = settle_in(runtime.database)
        job = submitted(runtime, people.ada)
        stream = app.test_client().get(f"/api/ai/jobs/{job.id}/stream", headers=people.ada.headers, buffered=False)
        coming = events(stream)
        assert [next(coming)["event"], next(coming)["event"]] == ["connected", "initial"]
        own_postgres.restart()
        scans.cancel(runtime, people.ada.call, job.id)
        assert [event["event"] for event in coming] == ["failed"]
