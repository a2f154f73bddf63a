"""What is under fire: Postgres, Redis, a web server and two consumers for each queue, and who is who among the processes."""

import contextlib
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import httpx
import psutil
import psycopg2
from psycopg2.extras import NamedTupleCursor

from akount import db
from akount.kinds import QUEUES
from akount.supervisor import Child, Supervisor
from people import People, settle_in
from servers import Server, create_database, free_port, postgres_server, redis_server
from service import PLAIN, plain_environment
from tools.chaos.tree import Announcements, Tree, outliving

STOP_SECONDS = 35
READY_SECONDS = 300
GUNICORN = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]
MODULES = {True: "akount", False: "tools.chaos.unprotected"}


@dataclass(frozen=True)
class Shape:
    """How many processes there are, and how long a worker may be silent (seconds)."""

    web: int = 2
    consumers: int = 2  # for each queue
    processes: int = 2  # for each consumer
    lease: int = 10
    protected: bool = True


@dataclass(frozen=True)
class Ground:
    """What our processes stand on: the servers, durable as in production, and an empty directory for files."""

    directory: Path
    postgres: Server
    redis: Server
    database_url: str
    people: People

    @property
    def files(self) -> Path:
        """Where the storage keeps its files."""
        return self.directory / "var" / "files"

    def environ(self, shape: Shape, port: int) -> dict[str, str]:
        """The settings of our processes. Limits of how much one may send are another test's business."""
        return plain_environment() | {
            "APP_ENV": "test",
            "DATA_DIR": str(self.directory / "var"),
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis.url,
            "PORT": str(port),
            "WEB_PROCESSES": str(shape.web),
            "LEASE_SECONDS": str(shape.lease),
            "LOG_FORMAT": "json",
            "JOBS_PER_MINUTE": "1000000",
            "INTAKE_SECONDS": "0",  # every paper comes in, also the one that only a reader refuses
            "RATE_LIMIT_PER_MINUTE": "1000000",
        }


@contextlib.contextmanager
def ground(directory: Path) -> Iterator[Ground]:
    """Servers that run, a migrated database with its people."""
    with postgres_server(directory, fast=False) as postgres, redis_server(directory) as redis:
        url = create_database(postgres, "chaos")
        db.migrate(url)
        database = db.Database(url)
        people = settle_in(database)
        database.close()
        yield Ground(directory, postgres, redis, url, people)


def ask(url: str, query: str) -> list[NamedTuple]:
    """The rows of a query."""
    with (
        contextlib.closing(psycopg2.connect(url, options="-c akount.tenant=*", cursor_factory=NamedTupleCursor)) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(query)
        return cursor.fetchall()


class Cluster:
    """Our own processes, started again when they die; in the main thread, which must stay for as long as they live."""

    def __init__(self, ground: Ground, shape: Shape) -> None:
        self.port = free_port()
        self.environ = ground.environ(shape, self.port)
        self.logs = ground.directory / "logs"
        self.logs.mkdir()
        self._processes = shape.processes
        worker = [sys.executable, "-m", MODULES[shape.protected], "worker", "--processes", str(shape.processes)]
        self.web = Child("web", self._logged("web", GUNICORN))
        self.consumers = [
            Child(name, self._logged(name, [*worker, "--queue", queue]))
            for queue in QUEUES
            for name in (f"{queue} {number + 1}" for number in range(shape.consumers))
        ]
        self._announcements = Announcements([self._log(consumer.name) for consumer in self.consumers])
        self._supervisor = Supervisor([self.web, *self.consumers], self.environ, STOP_SECONDS)
        self._seen: set[psutil.Process] = set()

    def __enter__(self) -> Self:
        self._supervisor.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._supervisor.__exit__(*exc)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def stopping(self) -> bool:
        """Whether somebody pressed Ctrl-C."""
        return self._supervisor.stopping

    def watch(self, seconds: float) -> None:
        """Starts again what died, and remembers every process it saw."""
        self._seen |= set(self.tree().everybody)
        self._supervisor.watch(seconds)

    def await_ready(self) -> None:
        """Returns when the web server answers and every worker that there is to be has loaded its models."""
        ends = time.monotonic() + READY_SECONDS
        while time.monotonic() < ends and not self.stopping:
            self.watch(0.3)
            if len(self.tree().workers) == len(self.consumers) * self._processes and self.web_answers("ready"):
                return
        if not self.stopping:
            raise TimeoutError(f"Not ready in {READY_SECONDS} s; the logs are in {self.logs}.")

    def web_answers(self, page: str = "live") -> bool:
        """Whether a page of the web server's health says yes."""
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.address}/health/{page}", timeout=2, **PLAIN).status_code == 200
        return False

    def tree(self) -> Tree:
        """Who is there now."""
        pids = {pid: child.name.split()[0] for child in self.consumers if (pid := _pid(child))}
        return Tree(_pid(self.web), pids, self._announcements.pids)

    def exit_codes(self) -> dict[str, int | None]:
        """How each child ended in the end; 0 is in order."""
        return {child.name: child.process.returncode for child in [self.web, *self.consumers] if child.process}

    def left_behind(self, seconds: float = 10) -> list[int]:
        """Which of all processes ever seen still live, `seconds` after the stop. They are killed then."""
        left = outliving(self._seen, seconds)
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        return [process.pid for process in left]

    def _log(self, name: str) -> Path:
        return self.logs / f"{name.replace(' ', '-')}.log"

    def _logged(self, name: str, command: list[str]) -> list[str]:
        """The same command, its lines in a file; `exec` keeps the process what it is."""
        return ["/bin/sh", "-c", 'exec "$@" >>"$0" 2>&1', str(self._log(name)), *command]


def _pid(child: Child) -> int | None:
    return child.process.pid if child.process is not None else None
