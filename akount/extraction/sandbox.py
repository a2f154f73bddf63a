"""Reads a document in a child process that can be killed, so that no file can crash, hang or own a worker (S3).

A worker starts one reader process (reader.py), which loads the heavy models once and forks one child for each
document: a fork costs milliseconds, loading the models most of a second. The child sees one open file and one pipe.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from akount.errors import AkountError, Crashed, OutOfMemory, TimedOut, Unreadable
from akount.readings import Reading, clean_text, reading_from_json

ROOT = Path(__file__).resolve().parent.parent.parent
MAX_ANSWER = 32 << 20
"""Bytes that a child may say."""
START_SECONDS = 60
GRACE_SECONDS = 5
"""Past its own deadline for so long, the reader itself counts as hung."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What reading one document may cost. Memory is on top of what the loaded models take."""

    seconds: float = 60
    memory_mb: int = 1024
    max_pages: int = 50
    max_pixels: int = 60_000_000


class Sandbox:
    """One reader process and its children; for one thread of one process."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    def start(self) -> None:
        """Starts the reader and waits until its models are loaded. Raises Crashed."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603  our own program
                [sys.executable, "-m", "akount.extraction.reader", str(theirs.fileno()), str(os.getpid())],
                pass_fds=[theirs.fileno()],
                env=_environment(),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        self._socket = ours
        ours.settimeout(START_SECONDS)
        try:
            ready = ours.recv(1024)
        except TimeoutError:
            ready = b""
        if not ready:
            self.close()
            raise Crashed("The reader did not start.", code="reader_not_started")

    def read(self, file: BinaryIO, media_type: str, report: Callable[[float], None] = lambda _share: None) -> Reading:
        """The reading of a file. Raises Unreadable, TimedOut, OutOfMemory or Crashed; the next call works all the same."""
        if self._process is None or self._process.poll() is not None:
            self.close()
            self.start()
        if self._socket is None:
            raise Crashed
        answer_end, child_end = os.pipe()
        request = json.dumps({"media_type": media_type, **asdict(self.limits)}).encode()
        try:
            try:
                socket.send_fds(self._socket, [request], [file.fileno(), child_end])
            except OSError as error:
                self.close()
                raise Crashed("The reader was gone.") from error
            finally:
                os.close(child_end)
            said, outcome = self._listen(answer_end, report)
        finally:
            os.close(answer_end)
        return _understand(said, outcome)

    def abandon(self) -> None:
        """Stops whatever is being read, from another thread: the reading thread sees the reader die."""
        process = self._process
        if process is not None:
            process.kill()

    def close(self) -> None:
        """Ends the reader and whatever it is reading."""
        process, self._process = self._process, None
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if process is not None:
            process.kill()
            process.wait()

    def _listen(self, answer_end: int, report: Callable[[float], None]) -> tuple[dict[str, Any], dict[str, Any]]:
        """What the child said last, and how it ended, as the reader tells."""
        assert self._socket is not None  # noqa: S101
        deadline = time.monotonic() + self.limits.seconds + GRACE_SECONDS
        poll = select.poll()
        poll.register(answer_end, select.POLLIN)
        poll.register(self._socket, select.POLLIN)
        pending, size, open_ = b"", 0, True
        said: dict[str, Any] = {}
        while True:
            left = deadline - time.monotonic()
            events = dict(poll.poll(max(left, 0) * 1000))
            if not events:
                self.close()
                raise TimedOut
            if open_ and answer_end in events:
                data = os.read(answer_end, 1 << 18)
                size += len(data)
                if not data or size > MAX_ANSWER:
                    open_ = False
                    poll.unregister(answer_end)
                *lines, pending = (pending + data).split(b"\n")
                said = _heed(lines, said, report)
            elif self._socket.fileno() in events:
                return said, self._outcome()

    def _outcome(self) -> dict[str, Any]:
        assert self._socket is not None  # noqa: S101
        try:
            told = self._socket.recv(4096)
        except OSError:
            told = b""
        if not told:
            self.close()
            raise Crashed("The reader died.")
        outcome: dict[str, Any] = json.loads(told)
        return outcome


def _environment() -> dict[str, str]:
    """No secrets, no threads: nothing of ours but the language and the way to Python."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "HOME", "VIRTUAL_ENV") if name in os.environ}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_THREAD_LIMIT"), "1")
    return kept | threads | {"PYTHONDONTWRITEBYTECODE": "1"} if not os.access(ROOT, os.W_OK) else kept | threads


def _heed(lines: list[bytes], said: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Passes progress on; keeps the rest, which is input like any other."""
    for line in lines:
        try:
            message = json.loads(line)
        except ValueError:
            return {}
        if isinstance(message, dict) and isinstance(message.get("progress"), float):
            report(min(1.0, max(0.0, message["progress"])))
        elif isinstance(message, dict):
            said = message
    return said


def _understand(said: dict[str, Any], outcome: dict[str, Any]) -> Reading:
    if outcome.get("timed_out") or outcome.get("signal") == signal.SIGXCPU:
        raise TimedOut
    if "reading" in said:
        try:
            return reading_from_json(said["reading"])
        except ValueError as wrong:
            raise Crashed("The reader said what is not a reading.") from wrong
    told = said.get("error")
    if not isinstance(told, dict):
        name = signal.Signals(outcome["signal"]).name if outcome.get("signal") else f"exit code {outcome.get('exit')}"
        raise Crashed(f"The reader crashed on this document ({name}).")
    raise _told(str(told.get("sort")), clean_text(str(told.get("code")), 60), clean_text(str(told.get("detail")), 500))


def _told(sort: str, code: str, detail: str) -> AkountError:
    if sort == "unreadable":
        return Unreadable(detail, code=code)
    return OutOfMemory() if sort == "memory" else Crashed(f"The reader failed on this document ({detail}).")
