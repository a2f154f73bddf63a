"""Who takes part: how each is started, where its rows are, and what it is compared with."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BULLMQ = ROOT / "benchmarks" / "bullmq"
RIVALS_PYTHON = ROOT / ".venv-bench" / "bin" / "python"
NODE = "node"
WORKERS = 2
"""Jobs that are worked on at the same time, by each contestant."""

FULL = """SELECT j.id, j.finished_at, a.worker, d.engine_version AS ran_at
    FROM jobs j JOIN attempts a ON a.job_id = j.id JOIN decisions d ON d.job_id = j.id WHERE j.status = 'completed'"""
SMALL = """SELECT j.id, j.finished_at, r.worker, r.ran_at
    FROM jobs j JOIN results r ON r.job_id = j.id WHERE j.status = 'completed'"""


@dataclass(frozen=True, slots=True)
class Contestant:
    """One queue in one set-up."""

    name: str
    label: str
    sender: tuple[str, ...]
    workers: tuple[tuple[str, ...], ...]
    "the commands to start, one for each process that is started"
    baseline: str = "huey"
    "whom its ratios compare it with"
    sqlite: bool = False
    ours: bool = False
    facts: str = SMALL
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def missing(self) -> str | None:
        """What keeps it from taking part here; None: nothing."""
        program = self.sender[0]
        if program == str(RIVALS_PYTHON) and not RIVALS_PYTHON.exists():
            return "its Python requirements are not installed (make bench-queue installs them)"
        if program == NODE and shutil.which(NODE) is None:
            return "there is no Node.js on this machine"
        if program == NODE and not (BULLMQ / "node_modules").exists():
            return "its packages are not installed (make bench-queue installs them, with npm)"
        return None


def _ours(what: str, *, sqlite: bool) -> Contestant:
    command = (sys.executable, "-m", "benchmarks.queues.ours", what)
    return Contestant(
        name=f"ours-{what}" + ("-sqlite" if sqlite else ""),
        label={"full": "ours, full path", "ledger": "ours, ledger only"}[what],
        sender=(*command, "send"),
        workers=((*command, "work", str(WORKERS)),),
        baseline="huey-sqlite" if sqlite else "huey",
        sqlite=sqlite,
        ours=True,
        facts=FULL if what == "full" else SMALL,
    )


def _huey(name: str, label: str, kind: str = "process", **environ: str) -> Contestant:
    app = "benchmarks.queues.rivals.huey_app.huey"
    sqlite = name.endswith("sqlite")
    return Contestant(
        name=name,
        label=label,
        sender=(sys.executable, "-m", "benchmarks.queues.sender", "huey"),
        workers=((sys.executable, "-m", "huey.bin.huey_consumer", app, "-w", str(WORKERS), "-k", kind, "-q"),),
        baseline="huey-sqlite" if sqlite else "huey",
        sqlite=sqlite,
        environ=environ,
    )


def _rq(kind: str, label: str) -> Contestant:
    worker = (str(RIVALS_PYTHON), "-m", "benchmarks.queues.rivals.rq_worker", kind)
    return Contestant(
        name=f"rq-{kind}",
        label=label,
        sender=(str(RIVALS_PYTHON), "-m", "benchmarks.queues.sender", "rq"),
        workers=(worker,) * WORKERS,
        environ={"RQ_WORKER": kind},
    )


def _celery(name: str, label: str, acks: str) -> Contestant:
    app = "benchmarks.queues.rivals.celery_app"
    return Contestant(
        name=name,
        label=label,
        sender=(str(RIVALS_PYTHON), "-m", "benchmarks.queues.sender", "celery"),
        workers=((str(RIVALS_PYTHON), "-m", "celery", "-A", app, "worker", "-c", str(WORKERS), "-l", "WARNING"),),
        environ={"CELERY_ACKS": acks},
    )


def _bullmq(name: str, label: str, processes: int) -> Contestant:
    worker = (NODE, str(BULLMQ / "worker.mjs"), str(WORKERS // processes))
    return Contestant(name=name, label=label, sender=(NODE, str(BULLMQ / "sender.mjs")), workers=(worker,) * processes)


def contestants() -> Iterator[Contestant]:
    """All, in the order of a round."""
    yield _ours("full", sqlite=False)
    yield _ours("ledger", sqlite=False)
    yield _huey("huey", "Huey, 2 processes")
    yield _huey("huey-threads", "Huey, 2 threads", "thread")
    yield _huey("huey-raw", "Huey, 2 processes, row by raw psycopg2", ROW_KEEPER="raw")
    yield _rq("fork", "RQ, 2 workers that fork (its default)")
    yield _rq("simple", "RQ, 2 SimpleWorkers")
    yield _celery("celery-late", "Celery, prefork 2, late acks, prefetch 1", "late")
    yield _celery("celery", "Celery, prefork 2, defaults", "early")
    yield _bullmq("bullmq", "BullMQ, 2 processes", 2)
    yield _bullmq("bullmq-c2", "BullMQ, 1 process, concurrency 2", 1)
    yield _ours("full", sqlite=True)
    yield _ours("ledger", sqlite=True)
    yield _huey("huey-sqlite", "SqliteHuey, 2 processes")
