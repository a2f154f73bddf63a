"""Who is measured: our web server, Fastify with BullMQ in two variants, and a bare Flask view; each with stores of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import psycopg2
import redis

from akount import db
from benchmarks.queues.contestants import BULLMQ, NODE
from people import settle_in
from servers import Server, create_database, free_port, postgres_server, redis_server
from service import ROOT, plain_environment
from tools.stack.stack import memory, settled

PROCESSES, THREADS = 2, 8
START_SECONDS = 60
TABLE = "CREATE TABLE documents (id uuid PRIMARY KEY, sha256 text UNIQUE, size bigint, created_at timestamptz)"


@dataclass
class Contestant:
    """A web server that takes uploads, and what it stands on."""

    name: str
    port: int
    upload: str
    process: subprocess.Popen[bytes]
    headers: dict[str, str] = field(default_factory=dict)
    status: str = ""
    "path of a job, with {} for its id; empty: there are none"
    health: str = ""
    redis_url: str = ""

    def processes(self) -> list[psutil.Process]:
        top = psutil.Process(self.process.pid)
        return [top, *top.children(recursive=True)]

    def cpu_seconds(self) -> float:
        """Of the server and its processes, the stores aside."""
        return sum(sum(one.cpu_times()[:2]) for one in self.processes())

    def memory(self) -> float:
        """MiB, what is shared counted once."""
        return settled(self.processes(), memory)


@dataclass(frozen=True)
class Ground:
    """Postgres with fsync, a Redis for each contestant that is written to disk every second."""

    directory: Path
    postgres: Server

    def database(self, name: str) -> str:
        return create_database(self.postgres, name)


def missing() -> str | None:
    """What keeps the rebuild in Node from taking part; None: nothing."""
    if shutil.which(NODE) is None:
        return "there is no Node.js on this machine"
    if not (BULLMQ / "node_modules" / "fastify").exists():
        return "its packages are not installed (make bench installs them, with npm)"
    return None


@contextlib.contextmanager
def everybody(directory: Path) -> Iterator[list[Contestant]]:
    """All who can take part, up at the same time; who is not asked costs nothing."""
    with contextlib.ExitStack() as stack:
        ground = Ground(directory, stack.enter_context(postgres_server(directory / "pg", fast=False)))
        found = [_ours(stack, ground)]
        if (why := missing()) is None:
            found += [_node(stack, ground, variant) for variant in ("id", "base64")]
        else:
            print(f"left out: the rebuild in Node: {why}")
        yield [*found, _bare(stack, ground)]


def _redis(stack: contextlib.ExitStack, directory: Path) -> str:
    directory.mkdir()
    return stack.enter_context(redis_server(directory, fsync="everysec")).url


def _ours(stack: contextlib.ExitStack, ground: Ground) -> Contestant:
    home = ground.directory / "ours"
    queue = _redis(stack, home)
    url = ground.database("ours")
    db.migrate(url)
    database = db.Database(url)
    ada = settle_in(database).ada
    database.close()
    port = free_port()
    said = {
        **{"DATA_DIR": str(home / "var"), "DATABASE_URL": url, "REDIS_URL": queue, "PORT": str(port), "LOG_LEVEL": "WARNING"},
        **{"WEB_PROCESSES": str(PROCESSES), "WEB_THREADS": str(THREADS), "LOG_FORMAT": "json"},
        **dict.fromkeys(("JOBS_PER_MINUTE", "RATE_LIMIT_PER_MINUTE"), "100000000"),
    }
    command = [sys.executable, "-m", "gunicorn", "-c", str(ROOT / "gunicorn.conf.py"), "--chdir", str(ROOT), "wsgi:app"]
    process = _started(stack, command, said, home, f"http://127.0.0.1:{port}/health/ready")
    paths = {"upload": "/api/business/bills/scan", "status": "/api/ai/jobs/{}", "health": "/health/live"}
    return Contestant("ours", port, process=process, headers=ada.headers, redis_url=queue, **paths)


def _node(stack: contextlib.ExitStack, ground: Ground, variant: str) -> Contestant:
    home = ground.directory / f"node-{variant}"
    queue = _redis(stack, home)
    url = ground.database(f"node_{variant}")
    with contextlib.closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(TABLE)
    port = free_port()
    said = {"DATA_DIR": str(home), "DATABASE_URL": url, "REDIS_URL": queue, "NODE_ENV": "production"}
    command = [NODE, str(BULLMQ / "server.mjs"), variant, str(port), str(PROCESSES)]
    process = _started(stack, command, said, home, f"http://127.0.0.1:{port}/health")
    name = {"id": "Fastify + BullMQ, id only", "base64": "Fastify + BullMQ, base64"}[variant]
    return Contestant(name, port, "/scan", process, status="/jobs/{}", health="/health", redis_url=queue)


def _bare(stack: contextlib.ExitStack, ground: Ground) -> Contestant:
    home = ground.directory / "bare"
    home.mkdir()
    port = free_port()
    kind = ("-k", "gthread", "-w", str(PROCESSES), "--threads", str(THREADS), "--no-control-socket", "--log-level", "error")
    command = [sys.executable, "-m", "gunicorn", *kind, "-b", f"127.0.0.1:{port}", "benchmarks.service.bare:app"]
    process = _started(stack, command, {"BARE_FILES": str(home)}, home, f"http://127.0.0.1:{port}/")
    return Contestant("a bare Flask view", port, "/scan", process, health="/")


def _started(
    stack: contextlib.ExitStack, command: list[str], said: dict[str, str], home: Path, page: str
) -> subprocess.Popen[bytes]:
    """A process that answers a page; it ends with the stack, and with us."""
    leash = [sys.executable, "-m", "benchmarks.queues.leash", str(os.getpid())]
    environ = plain_environment() | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"} | said
    with (home / "server.log").open("wb") as log:
        process = subprocess.Popen([*leash, *command], cwd=home, env=environ, stdout=log, stderr=log, start_new_session=True)
    stack.callback(_end, process)
    ends = time.monotonic() + START_SECONDS
    while time.monotonic() < ends and process.poll() is None:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(page, timeout=2, trust_env=False).status_code == 200:
                return process
        time.sleep(0.1)
    raise SystemExit(f"{command[:3]} did not start\n{(home / 'server.log').read_text(errors='replace')[-2000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        for one in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
    process.wait(5)


def redis_bytes(url: str) -> int:
    """What Redis holds now."""
    with redis.Redis.from_url(url) as client:
        return int(client.info("memory")["used_memory"])
