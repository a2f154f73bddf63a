"""What is done over and over, how the last round went, when the next is due; and to have one done now."""

from __future__ import annotations

from flask import Response, url_for

from akount import schedules as rounds
from akount.accounts import Permission
from akount.admin.shell import action, done, page, runtime, show
from akount.api.guards import call
from akount.db import see_all


@page("/schedules", Permission.PLATFORM)
def schedules() -> Response:
    """All of it."""
    see_all()  # it is done for all tenants, whichever is looked at
    with runtime().database.snapshot() as session:
        listed = rounds.listed(session)
    rows = [(plan, held, rounds.missed(plan, held)) for plan, held in listed]
    return show("schedules.html", title="Schedules", rows=rows)


@action("/schedules/<schedule>/run", Permission.PLATFORM)
def run_schedule(schedule: str) -> Response:
    """Has the next sweeper do it."""
    see_all()
    with runtime().database.transaction() as session:
        rounds.run_now(session, call(), schedule)
    return done(f"{schedule} is due: a sweeper does it within a second or two.", to=url_for("admin.schedules"))
