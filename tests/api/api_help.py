"""What the tests of the HTTP API share: a quick database, a reader at work, events out of a stream."""

import contextlib
import functools
import json
import shutil
import tempfile
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import postgres_copy
from fakes import FakeReader
from werkzeug.test import TestResponse

from akount import db, pipeline
from akount.lifecycle import Runtime
from akount.readings import Reading

on_both = pytest.mark.parametrize("database_url", ["sqlite", "postgres"], indirect=True)
"""For tests of what the two databases could do differently; the others are content with SQLite."""


def database_for(request: pytest.FixtureRequest, directory: Path) -> str:
    """A migrated database of a test: SQLite, unless the test is marked `on_both`."""
    if getattr(request, "param", "sqlite") == "postgres":
        return postgres_copy(request.getfixturevalue("postgres"))
    return sqlite_copy(directory)


def sqlite_copy(directory: Path) -> str:
    """A copy of a migrated SQLite database: to migrate takes longer than most tests."""
    return f"sqlite:///{shutil.copy(_template(), directory / 'test.db')}"


@functools.cache
def _template() -> Path:
    with tempfile.TemporaryDirectory() as made:
        db.migrate(f"sqlite:///{made}/template.db")
        kept = Path(tempfile.mkstemp(suffix=".db")[1])
        shutil.copy(f"{made}/template.db", kept)
    return kept


class Worker:
    """A worker of the tests: the pipeline in this process, with a reader that says what it is told."""

    def __init__(self, runtime: Runtime, says: Reading | Exception | None = None) -> None:
        self.reader = FakeReader(says)
        self._runtime = runtime
        self._pulse = pipeline.Pulse(runtime, self.reader)
        self._pulse.start()

    def process(self, job_id: uuid.UUID) -> None:
        """One attempt."""
        pipeline.process(self._runtime, self.reader, self._pulse, job_id)

    @contextlib.contextmanager
    def at_work(self, job_id: uuid.UUID) -> Iterator[None]:
        """Inside the block the document is being read; at its end the attempt is over."""
        self.reader.hold.clear()
        thread = threading.Thread(target=self.process, args=[job_id])
        thread.start()
        try:
            assert self.reader.reading.wait(10)
            yield
        finally:
            self.reader.hold.set()
            thread.join(10)

    def stop(self) -> None:
        """Ends its thread."""
        self._pulse.stop()
        self._pulse.join(5)


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
