"""What is done over and over: give back what dead workers held, ring again, take old jobs out of the history, sweep files."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from itertools import islice

from sqlalchemy import select

from akount import backlog, idempotency, ledger, logs, operations, workers
from akount.db import now
from akount.errors import Unavailable
from akount.identity import sessions
from akount.kinds import QUEUES
from akount.lifecycle import Rings, Runtime
from akount.models import Document

log = logs.get(__name__)

ORPHAN_AGE = dt.timedelta(hours=24)
"""A file without a row is left alone for so long: its upload may still be under way."""
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
        sessions.forget(session)
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
