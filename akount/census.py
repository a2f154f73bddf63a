"""What the database says of the queues at an instant: how many jobs, how long the oldest waits, how many workers live (H7)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from akount import backlog, workers
from akount.db import now


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
