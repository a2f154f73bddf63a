"""Commands that run the service and look after what it stands on, and the one that reads files without it."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

import config
from akount import db, demo, doctor, offline
from akount.cli.common import cli, load_settings
from akount.errors import Unavailable
from akount.extraction.sandbox import Limits
from akount.kinds import DEFAULT_KIND, KINDS, QUEUES, kind_named
from akount.supervisor import GRACE_SECONDS, Child, Supervisor, akount
from akount.tasks.consumer import work

console = Console(width=None if sys.stdout.isatty() else 150)


@cli.command()
def run() -> None:
    """Development: migrate, make a demo tenant on first start, run web and workers until Ctrl-C."""
    if not demo.run(load_settings(), console):
        sys.exit(1)


@cli.command("demo")
@click.option("--exit", "leave", is_flag=True, help="Stop after the samples: 0 if all came through, else 1.")
def demo_(leave: bool) -> None:
    """As run, then read the bundled samples over HTTP and show what was read."""
    if not demo.demo(load_settings(), console, leave=leave):
        sys.exit(1)


@cli.command()
@click.option("--queue", "queues", multiple=True, type=click.Choice(QUEUES), help="Only this queue (repeatable).")
@click.option("--processes", type=click.IntRange(1, 64), help="Reading processes for each queue [WORKER_PROCESSES].")
def worker(queues: Sequence[str], processes: int | None) -> None:
    """Read what waits, until TERM or Ctrl-C: 0 when all ended in order, else 1."""
    settings = load_settings()
    names = list(dict.fromkeys(queues)) or list(QUEUES)
    count = processes or settings.worker_processes
    if len(names) == 1:
        sys.exit(0 if work(settings, names[0], count) else 1)
    _refuse_other_schema(settings)  # now: children that refuse would be started again and again
    each = [Child(f"worker {name}", akount("worker", "--queue", name, "--processes", str(count))) for name in names]
    with Supervisor(each, os.environ, settings.stop_seconds + GRACE_SECONDS) as supervisor:
        supervisor.watch()
    sys.exit(0 if supervisor.clean else 1)


def _refuse_other_schema(settings: config.Settings) -> None:
    """Raises SettingsError. A database that is away refuses nobody: the children wait for it."""
    database = db.Database(settings.database, pooled=False)
    with contextlib.closing(database), contextlib.suppress(Unavailable):
        db.require_head(database)


@cli.command()
@click.option("--down-to", metavar="REVISION", help="Back to an older one, such as 0007, for the program of that time.")
def migrate(down_to: str | None) -> None:
    """Bring the database schema to head."""
    settings = load_settings()
    if down_to:
        db.migrate(settings.database, down_to, down=True)
    else:
        db.migrate(settings.database)
    click.echo(f"The schema is at {down_to or 'head'}.")


@cli.group("config")
def config_() -> None:
    """The settings."""


@config_.command()
def check() -> None:
    """Print every setting, where it comes from and its masked value, then what is wrong with them."""
    found = config.examine()
    table = Table("Setting", "Value", "Source", box=None)
    for declared in config.DECLARED:
        name = config.variable(declared)
        value = "(not valid)" if name in found.unreadable else config.masked(found.settings, declared) or "-"
        table.add_row(name, value, found.settings.sources.get(name, "default"))
    console.print(table)
    for warning in found.settings.warnings:
        click.echo(f"warning: {warning}")
    if found.problems:
        click.echo(config.complaint(found.problems), err=True)
        sys.exit(2)
    click.echo("The settings are good.")


@cli.command("doctor")
def doctor_() -> None:
    """Look at everything the service stands on, with a fix for each fault."""
    if not doctor.examine(load_settings(), click.echo):
        sys.exit(1)


@cli.command()
@click.argument("files", nargs=-1, required=True, type=click.Path())
@click.option("--kind", type=click.Choice(list(KINDS)), default=DEFAULT_KIND, show_default=True)
@click.option("--truth", is_flag=True, help="The files are truth.jsonl lists of documents.")
@click.option("--jsonl", is_flag=True, help="One JSON object a line instead of a table.")
def scan(files: Sequence[str], kind: str, truth: bool, jsonl: bool) -> None:
    """Read FILES here and now: no server, no database."""
    settings = load_settings()
    tasks = offline.from_truth(files) if truth else offline.from_files(files, kind_named(kind))
    show: Callable[[dict[str, Any]], None] = _print_json if jsonl else _print_reading
    bars = Console(stderr=True)
    with (
        offline.Readers(Limits.of(settings)) as readers,
        Progress(console=bars, disable=not bars.is_terminal, transient=True) as progress,
    ):
        bar = progress.add_task("Reading", total=len(tasks))
        for answer in readers.read_all(tasks, lambda: progress.advance(bar)):
            show(answer)


def _print_json(answer: dict[str, Any]) -> None:
    click.echo(json.dumps(answer, ensure_ascii=False))


def _print_reading(answer: dict[str, Any]) -> None:
    click.secho(answer["file"], bold=True)
    if "error" in answer:
        click.echo(f"  {answer['error']['detail']} [{answer['error']['code']}]")
        return
    for name, value in answer["fields"].items():
        if value not in (None, []) and name != "lines":
            click.echo(f"  {name:16} {value}  ({answer['fieldConfidence'][name]} %)")
    count = len(answer["fields"]["lines"])
    click.echo(f"  {count} lines, confidence {answer['confidence']}, by {answer['engine']} in {answer['seconds']} s")
    for warning in answer["warnings"]:
        click.echo(f"  ! {warning}")
