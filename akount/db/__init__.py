"""The database: one engine a process, two ways in (to write, to read), and the schema it must have.

SQLite runs in WAL mode and starts every writing transaction with BEGIN IMMEDIATE: with the driver's defaults
concurrent updates were lost. Foreign errors become `Unavailable` here and nowhere else.
"""

from akount.db.columns import Exact, Instant, metadata, now
from akount.db.database import Database
from akount.db.engines import Pool, engine_url
from akount.db.schema import head, migrate, require_head, schema_revision
from akount.db.wall import SEES_ALL, see_all, see_only, seeing_all

__all__ = [
    "SEES_ALL",
    "Database",
    "Exact",
    "Instant",
    "Pool",
    "engine_url",
    "head",
    "metadata",
    "migrate",
    "now",
    "require_head",
    "schema_revision",
    "see_all",
    "see_only",
    "seeing_all",
]
