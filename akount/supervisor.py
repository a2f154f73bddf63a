"""Keeps child processes running: starts them, starts again one that died, and stops them in order."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from akount import logs
from akount.processes import STOP_SIGNALS, die_with_parent

log = logs.get(__name__)

TICK_SECONDS = 0.2
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 30.0
"""A child that died is started again after 1 s, 2 s, 4 s … 30 s; one that ran for longer than that begins anew."""
GRACE_SECONDS = 5
"""A child that has not ended so long after its own STOP_SECONDS is killed."""


@dataclass
class Child:
    """One command that is to run, and its process."""

    name: str
    command: Sequence[str]
    stage: int = 0
    "all of a stage are told to stop together; a lower stage has ended before the next is told"
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    pause: float = 0.0
    "before the next start, since it died; 0: it has not died lately"

    def start(self, environ: Mapping[str, str]) -> None:
        """Starts it in a process group of its own: Ctrl-C comes from us, in order."""
        parent = os.getpid()
        self.process = subprocess.Popen(  # noqa: S603  our own commands
            self.command,
            env=dict(environ),
            process_group=0,
            preexec_fn=lambda: die_with_parent(parent, how=signal.SIGTERM),  # noqa: PLW1509  no threads here
        )
        self.started = time.monotonic()

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self.process is not None and self.process.poll() is None

    @property
    def clean(self) -> bool:
        """Whether it has ended in order; dead of the TERM itself it had not come up yet."""
        return self.process is not None and self.process.returncode in (0, -signal.SIGTERM)


class Supervisor:
    """Children that are to run; one that has not ended `stop_seconds` after it was told to is killed."""

    def __init__(self, children: Sequence[Child], environ: Mapping[str, str], stop_seconds: float) -> None:
        self.children = children
        self._environ = environ
        self._stop_seconds = stop_seconds
        self._dead: dict[str, float] = {}
        self.stopping = False
        "whether somebody asked to stop"

    def __enter__(self) -> Supervisor:
        """Starts every child; TERM, INT, QUIT and HUP mean stop."""
        for number in (*STOP_SIGNALS, signal.SIGHUP):
            signal.signal(number, self._heed)
        for child in self.children:
            child.start(self._environ)
        return self

    def __exit__(self, *_exc: object) -> None:
        """Stops every child, stage by stage; a second signal changes nothing."""
        for stage in sorted({child.stage for child in self.children}):
            self._stop([child for child in self.children if child.stage == stage])

    def _heed(self, _number: int, _frame: Any) -> None:
        self.stopping = True

    @property
    def clean(self) -> bool:
        """Whether all children have ended in order."""
        return all(child.clean for child in self.children)

    def watch(self, seconds: float | None = None) -> None:
        """Starts again what died, until somebody asks to stop or the seconds are over."""
        ends = None if seconds is None else time.monotonic() + seconds
        while not self.stopping and (ends is None or time.monotonic() < ends):
            for child in self.children:
                if not child.running:
                    self._revive(child)
            time.sleep(TICK_SECONDS)

    def _revive(self, child: Child) -> None:
        """Starts a dead child again when its pause is over, which grows while it keeps dying."""
        at = time.monotonic()
        if child.name not in self._dead:
            ran = at - child.started
            longer = max(FIRST_PAUSE_SECONDS, 2 * child.pause)
            child.pause = FIRST_PAUSE_SECONDS if ran > LONGEST_PAUSE_SECONDS else min(longer, LONGEST_PAUSE_SECONDS)
            self._dead[child.name] = at + child.pause
            code = child.process.returncode if child.process else None
            log.warning("died, starting again", part=child.name, code=code, after_s=child.pause)
        elif at >= self._dead[child.name]:
            del self._dead[child.name]
            child.start(self._environ)

    def _stop(self, children: Sequence[Child]) -> None:
        started = time.monotonic()
        for child in children:
            if child.process is not None and child.running:
                with contextlib.suppress(ProcessLookupError):
                    child.process.send_signal(signal.SIGTERM)
        for child in children:
            if child.process is not None:
                self._await(child.name, child.process, started + self._stop_seconds)
                ms = round((time.monotonic() - started) * 1000)
                log.info("stopped", part=child.name, code=child.process.returncode, ms=ms)

    @staticmethod
    def _await(name: str, process: subprocess.Popen[bytes], until: float) -> None:
        try:
            process.wait(max(until - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            log.warning("killed", part=name)
            process.kill()
            process.wait()


def akount(*arguments: str) -> list[str]:
    """The command line of one of our own commands."""
    return [sys.executable, "-m", "akount", *arguments]
