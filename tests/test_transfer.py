"""Files move between a directory and a bucket, byte for byte, and documents are read from a bucket as from a directory (D1, D6)."""

import datetime as dt
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from sqlalchemy import select

from akount import doctor, ledger, pipeline, scans, transfer
from akount.accounts import SHELL
from akount.cli import cli
from akount.errors import NotFound
from akount.lifecycle import Runtime, open_runtime
from akount.models import AuditEntry, Document, JobStatus
from akount.storage import LocalStorage, Storage, new_key
from akount.tasks import upkeep
from akount.tasks.queues import hang_bells
from fakes import FakeReader
from make import pdf, submitted
from people import People, settle_in
from s3 import Bucket, bucket


@pytest.fixture(scope="module")
def papers() -> Iterator[Bucket]:
    with bucket() as made:
        yield made


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    """Where files are is no question of the database."""
    (tmp_path / "test.db").write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{tmp_path}/test.db"


@pytest.fixture
def in_bucket(tmp_path: Path, database_url: str, papers: Bucket) -> Iterator[Runtime]:
    """A service that keeps its files in a bucket."""
    opened = open_runtime(papers.settings(tmp_path, database_url))
    hang_bells(opened)
    yield opened
    opened.close()


@pytest.fixture
def people(in_bucket: Runtime) -> People:
    return settle_in(in_bucket.database)


@pytest.fixture
def directory(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "elsewhere")


def documents(runtime: Runtime) -> list[Document]:
    with runtime.database.snapshot() as session:
        return list(session.scalars(select(Document)))


def copied(runtime: Runtime, source: Storage, target: Storage) -> tuple[int, int, list[tuple[uuid.UUID, str]]]:
    done = transfer.copy(runtime.database, source, target, lambda *_: None)
    return done.copied, done.present, done.faults


def test_a_document_is_read_from_a_bucket(in_bucket: Runtime, people: People) -> None:
    job = submitted(in_bucket, people.ada)
    reader = FakeReader()
    pulse = pipeline.Pulse(in_bucket, reader)
    pipeline.process(in_bucket, reader, pulse, job.queue)
    with in_bucket.database.snapshot() as session:
        assert ledger.find(session, people.ada.call.actor.tenant_id, job.id).status == JobStatus.COMPLETED


def test_files_move_to_a_directory_and_back(in_bucket: Runtime, people: People, directory: LocalStorage, papers: Bucket) -> None:
    for _ in range(3):
        submitted(in_bucket, people.ada)
    assert copied(in_bucket, in_bucket.storage, directory) == (3, 0, [])
    assert copied(in_bucket, in_bucket.storage, directory) == (0, 3, []), "again: nothing is sent twice"
    for document in documents(in_bucket):
        in_bucket.storage.delete(document.storage_key)
    assert copied(in_bucket, directory, in_bucket.storage) == (3, 0, [])
    for document in documents(in_bucket):
        in_bucket.storage.open(document.storage_key, document.sha256).close()


def test_a_file_that_is_damaged_in_the_target_is_sent_again(
    in_bucket: Runtime, people: People, directory: LocalStorage, tmp_path: Path
) -> None:
    submitted(in_bucket, people.ada)
    copied(in_bucket, in_bucket.storage, directory)
    [document] = documents(in_bucket)
    (tmp_path / "elsewhere" / document.storage_key).write_bytes(b"half a fi")
    assert copied(in_bucket, in_bucket.storage, directory) == (1, 0, [])


def test_a_file_that_is_not_to_be_had_is_named_and_the_others_are_copied(
    in_bucket: Runtime, people: People, directory: LocalStorage, papers: Bucket
) -> None:
    gone, bad, good = (submitted(in_bucket, people.ada).document_id for _ in range(3))
    keys = {document.id: document.storage_key for document in documents(in_bucket)}
    in_bucket.storage.delete(keys[gone])
    papers.client.put_object(Bucket=papers.name, Key=keys[bad], Body=b"spoiled")
    done, present, faults = copied(in_bucket, in_bucket.storage, directory)
    assert (done, present) == (1, 0)
    assert sorted(faults) == sorted([(gone, "missing"), (bad, "damaged")])
    assert keys[good] in list(directory.keys(dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)))


def test_the_command_copies_and_its_exit_code_tells(
    in_bucket: Runtime, people: People, tmp_path: Path, papers: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted(in_bucket, people.ada)
    said = {
        "DATABASE_URL": in_bucket.settings.database_url,
        "DATA_DIR": str(in_bucket.settings.directory),
        "SPACES_ENDPOINT": papers.endpoint,
        "SPACES_BUCKET": papers.name,
        "SPACES_ACCESS_KEY": papers.access_key,
        "SPACES_SECRET_KEY": papers.secret_key,
    }
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    ends = [f"s3://{papers.name}", (tmp_path / "other").as_uri()]
    done = CliRunner().invoke(cli, ["storage", "copy", *ends])
    assert (done.exit_code, "1 copied, 0 there already, 0 not to be had" in done.output) == (0, True), done.output
    in_bucket.storage.delete(documents(in_bucket)[0].storage_key)
    (tmp_path / "other" / documents(in_bucket)[0].storage_key).unlink()
    assert CliRunner().invoke(cli, ["storage", "copy", *ends]).exit_code == 1


def test_a_link_is_audited_and_opens_the_document(in_bucket: Runtime, people: People) -> None:
    data = pdf()
    job = submitted(in_bucket, people.ada, data)
    link = scans.link(in_bucket, SHELL, job.document_id, seconds=60, reason="asked for by phone")
    answer = httpx.get(link, trust_env=False)
    assert answer.content == data
    assert answer.headers["Content-Type"] == "application/pdf"
    with in_bucket.database.snapshot() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "document.link")).one()
    assert (entry.tenant_id, entry.target, entry.reason) == (
        people.ada.call.actor.tenant_id,
        f"document:{job.document_id}",
        "asked for by phone",
    )


def test_mallory_gets_no_link(in_bucket: Runtime, people: People) -> None:
    job = submitted(in_bucket, people.ada)
    with pytest.raises(NotFound):
        scans.link(in_bucket, people.mallory.call, job.document_id, seconds=60, reason="curious")


def test_orphans_in_a_bucket_are_swept_and_documents_are_not(
    in_bucket: Runtime, people: People, papers: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "ORPHAN_AGE", dt.timedelta(minutes=-1))
    monkeypatch.setattr(upkeep, "ORPHANS_AT_ONCE", 2)
    upkeep.prune(in_bucket)  # what the tests before have left
    kept = [submitted(in_bucket, people.ada) for _ in range(3)]
    orphans = [new_key(uuid.uuid4(), uuid.uuid4()) for _ in range(3)]
    for key in [*orphans, "backup/of/somebody/else"]:
        papers.client.put_object(Bucket=papers.name, Key=key, Body=b"left behind")
    assert upkeep.prune(in_bucket)["orphans"] == 3
    left = {found["Key"] for found in papers.client.list_objects_v2(Bucket=papers.name)["Contents"]}
    assert left == {document.storage_key for document in documents(in_bucket)} | {"backup/of/somebody/else"}
    assert len(kept) == 3


def test_the_doctor_stores_a_file_and_says_what_is_wrong_otherwise(in_bucket: Runtime, papers: Bucket, tmp_path: Path) -> None:
    probe = doctor.PROBES["storage"]
    assert "gives it back" in probe(in_bucket.settings)
    before = papers.client.list_objects_v2(Bucket=papers.name).get("KeyCount")
    probe(in_bucket.settings)
    assert papers.client.list_objects_v2(Bucket=papers.name).get("KeyCount") == before
    with pytest.raises(doctor.Fault, match="there is no SPACES_BUCKET"):
        probe(papers.settings(tmp_path, STORAGE_URL="s3://no-such-bucket"))
    with pytest.raises(doctor.Fault, match="at SPACES_ENDPOINT"):
        probe(papers.at("http://127.0.0.1:9").settings(tmp_path))
