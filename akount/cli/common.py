"""What the commands share: settings with logs, an open runtime, and how facts are said."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import click

import config
from akount import __version__, db, logs
from akount.lifecycle import Runtime, open_runtime
from akount.tasks.queues import hang_bells


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
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
