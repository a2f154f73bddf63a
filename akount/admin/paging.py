"""Where a list is: the filters and the page that its URL says."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Any

from flask import request

from akount.admin.shell import here
from akount.api.cursors import cursor, position
from akount.errors import BadRequest
from akount.pages import Position


@dataclass(frozen=True, slots=True)
class Pager:
    """The links below a list; empty: there is nothing there."""

    older: str
    newer: str
    first: str
    "to the newest; empty: this is it"


def asked() -> tuple[Position | None, Position | None]:
    """After which thing the page begins, and before which it ends. Raises Invalid for a cursor that is not ours."""
    return position(request.args.get("after") or None), position(request.args.get("before") or None)


def pager(older: Position | None, newer: Position | None) -> Pager:
    """The links to the pages beside this one."""
    inside = bool(request.args.get("after") or request.args.get("before"))
    return Pager(
        older=here(after=cursor(older), before=None) if older else "",
        newer=here(before=cursor(newer)) if newer else "",
        first=here(before=None) if inside else "",
    )


def text(name: str, limit: int = 200) -> str | None:
    """A filter of the URL, or of a form that repeats it; None where it says nothing."""
    return request.values.get(name, "").strip()[:limit] or None


def number(name: str) -> int | None:
    """A whole number of the URL. Raises BadRequest for what is none."""
    said = text(name, 20)
    if said is None:
        return None
    if not said.isdecimal() or len(said) > 9:
        raise BadRequest(f"The filter {name} must be a whole number.", code="bad_filter")
    return int(said)


def one_of(name: str, choices: Any) -> str | None:
    """A word of the URL out of those that are known. Raises BadRequest for another."""
    said = text(name)
    if said is not None and said not in choices:
        raise BadRequest(f"The filter {name} must be one of: {', '.join(choices)}.", code="bad_filter")
    return said


def identifier(name: str) -> uuid.UUID | None:
    """An id of the URL. Raises BadRequest for what is none."""
    said = text(name)
    try:
        return uuid.UUID(said) if said else None
    except ValueError:
        raise BadRequest(f"The filter {name} must be an id.", code="bad_filter") from None


def identifiers(name: str, most: int = 100) -> list[uuid.UUID]:
    """All ids of that name in the URL or the form. Raises BadRequest for what is none, and for more than a page has."""
    said = request.values.getlist(name)
    try:
        found = [uuid.UUID(one) for one in said]
    except ValueError:
        raise BadRequest(f"Each {name} must be an id.", code="bad_filter") from None
    if len(found) > most:
        raise BadRequest(f"Choose at most {most}.", code="bad_filter")
    return found


def instant(name: str) -> dt.datetime | None:
    """A day or an instant in UTC of the URL. Raises BadRequest for what is neither."""
    said = text(name, 40)
    if said is None:
        return None
    try:
        found = dt.datetime.fromisoformat(said)
    except ValueError:
        raise BadRequest(
            f"The filter {name} must be a day or an instant, such as 2026-01-31 or 2026-01-31T12:00.", code="bad_filter"
        ) from None
    return found.replace(tzinfo=dt.UTC) if found.tzinfo is None else found
