"""Who is who among our processes, who could be done without, and who outlives whom."""

import contextlib
import json
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import psutil


class Tree:
    """Our processes at one moment, below a web server and the consumers (pid → queue)."""

    def __init__(self, web: int | None, consumers: Mapping[int, str], ready: Collection[int]) -> None:
        self._kin: dict[int, list[psutil.Process]] = {}
        self._queues, self._ready = consumers, ready
        alive, self._frozen = {}, set()
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                status = process.status()
                if status != psutil.STATUS_ZOMBIE:
                    alive[process.pid] = process
                    self._kin.setdefault(process.ppid(), []).append(process)
                if status == psutil.STATUS_STOPPED:
                    self._frozen.add(process.pid)
        self.masters = [alive[web]] if web in alive else []
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
        """Those that have loaded their models and are not frozen."""
        children = self._children(self.consumers)
        return [process for process in children if process.pid in self._ready and process.pid not in self._frozen]

    @property
    def sweepers(self) -> list[psutil.Process]:
        """Those that have no reader; a worker that is just starting looks the same."""
        return [
            process for process in self._children(self.consumers) if process.pid not in self._kin and process.pid not in self._ready
        ]

    @property
    def readers(self) -> list[psutil.Process]:
        return self._children(self._children(self.consumers))

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

    def can_do_without(self, process: psutil.Process) -> bool:
        """Whether every queue keeps a worker when this process goes with all below it."""
        gone = {process.pid, *(other.pid for other in self.below(process))}
        kept = {self._queues[worker.ppid()] for worker in self.workers if worker.pid not in gone}
        return kept == set(self._queues.values())

    def _children(self, parents: Sequence[psutil.Process]) -> list[psutil.Process]:
        return [child for parent in parents for child in self._kin.get(parent.pid, [])]


class Announcements:
    """Which workers have said in their logs that they are ready."""

    def __init__(self, logs: Sequence[Path]) -> None:
        self._told: set[int] = set()
        self._read = dict.fromkeys(logs, 0)
        self._lock = threading.Lock()

    @property
    def pids(self) -> set[int]:
        """Of all so far, the dead ones too."""
        with self._lock:
            for path, start in self._read.items():
                if path.exists():
                    self._read[path] = start + self._heed(path, start)
            return set(self._told)

    def _heed(self, path: Path, start: int) -> int:
        """The bytes of the whole lines that are new."""
        with path.open("rb") as log:
            log.seek(start)
            new = log.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._told |= {json.loads(line)["pid"] for line in whole.splitlines() if b'"event": "worker ready"' in line}
        return len(whole)


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
