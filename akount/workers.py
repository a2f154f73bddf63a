"""The processes that read, as they tell of themselves: what each does, and which has not been heard of."""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from collections.abc import Iterable

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from akount import __version__, ledger
from akount.db import now
from akount.ledger import Claim
from akount.models import Job, JobStatus, WorkerProcess

TELL_SECONDS = 5
STALE_AFTER = dt.timedelta(seconds=30)
LOST_AFTER = dt.timedelta(seconds=90)
FORGET_AFTER = dt.timedelta(days=1)


class Pulse(enum.StrEnum):
    """How a worker is, by when it was last heard of."""

    LIVE = "live"
    STALE = "stale"
    LOST = "lost"
    STOPPED = "stopped"


def tell(session: Session, name: str, queue: str, job_id: uuid.UUID | None) -> None:
    """The worker lives and does this; the first time it is written down."""
    known = update(WorkerProcess).where(WorkerProcess.name == name).values(seen_at=now(), job_id=job_id)
    if session.execute(known).rowcount == 0:  # type: ignore[attr-defined]
        session.add(WorkerProcess(name=name, queue=queue, version=__version__, job_id=job_id))


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
