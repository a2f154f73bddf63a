"""The ledger of jobs: the truth about what is to be read, and the only place that moves a job.

Every move is one UPDATE that names the status it expects, and the fence when a worker holds the job; who moves no row
has lost the race. Nothing here commits: the caller owns the transaction. docs/states.md has the picture.
"""

from __future__ import annotations

import datetime as dt
import functools
import os
import random
import socket
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Insert, ScalarSelect, Table, Update, and_, bindparam, or_, select, update
from sqlalchemy.orm import Session

from akount.db import now
from akount.errors import AkountError, Conflict, NotFound
from akount.fingerprints import Cause, cause
from akount.models import Attempt, Document, Job, JobStatus, inserting, values_of, write

CANCELLABLE = (JobStatus.WAITING, JobStatus.DELAYED, JobStatus.ACTIVE)
RETRYABLE = (JobStatus.FAILED, JobStatus.CANCELLED)
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


def worker_name() -> str:
    """This process as the ledger names it: host/pid-namespace:pid:start. A reused pid has another start."""
    return _name_of(os.getpid())


@functools.cache
def _name_of(pid: int) -> str:
    return f"{_host()}:{pid}:{_started(pid)}"


def _host() -> str:
    try:
        return f"{socket.gethostname()}/{os.readlink('/proc/self/ns/pid')[5:-1]}"  # noqa: PTH115
    except OSError:
        return socket.gethostname()


def _started(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return "0"


def _is_dead(worker: str) -> bool:
    """Whether a worker of this host is certainly gone; of other hosts nothing is certain."""
    host, pid, started = worker.rsplit(":", 2)
    return host == _host() and Path("/proc/self").exists() and _started(int(pid)) != started


def enter(
    session: Session,
    document: Document,
    *,
    queue: str,
    max_attempts: int,
    request_id: str,
    priority: int = 0,
    turn: ColumnElement[int] | None = None,
    present: int = 0,
) -> Job:
    """(nothing) → waiting: the document is to be read. Rung at once by the caller, after the commit.

    `turn` says how its place in line is found, from `the_queue`, `the_tenant` and `the_present` turn; without it that is the
    first. The job that is answered is a picture of the row, without its turn: the session does not follow it."""
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
    if turn is None:
        write(session, job)
    else:
        line = {"the_queue": queue, "the_tenant": document.tenant_id, "the_present": present}
        session.execute(_entering(turn), values_of(job) | line)
    return job


@functools.cache
def _entering(turn: ColumnElement[int]) -> Insert:
    return inserting(Job).values(turn=turn)


_THIS = select(Job).where(Job.id == bindparam("the_job"))
_THIS_OF = _THIS.where(Job.tenant_id == bindparam("the_tenant"))


def find(session: Session, tenant_id: uuid.UUID | None, job_id: uuid.UUID) -> Job:
    """The job, if it is the tenant's (None: an operator, who sees all). Raises NotFound."""
    its = {} if tenant_id is None else {"the_tenant": tenant_id}
    job = session.scalar(_THIS_OF if its else _THIS, {"the_job": job_id, **its})
    if job is None:
        raise NotFound("There is no such job.")
    return job


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
    this = _JOB.id == (bindparam("the_job") if chosen is None else chosen)
    eligible = and_(_JOB.status.in_([JobStatus.WAITING, JobStatus.DELAYED]), _JOB.run_at <= bindparam("at"))
    return (
        _move(this, eligible)
        .values(
            status=JobStatus.ACTIVE,
            attempts=_JOB.attempts + 1,
            fence=_JOB.fence + 1,
            progress=10,
            error_code=None,
            error_detail=None,
            error_origin=None,
            fingerprint=None,
        )
        .returning(
            _JOB.id.label("job_id"),
            _JOB.tenant_id,
            _JOB.document_id,
            _JOB.queue,
            _JOB.kind,
            _JOB.fence,
            _JOB.attempts.label("attempt"),
            _JOB.max_attempts,
            _JOB.request_id,
            _JOB.run_at.label("due_at"),
            _JOB.reading_options,
        )
    )


def beat(session: Session, held: Claim, *, lease_seconds: float, progress: int) -> bool:
    """active → active: the worker lives, so far it got. False: the job is no longer its own."""
    lease = now() + dt.timedelta(seconds=lease_seconds)
    return _moved(session, _HELD, _this(held) | {"lease_until": lease, "progress": progress})


def finish(session: Session, held: Claim, result: dict[str, Any]) -> None:
    """active → completed, in the transaction that writes the record. Raises LostClaim: then nothing may be written."""
    values = _end() | {"status": JobStatus.COMPLETED, "progress": 100, "result": result}
    if not _moved(session, _HELD, _this(held) | values):
        raise LostClaim
    _ended(session, held, "completed")


def settle(session: Session, held: Claim, error: AkountError) -> JobStatus | None:
    """active → delayed or failed. The one place that decides about another attempt: by `error.permanent`
    and the attempts left; `error.retry_after` (seconds) is obeyed up to the cap. None: the job was no longer its own."""
    again = not error.permanent and held.attempt < held.max_attempts
    why = cause(held.queue, error)
    values = _failing(error, why)
    if again:
        values |= _release() | {"status": JobStatus.DELAYED, "run_at": now() + _pause(held.attempt, error.retry_after)}
    else:
        values |= _end() | {"status": JobStatus.FAILED}
    if not _moved(session, _HELD, _this(held) | values):
        return None
    status: JobStatus = values["status"]
    _ended(session, held, status.value, error, why)
    return status


def give_back(session: Session, held: Claim) -> bool:
    """active → waiting: the worker stops; the attempt does not count."""
    values = _release() | {"status": JobStatus.WAITING, "run_at": now()}
    moved = _moved(session, _HELD.values(attempts=_JOB.attempts - 1), _this(held) | values)
    if moved:
        _ended(session, held, "given_back")
    return moved


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
    return job.lease_until <= at or _is_dead(job.worker)


def _give_back_lost(session: Session, job: Job, at: dt.datetime) -> bool:
    """Whether it was still as it was read."""
    error = AkountError("The worker that was reading this document stopped without a word.", code="worker_lost")
    again = job.attempts < job.max_attempts
    values = (_release() if again else _end()) | {"status": JobStatus.WAITING if again else JobStatus.FAILED, "run_at": at}
    why = cause(job.queue, error)
    values |= _failing(error, why)
    same = and_(Job.fence == job.fence, Job.lease_until == job.lease_until)
    if not _moved(session, _move(Job.id == job.id, Job.status == JobStatus.ACTIVE, same).values(**values)):
        return False
    lost = {"job_id": job.id, "number": job.attempts, "worker": job.worker, "due_at": job.run_at, "started_at": job.started_at}
    _note_attempt(session, lost, "lost", error, why)
    return True


def attempts_at(session: Session, job: Job) -> list[Attempt]:
    """The ended attempts at a job, oldest first."""
    return list(session.scalars(select(Attempt).where(Attempt.job_id == job.id).order_by(Attempt.ended_at)))


def cancel(session: Session, job: Job) -> None:
    """waiting, delayed, active → cancelled: a person took it back; who reads it is told at its next beat. Raises
    Conflict for a job that is over."""
    expected = Job.status.in_(CANCELLABLE)
    values = _end() | {"status": JobStatus.CANCELLED}
    if not _moved(session, _move(Job.id == job.id, expected).values(**values)):
        raise Conflict("The job is over; only one that waits or runs can be cancelled.", code="wrong_status")


def retry(session: Session, job: Job, reading_options: dict[str, Any] | None = None) -> None:
    """failed, cancelled → waiting, with all its attempts before it again, to be read as said. Raises Conflict for any other
    status."""
    expected = Job.status.in_(RETRYABLE)
    values = _anew() | {"rung_at": now(), "reading_options": reading_options}
    if not _moved(session, _move(Job.id == job.id, expected).values(**values)):
        raise Conflict("Only a failed or cancelled job can be tried again.", code="wrong_status")


def run_now(session: Session, job: Job) -> None:
    """delayed → waiting: its pause is over. Raises Conflict for any other status."""
    values = {"status": JobStatus.WAITING, "run_at": now(), "rung_at": now()}
    if not _moved(session, _move(Job.id == job.id, Job.status == JobStatus.DELAYED).values(**values)):
        raise Conflict("Only a job that waits for its next attempt can be run now.", code="wrong_status")


def discard(session: Session, job: Job, reason: str) -> None:
    """failed → failed and off the list of dead letters, with the reason. Raises Conflict for any other status."""
    values = {"discarded_at": now(), "discard_reason": reason}
    if not _moved(session, _move(Job.id == job.id, Job.status == JobStatus.FAILED, Job.discarded_at.is_(None)).values(**values)):
        raise Conflict("Only a failed job that was not discarded before can be discarded.", code="wrong_status")


def erase(session: Session, job: Job, reason: str) -> None:
    """Its document is to be forgotten: a job that waits or runs is taken back, a dead letter discarded, and what it says of
    the document's content goes. Who reads it at this moment is told at its next beat."""
    at = now()
    expected = Job.status.in_([JobStatus.WAITING, JobStatus.DELAYED, JobStatus.ACTIVE])
    _moved(session, _move(Job.id == job.id, expected).values(**_end() | {"status": JobStatus.CANCELLED}))
    gone = {"result": None, "error_detail": None, "discarded_at": at, "discard_reason": reason}
    session.execute(update(Job).where(Job.id == job.id).values(version=Job.version + 1, **gone))


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
        sorts = [JobStatus.WAITING, JobStatus.DELAYED] if self.status is None else [self.status]
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
    done = session.execute(_move(meant.where()).values(**_anew(), rung_at=None))
    return done.rowcount or 0  # type: ignore[attr-defined]


def discard_all(session: Session, meant: DeadLetters, reason: str) -> int:
    """failed → failed and off the list, for all that are meant. Answers how many."""
    done = session.execute(_move(meant.where()).values(discarded_at=now(), discard_reason=reason))
    return done.rowcount or 0  # type: ignore[attr-defined]


def cancel_all(session: Session, meant: InLine) -> int:
    """waiting, delayed → cancelled, for all that are meant. Answers how many."""
    done = session.execute(_move(meant.where()).values(**_end() | {"status": JobStatus.CANCELLED}))
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


def _pause(attempt: int, retry_after: float | None) -> dt.timedelta:
    """2 s, 4 s, … with up to 20 % more, so that what failed together does not come back together."""
    seconds = min(RETRY_BASE_SECONDS * 2.0 ** (attempt - 1), RETRY_CAP_SECONDS)
    seconds *= 1 + random.uniform(0, RETRY_JITTER)  # noqa: S311  not a secret
    return dt.timedelta(seconds=max(seconds, min(retry_after or 0, RETRY_CAP_SECONDS)))


_JOBS: Table = Job.__table__  # type: ignore[assignment]
_JOB = _JOBS.c


def _move(*expected: ColumnElement[bool]) -> Update:
    return update(_JOBS).where(*expected).values(version=_JOB.version + 1)


_HELD = _move(_JOB.id == bindparam("the_job"), _JOB.status == JobStatus.ACTIVE, _JOB.fence == bindparam("the_fence"))
"""The move of a job that is still in the hands of the one who claimed it."""


def _this(held: Claim) -> dict[str, Any]:
    return {"the_job": held.job_id, "the_fence": held.fence}


def _moved(session: Session, statement: Update, values: dict[str, Any] | None = None) -> bool:
    moved: int = session.execute(statement, values or {}).rowcount  # type: ignore[attr-defined]
    return moved == 1


def _release() -> dict[str, Any]:
    return {"worker": None, "lease_until": None, "progress": 0}


def _anew() -> dict[str, Any]:
    """As if it had just been entered, with all its attempts before it."""
    return _release() | {
        "status": JobStatus.WAITING,
        "attempts": 0,
        "run_at": now(),
        "started_at": None,
        "finished_at": None,
        "error_code": None,
        "error_detail": None,
        "error_origin": None,
        "fingerprint": None,
        "discarded_at": None,
        "discard_reason": None,
        "archived_at": None,
        "reading_options": None,
    }


def _end() -> dict[str, Any]:
    return {"worker": None, "lease_until": None, "finished_at": now()}


def _failing(error: AkountError, why: Cause) -> dict[str, Any]:
    return {
        "error_code": error.code,
        "error_detail": error.detail,
        "error_origin": why.origin,
        "fingerprint": why.fingerprint,
    }


def _ended(session: Session, held: Claim, outcome: str, error: AkountError | None = None, why: Cause | None = None) -> None:
    attempt = {
        "job_id": held.job_id,
        "number": held.attempt,
        "worker": held.worker,
        "due_at": held.due_at,
        "started_at": held.started_at,
    }
    _note_attempt(session, attempt, outcome, error, why)


def _note_attempt(session: Session, attempt: dict[str, Any], outcome: str, error: AkountError | None, why: Cause | None) -> None:
    told = {
        "error_code": error.code if error else None,
        "error_detail": error.detail if error else None,
        "error_origin": why.origin if why else None,
        "error_frames": why.frames if why and error and error.__cause__ else None,
    }
    session.execute(inserting(Attempt), attempt | {"ended_at": now(), "outcome": outcome} | told)
