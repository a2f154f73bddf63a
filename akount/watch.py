"""Tells those who wait for a job of its changes: one thread a process asks the database for all of them together."""

from __future__ import annotations

import queue
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import select

from akount import logs
from akount.db import Database
from akount.errors import Unavailable
from akount.models import Job

log = logs.get(__name__)

POLL_SECONDS = 0.1


class Watch:
    """One that waits for one job."""

    def __init__(self, version: int) -> None:
        self._changes: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self.version = version
        self.ended = False

    def next(self, timeout: float) -> Job | None:
        """The job after its next change; None when the time is up or the process is stopping (`ended`)."""
        try:
            job = self._changes.get(timeout=timeout)
        except queue.Empty:
            return None
        self.ended = job is None
        return job

    def tell(self, job: Job | None) -> None:
        """From the watching thread: the job has changed; None: the process is stopping."""
        if job is None or job.version > self.version:  # the job may have been read before this watch began
            self._changes.put(job)
        if job is not None:
            self.version = max(job.version, self.version)


class Watcher:
    """The watching thread and those who wait. It sleeps while nobody does, and starts with the first."""

    def __init__(self, database: Database, limit: int) -> None:
        self._database = database
        self._watches: dict[uuid.UUID, set[Watch]] = {}
        self._change = threading.Condition()
        self._places = threading.BoundedSemaphore(limit)
        self._thread: threading.Thread | None = None
        self._ending = False

    @contextmanager
    def watching(self, job: Job) -> Iterator[Watch]:
        """Changes of the job after the version given. Raises Unavailable when this process has no place left."""
        if self._ending or not self._places.acquire(blocking=False):
            raise Unavailable(
                "This process serves as many streams as it can; try again in a moment.", code="too_many_streams", retry_after=2
            )
        watch = Watch(job.version)
        try:
            self._add(job.id, watch)
            yield watch
        finally:
            self._remove(job.id, watch)
            self._places.release()

    def close(self) -> None:
        """Ends every wait at once, so that clients reconnect elsewhere."""
        with self._change:
            self._ending = True
            for watches in self._watches.values():
                for watch in watches:
                    watch.tell(None)
            self._change.notify()
        if self._thread is not None:
            self._thread.join(timeout=1)  # it may hang in the database: nobody waits for it any more

    def _add(self, job_id: uuid.UUID, watch: Watch) -> None:
        with self._change:
            self._watches.setdefault(job_id, set()).add(watch)
            if self._ending:  # closed since it was let in
                watch.tell(None)
                return
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)
                self._thread.start()
            self._change.notify()

    def _remove(self, job_id: uuid.UUID, watch: Watch) -> None:
        with self._change:
            self._watches[job_id].discard(watch)
            if not self._watches[job_id]:
                del self._watches[job_id]

    def _run(self) -> None:
        away = False
        while True:
            with self._change:
                self._change.wait_for(lambda: self._ending or bool(self._watches))
                if self._ending:
                    return
                wanted = list(self._watches)
            try:
                self._tell(wanted)
                away = False
            except Unavailable as error:
                if not away:
                    log.warning("watching interrupted", code=error.code)
                away = True
            with self._change:
                self._change.wait_for(lambda: self._ending, timeout=POLL_SECONDS)

    def _tell(self, wanted: list[uuid.UUID]) -> None:
        with self._database.snapshot() as session:
            jobs = session.scalars(select(Job).where(Job.id.in_(wanted))).all()
        with self._change:
            for job in jobs:
                for watch in self._watches.get(job.id, ()):
                    watch.tell(job)
