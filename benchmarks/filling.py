"""Fills a database with a million jobs of 200 tenants, most of them completed, with their documents, records, attempts, audit
entries and history. Postgres makes them itself (filling.sql), in some minutes."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import psycopg2

NUMBERS = {"JOBS": 1_000_000, "TENANTS": 200, "CAUSES": 40, "WAITING": 50_000, "DELAYED": 1_000, "OPEN": 51_016, "FAILED": 30_000}
"""OPEN are those that wait, are delayed or run; what is neither open nor failed is completed."""
STATEMENTS = Path(__file__).with_suffix(".sql")


def fill(url: str, **numbers: int) -> float:
    """Fills a migrated database, as a superuser: keys are not checked row by row, indexes are made at the end. Answers the
    seconds it took."""
    started = time.monotonic()
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica; SET akount.tenant = '*'; SET maintenance_work_mem = '256MB'")
            indexes = _drop_indexes(cursor)
            for name, statement in _parts(NUMBERS | numbers):
                before = time.monotonic()
                cursor.execute(statement)
                print(f"  {name}: {max(0, cursor.rowcount):,} in {time.monotonic() - before:.0f} s", flush=True)
            for statement in indexes:
                cursor.execute(statement)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
    finally:
        connection.close()
    return time.monotonic() - started


def _parts(numbers: dict[str, int]) -> list[tuple[str, str]]:
    """The statements by name, with the numbers put in."""
    text = re.sub(r":([A-Z]+)\b", lambda found: str(numbers[found[1]]), STATEMENTS.read_text(encoding="utf-8"))
    parts = re.split(r"^-- part: (.+)\n", text, flags=re.MULTILINE)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))


def _drop_indexes(cursor: Any) -> list[str]:
    """Drops the indexes that no constraint needs. Answers how they are made again."""
    cursor.execute(
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' "
        "AND indexname NOT IN (SELECT conname FROM pg_constraint)"
    )
    known = cursor.fetchall()
    for name, _made in known:
        cursor.execute(f'DROP INDEX "{name}"')
    return [made for _name, made in known]
