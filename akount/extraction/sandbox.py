"""Opens a document in a child process that can be killed, so that no file can crash, hang or own a process of ours (S3).

A reader process (reader.py) loads what reads once and forks one child for each document: a fork costs milliseconds, loading
the models of OCR most of a second. The child sees one open file and one pipe. A worker has two readers, with the models and
without (tiers.py). A web process has one that looks at what comes in, and makes pictures of pages (SharedSandbox).
"""

from __future__ import annotations

import base64
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from akount.errors import AkountError, Crashed, OutOfMemory, TimedOut, Unavailable, Unreadable
from akount.extraction.copies import Copy, copy_from_json
from akount.extraction.engines import Loads, NeedsModels
from akount.readings import AS_ALWAYS, Reading, ReadingOptions, clean_text, reading_from_json
from config import Settings

ROOT = Path(__file__).resolve().parent.parent.parent
MAX_ANSWER = 32 << 20
"""Bytes that a child may say."""
START_SECONDS = 60
GRACE_SECONDS = 5
"""Past its own deadline for so long, the reader itself counts as hung."""
PNG = b"\x89PNG\r\n\x1a\n"

Report = Callable[[float], None]
"""Told the share of the work that is done, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What reading one document may cost. Memory is on top of what the loaded models take."""

    seconds: float = 60
    memory_mb: int = 1024
    max_pages: int = 50
    max_pixels: int = 60_000_000

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """By the settings."""
        return cls(settings.scan_timeout_seconds, settings.scan_memory_mb, settings.max_pages, settings.max_pixels)


class Sandbox:
    """One reader process and its children; for one thread of one process at a time.

    What its child is asked raises Unreadable, TimedOut, OutOfMemory or Crashed; the next call works all the same."""

    def __init__(self, limits: Limits, loads: Loads = Loads.MODELS) -> None:
        self.limits = limits
        self.loads = loads
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._ready = False

    @property
    def pids(self) -> tuple[int, ...]:
        """The reader process, once it has loaded what it needs; none: the next document waits for it. Also from another thread."""
        process = self._process
        return (process.pid,) if self._ready and process is not None and process.poll() is None else ()

    @property
    def models_loaded(self) -> bool:
        """Whether the models of OCR are."""
        return self.loads is Loads.MODELS and bool(self.pids)

    def start(self) -> None:
        """Starts the reader and waits until it has loaded what it needs. Raises Crashed."""
        self.launch()
        self.await_ready()

    def launch(self) -> None:
        """Starts the reader."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603  our own program
                [sys.executable, "-m", "akount.extraction.reader", str(theirs.fileno()), str(os.getpid()), self.loads],
                pass_fds=[theirs.fileno()],
                env=_environment(),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        self._socket = ours

    def await_ready(self) -> None:
        """Waits until the reader that was launched has loaded what it needs. Raises Crashed."""
        assert self._socket is not None  # noqa: S101
        self._socket.settimeout(START_SECONDS)
        try:
            ready = self._socket.recv(1024)
        except TimeoutError:
            ready = b""
        if not ready:
            self.close()
            raise Crashed("The reader did not start.", code="reader_not_started")
        self._ready = True

    def read(
        self,
        file: BinaryIO,
        media_type: str,
        report: Report = lambda _share: None,
        options: ReadingOptions = AS_ALWAYS,
        seconds: float | None = None,
    ) -> Reading:
        """The reading of a file, in the seconds of the limits or in these. Raises NeedsModels when the reader has none and it
        is for OCR to say."""
        limits = self.limits if seconds is None else replace(self.limits, seconds=seconds)
        said = self._ask({"task": "read", "options": asdict(options)}, file, media_type, limits, report)
        if self.loads is not Loads.MODELS and said.get("needs_models") is True:
            raise NeedsModels
        try:
            return reading_from_json(said.get("reading"))
        except ValueError as wrong:
            raise Crashed("The reader said what is not a reading.") from wrong

    def look(self, file: BinaryIO, media_type: str, seconds: float) -> int:
        """The pages of a file that a reader would take on; whether there is anything to be read on them it does not say."""
        said = self._ask({"task": "look"}, file, media_type, replace(self.limits, seconds=seconds))
        pages = said.get("pages")
        if type(pages) is not int or not 0 < pages <= self.limits.max_pages:
            raise Crashed("The reader said what is no number of pages.")
        return pages

    def page(self, file: BinaryIO, media_type: str, number: int, seconds: float) -> bytes:
        """A page, from 1, as PNG. Raises Unreadable `no_such_page` too."""
        said = self._ask({"task": "page", "number": number}, file, media_type, replace(self.limits, seconds=seconds))
        try:
            picture = base64.b64decode(str(said.get("picture")), validate=True)
        except ValueError:
            picture = b""
        if not picture.startswith(PNG):
            raise Crashed("The reader said what is no picture.")
        return picture

    def copy(self, file: BinaryIO, media_type: str, masks: tuple[str, ...], seconds: float) -> Copy:
        """What may be shown of a file to others, with these things masked."""
        said = self._ask({"task": "copy", "masks": list(masks)}, file, media_type, replace(self.limits, seconds=seconds))
        try:
            return copy_from_json(said.get("copy"))
        except ValueError as wrong:
            raise Crashed("The reader said what is not a copy.") from wrong

    def _ask(
        self, task: dict[str, Any], file: BinaryIO, media_type: str, limits: Limits, report: Report = lambda _share: None
    ) -> dict[str, Any]:
        """What the child answers that is given a task."""
        if self._process is None or self._process.poll() is not None:
            self.close()
            self.start()
        if self._socket is None:
            raise Crashed
        answer_end, child_end = os.pipe()
        request = json.dumps({**task, "media_type": media_type, **asdict(limits)}).encode()
        try:
            try:
                socket.send_fds(self._socket, [request], [file.fileno(), child_end])
            except OSError as error:
                self.close()
                raise Crashed("The reader was gone.") from error
            finally:
                os.close(child_end)
            said, outcome = self._listen(answer_end, limits.seconds, report)
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
        process, self._process, self._ready = self._process, None, False
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if process is not None:
            process.kill()
            process.wait()

    def _listen(self, answer_end: int, seconds: float, report: Report) -> tuple[dict[str, Any], dict[str, Any]]:
        """What the child said last, and how it ended, as the reader tells."""
        assert self._socket is not None  # noqa: S101
        deadline = time.monotonic() + seconds + GRACE_SECONDS
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


class SharedSandbox:
    """A sandbox that reads nothing, which the threads of a process share, one after the other. Its reader starts when it is first
    asked for, and again whenever it has died; once it is closed, never again."""

    def __init__(self, limits: Limits) -> None:
        self._sandbox = Sandbox(limits, Loads.STRUCTURE)
        self._turn = threading.Lock()
        self._closed = False

    @contextmanager
    def held(self, wait: float) -> Iterator[Sandbox]:
        """The sandbox, for oneself. Raises Unavailable when others have not let go of it after `wait` seconds."""
        if not self._turn.acquire(timeout=wait):
            raise Unavailable("Many documents are being opened just now; try again in a moment.", code="reader_busy", retry_after=1)
        try:
            if self._closed:
                raise Unavailable("The service is stopping; send it again in a moment.", code="reader_busy", retry_after=1)
            yield self._sandbox
        finally:
            self._turn.release()

    def close(self) -> None:
        """Ends the reader, also in the middle of something: that raises Crashed."""
        self._closed = True
        self._sandbox.abandon()
        with self._turn:
            self._sandbox.close()


def _environment() -> dict[str, str]:
    """No secrets, no threads: nothing of ours but the language and the way to Python. Large pieces of memory come in large
    pages where the kernel has them on request: a child of OCR then asks for a tenth as many."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "HOME", "VIRTUAL_ENV") if name in os.environ}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_THREAD_LIMIT"), "1")
    memory = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
    return kept | threads | memory | ({} if os.access(ROOT, os.W_OK) else {"PYTHONDONTWRITEBYTECODE": "1"})


def _heed(lines: list[bytes], said: dict[str, Any], report: Report) -> dict[str, Any]:
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


def _understand(said: dict[str, Any], outcome: dict[str, Any]) -> dict[str, Any]:
    if outcome.get("timed_out") or outcome.get("signal") == signal.SIGXCPU:
        raise TimedOut
    told = said.get("error")
    if isinstance(told, dict):
        raise _told(str(told.get("sort")), clean_text(str(told.get("code")), 60), clean_text(str(told.get("detail")), 500))
    if not said or "error" in said:
        name = signal.Signals(outcome["signal"]).name if outcome.get("signal") else f"exit code {outcome.get('exit')}"
        raise Crashed(f"The reader crashed on this document ({name}).")
    return said


def _told(sort: str, code: str, detail: str) -> AkountError:
    if sort == "unreadable":
        return Unreadable(detail, code=code)
    return OutOfMemory() if sort == "memory" else Crashed(f"The reader failed on this document ({detail}).")
