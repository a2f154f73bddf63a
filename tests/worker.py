"""A worker as it is shipped, or with a reader that waits for the test: its consumer and all of its processes."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import psutil

import config
from akount.kinds import KINDS
from akount.lifecycle import Runtime, open_runtime
from akount.models import Job, JobStatus
from akount.tasks.queues import hang_bells
from service import left_behind_by_nobody

ROOT = Path(__file__).resolve().parent.parent
QUEUE = KINDS["bill"].queue
BUDGET = 30
"""Seconds in all (H5)."""


class Consumer:
    """A worker process with all of its own; `finish` lets it read to the end what it reads."""

    def __init__(self, runtime: Runtime, *more: str, processes: int = 1, real: bool = False, **environ: str) -> None:
        directory = runtime.settings.directory
        self.file = directory / f"finish-{uuid.uuid4()}"
        self.log = directory / f"worker-{uuid.uuid4()}.log"
        self.processes = processes
        said = {
            "APP_ENV": "test",
            "DATA_DIR": str(directory),
            "DATABASE_URL": runtime.settings.database,
            "LOG_FORMAT": "json",
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}",
            **({"REDIS_URL": runtime.settings.redis} if runtime.settings.redis else {}),
            **environ,
        }
        script = [str(ROOT / "tests" / "start_worker.py"), QUEUE, str(processes), str(self.file), *more]
        ours = ["-m", "akount", "worker", "--queue", QUEUE, "--processes", str(processes)]
        with self.log.open("wb") as log:  # a session of its own: a Ctrl-C of a test reaches its processes and not ours
            self.process = subprocess.Popen(
                [sys.executable, *(ours if real else script)], cwd=ROOT, env=said, stdout=log, stderr=log, start_new_session=True
            )

    def __enter__(self) -> Self:
        self.family: list[psutil.Process] = []
        with left_behind_by_nobody(self.__exit__):
            until(lambda: len(self.said("worker ready")) >= self.processes, self)
        self.family = psutil.Process(self.process.pid).children(recursive=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(30)
        _gone, alive = psutil.wait_procs(self.family, timeout=30)
        assert alive == []

    def finish(self) -> None:
        self.file.touch()

    def said(self, event: str) -> list[dict[str, Any]]:
        whole = [line for line in self.log.read_text().splitlines(keepends=True) if line.endswith("\n")]
        lines = [json.loads(line) for line in whole if line.startswith("{")]
        return [line for line in lines if line["event"] == event]

    def tell(self, number: signal.Signals, whom: str = "master") -> None:
        """As a supervisor does; or as a terminal does, to all processes of the group at once."""
        if whom == "group":
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)

    def ended(self, started: float) -> int:
        """The exit code, when it came in time."""
        code = self.process.wait(BUDGET + 10)
        assert time.monotonic() - started < BUDGET, self.log.read_text()
        return code


def until(met: Callable[[], bool], worker: Consumer) -> None:
    deadline = time.monotonic() + 120
    while not met():
        assert worker.process.poll() is None or met(), worker.log.read_text()
        assert time.monotonic() < deadline, worker.log.read_text()
        time.sleep(0.05)


def job_of(runtime: Runtime, job_id: uuid.UUID) -> Job:
    with runtime.database.snapshot() as session:
        return session.get_one(Job, job_id)


def started_on(runtime: Runtime, job_id: uuid.UUID, worker: Consumer) -> None:
    until(lambda: job_of(runtime, job_id).status is JobStatus.ACTIVE, worker)


@contextlib.contextmanager
def emptied(settings: config.Settings) -> Iterator[Runtime]:
    """A runtime whose queues hold nothing of another test."""
    runtime = open_runtime(settings)
    hang_bells(runtime)
    for bell in runtime.bells.values():
        bell._queue.flush()  # type: ignore[attr-defined]
    try:
        yield runtime
    finally:
        runtime.close()
