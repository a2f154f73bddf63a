"""Files are kept whole or not at all, checked when they are read, and lost in our own words (D1)."""

import datetime as dt
import hashlib
import os
import re
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from akount.errors import SettingsError, Unavailable
from akount.storage import Damaged, Incoming, LocalStorage, new_key, open_storage

CHUNK = 1 << 20
LIMIT = 1000
DATA = b"a bill"
SHA = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "files")


def put(storage: LocalStorage, data: bytes = DATA) -> str:
    key = new_key(uuid.uuid4(), uuid.uuid4())
    incoming = storage.receive(LIMIT)
    incoming.write(data)
    storage.put(key, incoming)
    incoming.close()
    return key


def lying(tmp_path: Path) -> list[str]:
    return sorted(p.relative_to(tmp_path / "files").as_posix() for p in (tmp_path / "files").rglob("*") if p.is_file())


def test_a_stored_file_comes_back(storage: LocalStorage) -> None:
    with storage.open(put(storage), SHA) as file:
        assert file.read() == DATA


def test_a_large_file_comes_back(tmp_path: Path, storage: LocalStorage) -> None:
    data = os.urandom(3 * CHUNK + 1)
    incoming = storage.receive(4 * CHUNK)
    for start in range(0, len(data), CHUNK):
        incoming.write(data[start : start + CHUNK])
    storage.put("a/b/documents/2025/c", incoming)
    incoming.close()
    with storage.open("a/b/documents/2025/c", hashlib.sha256(data).hexdigest()) as file:
        assert file.read() == data


def test_a_key_names_tenant_and_entity_and_cannot_be_guessed() -> None:
    tenant, entity = uuid.uuid4(), uuid.uuid4()
    keys = {new_key(tenant, entity) for _ in range(100)}
    assert len(keys) == 100
    assert all(re.fullmatch(rf"{tenant}/{entity}/documents/\d{{4}}/[0-9a-f-]{{36}}", key) for key in keys)


def test_what_came_in_is_counted_and_hashed_and_can_be_looked_at(storage: LocalStorage) -> None:
    incoming = storage.receive(LIMIT)
    assert incoming.write(b"a ") == 2
    assert incoming.write(b"bill") == 4
    assert (incoming.size, incoming.sha256, incoming.too_large) == (6, SHA, False)
    assert incoming.head(3) == b"a b"
    incoming.seek(0)
    assert incoming.read() == DATA
    incoming.close()


def test_a_file_may_be_exactly_as_large_as_the_limit(storage: LocalStorage) -> None:
    incoming = storage.receive(LIMIT)
    incoming.write(b"x" * LIMIT)
    assert not incoming.too_large
    assert incoming.write(b"y") == 1
    assert incoming.too_large
    incoming.close()


def test_beyond_the_limit_nothing_more_is_written(tmp_path: Path, storage: LocalStorage) -> None:
    incoming = storage.receive(LIMIT)
    for _ in range(100):
        incoming.write(b"x" * LIMIT)
    incoming.head(1)
    assert incoming.size == 100 * LIMIT
    assert incoming.path.stat().st_size == LIMIT
    incoming.close()


def test_what_was_not_stored_is_gone(tmp_path: Path, storage: LocalStorage) -> None:
    incoming = storage.receive(LIMIT)
    incoming.write(DATA)
    incoming.close()
    incoming.close()
    assert lying(tmp_path) == []


def test_what_was_stored_stays(tmp_path: Path, storage: LocalStorage) -> None:
    key = put(storage)
    assert lying(tmp_path) == [key]


def test_other_accounts_cannot_look_into_the_storage(tmp_path: Path, storage: LocalStorage) -> None:
    key = put(storage)
    for directory in (tmp_path / "files" / ".incoming", (tmp_path / "files" / key).parent):
        assert directory.stat().st_mode & 0o077 == 0


def test_a_damaged_file_is_not_given_out(tmp_path: Path, storage: LocalStorage) -> None:
    key = put(storage)
    (tmp_path / "files" / key).write_bytes(b"b bill")
    with pytest.raises(Damaged) as raised:
        storage.open(key, SHA)
    assert raised.value.code == "file_damaged"
    assert raised.value.permanent


def test_a_missing_file_is_said_to_be_missing(storage: LocalStorage) -> None:
    with pytest.raises(FileNotFoundError):
        storage.open(new_key(uuid.uuid4(), uuid.uuid4()), SHA)


def test_a_deleted_file_is_gone_and_not_missed(storage: LocalStorage) -> None:
    key = put(storage)
    storage.delete(key)
    storage.delete(key)
    with pytest.raises(FileNotFoundError):
        storage.open(key, SHA)


@pytest.mark.parametrize("key", ["../outside", "a/../../outside", "/etc/passwd"])
def test_a_key_leads_nowhere_else(storage: LocalStorage, key: str) -> None:
    with pytest.raises(ValueError, match="outside"):
        storage.open(key, SHA)
    with pytest.raises(ValueError, match="outside"):
        storage.delete(key)


def test_the_old_files_are_listed_without_what_comes_in(tmp_path: Path, storage: LocalStorage) -> None:
    young, old = put(storage), put(storage)
    incoming = storage.receive(LIMIT)
    at = dt.datetime.now(dt.UTC)
    for path in (tmp_path / "files" / old, incoming.path):
        os.utime(path, (at.timestamp() - 7200,) * 2)
    assert list(storage.keys(at - dt.timedelta(hours=1))) == [old]
    assert sorted(storage.keys(at + dt.timedelta(hours=1))) == sorted([young, old])
    assert storage.sweep_incoming(at - dt.timedelta(hours=3)) == 0
    assert storage.sweep_incoming(at - dt.timedelta(hours=1)) == 1
    assert not incoming.path.exists()
    incoming.close()


def test_a_storage_that_nobody_used_yet_is_empty(storage: LocalStorage) -> None:
    at = dt.datetime.now(dt.UTC)
    assert list(storage.keys(at)) == []
    assert storage.sweep_incoming(at) == 0


def test_a_ping_leaves_nothing_behind(tmp_path: Path, storage: LocalStorage) -> None:
    storage.ping()
    assert lying(tmp_path) == []


def test_a_storage_that_cannot_be_used_is_said_to_be_unavailable(tmp_path: Path) -> None:
    (tmp_path / "files").write_text("not a directory", encoding="utf-8")
    storage = LocalStorage(tmp_path / "files")
    verbs: list[Callable[[], object]] = [
        storage.ping,
        lambda: storage.receive(LIMIT),
        lambda: storage.open("a/b", SHA),
        lambda: storage.delete("a/b"),
    ]
    for verb in verbs:
        with pytest.raises(Unavailable) as raised:
            verb()
        assert raised.value.code == "storage_unavailable"


@pytest.fixture
def full(tmp_path: Path) -> Incoming:
    """Something that comes in on a disk that is full."""
    (tmp_path / "incoming").symlink_to("/dev/full")
    return Incoming(tmp_path / "incoming", 10 * CHUNK)


def test_a_full_disk_is_said_to_be_unavailable(tmp_path: Path, full: Incoming, storage: LocalStorage) -> None:
    with pytest.raises(Unavailable):
        full.write(b"x" * CHUNK)
    full.close()
    assert not full.path.is_symlink()


def test_a_disk_that_is_full_at_the_last_byte_is_said_to_be_unavailable(full: Incoming, storage: LocalStorage) -> None:
    full.write(DATA)
    with pytest.raises(Unavailable):
        full.head(10)
    with pytest.raises(Unavailable):
        storage.put("a/b/documents/2025/c", full)
    full.close()
    assert not full.path.is_symlink(), "and what was not stored is gone"


def test_a_storage_is_opened_by_its_url(tmp_path: Path) -> None:
    storage = open_storage((tmp_path / "with space & ümlaut").as_uri())
    key = put(storage)
    assert (tmp_path / "with space & ümlaut" / key).is_file()


@pytest.mark.parametrize("url", ["s3://bucket", "ftp://host/files", "file://var/files"])
def test_a_storage_that_there_is_not_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="STORAGE_URL"):
        open_storage(url)
