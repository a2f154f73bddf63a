"""The workers: who lives, what each reads and for how long, which queue nobody serves; to drain one, to requeue for a lost one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flask import Response, request, url_for

from akount import __version__
from akount import workers as crew
from akount.accounts import Permission
from akount.admin.shell import action, back, confirm, done, page, reason, runtime, show
from akount.api.guards import call
from akount.db import see_all
from akount.errors import Invalid
from akount.kinds import QUEUES
from akount.workers import Pulse, Seat


@dataclass(frozen=True, slots=True)
class Coverage:
    """Who serves a queue."""

    queue: str
    live: int
    "each reads one document at a time: so many slots there are"
    busy: int
    draining: int
    memory: int | None
    pages: int | None
    "that they read in the last minute; None, as above: none of them has told"


@page("/workers", Permission.PLATFORM)
def workers() -> Response:
    """All of them: those that are to be heard of, and below those that ended or were lost."""
    see_all()  # they work for all tenants, whichever is looked at
    with runtime().database.snapshot() as session:
        seats = crew.seats(session)
    here = [seat for seat in seats if seat.pulse in (Pulse.LIVE, Pulse.STALE)]
    return show(
        "workers.html",
        title="Workers",
        here=here,
        lost=[seat for seat in seats if seat.pulse is Pulse.LOST],
        stopped=[seat for seat in seats if seat.pulse is Pulse.STOPPED],
        coverage=[_coverage(queue, [seat for seat in here if seat.worker.queue == queue]) for queue in QUEUES],
        whole=_coverage("All", here),
        version=__version__,
        limit=runtime().settings.scan_timeout_seconds,
    )


def _coverage(queue: str, seats: Iterable[Seat]) -> Coverage:
    live = [seat for seat in seats if seat.pulse is Pulse.LIVE]
    return Coverage(
        queue,
        len(live),
        busy=sum(seat.job is not None for seat in live),
        draining=sum(seat.worker.drain_at is not None for seat in live),
        memory=_sum(seat.worker.memory for seat in live),
        pages=_sum(seat.worker.pages_lately for seat in live),
    )


def _sum(told: Iterable[int | None]) -> int | None:
    """Of what is known; None: nothing is."""
    known = [number for number in told if number is not None]
    return sum(known) if known else None


def _named() -> str:
    """The worker that a link or form names. Raises Invalid where it names none."""
    name = request.values.get("worker", "")
    if not 0 < len(name) <= 200:
        raise Invalid("Say which worker: this is reached from the page Workers.", code="worker_required")
    return name


@page("/workers/drain", Permission.PLATFORM)
def ask_drain_worker() -> Response:
    """Asks before one is drained."""
    return confirm(
        "drain_worker",
        title="Drain this worker?",
        consequence=f"{_named()} finishes what it reads, takes nothing more and ends, within seconds. No other takes its place "
        "until its consumer is started anew; when all workers of a consumer are drained, the consumer ends, and whatever "
        "supervises it starts it again.",
        verb="Drain the worker",
        back=back(url_for("admin.workers")),
        fields=[("worker", _named())],
    )


@action("/workers/drain", Permission.PLATFORM)
def drain_worker() -> Response:
    """Drains one."""
    with runtime().database.transaction() as session:
        crew.drain(session, call(), _named(), reason())
    return done("The worker takes nothing more; it hears so within seconds.", to=back(url_for("admin.workers")))


@page("/workers/requeue", Permission.PLATFORM)
def ask_requeue_worker() -> Response:
    """Asks before what a lost one held is given to others."""
    return confirm(
        "requeue_worker",
        title="Requeue what this worker held?",
        consequence=f"What {_named()} was reading waits again, or is a dead letter after its last attempt; the attempt counts. "
        "The sweep does so by itself when the lease is over.",
        verb="Requeue its jobs",
        back=back(url_for("admin.workers")),
        fields=[("worker", _named())],
    )


@action("/workers/requeue", Permission.PLATFORM)
def requeue_worker() -> Response:
    """Gives it to others."""
    see_all()
    with runtime().database.transaction() as session:
        moved = crew.requeue(session, call(), _named(), reason())
    return done(f"{len(moved)} jobs of the lost worker were given back.", to=back(url_for("admin.workers")))
