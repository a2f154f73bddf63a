"""What the tests of the HTTP API share: a quick database, a worker, a body that notes who reads it, events out of a stream."""

import contextlib
import datetime as dt
import io
import json
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update
from werkzeug.test import TestResponse

import config
from akount import pipeline
from akount.db import now
from akount.lifecycle import Runtime, open_runtime
from akount.models import Job
from akount.readings import Reading
from akount.tasks.queues import hang_bells
from conftest import make_settings, postgres_copy, sqlite_copy, web_application
from fakes import FakeReader

DATABASES = ["sqlite", "postgres"]
"""For `params` of a module's settings: every test of the module runs on both."""


def settings_for(request: pytest.FixtureRequest, factory: pytest.TempPathFactory, **environ: str) -> config.Settings:
    """Settings with a migrated database, for a whole module: to open one takes longer than most tests."""
    directory = factory.mktemp("api")
    if getattr(request, "param", "sqlite") == "postgres":
        return make_settings(directory, postgres_copy(request.getfixturevalue("postgres")), **environ)
    return make_settings(directory, sqlite_copy(request.getfixturevalue("sqlite_template"), directory), **environ)


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


PUT_OFF = dt.datetime(9999, 1, 1, tzinfo=dt.UTC)
"""When a job that is not the one of the test may be read."""


class Worker:
    """A worker of the tests: the pipeline in this process, with a reader that says what it is told."""

    def __init__(self, runtime: Runtime, says: Reading | Exception | None = None) -> None:
        self.reader = FakeReader(says)
        self._runtime = runtime
        self._pulse = pipeline.Pulse(runtime, self.reader)
        self._pulse.start()

    def process(self, job_id: uuid.UUID) -> None:
        """One attempt at this job: what else waits in the module's database is put off, so that it is its turn."""
        with self._runtime.database.transaction() as session:
            session.execute(update(Job).where(Job.id != job_id, Job.run_at < PUT_OFF).values(run_at=PUT_OFF))
            session.execute(update(Job).where(Job.id == job_id, Job.run_at == PUT_OFF).values(run_at=now()))
            queue = session.get_one(Job, job_id).queue
        pipeline.process(self._runtime, self.reader, self._pulse, queue)

    @contextlib.contextmanager
    def at_work(self, job_id: uuid.UUID) -> Iterator[None]:
        """Inside the block the document is being read; at its end the attempt is over."""
        self.reader.hold.clear()
        thread = threading.Thread(target=self.process, args=[job_id])
        thread.start()
        try:
            assert self.reader.reading.wait(60)
            yield
        finally:
            self.reader.hold.set()
            thread.join(60)

    def stop(self) -> None:
        """Ends its thread."""
        self._pulse.stop()
        self._pulse.join(30)


class Unread(io.BytesIO):
    """A body that notes whether anybody read it."""

    was_read = False

    def read(self, size: int | None = -1) -> bytes:
        self.was_read = True
        return super().read(size)


def events(stream: TestResponse) -> Iterator[dict[str, Any]]:
    """The events of a stream as they come: what `data` says, and the id under `id`."""
    rest = ""
    for chunk in stream.iter_encoded():
        rest += chunk.decode()
        while "\n\n" in rest:
            block, _, rest = rest.partition("\n\n")
            lines = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
            if "data" in lines:
                yield json.loads(lines["data"]) | {"id": lines["id"]}
    assert rest == "", "the stream ended in the middle of an event"
