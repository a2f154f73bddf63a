"""The processes that read, as they tell of themselves: what each does, and which has not been heard of."""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from sqlalchemy import and_, delete, func, or_, select, update
from sqlalchemy.orm import Session

from akount import __version__, ledger
from akount.accounts import Call, note
from akount.db import now
from akount.errors import Conflict, NotFound
from akount.ledger import Claim
from akount.models import Job, JobStatus, WorkerProcess

TELL_SECONDS = 5
STALE_AFTER = dt.timedelta(seconds=30)
LOST_AFTER = dt.timedelta(seconds=90)
LATELY_SECONDS = 60
"""Pages are told by the minute."""
FORGET_AFTER = dt.timedelta(days=1)
MOST_SEATS = 500
"""So many workers are shown, the newest."""


class Pulse(enum.StrEnum):
    """How a worker is, by when it was last heard of."""

    LIVE = "live"
    STALE = "stale"
    LOST = "lost"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Condition:
    """How a worker is, as it tells with each beat: the columns of the same names."""

    memory: int
    models_loaded: bool
    pages_lately: int


def tell(session: Session, name: str, queue: str, job_id: uuid.UUID | None, condition: Condition | None = None) -> bool:
    """The worker lives, does this and is so; the first time it is written down. Answers whether it is to take no more jobs."""
    told = {"job_id": job_id, **(asdict(condition) if condition else {})}
    known = update(WorkerProcess).where(WorkerProcess.name == name).values(seen_at=now(), **told)
    found = session.execute(known.returning(WorkerProcess.drain_at)).one_or_none()
    if found is None:
        session.add(WorkerProcess(name=name, queue=queue, version=__version__, **told))
    return found is not None and found.drain_at is not None


def drain(session: Session, call: Call, name: str, reason: str) -> None:
    """Asks a worker to finish what it reads, to take nothing more and to end; it hears so within seconds. No other takes its
    place before its consumer is started anew. Raises NotFound, Conflict for one that has ended or was asked before."""
    worker = session.get(WorkerProcess, name, with_for_update=True)
    if worker is None:
        raise NotFound("There is no such worker.")
    if worker.stopped_at is not None or worker.drain_at is not None:
        raise Conflict("This worker has ended, or was asked to before.", code="wrong_status")
    worker.drain_at = now()
    note(session, call, "worker.drain", "worker:" + name[-70:], reason)


def requeue(session: Session, call: Call, name: str, reason: str) -> list[uuid.UUID]:
    """active → waiting or failed, for what a lost worker held; the attempt counts, as when the sweep finds it. Answers which.
    Raises NotFound, Conflict for one that has been heard of lately: it may still be reading."""
    worker = session.get(WorkerProcess, name)
    if worker is None:
        raise NotFound("There is no such worker.")
    if pulse(worker) is not Pulse.LOST:
        raise Conflict("This worker was heard of lately, and may still be reading; drain it instead.", code="wrong_status")
    moved = ledger.take_from(session, name)
    worker.stopped_at, worker.job_id = now(), None
    note(session, call, "worker.requeue", "worker:" + name[-70:], f"{reason} ({len(moved)} jobs)")
    return moved


@dataclass(frozen=True, slots=True)
class Seat:
    """A worker, what it does and how long it has done so."""

    worker: WorkerProcess
    pulse: Pulse
    job: Job | None
    "what it reads"

    @property
    def elapsed(self) -> float | None:
        """Seconds that it has read it."""
        return (now() - self.job.started_at).total_seconds() if self.job and self.job.started_at else None

    @property
    def outdated(self) -> bool:
        """Whether it runs another version of the program than who asks."""
        return self.worker.version != __version__


def seats(session: Session) -> list[Seat]:
    """Every worker that is remembered, the newest first, with its job, in one question."""
    held = and_(Job.id == WorkerProcess.job_id, Job.status == JobStatus.ACTIVE, Job.worker == WorkerProcess.name)
    rows = session.execute(
        select(WorkerProcess, Job).outerjoin(Job, held).order_by(WorkerProcess.started_at.desc()).limit(MOST_SEATS)
    )
    return [Seat(worker, pulse(worker), job) for worker, job in rows]


def stop(session: Session, name: str) -> None:
    """The worker has ended in order."""
    session.execute(update(WorkerProcess).where(WorkerProcess.name == name).values(stopped_at=now(), job_id=None))


def listed(session: Session) -> list[WorkerProcess]:
    """Every worker that is remembered, the newest first."""
    return list(session.scalars(select(WorkerProcess).order_by(WorkerProcess.started_at.desc())))


def alive(session: Session) -> dict[str, int]:
    """How many workers of each queue were heard of lately."""
    heard = (WorkerProcess.stopped_at.is_(None), WorkerProcess.seen_at > now() - STALE_AFTER)
    rows = session.execute(select(WorkerProcess.queue, func.count()).where(*heard).group_by(WorkerProcess.queue))
    return dict(rows.all())


def pulse(worker: WorkerProcess) -> Pulse:
    """How a worker is: live, stale after 30 s, lost after 90 s."""
    if worker.stopped_at is not None:
        return Pulse.STOPPED
    silent = now() - worker.seen_at
    return Pulse.LOST if silent > LOST_AFTER else Pulse.STALE if silent > STALE_AFTER else Pulse.LIVE


def forget(session: Session) -> int:
    """Forgets workers that were last heard of a day ago. Answers how many."""
    gone = session.execute(delete(WorkerProcess).where(WorkerProcess.seen_at < now() - FORGET_AFTER))
    return gone.rowcount or 0  # type: ignore[attr-defined]


def give_back(session: Session, pids: Iterable[int]) -> list[uuid.UUID]:
    """active → waiting for the jobs of processes of this host that were killed because they hung when they were to stop:
    the attempt does not count (H5). Answers which."""
    host = ledger.worker_name().rsplit(":", 2)[0]
    theirs = or_(*(Job.worker.startswith(f"{host}:{pid}:", autoescape=True) for pid in pids))
    held = session.scalars(select(Job).where(Job.status == JobStatus.ACTIVE, theirs)).all()
    return [job.id for job in held if ledger.give_back(session, _claim(job))]


def _claim(job: Job) -> Claim:
    """What the worker held, told from the job."""
    return Claim(
        job_id=job.id,
        tenant_id=job.tenant_id,
        document_id=job.document_id,
        queue=job.queue,
        kind=job.kind,
        fence=job.fence,
        attempt=job.attempts,
        max_attempts=job.max_attempts,
        request_id=job.request_id,
        due_at=job.run_at,
        started_at=job.started_at or now(),
        worker=job.worker or "",
    )
