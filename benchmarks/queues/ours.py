"""Our own path, twice: whole (`full`), and only the ledger and its bell (`ledger`), which is what the rivals' job row does.

`full`: `scans.submit` of a tiny document that nobody sent before (stored and synced, rows for document, job and audit),
then the real worker with a reader that does nothing: record, lines, decision, attempt, job.

`ledger`: the job is entered and rung for; the real worker claims it, does nothing and finishes it with one small result
row. Its documents are there before the clock starts. Fetching, reading, checking and booking are left out, no more.
"""

from __future__ import annotations

import os
import sys
import time
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import insert

import config
from akount import backlog, db, ledger, logs, pipeline
from akount.backlog import Priority
from akount.kinds import KINDS
from akount.lifecycle import Runtime, open_runtime
from akount.models import Document
from akount.readings import Reading, ReadingOptions
from akount.tasks.consumer import work
from akount.tasks.queues import hang_bells
from benchmarks.queues import rows, sender
from fakes import FakeReader
from make import submitted
from people import settle_in

KIND = next(iter(KINDS.values()))


def lay_out(url: str) -> None:
    """Our schema, and the table of the small results."""
    db.migrate(url)
    rows.lay_out(url, rows.results)


class Full:
    """Submits documents as the service layer does."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._ada = settle_in(runtime.database).ada

    def prepare(self, count: int) -> None:
        pass

    def send(self) -> uuid.UUID:
        return submitted(self._runtime, self._ada, kind=KIND).id


class Ledger:
    """Enters jobs for documents that are there already."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._ada = settle_in(runtime.database).ada
        self._documents: list[Document] = []

    def prepare(self, count: int) -> None:
        self._documents = [self._document() for _ in range(count)]
        with self._runtime.database.transaction() as session:
            session.add_all(self._documents)

    def _document(self) -> Document:
        name = uuid.uuid4()
        return Document(
            id=name,
            tenant_id=self._ada.actor.tenant,
            entity_id=self._ada.entity_id,
            kind=KIND.name,
            filename="a.pdf",
            media_type="application/pdf",
            size=25,
            sha256=name.hex * 2,
            storage_key=str(name),
        )

    def send(self) -> uuid.UUID:
        document = self._documents.pop()
        present = backlog.present_turn(self._runtime.database, KIND.queue, Priority.PERSON)
        with self._runtime.database.transaction() as session:
            job = ledger.enter(
                session,
                document,
                queue=KIND.queue,
                max_attempts=3,
                request_id="bench",
                present=present,
            )
        self._runtime.bells[KIND.queue].ring(job.id)
        return job.id


class Nothing(FakeReader):
    """Reads nothing; the reading's version is the moment at which it was asked for, so that it ends up in the decision."""

    def read(self, file: BinaryIO, media_type: str, report: Any, options: ReadingOptions) -> Reading:
        return replace(super().read(file, media_type, report, options), engine_version=repr(time.time()))


def carry_out_nothing(
    runtime: Runtime, _reader: pipeline.Reader, pulse: pipeline.Pulse, given: pipeline.Assignment
) -> dict[str, Any]:
    """In the place of the pipeline's middle: the job is claimed, nothing is done, it is finished with one result row."""
    held = given.held
    with pulse.keeping(held):
        ran_at = time.time()
    result = {"routing": "none", "confidence": 0}
    with runtime.database.transaction() as session:
        ledger.finish(session, held, result)
        values = {"id": uuid.uuid4(), "job_id": held.job_id, "worker": str(os.getpid()), "ran_at": ran_at}
        session.execute(insert(rows.results).values(**values))
    return result


def main() -> None:
    """`ours full|ledger work PROCESSES` or `ours full|ledger send`."""
    what, role = sys.argv[1:3]
    settings = config.load(os.environ, env_file=Path("/nonexistent"))
    logs.configure(as_json=True, level="ERROR")
    if role == "work":
        if what == "ledger":
            if not hasattr(pipeline, "_carry_out"):
                raise SystemExit("pipeline._carry_out is gone: benchmarks/queues/ours.py must be told what came in its place")
            pipeline._carry_out = carry_out_nothing
        work(settings, KIND.queue, int(sys.argv[3]), Nothing())
        return
    runtime = open_runtime(settings)
    hang_bells(runtime)
    try:
        sender.serve({"full": Full, "ledger": Ledger}[what](runtime))
    finally:
        runtime.close()


if __name__ == "__main__":
    main()
