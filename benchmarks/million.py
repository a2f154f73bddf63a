"""The console with a million jobs: how long its pages take, how many questions each asks, and what ten open consoles cost.

`make bench-console` starts a Postgres and a gunicorn of its own, fills the database in some minutes, measures, and writes
benchmarks/results/console.md.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg2
from flask import Flask
from sqlalchemy import event

from akount import db, logs
from akount.app import create_app
from akount.lifecycle import open_runtime
from akount.models import Role
from akount.tasks import upkeep
from benchmarks import filling
from fresh import make_settings
from servers import create_database, postgres_server
from ways import session_token
from web import Web

RESULTS = Path(__file__).parent / "results" / "console.md"
OVERVIEW_MS, LIST_MS, SEARCH_MS, QUESTIONS, CORE_PERCENT = 100, 300, 300, 6, 2.0
"""What is promised of the 95th percentiles, of each page, and of ten consoles together."""
CONSOLES, EVERY_SECONDS = 10, 5
SIZING = ("SELECT pg_size_pretty(pg_database_size(current_database()))", "SELECT version()")


@dataclass(frozen=True, slots=True)
class Target:
    """A page, and how many milliseconds its 95th percentile may be."""

    name: str
    path: str
    limit: int = LIST_MS


@dataclass(frozen=True, slots=True)
class Measured:
    """What a page took: milliseconds of the middle and of the 95th percentile, bytes, questions to the database."""

    target: Target
    median: float
    p95: float
    size: int
    questions: int

    @property
    def good(self) -> bool:
        """Whether it keeps what is promised."""
        return self.p95 <= self.target.limit and self.questions <= QUESTIONS


def targets(app: Flask, cursor: Any) -> list[Target]:
    """Every page of the navigation that there is, lists by filter, one thing of each sort, and searches."""
    known = _known(cursor)
    paths = {rule.endpoint: str(rule) for rule in app.url_map.iter_rules() if rule.endpoint.startswith("admin.")}
    found = [Target("Overview", "/admin/overview", OVERVIEW_MS)]
    names = ("queues", "jobs", "failures", "operations", "review", "documents", "tenants", "limits", "workers", "schedules")
    found += [
        Target(name.capitalize(), f"/admin/{name}") for name in (*names, "health", "audit", "access") if f"admin.{name}" in paths
    ]
    for state in ("waiting", "failed", "completed", "cancelled"):
        found.append(Target(f"Jobs, {state}", f"/admin/jobs?state={state}"))
    found.append(Target("Jobs of a tenant", f"/admin/jobs?tenant={known['tenant']}"))
    found.append(Target("Jobs of a tenant, failed", f"/admin/jobs?state=failed&tenant={known['tenant']}"))
    found.append(Target("Jobs of a queue, completed", "/admin/jobs?state=completed&queue=bill-scan"))
    found.append(Target("Jobs of a cause", f"/admin/jobs?state=failed&group={known['cause']}"))
    found.append(Target("A queue", "/admin/queues/bill-scan"))
    found.append(Target("A job", f"/admin/jobs/{known['job']}"))
    if "admin.tenant" in paths:
        found.append(Target("A tenant", f"/admin/tenants/{known['tenant']}"))
    if "admin.search" in paths:
        searched = ("job", "checksum", "file name", "common file name", "vendor", "common vendor", "number", "nothing")
        found += [Target(f"Search: {name}", f"/admin/search?q={known[name]}", SEARCH_MS) for name in searched]
    return found


def _known(cursor: Any) -> dict[str, str]:
    """Things of the database that pages and searches are about."""
    cursor.execute(
        "SELECT id, tenant_id, document_id FROM jobs WHERE status = 'completed' ORDER BY created_at LIMIT 1 OFFSET 500000"
    )
    job, tenant, document = map(str, cursor.fetchone())
    cursor.execute("SELECT sha256, filename FROM documents WHERE id = %s", (document,))
    checksum, filename = cursor.fetchone()
    cursor.execute("SELECT name FROM counterparties LIMIT 1 OFFSET 10000")
    vendor = cursor.fetchone()[0]
    cursor.execute("SELECT fingerprint FROM jobs WHERE status = 'failed' LIMIT 1")
    cause = cursor.fetchone()[0]
    return {
        "job": job,
        "tenant": tenant,
        "checksum": checksum,
        "file name": filename,
        "common file name": "scan",
        "vendor": vendor,
        "common vendor": "vendor",
        "number": "RE-500000",
        "cause": cause,
        "nothing": "there is no such thing",
    }


class Stand:
    """The filled database, the service before it, and somebody who may see everything."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-console-")))
        self.postgres = stack.enter_context(postgres_server(directory / "pg", fast=True))
        url = create_database(self.postgres, "console")
        db.migrate(url)
        self.superuser = f"{self.postgres.url.rsplit('/', 1)[0]}/console"
        self.seconds = filling.fill(self.superuser)
        said = {"RATE_LIMIT_PER_MINUTE": "100000000", "FAILED_SIGN_INS_PER_MINUTE": "1000000", "LOG_LEVEL": "WARNING"}
        self.settings = make_settings(directory, url, **said)
        runtime = open_runtime(self.settings)
        stack.callback(runtime.close)
        self.cookie = session_token(runtime.database, uuid.uuid4(), Role.OPERATOR)
        upkeep.run_due(runtime)  # what a sweeper keeps for the pages
        connection = psycopg2.connect(self.superuser)
        connection.autocommit = True
        stack.callback(connection.close)
        self.cursor = connection.cursor()
        self.cursor.execute("SET akount.tenant = '*'")
        self.app = create_app(self.settings)
        stack.callback(self.app.extensions["akount"].close)
        self.web = stack.enter_context(Web(self.settings, LOG_LEVEL="WARNING", WEB_PROCESSES="2"))

    def facts(self) -> list[str]:
        """The size of the database, and the server."""
        found = []
        for question in SIZING:
            self.cursor.execute(question)
            found.append(str(self.cursor.fetchone()[0]))
        return found

    def questions(self, path: str) -> int:
        """How many statements a page sends, everything counted but beginnings and ends of transactions."""
        asked: list[str] = []
        here = threading.get_ident()
        client = self.app.test_client()
        client.set_cookie("akount", self.cookie)
        client.get(path)  # what is asked once in a while has been asked
        engines = {self.app.extensions[name].database.engine for name in ("akount", "console")}

        def hear(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
            if threading.get_ident() == here:  # what the process asks for itself meanwhile is no part of the page
                asked.append(statement)

        for engine in engines:
            event.listen(engine, "before_cursor_execute", hear)
        client.get(path)
        for engine in engines:
            event.remove(engine, "before_cursor_execute", hear)
        return len(asked)

    def measure(self, target: Target, times: int) -> Measured:
        """Asks for a page again and again, over one connection, as a browser does."""
        took, size = [], 0
        with httpx.Client(base_url=self.web_address, cookies={"akount": self.cookie}, trust_env=False, timeout=30) as client:
            for number in range(times + 3):
                started = time.perf_counter()
                answer = client.get(target.path)
                if number >= 3:
                    took.append((time.perf_counter() - started) * 1000)
                if answer.status_code not in (200, 303):  # a thing that is found by its id is opened at once
                    raise SystemExit(f"{target.path}: {answer.status_code}\n{answer.text[:2000]}")
                size = len(answer.content)
        p95 = statistics.quantiles(took, n=20)[-1]
        return Measured(target, statistics.median(took), p95, size, self.questions(target.path))

    @property
    def web_address(self) -> str:
        """Where the service is."""
        return f"http://127.0.0.1:{self.web.port}"


def load(stand: Stand, consoles: int, seconds: float) -> float:
    """Seconds of the database's processor time for each second, in per cent, while so many consoles are open."""
    over = threading.Event()

    def look() -> None:
        tag = ""
        with httpx.Client(base_url=stand.web_address, cookies={"akount": stand.cookie}, trust_env=False, timeout=30) as client:
            client.get("/admin/overview")
            while not over.wait(EVERY_SECONDS):
                answer = client.get("/admin/overview?fragment=1", headers={"If-None-Match": tag} if tag else {})
                tag = answer.headers.get("ETag", tag)

    watchers = [threading.Thread(target=look) for _ in range(consoles)]
    for watcher in watchers:
        watcher.start()
        time.sleep(EVERY_SECONDS / max(1, consoles))
    before, started = _processor_seconds(stand), time.monotonic()
    time.sleep(seconds)
    used = (_processor_seconds(stand) - before) / (time.monotonic() - started)
    over.set()
    for watcher in watchers:
        watcher.join()
    return 100 * used


def _processor_seconds(stand: Stand) -> float:
    """What all processes of Postgres have used, those that have ended included."""
    master = psutil.Process(stand.postgres.pid)
    ended = master.cpu_times()
    total = float(ended.children_user + ended.children_system)
    for one in (master, *master.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = one.cpu_times()
            total += times.user + times.system
    return total


def told(found: list[Measured], idle: float, open_: float, stand: Stand) -> Iterator[str]:
    """The note, line by line."""
    size, server = stand.facts()
    yield "# The console with a million jobs\n"
    made = filling.NUMBERS
    yield f"{made['JOBS']:,} jobs of {made['TENANTS']} tenants, {made['WAITING']:,} of them waiting, {made['FAILED']:,} failed;"
    yield f"the database has {size}."
    yield f"{server.split(' on ')[0]} with 32 MB of shared buffers and gunicorn with two processes on the same machine of"
    yield f"{psutil.cpu_count()} cores; made by `make bench-console`. Times are those of a client, one request after the other.\n"
    yield f"Promised: {OVERVIEW_MS} ms for the overview, {LIST_MS} ms for lists and {SEARCH_MS} ms for searches (95th percentiles),"
    yield f"{QUESTIONS} questions."
    yield "Questions are statements to the database, those that say who asks included.\n"
    yield "| page | median ms | p95 ms | limit | questions | kB | |\n|---|--:|--:|--:|--:|--:|---|"
    for one in found:
        word = "" if one.good else "**over**"
        yield (
            f"| {one.target.name} | {one.median:.0f} | {one.p95:.0f} | {one.target.limit} | {one.questions} "
            f"| {one.size / 1000:.0f} | {word} |"
        )
    yield f"\nTen open consoles, each refreshing its overview every {EVERY_SECONDS} s, cost the database {open_ - idle:.1f} %"
    yield f"of a core ({open_:.1f} % with them, {idle:.1f} % without); promised are {CORE_PERCENT:.0f} %."


def main() -> None:
    """Fills, measures, writes."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--times", type=int, default=60, help="requests for each page")
    asked.add_argument("--seconds", type=float, default=30, help="of the open consoles")
    asked.add_argument("--results", type=Path, default=RESULTS)
    said = asked.parse_args()
    logs.configure(as_json=False, level="WARNING")
    with contextlib.ExitStack() as stack:
        stand = Stand(stack)
        print(f"filled in {stand.seconds:.0f} s", flush=True)
        found = []
        for target in targets(stand.app, stand.cursor):
            found.append(stand.measure(target, said.times))
            print(f"{target.name:28} {found[-1].median:6.0f} {found[-1].p95:6.0f} ms  {found[-1].questions} questions", flush=True)
        idle = load(stand, 0, said.seconds)
        text = "\n".join(told(found, idle, load(stand, CONSOLES, said.seconds), stand)) + "\n"
    said.results.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
