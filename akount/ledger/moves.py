"""What every move is made of: one UPDATE that counts the version, and what it says of the job from now on."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Table, Update, update
from sqlalchemy.orm import Session

from akount.db import now
from akount.errors import AkountError
from akount.fingerprints import Cause
from akount.models import Attempt, Job, JobStatus, inserting

JOBS: Table = Job.__table__  # type: ignore[assignment]
JOB = JOBS.c


def move(*expected: ColumnElement[bool]) -> Update:
    """The move of the jobs that are as is expected of them."""
    return update(JOBS).where(*expected).values(version=JOB.version + 1)


def moved(session: Session, statement: Update, values: dict[str, Any] | None = None) -> bool:
    """Whether a job was as the move expects it, and moved."""
    count: int = session.execute(statement, values or {}).rowcount  # type: ignore[attr-defined]
    return count == 1


def release() -> dict[str, Any]:
    """Nobody holds it."""
    return {"worker": None, "lease_until": None, "progress": 0}


def anew() -> dict[str, Any]:
    """As if it had just been entered, with all its attempts before it."""
    return release() | {
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


def end() -> dict[str, Any]:
    """It is over."""
    return {"worker": None, "lease_until": None, "finished_at": now()}


def failing(error: AkountError, why: Cause) -> dict[str, Any]:
    """What it failed of."""
    return {
        "error_code": error.code,
        "error_detail": error.detail,
        "error_origin": why.origin,
        "fingerprint": why.fingerprint,
    }


def note_attempt(session: Session, attempt: dict[str, Any], outcome: str, error: AkountError | None, why: Cause | None) -> None:
    """Writes down an attempt that is over: without an error it did not fail."""
    told = {
        "error_code": error.code if error else None,
        "error_detail": error.detail if error else None,
        "error_origin": why.origin if why else None,
        "error_frames": why.frames if why and error and error.__cause__ else None,
    }
    session.execute(inserting(Attempt), attempt | {"ended_at": now(), "outcome": outcome} | told)
