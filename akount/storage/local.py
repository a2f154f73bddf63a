"""Files below one directory."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from akount.errors import NotFound
from akount.storage.incoming import Damaged, Incoming, Spooling, translated


class LocalStorage(Spooling):
    """Files below one directory. A file appears under its key by a rename, after it is safe on disk."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory / ".incoming")
        self._files = directory
        self._root = directory.resolve()

    def put(self, key: str, incoming: Incoming) -> None:
        path = self._path(key)
        with translated():
            incoming.keep()
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            incoming.path.replace(path)
            _sync_directory(path.parent)

    def open(self, key: str, sha256: str) -> BinaryIO:
        with translated():
            file = self._path(key).open("rb")
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != sha256:
            file.close()
            raise Damaged
        file.seek(0)
        return file

    def delete(self, key: str) -> None:
        with translated():
            self._path(key).unlink(missing_ok=True)

    def keys(self, older_than: dt.datetime) -> Iterator[str]:
        for path in self._files.glob("*/*/documents/*/*"):
            if path.stat().st_mtime < older_than.timestamp():
                yield path.relative_to(self._files).as_posix()

    def link(self, key: str, *, filename: str, media_type: str, seconds: int) -> str:  # noqa: ARG002  the promise of every storage
        raise NotFound("A directory gives no links; read the file where it lies.", code="no_links")

    def close(self) -> None:
        """Nothing is held: who opened a file closes it."""

    def _path(self, key: str) -> Path:
        path = (self._root / key).resolve()
        if not path.is_relative_to(self._root):
            raise ValueError("a key outside the storage")
        return path


def _sync_directory(directory: Path) -> None:
    """The rename itself must survive a power cut."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
