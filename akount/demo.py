"""`akount run` and `akount demo`: everything on one machine, and a first look at what it does."""

from __future__ import annotations

import datetime as dt
import json
import os
import secrets
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import requests
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from akount import accounts, db, logs
from akount.bulk import Client, Entry
from akount.currencies import from_minor
from akount.errors import SettingsError
from akount.identity import keys, sessions
from akount.kinds import DEFAULT_KIND, QUEUES, Kind, kind_named
from akount.models import Role
from akount.supervisor import GRACE_SECONDS, Child, Supervisor, akount
from config import ROOT, Settings

log = logs.get(__name__)

SAMPLES = ROOT / "samples"
READY_SECONDS = 60
DEMO_EMAIL = "owner@demo.example"


@dataclass(frozen=True)
class Credentials:
    """What the first start made, kept in DATA_DIR for its owner only."""

    tenant_id: str
    entity_id: str
    user_id: str
    email: str
    api_key: str
    password: str


def prepare(settings: Settings) -> tuple[Credentials, bool]:
    """Brings the schema to head and makes a demo tenant, owner, key and password on first start. Tells whether it made any."""
    db.migrate(settings.database)
    path = settings.directory / "credentials.json"
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if "password" in kept:
        return Credentials(**kept), False
    database = db.Database(settings.database)
    with database.transaction() as session:
        if not kept:
            tenant, entity = accounts.add_tenant(session, "Larkfield Studio Ltd")
            user = accounts.add_user(session, DEMO_EMAIL, tenant.id, Role.OWNER)
            _key, token = keys.add(session, tenant.id, Role.OWNER, "demo", user.id)
            ids = {"tenant_id": str(tenant.id), "entity_id": str(entity.id), "user_id": str(user.id)}
            kept = {**ids, "email": DEMO_EMAIL, "api_key": token}
        kept["password"] = secrets.token_urlsafe(12)
        sessions.set_password(session, accounts.user_of(session, DEMO_EMAIL), kept["password"])
    database.close()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    return Credentials(**kept), True


def children(settings: Settings) -> list[Child]:
    """The web server and a worker for each queue; stopped in this order, so that nothing is accepted that nobody reads."""
    web = Child("web", [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"])
    workers = [
        Child(f"worker {name}", akount("worker", "--queue", name, "--processes", str(settings.worker_processes)), stage=1)
        for name in QUEUES
    ]
    return [web, *workers]


def run(settings: Settings, console: Console) -> bool:
    """Starts everything and stays until Ctrl-C or TERM. Answers whether all ended in order."""
    credentials, new = prepare(settings)
    _require_port(settings)
    os.chdir(ROOT)
    with _supervised(settings, os.environ) as supervisor:
        _await_ready(settings, supervisor)
        if not supervisor.stopping:
            greet(console, settings, credentials, new=new)
        supervisor.watch()
    return supervisor.clean


def _supervised(settings: Settings, environ: Mapping[str, str]) -> Supervisor:
    return Supervisor(children(settings), environ, settings.stop_seconds + GRACE_SECONDS)


def demo(settings: Settings, console: Console, *, leave: bool) -> bool:
    """As `run`, then reads the samples over HTTP and shows what was read. Answers whether every sample came through."""
    credentials, new = prepare(settings)
    _require_port(settings)
    os.chdir(ROOT)
    environ = {"LOG_LEVEL": "WARNING", **os.environ}
    with _supervised(settings, environ) as supervisor:
        with console.status("Starting the web server and the workers …"):
            _await_ready(settings, supervisor)
        rows = _read_samples(settings, credentials, console, supervisor)
        if rows:
            console.print(_table(rows))
        if not leave and not supervisor.stopping:
            greet(console, settings, credentials, new=new)
            supervisor.watch()
    return bool(rows) and all(row["status"] == "completed" for row in rows)


def _require_port(settings: Settings) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError:
            raise SettingsError(
                f"PORT: {settings.port} is in use on {settings.host}; stop what uses it or set another PORT."
            ) from None


def _address(settings: Settings) -> str:
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104  compared, not bound
    return f"http://{host}:{settings.port}"


def _await_ready(settings: Settings, supervisor: Supervisor) -> None:
    ends = time.monotonic() + READY_SECONDS
    while time.monotonic() < ends and not supervisor.stopping:
        time.sleep(0.1)
        if not supervisor.children[0].running:
            break
        try:
            if requests.get(f"{_address(settings)}/health/ready", timeout=2).status_code == 200:
                return
        except requests.RequestException:
            continue
    if not supervisor.stopping:
        raise SettingsError("The web server did not become ready; its log lines above say why. `python -m akount doctor` may help.")


def _read_samples(settings: Settings, who: Credentials, console: Console, supervisor: Supervisor) -> list[dict[str, Any]]:
    """Uploads every sample and waits for each; a second start finds them read already."""
    client = Client(_address(settings), who.api_key)

    def waits() -> bool:
        supervisor.watch(0)
        return not supervisor.stopping

    truths = [json.loads(line) for line in (SAMPLES / "truth.jsonl").read_text(encoding="utf-8").splitlines()]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("Reading the samples", total=len(truths))
        kinds = [kind_named(t.get("queue") or DEFAULT_KIND) for t in truths]
        sent = [client.send(Entry.of(SAMPLES / t["file"]), kind, None) for t, kind in zip(truths, kinds, strict=True)]
        rows = []
        for one, kind in zip(sent, kinds, strict=True):
            job = client.outcome(one, waits)
            if supervisor.stopping:
                return []
            rows.append(_shown(client, one, kind, job))
            progress.advance(bar)
    return rows


def _shown(client: Client, sent: Mapping[str, Any], kind: Kind, job: Mapping[str, Any] | None) -> dict[str, Any]:
    """A line of the table: what became of a file, and what was read in it."""
    about = {"file": sent["file"], "kind": kind.name, "duplicate": sent.get("duplicate", False)}
    if job is None:
        error = sent.get("error") or {"detail": "no result in time"}
        return about | {"status": "refused" if "error" in sent else "late", "detail": error["detail"]}
    about |= {"status": job["status"], "seconds": _seconds(job)}
    if job["status"] != "completed":
        return about | {"detail": (job.get("error") or {}).get("detail", "")}
    record = client.record(kind, job["result"]["recordId"])
    return about | {
        "party": record[kind.party_key],
        "number": record[kind.number_key],
        "date": record["date"],
        "total": from_minor(record["totalAmount"], record["currency"]),
        "currency": record["currency"],
        "confidence": record["confidence"],
        "routing": job["result"]["routing"],
    }


def _seconds(job: Mapping[str, Any]) -> str:
    """From the start of the reading to its end."""
    if not job.get("startedAt") or not job.get("finishedAt"):
        return ""
    return f"{(_instant(job['finishedAt']) - _instant(job['startedAt'])).total_seconds():.1f}"


def _instant(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(title="What was read", title_justify="left")
    for name in ("File", "Kind", "Counterparty", "Number", "Date", "Total", "Confidence", "Routing", "Seconds"):
        justify: Literal["left", "right"] = "right" if name in ("Total", "Confidence", "Seconds") else "left"
        table.add_column(name, justify=justify, no_wrap=name in ("File", "Kind", "Date", "Total", "Routing"), overflow="fold")
    for row in rows:
        total = f"{row['total']:,} {row['currency'] or ''}" if row.get("total") is not None else ""
        routing = row.get("routing") or f"{row['status']}: {row.get('detail', '')}"
        cells = (
            row["file"],
            row["kind"],
            row.get("party"),
            row.get("number"),
            row.get("date"),
            total,
            row.get("confidence"),
            routing,
        )
        table.add_row(*("" if c is None else str(c) for c in cells), str(row.get("seconds", "")))
    return table


def greet(console: Console, settings: Settings, who: Credentials, *, new: bool) -> None:
    """Where everything is; what is secret only this once, when it was made."""
    address, kept = _address(settings), settings.directory / "credentials.json"
    password = f"the password {who.password}" if new else f"the password in {kept}"
    console.print(f"\nThe console is at [bold]{address}/admin[/bold]: sign in as {who.email} with {password}", highlight=False)
    console.print(f"The API is at [bold]{address}/api[/bold], its health at {address}/health. Stop with Ctrl-C.")
    if new:
        console.print(f"A demo tenant was made. Its API key, kept with the password in {kept}:")
        console.print(f"  {who.api_key}", highlight=False)
    else:
        console.print(f"The demo tenant's API key is in {kept}.")
    console.print("Send a document of yours:", highlight=False)
    scan = f"{address}/api/business/{kind_named(DEFAULT_KIND).plural}/scan"
    console.print(f'  curl -H "Authorization: Bearer $KEY" -F file=@document.pdf {scan}', highlight=False, soft_wrap=True)
