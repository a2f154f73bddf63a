"""POST …/scan: what is taken, what is refused and by which status, and that a refusal leaves nothing behind (E5, E8)."""

import dataclasses
import io
import re
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from api_help import DATABASES, Unread
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Select, event, select, update
from werkzeug.test import TestResponse

import config
from akount.accounts import PERMISSIONS, Permission
from akount.identity import keys
from akount.kinds import KINDS, Kind
from akount.lifecycle import Runtime
from akount.models import AuditEntry, Document, Entity, Job, JobStatus, Role
from fresh import serving, settings_for
from make import BILL, pdf
from people import People, Person, key_with_role

LIMIT = 200_000
BOUNDARY = "a-boundary-of-the-tests"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"
each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())


@pytest.fixture(scope="module", params=DATABASES)
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> config.Settings:
    return settings_for(request, tmp_path_factory, MAX_UPLOAD_BYTES=str(LIMIT))


@pytest.fixture(autouse=True)
def nothing_left_behind(settings: config.Settings) -> Iterator[None]:
    """Whatever a test sends, in the end no half-received file lies about."""
    yield
    assert list((settings.directory / "files" / ".incoming").glob("*")) == []


def file_part(data: bytes, filename: bytes = b"a.pdf", name: bytes = b"file") -> bytes:
    head = b'Content-Disposition: form-data; name="' + name + b'"; filename="' + filename + b'"'
    return head + b"\r\nContent-Type: application/octet-stream\r\n\r\n" + data


def field(name: str, value: object) -> bytes:
    return f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode()


def body_of(*parts: bytes) -> bytes:
    return b"".join(b"--%b\r\n%b\r\n" % (BOUNDARY.encode(), part) for part in parts) + b"--%b--\r\n" % BOUNDARY.encode()


def send(client: FlaskClient, person: Person, *parts: bytes, kind: Kind = BILL) -> TestResponse:
    """Uploads parts in this very order."""
    return post(client, person.headers, body_of(*parts), kind)


def post(client: FlaskClient, headers: dict[str, str], body: bytes, kind: Kind = BILL) -> TestResponse:
    return client.post(f"/api/business/{kind.plural}/scan", headers=headers, data=body, content_type=MULTIPART)


def offer(client: FlaskClient, headers: dict[str, str], body: io.BytesIO, length: int) -> TestResponse:
    """A request that announces `length` bytes, whatever the body holds."""
    announced = {"CONTENT_LENGTH": str(length), "wsgi.input": body}
    return client.post("/api/business/bills/scan", headers=headers, content_type=MULTIPART, environ_overrides=announced)


def stored_files(runtime: Runtime, person: Person) -> list[Path]:
    """What the storage keeps for somebody's tenant."""
    return [path for path in (runtime.settings.directory / "files" / str(person.actor.tenant)).rglob("*") if path.is_file()]


def everything_below(runtime: Runtime) -> set[Path]:
    """Every file in and beside the data directory, but those of the databases."""
    return {p for p in runtime.settings.directory.parent.rglob("*") if p.is_file() and not re.search(r"\.db(-\w+)?$", p.name)}


def jobs_of(person: Person) -> Select[tuple[Job]]:
    return select(Job).where(Job.tenant_id == person.actor.tenant)


def pdf_of(size: int) -> bytes:
    made = pdf()
    return made + b"%" * (size - len(made))


def assert_refused(answer: TestResponse, status: int, code: str) -> None:
    assert (answer.status_code, answer.json and answer.json["code"]) == (status, code), answer.text


@each_kind
def test_an_upload_is_answered_exactly_as_the_contract_says(client: FlaskClient, people: People, kind: Kind) -> None:
    answer = send(client, people.ada, file_part(pdf()), kind=kind)
    assert answer.status_code == 202
    said = answer.json
    assert said.keys() == {"jobId", "documentId", "status", "message", "statusUrl", "streamUrl"}
    assert uuid.UUID(said["jobId"]) != uuid.UUID(said["documentId"])
    assert said["status"] == "queued"
    assert said["message"]
    assert said["statusUrl"] == f"/api/ai/jobs/{said['jobId']}"
    assert said["streamUrl"].startswith(f"/api/ai/jobs/{said['jobId']}/stream?ticket=")
    job = client.get(said["statusUrl"], headers=people.ada.headers).json
    assert (job["kind"], job["queue"], job["documentId"]) == (kind.name, kind.queue, said["documentId"])


def test_who_has_nothing_in_line_stands_at_the_turn_that_is_served(client: FlaskClient, runtime: Runtime, people: People) -> None:
    """Not before it, although nobody sees another's jobs: else a newcomer's import would overtake all who came before."""
    send(client, people.ada, file_part(pdf()))
    waits = Job.status.in_([JobStatus.WAITING, JobStatus.DELAYED])
    with runtime.database.transaction() as session:
        session.execute(update(Job).where(waits).values(turn=Job.turn + 100))
        session.execute(update(Job).where(Job.tenant_id == people.mallory.actor.tenant).values(status=JobStatus.CANCELLED))
    came = [send(client, people.mallory, file_part(pdf())).json["jobId"] for _ in range(2)]
    with runtime.database.snapshot() as session:
        (first,) = session.scalars(
            select(Job.turn).where(waits, Job.tenant_id == people.ada.actor.tenant).order_by(Job.turn).limit(1)
        )
        assert [session.get_one(Job, uuid.UUID(one)).turn for one in came] == [first, first + 1]
    assert first >= 100


def test_an_upload_is_six_questions_and_the_state_of_its_job_two(app: Flask, client: FlaskClient, people: People) -> None:
    """Who asks; where the document goes, by which plan, and whether it was here before; the turn that is served; document,
    job, audit entry."""
    job = send(client, people.ada, file_part(pdf())).json["jobId"]  # from now on the use of the key is noted
    here, said, engine = threading.get_ident(), [], app.extensions["akount"].database.engine

    def hear(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if threading.get_ident() == here and not statement.startswith("BEGIN"):  # SQLite's driver says it as a statement
            said.append(statement)

    event.listen(engine, "before_cursor_execute", hear)
    try:
        assert send(client, people.ada, file_part(pdf())).status_code == 202
        asked = len(said)
        assert client.get(f"/api/ai/jobs/{job}", headers=people.ada.headers).status_code == 200
    finally:
        event.remove(engine, "before_cursor_execute", hear)
    assert (asked, len(said) - asked) == (6, 2), said


def test_the_same_idempotency_key_has_the_same_answer(client: FlaskClient, people: People) -> None:
    headers, body = people.ada.headers | {"Idempotency-Key": str(uuid.uuid4())}, body_of(file_part(pdf()))
    first, again = (post(client, headers, body) for _ in range(2))
    assert (first.status_code, again.status_code) == (202, 202)
    tickets = re.compile("ticket=.*")
    assert tickets.sub("", again.text) == tickets.sub("", first.text)
    assert ("Idempotent-Replayed" in first.headers, again.headers["Idempotent-Replayed"]) == (False, "true")
    assert_refused(post(client, headers, body_of(file_part(pdf()))), 409, "idempotency_key_reused")
    assert_refused(post(client, headers | {"Idempotency-Key": "two words"}, body), 400, "bad_idempotency_key")


@pytest.mark.parametrize(("said", "priority"), [(None, 0), ("person", 0), ("bulk", 10)])
def test_an_import_says_that_nobody_waits_for_it(
    client: FlaskClient, people: People, runtime: Runtime, said: str | None, priority: int
) -> None:
    answer = send(client, people.ada, *([field("priority", said)] if said else []), file_part(pdf()))
    with runtime.database.snapshot() as session:
        assert session.get_one(Job, uuid.UUID(answer.json["jobId"])).priority == priority
    assert_refused(send(client, people.ada, field("priority", "now!"), file_part(pdf())), 422, "invalid")


@each_kind
def test_the_same_file_again_is_the_same_job_and_nothing_is_added(
    client: FlaskClient, people: People, runtime: Runtime, kind: Kind
) -> None:
    data = pdf()
    first = send(client, people.ada, file_part(data, b"first.pdf"), kind=kind).json
    rung = runtime.bells[kind.queue].length()
    again = send(client, people.ada, file_part(data, b"second.pdf"), kind=kind)
    assert again.status_code == 200
    said = again.json
    assert said.keys() == first.keys() | {"duplicate"}
    assert said["duplicate"] is True
    assert (said["jobId"], said["documentId"]) == (first["jobId"], first["documentId"])
    assert len(stored_files(runtime, people.ada)) == 1
    assert runtime.bells[kind.queue].length() == rung


def test_the_same_file_as_another_kind_is_another_document(client: FlaskClient, people: People) -> None:
    data = pdf()
    answers = [send(client, people.ada, file_part(data), kind=kind) for kind in KINDS.values()]
    assert [answer.status_code for answer in answers] == [202] * len(KINDS)
    assert len({answer.json["documentId"] for answer in answers}) == len(KINDS)


def test_the_same_file_of_another_tenant_is_another_document(client: FlaskClient, people: People) -> None:
    data = pdf()
    answers = [send(client, person, file_part(data)) for person in (people.ada, people.mallory)]
    assert [answer.status_code for answer in answers] == [202, 202]


def test_the_same_file_sent_many_times_at_once_becomes_one_job(app: Flask, people: People, runtime: Runtime) -> None:
    data, answers = pdf(), []

    def upload() -> None:
        answers.append(send(app.test_client(), people.ada, file_part(data)))

    threads = [threading.Thread(target=upload) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [202]
    assert len({answer.json["jobId"] for answer in answers}) == 1
    with runtime.database.snapshot() as session:
        assert len(session.scalars(jobs_of(people.ada)).all()) == 1
    assert len(stored_files(runtime, people.ada)) == 1


@pytest.mark.parametrize("entity_first", [True, False], ids=["entity-first", "file-first"])
def test_the_fields_may_come_in_any_order(client: FlaskClient, people: People, runtime: Runtime, entity_first: bool) -> None:
    with runtime.database.transaction() as session:
        second = Entity(tenant_id=people.ada.actor.tenant, name="The other books")
        session.add(second)
    parts = [field("entityId", second.id), file_part(pdf())]
    answer = send(client, people.ada, *(parts if entity_first else parts[::-1]))
    assert answer.status_code == 202, answer.json
    with runtime.database.snapshot() as session:
        assert session.get_one(Document, uuid.UUID(answer.json["documentId"])).entity_id == second.id


def test_the_same_file_in_another_entity_is_another_document(client: FlaskClient, people: People, runtime: Runtime) -> None:
    with runtime.database.transaction() as session:
        second = Entity(tenant_id=people.ada.actor.tenant, name="The other books")
        session.add(second)
    data = pdf()
    answers = [send(client, people.ada, file_part(data), field("entityId", e)) for e in (people.ada.entity_id, second.id)]
    assert [answer.status_code for answer in answers] == [202, 202]


def test_a_tenant_with_several_entities_must_name_one(client: FlaskClient, people: People, runtime: Runtime) -> None:
    with runtime.database.transaction() as session:
        session.add(Entity(tenant_id=people.ada.actor.tenant, name="The other books"))
    assert_refused(send(client, people.ada, file_part(pdf())), 400, "entity_required")


def test_an_empty_entity_field_says_nothing(client: FlaskClient, people: People) -> None:
    assert send(client, people.ada, field("entityId", ""), file_part(pdf())).status_code == 202


def test_another_tenants_entity_does_not_exist_just_as_an_unknown_one(client: FlaskClient, people: People) -> None:
    theirs = send(client, people.ada, field("entityId", people.mallory.entity_id), file_part(pdf()))
    unknown = send(client, people.ada, field("entityId", uuid.uuid4()), file_part(pdf()))
    for answer in (theirs, unknown):
        assert_refused(answer, 404, "entity_not_found")
    assert theirs.json["detail"] == unknown.json["detail"]


@pytest.mark.parametrize("file_first", [True, False], ids=["file-first", "entity-first"])
def test_an_entity_that_is_no_id_is_named_among_the_errors(client: FlaskClient, people: People, file_first: bool) -> None:
    parts = [file_part(pdf()), field("entityId", "not-an-id\x00")]
    answer = send(client, people.ada, *(parts if file_first else parts[::-1]))
    assert_refused(answer, 422, "invalid")
    assert answer.json["errors"].keys() == {"entityId"}


@pytest.mark.parametrize("names", [(b"file", b"file"), (b"file", b"other"), (b"other", b"file")])
def test_only_one_file_is_taken_in_a_request(
    client: FlaskClient, people: People, runtime: Runtime, names: tuple[bytes, bytes]
) -> None:
    answer = send(client, people.ada, *(file_part(pdf(), name=name) for name in names))
    assert_refused(answer, 400, "one_file_only")
    assert stored_files(runtime, people.ada) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        body_of(field("entityId", "")),
        body_of(field("file", "a text, not a file")),
        body_of(file_part(b"%PDF-1.4", name=b"document")),
    ],
    ids=["nothing", "no-file", "text-instead", "another-field"],
)
def test_a_request_without_the_file_is_refused(client: FlaskClient, people: People, body: bytes) -> None:
    assert_refused(post(client, people.ada.headers, body), 400, "file_required")


def test_a_body_that_is_no_form_is_refused(client: FlaskClient, people: People) -> None:
    answer = client.post("/api/business/bills/scan", headers=people.ada.headers, data=pdf(), content_type="application/pdf")
    assert_refused(answer, 400, "file_required")


def test_a_file_of_exactly_the_limit_is_taken_whole(client: FlaskClient, people: People, runtime: Runtime) -> None:
    data = pdf_of(LIMIT)
    assert len(data) == LIMIT
    assert send(client, people.ada, field("entityId", people.ada.entity_id), file_part(data)).status_code == 202
    assert [path.read_bytes() == data for path in stored_files(runtime, people.ada)] == [True]


def test_one_byte_more_than_the_limit_is_too_large(client: FlaskClient, people: People, runtime: Runtime) -> None:
    assert_refused(send(client, people.ada, file_part(pdf_of(LIMIT + 1))), 413, "file_too_large")
    assert stored_files(runtime, people.ada) == []


def test_a_far_too_large_request_is_refused_without_reading_it(client: FlaskClient, people: People) -> None:
    body = Unread()
    answer = offer(client, people.ada.headers, body, 10**12)
    assert_refused(answer, 413, "file_too_large")
    assert answer.json is not None
    assert "larger than 0.19" in answer.json["detail"], "the tenant's own limit is named"
    assert not body.was_read


def test_very_many_parts_are_refused(client: FlaskClient, people: People) -> None:
    parts = [field(f"field{n}", "x") for n in range(100)]
    answer = send(client, people.ada, file_part(pdf()), *parts)
    assert_refused(answer, 413, "file_too_large")
    assert answer.json is not None
    assert "too many or too long fields" in answer.json["detail"]


@pytest.mark.parametrize(
    "data", [b"Just a text.\n" * 20, b"PK\x03\x04" + bytes(200), b"<html><body>%PDF-1.4</body></html>", b"GIF89a" + bytes(100)]
)
def test_the_content_decides_what_a_file_is_whatever_it_is_called(client: FlaskClient, people: People, data: bytes) -> None:
    assert_refused(send(client, people.ada, file_part(data, b"invoice.pdf")), 415, "unsupported_type")


def test_a_pdf_is_taken_whatever_it_is_called(client: FlaskClient, people: People) -> None:
    assert send(client, people.ada, file_part(pdf(), b"holiday.exe")).status_code == 202


@pytest.mark.parametrize("filename", [b"a.pdf", b""])
def test_an_empty_file_is_refused_with_a_sentence(client: FlaskClient, people: People, filename: bytes) -> None:
    answer = send(client, people.ada, file_part(b"", filename))
    assert_refused(answer, 422, "empty_file")
    assert "empty" in answer.json["detail"]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b"../../../../etc/passwd", "passwd"),
        (rb"..\\..\\windows\\system.ini", "system.ini"),
        (b"/absolute/path.pdf", "path.pdf"),
        (b"..", "document"),
        (b"nul\x00byte.pdf", "nulbyte.pdf"),
        (b"quote\\\"s and 'more'.pdf", "quote\"s and 'more'.pdf"),
        ("Rechnung Müller – März.pdf".encode(), "Rechnung Müller – März.pdf"),
        ("turned \u202efdp.exe".encode(), "turned fdp.exe"),
        (b"long" * 200 + b".pdf", ("long" * 200 + ".pdf")[-200:]),
    ],
    ids=["up", "up-windows", "absolute", "dots", "nul", "quotes", "unicode", "direction", "long"],
)
def test_names_of_files_do_no_harm(client: FlaskClient, people: People, runtime: Runtime, sent: bytes, kept: str) -> None:
    before = everything_below(runtime)
    answer = send(client, people.ada, file_part(pdf(), sent))
    assert answer.status_code == 202, answer.json
    with runtime.database.snapshot() as session:
        document = session.get_one(Document, uuid.UUID(answer.json["documentId"]))
    assert document.filename == kept
    assert not set(document.filename) & set("\x00/\\\r\n")
    files = stored_files(runtime, people.ada)
    assert [path.relative_to(runtime.settings.directory / "files").as_posix() for path in files] == [document.storage_key]
    assert everything_below(runtime) - before == set(files)


def test_a_name_that_is_not_utf_8_is_refused(client: FlaskClient, people: People, runtime: Runtime) -> None:
    assert_refused(send(client, people.ada, file_part(pdf(), b"\xff\xfe.pdf")), 400, "file_required")
    assert stored_files(runtime, people.ada) == []


@pytest.mark.parametrize("role", [role for role in Role if Permission.UPLOAD not in PERMISSIONS[role]])
def test_who_may_not_upload_is_told_before_the_body_is_read(
    client: FlaskClient, people: People, runtime: Runtime, role: Role
) -> None:
    body = Unread()
    key = key_with_role(runtime.database, people.ada.actor.tenant, role)
    answer = offer(client, {"Authorization": f"Bearer {key}"}, body, 1000)
    assert_refused(answer, 403, "not_allowed")
    assert not body.was_read


def test_who_is_not_signed_in_is_told_before_the_body_is_read(client: FlaskClient, people: People) -> None:
    body = Unread()
    answer = offer(client, {}, body, 1000)
    assert_refused(answer, 401, "unauthenticated")
    assert not body.was_read


@pytest.mark.parametrize("cut", [1, 40, 60, 150, 700], ids=lambda n: f"after-{n}-bytes")
def test_a_broken_body_is_refused_and_nothing_is_kept(client: FlaskClient, people: People, runtime: Runtime, cut: int) -> None:
    whole = body_of(file_part(pdf()))
    assert cut < len(whole)
    assert post(client, people.ada.headers, whole[:cut]).status_code == 400
    assert stored_files(runtime, people.ada) == []


def test_a_client_that_goes_away_in_the_middle_leaves_nothing(client: FlaskClient, people: People, runtime: Runtime) -> None:
    whole = body_of(file_part(pdf_of(LIMIT)))
    answer = offer(client, people.ada.headers, io.BytesIO(whole[: LIMIT // 2]), len(whole))
    assert answer.status_code == 400
    assert stored_files(runtime, people.ada) == []


def test_refused_uploads_leave_no_rows(client: FlaskClient, people: People, runtime: Runtime) -> None:
    send(client, people.ada, file_part(b"a text"))
    send(client, people.ada, file_part(pdf_of(LIMIT + 1)))
    send(client, people.ada, field("entityId", uuid.uuid4()), file_part(pdf()))
    send(client, people.ada, file_part(pdf()), file_part(pdf()))
    with runtime.database.snapshot() as session:
        assert session.scalars(select(Document).where(Document.tenant_id == people.ada.actor.tenant)).all() == []
        assert session.scalars(jobs_of(people.ada)).all() == []


def test_with_the_queue_away_an_upload_is_taken_all_the_same(people: People, settings: config.Settings) -> None:
    with serving(dataclasses.replace(settings, redis_url="redis://127.0.0.1:1/0")) as app:
        assert send(app.test_client(), people.ada, file_part(pdf())).status_code == 202


def test_with_the_storage_away_an_upload_is_put_off(
    client: FlaskClient, people: People, settings: config.Settings, tmp_path: Path
) -> None:
    files = settings.directory / "files"
    aside = files.rename(tmp_path / "aside") if files.exists() else None
    files.write_text("a file where the storage should be")
    try:
        answer = send(client, people.ada, file_part(pdf()))
    finally:
        files.unlink()
        if aside:
            aside.rename(files)
    assert_refused(answer, 503, "storage_unavailable")
    assert int(answer.headers["Retry-After"]) > 0


def test_an_upload_is_noted_in_the_audit_log_with_its_request(client: FlaskClient, people: People, runtime: Runtime) -> None:
    answer = send(client, people.ada, file_part(pdf()))
    with runtime.database.snapshot() as session:
        target = f"document:{answer.json['documentId']}"
        entry = session.scalars(select(AuditEntry).where(AuditEntry.target == target)).one()
    assert (entry.action, entry.actor, entry.tenant_id) == ("document.submit", people.ada.actor.name, people.ada.actor.tenant)
    assert entry.request_id == answer.headers["X-Request-ID"]


def test_an_operator_has_nowhere_to_upload_to(client: FlaskClient, people: People) -> None:
    assert_refused(send(client, people.otto, file_part(pdf())), 403, "not_allowed")


def test_a_key_without_a_user_may_upload_too(client: FlaskClient, people: People, runtime: Runtime) -> None:
    with runtime.database.transaction() as session:
        token = keys.add(session, people.ada.actor.tenant, Role.BOOKKEEPER, "scanner")[1]
    assert post(client, {"Authorization": f"Bearer {token}"}, body_of(file_part(pdf()))).status_code == 202
