"""Real processes that die by SIGKILL at an exact step, without a switch for it in the product.

A server that has imported everything and runs no thread forks one child for each deed. The child sets its trap, which
wraps a named function or counts what is done to database, files and queue, and goes to work.
"""

import contextlib
import functools
import gc
import importlib
import itertools
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import traceback
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from unittest import mock

import psutil
from huey.storage import RedisStorage, SqliteStorage
from sqlalchemy import Engine, event
from sqlalchemy.orm import Session, configure_mappers

from akount import scans
from akount.errors import TimedOut
from akount.lifecycle import Runtime, open_runtime
from akount.storage import LocalStorage
from akount.tasks import queues, scan, upkeep
from akount.tasks.queues import open_queue
from config import Settings
from fakes import FakeReader
from make import BILL, submitted
from people import Person
from shared import in_a_hurry

ROOT = Path(__file__).parent.parent
HANGS_AFTER = 30
"""Seconds; a child that takes longer dies of SIGALRM, which no test takes for its trap."""


@dataclass(frozen=True)
class Trap:
    """A function, as module:name, and the moment: `before` or `after` its nth call, or `before commit` or `after commit`
    of the transaction in which it was called."""

    at: str
    when: str = "before"
    nth: int = 1

    def set(self, die: Callable[[str], None]) -> None:
        """Wraps the function; one that is not there is an error."""
        module, _, path = self.at.partition(":")
        owner = importlib.import_module(module)
        *outer, name = path.split(".")
        for part in outer:
            owner = getattr(owner, part)
        real, calls = getattr(owner, name), itertools.count(1)

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            due = next(calls) == self.nth
            if due and self.when == "before":
                die(str(self))
            if due and self.when.endswith("commit"):
                _at_commit(self.when.replace(" ", "_"), lambda: die(str(self)))
            answer = real(*args, **kwargs)
            if due and self.when == "after":
                die(str(self))
            return answer

        setattr(owner, name, wrapped)


@dataclass(frozen=True)
class NthEffect:
    """After the nth thing that the main thread did to database, files or queue; before the next one is the same."""

    nth: int

    def set(self, die: Callable[[str], None]) -> None:
        """Listens at everything that can be seen from outside."""
        done = itertools.count(1)
        main = threading.main_thread()

        def happened(what: str) -> None:
            if threading.current_thread() is main and next(done) == self.nth:
                die(what)

        event.listen(Engine, "after_cursor_execute", lambda _c, _k, sql, *_: happened(f"sql {' '.join(sql.split())[:50]}"))
        event.listen(Session, "after_commit", lambda _: happened("commit"))
        places: list[tuple[Any, str]] = [
            (os, "fsync"),
            (Path, "replace"),
            (Path, "unlink"),
            (Path, "mkdir"),
            (LocalStorage, "open"),
        ]
        places += [(storage, verb) for storage in (RedisStorage, SqliteStorage) for verb in ("enqueue", "dequeue")]
        for owner, name in places:
            setattr(owner, name, _around(getattr(owner, name), name, happened))


def _around(real: Callable[..., Any], name: str, happened: Callable[[str], None]) -> Callable[..., Any]:
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        answer = real(*args, **kwargs)
        happened(name)
        return answer

    return wrapped


def _at_commit(moment: str, then: Callable[[], None]) -> None:
    """At the next commit of this thread; the pulse commits in its own, and a savepoint is no commit."""
    mine = threading.get_ident()

    def committing(session: Session) -> None:
        if threading.get_ident() == mine and not session.in_nested_transaction():
            then()

    event.listen(Session, moment, committing)


# --- deeds: what a process does until it dies; `spring` sets its trap ---


def submit(runtime: Runtime, spring: Callable[[], None], person: Person, data: bytes) -> None:
    """A client's document comes in."""
    spring()
    submitted(runtime, person, data)


def submit_and_lose_the_race(runtime: Runtime, spring: Callable[[], None], person: Person, data: bytes) -> None:
    """The same bytes are accepted from somebody else while this process stores them."""
    put = runtime.storage.put

    def overtaken(*args: Any) -> None:
        runtime.storage.put = put  # type: ignore[method-assign]
        submitted(runtime, person, data)
        spring()
        put(*args)

    runtime.storage.put = overtaken  # type: ignore[method-assign]
    submitted(runtime, person, data)


def work(runtime: Runtime, spring: Callable[[], None], reader: str) -> None:
    """A worker takes one message and does what it says."""
    bench = scan.Workbench.open(runtime.settings, BILL.queue, READERS[reader]())
    queue = open_queue(runtime.settings, BILL.queue, consumer=True)
    scan.register(queue, [bench])
    spring()
    task = queue.dequeue()
    if task is not None:
        queue.execute(task)


def sweep(runtime: Runtime, spring: Callable[[], None]) -> None:
    """The sweep of every second."""
    spring()
    upkeep.sweep(runtime)


def prune(runtime: Runtime, spring: Callable[[], None]) -> None:
    """The sweep of every hour."""
    spring()
    upkeep.prune(runtime)


def retry(runtime: Runtime, spring: Callable[[], None], person: Person, job_id: uuid.UUID) -> None:
    """A person wants a dead letter tried again."""
    spring()
    scans.retry(runtime, person.call, job_id)


class InterruptedReader(FakeReader):
    """The worker is told to stop while it reads."""

    def read(self, *_args: Any) -> NoReturn:
        raise KeyboardInterrupt


class SlowReader(FakeReader):
    """Reads for longer than the pause between two beats."""

    def read(self, *args: Any) -> Any:
        threading.Event().wait(2)
        return super().read(*args)


READERS: dict[str, Callable[[], Any]] = {
    "fake": FakeReader,
    "interrupted": InterruptedReader,
    "slow": SlowReader,
    "times out": lambda: FakeReader(TimedOut()),
    "sandbox": lambda: None,  # the workbench opens the real one
}


def hang_patient_bells(runtime: Runtime) -> None:
    """Bells that wait for Redis as long as workers do: a busy machine is no outage."""
    with mock.patch.object(queues, "open_queue", functools.partial(open_queue, consumer=True)):
        queues.hang_bells(runtime)


# --- the server and its children ---


@dataclass(frozen=True)
class Death:
    """How a child ended: the signal (0: none), its exit code, where its trap closed, and the processes it had then."""

    signal: int
    code: int
    where: str
    family: tuple[int, ...]


class Foundry:
    """Makes children that do one deed each; for one test process."""

    def __init__(self, log: Path) -> None:
        path = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-c", "import crashing; crashing.serve()"],
                cwd=ROOT,
                env=os.environ | {"PYTHONPATH": path},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
            )
        self.log = log

    def run(self, deed: Callable[..., None], settings: Settings, trap: Trap | NthEffect | None, *said: Any) -> Death:
        """Has a child do a deed, and waits for its end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        pickle.dump((deed, settings, trap, said), self._process.stdin)
        self._process.stdin.flush()
        death = Death(**json.loads(self._process.stdout.readline()))
        assert death.code == 0, self.log.read_text()
        return death

    def close(self) -> None:
        with contextlib.closing(self._process.stdout), contextlib.closing(self._process.stdin):  # type: ignore[type-var]
            pass
        self._process.wait(60)


def serve() -> None:
    """Forks a child for each order that comes in, until no more can come."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    configure_mappers()  # once, and not in every child
    gc.freeze()
    while True:
        try:
            order = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        read_end, write_end = os.pipe()
        pid = os.fork()
        if pid == 0:
            _carry_out(write_end, *order)
        os.close(write_end)
        with os.fdopen(read_end, "rb") as said:
            told = json.loads(said.read() or b'{"where": "", "family": []}')
        status = os.waitpid(pid, 0)[1]
        killed, code = (os.WTERMSIG(status), 0) if os.WIFSIGNALED(status) else (0, os.WEXITSTATUS(status))
        answers.write(json.dumps({"signal": killed, "code": code, **told}) + "\n")
        answers.flush()


def _carry_out(
    report: int, deed: Callable[..., None], settings: Settings, trap: Trap | NthEffect | None, said: tuple[Any, ...]
) -> NoReturn:
    def die(where: str) -> None:
        family = [process.pid for process in psutil.Process().children(recursive=True)]
        os.write(report, json.dumps({"where": where, "family": family}).encode())
        os.kill(os.getpid(), signal.SIGKILL)

    signal.alarm(HANGS_AFTER)
    try:
        runtime = open_runtime(settings)
        hang_patient_bells(runtime)
        in_a_hurry(runtime.database)  # a dead process leaves its writes to the system: only a dead machine loses them
        deed(runtime, (lambda: trap.set(die)) if trap else (lambda: None), *said)
    except BaseException:  # noqa: BLE001  whatever it is, the test is told
        traceback.print_exc()
        os._exit(70)
    os._exit(0)
