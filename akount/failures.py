"""Dead letters by their cause: which causes there are, how often and since when, what was noted about them, and what to do.

A cause is a `fingerprint` (fingerprints.py), kept on the job when it fails. Whoever acts on a group asks for it as
`ledger.DeadLetters(fingerprint=…)`: lists, retries and discards (`scans.start_operation`) understand it. Every function
takes the tenant that is asked for; None is an operator, who sees all. The caller owns the transaction.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, case, func, select, tuple_
from sqlalchemy.orm import Session

from akount.accounts import Call, note
from akount.db import now
from akount.errors import Invalid, NotFound
from akount.ledger import DeadLetters
from akount.models import FailureNote, Job, JobStatus

CAP = 100_000
"""So many dead letters are looked at, the latest: among more, the older ones are not in the groups (`Groups.capped`)."""
MOST_GROUPS = 200
PROBE = 10
NOTE_LENGTH = 2000
LONGEST_MUTE = dt.timedelta(days=90)
HOUR, DAY, WEEK = dt.timedelta(hours=1), dt.timedelta(days=1), dt.timedelta(days=7)
HOURS = 24
PIVOT = {"hour": HOUR, "day": DAY, "week": WEEK}
"""The columns of the pivot: how long ago."""

ADVICE = {
    "worker_lost": "The worker died while it read: retry a few; if it dies again, look at its memory.",
    "timed_out": "Retry a few; if they take too long again, raise SCAN_TIMEOUT_SECONDS or discard them.",
    "out_of_memory": "Raise SCAN_MEMORY_MB, then retry; or discard what is too large to be read.",
    "crashed": "Retry a few; if the reader dies again, keep a document for the developers and discard the rest.",
    "file_missing": "Look at the storage first: a file that is missing cannot be read. Restore it, then retry.",
    "internal_error": "A fault of ours: report it with the place named here; retry after the next release.",
}
"""What to do about an error, by its code, where that says more than whether it will pass."""


@dataclass(frozen=True, slots=True)
class Group:
    """The dead letters of one cause. Each is one document: a document has one job."""

    fingerprint: str
    queue: str
    code: str
    origin: str
    "the error's class and the place in our code"
    sample: str
    "the message of the latest"
    sample_job: uuid.UUID
    jobs: int
    tenants: int
    first_seen: dt.datetime
    last_seen: dt.datetime
    hour: int
    "of the last hour, and so on: PIVOT"
    day: int
    week: int
    retrying: int
    "jobs that met it and will be tried again by themselves"
    permanent: bool
    "failed before its attempts were used up: trying again would change nothing"
    note: str
    muted_until: dt.datetime | None
    "raises no alert before; none: it does"

    @property
    def advice(self) -> str:
        """What to do, in a sentence."""
        lasting = "The document itself: ask for a better file, and discard it."
        passing = "It may pass: retry a few, then all."
        return ADVICE.get(self.code, lasting if self.permanent else passing)


@dataclass(frozen=True, slots=True)
class Groups:
    """The causes, the latest first."""

    groups: tuple[Group, ...]
    capped: bool
    "there are more than CAP dead letters, or MOST_GROUPS causes: the oldest are left out"


def groups(session: Session, tenant_id: uuid.UUID | None, *, queue: str | None = None, fingerprint: str | None = None) -> Groups:
    """The causes of the dead letters, of a queue or all. Three questions, whatever their number."""
    found = session.execute(_counted(DeadLetters(tenant_id=tenant_id, queue=queue, fingerprint=fingerprint))).all()
    rows = found[:MOST_GROUPS]
    samples, notes = _samples(session, rows), _notes(session, tenant_id, [row.fingerprint for row in rows])
    made = tuple(_group(row, samples[row.fingerprint], notes.get(row.fingerprint)) for row in rows if row.fingerprint in samples)
    return Groups(made, len(found) > MOST_GROUPS or sum(row.jobs for row in found) >= CAP)


def by_hour(
    session: Session, tenant_id: uuid.UUID | None, *, queue: str | None = None, fingerprint: str | None = None
) -> tuple[list[dt.datetime], dict[str, list[int]]]:
    """How many dead letters of each cause failed in each of the last HOURS hours, with when each began, the oldest first; the
    last hour is not over. One question, of the latest CAP."""
    last = now().replace(minute=0, second=0, microsecond=0)
    begins = [last - HOUR * ago for ago in range(HOURS)]
    meant = DeadLetters(tenant_id=tenant_id, queue=queue, fingerprint=fingerprint, since=begins[-1])
    hour = case(*((Job.finished_at >= begin, ago) for ago, begin in enumerate(begins)), else_=HOURS - 1).label("hour")
    latest = select(Job.fingerprint, hour).where(meant.where(), Job.fingerprint.is_not(None))
    latest_few = latest.order_by(Job.finished_at.desc()).limit(CAP).subquery()
    count = select(latest_few.c.fingerprint, latest_few.c.hour, func.count()).group_by(latest_few.c.fingerprint, latest_few.c.hour)
    found: dict[str, list[int]] = {}
    for name, ago, number in session.execute(count):
        found.setdefault(name, [0] * HOURS)[HOURS - 1 - ago] = number
    return begins[::-1], found


def group(session: Session, tenant_id: uuid.UUID | None, fingerprint: str) -> Group:
    """One of them. Raises NotFound when there is none (any more)."""
    found = groups(session, tenant_id, fingerprint=fingerprint).groups
    if not found:
        raise NotFound("There are no failed jobs of this cause; they may have been retried or discarded.")
    return found[0]


def probe(session: Session, tenant_id: uuid.UUID | None, fingerprint: str) -> DeadLetters:
    """The latest few of a group, to be tried before all are. Raises NotFound."""
    meant = DeadLetters(tenant_id=tenant_id, fingerprint=fingerprint)
    latest = select(Job.id).where(meant.where()).order_by(Job.finished_at.desc(), Job.id.desc()).limit(PROBE)
    ids = tuple(session.scalars(latest))
    if not ids:
        raise NotFound("There are no failed jobs of this cause; they may have been retried or discarded.")
    return DeadLetters(tenant_id=tenant_id, fingerprint=fingerprint, ids=ids)


def annotate(session: Session, call: Call, fingerprint: str, text: str) -> None:
    """Writes down what is known about a cause, in place of what was; an empty text takes it away. Raises NotFound, Invalid."""
    if len(text) > NOTE_LENGTH:
        raise Invalid(f"A note has at most {NOTE_LENGTH} characters.")
    held = _note_of(session, call, fingerprint)
    held.text, held.changed_by, held.changed_at = text.strip(), call.actor.name, now()
    note(session, call, "failure.note", f"failure:{fingerprint}", text.strip())


def mute(session: Session, call: Call, fingerprint: str, until: dt.datetime | None) -> None:
    """These failures raise no alert before `until`; None: they do again. Raises NotFound, Invalid."""
    if until is not None and not now() < until <= now() + LONGEST_MUTE:
        raise Invalid(f"A mute ends within {LONGEST_MUTE.days} days: choose an instant in that time.")
    held = _note_of(session, call, fingerprint)
    held.muted_until, held.changed_by, held.changed_at = until, call.actor.name, now()
    action = "failure.unmute" if until is None else "failure.mute"
    note(session, call, action, f"failure:{fingerprint}", until.isoformat(timespec="minutes") if until else "")


def muted(session: Session) -> set[str]:
    """The causes that operators have muted: no alert counts them."""
    held = select(FailureNote.fingerprint).where(FailureNote.tenant_id.is_(None), FailureNote.muted_until > now())
    return set(session.scalars(held))


def _counted(meant: DeadLetters) -> Select[Any]:
    at = now()
    latest = (
        select(Job.fingerprint, Job.tenant_id, Job.finished_at)
        .where(meant.where(), Job.fingerprint.is_not(None))
        .order_by(Job.finished_at.desc())
        .limit(CAP)
        .subquery()
    )
    retrying = select(func.count()).where(
        Job.status == JobStatus.DELAYED,
        Job.fingerprint == latest.c.fingerprint,
        *([Job.tenant_id == meant.tenant_id] if meant.tenant_id else []),
    )
    within = [func.sum(case((latest.c.finished_at >= at - age, 1), else_=0)).label(name) for name, age in PIVOT.items()]
    last = func.max(latest.c.finished_at).label("last_seen")
    return (
        select(
            latest.c.fingerprint,
            func.count().label("jobs"),
            func.count(latest.c.tenant_id.distinct()).label("tenants"),
            func.min(latest.c.finished_at).label("first_seen"),
            last,
            *within,
            retrying.correlate(latest).scalar_subquery().label("retrying"),
        )
        .group_by(latest.c.fingerprint)
        .order_by(last.desc())
        .limit(MOST_GROUPS + 1)
    )


def _samples(session: Session, rows: Sequence[Any]) -> dict[str, Any]:
    """The latest job of each group."""
    if not rows:
        return {}
    last = [(row.fingerprint, row.last_seen) for row in rows]
    columns = (
        Job.id,
        Job.fingerprint,
        Job.queue,
        Job.error_code,
        Job.error_detail,
        Job.error_origin,
        Job.attempts,
        Job.max_attempts,
    )
    query = select(*columns).where(DeadLetters().where(), tuple_(Job.fingerprint, Job.finished_at).in_(last))
    return {row.fingerprint: row for row in session.execute(query)}


def _notes(session: Session, tenant_id: uuid.UUID | None, fingerprints: list[str]) -> dict[str, FailureNote]:
    """Those of the tenant; an operator's are for operators."""
    if not fingerprints:
        return {}
    mine = FailureNote.tenant_id.is_not_distinct_from(tenant_id)
    held = session.scalars(select(FailureNote).where(mine, FailureNote.fingerprint.in_(fingerprints)))
    return {one.fingerprint: one for one in held}


def _group(row: Any, sample: Any, held: FailureNote | None) -> Group:
    return Group(
        fingerprint=row.fingerprint,
        queue=sample.queue,
        code=sample.error_code or "",
        origin=sample.error_origin or "",
        sample=sample.error_detail or "",
        sample_job=sample.id,
        jobs=row.jobs,
        tenants=row.tenants,
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        hour=row.hour,
        day=row.day,
        week=row.week,
        retrying=row.retrying,
        permanent=sample.attempts < sample.max_attempts,
        note=held.text if held else "",
        muted_until=held.muted_until if held and held.muted_until and held.muted_until > now() else None,
    )


def _note_of(session: Session, call: Call, fingerprint: str) -> FailureNote:
    """The note of the caller's tenant, made where there is none. Raises NotFound for a cause of nobody's."""
    tenant_id = call.actor.tenant_id
    known = select(FailureNote).where(FailureNote.tenant_id.is_not_distinct_from(tenant_id), FailureNote.fingerprint == fingerprint)
    held = session.scalar(known.with_for_update())
    if held is None:
        group(session, tenant_id, fingerprint)
        held = FailureNote(fingerprint=fingerprint, tenant_id=tenant_id, changed_by=call.actor.name)
        session.add(held)
    return held
