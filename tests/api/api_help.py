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
from akount.lifecycle import Runtime
from akount.models import Job
from akount.readings import Reading
from fakes import FakeReader
from fresh import opened, serving, settings_for

DATABASES = ["sqlite", "postgres"]
"""For `params` of a module's settings: every test of the module runs on both."""


@pytest.fixture(scope="module")
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> config.Settings:
    return settings_for(request, tmp_path_factory)


@pytest.fixture(scope="module")
def runtime(settings: config.Settings) -> Iterator[Runtime]:
    with opened(settings) as runtime:
        yield runtime


@pytest.fixture(scope="module")
def app(settings: config.Settings) -> Iterator[Flask]:
    with serving(settings) as app:
        yield app


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


@pytest.fixture(scope="module")
def worker(runtime: Runtime) -> Iterator[Worker]:
    hired = Worker(runtime)
    yield hired
    hired.stop()


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
