"""What became of jobs over time: counts, and how long they waited and ran, by minute, quarter of an hour and hour.

A job's own road writes nothing for it. A sweeper counts the ended attempts of the last minutes anew, again and again, until
every transaction that could still add to them is over (`roll_minutes`), and adds the minutes up to quarters and hours
(`roll_hours`). So a round that is lost or done twice changes nothing, and a restart loses nothing. Rows are kept for all
tenants together (`tenant_id` None) and for each.
"""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import and_, delete, func, or_, select
from sqlalchemy.orm import Session

from akount import backlog
from akount.db import now
from akount.distributions import Distribution
from akount.kinds import QUEUES
from akount.models import Attempt, HistoryRow, Job, JobStatus, inserting

MINUTE, QUARTER, HOUR = 1, 15, 60
"""Resolutions, in minutes."""
KEPT = {MINUTE: dt.timedelta(hours=3), QUARTER: dt.timedelta(days=3), HOUR: dt.timedelta(days=32)}
SETTLED = dt.timedelta(minutes=2)
"""So long after its end an attempt may still appear: its transaction takes seconds, clocks of machines differ."""
_COUNTED = {"completed": "completed", "failed": "failed", "delayed": "retried", "lost": "lost"}
"""An attempt's outcome → what it is counted as. One that was given back at a stop counts as nothing."""
_SAMPLES = ("waiting", "delayed", "active", "dead", "oldest_wait")
Key = tuple[dt.datetime, str, uuid.UUID | None]


class Span(enum.StrEnum):
    """How far back a series goes."""

    HOUR = "60m"
    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"


_SERIES = {Span.HOUR: (MINUTE, 1, 60), Span.DAY: (QUARTER, 15, 96), Span.WEEK: (HOUR, 60, 168), Span.MONTH: (HOUR, 360, 120)}
"""Of which rows it is made, how many minutes a point has, how many points there are."""


@dataclass
class Point:
    """One point of a series: what ended in these minutes."""

    at: dt.datetime
    "its beginning"
    minutes: int
    known: bool = False
    "somebody counted; else all below is unknown, not nought"
    partial: bool = False
    "it is not over yet"
    completed: int = 0
    failed: int = 0
    retried: int = 0
    "attempts that failed and will be tried again"
    lost: int = 0
    "attempts whose worker died"
    waits: Distribution = field(default_factory=Distribution)
    "from when a job was due to its start"
    runs: Distribution = field(default_factory=Distribution)
    oldest_wait: float | None = None
    "seconds that the job had waited which waited longest; None: nobody looked"
    waiting: int | None = None
    delayed: int | None = None
    active: int | None = None
    dead: int | None = None
    "the most there were at a time"

    def add(self, row: Any) -> None:
        """What a row tells of these minutes, or of a part of them."""
        self.tally(row)
        self.sample({name: getattr(row, name) for name in _SAMPLES})

    def tally(self, row: Any) -> None:
        """The same, without what there was at an instant."""
        self.known = True
        for name in _COUNTED.values():
            setattr(self, name, getattr(self, name) + getattr(row, name))
        self.waits.tally(row.waits)
        self.runs.tally(row.runs)

    def sample(self, seen: dict[str, Any]) -> None:
        """What there was at an instant of these minutes: the most counts."""
        for name, value in seen.items():
            held = getattr(self, name)
            setattr(self, name, value if held is None else held if value is None else max(held, value))

    def count(self, attempt: Any) -> None:
        """An attempt that ended."""
        counted = _COUNTED.get(attempt.outcome)
        if counted is None:
            return
        setattr(self, counted, getattr(self, counted) + 1)
        if counted == "lost":
            return  # when it died nobody knows
        self.runs.add((attempt.ended_at - attempt.started_at).total_seconds())
        if attempt.due_at is not None:
            self.waits.add(max(0.0, (attempt.started_at - attempt.due_at).total_seconds()))

    def merge(self, other: Point) -> None:
        """The same minutes of another queue add up; the oldest wait is the longer one."""
        for name in (*_COUNTED.values(), "waiting", "delayed", "active", "dead"):
            pair = [value for value in (getattr(self, name), getattr(other, name)) if value is not None]
            setattr(self, name, sum(pair) if pair else None)
        self.sample({"oldest_wait": other.oldest_wait})
        self.waits.merge([other.waits])
        self.runs.merge([other.runs])
        self.known, self.partial = self.known or other.known, self.partial or other.partial


def series(session: Session, span: Span, *, queue: str | None = None, tenant_id: uuid.UUID | None = None) -> list[Point]:
    """The points of a span, the oldest first, of one queue or all, of one tenant or of all together. One question.

    The last one is not over (`partial`); where nobody counted it is not `known`. Samples (waiting, oldest wait …) of a
    tenant's are its own."""
    resolution, minutes, count = _SERIES[span]
    at = now()
    first = _floor(at, minutes) - dt.timedelta(minutes=minutes * (count - 1))
    query = select(HistoryRow).where(HistoryRow.minutes == resolution, HistoryRow.at >= first, _of(tenant_id))
    rows = session.scalars(query.where(HistoryRow.queue == queue) if queue else query)
    by_queue: dict[str, dict[dt.datetime, Point]] = defaultdict(dict)
    for row in rows:
        start = _floor(row.at, minutes)
        by_queue[row.queue].setdefault(start, Point(start, minutes)).add(row)
    return [_point(first, minutes, place, by_queue.values(), at) for place in range(count)]


def _point(first: dt.datetime, minutes: int, place: int, queues: Iterable[dict[dt.datetime, Point]], at: dt.datetime) -> Point:
    start = first + dt.timedelta(minutes=minutes * place)
    point = Point(start, minutes, partial=start + dt.timedelta(minutes=minutes) > at)
    for found in queues:
        if start in found:
            point.merge(found[start])
    return point


def totals(points: Iterable[Point]) -> Point | None:
    """All points of a series as one; None: there are none that are known."""
    known = [point for point in points if point.known]
    if not known:
        return None
    whole = Point(known[0].at, sum(point.minutes for point in known))
    for point in known:
        for name in _COUNTED.values():
            setattr(whole, name, getattr(whole, name) + getattr(point, name))
        whole.waits.merge([point.waits])
        whole.runs.merge([point.runs])
        whole.sample({name: getattr(point, name) for name in _SAMPLES})
    whole.known = True
    return whole


def of_tenants(session: Session, tenants: Sequence[uuid.UUID], span: Span) -> dict[uuid.UUID, Point]:
    """What became of the jobs of each of these tenants in the whole of a span, in one question; for a list of tenants.
    Without what there was at an instant."""
    resolution, minutes, count = _SERIES[span]
    resolution = HOUR if resolution == QUARTER else resolution  # a quarter of the rows
    length = dt.timedelta(minutes=minutes * count)
    first = _floor(now() - length, resolution)
    columns = (HistoryRow.tenant_id, HistoryRow.waits, HistoryRow.runs, *(getattr(HistoryRow, name) for name in _COUNTED.values()))
    query = select(*columns).where(HistoryRow.minutes == resolution, HistoryRow.at >= first, HistoryRow.tenant_id.in_(tenants))
    found: dict[uuid.UUID, Point] = {}
    for row in session.execute(query):
        found.setdefault(row.tenant_id, Point(first, minutes * count)).tally(row)
    return found


@dataclass(frozen=True, slots=True)
class Busy:
    """A tenant of whom there is much."""

    tenant_id: uuid.UUID
    number: int


def most_failed(session: Session, limit: int = 5) -> list[Busy]:
    """The tenants with the most failed documents in the last day."""
    number = func.sum(HistoryRow.failed)
    query = select(HistoryRow.tenant_id, number).where(
        HistoryRow.minutes == HOUR, HistoryRow.at >= _floor(now() - dt.timedelta(days=1), HOUR), HistoryRow.tenant_id.is_not(None)
    )
    rows = session.execute(query.group_by(HistoryRow.tenant_id).having(number > 0).order_by(number.desc()).limit(limit))
    return [Busy(tenant, int(total)) for tenant, total in rows if tenant is not None and total]


def most_waiting(session: Session, limit: int = 5, *, queue: str | None = None) -> list[Busy]:
    """The tenants with the most documents in line, of one queue or all, as seen last."""
    latest = select(func.max(HistoryRow.at)).where(HistoryRow.minutes == MINUTE, HistoryRow.tenant_id.is_(None))
    number = func.sum(HistoryRow.waiting + HistoryRow.delayed)
    query = select(HistoryRow.tenant_id, number).where(
        HistoryRow.minutes == MINUTE, HistoryRow.at == latest.scalar_subquery(), HistoryRow.tenant_id.is_not(None)
    )
    query = query if queue is None else query.where(HistoryRow.queue == queue)
    rows = session.execute(query.group_by(HistoryRow.tenant_id).having(number > 0).order_by(number.desc()).limit(limit))
    return [Busy(tenant, int(total)) for tenant, total in rows if tenant is not None and total]


def roll_minutes(session: Session) -> int:
    """Counts the last minutes anew, with what there is at this instant. Answers how many attempts it looked at."""
    at = now()
    start = _resume(session, MINUTE, _floor(at, MINUTE) - SETTLED)
    minutes = [start + dt.timedelta(minutes=place) for place in range(int((at - start) // dt.timedelta(minutes=1)) + 1)]
    points: dict[Key, Point] = {(minute, queue, None): Point(minute, MINUTE) for minute in minutes for queue in QUEUES}
    kept = _rows(session, MINUTE, start)
    for row in kept:
        _point_of(points, (row.at, row.queue, row.tenant_id)).sample({name: getattr(row, name) for name in _SAMPLES})
    looked = _count(session, start, points)
    for (queue, tenant), seen in _seen(session, at).items():
        held = _point_of(points, (minutes[-1], queue, tenant))
        for name, value in seen.items():  # the latest number counts, so that a page can tell how it stands
            setattr(held, name, max(value, held.oldest_wait or 0.0) if name == "oldest_wait" else value)
    _replace(session, MINUTE, kept, points)
    return looked


def _point_of(points: dict[Key, Point], key: Key) -> Point:
    return points.setdefault(key, Point(key[0], MINUTE))


def _count(session: Session, start: dt.datetime, points: dict[Key, Point]) -> int:
    """Every attempt that ended since, for all and for its tenant."""
    looked = 0
    for attempt in _attempts(session, start):
        looked += 1
        minute = _floor(attempt.ended_at, MINUTE)
        for tenant_id in (None, attempt.tenant_id):
            _point_of(points, (minute, attempt.queue, tenant_id)).count(attempt)
    return looked


def roll_hours(session: Session) -> int:
    """Adds minutes up to quarters, and quarters to hours. Answers how many rows it wrote."""
    written = 0
    for resolution, finer in ((QUARTER, MINUTE), (HOUR, QUARTER)):
        settled = _floor(now() - SETTLED - dt.timedelta(minutes=finer), resolution)
        start = _resume(session, resolution, settled)
        points: dict[Key, Point] = {}
        for row in _rows(session, finer, start):
            key = (_floor(row.at, resolution), row.queue, row.tenant_id)
            points.setdefault(key, Point(key[0], resolution)).add(row)
        _replace(session, resolution, _rows(session, resolution, start), points)
        written += len(points)
    return written


def prune(session: Session) -> int:
    """Forgets what is older than it is kept for. Answers how many rows."""
    at = now()
    old = or_(*(and_(HistoryRow.minutes == size, HistoryRow.at < at - kept) for size, kept in KEPT.items()))
    return session.execute(delete(HistoryRow).where(old)).rowcount or 0  # type: ignore[attr-defined]


def _of(tenant_id: uuid.UUID | None) -> Any:
    return HistoryRow.tenant_id.is_(None) if tenant_id is None else HistoryRow.tenant_id == tenant_id


def _floor(at: dt.datetime, minutes: int) -> dt.datetime:
    """The beginning of the minutes that an instant is in."""
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + dt.timedelta(minutes=(at - midnight) // dt.timedelta(minutes=minutes) * minutes)


def _resume(session: Session, resolution: int, settled: dt.datetime) -> dt.datetime:
    """From where to count anew: nobody may have done so for a while, but no longer ago than what it is counted from is kept."""
    finer = {MINUTE: MINUTE, QUARTER: MINUTE, HOUR: QUARTER}[resolution]
    last = session.scalar(select(func.max(HistoryRow.at)).where(HistoryRow.minutes == resolution, HistoryRow.tenant_id.is_(None)))
    oldest = _floor(now() - KEPT[finer] + dt.timedelta(minutes=resolution), resolution)
    return oldest if last is None else max(oldest, min(settled, last))


def _attempts(session: Session, start: dt.datetime) -> Any:
    columns = (Attempt.outcome, Attempt.due_at, Attempt.started_at, Attempt.ended_at, Job.queue, Job.tenant_id)
    query = select(*columns).join(Job, Job.id == Attempt.job_id).where(Attempt.ended_at >= start)
    return session.execute(query.execution_options(yield_per=5000))


def _seen(session: Session, at: dt.datetime) -> dict[tuple[str, uuid.UUID | None], dict[str, Any]]:
    """What there is at this instant: by queue and tenant what waits, by queue also what runs and what is dead."""
    zero = {"waiting": 0, "delayed": 0, "oldest_wait": 0.0}
    seen: dict[tuple[str, uuid.UUID | None], dict[str, Any]] = {(queue, None): zero | {"active": 0, "dead": 0} for queue in QUEUES}
    for line in backlog.lines(session):
        for tenant in (None, line.tenant_id):
            held = seen.setdefault((line.queue, tenant), dict(zero))
            held["waiting"] += line.waiting
            held["delayed"] += line.delayed
            held["oldest_wait"] = max(held["oldest_wait"], (at - line.oldest).total_seconds() if line.oldest else 0.0)
    running = select(Job.queue, func.count()).where(Job.status == JobStatus.ACTIVE).group_by(Job.queue)
    dead = select(Job.queue, func.count()).where(Job.status == JobStatus.FAILED, Job.discarded_at.is_(None)).group_by(Job.queue)
    for name, query in (("active", running), ("dead", dead)):
        for queue, number in session.execute(query):
            if (queue, None) in seen:
                seen[queue, None][name] = number
    return seen


def _rows(session: Session, resolution: int, start: dt.datetime) -> Sequence[Any]:
    """What is kept of these minutes and later; plain columns, there are many."""
    names = ("id", "at", "queue", "tenant_id", "waits", "runs", *_COUNTED.values(), *_SAMPLES)
    columns = (getattr(HistoryRow, name) for name in names)
    return session.execute(select(*columns).where(HistoryRow.minutes == resolution, HistoryRow.at >= start)).all()


def _replace(session: Session, resolution: int, kept: Sequence[Any], points: dict[Key, Point]) -> None:
    """Puts the points in the place of what was kept of their minutes; what is as it was is left alone."""
    wanted = {key: _values(point) for key, point in points.items()}
    same = {key for row in kept if _values(row) == wanted.get(key := (row.at, row.queue, row.tenant_id))}
    gone = [row.id for row in kept if (row.at, row.queue, row.tenant_id) not in same]
    if gone:
        session.execute(delete(HistoryRow).where(HistoryRow.id.in_(gone)))
    rows = [
        {"minutes": resolution, "at": key[0], "queue": key[1], "tenant_id": key[2], **values}
        for key, values in wanted.items()
        if key not in same
    ]
    if rows:
        session.execute(inserting(HistoryRow), rows)


def _values(one: Any) -> dict[str, Any]:
    """What is kept of a point, or was kept as a row."""
    told = {name: getattr(one, name) for name in (*_COUNTED.values(), *_SAMPLES)}
    spread = (one.waits, one.runs)
    waits, runs = (held.as_json() if isinstance(held, Distribution) else held for held in spread)
    return told | {"waits": waits, "runs": runs}
