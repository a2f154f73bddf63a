"""The commands: `python -m akount …`, each one thin."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

import config
from akount import __version__, accounts, backlog, db, demo, doctor, ledger, logs, offline, scans, workers
from akount.api.schemas import job_json
from akount.errors import AkountError, SettingsError
from akount.kinds import DEFAULT_KIND, KINDS, QUEUES, kind_named
from akount.lifecycle import Runtime, open_runtime
from akount.models import JobStatus, Role
from akount.supervisor import Child, Supervisor, akount
from akount.tasks import upkeep
from akount.tasks.consumer import work
from akount.tasks.queues import hang_bells
from akount.tasks.scan import limits

console = Console(width=None if sys.stdout.isatty() else 150)
ROLES = click.Choice([r.value for r in Role])


def main() -> None:
    """Runs a command: 0 well done, 1 could not be done, 2 wrong settings or words."""
    try:
        cli(standalone_mode=False)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except click.Abort:
        sys.exit(130)
    except SettingsError as error:
        click.echo(error.detail, err=True)
        sys.exit(2)
    except AkountError as error:
        click.echo(f"{error.detail} [{error.code}]", err=True)
        sys.exit(1)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Akount Document Intelligence: reads bills and invoices and makes checked draft records of them."""


def _settings() -> config.Settings:
    settings = config.load()
    logs.configure(as_json=settings.logs_as_json, level=settings.log_level)
    for warning in settings.warnings:
        logs.get(__name__).warning("setting", detail=warning)
    return settings


@contextlib.contextmanager
def _runtime() -> Iterator[Runtime]:
    runtime = open_runtime(_settings())
    try:
        db.require_head(runtime.database)
        hang_bells(runtime)
        yield runtime
    finally:
        runtime.close()


def _say(as_json: bool, **facts: Any) -> None:
    click.echo(json.dumps(facts) if as_json else "\n".join(f"{name}: {value}" for name, value in facts.items()))


@cli.command()
def run() -> None:
    """Development: migrate, make a demo tenant on first start, run web and workers until Ctrl-C."""
    demo.run(_settings(), console)


@cli.command("demo")
@click.option("--exit", "leave", is_flag=True, help="Stop after the samples: 0 if all came through, else 1.")
def demo_(leave: bool) -> None:
    """As run, then read the bundled samples over HTTP and show what was read."""
    if not demo.demo(_settings(), console, leave=leave):
        sys.exit(1)


@cli.command()
@click.option("--queue", "queues", multiple=True, type=click.Choice(QUEUES), help="Only this queue (repeatable).")
@click.option("--processes", type=click.IntRange(1, 64), help="Reading processes for each queue [WORKER_PROCESSES].")
def worker(queues: Sequence[str], processes: int | None) -> None:
    """Read what waits, until TERM or Ctrl-C."""
    settings = _settings()
    names = list(dict.fromkeys(queues)) or list(QUEUES)
    count = processes or settings.worker_processes
    if len(names) == 1:
        work(settings, names[0], count)
        return
    each = [Child(f"worker {name}", akount("worker", "--queue", name, "--processes", str(count))) for name in names]
    with Supervisor(each, os.environ) as supervisor:
        supervisor.watch()


@cli.command()
def migrate() -> None:
    """Bring the database schema to head."""
    settings = _settings()
    db.migrate(settings.database)
    click.echo("The schema is at head.")


@cli.group("config")
def config_() -> None:
    """The settings."""


@config_.command()
def check() -> None:
    """Print every setting, where it comes from and its masked value, then what is wrong with them."""
    try:
        settings, wrong = config.load(), None
    except SettingsError as error:
        settings, wrong = config.Settings(), error.detail
    if wrong is None:
        table = Table("Setting", "Value", "Source", box=None)
        for declared in config.DECLARED:
            name = config.variable(declared)
            table.add_row(name, config.masked(settings, declared) or "-", settings.sources.get(name, "default"))
        console.print(table)
        for warning in settings.warnings:
            click.echo(f"warning: {warning}")
        click.echo("The settings are good.")
        return
    click.echo(wrong, err=True)
    sys.exit(2)


@cli.command("doctor")
def doctor_() -> None:
    """Look at everything the service stands on, with a fix for each fault."""
    if not doctor.examine(_settings(), click.echo):
        sys.exit(1)


@cli.group()
def tenant() -> None:
    """Customers."""


@tenant.command("add")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True)
def tenant_add(name: str, as_json: bool) -> None:
    """Add a tenant, with one entity of the same name."""
    with _runtime() as runtime, runtime.database.transaction() as session:
        made, entity = accounts.add_tenant(session, name)
        facts = {"tenantId": str(made.id), "entityId": str(entity.id)}
    _say(as_json, **facts)


@cli.group()
def user() -> None:
    """People."""


@user.command("add")
@click.argument("email")
@click.option("--tenant", "tenant_id", type=click.UUID, required=True)
@click.option("--role", type=ROLES, required=True)
@click.option("--json", "as_json", is_flag=True)
def user_add(email: str, tenant_id: uuid.UUID, role: str, as_json: bool) -> None:
    """Add a user to a tenant."""
    with _runtime() as runtime, runtime.database.transaction() as session:
        user_id = str(accounts.add_user(session, email, tenant_id, Role(role)).id)
    _say(as_json, userId=user_id)


@cli.group()
def key() -> None:
    """API keys."""


@key.command("add")
@click.option("--tenant", "tenant_id", type=click.UUID, required=True)
@click.option("--role", type=ROLES, required=True)
@click.option("--name", default="key", help="What it is for.")
@click.option("--user", "user_id", type=click.UUID, help="Whose consents count for its uploads.")
@click.option("--json", "as_json", is_flag=True)
def key_add(tenant_id: uuid.UUID, role: str, name: str, user_id: uuid.UUID | None, as_json: bool) -> None:
    """Make an API key; it is shown this once."""
    with _runtime() as runtime, runtime.database.transaction() as session:
        made, token = accounts.add_key(session, tenant_id, Role(role), name, user_id)
        key_id = str(made.id)
    _say(as_json, keyId=key_id, key=token)


@key.command("revoke")
@click.argument("key_id", type=click.UUID)
def key_revoke(key_id: uuid.UUID) -> None:
    """Make an API key worthless."""
    with _runtime() as runtime, runtime.database.transaction() as session:
        accounts.revoke_key(session, key_id)
    click.echo("The key is revoked.")


@cli.command()
@click.argument("files", nargs=-1, type=click.Path())
@click.option("--kind", type=click.Choice(list(KINDS)), default=DEFAULT_KIND, show_default=True)
@click.option("--truth", is_flag=True, help="The files are truth.jsonl lists of documents.")
@click.option("--jsonl", is_flag=True, help="One JSON object a line instead of a table.")
def scan(files: Sequence[str], kind: str, truth: bool, jsonl: bool) -> None:
    """Read FILES here and now: no server, no database."""
    settings = _settings()
    tasks = offline.from_truth(files) if truth else offline.from_files(files, kind_named(kind))
    show: Callable[[dict[str, Any]], None] = _print_json if jsonl else _print_reading
    bars = Console(stderr=True)
    with (
        offline.Readers(limits(settings)) as readers,
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
    with _runtime() as runtime, runtime.database.snapshot() as session:
        found = backlog.listed(session, status=JobStatus(status) if status else None, queue=queue, limit=limit)
    for job in found:
        line = f"{job.id}  {job.queue:13} {job.status:10} {job.attempts}/{job.max_attempts}  {job.created_at:%Y-%m-%d %H:%M:%S}"
        click.echo(json.dumps(job_json(job)) if as_json else f"{line}  {job.error_code or ''}")


@jobs.command("show")
@click.argument("job_id", type=click.UUID)
def jobs_show(job_id: uuid.UUID) -> None:
    """One job with its attempts, as JSON."""
    with _runtime() as runtime:
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
    with _runtime() as runtime:
        if meant is not None:
            click.echo(f"{scans.retry_all(runtime, accounts.SHELL, meant)} jobs will be tried again")
        for job_id in job_ids:
            click.echo(f"{job_id} {scans.retry(runtime, accounts.SHELL, job_id).status}")


@jobs.command("discard")
@_meant
@click.option("--reason", required=True)
def jobs_discard(job_ids: Sequence[uuid.UUID], every: bool, reason: str, **said: Any) -> None:
    """Take failed jobs off the list of dead letters: those named, or --all."""
    meant = _dead_letters(job_ids, every, said)
    with _runtime() as runtime:
        if meant is not None:
            click.echo(f"{scans.discard_all(runtime, accounts.SHELL, meant, reason)} jobs discarded")
        for job_id in job_ids:
            scans.discard(runtime, accounts.SHELL, job_id, reason)
            click.echo(f"{job_id} discarded")


@jobs.command("cancel")
@click.argument("job_ids", type=click.UUID, nargs=-1, required=True)
def jobs_cancel(job_ids: Sequence[uuid.UUID]) -> None:
    """Take back jobs that wait or run."""
    with _runtime() as runtime:
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
    with _runtime() as runtime:
        scans.pause(runtime, accounts.SHELL, queue=queue, tenant_id=tenant_id, reason=reason, until=until)
    click.echo("Paused.")


@cli.command()
@click.option("--queue", type=click.Choice(QUEUES))
@click.option("--tenant", "tenant_id", type=click.UUID)
def resume(queue: str | None, tenant_id: uuid.UUID | None) -> None:
    """Let go what was held up by the same words."""
    with _runtime() as runtime:
        scans.resume(runtime, accounts.SHELL, queue=queue, tenant_id=tenant_id)
    click.echo("Resumed.")


@cli.command("workers")
def workers_() -> None:
    """The processes that read, and the pauses in force."""
    with _runtime() as runtime, runtime.database.snapshot() as session:
        known, held = workers.listed(session), backlog.pauses(session)
    for one in known:
        doing = f"reads {one.job_id}" if one.job_id else "idle"
        click.echo(f"{workers.pulse(one):8} {one.queue:13} {one.version:8} {one.name}  {doing}")
    for pause in held:
        what = f"queue {pause.queue or 'all'}, tenant {pause.tenant_id or 'all'}"
        click.echo(f"paused   {what}: {pause.reason} (by {pause.paused_by}, until {pause.until or 'resumed'})")


@cli.command()
def sweep() -> None:
    """Give back jobs of dead workers and ring again, once; the workers do so every second."""
    with _runtime() as runtime:
        click.echo(f"rung: {upkeep.sweep(runtime)}")


@cli.command()
def prune() -> None:
    """Take old jobs out of the history and remove files that no document names; the workers do so every hour."""
    with _runtime() as runtime:
        _say(False, **upkeep.prune(runtime))
