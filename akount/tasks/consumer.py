"""The worker: Huey's consumer with our workers, our sweep in its scheduler's place, and a way to stop that loses nothing (H5).

Processes: the consumer, its scheduler (which sweeps) and its workers; every one dies with its parent. The consumer opens
nothing and heeds the signals; its children ignore them, so that a Ctrl-C, which reaches them all, cuts nothing off.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from typing import Any

from huey.api import Task
from huey.consumer import Consumer, ProcessEnvironment, Scheduler, Worker, WorkerRecycle

from akount import connections, exposition, logs, metrics, pools, workers
from akount.db import require_head
from akount.lifecycle import CLOSE_SECONDS, Runtime, in_time, open_runtime, patience
from akount.pipeline import Reader
from akount.processes import STOP_SIGNALS, die_with_parent, leave
from akount.tasks import queues, scan, upkeep
from akount.tasks.courier import Courier
from config import Settings

log = logs.get(__name__)

SIGNALS = (*STOP_SIGNALS, signal.SIGHUP)
"""HUP too means stop: the terminal is gone. Huey would start itself anew."""
INTERRUPT = signal.SIGUSR1
"""From the consumer to a worker process whose time is up: give back what you have."""
INTERRUPT_SECONDS = 0.5
"""It is said again so often: a worker that is just booking its job does not heed it."""
IDLE_SECONDS = 0.3
"""The longest pause between two looks at an empty SQLite queue."""


def work(settings: Settings, queue_name: str, processes: int, reader: Reader | None = None) -> bool:
    """Works off one queue until it is told to stop. Answers whether all ended in order. Refuses a database of another schema."""
    database = pools.open_database(settings, 0)
    require_head(database)
    pools.warn(settings, database)
    database.close()
    connections.examine(settings)
    metrics.share(exposition.directory(settings), queue_name)
    queue = queues.open_queue(settings, queue_name, consumer=True)
    bench: list[scan.Workbench] = []
    scan.register(queue, bench)
    consumer = ScanConsumer(queue, settings, bench, reader, processes)
    log.info("worker started", queue=queue_name, processes=processes, backend="redis" if settings.redis else "sqlite")
    consumer.run()
    return consumer.clean


class Children(ProcessEnvironment):  # type: ignore[misc]
    """How the consumer's children heed signals: not at all, but for the consumer's own."""

    def init_child(self, process: ScanWorker | Sweeper) -> None:
        """In the child, before anything else."""
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        signal.signal(INTERRUPT, lambda *_: process.interrupt())


class ScanConsumer(Consumer):  # type: ignore[misc]
    """Huey's consumer, with process workers."""

    clean = False
    worker_threads: list[tuple[Worker, Any]]
    _signum: int | None

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
        )

    def get_environment(self, _worker_type: str) -> Children:
        """Ours."""
        return Children()

    def _create_worker(self) -> Worker:
        worker = ScanWorker(self.huey, self.stop_flag, self.default_delay, self.max_delay, self.backoff)
        worker.prepare(self.settings, self.bench, self.reader)
        return worker

    def _create_scheduler(self) -> Scheduler:
        sweeper = Sweeper(self.huey, self.stop_flag, self.scheduler_interval, periodic=False)
        sweeper.prepare(self.settings)
        return sweeper

    def check_worker_health(self) -> bool:
        """Starts again what died. A worker that ended in order was drained: it is not replaced, and the last one ends us."""
        drained = [pair for pair in self.worker_threads if pair[1].exitcode == 0]
        if drained:
            self.worker_threads = [pair for pair in self.worker_threads if pair not in drained]
            log.info("workers drained", queue=self.huey.name, drained=len(drained), left=len(self.worker_threads))
        if drained and not self.worker_threads:
            self._signum = signal.SIGTERM
        well: bool = super().check_worker_health()
        return well

    def _set_signal_handlers(self) -> None:
        for number in SIGNALS:
            signal.signal(number, self._handle_signal)

    def _handle_signal(self, number: int, _frame: Any) -> None:
        """Noted; the loop stops. A second one changes nothing."""
        self._signum = number

    def stop(self, graceful: bool = False) -> None:  # noqa: ARG002  there is no other way
        """No new job; what runs has its time, then it is given back; what still has not ended is killed."""
        started = time.monotonic()
        self.stop_flag.set()
        log.info("stopping", queue=self.huey.name)
        readers = [process for _, process in self.worker_threads]
        until = started + patience(self.settings)
        _await(readers, until)
        while _alive(readers) and time.monotonic() < until + CLOSE_SECONDS:
            for process in _alive(readers):
                with suppress(ProcessLookupError):
                    os.kill(process.pid or 0, INTERRUPT)
            _await(readers, time.monotonic() + INTERRUPT_SECONDS)
        everyone = [*readers, self.scheduler]
        _await(everyone, min(time.monotonic(), until) + CLOSE_SECONDS)
        self._kill(_alive(everyone))
        self.clean = all(process.exitcode == 0 for process in everyone)
        log.info("worker stopped", queue=self.huey.name, clean=self.clean, ms=round((time.monotonic() - started) * 1000))

    def _kill(self, late: Sequence[BaseProcess]) -> None:
        """Ends those who hang, and gives back what they held: the attempt does not count."""
        for process in late:
            log.error("hangs, killed", queue=self.huey.name, process=process.name, pid=process.pid)
            process.kill()
            process.join()
        if late:
            in_time("jobs of the killed", lambda: self._give_back([process.pid or 0 for process in late]), seconds=1)

    def _give_back(self, pids: list[int]) -> None:
        database = pools.open_database(self.settings, 0)
        with database.transaction() as session:
            for job_id in workers.give_back(session, pids):
                log.info("job given back", job=str(job_id))


def _alive(processes: Sequence[BaseProcess]) -> list[BaseProcess]:
    return [process for process in processes if process.is_alive()]


def _await(processes: Sequence[BaseProcess], until: float) -> None:
    """Until all have ended, or the time has come."""
    while (alive := _alive(processes)) and (left := until - time.monotonic()) > 0:
        connection.wait([process.sentinel for process in alive], left)


class ScanWorker(Worker):  # type: ignore[misc]
    """A worker process with its own runtime and its own reader."""

    _away = False

    def prepare(self, settings: Settings, bench: list[scan.Workbench], reader: Reader | None) -> None:
        """Says what it will need; opened only in its own process."""
        self._settings, self._bench, self._reader, self._parent = settings, bench, reader, os.getpid()

    def initialize(self) -> None:
        """Opens the workbench, in the worker process itself."""
        die_with_parent(self._parent)
        self._bench.append(scan.Workbench.open(self._settings, self.huey.name, self._reader))
        super().initialize()
        log.info("worker ready", pid=os.getpid())

    def loop(self, now: Any = None) -> None:
        """One message and its job. A message that came while the worker was told to stop is for the others."""
        if self._drained:
            raise WorkerRecycle
        task = self._message()
        if task is None:
            if self._away or not self.huey.storage.blocking:
                self.sleep()
        elif self.stop_flag.is_set() or self._drained:
            with suppress(*queues.ERRORS):
                self.huey.enqueue(task)
        else:
            self.delay = self.default_delay
            self.huey.execute(task, now)

    def _message(self) -> Task | None:
        try:
            task = self.huey.dequeue()
        except ValueError:
            log.warning("message refused", queue=self.huey.name)
            return None
        except queues.ERRORS as error:
            if not self._away:
                log.warning("queue away", queue=self.huey.name, error=type(error).__name__)
            self._away = True
            return None
        if self._away:
            log.info("queue back", queue=self.huey.name)
        self._away = False
        return task

    @property
    def _drained(self) -> bool:
        return any(bench.pulse.draining for bench in self._bench)

    def interrupt(self) -> None:
        """The time of the running job is up."""
        if self._bench:
            self._bench[0].interrupt()

    def shutdown(self) -> None:
        """Closes the workbench and ends the process. Not clean when it died of a fault, or something hung."""
        clean = [bench.shut_down() for bench in self._bench]
        leave(clean=all(clean) and (self.stop_flag.is_set() or self._drained))


class Sweeper(Scheduler):  # type: ignore[misc]
    """In the place of Huey's scheduler, which loses what it holds when it is killed: sweeps once a second."""

    _runtime: Runtime | None = None

    def prepare(self, settings: Settings) -> None:
        """Says what it will need; opened only in its own process."""
        self._settings, self._parent = settings, os.getpid()

    def initialize(self) -> None:
        """Opens what a sweep needs, in its own process."""
        die_with_parent(self._parent)
        exposition.serve(self._settings)
        self._runtime = open_runtime(self._settings, pools.SWEEPER)
        self._runtime.hang(queues.Bell(self._settings, self.huey.name))
        courier = Courier(self._runtime)
        courier.start()
        self._runtime.on_close("courier", courier.stop)

    def loop(self, now: Any = None) -> None:  # noqa: ARG002  Huey's own tests give a time
        """One sweep and what else is due, then a pause."""
        started = time.monotonic()
        if self._runtime is not None:
            upkeep.try_sweep(self._runtime)
            upkeep.run_due(self._runtime, self.stop_flag.is_set)
        self.sleep_for_interval(started, self.interval)

    def interrupt(self) -> None:
        """A sweep holds nothing that could be given back."""

    def shutdown(self) -> None:
        """Closes what was opened and ends the process."""
        clean = self._runtime is None or self._runtime.shut_down(CLOSE_SECONDS)
        leave(clean=clean and self.stop_flag.is_set())
