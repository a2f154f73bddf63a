"""What the database and the storage say afterwards, by plain SQL and plain files: which promises are broken, and by what."""

import datetime as dt
import hashlib
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from service import ROOT
from tools.chaos.cluster import ask
from tools.chaos.faults import Death
from tools.chaos.traffic import COMPLETED, Paper

ENDED = ("completed", "failed")
EXPLAINED = {"worker_lost", "crashed", "reader_not_started", "database_unavailable"}
"""Causes of a dead letter that a kill explains, whatever the document: all attempts met one."""

JOBS = """
SELECT d.id AS document, d.sha256, coalesce(d.stored_sha256, d.sha256) AS checksum, d.storage_key,
       d.kind || ' of ' || d.entity_id AS place,
       j.id::text AS job, j.status, j.error_code, j.started_at,
       (SELECT count(*) FROM records r WHERE r.document_id = d.id) AS records,
       (SELECT count(*) FROM attempts a WHERE a.job_id = j.id AND a.outcome = 'completed') AS completions
FROM documents d LEFT JOIN jobs j ON j.document_id = d.id
"""
ATTEMPTS = "SELECT job_id::text AS job, worker, started_at, ended_at, outcome FROM attempts"
PROGRESS = "SELECT status, count(*) AS jobs, sum(version) AS moves FROM jobs GROUP BY status ORDER BY status"


class Settling:
    """Watches the ledger until every job has ended, or until nothing has moved for so many seconds."""

    def __init__(self, url: str, patience: float) -> None:
        self._url, self._patience = url, patience
        self._last: list[NamedTuple] = []
        self._moved = time.monotonic()

    @property
    def over(self) -> bool:
        rows = ask(self._url, PROGRESS)
        if rows != self._last:
            self._last, self._moved = rows, time.monotonic()
        return all(row.status in ENDED for row in rows) or time.monotonic() - self._moved > self._patience


@dataclass(frozen=True)
class Recovery:
    """A job whose worker was killed, and the seconds from then on. One that was at its last attempt does not run again."""

    job: str
    died: dt.datetime
    given_back: float
    running_again: float | None


@dataclass
class Audit:
    """What is wrong, by promise (nothing: the promise holds), and what else was counted."""

    broken: dict[str, list[str]] = field(default_factory=dict)
    jobs: Counter[str] = field(default_factory=Counter)
    attempts: Counter[str] = field(default_factory=Counter)
    recoveries: list[Recovery] = field(default_factory=list)
    unexplained: int = 0
    swept: str = ""

    @property
    def holds(self) -> bool:
        return not any(self.broken.values())

    @property
    def given_back(self) -> list[float]:
        return [recovery.given_back for recovery in self.recoveries]

    @property
    def running_again(self) -> list[float]:
        return [recovery.running_again for recovery in self.recoveries if recovery.running_again is not None]


def examine_jobs(audit: Audit, url: str, papers: Sequence[Paper], accepted: Mapping[str, set[str]]) -> None:
    """Every upload that was accepted ended in exactly one record or one dead letter with a cause."""
    rows = ask(url, JOBS)
    expected = {paper.sha256: paper for paper in papers}
    by_job = {row.job: row for row in rows}
    audit.jobs = Counter(f"failed: {row.error_code}" if row.status == "failed" else row.status or "no job" for row in rows)
    promised = [(job, sha256) for sha256, jobs in accepted.items() for job in jobs]
    audit.broken["lost"] = [f"{job}: accepted, but there is no such job" for job, _ in promised if job not in by_job]
    audit.broken["lost"] += [f"{row.job or row.document}: {fault}" for row in rows if (fault := _lost(row))]
    audit.broken["doubled"] = [f"{row.job}: {fault}" for row in rows if (fault := _doubled(row))] + [
        f"{what}: {count} times"
        for what, count in (Counter((r.place, r.sha256) for r in rows) + Counter(r.document for r in rows)).items()
        if count > 1
    ]
    audit.broken["doubled"] += [f"{sha256}: accepted as {jobs}" for sha256, jobs in accepted.items() if len(jobs) > 1]
    audit.broken["mistaken"] = [f"{row.job}: {fault}" for row in rows if (fault := _mistaken(row, expected.get(row.sha256)))]
    audit.broken["mistaken"] += [
        f"{job}: accepted for another document" for job, sha256 in promised if job in by_job and by_job[job].sha256 != sha256
    ]


def _lost(row: NamedTuple) -> str | None:
    if row.status not in ENDED:
        return f"never ended ({row.status or 'no job'})"
    if row.status == "completed" and not row.records:
        return "completed without a record"
    return "failed without a cause" if row.status == "failed" and not row.error_code else None


def _doubled(row: NamedTuple) -> str | None:
    if row.records > 1:
        return f"{row.records} records"
    if row.completions > 1:
        return f"completed {row.completions} times"
    return "not completed, but booked" if row.records and row.status != "completed" else None


def _mistaken(row: NamedTuple, paper: Paper | None) -> str | None:
    """Another end than the document's own, unless a kill explains it."""
    if paper is None:
        return "nobody sent this"
    if row.status not in ENDED or (row.status == "failed" and row.error_code in EXPLAINED):
        return None
    outcome = COMPLETED if row.status == "completed" else row.error_code
    return None if outcome == paper.outcome else f"{paper.name} ended as {outcome}, not as {paper.outcome}"


def examine_recoveries(audit: Audit, url: str, deaths: Sequence[Death], limit: float) -> None:
    """From the death of a worker that held a job until that job was given back, and until it ran again."""
    attempts = ask(url, ATTEMPTS)
    audit.attempts = Counter(row.outcome for row in attempts)
    starts = [(row.job, row.started_at) for row in attempts] + [(row.job, row.started_at) for row in ask(url, JOBS)]
    for row in attempts:
        if row.outcome != "lost":
            continue
        died = _death(row, deaths)
        if died is None:
            audit.unexplained += 1
            continue
        again = [(at - died).total_seconds() for job, at in starts if job == row.job and at is not None and at >= row.ended_at]
        audit.recoveries.append(Recovery(row.job, died, (row.ended_at - died).total_seconds(), min(again, default=None)))
    late = percentile(audit.running_again, 99)
    audit.broken["late"] = [f"p99 {late:.1f} s is above {limit:g} s"] if late is not None and late > limit else []


def _death(attempt: NamedTuple, deaths: Sequence[Death]) -> dt.datetime | None:
    """When the worker of an attempt was killed, in the time of that attempt."""
    pid = int(attempt.worker.rsplit(":", 2)[1])
    return next((d.at for d in deaths if d.pid == pid and attempt.started_at <= d.at <= attempt.ended_at), None)


def percentile(values: Sequence[float], percent: int) -> float | None:
    """By nearest rank; None of nothing."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)] if ordered else None


def sweep_files(files: Path, environ: Mapping[str, str]) -> str:
    """Lets a day pass for every file, then has the product itself remove what no document names. What it said."""
    yesterday = time.time() - 25 * 3600
    for path in files.rglob("*"):
        if path.is_file():
            os.utime(path, (yesterday, yesterday))
    command = [sys.executable, "-m", "akount", "prune"]
    done = subprocess.run(command, cwd=ROOT, env=dict(environ), capture_output=True, text=True, check=True)
    return " ".join(done.stdout.split())


def examine_files(audit: Audit, url: str, files: Path) -> None:
    """After the sweep every document has its file, byte for byte, and there is no other."""
    named = {row.storage_key: row.checksum for row in ask(url, JOBS)}
    there = {path.relative_to(files).as_posix(): path for path in files.rglob("*") if path.is_file()}
    audit.broken["files missing"] = [
        key for key, kept in named.items() if key not in there or hashlib.sha256(there[key].read_bytes()).hexdigest() != kept
    ]
    audit.broken["files orphaned"] = sorted(set(there) - set(named))
