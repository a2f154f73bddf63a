"""The audit of a chaos run finds what is wrong: each fault is made by hand in a real database and a real storage."""

import datetime as dt
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import psutil
import psycopg2
import pytest

import config
from akount.errors import Unreadable
from akount.kinds import KINDS
from akount.lifecycle import Runtime
from akount.models import Job
from fakes import FakeReader
from fresh import make_settings, postgres_copy
from make import BILL, pdf, submitted
from people import People
from servers import Server
from service import plain_environment
from test_pipeline import job_of, lease_runs_out, process
from tools.chaos import audit
from tools.chaos.audit import Audit
from tools.chaos.faults import WEIGHTS, Death, faults, is_kill
from tools.chaos.traffic import COMPLETED, MIX, Paper, papers, sendings
from tools.chaos.tree import outliving

LIMIT = 15.0


@pytest.fixture
def settings(tmp_path: Path, postgres: Server) -> config.Settings:
    return make_settings(tmp_path, postgres_copy(postgres))


class Aftermath:
    """A run in small: one document became a record, one a dead letter."""

    def __init__(self, runtime: Runtime, people: People) -> None:
        self.runtime, self.people = runtime, people
        self.url = runtime.settings.database
        self.files = runtime.settings.directory / "files"
        self.papers: list[Paper] = []
        self.accepted: dict[str, set[str]] = {}
        self.deaths: list[Death] = []
        self.good = self.send(COMPLETED)
        process(runtime, self.good.id)
        self.bad = self.send("encrypted")
        process(runtime, self.bad.id, FakeReader(Unreadable("It is encrypted.", code="encrypted")))

    def send(self, outcome: str) -> Job:
        paper = Paper(0, "a.pdf", pdf(), BILL.plural, outcome, 0, patient=True)
        job = submitted(self.runtime, self.people.ada, paper.data)
        self.papers.append(paper)
        self.accepted[paper.sha256] = {str(job.id)}
        return job

    def change(self, *statements: str) -> None:
        """By hand, behind the back of the program."""
        connection = psycopg2.connect(self.url, options="-c akount.tenant=*")
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        connection.close()

    def stored(self) -> list[Path]:
        return [path for path in self.files.rglob("*") if path.is_file()]

    def examined(self) -> Audit:
        found = Audit()
        audit.examine_jobs(found, self.url, self.papers, self.accepted)
        audit.examine_recoveries(found, self.url, self.deaths, LIMIT)
        audit.examine_files(found, self.url, self.files)
        return found

    def sweep(self) -> str:
        environ = plain_environment() | {"APP_ENV": "test", "DATA_DIR": str(self.files.parent), "DATABASE_URL": self.url}
        return audit.sweep_files(self.files, environ)

    def broken(self) -> set[str]:
        return {name for name, offenders in self.examined().broken.items() if offenders}


@pytest.fixture
def aftermath(runtime: Runtime, people: People) -> Iterator[Aftermath]:
    return Aftermath(runtime, people)


def test_a_run_without_a_fault_holds(aftermath: Aftermath) -> None:
    found = aftermath.examined()
    assert found.holds, found.broken
    assert set(found.broken) == {"lost", "doubled", "mistaken", "late", "files missing", "files orphaned"}
    assert found.jobs == {"completed": 1, "failed: encrypted": 1}
    assert found.attempts == {"completed": 1, "failed": 1}


def again(table: str, *changes: str) -> list[str]:
    """A row of a table once more, with another id."""
    return [
        f"CREATE TEMP TABLE again AS SELECT * FROM {table} LIMIT 1",
        ", ".join(["UPDATE again SET id = gen_random_uuid()", *changes]),
        f"INSERT INTO {table} SELECT * FROM again",
    ]


NO_RECORD = ["DELETE FROM record_lines", "DELETE FROM decisions", "DELETE FROM records"]
TWO_RECORDS = ["ALTER TABLE records DROP CONSTRAINT uq_records_job_id", *again("records")]
TWO_JOBS = ["ALTER TABLE jobs DROP CONSTRAINT uq_jobs_document_id", *again("jobs")]
TWO_DOCUMENTS = [
    "ALTER TABLE documents DROP CONSTRAINT uq_documents_tenant_id_entity_id_kind_sha256",
    *again("documents", "storage_key = 'a/b/documents/2025/c'"),
]


@pytest.mark.parametrize(
    ("statements", "broken"),
    [
        (["UPDATE jobs SET status = 'active' WHERE status = 'failed'"], {"lost"}),
        (["UPDATE jobs SET status = 'cancelled' WHERE status = 'failed'"], {"lost"}),
        (["UPDATE jobs SET error_code = NULL"], {"lost", "mistaken"}),
        (NO_RECORD, {"lost"}),
        (["DELETE FROM attempts", "DELETE FROM jobs WHERE status = 'failed'"], {"lost"}),
        (TWO_RECORDS, {"doubled"}),
        (TWO_JOBS, {"doubled"}),
        (TWO_DOCUMENTS, {"doubled", "lost", "files missing"}),
        (again("attempts", "outcome = 'completed'", "job_id = (SELECT job_id FROM records)"), {"doubled"}),
        (["UPDATE jobs SET status = 'failed', error_code = 'worker_lost' WHERE status = 'completed'"], {"doubled"}),
        (["UPDATE jobs SET error_code = 'internal_error' WHERE status = 'failed'"], {"mistaken"}),
        (["UPDATE jobs SET error_code = 'damaged' WHERE status = 'failed'"], {"mistaken"}),
        (["UPDATE jobs SET error_code = 'worker_lost' WHERE status = 'failed'"], set()),
    ],
)
def test_what_is_wrong_in_the_ledger_is_found(aftermath: Aftermath, statements: list[str], broken: set[str]) -> None:
    aftermath.change(*statements)
    assert aftermath.broken() == broken


def swapped(aftermath: Aftermath) -> None:
    one, other = aftermath.accepted
    aftermath.accepted[one], aftermath.accepted[other] = aftermath.accepted[other], aftermath.accepted[one]


@pytest.mark.parametrize(
    ("happened", "broken"),
    [
        (lambda a: a.accepted.update(unheard_of={str(uuid.uuid4())}), {"lost"}),
        (lambda a: a.accepted[a.papers[0].sha256].add(str(a.bad.id)), {"doubled", "mistaken"}),
        (swapped, {"mistaken"}),
        (lambda a: a.papers.pop(), {"mistaken"}),
        (lambda a: a.send(COMPLETED), {"lost"}),
        (lambda a: a.stored()[0].unlink(), {"files missing"}),
        (lambda a: a.stored()[0].write_bytes(b"%PDF-1.7 of somebody else"), {"files missing"}),
        (lambda a: a.stored()[0].with_name("orphan").write_bytes(b"left behind by a process that died"), {"files orphaned"}),
    ],
)
def test_what_is_wrong_around_it_is_found(aftermath: Aftermath, happened: Callable[[Aftermath], None], broken: set[str]) -> None:
    happened(aftermath)
    assert aftermath.broken() == broken


def test_the_sweep_takes_what_no_document_names_and_what_never_came_in_whole(aftermath: Aftermath) -> None:
    aftermath.stored()[0].with_name("orphan").write_bytes(b"stored, but its row was never committed")
    (aftermath.files / ".incoming" / "half").write_bytes(b"half an upload")
    (aftermath.files / "elsewhere").write_bytes(b"where no sweep looks")
    said = aftermath.sweep()
    assert ("orphans: 1" in said, "unfinished: 1" in said) == (True, True), said
    assert aftermath.examined().broken["files orphaned"] == ["elsewhere"]


@pytest.mark.parametrize(("late", "broken"), [(1, set()), (20, {"late"})])
def test_a_recovery_is_measured_from_the_death_of_the_worker(aftermath: Aftermath, late: int, broken: set[str]) -> None:
    job = aftermath.send(COMPLETED)
    aftermath.change(
        f"UPDATE jobs SET status = 'active', attempts = 1, worker = 'host:4711:0', started_at = now() - interval '{late + 1} s',"
        f" lease_until = now() - interval '1 s' WHERE id = '{job.id}'"
    )
    lease_runs_out(aftermath.runtime, job.id)
    process(aftermath.runtime, job.id)
    ran_again = job_of(aftermath.runtime, job.id).started_at
    assert ran_again
    aftermath.deaths += [
        Death(4711, ran_again - dt.timedelta(days=1)),  # another process that had this number once
        Death(4712, ran_again),
        Death(4711, ran_again - dt.timedelta(seconds=late)),
    ]
    found = aftermath.examined()
    assert {name for name, offenders in found.broken.items() if offenders} == broken
    assert found.running_again == [late]
    assert 0 < found.given_back[0] < late
    assert found.unexplained == 0
    aftermath.deaths.clear()
    assert (aftermath.examined().unexplained, aftermath.examined().running_again) == (1, [])


@pytest.mark.parametrize(("percent", "value"), [(50, 2), (99, 4), (100, 4), (1, 1)])
def test_a_percentile_is_one_of_the_values(percent: int, value: float) -> None:
    assert audit.percentile([4, 1, 3, 2], percent) == value
    assert audit.percentile([], percent) is None


def test_settling_ends_when_all_has_ended_or_nothing_moves(aftermath: Aftermath) -> None:
    assert audit.Settling(aftermath.url, patience=3600).over
    aftermath.send(COMPLETED)
    assert not audit.Settling(aftermath.url, patience=3600).over
    settling = audit.Settling(aftermath.url, patience=0.2)
    assert not settling.over
    time.sleep(0.3)
    assert settling.over
    aftermath.change("UPDATE jobs SET version = version + 1 WHERE status = 'waiting'")
    assert not settling.over, "it moves again"


def test_a_seed_gives_the_same_faults_and_the_same_documents() -> None:
    first = list(islice(faults(1), 300))
    assert first == list(islice(faults(1), 300))
    assert first != list(islice(faults(2), 300))
    assert {fault.kind for fault in first[: len(WEIGHTS)]} == set(WEIGHTS)
    assert sum(is_kill(fault.kind) for fault in first) > 200
    made = papers(1, 300, 60)
    assert [(p.sha256, p.due) for p in made if p.outcome != "encrypted"] == [
        (p.sha256, p.due) for p in papers(1, 300, 60) if p.outcome != "encrypted"
    ]
    assert len({paper.sha256 for paper in made}) == 300
    assert {paper.name for paper in made} == set(MIX)
    assert {(paper.plural, paper.sender) for paper in made} == {(kind.plural, n) for kind in KINDS.values() for n in (0, 1)}
    assert 300 < len(sendings(1, made)) < 330


def test_a_process_that_lives_is_seen_and_a_dead_one_is_not_though_nobody_has_waited_for_it() -> None:
    living, dead = (subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) for _ in range(2))
    both = {psutil.Process(living.pid), psutil.Process(dead.pid)}
    os.kill(dead.pid, 9)
    assert [process.pid for process in outliving(both, 1)] == [living.pid]
    for started in (living, dead):
        started.communicate()
