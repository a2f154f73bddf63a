"""Starts the real shape on this machine and stops it in order: nginx, web servers, workers, Redis, Postgres."""

import contextlib
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import httpx
import psutil

from akount.kinds import QUEUES
from akount.supervisor import GRACE_SECONDS, Child, Supervisor
from config import Settings
from proxy import NGINX, Proxy
from servers import free_port
from service import PLAIN
from tools.chaos.cluster import GUNICORN, Ground, ground
from tools.chaos.cluster import Shape as Processes

READY_SECONDS = 180
SETTLED_SECONDS = 5


@dataclass(frozen=True)
class Shape:
    """How many hosts of each kind there are made out to be, and processes on them."""

    web: int = 2
    web_processes: int = 2
    workers: int = 1  # for each queue
    worker_processes: int = 1


class Stack:
    """nginx in front of several web servers, each with a DATA_DIR of its own as on a host of its own, and workers."""

    def __init__(self, stands_on: Ground, shape: Shape) -> None:
        if NGINX is None:
            raise SystemExit("nginx is not installed: apt install nginx-light")
        self.ground, self._directory = stands_on, stands_on.directory
        self.logs = self._directory / "logs"
        self.logs.mkdir()
        self._secret = secrets.token_hex(32)
        self._ports = [free_port() for _ in range(shape.web)]
        self._shape = shape
        self.web = [self._host(f"web-{n}", GUNICORN, {"PORT": str(port)}, 0) for n, port in enumerate(self._ports, 1)]
        self.workers = [
            self._host(f"{queue}-{n}", [*_worker(shape.worker_processes), "--queue", queue], {}, 1)
            for queue in QUEUES
            for n in range(1, shape.workers + 1)
        ]
        self._stop_seconds = Settings().stop_seconds + GRACE_SECONDS
        self._supervisor = Supervisor([*self.web, *self.workers], self._environ(), self._stop_seconds)
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._open.enter_context(self._supervisor)
        servers = " max_fails=0; server ".join(f"127.0.0.1:{port}" for port in self._ports)
        (self._directory / "nginx").mkdir()
        self.proxy = self._open.enter_context(Proxy(self._directory / "nginx", servers))
        return self

    def __exit__(self, *exc: object) -> None:
        self._open.__exit__(*exc)  # type: ignore[arg-type]

    @property
    def address(self) -> str:
        return self.proxy.url

    @property
    def stopping(self) -> bool:
        """Whether somebody pressed Ctrl-C."""
        return self._supervisor.stopping

    @property
    def exit_codes(self) -> dict[str, int | None]:
        """How each ended in the end; 0 is in order."""
        return {child.name: child.process.returncode for child in [*self.web, *self.workers] if child.process}

    def watch(self, seconds: float | None = None) -> None:
        """Starts again what died, until somebody asks to stop or the time is up."""
        self._supervisor.watch(seconds)

    def await_ready(self, children: Sequence[Child] = ()) -> None:
        """Returns when each web server says that it is ready and each worker that it has loaded its models."""
        waiting = list(children or [*self.web, *self.workers])
        ends = time.monotonic() + READY_SECONDS
        while waiting and not self.stopping:
            if time.monotonic() > ends:
                raise SystemExit(f"Not ready in {READY_SECONDS} s: {', '.join(c.name for c in waiting)}; see {self.logs}")
            self.watch(0.2)
            waiting = [child for child in waiting if not self._is_ready(child)]

    def roll(self, child: Child) -> int | None:
        """Stops a host's process as an upgrade does, and returns its exit code when the next one is ready."""
        assert child.process is not None
        process = child.process
        process.send_signal(signal.SIGTERM)
        while process.poll() is None:
            time.sleep(0.05)
        self.await_ready([child])
        return process.returncode

    def family(self) -> dict[str, list[psutil.Process]]:
        """Who lives, by part: nginx, each host, Redis, Postgres."""
        tops = {child.name: child.process.pid for child in [*self.web, *self.workers] if child.process and child.running}
        tops |= {"nginx": self.proxy.process.pid, "redis": self.ground.redis.pid, "postgres": self.ground.postgres.pid}
        return {name: list(_with_children(pid)) for name, pid in tops.items()}

    def _is_ready(self, child: Child) -> bool:
        if child in self.web:
            port = self._ports[self.web.index(child)]
            with contextlib.suppress(httpx.HTTPError):
                return httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=2, **PLAIN).status_code == 200
            return False
        if child.process is None or not child.running:
            return False
        family = {process.pid for process in _with_children(child.process.pid)}
        log = (self.logs / f"{child.name}.log").read_text(errors="replace")
        said = [line for line in log.splitlines() if '"worker ready"' in line]
        return sum(any(f'"pid": {pid}' in line for line in said) for pid in family) >= self._shape.worker_processes

    def _environ(self) -> dict[str, str]:
        files = (self._directory / "files").as_uri()
        common = {"SECRET_KEY": self._secret, "STORAGE_URL": files, "TRUSTED_PROXY_HOPS": "1"}
        common |= {"INTAKE_SECONDS": str(Settings().intake_seconds)}  # the door looks, as it does in earnest
        plain = self.ground.environ(Processes(web=self._shape.web_processes), 0)
        return plain | common | {"FAILED_SIGN_INS_PER_MINUTE": "1000000", "LEASE_SECONDS": "30"}

    def _host(self, name: str, command: Sequence[str], environ: dict[str, str], stage: int) -> Child:
        """A command with settings of its own, its lines in a file; `exec` keeps the process what it is."""
        said = [f"{key}={value}" for key, value in (environ | {"DATA_DIR": str(self._directory / name)}).items()]
        log = str(self.logs / f"{name}.log")
        return Child(name, ["/bin/sh", "-c", 'exec env "$@" >>"$0" 2>&1', log, *said, *command], stage)


def _worker(processes: int) -> list[str]:
    return [sys.executable, "-m", "akount", "worker", "--processes", str(processes)]


def _with_children(pid: int) -> Iterator[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        top = psutil.Process(pid)
        yield top
        yield from top.children(recursive=True)


def settled(processes: Iterable[psutil.Process], measure: Callable[[psutil.Process], float]) -> float:
    """The sum over those that stay; the children that read one document come and go between two looks."""
    total = 0.0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess, ProcessLookupError, FileNotFoundError):
            if time.time() - process.create_time() > SETTLED_SECONDS:
                total += measure(process)
    return total


def memory(process: psutil.Process) -> float:
    """MiB; what it shares with others is counted once among all of them."""
    return float(process.memory_full_info().pss) / (1 << 20)


def own_memory(process: psutil.Process) -> float:
    """MiB that it has asked for itself; what a fork still shares with its parent counts in both, so writing to it adds nothing.
    Not the pages of files or of Postgres' shared buffers: these have a size that does not change, and how much of it a process is
    said to hold goes by who else on the machine has looked at the same page."""
    _, found, size = Path(f"/proc/{process.pid}/smaps_rollup").read_text().partition("\nAnonymous:")
    if not found:  # it ends at this moment
        raise psutil.NoSuchProcess(process.pid)
    return int(size.split()[0]) / 1024


@contextlib.contextmanager
def running(directory: Path, shape: Shape) -> Iterator[Stack]:
    """A stack that is ready; everything ends with the block."""
    with ground(directory) as stands_on, Stack(stands_on, shape) as stack:
        stack.await_ready()
        yield stack
