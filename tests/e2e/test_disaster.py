"""Everything is destroyed and comes back from a dump and a copy of the files, by the commands of docs/operations.md (D1, D5)."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from sqlalchemy import select

from akount import backlog, pipeline, transfer
from akount.lifecycle import Runtime, open_runtime
from akount.models import Document, Job, JobStatus, Record
from akount.storage import LocalStorage
from akount.tasks import upkeep
from akount.tasks.queues import hang_bells
from fakes import FakeReader
from fresh import make_settings, postgres_copy
from make import submitted
from people import settle_in
from servers import Server, create_database, drop_database, postgres_programs, redis_server
from service import ROOT


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Server]:
    with redis_server(tmp_path / "redis") as server:
        yield server


def opened(directory: Path, url: str, queue: Server) -> Runtime:
    runtime = open_runtime(make_settings(directory, url, REDIS_URL=queue.url))
    hang_bells(runtime)
    return runtime


def read_one(runtime: Runtime, queue_name: str) -> None:
    reader = FakeReader()
    pipeline.process(runtime, reader, pipeline.Pulse(runtime, reader), queue_name)


def said(command: str) -> str:
    """A command of the page, as it stands there."""
    found = re.search(rf"^{command}.*$", (ROOT / "docs/operations.md").read_text(), re.MULTILINE)
    assert found is not None, command
    return found[0].split("#")[0]


def run(command: str, directory: Path, url: str) -> None:
    environ = os.environ | {"DATABASE_URL": url, "PATH": f"{postgres_programs()}:{os.environ['PATH']}"}
    done = subprocess.run(["sh", "-ec", command], cwd=directory, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_was_accepted_survives_the_loss_of_everything(
    tmp_path: Path, postgres: Server, queue: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not (postgres_programs() / "pg_dump").exists() or not postgres.controlled:
        pytest.skip("needs pg_dump and a Postgres of our own")
    url = postgres_copy(postgres)
    before = opened(tmp_path / "one", url, queue)
    ada = settle_in(before.database).ada
    booked, waits = submitted(before, ada), submitted(before, ada)
    read_one(before, booked.queue)
    with before.database.snapshot() as session:
        [record] = session.scalars(select(Record))

    backup = LocalStorage(tmp_path / "backup")
    run(said("PGOPTIONS.*pg_dump"), tmp_path, url)
    late = submitted(before, ada)  # after the dump: lost with the disaster, an orphan of the copy
    assert transfer.copy(before.database, before.storage, backup, lambda *_: None).copied == 3
    before.close()

    drop_database(postgres, url.rsplit("/", 1)[1])
    shutil.rmtree(tmp_path / "one")
    with redis.Redis.from_url(queue.url) as client:
        client.flushall()

    create_database(postgres, url.rsplit("/", 1)[1])
    run(said("pg_restore"), tmp_path, url)
    after = opened(tmp_path / "two", url, queue)
    try:
        done = transfer.copy(after.database, backup, after.storage, lambda *_: None)
        assert (done.copied, done.faults) == (2, [])
        with after.database.snapshot() as session:
            assert [(one.id, one.total_amount) for one in session.scalars(select(Record))] == [(record.id, record.total_amount)]
            assert session.get(Job, late.id) is None
            assert {one.id for one in session.scalars(select(Document))} == {booked.document_id, waits.document_id}
        assert after.database.is_walled(), "row-level security holds again"
        monkeypatch.setattr(backlog, "RING_AGAIN_SECONDS", 0)
        assert upkeep.sweep(after) >= 1, "the emptied queue is rung again"
        read_one(after, waits.queue)
        with after.database.snapshot() as session:
            assert session.get_one(Job, waits.id).status == JobStatus.COMPLETED
    finally:
        after.close()
