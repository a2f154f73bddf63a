"""What is done over and over: give back what dead workers held, ring again, take old jobs out of the history, sweep files."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from itertools import islice

from sqlalchemy import select

from akount import alerts, backlog, history, idempotency, ledger, logs, operations, schedules, webhooks, workers
from akount.db import now
from akount.errors import Unavailable
from akount.hosted import gate
from akount.identity import sessions
from akount.kinds import QUEUES
from akount.lifecycle import Rings, Runtime
from akount.models import Document, Schedule

log = logs.get(__name__)

ORPHAN_AGE = dt.timedelta(hours=24)
"""A file without a row is left alone for so long: its upload may still be under way."""
LOOK_SECONDS = 30.0
"""A web process looks so often whether alerts are looked for."""
ORPHANS_AT_ONCE = 500
"""So many files are looked up with one question."""


def sweep(runtime: Runtime) -> int:
    """Gives back jobs of dead workers, does the next bit of a bulk operation, and rings for what is due and was not rung
    lately. Answers how often it rang."""
    with runtime.database.transaction() as session:
        recovered = ledger.recover(session)
    for job_id in recovered:
        log.warning("job of a dead worker given back", job=str(job_id))
    with runtime.database.transaction() as session:
        operations.advance(session)
    return sum(_ring_due(runtime, bell) for bell in runtime.bells.values())


def _ring_due(runtime: Runtime, bell: Rings) -> int:
    """Rings no more often than there are jobs without a message: an emptied queue fills up, a full one does not grow."""
    length = bell.length()
    if length is None:
        return 0
    with runtime.database.snapshot() as session:
        room = backlog.eligible_count(session, bell.name) - length
    if room <= 0:
        return 0
    with runtime.database.transaction() as session:
        due = backlog.to_ring(session, bell.name, room)
    return sum(bell.ring(job_id) for job_id in due)


def prune(runtime: Runtime, stopping: Callable[[], bool] = lambda: False) -> dict[str, int]:
    """Takes old jobs out of the queues' history (R7) and removes files that no document names, unless it is to stop: among
    many files that would take longer than a process may."""
    settings, at = runtime.settings, now()
    with runtime.database.transaction() as session:
        archived = ledger.archive(
            session,
            completed_before=at - dt.timedelta(hours=settings.keep_completed_hours),
            failed_before=at - dt.timedelta(days=settings.keep_failed_days),
            keep=settings.keep_completed_count,
            queues=list(QUEUES),
        )
        forgotten = workers.forget(session)
        idempotency.forget(session)
        gate.forget(session, at - dt.timedelta(days=settings.keep_hosted_calls_days))
        webhooks.forget(session)
        webhooks.renew_secrets(session, runtime.seal)
        sessions.forget(session)
        history.prune(session)
    removed = _remove_orphans(runtime, at - ORPHAN_AGE, stopping)
    unfinished = runtime.storage.sweep_incoming(at - ORPHAN_AGE)
    return {"archived": archived, "orphans": removed, "unfinished": unfinished, "workers": forgotten}


def _remove_orphans(runtime: Runtime, before: dt.datetime, stopping: Callable[[], bool]) -> int:
    """Bit by bit: a bucket may hold millions of files."""
    removed, found = 0, runtime.storage.keys(before)
    while not stopping() and (keys := list(islice(found, ORPHANS_AT_ONCE))):
        with runtime.database.snapshot() as session:
            known = set(session.scalars(select(Document.storage_key).where(Document.storage_key.in_(keys))))
        for key in keys:
            if key not in known:
                runtime.storage.delete(key)
                removed += 1
    return removed


def try_sweep(runtime: Runtime) -> None:
    """A sweep that survives an outage: the next one comes in a second."""
    try:
        sweep(runtime)
    except Unavailable as error:
        log.warning("sweep skipped", code=error.code)


def run_due(runtime: Runtime, stopping: Callable[[], bool] = lambda: False) -> None:
    """Does what is due of `schedules.PLANS` and nobody else has taken. With the database away nothing is."""
    by = ledger.worker_name()
    try:
        with runtime.database.snapshot() as session:
            plans = schedules.due(session)
        for plan in plans:
            with runtime.database.transaction() as session:
                taken = schedules.take(session, plan, by)
            if taken:
                with schedules.round_of(runtime.database, plan, by) as told:
                    told.update(DUTIES[plan.name](runtime, stopping))
    except Unavailable as error:
        log.warning("schedules not looked at", code=error.code)


class Watchman:
    """In a web process: looks whether a sweeper still looks for alerts, and does it in its place when none has come for a while.
    With every worker host down there is no sweeper, and that is what somebody has to be told. Sleeps until the first request.
    `meanwhile` is done in each of its rounds, and first of all."""

    def __init__(self, runtime: Runtime, meanwhile: Callable[[], None] = lambda: None) -> None:
        self._runtime = runtime
        self._meanwhile = meanwhile
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """Begins to look; in the process that serves, after the fork. Does nothing when it does so already."""
        if self._thread is None:
            with self._lock:
                if self._thread is None and not self._over.is_set():
                    self._thread = threading.Thread(target=self._run, name="watchman", daemon=True)
                    self._thread.start()

    def close(self) -> None:
        """Looks no more."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(timeout=1)  # it may hang in the database: nobody waits for it any more

    def look(self) -> bool:
        """Whether nobody had come for the alerts, and this process has looked for them."""
        plan, by = schedules.PLANS["alerts"], ledger.worker_name()
        try:
            with self._runtime.database.transaction() as session:
                late = schedules.missed(plan, session.get(Schedule, plan.name))
                if not (late and schedules.take(session, plan, by)):
                    return False
            with schedules.round_of(self._runtime.database, plan, by) as told:
                told.update(alerts.watch(self._runtime))
        except Unavailable as error:
            log.warning("alerts not looked for", code=error.code)
            return False
        return True

    def _run(self) -> None:
        self._meanwhile()
        while not self._over.wait(LOOK_SECONDS):
            self._meanwhile()
            self.look()


def _history(runtime: Runtime, _stopping: Callable[[], bool]) -> dict[str, int]:
    with runtime.database.transaction() as session:
        return {"attempts": history.roll_minutes(session)}


def _history_hours(runtime: Runtime, _stopping: Callable[[], bool]) -> dict[str, int]:
    with runtime.database.transaction() as session:
        return {"rows": history.roll_hours(session)}


DUTIES: dict[str, Callable[[Runtime, Callable[[], bool]], dict[str, int]]] = {
    "sweep": lambda runtime, _stopping: {"rung": sweep(runtime)},
    "history": _history,
    "history-hours": _history_hours,
    "alerts": lambda runtime, _stopping: alerts.watch(runtime),
    "prune": prune,
}
"""The name of a plan → how it is done."""
