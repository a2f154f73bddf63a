"""What all tables share: the base, plain inserts, kinds of columns and of indexes."""

from __future__ import annotations

import datetime as dt
import enum
import functools
import uuid
from decimal import Decimal
from typing import Any

from sqlalchemy import JSON, Date, Enum, ForeignKey, Index, Insert, Uuid, insert, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from akount.db import Exact, Instant, metadata


class Base(DeclarativeBase):
    """What a Python type is as a column, in every table."""

    metadata = metadata
    type_annotation_map = {  # noqa: RUF012
        dt.datetime: Instant,
        dt.date: Date,
        uuid.UUID: Uuid,
        Decimal: Exact,
        dict[str, Any]: JSON().with_variant(JSONB(), "postgresql"),
        list[Any]: JSON().with_variant(JSONB(), "postgresql"),
    }


@functools.cache
def inserting(table: type[Base]) -> Insert:
    """A plain insert of rows given as dicts; the defaults are filled in. An object that the session has to follow costs
    three times as much: it is for what is looked at again."""
    return insert(table.__table__)  # type: ignore[arg-type]


def write(session: Session, row: Base) -> None:
    """Inserts a row at once and by itself: the session does not follow it, and the defaults stand in the database only."""
    session.execute(inserting(type(row)), values_of(row))


def values_of(row: Base) -> dict[str, Any]:
    """What a row that was just made says, by the names of its columns."""
    return {name: value for name, value in vars(row).items() if name != "_sa_instance_state"}


def enumeration(kind: type[enum.StrEnum]) -> Enum:
    """One of a few words, kept as text: another word needs no migration."""
    return Enum(kind, native_enum=False, length=20, values_callable=lambda e: [m.value for m in e], create_constraint=False)


def new_id() -> Mapped[uuid.UUID]:
    """The key of a row, which nobody can guess."""
    return mapped_column(primary_key=True, default=uuid.uuid4)


def of_tenant() -> Mapped[uuid.UUID]:
    """Whose row it is."""
    return mapped_column(ForeignKey("tenants.id"), index=True)


def partial_index(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """An index of the rows that a question is about: it stays as small as its question, and what moves on leaves it."""
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))
