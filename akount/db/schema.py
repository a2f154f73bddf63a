"""The schema that the database has, and the one that this program needs."""

from __future__ import annotations

import functools
from pathlib import Path

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.engine import URL

from akount.db.database import Database
from akount.db.engines import POOL_PARAMETERS, engine_url, make_directory, translated
from akount.errors import SettingsError

MIGRATIONS = Path(__file__).resolve().parent.parent.parent / "migrations"


def alembic_of(url: URL) -> AlembicConfig:
    """What Alembic is to know of a database."""
    config = AlembicConfig()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = url
    return config


def migrate(url: str, revision: str = "head", *, down: bool = False) -> None:
    """Brings the schema up to a revision (`head`: the newest), or `down` to an older one (`base`: to nothing). Raises
    SettingsError for a revision that there is not."""
    made = engine_url(url).difference_update_query(POOL_PARAMETERS)
    make_directory(made)
    try:
        with translated():
            (command.downgrade if down or revision == "base" else command.upgrade)(alembic_of(made), revision)
    except CommandError as error:
        raise SettingsError(f"There is no revision {revision} to go to: {error}.") from error


@functools.cache
def head() -> str:
    """The revision this program needs. All migrations are read for it: once, and not whenever somebody asks for our health."""
    return ScriptDirectory(str(MIGRATIONS)).get_current_head() or ""


def schema_revision(database: Database) -> tuple[str | None, str]:
    """The revision the database has and the one this program needs. Alembic describes its table anew for each question: a
    cache of statements would keep every one, and each look at our health would cost memory."""
    with translated(), database.engine.connect() as connection:
        connection.execution_options(compiled_cache=None)
        return MigrationContext.configure(connection).get_current_revision(), head()


def require_head(database: Database) -> None:
    """Refuses to go on with a schema that this program was not written for."""
    current, needed = schema_revision(database)
    if current != needed:
        raise SettingsError(
            f"The database schema is at {current or 'nothing'}, this program needs {needed}: run `python -m akount migrate`."
        )
