"""How a process speaks to its database: connections, what they are told, and foreign errors in our words."""

from __future__ import annotations

import functools
import re
import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Dialect, Engine, create_engine, event
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import DatabaseError, DBAPIError, InterfaceError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import NullPool

from akount.db.wall import SEES_ALL, seen
from akount.errors import SettingsError, Unavailable

READ_ONLY, PATIENCE = "akount_read_only", "akount_patience"
"""What a snapshot says of itself to whoever begins it."""
TOLD = "told"
SQLITE_BUSY_SECONDS = 30
POOL_PARAMETERS = ("connection_limit", "pool_timeout", "connect_timeout")
QUERY_CANCELED = "57014"
TRUST_SECONDS = 30


def engine_url(url: str) -> URL:
    """The URL as SQLAlchemy wants it: 2.1 reads postgresql:// as psycopg 3 and knows no postgres://."""
    return make_url(re.sub(r"^postgres(ql)?://", "postgresql+psycopg2://", url))


@dataclass(frozen=True, slots=True)
class Pool:
    """How a process holds its connections to Postgres (C5); times are seconds. Size 0: it keeps none."""

    size: int = 5
    overflow: int = 5
    timeout: float = 10
    connect_timeout: int = 10
    statement_timeout: int = 15

    @property
    def most(self) -> int:
        """Connections at once."""
        return self.size + self.overflow

    def asked(self, url: str) -> Pool:
        """The same, unless the URL's `connection_limit`, `pool_timeout` and `connect_timeout`, as Prisma's, say otherwise.
        Raises SettingsError for one that is no whole number above zero."""
        query = engine_url(url).query
        said = {name: str(query[name]) for name in POOL_PARAMETERS if name in query}
        if not all(value.isdecimal() and int(value) > 0 for value in said.values()):
            raise SettingsError(f"DATABASE_URL: {', '.join(POOL_PARAMETERS)} must be whole numbers above zero.")
        limit = int(said["connection_limit"]) if "connection_limit" in said else None
        return replace(
            self,
            size=self.size if limit is None else limit,
            overflow=self.overflow if limit is None else 0,
            timeout=float(said.get("pool_timeout", self.timeout)),
            connect_timeout=int(said.get("connect_timeout", self.connect_timeout)),
        )

    def at_most(self, connections: int) -> Pool:
        """The same, for a process that needs no more than so many at once."""
        size = min(self.size, connections)
        return replace(self, size=size, overflow=min(self.overflow, connections - size))


@contextmanager
def translated() -> Iterator[None]:
    """Foreign errors in our words: Unavailable, with what to do."""
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeoutError) as error:
        if getattr(getattr(error, "orig", None), "pgcode", None) == QUERY_CANCELED:
            raise Unavailable(
                "The database took too long over this and was stopped; ask for less at once, or try again later.",
                code="database_too_slow",
            ) from error
        raise Unavailable("The database does not answer; try again in a moment.", code="database_unavailable") from error
    except DBAPIError as error:
        if error.connection_invalidated or type(error) is DatabaseError:  # the bare class: the file is no database, or damaged
            raise Unavailable("The database went away; try again in a moment.", code="database_unavailable") from error
        raise


def make_directory(url: URL) -> None:
    """The directory of an SQLite file."""
    if url.get_backend_name() == "sqlite" and url.database:
        try:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable("The directory of the database cannot be made.", code="database_unavailable") from error


def make_engine(url: URL, pool: Pool) -> Engine:
    """A way to the database, with all that SQLite or Postgres is to be told."""
    options: dict[str, Any] = {} if pool.size else {"poolclass": NullPool}
    options["hide_parameters"] = True  # an error with its traceback goes into the log: no document text in it (H6)
    if url.get_backend_name() == "sqlite":
        make_directory(url)
        engine = create_engine(url, connect_args={"timeout": SQLITE_BUSY_SECONDS}, **options)
        event.listen(engine, "connect", _sqlite_connect)
        event.listen(engine, "begin", _sqlite_begin)
        return engine
    if pool.size:
        options |= {"pool_size": pool.size, "max_overflow": pool.overflow, "pool_timeout": pool.timeout, "pool_recycle": 1800}
    limit = pool.statement_timeout * 1000
    arguments = {
        "connect_timeout": pool.connect_timeout,
        "application_name": "akount",
        # a process that is frozen in the middle of a transaction would keep its locks for ever: no engine works in one
        "options": f"-c statement_timeout={limit} -c idle_in_transaction_session_timeout={limit} -c timezone=UTC "
        f"-c akount.tenant={SEES_ALL}",
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
    }
    engine = create_engine(url, connect_args=arguments, **options)
    event.listen(engine, "checkin", lambda _connection, record: record.info.update(used=time.monotonic()))
    event.listen(engine, "checkout", functools.partial(_try_line, engine.dialect))
    event.listen(engine, "begin", _postgres_begin)
    event.listen(engine, "before_cursor_execute", _tell, retval=True)
    return engine


def _postgres_begin(connection: Connection) -> None:
    """Nothing is sent yet: what Postgres is to be told goes with the first statement of a transaction, and with each of a
    snapshot, which is a transaction of its own and by itself: no BEGIN and no ROLLBACK around it. Which of both it is, is
    said to the driver at each beginning, so that no line keeps what was said before."""
    said = connection.get_execution_options()
    reads, seconds = said.get(READ_ONLY, False), said.get(PATIENCE)
    alone = reads or said.get("isolation_level") == "AUTOCOMMIT"  # for what Postgres does outside of transactions only
    connection.connection.dbapi_connection.autocommit = alone  # type: ignore[union-attr]
    told = ["SET LOCAL transaction_read_only = on; "] if reads else []
    told += [f"SET LOCAL akount.tenant = '{seen()}'; "] if seen() != SEES_ALL else []
    told += [f"SET LOCAL statement_timeout = {round(seconds * 1000)}; "] if seconds is not None else []
    connection.info[TOLD] = "".join(told)


def _tell(connection: Connection, cursor: Any, statement: str, parameters: Any, *context: Any) -> tuple[str, Any]:
    told = connection.info[TOLD]
    if not connection.get_execution_options().get(READ_ONLY):
        connection.info[TOLD] = ""
    if told and (context[-1] or cursor.name):  # sent once for each row, or declared as a cursor: nothing can go with it
        connection.exec_driver_sql(told)
        told = ""
    return told + statement, parameters


def _try_line(dialect: Dialect, connection: Any, record: Any, _proxy: Any) -> None:
    """A connection is tried before it is used (C5): by a question, unless it was used just now and nothing has come over
    it since. A server that went away says so, or the system does: either is something to read."""
    if time.monotonic() - record.info.get("used", -TRUST_SECONDS) < TRUST_SECONDS and _is_silent(connection):
        return
    try:
        alive = dialect.do_ping(connection)
    except dialect.loaded_dbapi.Error as error:
        raise InvalidatePoolError from error
    if not alive:
        raise InvalidatePoolError


def _is_silent(connection: Any) -> bool:
    if connection.closed:
        return False
    line = select.poll()
    line.register(connection.fileno(), select.POLLIN | select.POLLHUP | select.POLLERR)
    return not line.poll(0)


def _sqlite_connect(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions are begun by _sqlite_begin, not by the driver
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={SQLITE_BUSY_SECONDS * 1000}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _sqlite_begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN" if connection.get_execution_options().get(READ_ONLY) else "BEGIN IMMEDIATE")
