"""The database of a process: two ways in, to write and to read."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace

from sqlalchemy import text
from sqlalchemy.engine import URL
from sqlalchemy.orm import Session, sessionmaker

from akount.db.columns import now
from akount.db.engines import PATIENCE, POOL_PARAMETERS, READ_ONLY, Pool, engine_url, make_engine, translated


class Database:
    """One process's way to the database. Never shared across a fork: open one in each process."""

    def __init__(self, url: str, *, pooled: bool = True, connect_timeout: int | None = None, pool: Pool | None = None) -> None:
        pool = pool or Pool().asked(url)
        pool = pool if pooled else pool.at_most(0)
        self.url: URL = engine_url(url).difference_update_query(POOL_PARAMETERS)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = make_engine(self.url, replace(pool, connect_timeout=connect_timeout or pool.connect_timeout))
        self._in_line: AbstractContextManager[None] = _Line(self.url) if self.sqlite else nullcontext()
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)
        self._process = os.getpid()

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session whose work is committed at the end, or not at all."""
        self._require_own_process()
        with translated(), self._in_line, self._sessions.begin() as session:
            yield session

    @contextmanager
    def snapshot(self, statement_seconds: float | None = None) -> Iterator[Session]:
        """A session to read with; it takes no lock that a writer could wait for. Postgres cancels a statement in it that
        takes longer than `statement_seconds`, where the caller is less patient than the pool; SQLite does not."""
        self._require_own_process()
        with translated(), self._sessions() as session:
            session.connection(execution_options={READ_ONLY: True, PATIENCE: statement_seconds})
            yield session

    def ping(self) -> None:
        """Raises Unavailable unless the database answers."""
        with self.snapshot() as session:
            session.execute(text("SELECT 1"))

    def allowed_connections(self) -> int | None:
        """How many connections the server lets everybody have together; None: SQLite, which does not count them."""
        if self.sqlite:
            return None
        with self.snapshot() as session:
            most, *kept = session.execute(
                text(
                    "SELECT current_setting('max_connections')::int, current_setting('superuser_reserved_connections')::int, "
                    "coalesce(current_setting('reserved_connections', true)::int, 0)"  # since Postgres 16
                )
            ).one()
        return int(most - sum(kept))

    def load(self) -> tuple[int, int, float]:
        """How many connections of the server are used, how many it allows, and for how long the longest statement of this
        database has run. Raises Unavailable."""
        with self.snapshot() as session:
            used, longest = session.execute(
                text(
                    "SELECT count(*) FILTER (WHERE backend_type = 'client backend'), coalesce(extract(epoch FROM max("
                    "clock_timestamp() - query_start) FILTER (WHERE state = 'active' AND datname = current_database())), 0) "
                    "FROM pg_stat_activity"
                )
            ).one()
        return used, self.allowed_connections() or 0, float(longest)

    def skew(self) -> float:
        """So many seconds this machine's clock is ahead of the server's. Raises Unavailable."""
        if self.sqlite:
            return 0.0
        started = now()
        with self.snapshot() as session:
            session.execute(text("SELECT 1"))  # the connection is there
            started = now()
            there = session.scalar(text("SELECT clock_timestamp()"))
        return float((started + (now() - started) / 2 - there).total_seconds())

    def is_walled(self) -> bool:
        """Whether row-level security holds for the role that this connects as: it does not for a superuser. SQLite: no."""
        if self.sqlite:
            return False
        with self.snapshot() as session:
            query = "SELECT NOT (rolsuper OR rolbypassrls) FROM pg_roles WHERE rolname = current_user"
            return bool(session.scalar(text(query)))

    def _require_own_process(self) -> None:
        """Two processes that speak over one socket would read each other's answers."""
        if os.getpid() != self._process:
            raise RuntimeError("a Database of another process: each process opens its own, after the fork")

    def close(self) -> None:
        """Gives every connection back to the system."""
        self.engine.dispose()
        if isinstance(self._in_line, _Line):
            self._in_line.close()


class _Line(AbstractContextManager[None]):
    """Where those who want to write to SQLite stand in line, of every thread and process.

    SQLite itself has all but one sleep and try again, without order: of 16 clients some waited for three seconds."""

    def __init__(self, url: URL) -> None:
        self._here = threading.Lock()
        self._path = f"{url.database}.lock" if url.database else None
        self._file: int | None = None

    def __enter__(self) -> None:
        self._here.acquire()
        try:
            if self._path and self._file is None:
                self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if self._file is not None:
                fcntl.flock(self._file, fcntl.LOCK_EX)
        except OSError:
            self._file = None  # a directory that cannot be written is for SQLite to report

    def __exit__(self, *_exc: object) -> None:
        if self._file is not None:
            fcntl.flock(self._file, fcntl.LOCK_UN)
        self._here.release()

    def close(self) -> None:
        """Leaves the line for good."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
