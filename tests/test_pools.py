"""Connections to the database: how many, how patient, never shared by two processes, and whether the server has enough (C5)."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

import config
from akount import pools
from akount.db import Database, Pool, engines
from akount.errors import Unavailable
from fresh import make_settings
from servers import Server
from test_cli import Shell


@pytest.fixture
def settings(tmp_path: Path, postgres: Server) -> config.Settings:
    return make_settings(tmp_path, postgres.url)


@pytest.fixture
def database(settings: config.Settings) -> Iterator[Database]:
    opened = pools.open_database(settings)
    yield opened
    opened.close()


def test_a_process_has_five_connections_and_five_more_by_default(database: Database, settings: config.Settings) -> None:
    assert pools.pool_of(settings) == Pool(size=5, overflow=5, timeout=10, connect_timeout=10, statement_timeout=15)
    held = [database.engine.connect() for _ in range(10)]
    database.engine.pool._timeout = 0.1  # type: ignore[attr-defined]
    with pytest.raises(Unavailable):
        database.ping()
    for connection in held:
        connection.close()
    assert database.engine.pool.checkedin() == 5  # type: ignore[attr-defined]
    assert database.engine.pool._recycle == 1800  # type: ignore[attr-defined]


def test_every_number_is_a_setting_and_the_url_wins(tmp_path: Path) -> None:
    said = {
        "DATABASE_POOL_SIZE": "2",
        "DATABASE_MAX_OVERFLOW": "1",
        "DATABASE_POOL_TIMEOUT_SECONDS": "3",
        "DATABASE_CONNECT_TIMEOUT_SECONDS": "4",
        "DATABASE_STATEMENT_TIMEOUT_SECONDS": "7",
    }
    url = "postgresql://u@h/d"
    assert pools.pool_of(make_settings(tmp_path, url, **said)) == Pool(2, 1, 3, 4, 7)
    url += "?connection_limit=8&pool_timeout=9&connect_timeout=6"
    assert pools.pool_of(make_settings(tmp_path, url, **said)) == Pool(8, 0, 9, 6, 7)


@pytest.mark.parametrize(
    ("size", "overflow", "most", "expected"), [(5, 5, 2, (2, 0)), (1, 5, 2, (1, 1)), (1, 0, 2, (1, 0)), (5, 5, 0, (0, 0))]
)
def test_a_process_that_needs_less_gets_less(size: int, overflow: int, most: int, expected: tuple[int, int]) -> None:
    pool = Pool(size, overflow).at_most(most)
    assert (pool.size, pool.overflow) == expected


def test_a_statement_is_stopped_after_its_time_and_said_in_our_own_words(tmp_path: Path, postgres: Server) -> None:
    database = pools.open_database(make_settings(tmp_path, postgres.url, DATABASE_STATEMENT_TIMEOUT_SECONDS="1"))
    with pytest.raises(Unavailable) as raised, database.snapshot() as session:
        session.execute(sa.text("SELECT pg_sleep(20)"))
    assert raised.value.code == "database_too_slow"
    assert "ask for less" in raised.value.detail
    database.ping()
    database.close()


def test_a_process_that_is_frozen_in_a_transaction_does_not_keep_its_locks(tmp_path: Path, postgres: Server) -> None:
    settings = make_settings(tmp_path, postgres.url, DATABASE_STATEMENT_TIMEOUT_SECONDS="1")
    frozen, other = pools.open_database(settings), pools.open_database(settings)
    query = sa.text("SELECT pg_advisory_xact_lock(20261125)")
    with pytest.raises(Unavailable) as raised, frozen.transaction() as session:
        session.execute(query)
        deadline = time.monotonic() + 30
        while True:
            try:
                with other.transaction() as second:
                    second.execute(query)
                break
            except Unavailable:  # it waits a second for the lock
                assert time.monotonic() < deadline
        session.execute(sa.text("SELECT 1"))
    assert raised.value.code == "database_unavailable"
    frozen.ping()
    frozen.close()
    other.close()


def test_who_is_less_patient_than_the_pool_says_so_for_its_own_statements(database: Database) -> None:
    def patience() -> str:
        with database.snapshot() as session:
            return str(session.scalar(sa.text("SHOW statement_timeout")))

    assert patience() == "15s"
    started = time.monotonic()
    with pytest.raises(Unavailable) as raised, database.snapshot(statement_seconds=0.5) as session:
        session.execute(sa.text("SELECT pg_sleep(12)"))
    assert time.monotonic() - started < 11
    assert raised.value.code == "database_too_slow"
    with database.snapshot(statement_seconds=2) as session:
        assert session.scalar(sa.text("SHOW statement_timeout")) == "2s"
    assert patience() == "15s", "the connection goes back as it was"


def test_sqlite_has_no_such_patience_and_does_not_mind(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'test.db'}")
    with database.snapshot(statement_seconds=2) as session:
        assert session.scalar(sa.text("SELECT 1")) == 1
    database.close()


def test_the_line_is_watched_for_a_server_that_is_gone(database: Database) -> None:
    with database.engine.connect() as connection:
        line = socket.socket(fileno=os.dup(connection.connection.driver_connection.fileno()))  # type: ignore[union-attr]
        with line:
            assert line.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            found = [
                line.getsockopt(socket.IPPROTO_TCP, o) for o in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            ]
    assert found == [30, 10, 3]


def test_a_database_of_another_process_is_refused(database: Database) -> None:
    database.ping()
    pid = os.fork()
    if pid == 0:
        refused = 0
        for way in (database.snapshot, database.transaction):
            try:
                with way():
                    pass
            except RuntimeError:
                refused += 1
        os._exit(refused)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 2
    database.ping()


# --- is it enough for all? ---


def test_the_sum_counts_every_process(tmp_path: Path) -> None:
    url = "postgresql://u@h/d"
    assert pools.wanted(make_settings(tmp_path, url)) == {"web": 2 * (10 + 3 + 3), "workers": 2 * (1 * 2 + 1)}
    many = {"WEB_PROCESSES": "4", "WORKER_PROCESSES": "8", "DATABASE_POOL_SIZE": "20", "DATABASE_MAX_OVERFLOW": "0"}
    assert pools.wanted(make_settings(tmp_path, url, **many)) == {"web": 4 * 26, "workers": 2 * (8 * 2 + 1)}
    assert pools.wanted(make_settings(tmp_path, url + "?connection_limit=1")) == {"web": 2 * 5, "workers": 2 * (1 + 1)}


def test_what_the_server_allows_is_without_what_it_keeps_for_itself(database: Database) -> None:
    with database.snapshot() as session:
        kept = session.scalar(sa.text("SELECT sum(setting::int) FROM pg_settings WHERE name LIKE '%reserved_connections'"))
    assert kept == 3
    assert database.allowed_connections() == 200 - kept


def test_too_many_are_told_once_with_the_numbers_and_what_to_change(settings: config.Settings, tmp_path: Path) -> None:
    few = make_settings(tmp_path, settings.database, WEB_PROCESSES="14", DATABASE_POOL_SIZE="6")
    more = make_settings(tmp_path, settings.database, WEB_PROCESSES="14", DATABASE_POOL_SIZE="6", WORKER_PROCESSES="2")
    database = pools.open_database(few, 0)
    assert pools.compared(few, database) == (False, pools.compared(few, database)[1])
    with capture_logs() as lines:
        pools.warn(few, database)
        pools.warn(settings, database)
    assert [line["log_level"] for line in lines] == ["warning"]
    for word in ("244 connections", "238 for web", "6 for workers", "197 allowed", "max_connections", "DATABASE_POOL_SIZE"):
        assert word in lines[0]["detail"]
    assert "248 connections" in pools.compared(more, database)[1]
    database.close()


def test_exactly_as_many_as_there_are_is_enough(settings: config.Settings, tmp_path: Path) -> None:
    exact = make_settings(tmp_path, settings.database, WEB_PROCESSES="1", DATABASE_POOL_SIZE="185", DATABASE_MAX_OVERFLOW="0")
    one_more = make_settings(tmp_path, settings.database, WEB_PROCESSES="1", DATABASE_POOL_SIZE="186", DATABASE_MAX_OVERFLOW="0")
    database = pools.open_database(exact, 0)
    assert [pools.compared(each, database)[0] for each in (exact, one_more)] == [True, False]
    database.close()


def test_the_sum_is_no_reason_to_fail_when_the_database_is_away(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, "postgresql://akount@127.0.0.1:1/akount")
    database = pools.open_database(settings, 0)
    pools.warn(settings, database)
    database.close()


def test_the_doctor_tells_the_sum(tmp_path: Path, postgres: Server) -> None:
    from fresh import postgres_copy

    said = Shell(tmp_path, DATABASE_URL=postgres_copy(postgres), WEB_PROCESSES="64")("doctor")
    assert "1030 connections at most" in said
    assert "197 allowed: raise max_connections" in said


# --- what the processes really open ---


def test_a_worker_and_a_sweeper_get_along_with_what_they_are_counted_for(database: Database, settings: config.Settings) -> None:
    small = pools.open_database(settings, pools.WORKER)
    both = threading.Barrier(2)

    def hold() -> None:
        with small.snapshot() as session:
            session.execute(sa.text("SELECT 1"))
            both.wait(60)

    threads = [threading.Thread(target=hold) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    small.engine.pool._timeout = 0.1  # type: ignore[attr-defined]
    held = [small.engine.connect() for _ in range(2)]
    with pytest.raises(Unavailable):
        small.ping()
    for connection in held:
        connection.close()
    small.close()


def test_one_kept_for_nobody(settings: config.Settings) -> None:
    none_kept = pools.open_database(settings, 0)
    none_kept.ping()
    assert isinstance(none_kept.engine.pool, sa.NullPool)
    none_kept.close()
    assert engines.QUERY_CANCELED == "57014"
