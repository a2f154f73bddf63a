"""Finds one document among a million by what somebody has at hand: an id, a file's name or checksum, a vendor's or client's
name, a document's number. Names are found by their beginning, whatever their case.

Every question is answered by an index that begins with the tenant; an operator's goes through the tenants one by one. Three
questions at most.
"""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, Uuid, and_, literal, or_, select, true, union_all
from sqlalchemy.orm import InstrumentedAttribute, Session

from akount.counterparties import name_key
from akount.models import Counterparty, Document, Job, JobStatus, Record, Tenant

MOST = 20
"""Hits of each sort."""
PARTIES = 5
SHORTEST = 2
"""A beginning of fewer characters is not looked for."""
LONGEST = 200
_CHECKSUM = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Hit:
    """A document that was found."""

    by: str
    "what matched: id, checksum, file, number, or the party's role and name"
    job_id: uuid.UUID
    document_id: uuid.UUID
    record_id: uuid.UUID | None
    "none: not read, or not to be seen yet"
    tenant_id: uuid.UUID
    filename: str
    kind: str
    status: JobStatus
    number: str | None
    party: str | None
    received_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Found:
    """What was found, the exact first."""

    hits: tuple[Hit, ...]
    exact: bool
    "by an id or a checksum: there is nothing else"
    more: bool
    "there are more than MOST of some sort"


def find(session: Session, tenant_id: uuid.UUID | None, said: str) -> Found:
    """What the words mean: an id of a job, document or record; a checksum; or the beginning of a name or number. None for the
    tenant: an operator, who sees all. Nothing is found by less than two characters."""
    words = "".join(c for c in said if c.isprintable()).strip()[:LONGEST]
    exact = _exact(words)
    if exact is not None:
        rows: Sequence[Any] = session.execute(_whole().where(exact, *_mine(tenant_id)).limit(MOST)).all()
        if rows:
            return Found(tuple(_hit(row, "checksum" if _CHECKSUM.fullmatch(words.lower()) else "id") for row in rows), True, False)
    if len(words) < SHORTEST:
        return Found((), False, False)
    sorts = (_files_and_numbers(session, tenant_id, words), _of_parties(session, tenant_id, words))
    hits: dict[uuid.UUID, Hit] = {}
    for row in (row for rows in sorts for row in rows):
        hits.setdefault(row.document_id, _hit(row, row.by))
    return Found(tuple(hits.values()), False, any(len(rows) >= MOST for rows in sorts))


def _mine(tenant_id: uuid.UUID | None) -> list[ColumnElement[bool]]:
    return [] if tenant_id is None else [Document.tenant_id == tenant_id]


def _exact(words: str) -> ColumnElement[bool] | None:
    """By id or checksum; None: it is neither."""
    if _CHECKSUM.fullmatch(words.lower()):
        return Document.sha256 == words.lower()
    try:
        wanted = uuid.UUID(words)
    except ValueError:
        return None
    named = (select(Job.document_id).where(Job.id == wanted), select(Record.document_id).where(Record.id == wanted))
    return Document.id.in_(union_all(select(literal(wanted, Uuid)), *named))


def _whole(*more: ColumnElement[Any]) -> Select[Any]:
    """What a hit tells, of documents that the caller chooses."""
    columns = (
        Job.id.label("job_id"),
        Document.id.label("document_id"),
        Record.id.label("record_id"),
        Document.tenant_id,
        Document.filename,
        Document.kind,
        Job.status,
        Record.number,
        Record.counterparty_name.label("party"),
        Document.created_at.label("received_at"),
    )
    query: Select[Any] = select(*columns, *more).join(Job, Job.document_id == Document.id)  # type: ignore[assignment]
    return query.outerjoin(Record, Record.job_id == Job.id)


def _files_and_numbers(session: Session, tenant_id: uuid.UUID | None, words: str) -> Sequence[Any]:
    """By the file's name, and by the document's number as it was typed or in capitals."""
    numbers = {words, words.upper()}
    files = _of_tenant(session, tenant_id, Document.tenant_id, Document.id, [(Document.filename_key, words.lower())])
    numbered = _of_tenant(
        session, tenant_id, Record.tenant_id, Record.document_id, [(Record.number, one) for one in sorted(numbers)]
    )
    found = union_all(select(files.c.found, literal("file").label("by")), select(numbered.c.found, literal("number"))).subquery()
    return session.execute(_whole(found.c.by).join(found, found.c.found == Document.id)).all()


def _of_parties(session: Session, tenant_id: uuid.UUID | None, words: str) -> Sequence[Any]:
    """The latest documents of vendors and clients whose name begins so."""
    key = name_key(words)
    if len(key) < SHORTEST:
        return []
    ids = _of_tenant(session, tenant_id, Counterparty.tenant_id, Counterparty.id, [(Counterparty.name_key, key)])
    parties = session.execute(select(Counterparty.id, Counterparty.role).where(Counterparty.id.in_(select(ids.c.found))))
    latest = [
        select(Record.document_id.label("found"), literal(party.role).label("by"))
        .where(Record.counterparty_id == party.id)
        .order_by(Record.created_at.desc())
        .limit(MOST)
        .subquery()
        for party in parties.all()[:PARTIES]
    ]
    if not latest:
        return []
    found = union_all(*(select(one.c.found, one.c.by) for one in latest)).subquery()
    query = _whole(found.c.by).join(found, found.c.found == Document.id)
    return session.execute(query.order_by(Document.created_at.desc()).limit(MOST)).all()


def _of_tenant(
    session: Session,
    tenant_id: uuid.UUID | None,
    owner: InstrumentedAttribute[uuid.UUID],
    wanted: InstrumentedAttribute[uuid.UUID],
    beginnings: Iterable[tuple[Any, str]],
) -> Subquery:
    """The first few rows of a tenant, or of all, with a column that begins so: `found` is their `wanted`."""
    postgres = session.get_bind().dialect.name == "postgresql"
    begins = or_(*(_begins(column, beginning, postgres=postgres) for column, beginning in beginnings))
    query = select(wanted.label("found")).where(begins).limit(MOST)
    if tenant_id is not None:
        return query.where(owner == tenant_id).subquery()
    if not postgres:
        return query.where(owner.in_(select(Tenant.id))).subquery()
    each = query.where(owner == Tenant.id).correlate(Tenant).lateral()  # the planner would rather look at every row of all
    return select(each.c.found).select_from(Tenant).join(each, true()).limit(MOST).subquery()


def _begins(column: Any, beginning: str, *, postgres: bool) -> ColumnElement[bool]:
    """In words that the database answers from an index. Of Postgres the operators of text_pattern_ops are named: LIKE, which
    uses them too, is not leakproof and so does not reach the index of a table with row-level security."""
    end = beginning + "\U0010ffff"
    if postgres:
        return and_(column.op("~>=~", is_comparison=True)(beginning), column.op("~<~", is_comparison=True)(end))
    return and_(column >= beginning, column < end)


def _hit(row: Any, by: str) -> Hit:
    return Hit(by, *row[:10])
