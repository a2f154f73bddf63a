"""One database for all tests of a file, emptied before each: for files with many tests, where a new one each would cost most."""

import pytest
from sqlalchemy import delete, event

from akount.db import Database
from akount.models import (
    Alert,
    Attempt,
    Base,
    Correction,
    Counterparty,
    CounterpartyAccount,
    Decision,
    Delivery,
    Document,
    FailureNote,
    HistoryRow,
    HostedBreaker,
    HostedCall,
    HostedPolicy,
    HostedSpending,
    IdempotencyKey,
    Job,
    Lesson,
    Operation,
    Pause,
    Record,
    RecordLine,
    Schedule,
    Usage,
    Webhook,
    WorkerProcess,
)
from fresh import postgres_copy, sqlite_copy

WORK: tuple[type[Base], ...] = (
    Alert,
    Operation,
    Usage,
    Delivery,
    Webhook,
    Lesson,
    Correction,
    FailureNote,
    HistoryRow,
    Schedule,
    RecordLine,
    Decision,
    Record,
    Attempt,
    WorkerProcess,
    IdempotencyKey,
    HostedCall,
    HostedSpending,
    HostedPolicy,
    HostedBreaker,
    Job,
    Document,
    CounterpartyAccount,
    Counterparty,
    Pause,
)
"""What work leaves behind. People stay: the audit log, which nobody can empty, names them."""


def shared_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """For a fixture with the parameters sqlite and postgres: a database at head."""
    if request.param == "sqlite":
        return sqlite_copy(request.getfixturevalue("sqlite_template"), tmp_path_factory.mktemp("shared"))
    return postgres_copy(request.getfixturevalue("postgres"))


def emptied(url: str) -> str:
    """The same database without any work in it."""
    database = in_a_hurry(Database(url))
    empty(database)
    database.close()
    return url


def empty(database: Database) -> None:
    with database.transaction() as session:
        for table in WORK:
            session.execute(delete(table))


def in_a_hurry(database: Database) -> Database:
    """SQLite without waiting for the disk, where that is not in question."""
    if database.sqlite:
        event.listen(database.engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF").close())
    return database
