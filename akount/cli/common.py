"""What the commands share: settings with logs, an open runtime, and how facts are said."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import click

import config
from akount import __version__, db, logs
from akount.lifecycle import Runtime, open_runtime
from akount.processes import loading
from akount.tasks.queues import hang_bells

MODULES = {
    "config": "service",
    "demo": "service",
    "doctor": "service",
    "entity": "people",
    "jobs": "ledger",
    "key": "people",
    "migrate": "service",
    "pause": "ledger",
    "prune": "ledger",
    "resume": "ledger",
    "run": "service",
    "scan": "service",
    "storage": "files",
    "sweep": "ledger",
    "tenant": "people",
    "upload": "upload",
    "user": "people",
    "worker": "service",
    "workers": "ledger",
}
"""Where each command is."""


class Commands(click.Group):
    """Reads the code of a command when it is asked for: most of the time that a command takes is the reading of its code."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's own
        """All, read or not."""
        return sorted(MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command; its module adds it."""
        if cmd_name in MODULES:
            with loading():
                import_module(f"akount.cli.{MODULES[cmd_name]}")
        return super().get_command(ctx, cmd_name)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Akount Document Intelligence: reads bills and invoices and makes checked draft records of them."""


def load_settings() -> config.Settings:
    """The settings, with the logs set up by them."""
    settings = config.load()
    logs.configure(as_json=settings.logs_as_json, level=settings.log_level, warnings=settings.warnings)
    return settings


@contextlib.contextmanager
def open_for_command() -> Iterator[Runtime]:
    """A runtime with bells, closed at the end. Refuses a database of another schema."""
    runtime = open_runtime(load_settings())
    try:
        db.require_head(runtime.database)
        hang_bells(runtime)
        yield runtime
    finally:
        runtime.close()


def say(as_json: bool, **facts: Any) -> None:
    """Tells facts, as lines for people or as one JSON object for scripts."""
    click.echo(json.dumps(facts) if as_json else "\n".join(f"{name}: {value}" for name, value in facts.items()))
