"""Every error in one shape, every answer with its request id, every request with one line in the log (E6, H6)."""

import io
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from flask import Flask, abort, request
from flask.testing import FlaskClient
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

import config
from akount.accounts import Permission
from akount.api.guards import needs, public
from akount.errors import LimitExceeded, Unavailable
from akount.lifecycle import Runtime
from akount.models import Job
from fresh import serving
from make import pdf, submitted
from people import People

SECRET = "psycopg2.OperationalError: password authentication failed for user akount"


@pytest.fixture(scope="module")
def app(settings: config.Settings) -> Iterator[Flask]:
    """The application with a few pages that go wrong in ways of their own."""
    with serving(settings) as app:
        app.add_url_rule("/api/wrong/raises", "raises", public(_raises))
        app.add_url_rule("/api/wrong/aborts/<int:status>", "aborts", public(_aborts))
        app.add_url_rule("/api/wrong/away", "away", public(_away))
        app.add_url_rule("/api/wrong/often", "often", public(_often))
        app.add_url_rule("/api/wrong/form", "form", public(_form), methods=["POST"])
        app.add_url_rule("/api/wrong/no-rule", "no_rule", _no_rule)
        app.add_url_rule("/api/wrong/raises-inside", "raises_inside", needs(Permission.VIEW)(_raises_too))
        yield app


def _raises() -> None:
    raise RuntimeError(SECRET)


def _raises_too() -> None:
    raise KeyError(SECRET)


def _aborts(status: int) -> None:
    abort(status, description=SECRET)


def _away() -> None:
    raise Unavailable("The thing is away; try again later.", code="thing_away", retry_after=7)


def _often() -> None:
    raise LimitExceeded(retry_after=1.2, headers={"RateLimit-Limit": "3"})


def _form() -> str:
    return request.form["not there"]


def _no_rule() -> str:
    return "nobody may see this"


def assert_problem(answer: TestResponse, status: int, code: str | None = None) -> dict[str, Any]:
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json"), answer.text
    said: dict[str, Any] = answer.json
    assert {"type", "title", "status", "detail", "code", "requestId"} <= said.keys()
    assert said.keys() <= {"type", "title", "status", "detail", "code", "requestId", "errors"}
    assert said["status"] == status
    assert said["type"] == f"urn:akount:problem:{said['code']}"
    assert re.fullmatch(r"[a-z0-9_]+", said["code"])
    assert said["title"]
    assert re.fullmatch(r".+[.…]", said["detail"]), "a sentence"
    assert said["requestId"] == answer.headers["X-Request-ID"]
    assert code in (None, said["code"])
    return said


# --- the shape ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/nothing", "/api", "/api/%00", "/\u00e9"),
        *("/api/business/bills/not-an-id", "/api/ai/jobs/17"),
        *("/api//business/bills", "/api/business/bills/", "/health/"),
    ],
)
def test_a_page_that_is_none_is_not_found(client: FlaskClient, people: People, path: str) -> None:
    assert_problem(client.get(path, headers=people.ada.headers), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/api/business/bills", {"GET", "HEAD", "OPTIONS"}),
        ("GET", "/api/business/bills/scan", {"POST", "OPTIONS"}),
        ("POST", f"/api/ai/jobs/{uuid.UUID(int=1)}", {"GET", "HEAD", "OPTIONS"}),
        ("PUT", "/api/system/consent", {"GET", "HEAD", "OPTIONS", "PATCH"}),
        ("POST", "/health", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_a_method_that_is_none_names_those_that_are(
    client: FlaskClient, people: People, method: str, path: str, allowed: set[str]
) -> None:
    answer = client.open(path, method=method, headers=people.ada.headers)
    assert_problem(answer, 405, "method_not_allowed")
    assert set(answer.headers["Allow"].split(", ")) == allowed


@pytest.mark.parametrize("body", [b"{", b"", b"[]", b'"text"', b"null", b"\xff\xfe", b'{"a": NaN', b"[" * 10_000])
def test_json_that_is_none_is_a_bad_request(client: FlaskClient, people: People, body: bytes) -> None:
    answer = client.patch("/api/system/consent", headers=people.ada.headers, data=body, content_type="application/json")
    assert_problem(answer, 400, "bad_request")


def test_a_body_of_another_type_is_a_bad_request(client: FlaskClient, people: People) -> None:
    answer = client.patch("/api/system/consent", headers=people.ada.headers, data=b"a=b", content_type="text/plain")
    assert_problem(answer, 400)


@pytest.mark.parametrize("value", ["yes", 2, None, [], {}, "true"])
def test_fields_that_are_not_valid_are_named(client: FlaskClient, people: People, value: Any) -> None:
    answer = client.patch("/api/system/consent", headers=people.ada.headers, json={"hostedEngines": value, "stranger": True})
    said = assert_problem(answer, 422, "invalid")
    assert said["errors"].keys() == {"hostedEngines", "stranger"}
    assert all(isinstance(text, str) for texts in said["errors"].values() for text in texts)


def test_nothing_is_changed_by_a_request_that_is_partly_wrong(client: FlaskClient, people: People) -> None:
    client.patch("/api/system/consent", headers=people.ada.headers, json={"hostedEngines": True, "autoCreateBills": "yes"})
    shown = client.get("/api/system/consent", headers=people.ada.headers).json
    assert shown == {"autoCreateBills": False, "autoCreateInvoices": False, "hostedEngines": False}


def test_consent_is_given_and_withdrawn_one_by_one(client: FlaskClient, people: People) -> None:
    def change(**wanted: bool) -> Any:
        return client.patch("/api/system/consent", headers=people.ada.headers, json=wanted).json

    assert change(autoCreateBills=True) == {"autoCreateBills": True, "autoCreateInvoices": False, "hostedEngines": False}
    assert change(hostedEngines=True) == {"autoCreateBills": True, "autoCreateInvoices": False, "hostedEngines": True}
    assert change(autoCreateBills=False) == {"autoCreateBills": False, "autoCreateInvoices": False, "hostedEngines": True}
    theirs = client.get("/api/system/consent", headers=people.mallory.headers).json
    assert theirs == {"autoCreateBills": False, "autoCreateInvoices": False, "hostedEngines": False}


def test_who_is_not_signed_in_is_told_how_to(client: FlaskClient, people: People) -> None:
    answer = client.get("/api/business/bills")
    assert_problem(answer, 401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "sent", ["", "Bearer", "Bearer ", "Bearer ak_wrong", "Basic YTpi", "Bearer ak_" + "x" * 200, "ak_x", "Bearer ak_\u00e9\u00ff"]
)
def test_whatever_is_wrong_with_a_key_the_answer_is_the_same(client: FlaskClient, people: People, sent: str) -> None:
    said = assert_problem(client.get("/api/business/bills", headers={"Authorization": sent}), 401, "unauthenticated")
    assert said["detail"] == assert_problem(client.get("/api/business/bills"), 401)["detail"]


@pytest.mark.parametrize("path", ["/api/wrong/raises", "/api/wrong/raises-inside"])
def test_a_fault_of_ours_says_nothing_about_the_inside(client: FlaskClient, people: People, path: str) -> None:
    with capture_logs() as lines:
        answer = client.get(path, headers=people.ada.headers)
    assert_problem(answer, 500, "internal_error")
    assert not re.search(r"psycopg|password|Error:|Traceback|RuntimeError|KeyError|\.py", answer.text)
    assert [line for line in lines if line["log_level"] == "error"], "the fault is in the log"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 406, 408, 409, 410, 413, 415, 418, 422, 429, 431, 500, 501, 503])
def test_the_frameworks_own_refusals_have_the_shape_and_not_its_words(client: FlaskClient, people: People, status: int) -> None:
    answer = client.get(f"/api/wrong/aborts/{status}")
    assert_problem(answer, status)
    assert "psycopg" not in answer.text


@pytest.mark.parametrize("method", ["BREW", "TRACE", "CONNECT", "PROPFIND", "X" * 50])
def test_a_method_that_nobody_knows_is_refused_in_the_shape(client: FlaskClient, people: People, method: str) -> None:
    for path, status in (("/api/business/bills", 405), ("/health", 405), ("/nothing", 404)):
        assert_problem(client.open(path, method=method, headers=people.ada.headers), status)


def test_an_answer_to_head_has_the_headers_of_the_shape_and_no_body(client: FlaskClient, people: People) -> None:
    for path, status in (("/nothing", 404), ("/api/business/bills", 401), ("/api/business/bills/scan", 405)):
        answer = client.head(path)
        assert (answer.status_code, answer.content_type, answer.data) == (status, "application/problem+json", b"")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b""),
        ("multipart/form-data", b"--x\r\n\r\nno boundary was said\r\n--x--"),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", b"--y\r\nanother boundary"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\ncut off"),
        ("multipart/form-data; boundary=x", b"--x\r\nno header\r\n\r\n\r\n--x--\r\n"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nnot a file\r\n--x--\r\n'),
        ("multipart/form-data; boundary=" + "x" * 5000, b"--x"),
        ("multipart/mixed; boundary=x", b"--x\r\n\r\n--x--"),
        ("application/x-www-form-urlencoded", b"file=" + b"%ff" * 100),
        ("text/html", b"<p>"),
        ("", b"\x00\xff"),
    ],
)
def test_a_body_that_is_no_form_is_a_bad_request(client: FlaskClient, people: People, content_type: str, body: bytes) -> None:
    answer = client.post("/api/business/bills/scan", headers=people.ada.headers, data=body, content_type=content_type)
    assert_problem(answer, 400)


@pytest.mark.parametrize("path", ["/" + "x" * 8000, "/api/business/bills?q=" + "x" * 8000, "/api/ai/jobs/" + "1" * 8000])
def test_an_address_that_is_too_long_is_refused_in_the_shape(client: FlaskClient, people: People, path: str) -> None:
    assert_problem(client.get(path, headers=people.ada.headers), 422 if "?" in path else 404)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 503])
def test_a_refusal_of_the_framework_has_the_code_of_our_own(client: FlaskClient, people: People, status: int) -> None:
    ours = {
        400: "bad_request",
        401: "unauthenticated",
        403: "not_allowed",
        404: "not_found",
        409: "conflict",
        413: "file_too_large",
        415: "unsupported_type",
        422: "invalid",
        429: "limit_exceeded",
        500: "internal_error",
        503: "unavailable",
    }
    assert_problem(client.get(f"/api/wrong/aborts/{status}"), status, ours[status])


def test_a_field_that_is_missing_from_a_form_is_a_bad_request(client: FlaskClient, people: People) -> None:
    answer = client.post("/api/wrong/form", data={"a": "b"})
    assert_problem(answer, 400, "bad_request")
    assert "not there" not in answer.text


def test_what_is_away_says_when_to_come_back(client: FlaskClient, people: People) -> None:
    answer = client.get("/api/wrong/away")
    assert_problem(answer, 503, "thing_away")
    assert answer.headers["Retry-After"] == "7"


def test_an_error_may_bring_headers_and_nobody_is_told_to_come_too_early(client: FlaskClient) -> None:
    answer = client.get("/api/wrong/often")
    assert answer.status_code == 429
    assert (answer.headers["Retry-After"], answer.headers["RateLimit-Limit"]) == ("2", "3")


def test_a_page_without_a_rule_is_shown_to_nobody(client: FlaskClient, people: People) -> None:
    for headers in ({}, people.ada.headers, people.otto.headers):
        assert_problem(client.get("/api/wrong/no-rule", headers=headers), 403, "no_rule")


# --- headers --------------------------------------------------------------------------------------


def answers_of_all_sorts(client: FlaskClient, people: People, runtime: Runtime) -> dict[str, TestResponse]:
    job = submitted(runtime, people.ada)
    ada = people.ada.headers
    return {
        "health": client.get("/health"),
        "live": client.get("/health/live"),
        "list": client.get("/api/business/bills", headers=ada),
        "job": client.get(f"/api/ai/jobs/{job.id}", headers=ada),
        "304": client.get(f"/api/ai/jobs/{job.id}", headers=ada | {"If-None-Match": "*"}),
        "cancel": client.post(f"/api/ai/jobs/{job.id}/cancel", headers=ada),
        "409": client.post(f"/api/ai/jobs/{job.id}/cancel", headers=ada),
        "stream": client.get(f"/api/ai/jobs/{job.id}/stream", headers=ada),
        "400": client.post("/api/business/bills/scan", headers=ada),
        "401": client.get("/api/business/bills"),
        "404": client.get("/nothing"),
        "405": client.delete("/health"),
        "500": client.get("/api/wrong/raises"),
        "options": client.options("/api/business/bills", headers=ada),
    }


def test_no_answer_is_sniffed_or_kept(client: FlaskClient, people: People, runtime: Runtime) -> None:
    answers = answers_of_all_sorts(client, people, runtime)
    assert answers["304"].status_code == 304
    kept = {name: answer.headers.get("Cache-Control") for name, answer in answers.items()}
    assert kept == dict.fromkeys(answers, "no-store")
    sniffed = {name: answer.headers.get("X-Content-Type-Options") for name, answer in answers.items()}
    assert sniffed == dict.fromkeys(answers, "nosniff")


def test_every_answer_has_a_request_id_of_its_own(client: FlaskClient, people: People, runtime: Runtime) -> None:
    answers = answers_of_all_sorts(client, people, runtime)
    ids = {answer.headers["X-Request-ID"] for answer in answers.values()}
    assert len(ids) == len(answers)
    assert all(re.fullmatch(r"[0-9a-f]{32}", each) for each in ids)


@pytest.mark.parametrize("sent", ["12345678", "a-Request.id_42", "f" * 64, "0f1e2d3c-4b5a-4678-9abc-def012345678"])
def test_a_sane_request_id_is_taken(client: FlaskClient, people: People, sent: str) -> None:
    answer = client.get("/nothing", headers={"X-Request-ID": sent})
    assert answer.headers["X-Request-ID"] == answer.json["requestId"] == sent


@pytest.mark.parametrize(
    "sent", ["", "short", "f" * 65, "has a space", "semi;colon", "<script>alert</script>", "évident", "x" * 8 + "\t"]
)
def test_any_other_request_id_is_replaced(client: FlaskClient, people: People, sent: str) -> None:
    answer = client.get("/nothing", headers={"X-Request-ID": sent})
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["X-Request-ID"])


def test_the_request_id_stays_with_the_job(client: FlaskClient, people: People, runtime: Runtime) -> None:
    sent = {"X-Request-ID": "the-request-of-ada"}
    form = {"file": (io.BytesIO(pdf()), "a.pdf")}
    answer = client.post("/api/business/bills/scan", headers=people.ada.headers | sent, data=form)
    with runtime.database.snapshot() as session:
        assert session.get_one(Job, uuid.UUID(answer.json["jobId"])).request_id == "the-request-of-ada"


# --- the line in the log --------------------------------------------------------------------------


def lines_of(client: FlaskClient, method: str, path: str, headers: dict[str, str]) -> list[Any]:
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        client.open(path, method=method, headers=headers).close()
    return lines


def test_each_request_leaves_one_line_that_says_who_asked_for_what(client: FlaskClient, people: People) -> None:
    headers = people.ada.headers | {"X-Request-ID": "the-request-of-ada"}
    (line,) = lines_of(client, "GET", "/api/business/bills?q=Cedar", headers)
    assert line.pop("ms") >= 0
    assert line == {
        "event": "request",
        "log_level": "info",
        "method": "GET",
        "path": "/api/business/bills",
        "status": 200,
        "request_id": "the-request-of-ada",
        "tenant": str(people.ada.actor.tenant),
        "actor": people.ada.actor.name,
    }


def test_a_refusal_leaves_its_line_too(client: FlaskClient, people: People) -> None:
    (line,) = lines_of(client, "GET", "/api/business/bills", {})
    assert (line["event"], line["status"]) == ("request", 401)
    assert "tenant" not in line


def test_who_asked_before_is_not_named_on_the_line_of_who_asks_now(client: FlaskClient, people: People) -> None:
    lines_of(client, "GET", "/api/business/bills", people.ada.headers | {"X-Request-ID": "the-request-of-ada"})
    structlog.contextvars.bind_contextvars(job="of-before")
    (line,) = lines_of(client, "GET", "/nothing", {})
    assert line["request_id"] != "the-request-of-ada"
    assert not {"tenant", "actor", "job"} & line.keys()


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready"])
def test_health_is_not_worth_a_line(client: FlaskClient, people: People, path: str) -> None:
    assert [line["log_level"] for line in lines_of(client, "GET", path, {})] == ["debug"]


def test_no_line_holds_a_key_a_ticket_or_a_query(client: FlaskClient, people: People, runtime: Runtime) -> None:
    job = submitted(runtime, people.ada)
    paths = [
        f"/api/ai/jobs/{job.id}/stream?ticket=a-secret-ticket",
        "/api/business/bills?q=a-secret-search",
        "/nothing?a-secret-key=1",
        "/api/wrong/raises?a-secret=1",
        "/api/wrong/away?a-secret=1",
    ]
    said = [lines_of(client, "GET", path, people.ada.headers) for path in paths]
    assert all(lines for lines in said)
    for lines in said:
        text = repr([{key: value for key, value in line.items() if key != "exc_info"} for line in lines])
        assert "secret" not in text
        assert people.ada.key not in text
