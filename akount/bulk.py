"""Many documents through the HTTP API: files, folders and ZIP archives one by one, each its own job, read when nobody waits.

An archive is never unpacked onto the disk and its names are never paths: each file is taken out by itself, as far as the largest
that any plan allows, and of all archives together no more than TOTAL; a bomb costs that and no more.
"""

from __future__ import annotations

import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

import requests

from akount.kinds import Kind

LARGEST = 50 << 20
"""Bytes of one file out of an archive."""
TOTAL = 4 << 30
"""Bytes out of all archives together."""
MOST_FILES = 10_000
"""Files of an archive."""
IN_MEMORY = 1 << 20
PATIENCE_SECONDS = 300
"""So long a result is waited for, and a limit that frees a slot."""
OVER = ("completed", "failed", "cancelled")

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """A file that is to be sent: its name, and how it is opened; or why it cannot be."""

    name: str
    open: Callable[[], Any] | None = None
    "a context manager of a file"
    error: str = ""

    @classmethod
    def of(cls, path: Path) -> Entry:
        """A file as it is."""
        return cls(path.name, open=partial(path.open, "rb"))


def entries(paths: Iterable[Path]) -> Iterator[Entry]:
    """Every file that is meant: files as they are, those below folders, and those in archives; what is hidden is left out."""
    budget = Budget()
    for path in paths:
        if path.is_dir():
            yield from entries(p for p in sorted(path.rglob("*")) if p.is_file() and not _is_hidden(p.relative_to(path).as_posix()))
        elif not path.is_file():
            yield Entry(str(path), error="There is no such file.")
        elif zipfile.is_zipfile(path):
            yield from _packed(path, budget)
        else:
            yield Entry.of(path)


def _is_hidden(name: str) -> bool:
    return any(part not in (".", "..") and part.startswith((".", "__MACOSX")) for part in PurePosixPath(name).parts)


@dataclass
class Budget:
    """What may still come out of archives."""

    left: int = TOTAL


def _packed(path: Path, budget: Budget) -> Iterator[Entry]:
    try:
        with zipfile.ZipFile(path) as archive:
            found = [info for info in archive.infolist() if not info.is_dir() and not _is_hidden(info.filename)]
    except (zipfile.BadZipFile, OSError) as error:
        yield Entry(path.name, error=f"The archive cannot be read ({type(error).__name__}).")
        return
    for info in found[:MOST_FILES]:
        name = PurePosixPath(info.filename.replace("\\", "/")).name or "document"
        yield Entry(name, open=partial(_taken_out, path, info, budget))
    if len(found) > MOST_FILES:
        yield Entry(path.name, error=f"The archive has more than {MOST_FILES} files; the others were left out.")


@contextmanager
def _taken_out(path: Path, info: zipfile.ZipInfo, budget: Budget) -> Iterator[IO[bytes]]:
    """One file of an archive. Raises ValueError for one that is larger than allowed, whatever the archive says of it."""
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as out:
        try:
            with zipfile.ZipFile(path) as archive, archive.open(info) as packed:
                while piece := packed.read(1 << 16):
                    budget.left -= len(piece)
                    if out.tell() + len(piece) > LARGEST or budget.left < 0:
                        raise ValueError("It unpacks to more than is allowed.")
                    out.write(piece)
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError) as error:
            raise ValueError(f"It cannot be unpacked ({type(error).__name__}).") from error
        out.seek(0)
        yield out


class Client:
    """The HTTP API, for somebody with a key."""

    def __init__(self, address: str, key: str) -> None:
        self._address = address.rstrip("/")
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {key}"

    def send(self, entry: Entry, kind: Kind, entity_id: str | None) -> Row:
        """Sends one file; where the service says to wait, it waits. What was refused says why."""
        if entry.open is None:
            return _refused(entry.name, "unreadable", entry.error)
        form = {"priority": "bulk"} | ({"entityId": entity_id} if entity_id else {})
        url, ends = f"{self._address}/api/business/{kind.plural}/scan", time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                with entry.open() as file:
                    answer = self._session.post(url, data=form, files={"file": (entry.name, file)}, timeout=120)
            except requests.RequestException:
                return _refused(entry.name, "not_sent", f"The service cannot be reached at {self._address}; is that its address?")
            except (ValueError, OSError) as error:
                return _refused(entry.name, "not_sent", str(error) if isinstance(error, ValueError) else type(error).__name__)
            pause = _pause(answer)
            if pause is None or time.monotonic() + pause > ends:
                return _row(entry.name, answer)
            time.sleep(pause)

    def follow(self, row: Row) -> Row:
        """The row when its job is over, with what came of it."""
        job = self.outcome(row)
        return {name: value for name, value in row.items() if name != "statusUrl"} if job is None else _ended(row, job)

    def outcome(self, row: Row, waits: Callable[[], bool] = lambda: True) -> Row | None:
        """The job of what was sent, when it is over; None when it is not in time, or `waits` says no more."""
        ends = time.monotonic() + PATIENCE_SECONDS
        while "statusUrl" in row and waits() and time.monotonic() < ends:
            try:
                job: Row = self._session.get(self._address + row["statusUrl"], headers={"Prefer": "wait=2"}, timeout=60).json()
            except (requests.RequestException, ValueError):
                time.sleep(1)
                continue
            if job.get("status") in OVER:
                return job
        return None

    def record(self, kind: Kind, record_id: str) -> Row:
        """A record, as it is when it is opened."""
        found: Row = self._session.get(f"{self._address}/api/business/{kind.plural}/{record_id}", timeout=60).json()
        return found


def _pause(answer: requests.Response) -> float | None:
    """Seconds to wait before it is sent again; None: this is the answer. A month's quota is not waited for."""
    if answer.status_code == 503 or (answer.status_code == 429 and _problem(answer).get("code") != "quota_exceeded"):
        said = answer.headers.get("Retry-After", "")
        return float(said) if said.isdecimal() else 5.0
    return None


def _row(name: str, answer: requests.Response) -> Row:
    said = _problem(answer)
    if answer.status_code not in (200, 202):
        return _refused(name, said.get("code", f"http_{answer.status_code}"), said.get("detail", "It was refused."))
    kept: Row = {key: said[key] for key in ("jobId", "documentId", "status", "statusUrl", "duplicate") if key in said}
    return {"file": name, **kept}


def _ended(row: Row, job: Row) -> Row:
    kept = {name: value for name, value in row.items() if name != "statusUrl"} | {"status": job["status"]}
    result = job.get("result") or {}
    kept |= {name: result[name] for name in ("recordId", "routing", "confidence") if name in result}
    return kept | ({"error": job["error"]} if job["status"] != "completed" else {})


def _refused(name: str, code: str, detail: str) -> Row:
    return {"file": name, "status": "refused", "error": {"code": code, "detail": detail}}


def _problem(answer: requests.Response) -> Row:
    try:
        said = answer.json()
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
