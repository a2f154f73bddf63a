"""The bells: one Huey queue for each kind, over Redis when it is configured and over SQLite otherwise.

A message is the id of a job and nothing else (R4): what a stranger writes into the queue can at most make a worker ask
the ledger for a job that is not to be had. Huey's own schedule, retries, results and locks are not used: a message that
is lost costs a sweep, one that is repeated costs an UPDATE that moves nothing.
"""

from __future__ import annotations

import sqlite3
import uuid
from typing import Any

from huey import Huey
from huey.registry import Message
from huey.serializer import Serializer
from huey.storage import RedisStorage, SqliteStorage

from akount import connections
from akount.kinds import QUEUES
from akount.lifecycle import Runtime
from config import Settings

TASK = "akount.tasks.scan.scan"
"""The one task; its name is fixed here so that it does not depend on how the worker was started."""
ERRORS = (*connections.FAULTS, sqlite3.Error)
"""Away, or there and refusing, such as a Redis that is full."""


class IdSerializer(Serializer):  # type: ignore[misc]
    """A message is a job's id in plain text; anything else is refused."""

    def _serialize(self, data: Message) -> bytes:
        return str(data.args[0]).encode()

    def _deserialize(self, data: bytes) -> Message:
        job_id = uuid.UUID(bytes(data).decode("ascii"))
        return Message(id=str(job_id), name=TASK, args=(str(job_id),), kwargs={})


class Queue(Huey):  # type: ignore[misc]
    """A Huey queue that never asks its storage whether a task was revoked: that is the ledger's business."""

    def is_revoked(self, *_args: Any, **_kwargs: Any) -> bool:
        """Never."""
        return False


def open_queue(settings: Settings, name: str, *, consumer: bool = False) -> Queue:
    """The queue of that name. A producer gives up after 250 ms; a consumer waits for messages."""
    if settings.redis is None:
        settings.directory.mkdir(parents=True, exist_ok=True)
        options: dict[str, Any] = {"storage_class": SqliteStorage, "filename": str(settings.directory / "queue.db"), "fsync": False}
    else:
        pool = connections.redis_pool(settings, timeout=5.0 if consumer else 0.25, retries=0 if consumer else 1)
        options = {"storage_class": RedisStorage, "connection_pool": pool, "clean_name": False}
    return Queue(name, results=False, serializer=IdSerializer(), **options)


class Bell:
    """Rings for the jobs of one queue, and never fails: the ledger knows of the job, the sweep rings again."""

    def __init__(self, settings: Settings, name: str) -> None:
        self.name = name
        self._queue = open_queue(settings, name)
        self._outage = connections.Outage("queue", queue=name)

    def ring(self, job_id: uuid.UUID) -> bool:
        """Tells the workers of a job. False: the queue is away, or was a moment ago."""
        if self._outage.resting():
            return False
        try:
            self._queue.storage.enqueue(str(job_id).encode())
        except ERRORS as error:
            self._outage.begin(error)
            return False
        self._outage.end()
        return True

    def length(self) -> int | None:
        """Messages that wait; None: the queue is away."""
        try:
            return int(self._queue.storage.queue_size())
        except ERRORS:
            return None

    def close(self) -> None:
        """Lets go of its connections."""
        storage = self._queue.storage
        storage.close()
        if isinstance(storage, RedisStorage):
            storage.pool.disconnect()


def hang_bells(runtime: Runtime) -> None:
    """Hangs up the bell of every queue."""
    for name in QUEUES:
        runtime.hang(Bell(runtime.settings, name))
