"""The command that sends many documents to a running service, over HTTP."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from akount import bulk
from akount.bulk import Row
from akount.cli.common import cli
from akount.kinds import DEFAULT_KIND, KINDS, kind_named


@cli.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--url", envvar="AKOUNT_URL", default="http://127.0.0.1:4000", show_default=True, help="Where the service is.")
@click.option(
    "--key", envvar="AKOUNT_API_KEY", required=True, help="An API key; better in AKOUNT_API_KEY than on the command line."
)
@click.option("--kind", type=click.Choice(list(KINDS)), default=DEFAULT_KIND, show_default=True)
@click.option("--entity", help="The id of the entity, where the tenant has several.")
@click.option("--no-wait", is_flag=True, help="Send them, and do not wait until they are read.")
@click.option("--jsonl", is_flag=True, help="One JSON object a line.")
def upload(paths: Sequence[Path], url: str, key: str, *, kind: str, entity: str | None, no_wait: bool, jsonl: bool) -> None:
    """Send files, folders and ZIP archives to be read, each file its own job: 0 when all were read, else 1."""
    client, bars = bulk.Client(url, key), Console(stderr=True)
    wanted, well = list(bulk.entries(paths)), True
    with Progress(console=bars, disable=not bars.is_terminal, transient=True) as progress:
        sending, reading = progress.add_task("Sending", total=len(wanted)), progress.add_task("Reading", total=len(wanted))
        sent = []
        for entry in wanted:
            sent.append(client.send(entry, kind_named(kind), entity))
            progress.advance(sending)
        for row in sent:
            outcome = row if no_wait else client.follow(row)
            progress.advance(reading)
            well = well and "error" not in outcome
            click.echo(json.dumps(outcome, ensure_ascii=False) if jsonl else _line(outcome))
    sys.exit(0 if well else 1)


def _line(row: Row) -> str:
    if "error" in row:
        return f"{row['file']}: {row['status']}: {row['error']['detail']} [{row['error']['code']}]"
    more = " (sent before)" if row.get("duplicate") else ""
    return f"{row['file']}: {row['status']}{', ' + row['routing'].replace('_', ' ') if 'routing' in row else ''}{more}"
