"""What is done over and over, for all machines together: each round is taken by one sweeper, and how it went is kept.

A round that is taken is not given to another before its next time, so a sweeper that dies in it costs one round. Whoever
wants one done now moves its time.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from akount import logs
from akount.accounts import Call, note
from akount.db import Database, now
from akount.errors import AkountError, NotFound
from akount.models import Schedule

log = logs.get(__name__)

DETAIL_LENGTH = 500


@dataclass(frozen=True, slots=True)
class Plan:
    """Something that is done over and over."""

    name: str
    every: dt.timedelta
    about: str
    "what it does, in a sentence"


PLANS: dict[str, Plan] = {
    plan.name: plan
    for plan in (
        Plan(
            "sweep",
            dt.timedelta(seconds=10),
            "Gives back jobs of dead workers, carries bulk operations on and rings for what is due. Every sweeper does so each "
            "second; one round in ten is written down.",
        ),
        Plan("history", dt.timedelta(seconds=15), "Counts what ended in the last minutes and how long it waited and ran."),
        Plan("history-hours", dt.timedelta(minutes=1), "Adds the minutes up to quarters of an hour and to hours."),
        Plan("alerts", dt.timedelta(seconds=15), "Looks whether anything is wrong, and tells whoever is to know."),
        Plan("prune", dt.timedelta(hours=1), "Takes old jobs out of the history and removes files that no document names."),
    )
}
REMIND_LATE = 3
"""A round is missed when it is late by so many intervals."""


def due(session: Session) -> list[Plan]:
    """What is to be done now."""
    at = now()
    times = dict(session.execute(select(Schedule.name, Schedule.due_at)).all())
    return [plan for plan in PLANS.values() if times.get(plan.name, at) <= at]


def take(session: Session, plan: Plan, by: str) -> bool:
    """Takes the round that is due. False: somebody else has it."""
    at = now()
    if session.get(Schedule, plan.name) is None:
        try:
            with session.begin_nested():
                session.add(Schedule(name=plan.name, due_at=at))
        except IntegrityError:
            return False  # made by somebody else at this moment, who takes it too
    taken = (
        update(Schedule)
        .where(Schedule.name == plan.name, Schedule.due_at <= at)
        .values(due_at=at + plan.every, started_at=at, taken_by=by, ended_at=None, outcome=None, detail="", duration_ms=None)
    )
    moved: int = session.execute(taken).rowcount  # type: ignore[attr-defined]
    return moved == 1


@contextmanager
def round_of(database: Database, plan: Plan, by: str) -> Iterator[dict[str, object]]:
    """Writes down how a round went that was taken; what is put into the dictionary is told of it. An error ends the
    round, and is told: the sweeper lives on."""
    told: dict[str, object] = {}
    started, outcome = time.monotonic(), "failed"
    try:
        yield told
        outcome = "done"
    except AkountError as error:
        told["error"] = error.code
        log.warning("round failed", schedule=plan.name, code=error.code)
    except Exception:  # the sweeper that gives jobs back must not die of one
        told["error"] = "internal_error"
        log.exception("round failed by a fault of ours", schedule=plan.name)
    detail = " ".join(f"{name}={value}" for name, value in told.items())[:DETAIL_LENGTH]
    ms = round((time.monotonic() - started) * 1000)
    ended = update(Schedule).where(Schedule.name == plan.name, Schedule.taken_by == by)
    with database.transaction() as session:
        session.execute(ended.values(ended_at=now(), outcome=outcome, detail=detail, duration_ms=ms))


def listed(session: Session) -> list[tuple[Plan, Schedule | None]]:
    """Every plan, with how its last round went; None: it was never taken."""
    known = {one.name: one for one in session.scalars(select(Schedule))}
    return [(plan, known.get(name)) for name, plan in PLANS.items()]


def missed(plan: Plan, held: Schedule | None) -> bool:
    """Whether nobody has come for a round that is long due: no sweeper runs."""
    return held is None or now() > held.due_at + max(plan.every * REMIND_LATE, dt.timedelta(seconds=30))


def run_now(session: Session, call: Call, name: str) -> None:
    """Has the next sweeper do it. Raises NotFound."""
    if name not in PLANS:
        raise NotFound("There is no such schedule.")
    held = session.get(Schedule, name)
    if held is not None:  # one that was never taken is due as it is
        held.due_at = now()
    note(session, call, "schedule.run", f"schedule:{name}")
