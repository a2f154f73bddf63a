"""What a process has open: opened in order, closed in reverse, each step logged with its time (H4, H5)."""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from akount import logs
from akount.db import Database
from akount.extraction.sandbox import Limits, SharedSandbox
from akount.limits import Limiter
from akount.pools import open_database
from akount.routing import Policy
from akount.sealing import Seal
from akount.storage import Storage, open_storage
from config import Settings

log = logs.get(__name__)

LEAVE_SECONDS = 5
"""So long before STOP_SECONDS nobody is waited for any more: what then still runs is cut off or given back."""
CLOSE_SECONDS = 3.0
"""For all closing steps of a process that stops, together; they take milliseconds."""


class Rings(Protocol):
    """The bell of a queue: tasks.queues.Bell."""

    name: str

    def ring(self, job_id: uuid.UUID) -> bool:
        """Tells the workers of a job; False when the queue is away. Raises nothing."""

    def length(self) -> int | None:
        """Messages that wait; None when the queue is away."""

    def close(self) -> None:
        """Lets go of its connections."""


@dataclass
class Runtime:
    """The open parts of one process. Never shared across a fork: each process opens its own."""

    settings: Settings
    database: Database
    storage: Storage
    limiter: Limiter
    opener: SharedSandbox
    "opens files in a confined child process"
    policy: Policy
    secrets: tuple[str, ...]
    "what is signed is known by any of them, the oldest first; the last one signs"
    seal: Seal
    bells: dict[str, Rings] = field(default_factory=dict)
    "queue → bell; what never rings has none"
    _closers: list[tuple[str, Callable[[], None]]] = field(default_factory=list)

    @property
    def secret(self) -> str:
        """The one that signs."""
        return self.secrets[-1]

    def on_close(self, name: str, close: Callable[[], None]) -> None:
        """Something opened later: it is closed before what it stands on."""
        self._closers.append((name, close))

    def hang(self, bell: Rings) -> None:
        """Hangs up the bell of a queue."""
        self.bells[bell.name] = bell
        self.on_close(f"bell {bell.name}", bell.close)

    def close(self) -> None:
        """Closes everything, the last opened first; a step that fails does not keep the others open. Twice does no harm."""
        for name, close in self._open_parts():
            _try(name, close)

    def shut_down(self, seconds: float, only: str | None = None) -> bool:
        """As close, for a process that was told to stop: a step that hangs is left behind when half of what remains of
        `seconds` is over, so that the others have their time. `only`: just the part of that name. Answers whether every
        step came to its end."""
        ends = time.monotonic() + seconds
        ended = [in_time(name, close, (ends - time.monotonic()) / 2) for name, close in self._open_parts(only)]
        return all(ended)

    def _open_parts(self, only: str | None = None) -> Iterator[tuple[str, Callable[[], None]]]:
        """Each part once, the last opened first."""
        for part in self._closers[::-1]:
            if part in self._closers and only in (None, part[0]):
                self._closers.remove(part)
                yield part


def _try(name: str, close: Callable[[], None]) -> bool:
    try:
        close()
    except Exception:  # closing goes on whatever a part says
        log.exception("closing failed", part=name)
        return False
    return True


def in_time(name: str, close: Callable[[], None], seconds: float) -> bool:
    """Whether a closing step came to its end in time, in a thread of its own: whatever it hangs in holds nobody up."""
    started = time.monotonic()
    ended: list[bool] = []
    step = threading.Thread(target=lambda: ended.append(_try(name, close)), name=f"close {name}", daemon=True)
    step.start()
    step.join(max(seconds, 0))
    ms = round((time.monotonic() - started) * 1000)
    if not ended:
        log.error("closing hangs, left behind", part=name, ms=ms)
        return False
    log.info("closed", part=name, ms=ms)
    return ended[0]


def patience(settings: Settings) -> float:
    """Seconds that a process which was told to stop waits for what runs: 25 of 30."""
    return settings.stop_seconds - LEAVE_SECONDS


def open_runtime(settings: Settings, connections: int | None = None) -> Runtime:
    """Opens what every process needs, with `connections` to the database at most (None: those of a web process). Nothing
    is connected yet: pools connect when first used."""
    signing = (*settings.secret_key_previous, settings.secret_key or _kept_secret(settings.directory))
    database = open_database(settings, connections)
    runtime = Runtime(
        settings=settings,
        database=database,
        storage=open_storage(settings),
        limiter=Limiter(settings),
        opener=SharedSandbox(Limits.of(settings)),
        policy=Policy(settings.auto_create_confidence, settings.review_confidence, Decimal(settings.auto_create_limit)),
        secrets=signing,
        seal=Seal(signing),
    )
    runtime.on_close("database", database.close)
    runtime.on_close("storage", runtime.storage.close)
    runtime.on_close("limiter", runtime.limiter.close)
    runtime.on_close("opener", runtime.opener.close)
    return runtime


def _kept_secret(directory: Path) -> str:
    """The secret of the embedded mode: made on first use, kept beside the data, readable by its owner only."""
    path = directory / "secret.key"
    if not path.exists():
        directory.mkdir(parents=True, exist_ok=True)
        made = directory / f"secret.{os.getpid()}"
        made.touch(mode=0o600)
        made.write_text(secrets.token_hex(32), encoding="utf-8")
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(made)  # appears whole, and only once
        made.unlink()
    return path.read_text(encoding="utf-8").strip()
