"""Both databases keep what they are given, lose no update, and fail in our own words (D5)."""

import datetime as dt
import shutil
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError, StatementError

from akount import accounts, db
from akount.db import Database, Exact, Instant, engines, schema
from akount.errors import SettingsError, Unavailable
from akount.models import ApiKey, AuditEntry, Base, Membership, Role, Tenant, User
from fresh import postgres_copy
from servers import Server, create_database

ROOT = Path(__file__).parent.parent
TABLES = set(Base.metadata.tables)
THREADS, TIMES = 8, 10


@pytest.fixture(scope="module")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("migrated") / "test.db"
    db.migrate(f"sqlite:///{file}")
    return file


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path, migrated_file: Path) -> str:
    """An empty database at head, on both; a copy, because migrating takes longer than most tests."""
    if request.param == "sqlite":
        return f"sqlite:///{shutil.copy(migrated_file, tmp_path / 'test.db')}"
    return postgres_copy(request.getfixturevalue("postgres"))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture(params=["sqlite", "postgres"])
def bare_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without any schema, on both."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'bare.db'}"
    return create_database(request.getfixturevalue("postgres"), f"bare_{uuid.uuid4().hex}")


def tables(url: str) -> set[str]:
    engine = sa.create_engine(db.engine_url(url))
    try:
        return set(sa.inspect(engine).get_table_names()) - {"alembic_version"}
    finally:
        engine.dispose()


def leftovers(url: str) -> list[Any]:
    """Functions and triggers of ours that a database still has."""
    engine = sa.create_engine(db.engine_url(url))
    query = (
        "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        if engine.dialect.name == "sqlite"
        else "SELECT proname FROM pg_proc WHERE proname LIKE 'audit%' UNION SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"
    )
    try:
        with engine.connect() as connection:
            return list(connection.execute(sa.text(query)))
    finally:
        engine.dispose()


def test_the_schema_goes_up_and_down_and_up_again(bare_url: str) -> None:
    db.migrate(bare_url)
    assert tables(bare_url) == TABLES
    assert leftovers(bare_url)
    db.migrate(bare_url, "base")
    assert tables(bare_url) == set()
    assert leftovers(bare_url) == []
    db.migrate(bare_url)
    assert tables(bare_url) == TABLES


def test_people_and_keys_survive_the_migration_of_who_may_come_in(bare_url: str) -> None:
    """Up with what was there, and down with what the older schema has no place for."""
    ids = {name: uuid.uuid4() for name in ("tenant", "ada", "robot", "key", "operator")}
    sql = {name: value.hex for name, value in ids.items()} | {"at": "2025-03-14 08:00:00+00:00"}
    before = """
        INSERT INTO tenants (id, name, created_at) VALUES (:tenant, 'Ada & Co', :at);
        INSERT INTO users (id, email, created_at) VALUES (:ada, 'ada@example.com', :at);
        INSERT INTO memberships (user_id, tenant_id, role, auto_create, hosted_engines, created_at)
            VALUES (:ada, :tenant, 'OWNER', '[]', false, :at);
        INSERT INTO api_keys (id, tenant_id, name, role, hash, created_at) VALUES (:key, :tenant, 'k', 'OWNER', 'a', :at);
        INSERT INTO api_keys (id, tenant_id, name, role, hash, created_at) VALUES (:operator, :tenant, 'o', 'operator', 'b', :at)"""
    db.migrate(bare_url, "0004")
    database = Database(bare_url)
    try:
        run(database, before, sql)
        db.migrate(bare_url, "0005")
        with database.snapshot() as session:
            user = session.get_one(User, ids["ada"])
            assert (user.email, user.operator, user.clerk_id, user.password_hash) == ("ada@example.com", False, None, None)
            assert session.get_one(Membership, (ids["ada"], ids["tenant"])).role_as_of is None
            assert session.get_one(ApiKey, ids["key"]).tenant_id == ids["tenant"]
            assert session.get_one(ApiKey, ids["operator"]).tenant_id is None
        run(database, "INSERT INTO users (id, clerk_id, operator, created_at) VALUES (:robot, 'user_1', false, :at)", sql)
        database.close()
        command.downgrade(schema.alembic_of(database.url), "0004")
        with database.snapshot() as session:
            assert set(session.scalars(sa.text("SELECT email FROM users"))) == {"ada@example.com", "user_1@clerk.invalid"}
            assert list(session.scalars(sa.text("SELECT name FROM api_keys"))) == ["k"]
        db.migrate(bare_url)
    finally:
        database.close()


def run(database: Database, statements: str, values: dict[str, str]) -> None:
    with database.transaction() as session:
        for statement in statements.split(";"):
            session.execute(sa.text(statement), {k: v for k, v in values.items() if f":{k}" in statement})


def test_migrating_twice_changes_nothing(database_url: str) -> None:
    db.migrate(database_url)
    assert tables(database_url) == TABLES


def test_the_migrated_schema_is_that_of_the_models(database: Database) -> None:
    with database.engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []


def test_an_old_schema_is_refused_with_the_command_to_run(bare_url: str) -> None:
    database = Database(bare_url)
    try:
        with pytest.raises(SettingsError, match=r"at nothing.*python -m akount migrate"):
            db.require_head(database)
        db.migrate(bare_url, "0001")
        with pytest.raises(SettingsError, match=r"at 0001.*python -m akount migrate"):
            db.require_head(database)
        db.migrate(bare_url)
        db.require_head(database)
    finally:
        database.close()


def test_a_newer_schema_is_refused_too(database: Database) -> None:
    with database.transaction() as session:
        session.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SettingsError, match="at 9999"):
        db.require_head(database)


def test_asking_for_the_revision_again_and_again_keeps_nothing(database: Database) -> None:
    """Each look at our health asks for it."""
    kept = database.engine._compiled_cache
    assert kept is not None
    database.ping()
    before = len(kept)
    for _ in range(5):
        assert db.schema_revision(database) == (db.head(), db.head())
    assert len(kept) == before > 0


def test_two_migrations_at_once_make_one_schema(postgres: Server) -> None:
    url = create_database(postgres, f"bare_{uuid.uuid4().hex}")
    command = [sys.executable, "-c", "import sys; from akount import db; db.migrate(sys.argv[1])", url]
    runs = [subprocess.Popen(command, cwd=ROOT) for _ in range(2)]
    assert [run.wait(60) for run in runs] == [0, 0]
    assert tables(url) == TABLES


def _catching(raised: list[BaseException], work: Any, *args: Any) -> None:
    try:
        work(*args)
    except BaseException as error:  # noqa: BLE001  the test's own thread looks at it
        raised.append(error)


def test_an_instant_comes_back_in_utc(database: Database) -> None:
    tokyo = dt.timezone(dt.timedelta(hours=9))
    given = dt.datetime(2025, 3, 14, 8, 30, 15, 123456, tokyo)
    with database.transaction() as session:
        session.add(Tenant(name="Ada & Co", created_at=given))
    with database.snapshot() as session:
        found = session.scalars(sa.select(Tenant)).one().created_at
    assert found == given
    assert found.utcoffset() == dt.timedelta(0)
    assert found.isoformat() == "2025-03-13T23:30:15.123456+00:00"


def test_instants_are_compared_as_instants(database: Database) -> None:
    tokyo = dt.timezone(dt.timedelta(hours=9))
    with database.transaction() as session:
        session.add(Tenant(name="Ada & Co", created_at=dt.datetime(2025, 3, 14, 8, 0, tzinfo=tokyo)))
    with database.snapshot() as session:
        query = sa.select(sa.func.count()).select_from(Tenant)
        assert session.scalar(query.where(Tenant.created_at < dt.datetime(2025, 3, 14, 0, 0, tzinfo=dt.UTC))) == 1
        assert session.scalar(query.where(Tenant.created_at < dt.datetime(2025, 3, 13, 22, 0, tzinfo=dt.UTC))) == 0


def test_an_instant_without_a_zone_is_refused(database: Database) -> None:
    with pytest.raises(StatementError, match="without a zone"), database.transaction() as session:
        session.add(Tenant(name="Ada & Co", created_at=dt.datetime(2025, 3, 14)))  # noqa: DTZ001


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**18), max_value=10**18, places=20))
def test_a_decimal_survives_as_text_digit_by_digit(value: Decimal) -> None:
    kept = Exact()
    text = kept.process_bind_param(value, None)  # type: ignore[arg-type]
    assert text is not None
    assert "E" not in text
    back = kept.process_result_value(text, None)  # type: ignore[arg-type]
    assert (back, str(back)) == (value, str(Decimal(format(value, "f"))))


def test_decimals_come_back_exactly(database: Database) -> None:
    values = [Decimal("0.1"), Decimal("-12345678901234567.123456789012345678"), Decimal("1.10"), Decimal("1E+3"), None]
    table = sa.Table("exact", sa.MetaData(), sa.Column("n", sa.Integer, primary_key=True), sa.Column("value", Exact()))
    with database.transaction() as session:
        table.create(session.connection())
        session.execute(table.insert(), [{"n": n, "value": v} for n, v in enumerate(values)])
        found = list(session.scalars(sa.select(table.c.value).order_by(table.c.n)))
    assert found == values
    assert str(found[2]) == "1.10"


def test_whole_numbers_of_64_bits_come_back(database: Database) -> None:
    table = sa.Table("big", sa.MetaData(), sa.Column("value", sa.BigInteger))
    with database.transaction() as session:
        table.create(session.connection())
        session.execute(table.insert(), [{"value": 2**63 - 1}, {"value": 1 - 2**63}])
        assert set(session.scalars(sa.select(table.c.value))) == {2**63 - 1, 1 - 2**63}


def test_increments_at_once_lose_none(database: Database) -> None:
    """Read, add in Python, write: what the driver's own transactions on SQLite lost."""
    table = sa.Table("counter", sa.MetaData(), sa.Column("value", sa.Integer))
    with database.transaction() as session:
        table.create(session.connection())
        session.execute(table.insert(), {"value": 0})
    raised: list[BaseException] = []

    def count() -> None:
        for _ in range(TIMES):
            with database.transaction() as session:
                value = session.scalar(sa.select(table.c.value).with_for_update())
                session.execute(table.update().values(value=value + 1))

    threads = [threading.Thread(target=_catching, args=(raised, count)) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert raised == []
    with database.snapshot() as session:
        assert session.scalar(sa.select(table.c.value)) == THREADS * TIMES


def test_a_transaction_that_fails_leaves_nothing(database: Database) -> None:
    with pytest.raises(KeyError), database.transaction() as session:
        session.add(Tenant(name="Ada & Co"))
        session.flush()
        raise KeyError
    with database.snapshot() as session:
        assert session.scalars(sa.select(Tenant)).all() == []


def test_a_reader_does_not_wait_for_a_writer(database: Database) -> None:
    with database.transaction() as session:
        session.add(Tenant(name="Before"))
    with database.transaction() as writing:
        writing.add(Tenant(name="After"))
        writing.flush()
        started = time.monotonic()
        with database.snapshot() as reading:
            assert [t.name for t in reading.scalars(sa.select(Tenant))] == ["Before"]
        assert time.monotonic() - started < 20, "the busy time-out is 30 s"


def test_a_writer_does_not_wait_for_a_reader(database: Database) -> None:
    with database.snapshot() as reading:
        assert reading.scalars(sa.select(Tenant)).all() == []
        started = time.monotonic()
        with database.transaction() as writing:
            writing.add(Tenant(name="Meanwhile"))
        assert time.monotonic() - started < 20


def test_a_snapshot_on_postgres_holds_no_transaction_open_and_writes_nothing(postgres: Server) -> None:
    state = "SELECT state FROM pg_stat_activity WHERE pid = :pid"
    database, other = Database(postgres.url), Database(postgres.url, pooled=False)
    with database.snapshot() as session, other.snapshot() as watching:
        pid = session.scalar(sa.text("SELECT pg_backend_pid()"))
        assert watching.scalar(sa.text(state), {"pid": pid}) == "idle"
    with pytest.raises(DBAPIError, match="read-only"), database.snapshot() as session:
        session.execute(sa.text("CREATE TABLE written (n int)"))
    with database.transaction() as session:
        assert session.scalar(sa.text("SELECT pg_backend_pid()")) == pid, "the line is used again, and writes"
        session.execute(sa.text("CREATE TABLE written (n int)"))
        with other.snapshot() as watching:
            assert watching.scalar(sa.text(state), {"pid": pid}) == "idle in transaction"
        session.execute(sa.text("DROP TABLE written"))
    database.close()
    other.close()


def test_foreign_keys_are_kept_on_both(database: Database) -> None:
    with pytest.raises(DBAPIError), database.transaction() as session:
        session.add(Membership(user_id=uuid.uuid4(), tenant_id=uuid.uuid4(), role=Role.OWNER))


def test_an_error_of_the_database_does_not_repeat_what_was_written(database: Database) -> None:
    """Such an error is logged with its traceback, and no document text may stand in a log (H6)."""
    with pytest.raises(DBAPIError) as raised, database.transaction() as session:
        session.add(ApiKey(tenant_id=uuid.uuid4(), name="Hunter2", role=Role.OWNER, hash="0" * 64))
    assert "Hunter2" not in str(raised.value)


def test_a_closed_port_is_said_in_our_own_words() -> None:
    database = Database("postgresql://akount@127.0.0.1:1/akount", connect_timeout=2)
    for ask in (database.ping, lambda: db.schema_revision(database), lambda: db.migrate("postgresql://akount@127.0.0.1:1/akount")):
        with pytest.raises(Unavailable) as raised:
            ask()
        assert raised.value.code == "database_unavailable"
        assert "127.0.0.1" not in raised.value.detail
    database.close()


def test_a_path_that_cannot_be_written_is_said_in_our_own_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory", encoding="utf-8")
    for url in (f"sqlite:///{tmp_path / 'file' / 'deep' / 'test.db'}", f"sqlite:///{tmp_path}"):
        with pytest.raises(Unavailable):
            Database(url).ping()
        with pytest.raises(Unavailable):
            db.migrate(url)


def test_a_file_that_is_no_database_is_said_in_our_own_words(tmp_path: Path) -> None:
    file = tmp_path / "test.db"
    file.write_bytes(b"this is not a database, " * 100)
    database = Database(f"sqlite:///{file}")
    with pytest.raises(Unavailable):
        database.ping()
    database.close()


def test_a_pool_with_nothing_left_is_said_in_our_own_words(postgres: Server) -> None:
    database = Database(postgres.url)
    database.engine.pool._timeout = 0.1  # type: ignore[attr-defined]
    with pytest.raises(Unavailable):
        hold = [database.engine.connect() for _ in range(10)]
        try:
            database.ping()
        finally:
            for connection in hold:
                connection.close()
    database.close()


def test_a_server_that_comes_back_is_found_again(postgres: Server) -> None:
    database = Database(postgres.url)
    database.ping()
    with database.engine.connect() as killed:
        pid = killed.scalar(sa.text("SELECT pg_backend_pid()"))
        other = Database(postgres.url, pooled=False)
        with other.transaction() as session:
            session.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        with pytest.raises(Unavailable), engines.translated():
            killed.execute(sa.text("SELECT 1"))
        killed.invalidate()
    database.ping()
    database.close()


def test_connections_that_died_while_nobody_used_them_are_not_noticed(postgres: Server) -> None:
    """Also not right after they were used, when no question tries them."""
    database, other = Database(postgres.url), Database(postgres.url, pooled=False)
    for _ in range(3):
        with database.snapshot() as one, database.snapshot() as two:
            pids = [session.scalar(sa.text("SELECT pg_backend_pid()")) for session in (one, two)]
        with other.transaction() as session:
            for pid in pids:
                session.execute(sa.text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
        with database.snapshot() as one, database.snapshot() as two:
            assert not {session.scalar(sa.text("SELECT pg_backend_pid()")) for session in (one, two)} & set(pids)
    database.close()
    other.close()


def test_a_connection_that_was_used_just_now_is_used_again_without_a_question(postgres: Server) -> None:
    database, said = Database(postgres.url), []
    database.ping()
    sa.event.listen(database.engine, "before_cursor_execute", lambda *args: said.append(args[2]))
    with (
        patch.object(database.engine.dialect, "do_ping", side_effect=AssertionError("it was asked")),
        database.snapshot() as session,
    ):
        assert session.scalar(sa.text("SELECT 1")) == 1
    assert [statement.rpartition("; ")[2] for statement in said] == ["SELECT 1"]
    database.close()


def test_the_audit_log_takes_entries_and_gives_none_back(database: Database) -> None:
    with database.transaction() as session:
        accounts.add_tenant(session, "Ada & Co")
    for statement in (sa.update(AuditEntry).values(action="nothing"), sa.delete(AuditEntry)):
        with pytest.raises(DBAPIError, match="append-only"), database.transaction() as session:
            session.execute(statement)
    with database.snapshot() as session:
        assert [e.action for e in session.scalars(sa.select(AuditEntry))] == ["tenant.add"]


def test_the_types_of_our_own_name_themselves_in_migrations() -> None:
    """A column of one of our types is found equal to the migrated one only by what it is in the database."""
    for own, plain in ((Instant(), sa.DateTime), (Exact(), sa.String)):
        assert isinstance(own.impl_instance, plain)


@profile(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(scheme=st.sampled_from(["postgres", "postgresql", "postgresql+psycopg2"]))
def test_every_spelling_of_postgres_means_the_same_driver(scheme: str) -> None:
    assert db.engine_url(f"{scheme}://h/d").drivername == "postgresql+psycopg2"


# --- the pool that the URL asks for (C5) ---


def test_the_url_says_how_many_connections_and_how_long_to_wait(postgres: Server) -> None:
    database = Database(postgres_copy(postgres) + "?connection_limit=1&pool_timeout=1&connect_timeout=3")
    try:
        with database.transaction() as session:
            session.execute(sa.text("SELECT 1"))
            with pytest.raises(Unavailable):
                database.ping()
        database.ping()
        assert "connection_limit" not in str(database.url)
    finally:
        database.close()


@pytest.mark.parametrize("said", ["connection_limit=0", "pool_timeout=soon", "connect_timeout=-1"])
def test_a_pool_parameter_that_is_no_number_is_refused(said: str) -> None:
    with pytest.raises(SettingsError, match="DATABASE_URL"):
        Database(f"postgresql://nobody@127.0.0.1:1/none?{said}")


def test_the_way_back_goes_to_a_named_revision_and_no_further(database_url: str) -> None:
    with pytest.raises(SettingsError, match="no revision"):
        db.migrate(database_url, "9999", down=True)
    db.migrate(database_url, "0007", down=True)
    database = Database(database_url)
    assert db.schema_revision(database)[0] == "0007"
    database.close()
    db.migrate(database_url)
