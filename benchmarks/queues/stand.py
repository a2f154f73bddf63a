"""What every contestant gets afresh: a database at its schema, an empty Redis, a directory; and processes that end."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import redis

import config
from benchmarks.queues import ours, rows
from benchmarks.queues.contestants import ROOT, Contestant
from servers import Server, create_database, drop_database, postgres_server, redis_server

STOP_SECONDS = 20
DATABASE = "contestant"


class BenchError(Exception):
    """A contestant could not be measured."""


class Stand:
    """One Postgres with fsync on and one Redis with appendfsync everysec for all, both on the loopback."""

    def __init__(self, directory: Path, postgres: Server, queue: Server) -> None:
        self._directory = directory
        self._postgres, self._redis = postgres, queue
        ours.lay_out(create_database(postgres, "template_ours"))
        rows.lay_out(create_database(postgres, "template_rival"))

    @contextmanager
    def fresh(self, contestant: Contestant) -> Iterator[dict[str, str]]:
        """The environment of a contestant's processes, nothing in its stores."""
        with tempfile.TemporaryDirectory(dir=self._directory) as directory:
            said = (
                _clean()
                | contestant.environ
                | {"DATA_DIR": directory, "APP_ENV": "test", "JOBS_PER_MINUTE": "1000000", "LOG_LEVEL": "ERROR"}
            )
            if contestant.sqlite:
                said |= {"DATABASE_URL": f"sqlite:///{directory}/bench.db", "QUEUE_FILE": f"{directory}/queue.db"}
                (ours if contestant.ours else rows).lay_out(said["DATABASE_URL"])
            else:
                said |= {"DATABASE_URL": self._database(contestant), "REDIS_URL": self._redis.url}
            yield said

    def _database(self, contestant: Contestant) -> str:
        """What the one before left to be written is written now, not in the next one's time."""
        drop_database(self._postgres, DATABASE)
        url = create_database(self._postgres, DATABASE, "template_ours" if contestant.ours else "template_rival")
        with redis.Redis.from_url(self._redis.url) as client:
            client.flushall()
        connection = psycopg2.connect(self._postgres.url)  # a superuser may
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("CHECKPOINT")
        connection.close()
        return url

    @property
    def pids(self) -> tuple[int, ...]:
        """The servers."""
        return self._postgres.pid, self._redis.pid

    def versions(self) -> dict[str, str]:
        """Of the servers."""
        with redis.Redis.from_url(self._redis.url) as client:
            info = client.info("server")
        connection = psycopg2.connect(self._postgres.url)
        number = connection.server_version
        connection.close()
        name = info.get("server_name", "redis")
        return {"postgres": f"{number // 10000}.{number % 10000}", name: info.get(f"{name}_version", info["redis_version"])}


@contextmanager
def open_stand() -> Iterator[Stand]:
    """Servers of our own in a directory that goes with them. Raises BenchError where others are named: these are emptied."""
    if named := {"TEST_DATABASE_URL", "TEST_REDIS_URL"} & set(os.environ):
        raise BenchError(f"unset {', '.join(sorted(named))}: the servers are emptied for every contestant")
    with (
        tempfile.TemporaryDirectory(prefix="bench-queue-") as name,
        postgres_server(Path(name) / "pg", fast=False) as postgres,
        redis_server(Path(name) / "redis", fsync="everysec") as queue,
    ):
        yield Stand(Path(name), postgres, queue)


class Sender:
    """A contestant's client, given orders over its standard input."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process, self._log = process, log

    def order(self, what: str, count: int) -> Any:
        """The answer to an order. Raises BenchError when the client fell over it."""
        assert self._process.stdin and self._process.stdout
        print(what, count, file=self._process.stdin, flush=True)
        if not (line := self._process.stdout.readline()):
            raise BenchError(f"the sender ended at {what}\n{self._log.read_text(errors='replace')[-3000:]}")
        return json.loads(line)


@contextmanager
def sender(contestant: Contestant, environ: dict[str, str]) -> Iterator[Sender]:
    """The contestant's client, while it is needed."""
    log = Path(environ["DATA_DIR"]) / "sender.log"
    with log.open("wb") as errors, _process(contestant.sender, environ, errors, talks=True) as process:
        yield Sender(process, log)


@dataclass(frozen=True, slots=True)
class Crew:
    """The worker processes that were started (they may have made others), and the file of what they print."""

    processes: tuple[subprocess.Popen[bytes], ...]
    log: Path

    @property
    def pids(self) -> tuple[int, ...]:
        return tuple(process.pid for process in self.processes)

    def require(self) -> None:
        """Raises BenchError when one of them has ended."""
        if any(process.poll() is not None for process in self.processes):
            raise BenchError(f"a worker ended\n{self.words()}")

    def words(self) -> str:
        """The end of what they printed."""
        return self.log.read_text(errors="replace")[-3000:]


@contextmanager
def workers(contestant: Contestant, environ: dict[str, str]) -> Iterator[Crew]:
    """The contestant's workers at work."""
    log = Path(environ["DATA_DIR"]) / "workers.log"
    with log.open("ab") as output, contextlib.ExitStack() as stack:
        started = [stack.enter_context(_process(command, environ, output)) for command in contestant.workers]
        yield Crew(tuple(started), log)


@contextmanager
def _process(command: Sequence[str], environ: dict[str, str], output: Any, *, talks: bool = False) -> Iterator[Any]:
    """A process of its own session, so that Ctrl-C is ours to pass on; it ends with the block, and with this process."""
    pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": output}
    if talks:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    leash = (sys.executable, "-m", "benchmarks.queues.leash", str(os.getpid()))
    process = subprocess.Popen([*leash, *command], cwd=ROOT, env=environ, stderr=output, start_new_session=True, **pipes)
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[Any]) -> None:
    """TERM, and KILL for whatever of its family is there afterwards."""
    family = []
    with contextlib.suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
    if process.stdin:
        process.stdin.close()
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    for one in [*family, *([process] if process.poll() is None else [])]:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    process.wait()
    if process.stdout:
        process.stdout.close()


def _clean() -> dict[str, str]:
    """Our environment without settings of the service and of libpq: everyone runs on defaults."""
    settings = {name for one in config.DECLARED for name in (config.variable(one), *one.metadata["aliases"])}
    kept = {n: v for n, v in os.environ.items() if n.removesuffix("_FILE") not in settings and not n.startswith("PG")}
    return kept | {"PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests")))}
