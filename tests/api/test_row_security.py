"""The second wall between tenants: where a filter was forgotten, Postgres itself shows and takes one tenant's rows only (A4)."""

import threading
import uuid
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from api_help import Worker
from sqlalchemy import func, select, update
from sqlalchemy.exc import DBAPIError

from akount import accounts, db
from akount.db import Database
from akount.lifecycle import Runtime
from akount.models import Attempt, Base, Counterparty, Document, Entity, Job, Record, RecordLine, Tenant
from fresh import make_settings, opened, postgres_copy
from make import submitted
from people import People, settle_in
from servers import Server

OUTSIDE = {"hosted_breakers", "users", "workers"}
"""Tables about no tenant."""


@pytest.fixture(scope="module")
def runtime(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    with opened(make_settings(tmp_path_factory.mktemp("rows"), postgres_copy(postgres))) as runtime:
        yield runtime


@pytest.fixture(scope="module")
def people(runtime: Runtime) -> People:
    """Ada and Mallory each have a record with lines."""
    people = settle_in(runtime.database)
    worker = Worker(runtime)
    for person in (people.ada, people.mallory):
        worker.process(submitted(runtime, person).id)
    worker.stop()
    return people


@pytest.fixture
def as_ada(people: People) -> Iterator[uuid.UUID]:
    db.see_only(people.ada.actor.tenant)
    yield people.ada.actor.tenant
    db.see_all()


MANY = [{"a": "nothing", "b": "like it"}, {"a": "neither", "b": "this"}]
PLANTED = "INSERT INTO entities (id, tenant_id, name, created_at) VALUES (%s, %s, 'planted', now())"


def tenants_seen(database: Database, table: type) -> set[uuid.UUID]:
    """The forgotten filter."""
    with database.snapshot() as session:
        return set(session.scalars(select(table.tenant_id)))  # type: ignore[attr-defined]


@pytest.mark.parametrize("table", [Document, Job, Record, Counterparty, Entity])
def test_a_query_without_its_filter_shows_ones_own_rows_only(
    runtime: Runtime, people: People, as_ada: uuid.UUID, table: type
) -> None:
    assert tenants_seen(runtime.database, table) == {as_ada}
    db.see_all()
    assert tenants_seen(runtime.database, table) == {as_ada, people.mallory.actor.tenant}


def test_parts_and_tenants_are_hidden_like_the_whole(runtime: Runtime, as_ada: uuid.UUID) -> None:
    with runtime.database.snapshot() as session:
        assert session.scalars(select(Tenant.id)).all() == [as_ada]
        lines, attempts = (session.scalar(select(func.count()).select_from(t)) for t in (RecordLine, Attempt))
    db.see_all()
    with runtime.database.snapshot() as session:
        assert [session.scalar(select(func.count()).select_from(t)) for t in (RecordLine, Attempt)] == [2 * lines, 2 * attempts]


def test_a_change_without_its_filter_changes_ones_own_rows_only(runtime: Runtime, as_ada: uuid.UUID) -> None:
    with runtime.database.transaction() as session:
        changed = session.execute(update(Record).values(number="changed")).rowcount  # type: ignore[attr-defined]
    assert changed == 1
    db.see_all()
    with runtime.database.snapshot() as session:
        assert session.scalars(select(Record.tenant_id).where(Record.number == "changed")).all() == [as_ada]


def test_a_row_for_another_tenant_is_not_taken(runtime: Runtime, people: People, as_ada: uuid.UUID) -> None:
    with pytest.raises(DBAPIError, match="row-level security"), runtime.database.transaction() as session:
        session.add(Entity(tenant_id=people.mallory.actor.tenant, name="planted"))


def test_rows_that_are_written_or_read_many_at_once_are_told_for_whom(runtime: Runtime, people: People, as_ada: uuid.UUID) -> None:
    """A statement that is sent once for each row, and one whose rows are fetched bit by bit, are told beforehand."""
    numbers = sa.bindparam("a"), sa.bindparam("b")
    with runtime.database.transaction() as session:
        session.connection().execute(update(Record.__table__).where(Record.number == numbers[0]).values(number=numbers[1]), MANY)
    with runtime.database.transaction() as session:
        found = session.execute(select(Record.tenant_id, Record.number).execution_options(yield_per=1)).all()
    assert {tenant for tenant, _ in found} == {as_ada}
    theirs = Entity(tenant_id=people.mallory.actor.tenant, name="planted")
    with pytest.raises(DBAPIError, match="row-level security"), runtime.database.transaction() as session:
        session.connection().exec_driver_sql(PLANTED, [(str(uuid.uuid4()), str(theirs.tenant_id)) for _ in range(2)])


def test_what_one_thread_sees_is_nothing_to_another(runtime: Runtime, people: People, as_ada: uuid.UUID) -> None:
    seen: list[set[uuid.UUID]] = []
    thread = threading.Thread(target=lambda: seen.append(tenants_seen(runtime.database, Record)))
    thread.start()
    thread.join()
    assert seen == [{as_ada, people.mallory.actor.tenant}]


def test_a_connection_that_does_not_say_for_whom_sees_nothing(runtime: Runtime, people: People) -> None:
    engine = sa.create_engine(runtime.database.url)
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM records")) == 0
        assert connection.scalar(sa.text("SELECT count(*) FROM tenants")) == 0
    engine.dispose()


def test_every_table_of_tenants_has_the_wall_also_for_its_owner(runtime: Runtime) -> None:
    query = "SELECT relname FROM pg_class WHERE relrowsecurity AND relforcerowsecurity"
    with runtime.database.snapshot() as session:
        walled = set(session.scalars(sa.text(query)))
        assert session.scalar(sa.text("SELECT NOT rolsuper AND NOT rolbypassrls FROM pg_roles WHERE rolname = current_user"))
    assert set(Base.metadata.tables) - walled == OUTSIDE


def test_the_wall_does_not_mislead_the_planner(runtime: Runtime) -> None:
    """A policy of which Postgres supposes that it hides nearly everything makes it sort a million rows to find fifty (0014)."""
    query = "SELECT tablename, qual FROM pg_policies WHERE qual NOT LIKE '%CASE%' AND qual LIKE '%tenant_id%'"
    with runtime.database.snapshot() as session:
        assert session.execute(sa.text(query)).all() == [], "write the policy as migration 0014 does"


def test_a_request_sees_its_tenant_only_and_the_next_one_in_the_thread_its_own(runtime: Runtime, people: People) -> None:
    from akount.app import create_app

    app = create_app(runtime.settings)
    seen = []
    app.after_request(lambda response: (seen.append(tenants_seen(runtime.database, Record)), response)[1])
    client = app.test_client()
    for person in (people.ada, people.mallory, people.otto):
        client.get(f"/api/ai/jobs/{uuid.uuid4()}", headers=person.headers)
    both = {people.ada.actor.tenant, people.mallory.actor.tenant}
    assert seen == [{people.ada.actor.tenant}, {people.mallory.actor.tenant}, both]
    app.extensions["akount"].close()
    db.see_all()


def test_a_new_tenant_can_be_made_from_the_shell(runtime: Runtime) -> None:
    with runtime.database.transaction() as session:
        accounts.add_tenant(session, "New")
