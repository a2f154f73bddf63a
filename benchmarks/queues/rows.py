"""The job row that an application with a plain queue keeps: made at submission, moved at start and end, one result.

One commit to submit, one to start, one to end; no lease, no fence, no attempts. `Core` is written as most would write
it today (SQLAlchemy Core, a pool), `Raw` as lean as psycopg2 allows: one round trip for each step.
"""

from __future__ import annotations

import datetime as dt
import functools
import os
import time
import uuid
from typing import Any, Protocol

from sqlalchemy import (
    Column,
    DateTime,
    Double,
    Engine,
    ForeignKey,
    Index,
    MetaData,
    String,
    Table,
    Uuid,
    create_engine,
    event,
    insert,
    update,
)

metadata = MetaData()
jobs = Table(
    "jobs",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("status", String(20), nullable=False),
    Column("worker", String(80)),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("started_at", DateTime(timezone=True)),
    Column("finished_at", DateTime(timezone=True)),
    Index("ix_jobs_status", "status", "created_at"),
)
results = Table(
    "results",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("job_id", Uuid, ForeignKey("jobs.id"), nullable=False),
    Column("worker", String(80), nullable=False),
    Column("ran_at", Double, nullable=False),
)
"""`ran_at`: when the work itself began, seconds since 1970. A job that ran twice has two results."""


class Keeper(Protocol):
    """Keeps the job row."""

    def enter(self, job_id: uuid.UUID) -> None: ...

    def start(self, job_id: uuid.UUID, worker: str) -> None: ...

    def end(self, job_id: uuid.UUID, worker: str, ran_at: float) -> None: ...


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def open_engine(url: str) -> Engine:
    """SQLite as durable as our own: write-ahead log, every commit on the disk. Postgres: past the walls between our
    tenants; the rows of the others know none."""
    if url.startswith("sqlite"):
        engine = create_engine(url)
        event.listen(engine, "connect", _careful)
        return engine
    return create_engine(url.replace("postgresql://", "postgresql+psycopg2://"), connect_args={"options": "-c akount.tenant=*"})


def _careful(connection: Any, _record: Any) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
        connection.execute(f"PRAGMA {pragma}").close()


def lay_out(url: str, *tables: Table) -> None:
    """Makes the tables (all of them unless some are named)."""
    engine = open_engine(url)
    metadata.create_all(engine, tables=tables or None)
    engine.dispose()


class Core:
    """With SQLAlchemy Core and its pool."""

    def __init__(self, url: str) -> None:
        self._engine = open_engine(url)

    def enter(self, job_id: uuid.UUID) -> None:
        with self._engine.begin() as connection:
            connection.execute(insert(jobs).values(id=job_id, status="waiting", created_at=now()))

    def start(self, job_id: uuid.UUID, worker: str) -> None:
        with self._engine.begin() as connection:
            connection.execute(update(jobs).where(jobs.c.id == job_id).values(status="active", worker=worker, started_at=now()))

    def end(self, job_id: uuid.UUID, worker: str, ran_at: float) -> None:
        with self._engine.begin() as connection:
            connection.execute(update(jobs).where(jobs.c.id == job_id).values(status="completed", finished_at=now()))
            connection.execute(insert(results).values(id=uuid.uuid4(), job_id=job_id, worker=worker, ran_at=ran_at))


class Raw:
    """With psycopg2 alone; Postgres only."""

    def __init__(self, url: str) -> None:
        import psycopg2

        self._connection = psycopg2.connect(url)
        self._connection.autocommit = True

    def _tell(self, statement: str, *values: object) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(statement, [str(value) if isinstance(value, uuid.UUID) else value for value in values])

    def enter(self, job_id: uuid.UUID) -> None:
        self._tell("INSERT INTO jobs (id, status, created_at) VALUES (%s, 'waiting', %s)", job_id, now())

    def start(self, job_id: uuid.UUID, worker: str) -> None:
        self._tell("UPDATE jobs SET status = 'active', worker = %s, started_at = %s WHERE id = %s", worker, now(), job_id)

    def end(self, job_id: uuid.UUID, worker: str, ran_at: float) -> None:
        self._tell(
            "BEGIN; UPDATE jobs SET status = 'completed', finished_at = %s WHERE id = %s;"
            "INSERT INTO results (id, job_id, worker, ran_at) VALUES (%s, %s, %s, %s); COMMIT",
            *(now(), job_id, uuid.uuid4(), job_id, worker, ran_at),
        )


@functools.cache
def keeper() -> Keeper:
    """This process's own, by DATABASE_URL and ROW_KEEPER; not to be asked for before a fork."""
    return (Raw if os.environ.get("ROW_KEEPER") == "raw" else Core)(os.environ["DATABASE_URL"])


def carry_out(job_id: str, worker: int | None = None) -> None:
    """The job: active, nothing done, completed with a result. `worker` (a process id): who does it, if not this process."""
    job, name = uuid.UUID(job_id), str(worker or os.getpid())
    keeper().start(job, name)
    ran_at = time.time()
    keeper().end(job, name, ran_at)
