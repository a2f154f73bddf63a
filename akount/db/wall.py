"""Whose rows this thread sees: Postgres keeps it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

SEES_ALL = "*"
_seen: ContextVar[str] = ContextVar("seen", default=SEES_ALL)


def see_only(tenant_id: uuid.UUID) -> None:
    """From now on this thread's sessions see and write the rows of one tenant only: Postgres keeps it (migration 0006),
    also where a filter was forgotten. SQLite has no such wall."""
    _seen.set(str(tenant_id))


def see_all() -> None:
    """From now on this thread's sessions see the rows of every tenant: who works for all, and who asks who somebody is."""
    _seen.set(SEES_ALL)


@contextmanager
def seeing_all() -> Iterator[None]:
    """Inside the block this thread's sessions see the rows of every tenant: for what is nobody's in particular."""
    before = _seen.set(SEES_ALL)
    try:
        yield
    finally:
        _seen.reset(before)


def seen() -> str:
    """The tenant whose rows this thread's sessions see, or SEES_ALL."""
    return _seen.get()
