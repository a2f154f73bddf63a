"""Files on their way in: written beside the storage in pieces, hashed and counted as they come."""

from __future__ import annotations

import datetime as dt
import hashlib
import mmap
import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from akount.errors import AkountError, Unavailable


class Damaged(AkountError):
    """The stored file is not the one that was uploaded: its checksum differs."""

    code = "file_damaged"


class StorageAway(Unavailable):
    """The file storage does not answer; try again later."""

    code = "storage_unavailable"

    def __init__(self, why: str = "") -> None:
        super().__init__()
        self.why = why
        "for who runs the service; who asked for a file is told no more than that it does not answer"


@contextmanager
def translated() -> Iterator[None]:
    """Foreign errors in our words; what is not there stays FileNotFoundError."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StorageAway(error.strerror or "") from error


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
    def limit(self) -> int:
        """The bytes that are allowed."""
        return self._limit

    @property
    def too_large(self) -> bool:
        """Whether more came than the limit allows."""
        return self.size > self._limit

    def write(self, data: bytes | memoryview) -> int:
        """Takes the next piece."""
        self.size += len(data)
        if not self.too_large:
            self._hash.update(data)
            with translated():
                self._file.write(data)
        return len(data)

    def head(self, size: int) -> bytes:
        """The first bytes of what came."""
        with translated():
            self._file.flush()
            return os.pread(self._file.fileno(), size, 0)

    @property
    def file(self) -> BinaryIO:
        """The open file, written as far as it came."""
        with translated():
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
        with translated():
            self._beside.replace(self.path)

    @property
    def _beside(self) -> Path:
        return self.path.with_suffix(".instead")

    def seek(self, offset: int, whence: int = 0) -> int:
        """For the form parser, which rewinds what it wrote."""
        with translated():
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


class Spooling:
    """What every storage has: a directory of this host where files come in; what was not stored is swept."""

    def __init__(self, incoming: Path) -> None:
        self._incoming = incoming

    def receive(self, limit: int) -> Incoming:
        path = self._incoming / uuid.uuid4().hex
        with translated():
            try:
                return Incoming(path, limit)
            except FileNotFoundError:  # the first of all
                self._incoming.mkdir(parents=True, exist_ok=True, mode=0o700)
                return Incoming(path, limit)

    def sweep_incoming(self, older_than: dt.datetime) -> int:
        gone = [path for path in self._incoming.glob("*") if _older(path, older_than)]
        for path in gone:
            path.unlink(missing_ok=True)
        return len(gone)

    def ping(self) -> None:
        with translated():
            self._incoming.mkdir(parents=True, exist_ok=True, mode=0o700)
            probe = self._incoming / f"ping-{uuid.uuid4().hex}"
            probe.write_bytes(b"ping")
            probe.unlink()


def _older(path: Path, instant: dt.datetime) -> bool:
    with suppress(FileNotFoundError):  # stored or given up meanwhile
        return path.stat().st_mtime < instant.timestamp()
    return False
