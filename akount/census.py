"""What the database says of the queues at an instant: how many jobs, how long the oldest waits, how many workers live (H7).

`Census` counts exactly, for monitors. `Snapshot` is what the head of every console page shows: it counts no further than
CAP, so that it costs the same with a million jobs, and one serves everybody who looks within a few seconds.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from akount import backlog, workers
from akount.db import Database, now, seeing_all
from akount.errors import Unavailable
from akount.kinds import QUEUES
from akount.models import JobStatus, Pause

CAP = 10_000
"""So far is counted; what is more is "10k+"."""
FRESH_SECONDS, SLOW_SECONDS = 4.0, 15.0
"""So long a snapshot serves, and so long what is counted of the past: the sweepers add to it no more often."""
STILL = 3
"""What comes out the same again and again is asked for less often, at last by so many times."""
KEPT = 500
"""So much is kept in a process, of all tenants together."""
Key = tuple[str, uuid.UUID | None]
Kept = TypeVar("Kept")


@dataclass(frozen=True, slots=True)
class Census:
    """By queue; a queue with nothing to say is absent."""

    jobs: dict[str, dict[str, int]]
    "by status"
    oldest_wait: dict[str, float]
    "seconds"
    workers: dict[str, int]


def take(session: Session) -> Census:
    """The census of this instant."""
    at = now()
    oldest = {queue: max(0.0, (at - due).total_seconds()) for queue, due in backlog.oldest_due(session).items()}
    return Census(backlog.counts(session), oldest, workers.alive(session))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one tenant, or with none everybody, has in the queues; by queue."""

    at: dt.datetime = field(compare=False)
    jobs: dict[str, dict[str, int]]
    "by status, each counted up to CAP; failed: those that nobody has discarded"
    oldest: dict[str, dt.datetime]
    "since when the job that waits longest is due"
    workers: dict[str, int]
    "that live; they work for all tenants"
    review: int
    "records that a person must look at, up to CAP"
    pauses: tuple[Pause, ...]
    "in force"

    def total(self, *statuses: JobStatus | str, queue: str | None = None) -> int:
        """Jobs of these statuses, in one queue or in all."""
        queues: Iterable[str] = self.jobs if queue is None else [queue]
        return sum(self.jobs.get(name, {}).get(str(status), 0) for name in queues for status in statuses)

    @property
    def oldest_of_all(self) -> dt.datetime | None:
        """Since when the job that waits longest in any queue is due."""
        return min(self.oldest.values(), default=None)


def look(session: Session, tenant_id: uuid.UUID | None) -> Snapshot:
    """The snapshot of this instant."""
    return Snapshot(
        at=now(),
        jobs=backlog.capped_counts(session, QUEUES, tenant_id, CAP),
        oldest=backlog.longest_due(session, QUEUES, tenant_id),
        workers=workers.alive(session),
        review=backlog.to_review(session, tenant_id, CAP),
        pauses=tuple(pause for pause in backlog.pauses(session) if tenant_id in (None, pause.tenant_id) or pause.tenant_id is None),
    )


class Board:
    """What the console knows, for all who look within a few seconds; one for each process. Who looks while nothing happens
    costs next to nothing. While the database is away the last is shown, and how old it is; never a zero."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._kept: dict[Key, Any] = {}
        self._asked: dict[Key, float] = {}
        self._same: dict[Key, int] = {}
        "how often in a row it came out the same"

    def look(self, tenant_id: uuid.UUID | None) -> Snapshot | None:
        """The snapshot of a tenant, or with none of all; None: nothing was ever known. What holds up a whole queue holds up
        each tenant, although its row is no tenant's."""
        found = self.keep("snapshot", tenant_id, look)
        if found is None or tenant_id is None:
            return found
        with seeing_all():
            queues = self.keep("pauses", None, lambda session, _tenant: backlog.pauses(session)) or []
        return replace(found, pauses=tuple(pause for pause in queues if pause.tenant_id in (None, tenant_id)))

    def keep(
        self,
        name: str,
        tenant_id: uuid.UUID | None,
        make: Callable[[Session, uuid.UUID | None], Kept],
        fresh: float = FRESH_SECONDS,
    ) -> Kept | None:
        """What `make` says, at most every `fresh` seconds, and less often while it says the same; None: it never could. Who
        comes while another asks the database is shown what there is."""
        key = (name, tenant_id)
        if self._is_due(key, fresh):
            try:
                with self._database.snapshot() as session:
                    found = make(session, tenant_id)
            except Unavailable:
                return self._kept.get(key)
            with self._lock:
                self._same[key] = self._same.get(key, 0) + 1 if key in self._kept and found == self._kept[key] else 0
                self._kept[key] = found
        return self._kept.get(key)

    def forget(self, tenant_id: uuid.UUID | None) -> None:
        """The next look asks the database: somebody has changed something."""
        with self._lock:
            for key in [key for key in self._asked if key[1] in (None, tenant_id) or tenant_id is None]:
                del self._asked[key]
                self._same.pop(key, None)

    def _is_due(self, key: Key, fresh: float) -> bool:
        at = time.monotonic()
        with self._lock:
            lasts = fresh * min(1 + self._same.get(key, 0), STILL)
            if at - self._asked.get(key, float("-inf")) < lasts and key in self._kept:
                return False
            if len(self._asked) > KEPT:
                for held in (self._asked, self._kept, self._same):
                    held.clear()
            self._asked[key] = at
            return True
