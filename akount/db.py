"""The database: one engine a process, two ways in (to write, to read), and the schema it must have.

SQLite runs in WAL mode and starts every writing transaction with BEGIN IMMEDIATE: with the driver's defaults
concurrent updates were lost. Foreign errors become `Unavailable` here and nowhere else.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import functools
import os
import re
import select
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import DateTime, Dialect, Engine, MetaData, String, TypeDecorator, create_engine, event, text
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import DatabaseError, DBAPIError, InterfaceError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import NullPool

from akount.errors import SettingsError, Unavailable

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
READ_ONLY, PATIENCE = "akount_read_only", "akount_patience"
"""What a snapshot says of itself to whoever begins it."""
TOLD = "told"
SQLITE_BUSY_SECONDS = 30
POOL_PARAMETERS = ("connection_limit", "pool_timeout", "connect_timeout")
QUERY_CANCELED = "57014"
TRUST_SECONDS = 30

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Instant(TypeDecorator[dt.datetime]):
    """An instant in UTC; SQLite keeps no zone, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:  # noqa: ARG002
        """Refuses an instant without a zone."""
        if value is not None and value.tzinfo is None:
            raise ValueError("an instant without a zone")
        return None if value is None else value.astimezone(dt.UTC)

    def process_result_value(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:  # noqa: ARG002
        """The instant, in UTC."""
        return None if value is None else value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


class Exact(TypeDecorator[Decimal]):
    """A decimal kept as text: SQLite would turn it into a float."""

    impl = String(64)
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Plain digits, no exponent."""
        return None if value is None else format(value, "f")

    def process_result_value(self, value: str | None, dialect: Dialect) -> Decimal | None:  # noqa: ARG002
        """The decimal."""
        return None if value is None else Decimal(value)


def now() -> dt.datetime:
    """This instant, in UTC."""
    return dt.datetime.now(dt.UTC)


SEES_ALL = "*"
_seen: ContextVar[str] = ContextVar("seen", default=SEES_ALL)


def see_only(tenant_id: uuid.UUID) -> None:
    """From now on this thread's sessions see and write the rows of one tenant only: Postgres keeps it (migration 0006),
    also where a filter was forgotten. SQLite has no such wall."""
    _seen.set(str(tenant_id))


def see_all() -> None:
    """From now on this thread's sessions see the rows of every tenant: who works for all, and who asks who somebody is."""
    _seen.set(SEES_ALL)


@contextmanager
def seeing_all() -> Iterator[None]:
    """Inside the block this thread's sessions see the rows of every tenant: for what is nobody's in particular."""
    before = _seen.set(SEES_ALL)
    try:
        yield
    finally:
        _seen.reset(before)


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


class Database:
    """One process's way to the database. Never shared across a fork: open one in each process."""

    def __init__(self, url: str, *, pooled: bool = True, connect_timeout: int | None = None, pool: Pool | None = None) -> None:
        pool = pool or Pool().asked(url)
        pool = pool if pooled else pool.at_most(0)
        self.url: URL = engine_url(url).difference_update_query(POOL_PARAMETERS)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = _engine(self.url, replace(pool, connect_timeout=connect_timeout or pool.connect_timeout))
        self._in_line: AbstractContextManager[None] = _Line(self.url) if self.sqlite else nullcontext()
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)
        self._process = os.getpid()

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session whose work is committed at the end, or not at all."""
        self._require_own_process()
        with _translated(), self._in_line, self._sessions.begin() as session:
            yield session

    @contextmanager
    def snapshot(self, statement_seconds: float | None = None) -> Iterator[Session]:
        """A session to read with; it takes no lock that a writer could wait for. Postgres cancels a statement in it that
        takes longer than `statement_seconds`, where the caller is less patient than the pool; SQLite does not."""
        self._require_own_process()
        with _translated(), self._sessions() as session:
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


@contextmanager
def _translated() -> Iterator[None]:
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


def _make_directory(url: URL) -> None:
    """The directory of an SQLite file."""
    if url.get_backend_name() == "sqlite" and url.database:
        try:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable("The directory of the database cannot be made.", code="database_unavailable") from error


def _engine(url: URL, pool: Pool) -> Engine:
    options: dict[str, Any] = {} if pool.size else {"poolclass": NullPool}
    options["hide_parameters"] = True  # an error with its traceback goes into the log: no document text in it (H6)
    if url.get_backend_name() == "sqlite":
        _make_directory(url)
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
    told += [f"SET LOCAL akount.tenant = '{_seen.get()}'; "] if _seen.get() != SEES_ALL else []
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


def _alembic(url: URL) -> AlembicConfig:
    config = AlembicConfig()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = url
    return config


def migrate(url: str, revision: str = "head", *, down: bool = False) -> None:
    """Brings the schema up to a revision (`head`: the newest), or `down` to an older one (`base`: to nothing). Raises
    SettingsError for a revision that there is not."""
    made = engine_url(url).difference_update_query(POOL_PARAMETERS)
    _make_directory(made)
    try:
        with _translated():
            (command.downgrade if down or revision == "base" else command.upgrade)(_alembic(made), revision)
    except CommandError as error:
        raise SettingsError(f"There is no revision {revision} to go to: {error}.") from error


@functools.cache
def head() -> str:
    """The revision this program needs. All migrations are read for it: once, and not whenever somebody asks for our health."""
    return ScriptDirectory(str(MIGRATIONS)).get_current_head() or ""


def schema_revision(database: Database) -> tuple[str | None, str]:
    """The revision the database has and the one this program needs. Alembic describes its table anew for each question: a
    cache of statements would keep every one, and each look at our health would cost memory."""
    with _translated(), database.engine.connect() as connection:
        connection.execution_options(compiled_cache=None)
        return MigrationContext.configure(connection).get_current_revision(), head()


def require_head(database: Database) -> None:
    """Refuses to go on with a schema that this program was not written for."""
    current, needed = schema_revision(database)
    if current != needed:
        raise SettingsError(
            f"The database schema is at {current or 'nothing'}, this program needs {needed}: run `python -m akount migrate`."
        )
