"""The worker: Huey's consumer with our workers, our sweep in its scheduler's place, and a graceful TERM.

Processes: the consumer, its scheduler (which sweeps) and its workers; every one dies with its parent. A worker that
the second signal or the deadline interrupts gives its job back before it goes.
"""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from huey.consumer import Consumer, Scheduler, Worker

from akount import connections, logs
from akount.db import Database, require_head
from akount.lifecycle import Runtime, open_runtime
from akount.pipeline import Reader
from akount.processes import die_with_parent
from akount.tasks import queues, scan, upkeep
from config import Settings

log = logs.get(__name__)

STOP_SECONDS = 25
"""So long a running job may go on after TERM; then it is given back (H5)."""
IDLE_SECONDS = 0.3
"""The longest pause between two looks at an empty SQLite queue."""
PRUNE_SECONDS = 3600


def work(settings: Settings, queue_name: str, processes: int, reader: Reader | None = None) -> None:
    """Works off one queue until TERM or INT. Refuses a database of another schema."""
    database = Database(settings.database, pooled=False)
    require_head(database)
    database.close()
    connections.examine(settings)
    queue = queues.open_queue(settings, queue_name, consumer=True)
    bench: list[scan.Workbench] = []
    scan.register(queue, bench)
    consumer = ScanConsumer(queue, settings, bench, reader, processes)
    log.info("worker started", queue=queue_name, processes=processes, backend="redis" if settings.redis else "sqlite")
    consumer.run()
    log.info("worker stopped", queue=queue_name)


class ScanConsumer(Consumer):  # type: ignore[misc]
    """Huey's consumer, with process workers."""

    def __init__(self, queue: Any, settings: Settings, bench: list[scan.Workbench], reader: Reader | None, processes: int) -> None:
        self.settings, self.bench, self.reader = settings, bench, reader
        super().__init__(
            queue,
            workers=processes,
            worker_type="process",
            periodic=False,
            initial_delay=0.05,
            max_delay=IDLE_SECONDS,
            health_check_interval=1,
            shutdown_timeout=STOP_SECONDS,
            graceful_signal="TERM",
        )

    def _create_worker(self) -> Worker:
        worker = ScanWorker(self.huey, self.stop_flag, self.default_delay, self.max_delay, self.backoff)
        worker.prepare(self.settings, self.bench, self.reader)
        return worker

    def _create_scheduler(self) -> Scheduler:
        sweeper = Sweeper(self.huey, self.stop_flag, self.scheduler_interval, periodic=False)
        sweeper.settings = self.settings
        return sweeper

    def start(self) -> None:
        """Both INT and TERM are graceful: Ctrl-C reaches the whole group of processes at once."""
        self._signal_actions[signal.SIGINT] = (False, True)
        super().start()


class ScanWorker(Worker):  # type: ignore[misc]
    """A worker process with its own runtime and its own reader."""

    def prepare(self, settings: Settings, bench: list[scan.Workbench], reader: Reader | None) -> None:
        """Says what it will need; opened only in its own process."""
        self._settings, self._bench, self._reader, self._parent = settings, bench, reader, os.getpid()

    def initialize(self) -> None:
        """Opens the workbench, in the worker process itself."""
        die_with_parent(self._parent)
        self._bench.append(scan.Workbench.open(self._settings, self.huey.name, self._reader))
        super().initialize()
        log.info("worker ready", pid=os.getpid())

    def shutdown(self) -> None:
        """Closes the workbench."""
        super().shutdown()
        while self._bench:
            self._bench.pop().close()


class Sweeper(Scheduler):  # type: ignore[misc]
    """In the place of Huey's scheduler, which loses what it holds when it is killed: sweeps once a second."""

    settings: Settings
    _runtime: Runtime | None = None
    _pruned = float("-inf")

    def initialize(self) -> None:
        """Opens what a sweep needs, in its own process."""
        die_with_parent()
        self._runtime = open_runtime(self.settings)
        self._runtime.hang(queues.Bell(self.settings, self.huey.name))

    def loop(self, now: Any = None) -> None:  # noqa: ARG002  Huey's own tests give a time
        """One sweep, then a pause."""
        started = time.monotonic()
        if self._runtime is not None:
            upkeep.try_sweep(self._runtime)
            if started - self._pruned > PRUNE_SECONDS:
                self._pruned = started
                log.info("pruned", **upkeep.prune(self._runtime))
        self.sleep_for_interval(started, self.interval)

    def shutdown(self) -> None:
        """Closes what was opened."""
        if self._runtime is not None:
            self._runtime.close()
