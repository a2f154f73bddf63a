"""What a process has open: opened in order, closed in reverse, each step logged with its time."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from akount import logs
from akount.db import Database
from akount.limits import Limiter
from akount.routing import Policy
from akount.storage import Storage, open_storage
from config import Settings

log = logs.get(__name__)


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
    policy: Policy
    secret: str
    bells: dict[str, Rings] = field(default_factory=dict)
    "queue → bell; what never rings has none"
    _closers: list[tuple[str, Callable[[], None]]] = field(default_factory=list)

    def on_close(self, name: str, close: Callable[[], None]) -> None:
        """Something opened later: it is closed before what it stands on."""
        self._closers.append((name, close))

    def hang(self, bell: Rings) -> None:
        """Hangs up the bell of a queue."""
        self.bells[bell.name] = bell
        self.on_close(f"bell {bell.name}", bell.close)

    def close(self) -> None:
        """Closes everything, the last opened first; a step that fails does not keep the others open. Twice does no harm."""
        while self._closers:
            name, close = self._closers.pop()
            started = time.monotonic()
            try:
                close()
            except Exception:  # closing goes on whatever a part says
                log.exception("closing failed", part=name)
            log.debug("closed", part=name, ms=round((time.monotonic() - started) * 1000))


def open_runtime(settings: Settings) -> Runtime:
    """Opens what every process needs. Nothing is connected yet: pools connect when first used."""
    secret = settings.secret_key or _kept_secret(settings.directory)
    database = Database(settings.database)
    runtime = Runtime(
        settings=settings,
        database=database,
        storage=open_storage(settings.storage),
        limiter=Limiter(settings),
        policy=Policy(settings.auto_create_confidence, settings.review_confidence, Decimal(settings.auto_create_limit)),
        secret=secret,
    )
    runtime.on_close("database", database.close)
    runtime.on_close("limiter", runtime.limiter.close)
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
