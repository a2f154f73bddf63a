"""The servers, databases, runtimes and web application that tests share."""

import itertools
import os
import shutil
import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import settings as profile

import config
from akount import db
from akount.app import create_app
from akount.lifecycle import Runtime, open_runtime
from akount.processes import loading
from akount.tasks.queues import hang_bells
from people import People, settle_in
from servers import Server, create_database, postgres_server, redis_server

profile.register_profile("steady", deadline=None, derandomize=True, database=None)
profile.load_profile("steady")  # the same examples in each run, however busy the machine; others: --hypothesis-profile=default

_numbers = itertools.count()
_redis_numbers = itertools.count()


def pytest_configure() -> None:
    """Signals as they are in a terminal: a shell without job control ignores INT and QUIT for what it sends to the background,
    and with us every server and worker of a test would."""
    for number, handler in (
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGQUIT, signal.SIG_DFL),
        (signal.SIGTERM, signal.SIG_DFL),
    ):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is made meanwhile, code and a few thousand tests, is here to stay: nobody looks through it for rubbish all the time."""
    with loading():
        return (yield)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first, so that nobody waits for it at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One Postgres for the whole run; each test has a database of its own."""
    with postgres_server(tmp_path_factory.mktemp("postgres")) as server:
        url = create_database(server, "template_akount")
        db.migrate(url)
        yield server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite database, to be copied."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    db.migrate(f"sqlite:///{path}")
    return path


def sqlite_copy(template: Path, directory: Path, name: str = "test.db") -> str:
    """A fresh copy of the migrated template."""
    directory.mkdir(parents=True, exist_ok=True)
    shutil.copy(template, directory / name)
    return f"sqlite:///{directory / name}"


@pytest.fixture(scope="session")
def redis_shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One Redis-protocol server for the whole run, with a password."""
    with redis_server(tmp_path_factory.mktemp("redis"), password="p@ss/word") as server:
        yield server


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """An empty database at head, where it is all the same which."""
    return sqlite_copy(sqlite_template, tmp_path)


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database at head, on both."""
    if request.param == "sqlite":
        return sqlite_copy(request.getfixturevalue("sqlite_template"), tmp_path)
    return postgres_copy(request.getfixturevalue("postgres"))


def postgres_copy(server: Server) -> str:
    """A fresh copy of the migrated template."""
    return create_database(server, f"test_{os.getpid()}_{next(_numbers)}", template="template_akount")


def redis_database(server: Server) -> str:
    """One of the fifteen that are taken in turn, emptied: what other tests left behind is not found by the next."""
    url = f"{server.url.rsplit('/', 1)[0]}/{next(_redis_numbers) % 15 + 1}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture(params=["sqlite-queue", "redis-queue"])
def queue_environ(request: pytest.FixtureRequest) -> dict[str, str]:
    """The queue's setting, on both."""
    if request.param == "sqlite-queue":
        return {}
    return {"REDIS_URL": redis_database(request.getfixturevalue("redis_shared"))}


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> config.Settings:
    """Settings of the test, with the queue in SQLite."""
    return make_settings(tmp_path, database_url)


UNLIMITED = dict.fromkeys(("JOBS_PER_MINUTE", "RATE_LIMIT_PER_MINUTE", "FAILED_SIGN_INS_PER_MINUTE"), "1000000")
"""Who tests something else than the limits asks as often as it likes."""

UNSEEN = {"INTAKE_SECONDS": "0"}
"""A reader for the door of each test would cost more than the test: the tests of the door have one."""


def make_settings(tmp_path: Path, database_url: str, **environ: str) -> config.Settings:
    """Settings of a test."""
    said = {"APP_ENV": "test", "DATA_DIR": str(tmp_path / "var"), "DATABASE_URL": database_url, **UNLIMITED, **UNSEEN}
    said |= environ
    return config.load(said, env_file=tmp_path / "no.env")


@pytest.fixture
def runtime(settings: config.Settings) -> Iterator[Runtime]:
    opened = open_runtime(settings)
    hang_bells(opened)
    yield opened
    opened.close()


@pytest.fixture
def people(runtime: Runtime) -> People:
    return settle_in(runtime.database)


def web_application(settings: config.Settings) -> Flask:
    """The application, for a client in the test's own thread: what a request may see is not left to the test after it."""
    made = create_app(settings)
    made.teardown_request(lambda _: db.see_all())
    return made


@pytest.fixture
def app(settings: config.Settings) -> Iterator[Flask]:
    made = web_application(settings)
    yield made
    made.extensions["akount"].close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()
