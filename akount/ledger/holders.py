"""Who holds a job: a worker as the ledger names it, and whether it is certainly gone."""

from __future__ import annotations

import functools
import os
import socket
from pathlib import Path


def worker_name() -> str:
    """This process as the ledger names it: host/pid-namespace:pid:start. A reused pid has another start."""
    return _name_of(os.getpid())


@functools.cache
def _name_of(pid: int) -> str:
    return f"{_host()}:{pid}:{_started(pid)}"


def _host() -> str:
    try:
        return f"{socket.gethostname()}/{os.readlink('/proc/self/ns/pid')[5:-1]}"  # noqa: PTH115
    except OSError:
        return socket.gethostname()


def _started(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return "0"


def is_dead(worker: str) -> bool:
    """Whether a worker of this host is certainly gone; of other hosts nothing is certain."""
    host, pid, started = worker.rsplit(":", 2)
    return host == _host() and Path("/proc/self").exists() and _started(int(pid)) != started
