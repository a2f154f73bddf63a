"""Fresh databases, settings and applications for a test; as fixtures: conftest.py, and those of whole modules: api/api_help.py."""

import contextlib
import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from flask import Flask

import config
from akount import db
from akount.app import create_app
from akount.lifecycle import Runtime, open_runtime
from akount.tasks.queues import hang_bells
from servers import Server, create_database

_numbers = itertools.count()
_redis_numbers = itertools.count()


def sqlite_copy(template: Path, directory: Path, name: str = "test.db") -> str:
    """A fresh copy of the migrated template."""
    directory.mkdir(parents=True, exist_ok=True)
    shutil.copy(template, directory / name)
    return f"sqlite:///{directory / name}"


def postgres_copy(server: Server) -> str:
    """A fresh copy of the migrated template."""
    return create_database(server, f"test_{os.getpid()}_{next(_numbers)}", template="template_akount")


def redis_database(server: Server) -> str:
    """One of the fifteen that are taken in turn, emptied: what other tests left behind is not found by the next."""
    url = f"{server.url.rsplit('/', 1)[0]}/{next(_redis_numbers) % 15 + 1}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


UNLIMITED = dict.fromkeys(("JOBS_PER_MINUTE", "RATE_LIMIT_PER_MINUTE", "FAILED_SIGN_INS_PER_MINUTE"), "1000000")
"""Who tests something else than the limits asks as often as it likes."""


UNSEEN = {"INTAKE_SECONDS": "0"}
"""A reader for the door of each test would cost more than the test: the tests of the door have one."""


def make_settings(tmp_path: Path, database_url: str, **environ: str) -> config.Settings:
    """Settings of a test."""
    said = {"APP_ENV": "test", "DATA_DIR": str(tmp_path / "var"), "DATABASE_URL": database_url, **UNLIMITED, **UNSEEN}
    said |= environ
    return config.load(said, env_file=tmp_path / "no.env")


def settings_for(request: pytest.FixtureRequest, factory: pytest.TempPathFactory, **environ: str) -> config.Settings:
    """Settings with a migrated database, for a whole module: to open one takes longer than most tests."""
    directory = factory.mktemp("module")
    if getattr(request, "param", "sqlite") == "postgres":
        return make_settings(directory, postgres_copy(request.getfixturevalue("postgres")), **environ)
    return make_settings(directory, sqlite_copy(request.getfixturevalue("sqlite_template"), directory), **environ)


def web_application(settings: config.Settings) -> Flask:
    """The application, for a client in the test's own thread: what a request may see is not left to the test after it."""
    made = create_app(settings)
    made.teardown_request(lambda _: db.see_all())
    return made


@contextlib.contextmanager
def opened(settings: config.Settings) -> Iterator[Runtime]:
    """A runtime as the web process has it."""
    runtime = open_runtime(settings)
    hang_bells(runtime)
    try:
        yield runtime
    finally:
        runtime.close()


@contextlib.contextmanager
def serving(settings: config.Settings) -> Iterator[Flask]:
    """The web application."""
    app = web_application(settings)
    try:
        yield app
    finally:
        app.extensions["akount"].close()
