"""What people do with a job: enter it, find it, take it back, try it again, discard it."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import BigInteger, bindparam, func, select, update
from sqlalchemy.orm import Session

from akount.db import now
from akount.errors import Conflict, NotFound
from akount.ledger.moves import JOB, anew, end, move, moved
from akount.models import IN_LINE, Attempt, Document, Job, JobStatus, inserting, values_of

CANCELLABLE = (*IN_LINE, JobStatus.ACTIVE)
RETRYABLE = (JobStatus.FAILED, JobStatus.CANCELLED)


def enter(
    session: Session,
    document: Document,
    *,
    queue: str,
    max_attempts: int,
    request_id: str,
    priority: int = 0,
    present: int = 0,
) -> Job:
    """(nothing) → waiting: the document is to be read. Rung at once by the caller, after the commit.

    Its turn is one behind the tenant's last document that is in line, else the `present` one (backlog.present_turn). Two at
    once may get the same: fairness, not order, is promised. The job that is answered is a picture of the row, without its
    turn: the session does not follow it."""
    at = now()
    job = Job(
        id=uuid.uuid4(),
        tenant_id=document.tenant_id,
        document_id=document.id,
        queue=queue,
        kind=document.kind,
        status=JobStatus.WAITING,
        max_attempts=max_attempts,
        request_id=request_id,
        priority=priority,
        run_at=at,
        rung_at=at,
        created_at=at,
        attempts=0,
        progress=0,
        version=1,
    )
    line = {"the_queue": queue, "the_tenant": document.tenant_id, "the_present": present}
    session.execute(_ENTERING, values_of(job) | line)
    return job


_ITS = (JOB.queue == bindparam("the_queue"), JOB.tenant_id == bindparam("the_tenant"), JOB.status.in_(IN_LINE))
_TURN = func.coalesce(select(func.max(JOB.turn) + 1).where(*_ITS).scalar_subquery(), bindparam("the_present", type_=BigInteger))
_ENTERING = inserting(Job).values(turn=_TURN)
_THIS = select(Job).where(Job.id == bindparam("the_job"))
_THIS_OF = _THIS.where(Job.tenant_id == bindparam("the_tenant"))


def find(session: Session, tenant_id: uuid.UUID | None, job_id: uuid.UUID) -> Job:
    """The job, if it is the tenant's (None: an operator, who sees all). Raises NotFound."""
    its = {} if tenant_id is None else {"the_tenant": tenant_id}
    job = session.scalar(_THIS_OF if its else _THIS, {"the_job": job_id, **its})
    if job is None:
        raise NotFound("There is no such job.")
    return job


def attempts_at(session: Session, job: Job) -> list[Attempt]:
    """The ended attempts at a job, oldest first."""
    return list(session.scalars(select(Attempt).where(Attempt.job_id == job.id).order_by(Attempt.ended_at)))


def cancel(session: Session, job: Job) -> None:
    """waiting, delayed, active → cancelled: a person took it back; who reads it is told at its next beat. Raises
    Conflict for a job that is over."""
    expected = Job.status.in_(CANCELLABLE)
    values = end() | {"status": JobStatus.CANCELLED}
    if not moved(session, move(Job.id == job.id, expected).values(**values)):
        raise Conflict("The job is over; only one that waits or runs can be cancelled.", code="wrong_status")


def retry(session: Session, job: Job, reading_options: dict[str, Any] | None = None) -> None:
    """failed, cancelled → waiting, with all its attempts before it again, to be read as said. Raises Conflict for any other
    status."""
    expected = Job.status.in_(RETRYABLE)
    values = anew() | {"rung_at": now(), "reading_options": reading_options}
    if not moved(session, move(Job.id == job.id, expected).values(**values)):
        raise Conflict("Only a failed or cancelled job can be tried again.", code="wrong_status")


def run_now(session: Session, job: Job) -> None:
    """delayed → waiting: its pause is over. Raises Conflict for any other status."""
    values = {"status": JobStatus.WAITING, "run_at": now(), "rung_at": now()}
    if not moved(session, move(Job.id == job.id, Job.status == JobStatus.DELAYED).values(**values)):
        raise Conflict("Only a job that waits for its next attempt can be run now.", code="wrong_status")


def discard(session: Session, job: Job, reason: str) -> None:
    """failed → failed and off the list of dead letters, with the reason. Raises Conflict for any other status."""
    values = {"discarded_at": now(), "discard_reason": reason}
    if not moved(session, move(Job.id == job.id, Job.status == JobStatus.FAILED, Job.discarded_at.is_(None)).values(**values)):
        raise Conflict("Only a failed job that was not discarded before can be discarded.", code="wrong_status")


def erase(session: Session, job: Job, reason: str) -> None:
    """Its document is to be forgotten: a job that waits or runs is taken back, a dead letter discarded, and what it says of
    the document's content goes. Who reads it at this moment is told at its next beat."""
    at = now()
    expected = Job.status.in_(CANCELLABLE)
    moved(session, move(Job.id == job.id, expected).values(**end() | {"status": JobStatus.CANCELLED}))
    gone = {"result": None, "error_detail": None, "discarded_at": at, "discard_reason": reason}
    session.execute(update(Job).where(Job.id == job.id).values(version=Job.version + 1, **gone))
