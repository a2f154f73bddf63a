"""Files are kept whole or not at all, checked when they are read, and lost in our own words (D1)."""

import datetime as dt
import hashlib
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from akount.errors import NotFound, SettingsError, Unavailable
from akount.storage import Damaged, Incoming, LocalStorage, S3Storage, Storage, new_key, open_storage
from akount.storage.incoming import StorageAway
from fresh import make_settings
from s3 import Answers, Bucket, bucket, spoil_on_the_way

CHUNK = 1 << 20
LIMIT = 1000
DATA = b"a bill"
SHA = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "files")


@pytest.fixture(scope="module")
def papers() -> Iterator[Bucket]:
    with bucket() as made:
        yield made


@pytest.fixture
def s3(tmp_path: Path, papers: Bucket) -> Iterator[S3Storage]:
    made = open_storage(papers.settings(tmp_path))
    assert isinstance(made, S3Storage)
    yield made
    made.close()


@pytest.fixture(params=["local", "s3"])
def either(request: pytest.FixtureRequest) -> Storage:
    """The promises of a storage hold for both."""
    return request.getfixturevalue("storage" if request.param == "local" else "s3")


def put(storage: Storage, data: bytes = DATA) -> str:
    key = new_key(uuid.uuid4(), uuid.uuid4())
    incoming = storage.receive(LIMIT)
    try:
        incoming.write(data)
        storage.put(key, incoming)
    finally:
        incoming.close()
    return key


def lying(tmp_path: Path) -> list[str]:
    return sorted(p.relative_to(tmp_path / "files").as_posix() for p in (tmp_path / "files").rglob("*") if p.is_file())


def test_a_stored_file_comes_back(either: Storage) -> None:
    with either.open(put(either), SHA) as file:
        assert file.read() == DATA


def test_a_large_file_comes_back(either: Storage) -> None:
    data = os.urandom(3 * CHUNK + 1)
    incoming = either.receive(4 * CHUNK)
    for start in range(0, len(data), CHUNK):
        incoming.write(data[start : start + CHUNK])
    key = new_key(uuid.uuid4(), uuid.uuid4())
    either.put(key, incoming)
    incoming.close()
    with either.open(key, hashlib.sha256(data).hexdigest()) as file:
        assert file.read() == data
        assert os.pread(file.fileno(), 5, CHUNK) == data[CHUNK : CHUNK + 5], "it is a file that a child process can be given"


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


def test_what_was_not_stored_is_gone(either: Storage) -> None:
    incoming = either.receive(LIMIT)
    incoming.write(DATA)
    incoming.close()
    incoming.close()
    assert not list(incoming.path.parent.iterdir())


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


def test_a_missing_file_is_said_to_be_missing(either: Storage) -> None:
    with pytest.raises(FileNotFoundError):
        either.open(new_key(uuid.uuid4(), uuid.uuid4()), SHA)


def test_a_deleted_file_is_gone_and_not_missed(either: Storage) -> None:
    key = put(either)
    either.delete(key)
    either.delete(key)
    with pytest.raises(FileNotFoundError):
        either.open(key, SHA)


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
    storage = open_storage(make_settings(tmp_path, ""), (tmp_path / "with space & ümlaut").as_uri())
    key = put(storage)
    assert (tmp_path / "with space & ümlaut" / key).is_file()


@pytest.mark.parametrize("url", ["s3://bucket", "s3://", "ftp://host/files", "file://var/files"])
def test_a_storage_that_there_is_not_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(SettingsError, match="STORAGE_URL"):
        open_storage(make_settings(tmp_path, ""), url)


def test_a_directory_has_no_links(storage: LocalStorage) -> None:
    with pytest.raises(NotFound) as raised:
        storage.link(put(storage), filename="a.pdf", media_type="application/pdf", seconds=1)
    assert raised.value.code == "no_links"


def test_a_file_is_asked_to_be_encrypted_and_kept_for_nobody_else(papers: Bucket, s3: S3Storage) -> None:
    asked: list[Any] = []
    s3._client.meta.events.register("before-send.s3.PutObject", lambda request, **_: asked.append(dict(request.headers)))
    key = put(s3)
    assert asked[0]["x-amz-server-side-encryption"] in (b"AES256", "AES256"), "not every server says afterwards that it did"
    kept = papers.client.head_object(Bucket=papers.name, Key=key)
    assert papers.real or kept["ServerSideEncryption"] == "AES256"
    assert kept["Metadata"] == {"sha256": SHA}
    stranger = httpx.get(f"{papers.endpoint}/{papers.name}/{key}", trust_env=False)
    assert stranger.status_code == 403 or not papers.real, "moto lets in everybody"


def test_no_encryption_is_asked_for_where_the_server_has_none(tmp_path: Path, papers: Bucket) -> None:
    storage = open_storage(papers.settings(tmp_path, SPACES_ENCRYPTION="none"))
    assert "ServerSideEncryption" not in papers.client.head_object(Bucket=papers.name, Key=put(storage))


def test_a_link_is_for_whoever_has_it_and_for_a_short_time_only(papers: Bucket, s3: S3Storage) -> None:
    link = s3.link(put(s3), filename="Rechnung ü.pdf", media_type="application/pdf", seconds=300)
    answer = httpx.get(link, trust_env=False)
    assert (answer.status_code, answer.content) == (200, DATA)
    assert answer.headers["Content-Type"] == "application/pdf"
    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''Rechnung%20%C3%BC.pdf"
    asked = parse_qs(urlsplit(link).query)
    assert asked["X-Amz-Expires"] == ["300"]
    assert papers.secret_key not in link
    if papers.real:
        assert httpx.get(link.replace("Expires=300", "Expires=3000"), trust_env=False).status_code == 403, "it is signed"


def test_a_file_that_was_changed_in_the_bucket_is_not_given_out(papers: Bucket, s3: S3Storage) -> None:
    key = put(s3)
    papers.client.put_object(Bucket=papers.name, Key=key, Body=b"b bill")
    with pytest.raises(Damaged):
        s3.open(key, SHA)


def test_only_our_old_files_of_a_bucket_are_listed(papers: Bucket, s3: S3Storage) -> None:
    key = put(s3)
    for foreign in ("backup/2025.tar", "a/b/documents/2025/c", f"elsewhere/{key}"):
        papers.client.put_object(Bucket=papers.name, Key=foreign, Body=b"not ours")
    at = dt.datetime.now(dt.UTC)
    found = list(s3.keys(at + dt.timedelta(minutes=1)))
    assert key in found
    assert all(re.fullmatch(r"[0-9a-f-]{36}/[0-9a-f-]{36}/documents/\d{4}/[0-9a-f-]{36}", one) for one in found)
    assert list(s3.keys(at - dt.timedelta(hours=1))) == []


def test_what_came_in_for_a_bucket_and_was_never_stored_is_swept(s3: S3Storage) -> None:
    incoming = s3.receive(LIMIT)
    assert s3.sweep_incoming(dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1)) == 1
    assert not incoming.path.exists()
    incoming.close()


def test_a_bucket_that_is_there_answers_a_ping_and_another_does_not(tmp_path: Path, papers: Bucket, s3: S3Storage) -> None:
    s3.ping()
    with pytest.raises(Unavailable):
        open_storage(papers.settings(tmp_path), "s3://no-such-bucket").ping()


def test_a_bucket_is_made_once(tmp_path: Path, papers: Bucket) -> None:
    storage = open_storage(papers.settings(tmp_path), f"s3://made-{uuid.uuid4().hex[:12]}")
    assert isinstance(storage, S3Storage)
    assert (storage.create(), storage.create()) == (True, False)
    storage.ping()
    away = open_storage(papers.at(NOTHING_LISTENS).settings(tmp_path))
    assert isinstance(away, S3Storage)
    with pytest.raises(StorageAway):
        away.create()


NOTHING_LISTENS = "http://127.0.0.1:9"


def refusal(code: str) -> bytes:
    body = f"<Error><Code>{code}</Code><Message>secret words of the server</Message></Error>".encode()
    return (
        b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/xml\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
        + body
    )


TRUNCATED = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\na b"
BAD = {
    "silent": (None, "ReadTimeoutError"),
    "truncated": (TRUNCATED, "SPACES_ENDPOINT"),
    "no http": (b"220 mail.example.com ESMTP\r\n\r\n", "SPACES_ENDPOINT"),
    "wrong key": (refusal("InvalidAccessKeyId"), "SPACES_ACCESS_KEY"),
    "wrong secret": (refusal("SignatureDoesNotMatch"), "SPACES_SECRET_KEY"),
    "not allowed": (refusal("AccessDenied"), "may not"),
    "another": (refusal("TooMuchCheese"), "TooMuchCheese"),
}


@pytest.mark.parametrize("how", BAD)
def test_a_bad_server_is_said_to_be_unavailable(tmp_path: Path, papers: Bucket, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    monkeypatch.setattr("akount.storage.s3.READ_SECONDS", 0.3)
    answer, why = BAD[how]
    with Answers(answer) as server:
        storage = open_storage(papers.at(server.endpoint).settings(tmp_path))
        with pytest.raises(StorageAway) as raised:
            storage.open(new_key(uuid.uuid4(), uuid.uuid4()), SHA)
        storage.close()
    assert why in raised.value.why
    assert (raised.value.code, raised.value.permanent) == ("storage_unavailable", False)
    assert raised.value.detail == "The file storage does not answer; try again later.", "to a caller no more than that"
    assert not list((tmp_path / "var" / "incoming").iterdir())


def test_a_server_that_is_away_is_said_to_be_unavailable_whatever_is_asked_of_it(tmp_path: Path, papers: Bucket) -> None:
    storage = open_storage(papers.at(NOTHING_LISTENS).settings(tmp_path))
    incoming = storage.receive(LIMIT)
    incoming.write(DATA)
    verbs: list[Callable[[], object]] = [
        storage.ping,
        lambda: storage.put("a", incoming),
        lambda: storage.open("a", SHA),
        lambda: storage.delete("a"),
        lambda: list(storage.keys(dt.datetime.now(dt.UTC))),
    ]
    for verb in verbs:
        with pytest.raises(StorageAway):
            verb()
    incoming.close()


def test_wrong_keys_are_refused_by_a_server_that_looks(tmp_path: Path, papers: Bucket) -> None:
    if not papers.real:
        httpx.post(f"{papers.endpoint}/moto-api/reset-auth", content=b"0", trust_env=False)
    try:
        storage = open_storage(papers.settings(tmp_path, SPACES_ACCESS_KEY="nobody"))
        with pytest.raises(StorageAway) as raised:
            storage.open(new_key(uuid.uuid4(), uuid.uuid4()), SHA)
        assert "SPACES_ACCESS_KEY" in raised.value.why
    finally:
        if not papers.real:
            httpx.post(f"{papers.endpoint}/moto-api/reset-auth", content=b"1000000", trust_env=False)


def test_a_server_refuses_what_was_damaged_on_the_way(papers: Bucket, s3: S3Storage) -> None:
    """The signature is over the bytes: what is changed behind our back is not kept."""
    if not papers.real:
        pytest.skip("moto checks no signature; `make test-s3` does")
    spoil_on_the_way(s3._client, b"b bill")
    with pytest.raises(StorageAway) as raised:
        put(s3)
    assert "XAmzContentSHA256Mismatch" in raised.value.why


def test_boto3_is_loaded_when_it_is_first_needed() -> None:
    code = "import sys, akount.app; sys.exit('boto3' in sys.modules or 'botocore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
