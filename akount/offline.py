"""`akount scan`: reads files with the local pipeline, without server and database."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from akount import intake
from akount.errors import AkountError, Invalid
from akount.extraction.sandbox import Limits
from akount.extraction.tiers import TieredSandbox
from akount.kinds import DEFAULT_KIND, Kind, kind_named
from akount.readings import FIELDS, Reading, reading_to_json

MAX_READERS = 4


@dataclass(frozen=True, slots=True)
class Task:
    """One file to read."""

    id: str
    file: str
    path: Path
    kind: Kind


def from_files(files: Sequence[str], kind: Kind) -> list[Task]:
    """A task for each file; its id is its name."""
    return [Task(Path(f).name, f, Path(f), kind) for f in files]


def from_truth(truths: Sequence[str]) -> list[Task]:
    """A task for each line of truth.jsonl files: `id`, `file` (relative to its folder), `kind` (a receipt counts as a bill).
    Raises Invalid for a list that cannot be read."""
    return [_listed(Path(truth), number, line) for truth in truths for number, line in _lines(Path(truth))]


def _lines(truth: Path) -> list[tuple[int, str]]:
    try:
        text = truth.read_text(encoding="utf-8")
    except OSError as error:
        raise Invalid(f"{truth} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise Invalid(f"{truth} is no list of documents: it is not UTF-8 text.") from None
    return [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]


def _listed(truth: Path, number: int, line: str) -> Task:
    try:
        said = json.loads(line)
        return Task(str(said["id"]), str(said["file"]), truth.parent / str(said["file"]), _kind(said.get("kind")))
    except (ValueError, TypeError, KeyError):
        raise Invalid(f'{truth}, line {number}: must be a JSON object with "id" and "file".') from None


def _kind(name: str | None) -> Kind:
    try:
        return kind_named(name or DEFAULT_KIND)
    except AkountError:
        return kind_named(DEFAULT_KIND)


class Readers:
    """A sandbox for each thread that reads; all of them are closed at the end."""

    def __init__(self, limits: Limits, count: int | None = None) -> None:
        self.count = count or min(MAX_READERS, os.cpu_count() or 1)
        self._limits = limits
        self._mine = threading.local()
        self._all: list[TieredSandbox] = []

    def __enter__(self) -> Readers:
        """Nothing starts before the first file."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """Ends every reader."""
        for sandbox in self._all:
            sandbox.close()

    def read_all(self, tasks: Sequence[Task], done: Callable[[], None]) -> Iterator[dict[str, Any]]:
        """What came of each file, in their order; `done` is called as each is."""

        def one(task: Task) -> dict[str, Any]:
            try:
                return self._one(task)
            finally:
                done()

        with ThreadPoolExecutor(max_workers=self.count) as pool:
            yield from pool.map(one, tasks)

    def _one(self, task: Task) -> dict[str, Any]:
        started = time.monotonic()
        try:
            with task.path.open("rb") as file:
                reading = self._sandbox().read(file, intake.known_type(file.read(intake.HEAD)))
        except OSError as error:
            return _refused(task, "unreadable_file", error.strerror or "The file cannot be opened.")
        except AkountError as error:
            return _refused(task, error.code, error.detail)
        return _answer(task, reading, time.monotonic() - started)

    def _sandbox(self) -> TieredSandbox:
        sandbox: TieredSandbox | None = getattr(self._mine, "sandbox", None)
        if sandbox is None:
            sandbox = self._mine.sandbox = TieredSandbox(self._limits)
            self._all.append(sandbox)
        return sandbox


def _refused(task: Task, code: str, detail: str) -> dict[str, Any]:
    return {"id": task.id, "file": task.file, "kind": task.kind.name, "error": {"code": code, "detail": detail}}


def _answer(task: Task, reading: Reading, seconds: float) -> dict[str, Any]:
    findings = task.kind.examine(reading)
    failed = [f.detail for f in findings if not f.passed and f.code != "required_fields"]
    raw = reading_to_json(reading)
    fields: dict[str, Any] = {name: raw["fields"][name]["value"] if name in raw["fields"] else None for name in FIELDS}
    fields["lines"] = [{k: line[k] for k in ("description", "quantity", "unit_price", "amount")} for line in raw["lines"]]
    return {
        "id": task.id,
        "file": task.file,
        "kind": task.kind.name,
        "fields": fields,
        "confidence": task.kind.confidence(reading, findings),
        "fieldConfidence": {name: value.confidence for name, value in reading.fields.items()},
        "checks": [asdict(f) for f in findings],
        "warnings": [*reading.warnings, *failed],
        "engine": reading.engine,
        "seconds": float(round(Decimal(seconds), 3)),
    }
