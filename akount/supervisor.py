"""Keeps child processes running: starts them, starts again one that died, and stops them in order."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from akount import logs
from akount.processes import die_with_parent

log = logs.get(__name__)

RESTART_SECONDS = 1.0
STOP_SECONDS = 35.0
"""A child that has not ended so long after TERM is killed."""


@dataclass
class Child:
    """One command that is to run, and its process."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0

    def start(self, environ: Mapping[str, str]) -> None:
        """Starts it in a process group of its own: Ctrl-C comes from us, in order."""
        self.process = subprocess.Popen(  # noqa: S603  our own commands
            self.command,
            env=dict(environ),
            process_group=0,
            preexec_fn=lambda: die_with_parent(how=signal.SIGTERM),  # noqa: PLW1509  no threads here
        )
        self.started = time.monotonic()

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self.process is not None and self.process.poll() is None


class Supervisor:
    """Children in the order they are started; they are stopped in the same order: the web server before the workers."""

    def __init__(self, children: Sequence[Child], environ: Mapping[str, str]) -> None:
        self.children = children
        self._environ = environ
        self._stopping = threading.Event()

    def __enter__(self) -> Supervisor:
        """Starts every child; TERM and INT mean stop."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._heed)
        for child in self.children:
            child.start(self._environ)
        return self

    def __exit__(self, *_exc: object) -> None:
        """Stops every child, the first started first; a second Ctrl-C changes nothing."""
        for child in self.children:
            started = time.monotonic()
            self._stop(child)
            log.info("stopped", part=child.name, ms=round((time.monotonic() - started) * 1000))

    def _heed(self, _number: int, _frame: Any) -> None:
        self._stopping.set()

    @property
    def stopping(self) -> bool:
        """Whether somebody asked to stop."""
        return self._stopping.is_set()

    def watch(self, seconds: float | None = None) -> None:
        """Starts again what died, until somebody asks to stop or the seconds are over."""
        ends = None if seconds is None else time.monotonic() + seconds
        while not self._stopping.wait(0.2) and (ends is None or time.monotonic() < ends):
            for child in self.children:
                if not child.running and time.monotonic() - child.started > RESTART_SECONDS:
                    code = child.process.returncode if child.process else None
                    log.warning("died, starting again", part=child.name, code=code)
                    child.start(self._environ)

    def _stop(self, child: Child) -> None:
        if child.process is None or not child.running:
            return
        with contextlib.suppress(ProcessLookupError):
            child.process.send_signal(signal.SIGTERM)
        try:
            child.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            log.warning("killed", part=child.name)
            child.process.kill()
            child.process.wait()


def akount(*arguments: str) -> list[str]:
    """The command line of one of our own commands."""
    return [sys.executable, "-m", "akount", *arguments]
