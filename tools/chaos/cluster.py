"""What is under fire: Postgres, Redis, a web server and two consumers for each queue, and who is who among the processes."""

import contextlib
import json
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
from service import plain_environment

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
        self._supervisor = Supervisor([self.web, *self.consumers], self.environ)
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
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{self.address}/health/ready", timeout=2, trust_env=False).status_code == 200 and self._all_ready():
                    return
        if not self.stopping:
            raise TimeoutError(f"Not ready in {READY_SECONDS} s; the logs are in {self.logs}.")

    def _all_ready(self) -> bool:
        said = [self.log(consumer).read_text(errors="replace") for consumer in self.consumers]
        ready = {json.loads(line)["pid"] for text in said for line in text.splitlines() if '"event": "worker ready"' in line}
        tree = self.tree()  # a worker whose reader died while it was idle starts another with its next document
        workers = [process for process in (*tree.workers, *tree.sweepers) if process.pid in ready]
        return len(workers) == len(self.consumers) * self._processes

    def log(self, child: Child) -> Path:
        return self.logs / f"{child.name.replace(' ', '-')}.log"

    def tree(self) -> "Tree":
        return Tree([pid for child in [self.web] if (pid := _pid(child))], [pid for c in self.consumers if (pid := _pid(c))])

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

    def _logged(self, name: str, command: list[str]) -> list[str]:
        """The same command, its lines in a file; `exec` keeps the process what it is."""
        return ["/bin/sh", "-c", 'exec "$@" >>"$0" 2>&1', str(self.logs / f"{name.replace(' ', '-')}.log"), *command]


class Tree:
    """Who is who among our processes, at one moment."""

    def __init__(self, web: list[int], consumers: list[int]) -> None:
        self._kin: dict[int, list[psutil.Process]] = {}
        alive = {}
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.status() != psutil.STATUS_ZOMBIE:
                    alive[process.pid] = process
                    self._kin.setdefault(process.ppid(), []).append(process)
        self.masters = [alive[pid] for pid in web if pid in alive]
        self.consumers = [alive[pid] for pid in consumers if pid in alive]

    @property
    def everybody(self) -> list[psutil.Process]:
        tops = [*self.masters, *self.consumers]
        return tops + [process for top in tops for process in self.below(top)]

    @property
    def web_processes(self) -> list[psutil.Process]:
        return self._children(self.masters)

    @property
    def workers(self) -> list[psutil.Process]:
        """Those that have a reader."""
        return [process for process in self._children(self.consumers) if process.pid in self._kin]

    @property
    def sweepers(self) -> list[psutil.Process]:
        """Those without a reader; a worker that has none at the moment looks the same."""
        return [process for process in self._children(self.consumers) if process.pid not in self._kin]

    @property
    def readers(self) -> list[psutil.Process]:
        return self._children(self.workers)

    @property
    def reading_children(self) -> list[psutil.Process]:
        return self._children(self.readers)

    def below(self, process: psutil.Process) -> list[psutil.Process]:
        """All that descend from a process."""
        children = self._kin.get(process.pid, [])
        return children + [other for child in children for other in self.below(child)]

    def at_work(self, process: psutil.Process) -> bool:
        """Whether a document is being read by this process or below it."""
        own = {process.pid, *(other.pid for other in self.below(process))}
        return any(child.pid in own for child in self.reading_children)

    def _children(self, parents: list[psutil.Process]) -> list[psutil.Process]:
        return [child for parent in parents for child in self._kin.get(parent.pid, [])]


def outliving(processes: set[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Those that still live when the time is up; a zombie does not."""
    ends = time.monotonic() + seconds
    while True:
        alive = [process for process in processes if _lives(process)]
        if not alive or time.monotonic() > ends:
            return alive
        time.sleep(0.05)


def _lives(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _pid(child: Child) -> int | None:
    return child.process.pid if child.process is not None else None
