"""What goes wrong: faults drawn from a seed, done to processes and servers, each written down with its time."""

import contextlib
import datetime as dt
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import psutil
import psycopg2

from akount.db import now
from tools.chaos.cluster import Cluster, Ground, ask
from tools.chaos.tree import Tree, outliving

FROZEN_SECONDS = 5
AIM_SECONDS = 4
SPARE_SECONDS = 120
"""A fault that nobody could bear at the moment waits so long, then it does not happen."""
STRIKE_SECONDS = 1.0
"""A victim at work is killed within so long after it was seen: at any point of its job, or just after."""
ORPHAN_SECONDS = 10
"""What hangs on a killed consumer must be gone so long after it."""

WEIGHTS = {
    "worker killed": 8,
    "consumer killed": 5,
    "reader killed": 5,
    "reading child killed": 4,
    "web process killed": 4,
    "sweeper killed": 3,
    "web master killed": 2,
    "Redis killed": 2,
    "Redis killed and emptied": 2,
    "Postgres killed": 2,
    "consumer told to stop": 2,
    "Redis frozen": 2,
    "worker frozen": 2,
}
"""Every kind of fault, and how often it comes beside the others."""

AIMED = {"worker killed", "consumer killed", "reader killed", "consumer told to stop", "worker frozen"}
"""These wait a moment for a victim that is reading a document: most of the time a worker is idle."""


def is_kill(kind: str) -> bool:
    """Whether it ends a process or server by SIGKILL."""
    return " killed" in kind


@dataclass(frozen=True)
class Fault:
    """One fault to come."""

    kind: str
    pause: float  # 0.4-1.6 of the mean pause
    pick: float  # which of the victims, 0-1
    delay: float  # how long it waits before it hits one that is at work, 0-1


def faults(seed: int) -> Iterator[Fault]:
    """The faults of a seed, without end: first each kind once, in some order, then by weight."""
    rng = random.Random(seed)
    first = list(WEIGHTS)
    rng.shuffle(first)
    while True:
        kind = first.pop() if first else rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        yield Fault(kind, rng.uniform(0.4, 1.6), rng.random(), rng.random())


@dataclass(frozen=True)
class Death:
    """When a process was killed."""

    pid: int
    at: dt.datetime


class Injector(threading.Thread):
    """Does one fault after the other until so many kills are done; what it did stands in `done`."""

    def __init__(self, cluster: Cluster, ground: Ground, seed: int, *, kills: int, pause: float, stop: threading.Event) -> None:
        super().__init__(name="faults", daemon=True)
        self.done: Counter[str] = Counter()
        self.deaths: list[Death] = []
        self.orphans: list[str] = []
        self.error: BaseException | None = None
        self._cluster, self._ground, self._stop_early = cluster, ground, stop
        self._seed, self._kills, self._pause = seed, kills, pause
        self._log = (ground.directory / "faults.log").open("w", encoding="utf-8")
        self._hands = {"Redis": ThreadPoolExecutor(1), "Postgres": ThreadPoolExecutor(1), "worker": ThreadPoolExecutor(4)}
        self._pending: list[Future[None]] = []

    @property
    def kills(self) -> int:
        return sum(count for kind, count in self.done.items() if is_kill(kind))

    def run(self) -> None:
        due = time.monotonic()
        try:
            for fault in faults(self._seed):
                due += fault.pause * self._pause
                if self.kills >= self._kills or self._stop_early.wait(max(0.0, due - time.monotonic())):
                    break
                self._do(fault)
            for hand in self._hands.values():
                hand.shutdown()
            for future in self._pending:
                future.result()
        except BaseException as error:  # noqa: BLE001  whatever it is ends the run, in the main thread
            self.error = error

    def _do(self, fault: Fault) -> None:
        deeds: dict[str, Callable[[], None]] = {
            "Redis killed": lambda: self._restart_redis(empty=False),
            "Redis killed and emptied": lambda: self._restart_redis(empty=True),
            "Redis frozen": self._freeze_redis,
            "Postgres killed": self._restart_postgres,
        }
        if fault.kind in deeds:
            self._pending.append(self._hands[fault.kind.split()[0]].submit(deeds[fault.kind]))
            self._note(fault.kind, [])
            return
        victim = self._victim(fault)
        if victim is not None:
            self._stop_early.wait(fault.delay * STRIKE_SECONDS if fault.kind in AIMED and is_kill(fault.kind) else 0)
            with contextlib.suppress(psutil.NoSuchProcess):  # it has just gone by itself
                self._strike(fault.kind, victim)

    def _restart_redis(self, *, empty: bool) -> None:
        self._ground.redis.kill()
        self._ground.redis.restart(empty=empty)

    def _freeze_redis(self) -> None:
        self._ground.redis.freeze()
        time.sleep(FROZEN_SECONDS)
        self._ground.redis.thaw()

    def _restart_postgres(self) -> None:
        self._ground.postgres.kill()
        self._ground.postgres.start()

    def _victim(self, fault: Fault) -> psutil.Process | None:
        """Who it hits: among those at work if it is aimed, else among all. The last worker of a queue and a web server
        that is just starting are spared: how long a start takes is another question."""
        started = time.monotonic()
        while (waited := time.monotonic() - started) < SPARE_SECONDS and not self._stop_early.is_set():
            tree = self._cluster.tree()
            victims = _victims(fault.kind, tree)
            if fault.kind in AIMED and waited < AIM_SECONDS:
                victims = [process for process in victims if tree.at_work(process)]
            if victims and self._bearable(victim := victims[int(fault.pick * len(victims))], tree):
                return victim
            time.sleep(0.1)
        return None

    def _bearable(self, victim: psutil.Process, tree: Tree) -> bool:
        if victim in tree.masters or victim in tree.web_processes:
            return self._cluster.web_answers()
        return tree.can_do_without(victim)

    def _strike(self, kind: str, victim: psutil.Process) -> None:
        below = victim.children(recursive=True)
        at = now()
        if kind == "worker frozen":
            victim.suspend()
            self._pending.append(self._hands["worker"].submit(self._thaw, victim))
        elif kind == "consumer told to stop":
            victim.send_signal(signal.SIGTERM)
        else:
            victim.kill()
            self.deaths += [Death(process.pid, at) for process in (victim, *below)]
            if kind != "web master killed":  # those need a while to notice
                self._pending.append(self._hands["worker"].submit(self._bury, kind, below))
        self._note(kind, [victim.pid, *(process.pid for process in below)])

    def _thaw(self, victim: psutil.Process) -> None:
        """Once another has its job, or after six leases: then it goes on, and must notice that it lost the job."""
        lease = int(self._cluster.environ["LEASE_SECONDS"])
        held = self._ask(f"SELECT id, fence FROM jobs WHERE status = 'active' AND worker LIKE '%:{victim.pid}:%'")
        ends = time.monotonic() + lease * (6 if held else 2)
        while time.monotonic() < ends and not self._stop_early.wait(0.2):
            if any(self._ask(f"SELECT 1 FROM jobs WHERE id = '{row.id}' AND fence > {row.fence}") for row in held):
                break
        with contextlib.suppress(psutil.NoSuchProcess):
            victim.resume()

    def _ask(self, query: str) -> list[NamedTuple]:
        """Nothing while the database is away."""
        with contextlib.suppress(psycopg2.OperationalError):
            return ask(self._ground.database_url, query)
        return []

    def _bury(self, kind: str, below: list[psutil.Process]) -> None:
        """What a killed process had started must die with it."""
        self.orphans += [f"{process.pid} after: {kind}" for process in outliving(set(below), ORPHAN_SECONDS)]

    def _note(self, kind: str, pids: list[int]) -> None:
        self.done[kind] += 1
        self._log.write(f"{now().isoformat()} {kind} {' '.join(map(str, pids))}\n")
        self._log.flush()


def _victims(kind: str, tree: Tree) -> list[psutil.Process]:
    return {
        "worker killed": tree.workers,
        "worker frozen": tree.workers,
        "consumer killed": tree.consumers,
        "consumer told to stop": tree.consumers,
        "reader killed": tree.readers,
        "reading child killed": tree.reading_children,
        "sweeper killed": tree.sweepers,
        "web process killed": tree.web_processes,
        "web master killed": tree.masters,
    }[kind]
