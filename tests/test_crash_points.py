"""A process killed at any step between a file and its bell, and between claim and finish, loses nothing and books once."""

import datetime as dt
import hashlib
import os
import shutil
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from huey import Huey
from sqlalchemy import func, select, text, update

import crashing
from akount import backlog, db, ledger
from akount.db import now
from akount.kinds import QUEUES
from akount.lifecycle import Runtime, open_runtime
from akount.models import Attempt, Decision, Document, Job, JobStatus, Record
from akount.tasks import scan, upkeep
from akount.tasks.queues import open_queue
from crashing import Death, Foundry, NthEffect, Trap, hang_patient_bells
from fakes import FakeReader
from fresh import make_settings, postgres_copy, redis_database
from make import BILL, pdf, sent, submitted
from people import People, settle_in
from shared import empty, in_a_hurry

QUEUE = BILL.queue
DAY = 25 * 3600
AGAIN = 300
"""Seconds after which the survivor rings again, in place of 5: on a busy machine five seconds pass in the middle of a test."""
MANY = 500
"""More effects than any deed has: a sweep that comes here never ends."""


@dataclass
class Place:
    """The service's ground, and the processes that die on it. The survivor works in the test's own process."""

    runtime: Runtime
    people: People
    foundry: Foundry
    queue: Huey
    reader: FakeReader

    def kill(self, deed: Callable[..., None], trap: Trap | NthEffect, *said: Any) -> Death:
        """A process that does a deed and dies in its trap."""
        death = self.run(deed, trap, *said)
        assert (death.signal, bool(death.where)) == (signal.SIGKILL, True), f"it was not killed at {trap}: {death}"
        return death

    def run(self, deed: Callable[..., None], trap: Trap | NthEffect | None, *said: Any) -> Death:
        death = self.foundry.run(deed, self.runtime.settings, trap, *said)
        self._forgotten_by_postgres()
        return death

    def _forgotten_by_postgres(self) -> None:
        """A dead client's transaction goes when the server reads the end of its connection, a moment later."""
        if self.runtime.database.sqlite:
            return
        with self.runtime.database.snapshot() as session:
            for _ in range(1000):  # each question is a transaction of its own: within one the answer stays the same
                if session.scalar(text(OPEN)) == 0:
                    return
                time.sleep(0.01)
        raise AssertionError("the transaction of a dead process stays open")

    # the rows of one document

    def job(self, job_id: uuid.UUID) -> Job:
        with self.runtime.database.snapshot() as session:
            return session.get_one(Job, job_id)

    def job_for(self, data: bytes) -> Job | None:
        with self.runtime.database.snapshot() as session:
            return session.scalar(select(Job).join(Document).where(Document.sha256 == hashlib.sha256(data).hexdigest()))

    def outcomes(self, job_id: uuid.UUID) -> list[str]:
        with self.runtime.database.snapshot() as session:
            return [attempt.outcome for attempt in ledger.attempts_at(session, session.get_one(Job, job_id))]

    def count(self, table: type[Any], *where: Any) -> int:
        with self.runtime.database.snapshot() as session:
            return session.scalar(select(func.count()).select_from(table).where(*where)) or 0

    # the files

    def files(self) -> set[str]:
        """The keys of what is stored."""
        return set(self.runtime.storage.keys(now() + dt.timedelta(days=1)))

    def incoming(self) -> list[Path]:
        return list(self.incoming_file("").glob("*"))

    def incoming_file(self, name: str) -> Path:
        return self.runtime.settings.directory / "files" / ".incoming" / name

    def named(self) -> set[str]:
        """The keys that rows name, each with its whole file behind it."""
        with self.runtime.database.snapshot() as session:
            documents = session.scalars(select(Document)).all()
        for document in documents:
            with self.runtime.storage.open(document.storage_key, document.checksum) as file:
                assert len(file.read()) == document.size
        return {document.storage_key for document in documents}

    # time and the survivors

    def a_day_passes(self) -> None:
        """For files."""
        then = time.time() - DAY
        for path in (self.runtime.settings.directory / "files").rglob("*"):
            if path.is_file():
                os.utime(path, (then, then))

    def time_passes(self, seconds: float = AGAIN + 1) -> None:
        """For bells and delays."""
        with self.runtime.database.transaction() as session:
            for job in session.scalars(select(Job).where(Job.status.in_([JobStatus.WAITING, JobStatus.DELAYED]))):
                job.run_at -= dt.timedelta(seconds=seconds)
                job.rung_at = job.rung_at and job.rung_at - dt.timedelta(seconds=seconds)

    def sweep(self) -> int:
        return upkeep.sweep(self.runtime)

    def work_off(self) -> int:
        """The next worker answers every message; how many documents it read."""
        before = self.reader.read_count
        while self.runtime.bells[QUEUE].length():
            self.queue.execute(self.queue.dequeue())
        return self.reader.read_count - before

    def sweep_and_work_off(self) -> int:
        """What the service does in a while without anybody's help."""
        self.sweep()
        self.time_passes()
        self.sweep()
        return self.work_off()

    def booked_once(self, job_id: uuid.UUID) -> None:
        assert self.job(job_id).status is JobStatus.COMPLETED
        assert self.count(Record, Record.job_id == job_id) == 1
        assert self.count(Decision, Decision.job_id == job_id) == 1
        assert self.count(Attempt, Attempt.job_id == job_id, Attempt.outcome == "completed") == 1


OPEN = """SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid() AND xact_start IS NOT NULL"""


@pytest.fixture(scope="module", params=["embedded", "production"])
def ground(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """SQLite for both, and Postgres with Redis."""
    directory = tmp_path_factory.mktemp("crashes")
    if request.param == "embedded":
        settings = make_settings(directory, f"sqlite:///{directory / 'test.db'}")
        db.migrate(settings.database)
    else:
        redis = redis_database(request.getfixturevalue("redis_shared"))
        settings = make_settings(directory, postgres_copy(request.getfixturevalue("postgres")), REDIS_URL=redis)
    runtime = open_runtime(settings)
    hang_patient_bells(runtime)
    in_a_hurry(runtime.database)
    reader, queue, foundry = FakeReader(), open_queue(settings, QUEUE, consumer=True), Foundry(directory / "children.log")
    bench = scan.Workbench.open(settings, QUEUE, reader)
    scan.register(queue, [bench])
    yield Place(runtime, settle_in(runtime.database), foundry, queue, reader)
    foundry.close()
    bench.close()
    runtime.close()
    queue.storage.close()
    if settings.redis:
        queue.storage.pool.disconnect()


@pytest.fixture
def place(ground: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """The same without any work in it."""
    monkeypatch.setattr(backlog, "RING_AGAIN_SECONDS", AGAIN)
    empty(ground.runtime.database)
    for name in QUEUES:
        ground.runtime.bells[name]._queue.flush()  # type: ignore[attr-defined]
    shutil.rmtree(ground.runtime.settings.directory / "files", ignore_errors=True)
    return ground


# --- between the file and the bell ---

REMAINDER, ORPHAN, ACCEPTED, RUNG = "a remainder", "an orphan", "accepted", "accepted and rung for"
SUBMITTING: dict[str, tuple[Trap, str]] = {
    "it comes in": (Trap("akount.storage:Incoming.write", "after"), REMAINDER),
    "it has come in": (Trap("akount.intake:admit"), REMAINDER),
    "it is to be stored": (Trap("akount.storage:LocalStorage.put"), REMAINDER),
    "written, not safe on disk": (Trap("os:fsync"), REMAINDER),
    "safe on disk, without its key": (Trap("pathlib:Path.replace"), REMAINDER),
    "under its key, the directory not safe": (Trap("pathlib:Path.replace", "after"), ORPHAN),
    "stored": (Trap("akount.storage:LocalStorage.put", "after"), ORPHAN),
    "document written": (Trap("akount.ledger:enter"), ORPHAN),
    "job entered": (Trap("akount.ledger:enter", "after"), ORPHAN),
    "noted": (Trap("akount.scans:note", "after"), ORPHAN),
    "about to commit": (Trap("akount.ledger:enter", "before commit"), ORPHAN),
    "committed": (Trap("akount.ledger:enter", "after commit"), ACCEPTED),
    "about to ring": (Trap("akount.tasks.queues:Bell.ring"), ACCEPTED),
    "rung": (Trap("akount.tasks.queues:Bell.ring", "after"), RUNG),
}


@pytest.mark.parametrize(("trap", "left"), SUBMITTING.values(), ids=list(SUBMITTING))
def test_an_upload_that_is_killed_is_accepted_whole_or_not_at_all(place: Place, trap: Trap, left: str) -> None:
    data = pdf()
    place.kill(crashing.submit, trap, place.people.ada, data)
    job = place.job_for(data)
    assert (job is not None) == (left in (ACCEPTED, RUNG))
    assert (len(place.incoming()), len(place.files() - place.named())) == (left == REMAINDER, left == ORPHAN)
    assert place.runtime.bells[QUEUE].length() == (left == RUNG)

    again = sent(place.runtime, place.people.ada, data)
    assert (again.duplicate, place.count(Document)) == (job is not None, 1)
    assert job is None or again.job.id == job.id
    assert place.sweep() == 0, "what was entered a moment ago is not rung for again"
    place.time_passes()
    assert place.sweep() == (left == ACCEPTED), "only a bell that never rang is missing"
    assert place.work_off() == 1
    place.booked_once(again.job.id)

    tidy = {"archived": 0, "orphans": 0, "unfinished": 0, "workers": 0}
    assert upkeep.prune(place.runtime) == tidy, "an upload may still be under way"
    place.a_day_passes()
    assert upkeep.prune(place.runtime) == tidy | {"orphans": left == ORPHAN, "unfinished": left == REMAINDER}
    assert (place.files(), place.incoming()) == (place.named(), [])


def test_an_accepted_upload_that_is_killed_needs_no_client_to_be_read(place: Place) -> None:
    data = pdf()
    place.kill(crashing.submit, SUBMITTING["committed"][0], place.people.ada, data)
    place.time_passes()
    assert (place.sweep(), place.work_off()) == (1, 1)
    job = place.job_for(data)
    assert job is not None
    place.booked_once(job.id)


@pytest.mark.parametrize("when", ["before", "after"])
def test_the_loser_of_a_race_that_is_killed_leaves_one_document_and_at_most_an_orphan(place: Place, when: str) -> None:
    data = pdf()
    place.kill(crashing.submit_and_lose_the_race, Trap("akount.storage:LocalStorage.delete", when), place.people.ada, data)
    assert len(place.files() - place.named()) == (when == "before")
    assert place.work_off() == 1
    assert sent(place.runtime, place.people.ada, data).duplicate
    place.a_day_passes()
    assert upkeep.prune(place.runtime)["orphans"] == (when == "before")
    assert place.files() == place.named()


def test_a_dead_letter_whose_retry_is_killed_before_the_bell_is_tried_again(place: Place) -> None:
    job_id = submitted(place.runtime, place.people.ada).id
    place.reader.says, says = RuntimeError("a fault of ours"), place.reader.says
    try:
        place.work_off()
    finally:
        place.reader.says = says
    assert place.job(job_id).status is JobStatus.FAILED
    place.kill(crashing.retry, Trap("akount.ledger:retry", "before commit"), place.people.ada, job_id)
    assert (place.job(job_id).status, place.sweep_and_work_off()) == (JobStatus.FAILED, 0)
    place.kill(crashing.retry, Trap("akount.ledger:retry", "after commit"), place.people.ada, job_id)
    assert (place.job(job_id).status, place.sweep_and_work_off()) == (JobStatus.WAITING, 1)
    place.booked_once(job_id)


# --- between claim and finish ---

WAITS, LOST, DELAYED, GIVEN_BACK, DONE = "waits", "lost", "delayed", "given_back", "completed"
WORKING: dict[str, tuple[str, Trap, str]] = {
    "message taken": ("fake", Trap("akount.pipeline:process"), WAITS),
    "about to claim": ("fake", Trap("akount.ledger:claim"), WAITS),
    "claimed, not committed": ("fake", Trap("akount.ledger:claim", "before commit"), WAITS),
    "claimed": ("fake", Trap("akount.ledger:claim", "after commit"), LOST),
    "about to fetch": ("fake", Trap("akount.storage:LocalStorage.open"), LOST),
    "fetched": ("fake", Trap("akount.storage:LocalStorage.open", "after"), LOST),
    "about to read": ("fake", Trap("fakes:FakeReader.read"), LOST),
    "read": ("fake", Trap("fakes:FakeReader.read", "after"), LOST),
    "the real reader reads": ("sandbox", Trap("akount.extraction.sandbox:Sandbox._listen"), LOST),
    "the real reader has read": ("sandbox", Trap("akount.extraction.sandbox:Sandbox.read", "after"), LOST),
    "beating": ("slow", Trap("akount.ledger:beat", "before commit"), LOST),
    "has beaten": ("slow", Trap("akount.ledger:beat", "after commit"), LOST),
    "routed": ("fake", Trap("akount.pipeline:route", "after"), LOST),
    "about to write": ("fake", Trap("akount.drafts:write"), LOST),
    "written": ("fake", Trap("akount.drafts:write", "after"), LOST),
    "about to finish": ("fake", Trap("akount.ledger:finish"), LOST),
    "finished, not committed": ("fake", Trap("akount.ledger:finish", "before commit"), LOST),
    "finished": ("fake", Trap("akount.ledger:finish", "after commit"), DONE),
    "about to settle": ("times out", Trap("akount.ledger:settle"), LOST),
    "settled, not committed": ("times out", Trap("akount.ledger:settle", "before commit"), LOST),
    "settled": ("times out", Trap("akount.ledger:settle", "after commit"), DELAYED),
    "about to give back": ("interrupted", Trap("akount.ledger:give_back"), LOST),
    "given back, not committed": ("interrupted", Trap("akount.ledger:give_back", "before commit"), LOST),
    "given back": ("interrupted", Trap("akount.ledger:give_back", "after commit"), GIVEN_BACK),
}
STATUS = {LOST: JobStatus.ACTIVE, DELAYED: JobStatus.DELAYED, DONE: JobStatus.COMPLETED}


@pytest.mark.parametrize(("reader", "trap", "end"), WORKING.values(), ids=list(WORKING))
def test_a_job_whose_worker_is_killed_is_booked_once(place: Place, reader: str, trap: Trap, end: str) -> None:
    job_id = submitted(place.runtime, place.people.ada).id
    death = place.kill(crashing.work, trap, reader)
    ended = [] if end in (WAITS, LOST) else [end]
    assert (place.job(job_id).status, place.outcomes(job_id)) == (STATUS.get(end, JobStatus.WAITING), ended)
    assert place.count(Record) == place.count(Decision) == (end == DONE), "a record is there whole or not at all"

    assert place.sweep() == (end in (LOST, GIVEN_BACK)), "what is given back is rung for at once; a dead worker is no secret"
    place.time_passes()
    place.sweep()
    assert place.work_off() == (end != DONE), "what is done is not done again"
    place.booked_once(job_id)
    history = {WAITS: [DONE], DONE: [DONE]}.get(end, [end, DONE])
    assert (place.outcomes(job_id), place.job(job_id).attempts) == (history, 2 if end in (LOST, DELAYED) else 1)
    assert place.files() == place.named()
    assert bool(death.family) == (reader == "sandbox")
    gone(death.family)


def gone(pids: tuple[int, ...]) -> None:
    """A worker's reader and what reads in it do not outlive it."""
    alive = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    assert psutil.wait_procs(alive, timeout=60)[1] == []


def test_a_document_that_kills_every_worker_ends_as_one_dead_letter_with_a_cause(place: Place) -> None:
    job_id = submitted(place.runtime, place.people.ada).id
    for _ in range(place.runtime.settings.scan_max_attempts):
        place.kill(crashing.work, WORKING["about to read"][1], "fake")
        place.sweep()
    job = place.job(job_id)
    assert (job.status, job.error_code, place.outcomes(job_id)) == (JobStatus.FAILED, "worker_lost", ["lost"] * 3)
    assert (place.sweep_and_work_off(), place.count(Record)) == (0, 0)


# --- the sweeps themselves ---

SWEEPING: dict[str, tuple[Trap, int]] = {
    "given back, not committed": (Trap("akount.ledger:recover", "before commit"), 3),
    "given back": (Trap("akount.ledger:recover", "after commit"), 3),
    "about to ring, not committed": (Trap("akount.backlog:to_ring", "before commit"), 3),
    "about to ring": (Trap("akount.backlog:to_ring", "after commit"), 0),
    "rung for one of three": (Trap("akount.tasks.queues:Bell.ring", "after"), 0),
}


@pytest.mark.parametrize(("trap", "at_once"), SWEEPING.values(), ids=list(SWEEPING))
def test_a_sweep_that_is_killed_is_made_good_by_the_next(place: Place, trap: Trap, at_once: int) -> None:
    jobs = [submitted(place.runtime, place.people.ada).id for _ in range(3)]
    place.kill(crashing.work, WORKING["claimed"][1], "fake")
    place.runtime.bells[QUEUE]._queue.flush()  # type: ignore[attr-defined]
    place.time_passes()
    place.kill(crashing.sweep, trap)
    heard = place.runtime.bells[QUEUE].length() or 0
    assert place.sweep() == at_once, "noted as rung, not to be rung for again at once"
    place.time_passes(AGAIN - 60)
    assert place.sweep() == 0
    place.time_passes()
    assert place.sweep() == 3 - heard - at_once
    assert place.work_off() == 3
    for job_id in jobs:
        place.booked_once(job_id)


PRUNING: dict[str, Trap] = {
    "history, not committed": Trap("akount.ledger:archive", "before commit"),
    "history": Trap("akount.ledger:archive", "after commit"),
    "first orphan": Trap("akount.storage:LocalStorage.delete"),
    "one orphan gone": Trap("akount.storage:LocalStorage.delete", "after"),
    "the last orphan": Trap("akount.storage:LocalStorage.delete", "after", nth=3),
    "remainders": Trap("akount.storage:LocalStorage.sweep_incoming"),
    "one remainder gone": Trap("pathlib:Path.unlink", "after", nth=4),
}


@pytest.mark.parametrize("trap", PRUNING.values(), ids=list(PRUNING))
def test_a_pruning_that_is_killed_takes_no_document_and_is_ended_by_the_next(place: Place, trap: Trap) -> None:
    job_id = submitted(place.runtime, place.people.ada).id
    place.work_off()
    with place.runtime.database.transaction() as session:
        session.execute(update(Job).values(finished_at=now() - dt.timedelta(seconds=DAY)))
    for key in place.named():
        for number in range(3):
            (place.runtime.settings.directory / "files" / key).with_name(f"orphan-{number}").write_bytes(b"x")
    for number in range(2):
        place.incoming_file(f"remainder-{number}").write_bytes(b"x")
    place.a_day_passes()
    place.kill(crashing.prune, trap)
    assert place.named() <= place.files()
    upkeep.prune(place.runtime)
    assert (place.files(), place.incoming()) == (place.named(), [])
    assert place.job(job_id).archived_at is not None
    place.booked_once(job_id)


# --- every step there is ---


def every_step(deed: Callable[[int], Death]) -> list[str]:
    """Where a deed was killed: at its first effect, at its second, and so on, until it came through."""
    labels = []
    for number in range(1, MANY):
        death = deed(number)
        if death.signal == 0:
            return labels
        assert death.signal == signal.SIGKILL
        labels.append(death.where)
    raise AssertionError("it never came through")


def held_all(labels: list[str], *wanted: str) -> None:
    """The sweep went over the steps that matter, so that it cannot pass by listening at nothing."""
    assert [step for step in wanted if not any(label.startswith(step) for label in labels)] == []


def test_wherever_an_upload_is_killed_its_document_is_booked_once_when_the_client_tries_again(place: Place) -> None:
    accepted, jobs = [], set()

    def deed(number: int) -> Death:
        data = pdf()
        death = place.run(crashing.submit, NthEffect(number), place.people.ada, data)
        job = place.job_for(data)
        place.named()
        accepted.append(job is not None)
        again = sent(place.runtime, place.people.ada, data)
        assert again.duplicate == (job is not None), death
        assert job is None or job.id == again.job.id, death
        jobs.add(again.job.id)
        return death

    labels = every_step(deed)
    held_all(labels, "fsync", "replace", "sql INSERT INTO documents", "sql INSERT INTO jobs", "sql INSERT INTO audit_log", "commit")
    bound = labels.index("enqueue") - 1
    assert labels[bound] == "commit"
    assert accepted == [False] * bound + [True] * (len(accepted) - bound), labels
    assert place.sweep_and_work_off() == len(jobs) == len(labels) + 1
    for job_id in jobs:
        place.booked_once(job_id)
    place.a_day_passes()
    upkeep.prune(place.runtime)
    assert (place.files(), place.incoming()) == (place.named(), [])


def test_wherever_a_worker_is_killed_its_document_is_booked_once(place: Place) -> None:
    histories = []

    def deed(number: int) -> Death:
        job_id = submitted(place.runtime, place.people.ada).id
        death = place.run(crashing.work, NthEffect(number), "fake")
        done = place.job(job_id).status is JobStatus.COMPLETED
        assert place.count(Record, Record.job_id == job_id) == done, death
        read = place.sweep_and_work_off()
        assert read == (not done), death
        place.booked_once(job_id)
        histories.append(place.outcomes(job_id))
        return death

    labels = every_step(deed)
    held_all(labels, "dequeue", "open", "sql UPDATE jobs", "sql INSERT INTO records", "sql INSERT INTO decisions", "commit")
    held_all(labels, "sql INSERT INTO record_lines", "sql INSERT INTO attempts")
    lost = histories.count([LOST, DONE])
    claimed, finished = labels.index("commit"), max(i for i, label in enumerate(labels) if label == "commit")
    assert histories == [[DONE]] * claimed + [[LOST, DONE]] * lost + [[DONE]] * (len(histories) - claimed - lost), labels
    assert lost == finished - claimed, labels


def test_wherever_a_sweep_is_killed_its_job_is_booked_once(place: Place) -> None:
    def deed(number: int) -> Death:
        job_id = submitted(place.runtime, place.people.ada).id
        place.runtime.bells[QUEUE]._queue.flush()  # type: ignore[attr-defined]
        with place.runtime.database.transaction() as session:
            assert ledger.claim(session, job_id, worker="elsewhere:1:1", lease_seconds=-1)
        death = place.run(crashing.sweep, NthEffect(number))
        assert place.sweep_and_work_off() == 1, death
        place.booked_once(job_id)
        return death

    held_all(every_step(deed), "sql INSERT INTO attempts", "sql UPDATE jobs", "commit", "enqueue")
