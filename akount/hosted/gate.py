"""What every call to a hosted engine passes, all workers together: the circuit breaker, the cap on calls at the same time, and
the tenant's budget for the month. It lives in the database, which every installation has.

A call is let through by one transaction: it holds the engine's row, so that the calls at the same time are counted exactly,
and sets its price aside in one UPDATE that names the budget. A call whose worker dies keeps its price set aside: it may
have been made.
"""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass

from sqlalchemy import case, delete, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from akount.db import now
from akount.hosted.refusals import NotAnswered
from akount.models import HostedBreaker, HostedCall, HostedSpending, inserting, write

FAILURES = 5
"""In a row; then the engine is left alone."""
OPEN = dt.timedelta(seconds=60)
"""So long; then one call is made to see, and the others wait for what becomes of it, as long again at most."""
LATELY = dt.timedelta(minutes=15)
"""An engine that nobody has asked for so long after its breaker closed is not known to be away."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A call that was let through; what it may cost is set aside."""

    id: uuid.UUID
    tenant_id: uuid.UUID
    month: str
    reserved: int


@dataclass(frozen=True, slots=True)
class Wish:
    """A call that somebody wants to make. `price` is the most it can cost, in millionths of a US dollar, as is `budget`."""

    tenant_id: uuid.UUID
    job_id: uuid.UUID
    engine: str
    model: str
    price: int
    budget: int
    sent_sha256: str
    sent_bytes: int
    seconds: float


def month_of(at: dt.datetime | None = None) -> str:
    """The month that spending at an instant belongs to."""
    return (at or now()).strftime("%Y-%m")


def admit(session: Session, wish: Wish, at_once: int) -> Ticket:
    """Lets a call through. Raises NotAnswered: `hosted_breaker_open`, `hosted_busy`, `hosted_budget`; then the caller's
    transaction must not be committed."""
    at = now()
    ticket = Ticket(uuid.uuid4(), wish.tenant_id, month_of(at), wish.price)
    _pass_breaker(session, wish.engine, at)
    running = select(func.count()).where(
        HostedCall.engine == wish.engine, HostedCall.ended_at.is_(None), HostedCall.expires_at > at
    )
    if (session.scalar(running) or 0) >= at_once:
        raise NotAnswered("as many calls to it as are allowed run already", "hosted_busy", passing=True, retry_after=5)
    _reserve(session, ticket, wish.budget)
    call = HostedCall(id=ticket.id, tenant_id=wish.tenant_id, job_id=wish.job_id, engine=wish.engine, model=wish.model)
    call.sent_sha256, call.sent_bytes, call.reserved = wish.sent_sha256, wish.sent_bytes, wish.price
    call.started_at, call.expires_at = at, at + dt.timedelta(seconds=wish.seconds)
    write(session, call)
    return ticket


def settle(session: Session, ticket: Ticket, outcome: str, cost: int) -> None:
    """What became of a call and what it cost; what was set aside for it is free again."""
    ended = update(HostedCall).where(HostedCall.id == ticket.id, HostedCall.ended_at.is_(None))
    if session.execute(ended.values(ended_at=now(), outcome=outcome, cost=cost)).rowcount == 1:  # type: ignore[attr-defined]
        session.execute(
            _spending(ticket).values(reserved=HostedSpending.reserved - ticket.reserved, spent=HostedSpending.spent + cost)
        )


def forget(session: Session, before: dt.datetime) -> int:
    """Removes calls that were begun earlier; what each month has cost stays. Answers how many."""
    old = delete(HostedCall).where(HostedCall.started_at < before)
    return session.execute(old).rowcount or 0  # type: ignore[attr-defined]


def report(session: Session, engine: str, *, failed: bool) -> bool:
    """What the breaker hears of a request. Answers whether calls may go on."""
    if not failed:
        session.execute(update(HostedBreaker).where(HostedBreaker.engine == engine).values(failures=0, open_until=None))
        return True
    failures = HostedBreaker.failures + 1
    open_until = case((failures >= FAILURES, now() + OPEN), else_=HostedBreaker.open_until)
    told = update(HostedBreaker).where(HostedBreaker.engine == engine).values(failures=failures, open_until=open_until)
    count = session.scalar(told.returning(HostedBreaker.failures))
    return (count or 0) < FAILURES


def left_alone(session: Session) -> list[str]:
    """The engines whose breaker is open, or was until lately and no call has been made to see since."""
    open_ = (HostedBreaker.failures >= FAILURES, HostedBreaker.open_until > now() - LATELY)
    return list(session.scalars(select(HostedBreaker.engine).where(*open_).order_by(HostedBreaker.engine)))


def _pass_breaker(session: Session, engine: str, at: dt.datetime) -> None:
    """Holds the engine's row until the end of the transaction. Where the breaker has been open for long enough, this is the
    call that is made to see: until it has reported, the breaker is open for everybody else."""
    closed = or_(HostedBreaker.open_until.is_(None), HostedBreaker.open_until <= at)
    seeing = case((HostedBreaker.open_until.is_(None), None), else_=at + OPEN)
    through = update(HostedBreaker).where(HostedBreaker.engine == engine, closed)
    through = through.values(calls=HostedBreaker.calls + 1, open_until=seeing)
    if session.execute(through).rowcount == 1:  # type: ignore[attr-defined]
        return
    if session.get(HostedBreaker, engine) is None:
        _insert_once(session, HostedBreaker, {"engine": engine, "failures": 0, "calls": 0})
        if session.execute(through).rowcount == 1:  # type: ignore[attr-defined]
            return
    raise NotAnswered("it has failed several times in a row and is left alone", "hosted_breaker_open", passing=True, retry_after=60)


def _reserve(session: Session, ticket: Ticket, budget: int) -> None:
    within = HostedSpending.spent + HostedSpending.reserved + ticket.reserved <= budget
    reserving = _spending(ticket).where(within).values(reserved=HostedSpending.reserved + ticket.reserved)
    if session.execute(reserving).rowcount == 1:  # type: ignore[attr-defined]
        return
    if session.get(HostedSpending, (ticket.tenant_id, ticket.month)) is None:
        _insert_once(session, HostedSpending, {"tenant_id": ticket.tenant_id, "month": ticket.month, "spent": 0, "reserved": 0})
        if session.execute(reserving).rowcount == 1:  # type: ignore[attr-defined]
            return
    raise NotAnswered("the budget for this month is used up", "hosted_budget")


def _spending(ticket: Ticket):  # type: ignore[no-untyped-def]
    return update(HostedSpending).where(HostedSpending.tenant_id == ticket.tenant_id, HostedSpending.month == ticket.month)


def _insert_once(session: Session, table: type[HostedBreaker] | type[HostedSpending], values: dict[str, object]) -> None:
    """Makes a row, or finds that somebody has made it at the same moment."""
    try:
        with session.begin_nested():
            session.execute(inserting(table), values)
    except IntegrityError:
        return
