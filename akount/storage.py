"""Where files are kept, by URL: a local directory today's file and tomorrow's link alike name by a random key.

A file is stored, and safe on disk, before the row that names it is committed; what is stored without a row is an
orphan and swept. Every not-found becomes FileNotFoundError, every other fault `Unavailable`.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import mmap
import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import unquote, urlsplit

from akount.errors import AkountError, SettingsError, Unavailable


class Damaged(AkountError):
    """The stored file is not the one that was uploaded: its checksum differs."""

    code = "file_damaged"


class Incoming:
    """A file on its way in: written in pieces, hashed and counted as it comes, never held in memory.

    It stops writing at `limit` bytes and only counts from there, so `size` tells whether it was too large."""

    def __init__(self, path: Path, limit: int) -> None:
        self.path = path
        self.size = 0
        self._limit = limit
        self._hash = hashlib.sha256()
        self._file: BinaryIO = path.open("w+b")

    @property
    def sha256(self) -> str:
        """Of what came, in hex."""
        return self._hash.hexdigest()

    @property
    def too_large(self) -> bool:
        """Whether more came than the limit allows."""
        return self.size > self._limit

    def write(self, data: bytes | memoryview) -> int:
        """Takes the next piece."""
        self.size += len(data)
        if not self.too_large:
            self._hash.update(data)
            with _translated():
                self._file.write(data)
        return len(data)

    def head(self, size: int) -> bytes:
        """The first bytes of what came."""
        with _translated():
            self._file.flush()
            return os.pread(self._file.fileno(), size, 0)

    @property
    def file(self) -> BinaryIO:
        """The open file, written as far as it came."""
        with _translated():
            self._file.flush()
        return self._file

    def view(self) -> memoryview:
        """What came, mapped and not held in memory; nothing may be written while it is looked at."""
        return memoryview(mmap.mmap(self.file.fileno(), 0, access=mmap.ACCESS_READ))

    def replace(self, pieces: Iterable[bytes | memoryview]) -> None:
        """What is stored instead of what came; size and hash are its own from now on."""
        was, self._file = self._file, self._beside.open("w+b")
        was.close()
        self._hash, self.size = hashlib.sha256(), 0
        for piece in pieces:
            self.write(piece)
        with _translated():
            self._beside.replace(self.path)

    @property
    def _beside(self) -> Path:
        return self.path.with_suffix(".instead")

    def seek(self, offset: int, whence: int = 0) -> int:
        """For the form parser, which rewinds what it wrote."""
        with _translated():
            return self._file.seek(offset, whence)

    def read(self, size: int = -1) -> bytes:
        """For the form parser's file object; nobody reads a whole file here."""
        return self._file.read(size)

    def keep(self) -> None:
        """Makes what came safe on disk."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Lets go of it; what was not stored is gone."""
        with suppress(OSError):  # what a full disk did not take is not wanted any more
            self._file.close()
        self.path.unlink(missing_ok=True)
        self._beside.unlink(missing_ok=True)


class Storage(Protocol):
    """Four verbs for files, two for sweeping, a ping for the probes, and an end."""

    def receive(self, limit: int) -> Incoming:
        """A place for a file that comes in."""

    def put(self, key: str, incoming: Incoming) -> None:
        """Keeps it under the key, whole or not at all."""

    def open(self, key: str, sha256: str) -> BinaryIO:
        """The file, checked against its checksum. Raises FileNotFoundError, Damaged."""

    def delete(self, key: str) -> None:
        """Removes it; what is not there is not missed."""

    def keys(self, older_than: dt.datetime) -> Iterator[str]:
        """Every key stored before an instant."""

    def sweep_incoming(self, older_than: dt.datetime) -> int:
        """Removes what came in before an instant and was never stored, such as uploads whose process died; how many."""

    def ping(self) -> None:
        """Raises Unavailable unless files can be stored."""

    def close(self) -> None:
        """Lets go of its connections, if it has any."""


def new_key(tenant_id: uuid.UUID, entity_id: uuid.UUID) -> str:
    """A key that nobody can guess: {tenant}/{entity}/documents/{yyyy}/{uuid}."""
    return f"{tenant_id}/{entity_id}/documents/{dt.datetime.now(dt.UTC):%Y}/{uuid.uuid4()}"


class LocalStorage:
    """Files below one directory. A file appears under its key by a rename, after it is safe on disk."""

    def __init__(self, directory: Path) -> None:
        self._files = directory
        self._incoming = directory / ".incoming"

    def receive(self, limit: int) -> Incoming:
        with _translated():
            self._incoming.mkdir(parents=True, exist_ok=True, mode=0o700)
            return Incoming(self._incoming / uuid.uuid4().hex, limit)

    def put(self, key: str, incoming: Incoming) -> None:
        path = self._path(key)
        with _translated():
            incoming.keep()
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            incoming.path.replace(path)
            _sync_directory(path.parent)

    def open(self, key: str, sha256: str) -> BinaryIO:
        with _translated():
            file = self._path(key).open("rb")
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != sha256:
            file.close()
            raise Damaged
        file.seek(0)
        return file

    def delete(self, key: str) -> None:
        with _translated():
            self._path(key).unlink(missing_ok=True)

    def keys(self, older_than: dt.datetime) -> Iterator[str]:
        for path in self._files.glob("*/*/documents/*/*"):
            if path.stat().st_mtime < older_than.timestamp():
                yield path.relative_to(self._files).as_posix()

    def ping(self) -> None:
        with _translated():
            probe = self._incoming / f"ping-{uuid.uuid4().hex}"
            self._incoming.mkdir(parents=True, exist_ok=True, mode=0o700)
            probe.write_bytes(b"ping")
            probe.unlink()

    def close(self) -> None:
        """Nothing is held: who opened a file closes it."""

    def sweep_incoming(self, older_than: dt.datetime) -> int:
        gone = [p for p in self._incoming.glob("*") if p.stat().st_mtime < older_than.timestamp()]
        for path in gone:
            path.unlink(missing_ok=True)
        return len(gone)

    def _path(self, key: str) -> Path:
        path = (self._files / key).resolve()
        if not path.is_relative_to(self._files.resolve()):
            raise ValueError("a key outside the storage")
        return path


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unavailable("The file storage does not answer; try again later.", code="storage_unavailable") from error


def _sync_directory(directory: Path) -> None:
    """The rename itself must survive a power cut."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def open_storage(url: str) -> LocalStorage:
    """The storage that a URL names."""
    parts = urlsplit(url)
    if parts.scheme != "file":
        raise SettingsError(f"STORAGE_URL: there is no storage for {parts.scheme}:// yet; use file:///directory.")
    if parts.netloc not in {"", "localhost"}:
        raise SettingsError("STORAGE_URL: a directory has three slashes in front: file:///directory.")
    return LocalStorage(Path(unquote(parts.path)))
