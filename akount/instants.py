"""How an instant is written for machines, wherever it is: ISO-8601 in UTC, to the millisecond, with a Z."""

from __future__ import annotations

import datetime as dt


def iso(at: dt.datetime) -> str:
    """`2026-01-31T12:00:00.000Z`."""
    return at.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
