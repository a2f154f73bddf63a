"""Runs the migrations: batch mode on SQLite, one at a time by an advisory lock on Postgres."""

from typing import Any, Literal

import sqlalchemy as sa
from alembic import context
from sqlalchemy import create_engine, event, text

from akount.db import SEES_ALL, Exact, Instant
from akount.models import Base

LOCK = 4_017_2026  # any number that nothing else on the server locks


def render_item(kind: str, item: Any, autogenerate: Any) -> str | Literal[False]:
    """Own column types by what they are in the database: a migration must not change with the code."""
    if kind != "type":
        return False
    if isinstance(item, Instant):
        return "sa.DateTime(timezone=True)"
    if isinstance(item, Exact):
        return "sa.String(64)"
    if isinstance(item, sa.Enum):
        return "sa.String(20)"
    if isinstance(item, sa.JSON):
        autogenerate.imports.add("from sqlalchemy.dialects import postgresql")
        return "sa.JSON().with_variant(postgresql.JSONB(), 'postgresql')"
    return False


def run() -> None:
    url = context.config.attributes["url"]
    sees_all = {} if url.get_backend_name() == "sqlite" else {"options": f"-c akount.tenant={SEES_ALL}"}
    engine = create_engine(url, connect_args=sees_all)
    if engine.dialect.name == "sqlite":  # the driver would commit after each CREATE: a migration is whole or not at all
        event.listen(engine, "connect", lambda connection, _record: setattr(connection, "isolation_level", None))
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    postgres = engine.dialect.name == "postgresql"
    with engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            render_as_batch=not postgres,
            render_item=render_item,
            transaction_per_migration=False,
            transactional_ddl=True,
        )
        with context.begin_transaction():
            if postgres:
                connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
            context.run_migrations()
    engine.dispose()


run()
