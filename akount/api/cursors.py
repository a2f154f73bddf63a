"""Opaque cursors of pages: where the page before ended, signed, so that nobody can make one up."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any

from itsdangerous import BadData, URLSafeSerializer

from akount.api.guards import runtime
from akount.errors import Invalid
from akount.pages import Position


def cursor(last: Position) -> str:
    """The cursor of the page after this thing."""
    at, last_id = last
    return str(_signer().dumps([at.isoformat(), str(last_id)]))


def following(found: Sequence[Any], more: bool) -> str | None:
    """The cursor of the page after these things; None: there is none."""
    return cursor((found[-1].created_at, found[-1].id)) if more else None


def position(cursor: str | None) -> Position | None:
    """Where a cursor points; None for none. Raises Invalid for one that is not ours."""
    if cursor is None:
        return None
    try:
        at, last_id = _signer().loads(cursor)
        return dt.datetime.fromisoformat(at), uuid.UUID(last_id)
    except (BadData, ValueError):
        raise Invalid("The cursor is not one of ours; start from the first page.", errors={"cursor": ["Not valid."]}) from None


def _signer() -> URLSafeSerializer:
    return URLSafeSerializer(runtime().secrets, salt="cursor")
