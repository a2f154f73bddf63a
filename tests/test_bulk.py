"""Many documents over HTTP: what is sent, what is left out, what a bomb costs, and what is said of each."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask
from sqlalchemy import select
from werkzeug.serving import make_server

from akount import accounts, bulk
from akount.backlog import Priority
from akount.bulk import Client, entries
from akount.cli import cli
from akount.lifecycle import Runtime
from akount.models import Job
from akount.plans import Plan
from fresh import opened, settings_for, web_application
from make import BILL, pdf
from people import People, settle_in


def packed(path: Path, files: dict[str, bytes], **more: Any) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **more) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def unpacked(found: Iterator[bulk.Entry]) -> dict[str, bytes | str]:
    """Name → content, or why there is none."""
    said: dict[str, bytes | str] = {}
    for entry in found:
        if entry.open is None:
            said[entry.name] = entry.error
            continue
        try:
            with entry.open() as file:
                said[entry.name] = file.read()
        except ValueError as error:
            said[entry.name] = str(error)
    return said


def test_files_folders_and_archives_are_gone_through(tmp_path: Path) -> None:
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "folder" / "deep" / "b.pdf").write_bytes(b"b")
    (tmp_path / "folder" / ".hidden").write_bytes(b"x")
    (tmp_path / "a.pdf").write_bytes(b"a")
    archive = packed(tmp_path / "c.zip", {"c.pdf": b"c", "../../etc/d.pdf": b"d", "sub\\e.pdf": b"e", "__MACOSX/c.pdf": b"x"})
    found = unpacked(entries([tmp_path / "a.pdf", tmp_path / "folder", archive, tmp_path / "none.pdf"]))
    assert found == {
        "a.pdf": b"a",
        "b.pdf": b"b",
        "c.pdf": b"c",
        "d.pdf": b"d",
        "e.pdf": b"e",
        str(tmp_path / "none.pdf"): "There is no such file.",
    }


def test_a_bomb_costs_no_more_than_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "LARGEST", 100_000)
    bomb = packed(tmp_path / "bomb.zip", {"small.pdf": b"small", "bomb.pdf": bytes(5_000_000)})
    assert bomb.stat().st_size < 10_000
    assert unpacked(entries([bomb])) == {"small.pdf": b"small", "bomb.pdf": "It unpacks to more than is allowed."}


def test_all_archives_together_are_bounded_and_so_is_their_number_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many = packed(tmp_path / "many.zip", {f"{n}.pdf": bytes(1000) for n in range(5)})
    monkeypatch.setattr(bulk.Budget, "__init__", lambda self: setattr(self, "left", 2500))
    said = unpacked(entries([many]))
    assert [type(one) for one in said.values()] == [bytes, bytes, str, str, str]
    monkeypatch.setattr(bulk, "MOST_FILES", 3)
    assert list(unpacked(entries([many])))[-1] == "many.zip"


def test_a_damaged_archive_is_told(tmp_path: Path) -> None:
    whole = packed(tmp_path / "a.zip", {"a.pdf": b"a" * 1000}).read_bytes()
    (tmp_path / "bent.zip").write_bytes(whole.replace(b"a.pdf", b"b.pdf", 1))
    assert "cannot be unpacked" in str(unpacked(entries([tmp_path / "bent.zip"])))


# --- over HTTP --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runtime(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    with opened(settings_for(request, tmp_path_factory)) as runtime:
        yield runtime


@pytest.fixture(scope="module")
def address(runtime: Runtime) -> Iterator[str]:
    import threading

    app: Flask = web_application(runtime.settings)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(5)
    server.server_close()
    app.extensions["akount"].close()


@pytest.fixture
def people(runtime: Runtime) -> People:
    return settle_in(runtime.database, unique=True)


def test_each_file_of_an_archive_is_its_own_job_and_waits_for_nobody(
    address: str, runtime: Runtime, people: People, tmp_path: Path
) -> None:
    same = pdf()
    archive = packed(tmp_path / "a.zip", {"one.pdf": same, "two.pdf": pdf(), "again.pdf": same, "notes.txt": b"not a document"})
    told = CliRunner().invoke(
        cli, ["upload", str(archive), "--url", address, "--no-wait", "--jsonl"], env={"AKOUNT_API_KEY": people.ada.key}
    )
    rows = [json.loads(line) for line in told.stdout.splitlines() if line.startswith("{")]
    assert told.exit_code == 1, "one was refused"
    assert [row["status"] for row in rows] == ["queued", "queued", "waiting", "refused"]
    assert rows[2]["duplicate"] is True
    assert rows[3]["error"]["code"] == "unsupported_type"
    with runtime.database.snapshot() as session:
        jobs = session.scalars(select(Job).where(Job.tenant_id == people.ada.actor.tenant)).all()
    assert {job.priority for job in jobs} == {Priority.BULK}
    assert {str(job.id) for job in jobs} == {row["jobId"] for row in rows[:3]}


def test_a_month_that_is_used_up_is_not_waited_for(address: str, runtime: Runtime, people: People, tmp_path: Path) -> None:
    with runtime.database.transaction() as session:
        accounts.set_plan(session, people.ada.actor.tenant, Plan.FREE)
    archive = packed(tmp_path / "a.zip", {f"{n}.pdf": pdf() for n in range(11)})
    rows = [Client(address, people.ada.key).send(entry, BILL, None) for entry in entries([archive])]
    assert [row["status"] for row in rows] == ["queued"] * 10 + ["refused"]
    assert rows[-1]["error"]["code"] == "quota_exceeded"


def test_nobody_there_and_a_wrong_key_are_said(address: str, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(pdf())
    (entry,) = entries([tmp_path / "a.pdf"])
    for wrong in ("http://127.0.0.1:9", "nonsense"):
        error = Client(wrong, "ak_x").send(entry, BILL, None)["error"]
        assert error == {"code": "not_sent", "detail": f"The service cannot be reached at {wrong}; is that its address?"}
    assert Client(address, "ak_wrong").send(entry, BILL, None)["error"]["code"] == "unauthenticated"
