"""The servers, databases, runtimes and web application that tests share."""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import settings as profile

import config
from akount import db
from akount.lifecycle import Runtime
from akount.processes import loading
from fresh import make_settings, opened, postgres_copy, redis_database, serving, sqlite_copy
from people import People, settle_in
from servers import Server, create_database, hear_signals, postgres_server, redis_server

profile.register_profile("steady", deadline=None, derandomize=True, database=None)
profile.load_profile("steady")  # the same examples in each run, however busy the machine; others: --hypothesis-profile=default


def pytest_configure() -> None:
    hear_signals()


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


@pytest.fixture
def runtime(settings: config.Settings) -> Iterator[Runtime]:
    with opened(settings) as runtime:
        yield runtime


@pytest.fixture
def people(runtime: Runtime) -> People:
    return settle_in(runtime.database)


@pytest.fixture
def app(settings: config.Settings) -> Iterator[Flask]:
    with serving(settings) as app:
        yield app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()
