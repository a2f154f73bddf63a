"""Where files are kept, by URL: below a local directory or in a bucket, each under a random key.

A file is stored, and safe, before the row that names it is committed; what is stored without a row is an orphan and
swept. Every not-found becomes FileNotFoundError, every other fault `Unavailable`.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import unquote, urlsplit

from akount.errors import SettingsError
from akount.storage.incoming import Damaged, Incoming
from akount.storage.local import LocalStorage
from akount.storage.s3 import S3Storage
from config import Settings

__all__ = ["Damaged", "Incoming", "LocalStorage", "S3Storage", "Storage", "new_key", "open_storage"]


class Storage(Protocol):
    """Five verbs for files, two for sweeping, a ping for the probes, and an end."""

    def receive(self, limit: int) -> Incoming:
        """A place for a file that comes in."""

    def put(self, key: str, incoming: Incoming) -> None:
        """Keeps it under the key, whole or not at all."""

    def open(self, key: str, sha256: str) -> BinaryIO:
        """The file, checked against its checksum. Raises FileNotFoundError, Damaged."""

    def delete(self, key: str) -> None:
        """Removes it; what is not there is not missed."""

    def link(self, key: str, *, filename: str, media_type: str, seconds: int) -> str:
        """An address at which anybody may load the file for so long, as an attachment. Raises NotFound where there are none."""

    def keys(self, older_than: dt.datetime) -> Iterator[str]:
        """Every key stored before an instant."""

    def sweep_incoming(self, older_than: dt.datetime) -> int:
        """Removes what came in before an instant and was never stored, such as uploads whose process died; how many."""

    def ping(self) -> None:
        """Raises Unavailable when files can surely not be stored; it leaves nothing behind."""

    def close(self) -> None:
        """Lets go of its connections, if it has any."""


def new_key(tenant_id: uuid.UUID, entity_id: uuid.UUID) -> str:
    """A key that nobody can guess: {tenant}/{entity}/documents/{yyyy}/{uuid}."""
    return f"{tenant_id}/{entity_id}/documents/{dt.datetime.now(dt.UTC):%Y}/{uuid.uuid4()}"


def open_storage(settings: Settings, url: str = "") -> Storage:
    """The storage of the settings, or the one that a URL names: file:///directory, or s3://bucket at SPACES_ENDPOINT."""
    parts = urlsplit(url or settings.storage)
    if parts.scheme == "s3":
        return _bucket(settings, parts.netloc)
    if parts.scheme != "file":
        raise SettingsError(f"STORAGE_URL: there is no storage for {parts.scheme}://; use file:///directory or s3://bucket.")
    if parts.netloc not in {"", "localhost"}:
        raise SettingsError("STORAGE_URL: a directory has three slashes in front: file:///directory.")
    return LocalStorage(Path(unquote(parts.path)))


def _bucket(settings: Settings, name: str) -> S3Storage:
    if not name or not settings.spaces_endpoint:
        raise SettingsError("STORAGE_URL: s3://bucket needs a name and the SPACES_ settings: where the bucket is, and its keys.")
    return S3Storage(settings, name)
