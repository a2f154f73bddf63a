"""The health of the parts: how each is, since when, and what to do; and the alerts of the last days."""

from __future__ import annotations

from typing import Any

from flask import Response, current_app

from akount import alerts, notices
from akount.accounts import Permission
from akount.admin.shell import page, runtime, show
from akount.db import see_all

NAMES = {
    "database": "Database",
    "migrations": "Schema",
    "connections": "Connections",
    "clock": "Clock",
    "sweepers": "Sweepers",
    "storage": "Storage",
    "redis": "Redis",
    "retention": "Redis keeps",
    "disk": "Disk",
    "engines": "Engines",
}
TONES = {"ok": "good", "warn": "warn", "fail": "bad", "unknown": "unknown"}


@page("/health", Permission.PLATFORM)
def health() -> Response:
    """The parts, as the probes of this process see them now."""
    see_all()  # they are all tenants', whichever is looked at
    probes: Any = current_app.extensions["probes"]
    with runtime().database.snapshot() as session:
        told = alerts.recent(session)
    return show(
        "health.html",
        title="Health",
        vitals=probes.vitals(),
        names=NAMES,
        tones=TONES,
        alerts=told,
        severity=alerts.SEVERITY,
        ways=sorted(notices.ways(runtime().settings)),
    )
