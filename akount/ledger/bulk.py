"""Many jobs at once: which are meant, and the one move that is made with all of them."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.orm import Session

from akount.db import now
from akount.ledger.moves import anew, end, move
from akount.models import IN_LINE, Job, JobStatus


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Which failed jobs are meant; what is None or empty does not count. Discarded ones never are."""

    tenant_id: uuid.UUID | None = None
    queue: str | None = None
    code: str | None = None
    fingerprint: str | None = None
    "failed for the same cause, see failures.py"
    before: dt.datetime | None = None
    "failed before this instant"
    until: dt.datetime | None = None
    "failed by this instant: those that there were when somebody looked"
    since: dt.datetime | None = None
    "failed at this instant or later"
    entered_since: dt.datetime | None = None
    entered_until: dt.datetime | None = None
    worker: str | None = None
    attempts: int | None = None
    "at least so many"
    ids: tuple[uuid.UUID, ...] = ()

    def where(self) -> ColumnElement[bool]:
        """As a condition on jobs."""
        said = [*self._sort(), *([Job.tenant_id == self.tenant_id] if self.tenant_id else [])]
        said += [Job.queue == self.queue] if self.queue else []
        said += [Job.error_code == self.code] if self.code else []
        said += [Job.fingerprint == self.fingerprint] if self.fingerprint else []
        said += [self.before > self.moved] if self.before else []
        said += [self.until >= self.moved] if self.until else []
        said += [self.since <= self.moved] if self.since else []
        said += [Job.created_at >= self.entered_since] if self.entered_since else []
        said += [Job.created_at <= self.entered_until] if self.entered_until else []
        said += [Job.worker == self.worker] if self.worker else []
        said += [Job.attempts >= self.attempts] if self.attempts else []
        said += [Job.id.in_(self.ids)] if self.ids else []
        return and_(*said)

    @property
    def moved(self) -> Any:
        """The instant that they are ordered and frozen by."""
        return Job.finished_at

    def _sort(self) -> list[ColumnElement[bool]]:
        return [Job.status == JobStatus.FAILED, Job.discarded_at.is_(None)]


@dataclass(frozen=True, slots=True)
class InLine(DeadLetters):
    """Which jobs are meant of those that wait, for their first or their next attempt; what runs is not. With `until` only
    those that were in line by then: one that was tried again since is not."""

    status: JobStatus | None = None
    "waiting or delayed; None: both"

    @property
    def moved(self) -> Any:
        """When they were entered: the last of their moves may have been made by the machine."""
        return Job.created_at

    def _sort(self) -> list[ColumnElement[bool]]:
        sorts = IN_LINE if self.status is None else (self.status,)
        again = [or_(Job.status == JobStatus.DELAYED, Job.run_at <= self.until)] if self.until else []
        return [Job.status.in_(sorts), *again]


@dataclass(frozen=True, slots=True)
class Page:
    """At most `limit` after the last one of the page before (its finished_at and id)."""

    limit: int = 50
    after: tuple[dt.datetime, uuid.UUID] | None = None


def dead_letters(session: Session, meant: DeadLetters, page: Page) -> tuple[list[Job], bool]:
    """A page of the failed jobs that are meant, the latest first, and whether there are more."""
    query = select(Job).where(meant.where()).order_by(Job.finished_at.desc(), Job.id.desc())
    if page.after is not None:
        at, last = page.after
        query = query.where(or_(Job.finished_at < at, and_(Job.finished_at == at, Job.id < last)))
    found = list(session.scalars(query.limit(page.limit + 1)))
    return found[: page.limit], len(found) > page.limit


def retry_all(session: Session, meant: DeadLetters) -> int:
    """failed → waiting for all that are meant, in one move; the next sweep rings for them. Answers how many."""
    done = session.execute(move(meant.where()).values(**anew(), rung_at=None))
    return done.rowcount or 0  # type: ignore[attr-defined]


def discard_all(session: Session, meant: DeadLetters, reason: str) -> int:
    """failed → failed and off the list, for all that are meant. Answers how many."""
    done = session.execute(move(meant.where()).values(discarded_at=now(), discard_reason=reason))
    return done.rowcount or 0  # type: ignore[attr-defined]


def cancel_all(session: Session, meant: InLine) -> int:
    """waiting, delayed → cancelled, for all that are meant. Answers how many."""
    done = session.execute(move(meant.where()).values(**end() | {"status": JobStatus.CANCELLED}))
    return done.rowcount or 0  # type: ignore[attr-defined]


def archive(session: Session, *, completed_before: dt.datetime, failed_before: dt.datetime, keep: int, queues: list[str]) -> int:
    """Takes ended jobs out of the queues' history (R7): by age, and completed ones beyond `keep` for each queue.
    The lines stay with their documents. Answers how many went."""
    ended = and_(Job.status == JobStatus.COMPLETED, Job.finished_at < completed_before)
    dead = and_(Job.status.in_([JobStatus.FAILED, JobStatus.CANCELLED]), Job.finished_at < failed_before)
    conditions: list[ColumnElement[bool]] = [or_(ended, dead)]
    for queue in queues:
        mine = and_(Job.queue == queue, Job.status == JobStatus.COMPLETED, Job.archived_at.is_(None))
        oldest_kept = session.scalar(select(Job.finished_at).where(mine).order_by(Job.finished_at.desc()).offset(keep).limit(1))
        if oldest_kept is not None:
            conditions.append(and_(mine, Job.finished_at <= oldest_kept))
    done = session.execute(update(Job).where(Job.archived_at.is_(None), or_(*conditions)).values(archived_at=now()))
    return done.rowcount or 0  # type: ignore[attr-defined]
