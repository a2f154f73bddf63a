"""/api/documents/…: what was sent, the file itself, and that it be forgotten."""

import uuid

import pytest
from api_help import DATABASES, Worker
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

import config
from akount.lifecycle import Runtime
from akount.models import AuditEntry, Counterparty, Decision, Document, Job, Record
from akount.tasks import upkeep
from fresh import settings_for
from make import pdf, reading, sent, submitted
from people import People, settle_in

WHY = {"reason": "A customer asked for it."}


@pytest.fixture(scope="module", params=DATABASES)
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> config.Settings:
    return settings_for(request, tmp_path_factory)


@pytest.fixture(scope="module")
def people(runtime: Runtime) -> People:
    return settle_in(runtime.database)


def actions(runtime: Runtime, target: str) -> list[tuple[str, str]]:
    with runtime.database.snapshot() as session:
        found = session.scalars(select(AuditEntry).where(AuditEntry.target == target).order_by(AuditEntry.created_at))
        return [(entry.action, entry.reason) for entry in found]


def test_a_document_tells_what_it_is_and_what_came_of_it(
    client: FlaskClient, people: People, runtime: Runtime, worker: Worker
) -> None:
    data = pdf()
    job = submitted(runtime, people.ada, data)
    before = client.get(f"/api/documents/{job.document_id}", headers=people.ada.headers).json
    assert (before["jobStatus"], before["recordId"]) == ("waiting", None)
    worker.process(job.id)
    said = client.get(f"/api/documents/{job.document_id}", headers=people.ada.headers).json
    with runtime.database.snapshot() as session:
        record_id = session.scalars(select(Record.id).where(Record.job_id == job.id)).one()
    assert said.pop("createdAt").endswith("Z")
    assert len(said.pop("sha256")) == 64
    assert said == {
        "id": str(job.document_id),
        "kind": "bill",
        "entityId": str(people.ada.entity_id),
        "filename": "a.pdf",
        "mediaType": "application/pdf",
        "size": len(data),
        "uploadedBy": str(people.ada.actor.user_id),
        "jobId": str(job.id),
        "jobStatus": "completed",
        "recordId": str(record_id),
        "erasedAt": None,
        "erasedBy": None,
    }


def test_the_file_comes_back_as_it_was_sent_and_runs_nowhere(client: FlaskClient, people: People, runtime: Runtime) -> None:
    data = pdf()
    document = submitted(runtime, people.ada, data).document_id
    with runtime.database.transaction() as session:
        session.get_one(Document, document).filename = 'Rechnung "März"; X: y.pdf'
    answer = client.get(f"/api/documents/{document}/file", headers=people.ada.headers, buffered=True)
    answer.close()
    assert (answer.status_code, answer.data) == (200, data)
    assert answer.headers["Content-Type"] == "application/pdf"
    assert answer.headers["Content-Disposition"].startswith("attachment; ")
    assert "filename*=UTF-8''Rechnung%20%22M%C3%A4rz%22%3B" in answer.headers["Content-Disposition"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert actions(runtime, f"document:{document}") == [("document.submit", ""), ("document.open", "")]


def test_another_tenants_document_does_not_exist(client: FlaskClient, people: People, runtime: Runtime) -> None:
    document = submitted(runtime, people.ada).document_id
    for path in (f"/api/documents/{document}", f"/api/documents/{document}/file"):
        assert client.get(path, headers=people.mallory.headers).status_code == 404
    assert client.post(f"/api/documents/{document}/erase", headers=people.mallory.headers, json=WHY).status_code == 404
    assert client.get(f"/api/documents/{document}", headers=people.ada.headers).json["erasedAt"] is None


def test_erasing_takes_the_file_and_all_that_was_read(
    client: FlaskClient, people: People, runtime: Runtime, worker: Worker
) -> None:
    data = pdf()
    worker.reader.says = reading(seller_name="Soon Forgotten")
    job = submitted(runtime, people.ada, data)
    worker.process(job.id)
    with runtime.database.snapshot() as session:
        key = session.get_one(Document, job.document_id).storage_key
    url = f"/api/documents/{job.document_id}"
    said = client.post(f"{url}/erase", headers=people.ada.headers, json=WHY).json
    assert (said["filename"], said["sha256"], said["size"], said["recordId"]) == ("", None, 0, None)
    assert said["erasedBy"] == people.ada.actor.name
    assert client.get(url, headers=people.ada.headers).json == said
    gone = client.get(f"{url}/file", headers=people.ada.headers)
    assert (gone.status_code, gone.json["code"]) == (404, "document_erased")
    with pytest.raises(FileNotFoundError):
        runtime.storage.open(key, "")
    with runtime.database.snapshot() as session:
        assert session.scalars(select(Record).where(Record.job_id == job.id)).all() == []
        assert session.scalars(select(Counterparty).where(Counterparty.name == "Soon Forgotten")).all() == []
        decision = session.scalars(select(Decision).where(Decision.job_id == job.id)).one()
        assert (decision.extracted, decision.record_id, decision.routing) == ({}, None, "queued_for_review")
        assert session.get_one(Job, job.id).result is None
    assert actions(runtime, f"document:{job.document_id}")[-1] == ("document.erase", WHY["reason"])
    again = client.post(f"{url}/erase", headers=people.ada.headers, json=WHY)
    assert (again.status_code, again.json["code"]) == (409, "erased_before")
    assert client.post(f"/api/ai/jobs/{job.id}/retry", headers=people.ada.headers).status_code == 409
    anew = sent(runtime, people.ada, data)
    assert not anew.duplicate
    assert anew.job.id != job.id


def test_an_approved_record_stays_without_evidence(client: FlaskClient, people: People, runtime: Runtime, worker: Worker) -> None:
    worker.reader.says = reading()
    job = submitted(runtime, people.ada)
    worker.process(job.id)
    url = f"/api/documents/{job.document_id}"
    record = f"/api/business/bills/{client.get(url, headers=people.ada.headers).json['recordId']}"
    before = client.post(f"{record}/approve", headers=people.ada.headers, json={}).json
    assert client.post(f"{url}/erase", headers=people.ada.headers, json=WHY).json["recordId"] == before["id"]
    after = client.get(record, headers=people.ada.headers).json
    kept = {"vendor", "billNumber", "date", "totalAmount", "lineItems", "status", "reviewedBy"}
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    assert (after["evidence"], after["fieldConfidence"], after["checks"], after["corrections"]) == ({}, {}, [], {})


def test_what_waits_is_not_read_any_more(client: FlaskClient, people: People, runtime: Runtime, worker: Worker) -> None:
    job = submitted(runtime, people.ada)
    said = client.post(f"/api/documents/{job.document_id}/erase", headers=people.ada.headers, json=WHY).json
    assert said["jobStatus"] == "cancelled"
    before = worker.reader.read_count
    worker.process(job.id)
    assert worker.reader.read_count == before


def test_what_is_being_read_books_nothing(client: FlaskClient, people: People, runtime: Runtime, worker: Worker) -> None:
    worker.reader.says = reading()
    job = submitted(runtime, people.ada)
    with worker.at_work(job.id):
        assert client.post(f"/api/documents/{job.document_id}/erase", headers=people.ada.headers, json=WHY).status_code == 200
    with runtime.database.snapshot() as session:
        assert session.scalars(select(Record).where(Record.job_id == job.id)).all() == []
        assert session.scalars(select(Decision).where(Decision.job_id == job.id)).all() == []


def test_a_file_that_the_storage_kept_is_swept(
    client: FlaskClient, people: People, runtime: Runtime, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    from akount.errors import Unavailable

    def away(_key: str) -> None:
        raise Unavailable

    job = submitted(runtime, people.ada)
    with runtime.database.snapshot() as session:
        key = session.get_one(Document, job.document_id).storage_key
    with monkeypatch.context() as patch:
        patch.setattr(app.extensions["akount"].storage, "delete", away)
        assert client.post(f"/api/documents/{job.document_id}/erase", headers=people.ada.headers, json=WHY).status_code == 200
    monkeypatch.setattr(upkeep, "ORPHAN_AGE", upkeep.ORPHAN_AGE * -1)
    assert upkeep.prune(runtime)["orphans"] == 1
    assert key not in set(runtime.storage.keys(upkeep.now() + 2 * abs(upkeep.ORPHAN_AGE)))


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": "x"}, {"reason": "x" * 1001}])
def test_a_reason_is_asked_for(client: FlaskClient, people: People, runtime: Runtime, body: dict[str, str]) -> None:
    job = submitted(runtime, people.ada)
    answer = client.post(f"/api/documents/{job.document_id}/erase", headers=people.ada.headers, json=body)
    assert (answer.status_code, [*answer.json["errors"]]) == (422, ["reason"])


def test_an_unknown_document_does_not_exist(client: FlaskClient, people: People) -> None:
    assert client.get(f"/api/documents/{uuid.uuid4()}", headers=people.ada.headers).status_code == 404
