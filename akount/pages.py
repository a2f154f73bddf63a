"""Lists page by page, the newest first: a page begins after the last thing of the page before (its instant and id), so that
nothing is shown twice and nothing left out, whatever comes meanwhile."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

from sqlalchemy import ColumnElement, and_, or_

Position = tuple[dt.datetime, uuid.UUID]
"""The instant and id of the last thing on a page."""


class Dated(Protocol):
    """A row that has its place in a list."""

    id: Any
    created_at: Any


Row = TypeVar("Row", bound=Dated)


def page(query: Any, table: type[Dated], after: Position | None, limit: int) -> Any:
    """A query for the rows of a page, and one more where there are more."""
    if after is not None:
        query = query.where(beyond(table, after))
    return query.order_by(table.created_at.desc(), table.id.desc()).limit(limit + 1)


def beyond(table: type[Dated], after: Position) -> ColumnElement[bool]:
    """What comes later in the list than this position."""
    at, last = after
    return or_(table.created_at < at, and_(table.created_at == at, table.id < last))


def everything(listed: Callable[[Position | None], tuple[list[Row], bool]]) -> Iterator[Row]:
    """Every row of a list. The first page is read at once, so that a refusal is one; the others while the caller takes them:
    no transaction is open meanwhile."""
    return _onward(listed, *listed(None))


def _onward(listed: Callable[[Position | None], tuple[list[Row], bool]], found: list[Row], more: bool) -> Iterator[Row]:
    yield from found
    while more:
        found, more = listed((found[-1].created_at, found[-1].id))
        yield from found
