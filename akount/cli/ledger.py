"""Commands for the ledger: jobs, pauses, workers, upkeep."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import click

from akount import accounts, backlog, db, ledger, scans, workers
from akount.api.schemas import job_json
from akount.cli.common import cli, open_for_command, say
from akount.kinds import QUEUES
from akount.models import JobStatus
from akount.operations import Action
from akount.tasks import upkeep


@cli.group()
def jobs() -> None:
    """The ledger."""


@jobs.command("list")
@click.option("--status", type=click.Choice([s.value for s in JobStatus]))
@click.option("--queue", type=click.Choice(QUEUES))
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def jobs_list(status: str | None, queue: str | None, limit: int, as_json: bool) -> None:
    """The newest jobs in the history."""
    with open_for_command() as runtime, runtime.database.snapshot() as session:
        found = backlog.listed(session, status=JobStatus(status) if status else None, queue=queue, limit=limit)
    for job in found:
        line = f"{job.id}  {job.queue:13} {job.status:10} {job.attempts}/{job.max_attempts}  {job.created_at:%Y-%m-%d %H:%M:%S}"
        click.echo(json.dumps(job_json(job)) if as_json else f"{line}  {job.error_code or ''}")


@jobs.command("show")
@click.argument("job_id", type=click.UUID)
def jobs_show(job_id: uuid.UUID) -> None:
    """One job with its attempts, as JSON."""
    with open_for_command() as runtime:
        job = scans.find_job(runtime, accounts.SHELL.actor, job_id)
        with runtime.database.snapshot() as session:
            attempts = ledger.attempts_at(session, job)
    tried = [{"number": a.number, "outcome": a.outcome, "code": a.error_code, "worker": a.worker} for a in attempts]
    click.echo(json.dumps(job_json(job) | {"tried": tried}, indent=2))


def _meant(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say which dead letters are meant when they are not named one by one."""
    for option in (
        click.option("--before", type=click.DateTime(), help="Only those that failed before this time (UTC)."),
        click.option("--code", help="Only those that failed with this code."),
        click.option("--tenant", "tenant_id", type=click.UUID),
        click.option("--queue", type=click.Choice(QUEUES)),
        click.option("--all", "every", is_flag=True, help="Every failed job, or those that the other options name."),
        click.argument("job_ids", type=click.UUID, nargs=-1),
    ):
        command = option(command)
    return command


def _dead_letters(job_ids: Sequence[uuid.UUID], every: bool, said: dict[str, Any]) -> ledger.DeadLetters | None:
    """What --all and its options mean; None: the jobs are named one by one."""
    if bool(job_ids) == every or (job_ids and any(said.values())):
        raise click.UsageError("Name jobs, or say --all (with --queue, --tenant, --code, --before to say which).")
    before = said.pop("before")
    return ledger.DeadLetters(**said, before=before and before.replace(tzinfo=dt.UTC)) if every else None


@jobs.command("retry")
@_meant
def jobs_retry(job_ids: Sequence[uuid.UUID], every: bool, **said: Any) -> None:
    """Try failed or cancelled jobs again: those named, or --all failed ones."""
    meant = _dead_letters(job_ids, every, said)
    with open_for_command() as runtime:
        if meant is not None:
            click.echo(f"{scans.operate(runtime, accounts.SHELL, Action.RETRY, meant)} jobs will be tried again")
        for job_id in job_ids:
            click.echo(f"{job_id} {scans.retry(runtime, accounts.SHELL, job_id).status}")


@jobs.command("discard")
@_meant
@click.option("--reason", required=True)
def jobs_discard(job_ids: Sequence[uuid.UUID], every: bool, reason: str, **said: Any) -> None:
    """Take failed jobs off the list of dead letters: those named, or --all."""
    meant = _dead_letters(job_ids, every, said)
    with open_for_command() as runtime:
        if meant is not None:
            click.echo(f"{scans.operate(runtime, accounts.SHELL, Action.DISCARD, meant, reason)} jobs discarded")
        for job_id in job_ids:
            scans.discard(runtime, accounts.SHELL, job_id, reason)
            click.echo(f"{job_id} discarded")


@jobs.command("cancel")
@click.argument("job_ids", type=click.UUID, nargs=-1, required=True)
def jobs_cancel(job_ids: Sequence[uuid.UUID]) -> None:
    """Take back jobs that wait or run."""
    with open_for_command() as runtime:
        for job_id in job_ids:
            click.echo(f"{job_id} {scans.cancel(runtime, accounts.SHELL, job_id).status}")


@cli.command()
@click.option("--queue", type=click.Choice(QUEUES))
@click.option("--tenant", "tenant_id", type=click.UUID)
@click.option("--reason", required=True)
@click.option("--minutes", type=click.IntRange(min=1), help="It ends by itself after so long.")
def pause(queue: str | None, tenant_id: uuid.UUID | None, reason: str, minutes: int | None) -> None:
    """Hold up a queue, a tenant, or (without either) everything; what runs goes on."""
    until = db.now() + dt.timedelta(minutes=minutes) if minutes else None
    with open_for_command() as runtime:
        scans.pause(runtime, accounts.SHELL, queue=queue, tenant_id=tenant_id, reason=reason, until=until)
    click.echo("Paused.")


@cli.command()
@click.option("--queue", type=click.Choice(QUEUES))
@click.option("--tenant", "tenant_id", type=click.UUID)
def resume(queue: str | None, tenant_id: uuid.UUID | None) -> None:
    """Let go what was held up by the same words."""
    with open_for_command() as runtime:
        scans.resume(runtime, accounts.SHELL, queue=queue, tenant_id=tenant_id)
    click.echo("Resumed.")


@cli.command("workers")
def workers_() -> None:
    """The processes that read, and the pauses in force."""
    with open_for_command() as runtime, runtime.database.snapshot() as session:
        known, held = workers.listed(session), backlog.pauses(session)
    for one in known:
        doing = f"reads {one.job_id}" if one.job_id else "idle"
        size = f", {one.memory >> 20} MiB" if one.memory is not None else ""
        click.echo(f"{workers.pulse(one):8} {one.queue:13} {one.version:8} {one.name}  {doing}{size}")
    for pause in held:
        what = f"queue {pause.queue or 'all'}, tenant {pause.tenant_id or 'all'}"
        click.echo(f"paused   {what}: {pause.reason} (by {pause.paused_by}, until {pause.until or 'resumed'})")


@cli.command()
def sweep() -> None:
    """Give back jobs of dead workers and ring again, once; the workers do so every second."""
    with open_for_command() as runtime:
        click.echo(f"rung: {upkeep.sweep(runtime)}")


@cli.command()
def prune() -> None:
    """Take old jobs out of the history and remove files that no document names; the workers do so every hour."""
    with open_for_command() as runtime:
        say(False, **upkeep.prune(runtime))
