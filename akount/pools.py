"""The connections to the database: how many each process holds, and whether the server has enough for all (C5)."""

from __future__ import annotations

import contextlib
from dataclasses import replace

from akount import logs
from akount.db import Database, Pool
from akount.errors import Unavailable
from akount.kinds import QUEUES
from config import Settings

log = logs.get(__name__)

PROBES, CONSOLE, WORKER, SWEEPER = 3, 3, 2, 1
"""At once: the health probes of a web process ask three questions; its console has a pool of its own, so that whoever looks
takes nothing from whoever uploads; a worker walks the road of its job and has its pulse beside it; a sweeper does one thing
after the other."""
CONSOLE_SECONDS = 2
"""So long a question of the console may take, and so long it waits for one of its connections."""


def pool_of(settings: Settings) -> Pool:
    """The pool of a web process: by the settings, and where it says something by DATABASE_URL."""
    return Pool(
        size=settings.database_pool_size,
        overflow=settings.database_max_overflow,
        timeout=settings.database_pool_timeout_seconds,
        connect_timeout=settings.database_connect_timeout_seconds,
        statement_timeout=settings.database_statement_timeout_seconds,
    ).asked(settings.database)


def open_database(settings: Settings, at_most: int | None = None) -> Database:
    """The database by the settings, for a process that needs at most so many connections at once; 0: none is kept."""
    pool = pool_of(settings)
    return Database(settings.database, pool=pool if at_most is None else pool.at_most(at_most))


def open_console_database(settings: Settings) -> Database:
    """The database for the console of a web process: a small pool that has little patience."""
    pool = replace(pool_of(settings).at_most(CONSOLE), timeout=CONSOLE_SECONDS, statement_timeout=CONSOLE_SECONDS)
    return Database(settings.database, pool=pool)


def wanted(settings: Settings) -> dict[str, int]:
    """How many connections all processes of these settings may hold at once, by part."""
    pool = pool_of(settings)
    workers = settings.worker_processes * pool.at_most(WORKER).most + SWEEPER
    return {"web": settings.web_processes * (pool.most + PROBES + pool.at_most(CONSOLE).most), "workers": len(QUEUES) * workers}


def compared(settings: Settings, database: Database) -> tuple[bool, str]:
    """Whether the server's max_connections are enough for all of them, and the sum in words. Raises Unavailable."""
    allowed = database.allowed_connections()
    if allowed is None:
        return True, "SQLite counts no connections"
    parts = wanted(settings)
    total = sum(parts.values())
    said = f"{total} connections at most ({parts['web']} for web, {parts['workers']} for workers), {allowed} allowed"
    if total <= allowed:
        return True, said
    return False, (
        f"{said}: raise max_connections of the server, or lower DATABASE_POOL_SIZE, DATABASE_MAX_OVERFLOW, WEB_PROCESSES or "
        "WORKER_PROCESSES"
    )


def warn(settings: Settings, database: Database) -> None:
    """One line in the log when the processes may want more connections than the server has."""
    with contextlib.suppress(Unavailable):  # whoever starts asks for the schema too, and is refused by that
        enough, said = compared(settings, database)
        if not enough:
            log.warning("too few database connections", detail=said)
