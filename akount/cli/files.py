"""Commands for the files: from one storage to another, and a link for a person."""

from __future__ import annotations

import sys
import uuid

import click

from akount import scans, transfer
from akount.accounts import SHELL
from akount.cli.common import cli, load_settings, open_for_command
from akount.storage import S3Storage, open_storage

LINK_SECONDS = 300
LONGEST_LINK_SECONDS = 3600


@cli.group()
def storage() -> None:
    """The files of the documents."""


@storage.command("copy")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
def storage_copy(source: str, target: str) -> None:
    """Copy every document's file FROM one storage TO another (file:///directory or s3://bucket).

    Both ends are checked byte for byte. Run it while the service runs, set STORAGE_URL, restart, and run it once more for
    what came meanwhile. A bucket is reached by the SPACES_ settings. 0 when TO holds everything, else 1."""
    settings = load_settings()
    with open_for_command() as runtime:
        ends = open_storage(settings, source), open_storage(settings, target)
        try:
            done = transfer.copy(runtime.database, *ends, lambda stored, how: click.echo(f"{stored.id} {how}"))
        finally:
            for end in ends:
                end.close()
    click.echo(f"{done.copied} copied, {done.present} there already, {len(done.faults)} not to be had")
    sys.exit(1 if done.faults else 0)


@storage.command("create")
def storage_create() -> None:
    """Make the bucket of the settings, unless it is there; a directory makes itself."""
    opened = open_storage(load_settings())
    try:
        made = isinstance(opened, S3Storage) and opened.create()
    finally:
        opened.close()
    click.echo("The bucket was made." if made else "The storage is there.")


@storage.command("link")
@click.argument("document_id", type=click.UUID)
@click.option("--seconds", type=click.IntRange(1, LONGEST_LINK_SECONDS), default=LINK_SECONDS, show_default=True)
@click.option("--reason", required=True, help="For the audit log.")
def storage_link(document_id: uuid.UUID, seconds: int, reason: str) -> None:
    """An address at which a person may load a document for a few minutes; buckets only, and audited."""
    with open_for_command() as runtime:
        click.echo(scans.link(runtime, SHELL, document_id, seconds=seconds, reason=reason))
