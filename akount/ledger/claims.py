"""What workers do with a job: claim, beat, finish, settle, give back; and what becomes of one whose worker is gone."""

from __future__ import annotations

import datetime as dt
import functools
import random
import uuid
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ScalarSelect, and_, bindparam, select
from sqlalchemy.orm import Session

from akount.db import now
from akount.errors import AkountError
from akount.fingerprints import Cause, cause
from akount.ledger.holders import is_dead
from akount.ledger.moves import JOB, end, failing, move, moved, note_attempt, release
from akount.models import IN_LINE, Job, JobStatus

RETRY_BASE_SECONDS = 2.0
RETRY_CAP_SECONDS = 300.0
RETRY_JITTER = 0.2


@dataclass(frozen=True, slots=True)
class Claim:
    """A job in a worker's hands. `fence` proves that it still is."""

    job_id: uuid.UUID
    tenant_id: uuid.UUID
    document_id: uuid.UUID
    queue: str
    kind: str
    fence: int
    attempt: int
    max_attempts: int
    request_id: str
    due_at: dt.datetime
    started_at: dt.datetime
    worker: str
    reading_options: dict[str, Any] | None = None


class LostClaim(AkountError):
    """The job is no longer ours: its lease ran out or a person took it back."""

    code = "lost_claim"


def claim(session: Session, which: uuid.UUID | ScalarSelect[uuid.UUID], *, worker: str, lease_seconds: float) -> Claim | None:
    """waiting, delayed and due → active: this worker has it, until the lease runs out. None: not to be had.

    `which` is a job's id, or the query that chooses one at this instant (backlog.next_up)."""
    at = now()
    named = {} if isinstance(which, ScalarSelect) else {"the_job": which}
    row = session.execute(
        _claiming(None if named else which),
        {"at": at, "worker": worker, "started_at": at, "lease_until": at + dt.timedelta(seconds=lease_seconds), **named},
    ).one_or_none()
    return None if row is None else Claim(started_at=at, worker=worker, **row._asdict())


@functools.cache
def _claiming(chosen: ScalarSelect[uuid.UUID] | None) -> Any:
    """The move of a claim. What is done for every job is built once: building it costs more than sending it."""
    this = JOB.id == (bindparam("the_job") if chosen is None else chosen)
    eligible = and_(JOB.status.in_(IN_LINE), JOB.run_at <= bindparam("at"))
    return (
        move(this, eligible)
        .values(
            status=JobStatus.ACTIVE,
            attempts=JOB.attempts + 1,
            fence=JOB.fence + 1,
            progress=10,
            error_code=None,
            error_detail=None,
            error_origin=None,
            fingerprint=None,
        )
        .returning(
            JOB.id.label("job_id"),
            JOB.tenant_id,
            JOB.document_id,
            JOB.queue,
            JOB.kind,
            JOB.fence,
            JOB.attempts.label("attempt"),
            JOB.max_attempts,
            JOB.request_id,
            JOB.run_at.label("due_at"),
            JOB.reading_options,
        )
    )


def beat(session: Session, held: Claim, *, lease_seconds: float, progress: int) -> bool:
    """active → active: the worker lives, so far it got. False: the job is no longer its own."""
    lease = now() + dt.timedelta(seconds=lease_seconds)
    return moved(session, _HELD, _this(held) | {"lease_until": lease, "progress": progress})


def finish(session: Session, held: Claim, result: dict[str, Any]) -> None:
    """active → completed, in the transaction that writes the record. Raises LostClaim: then nothing may be written."""
    values = end() | {"status": JobStatus.COMPLETED, "progress": 100, "result": result}
    if not moved(session, _HELD, _this(held) | values):
        raise LostClaim
    _ended(session, held, "completed")


def settle(session: Session, held: Claim, error: AkountError) -> JobStatus | None:
    """active → delayed or failed. The one place that decides about another attempt: by `error.permanent`
    and the attempts left; `error.retry_after` (seconds) is obeyed up to the cap. None: the job was no longer its own."""
    again = not error.permanent and held.attempt < held.max_attempts
    why = cause(held.queue, error)
    values = failing(error, why)
    if again:
        values |= release() | {"status": JobStatus.DELAYED, "run_at": now() + _pause(held.attempt, error.retry_after)}
    else:
        values |= end() | {"status": JobStatus.FAILED}
    if not moved(session, _HELD, _this(held) | values):
        return None
    status: JobStatus = values["status"]
    _ended(session, held, status.value, error, why)
    return status


def give_back(session: Session, held: Claim) -> bool:
    """active → waiting: the worker stops; the attempt does not count."""
    values = release() | {"status": JobStatus.WAITING, "run_at": now()}
    if not moved(session, _HELD.values(attempts=JOB.attempts - 1), _this(held) | values):
        return False
    _ended(session, held, "given_back")
    return True


def recover(session: Session, limit: int = 500) -> list[uuid.UUID]:
    """active → waiting or failed: jobs whose lease ran out, or whose worker on this host is dead, are given back;
    after the last attempt they fail as `worker_lost`. Answers which were moved. One that somebody moves at this moment
    is left for the next sweep: a process that is frozen in the middle of a move would hold up all the others."""
    at = now()
    active = session.scalars(select(Job).where(Job.status == JobStatus.ACTIVE).order_by(Job.started_at).limit(limit)).all()
    abandoned = {job.id: job for job in active if _is_abandoned(job, at)}
    if not abandoned:
        return []
    free = select(Job.id).where(Job.id.in_(abandoned)).with_for_update(skip_locked=True)
    return [job_id for job_id in session.scalars(free).all() if _give_back_lost(session, abandoned[job_id], at)]


def take_from(session: Session, worker: str) -> list[uuid.UUID]:
    """active → waiting or failed for all that a worker holds who is taken for lost; the attempts count. Answers which."""
    held = select(Job).where(Job.status == JobStatus.ACTIVE, Job.worker == worker).with_for_update(skip_locked=True)
    return [job.id for job in session.scalars(held).all() if _give_back_lost(session, job, now())]


def _is_abandoned(job: Job, at: dt.datetime) -> bool:
    if job.worker is None or job.lease_until is None or job.started_at is None:
        return False
    return job.lease_until <= at or is_dead(job.worker)


def _give_back_lost(session: Session, job: Job, at: dt.datetime) -> bool:
    """Whether it was still as it was read."""
    error = AkountError("The worker that was reading this document stopped without a word.", code="worker_lost")
    again = job.attempts < job.max_attempts
    values = (release() if again else end()) | {"status": JobStatus.WAITING if again else JobStatus.FAILED, "run_at": at}
    why = cause(job.queue, error)
    values |= failing(error, why)
    same = and_(Job.fence == job.fence, Job.lease_until == job.lease_until)
    if not moved(session, move(Job.id == job.id, Job.status == JobStatus.ACTIVE, same).values(**values)):
        return False
    lost = {"job_id": job.id, "number": job.attempts, "worker": job.worker, "due_at": job.run_at, "started_at": job.started_at}
    note_attempt(session, lost, "lost", error, why)
    return True


_HELD = move(JOB.id == bindparam("the_job"), JOB.status == JobStatus.ACTIVE, JOB.fence == bindparam("the_fence"))
"""The move of a job that is still in the hands of the one who claimed it."""


def _this(held: Claim) -> dict[str, Any]:
    return {"the_job": held.job_id, "the_fence": held.fence}


def _ended(session: Session, held: Claim, outcome: str, error: AkountError | None = None, why: Cause | None = None) -> None:
    attempt = {
        "job_id": held.job_id,
        "number": held.attempt,
        "worker": held.worker,
        "due_at": held.due_at,
        "started_at": held.started_at,
    }
    note_attempt(session, attempt, outcome, error, why)


def _pause(attempt: int, retry_after: float | None) -> dt.timedelta:
    """2 s, 4 s, … with up to 20 % more, so that what failed together does not come back together."""
    seconds = min(RETRY_BASE_SECONDS * 2.0 ** (attempt - 1), RETRY_CAP_SECONDS)
    seconds *= 1 + random.uniform(0, RETRY_JITTER)  # noqa: S311  not a secret
    return dt.timedelta(seconds=max(seconds, min(retry_after or 0, RETRY_CAP_SECONDS)))
