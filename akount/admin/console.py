"""The console as the application has it: all its pages, what they have open, and the version of their style and script."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from flask import Flask, url_for

from akount import __version__, pools
from akount.admin import (
    access,
    audit,
    door,
    failures,
    health,
    hosted,
    jobs,
    limits,
    operations,
    overview,
    papers,
    plans,
    queues,
    review,
    schedules,
    search,
    shell,
    tenants,
    webhooks,
    words,
    workers,
)
from akount.census import Board
from akount.lifecycle import Runtime

PAGES = (
    *(overview, queues, jobs, failures, operations, review, papers, search),
    *(tenants, hosted, limits, plans, webhooks, workers, schedules, health, audit, access),
    door,
)
"""Every module with pages; the last has the page that is shown where there is none."""


def init_app(app: Flask, runtime: Runtime) -> None:
    """Hangs the console into the application. Its database is its own: few connections, and little patience (C5)."""
    database = pools.open_console_database(runtime.settings)
    runtime.on_close("console", database.close)
    app.extensions["console"] = replace(runtime, database=database)
    app.extensions["board"] = Board(database)
    app.extensions["console_assets"] = version = _version()
    words.init_app(app)
    app.jinja_env.globals |= shell.init_app()
    app.jinja_env.globals |= {
        "asset": lambda filename: url_for("admin.static", version=version, filename=filename),
        "release": __version__,
    }
    app.register_blueprint(shell.bp)


def _version() -> str:
    """Changes with the style, the script and the icons."""
    digest = hashlib.sha256()
    for path in sorted(door.STATIC.iterdir()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
