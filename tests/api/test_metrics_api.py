"""GET /metrics: who may read it, what it tells, and that no label tells of somebody (H7)."""

import dataclasses
import datetime as dt
import io
import os
import re
import threading
import uuid
from pathlib import Path

import pytest
from api_help import DATABASES, Worker
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update
from test_edge_api import DATA, PRODUCTION
from werkzeug.test import TestResponse

import config
from akount import metrics, workers
from akount.db import now
from akount.errors import Unreadable
from akount.kinds import KINDS, QUEUES
from akount.lifecycle import Runtime
from akount.models import Job
from akount.readings import Refusal
from fresh import make_settings, serving, settings_for
from make import pdf, reading, submitted
from monitor import Numbers
from people import People, settle_in

TOKEN = "a-token-of-the-monitor"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module", params=DATABASES)
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> config.Settings:
    return settings_for(request, tmp_path_factory, JOBS_PER_MINUTE="1000000")


@pytest.fixture(scope="module")
def people(runtime: Runtime) -> People:
    return settle_in(runtime.database)


@pytest.fixture(autouse=True)
def fresh(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the database says is asked for each time."""
    monkeypatch.setattr("akount.monitoring.FRESH_SECONDS", -1.0)


def scrape(client: FlaskClient) -> Numbers:
    with client.get("/metrics") as answer:
        assert answer.status_code == 200, answer.text
        return Numbers(answer.text)


# --- who may ----------------------------------------------------------------------------------------


def asked(app: Flask, headers: dict[str, str], address: str, url: str = "https://a.example") -> TestResponse:
    return app.test_client().get("/metrics", headers=headers, environ_overrides={"REMOTE_ADDR": address}, base_url=url)


@pytest.mark.parametrize("environ", [{}, PRODUCTION], ids=["development", "production"])
def test_with_a_token_whoever_has_it_may_read(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest, environ: dict[str, str]
) -> None:
    with serving(settings_for(request, tmp_path_factory, **environ, METRICS_TOKEN=TOKEN)) as app:
        answer = asked(app, BEARER, "192.0.2.1", "http://a.example")
        assert (answer.status_code, answer.content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
        assert asked(app, BEARER, "192.0.2.1").status_code == 200
        wrong = [{}, {"Authorization": TOKEN}, {"Authorization": f"Bearer {TOKEN}x"}, {"Authorization": "Bearer "}]
        wrong += [
            {"Authorization": f"bearer {TOKEN}"},
            {"Authorization": "Bearer \u00e9"},
            {"Authorization": f"Bearer {TOKEN[:-1]}"},
        ]
        assert [asked(app, headers, "127.0.0.1").status_code for headers in wrong] == [404] * len(wrong)


def test_without_a_token_production_has_no_such_page(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> None:
    with serving(settings_for(request, tmp_path_factory, **PRODUCTION)) as app:
        answers = [asked(app, headers, address) for headers in ({}, BEARER) for address in ("127.0.0.1", "192.0.2.1")]
    assert [(answer.status_code, answer.json["code"]) for answer in answers] == [(404, "not_found")] * 4


def test_without_a_token_a_laptop_shows_it_to_itself(app: Flask, people: People) -> None:
    said = {
        address: asked(app, {}, address).status_code for address in ("127.0.0.1", "::1", "127.9.9.9", "192.0.2.1", "10.0.0.1", "")
    }
    assert said == {"127.0.0.1": 200, "::1": 200, "127.9.9.9": 200, "192.0.2.1": 404, "10.0.0.1": 404, "": 404}


def test_a_token_that_could_be_guessed_is_no_token(tmp_path: Path) -> None:
    with pytest.raises(config.SettingsError, match="METRICS_TOKEN: Must have at least 16 characters"):
        make_settings(tmp_path, "sqlite://", METRICS_TOKEN="short")


def test_the_page_has_the_headers_of_every_answer(app: Flask, people: People) -> None:
    answer = asked(app, {}, "127.0.0.1")
    assert {name: answer.headers[name] for name in DATA} == DATA


# --- what it tells of the web -----------------------------------------------------------------------


def test_an_answer_is_counted_by_method_template_and_class(client: FlaskClient, people: People) -> None:
    before = scrape(client)
    ada = people.ada.headers
    for _ in range(3):
        client.get(f"/api/ai/jobs/{uuid.uuid4()}", headers=ada)
    client.get("/api/business/bills", headers=ada)
    client.get("/api/business/bills")
    after = scrape(client)

    def more(**labels: str) -> float:
        return after.total("akount_http_requests_total", **labels) - before.total("akount_http_requests_total", **labels)

    assert more(method="GET", route="/api/ai/jobs/<uuid:job_id>", status="4xx") == 3
    assert more(method="GET", route="/api/business/bills", status="2xx") == 1
    assert more(method="GET", route="/api/business/bills", status="4xx") == 1
    timed = "akount_http_request_seconds_count"
    job = {"method": "GET", "route": "/api/ai/jobs/<uuid:job_id>"}
    assert after.total(timed, **job) - before.total(timed, **job) == 3
    assert after.total("akount_http_request_seconds_bucket", le="+Inf", **job) == after.total(timed, **job)


def test_the_bytes_of_an_upload_are_counted_once(client: FlaskClient, people: People) -> None:
    data = pdf()
    before = scrape(client)
    for _ in range(2):  # the second is a duplicate
        client.post("/api/business/invoices/scan", headers=people.ada.headers, data={"file": (io.BytesIO(data), "a.pdf")})
    after = scrape(client)
    grown = {
        kind: after.total("akount_upload_bytes_total", kind=kind) - before.total("akount_upload_bytes_total", kind=kind)
        for kind in KINDS
    }
    assert grown == {"bill": 0, "invoice": len(data)}


def test_a_refusal_by_a_limit_is_counted_by_its_code(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> None:
    with serving(settings_for(request, tmp_path_factory, RATE_LIMIT_PER_MINUTE="2")) as app:
        client = app.test_client()
        before = scrape(client).total("akount_limit_refusals_total", code="limit_exceeded")
        assert [client.get("/nothing").status_code for _ in range(5)] == [404, 404, 429, 429, 429]
        assert scrape(client).total("akount_limit_refusals_total", code="limit_exceeded") - before == 3


def test_a_stream_is_in_progress_until_it_ends(client: FlaskClient, people: People, runtime: Runtime) -> None:
    job = submitted(runtime, people.ada)
    before = scrape(client).total("akount_http_requests_in_progress")
    stream = client.get(f"/api/ai/jobs/{job.id}/stream", headers=people.ada.headers)
    assert scrape(client).total("akount_http_requests_in_progress") == before + 1
    stream.close()
    assert scrape(client).total("akount_http_requests_in_progress") == before


def test_no_label_tells_of_somebody_whatever_is_asked(client: FlaskClient, people: People, runtime: Runtime) -> None:
    job = submitted(runtime, people.ada)
    ada = people.ada.headers
    strange = [
        "/nothing/secret",
        f"/api/ai/jobs/{job.id}",
        f"/api/business/bills/{uuid.uuid4()}?q=secret",
        "/metrics/secret",
        "/%00secret",
    ]
    for path in strange:
        for method in ("GET", "POST", "SECRET", "X" * 40):
            client.open(path, method=method, headers=ada | {"X-Request-ID": "secret-request-id"}).close()
    labels = scrape(client).labels()
    assert ("method", "other") in labels
    assert ("route", "none") in labels
    said = {value for name, value in labels if name != "le"}
    assert [value for value in said if re.search(r"secret|X{9}|[0-9a-f]{8}-|@|ada|%", value, re.IGNORECASE)] == []
    assert len(said) < 200, "a label has few values: one for each route, and a few"


# --- what it tells of the work ----------------------------------------------------------------------


def test_an_attempt_is_counted_by_queue_and_outcome_with_its_wait_and_its_run(
    client: FlaskClient, people: People, runtime: Runtime
) -> None:
    queue = KINDS["bill"].queue
    before = scrape(client)
    worker = Worker(runtime, says=reading())
    job = submitted(runtime, people.ada)
    with runtime.database.transaction() as session:
        session.execute(update(Job).where(Job.id == job.id).values(run_at=now() - dt.timedelta(seconds=40)))
    worker.process(job.id)
    worker.reader.says = Unreadable("It cannot be read.")
    worker.process(submitted(runtime, people.ada).id)
    worker.stop()
    after = scrape(client)

    def more(name: str, **labels: str) -> float:
        return after.total(name, queue=queue, **labels) - before.total(name, queue=queue, **labels)

    assert more("akount_jobs_total", outcome="completed") == 1
    assert more("akount_jobs_total", outcome="failed") == 1
    assert more("akount_job_run_seconds_count") == more("akount_job_wait_seconds_count") == 2
    assert more("akount_job_wait_seconds_bucket", le="30.0") == 1
    assert more("akount_job_wait_seconds_bucket", le="60.0") == 2, "the one had waited for 40 s"


def test_the_calls_of_engines_are_counted(client: FlaskClient, people: People, runtime: Runtime) -> None:
    before = scrape(client)
    refusals = (Refusal("einvoice", "no_xml", "None."), Refusal("textlayer", "no_text", "None."))
    worker = Worker(runtime, says=dataclasses.replace(reading(), refusals=refusals))
    worker.process(submitted(runtime, people.ada).id)
    worker.stop()
    after = scrape(client)
    name = "akount_engine_calls_total"
    calls = {
        (s.labels["engine"], s.labels["outcome"]): s.value - before.total(name, **s.labels) for s in after.samples if s.name == name
    }
    assert calls | {("einvoice", "refused"): 1, ("textlayer", "refused"): 1, ("fake", "read"): 1} == calls


def test_the_queues_are_seen_in_the_database(client: FlaskClient, people: People, runtime: Runtime) -> None:
    before = scrape(client)
    bill, invoice = (KINDS[name].queue for name in ("bill", "invoice"))
    job = submitted(runtime, people.ada, kind=KINDS["invoice"])
    with runtime.database.transaction() as session:
        session.execute(update(Job).where(Job.id == job.id).values(run_at=now() - dt.timedelta(hours=2)))
        workers.tell(session, "a-host:1:1", bill, None)
        workers.tell(session, "a-host:2:2", bill, None)
        workers.tell(session, "a-host:3:3", invoice, None)
        workers.stop(session, "a-host:3:3")
    after = scrape(client)
    depth = {
        q: after.total("akount_queue_jobs", queue=q, status="waiting")
        - before.total("akount_queue_jobs", queue=q, status="waiting")
        for q in QUEUES
    }
    assert depth == {bill: 0, invoice: 1}
    assert 7200 <= after.total("akount_queue_oldest_wait_seconds", queue=invoice) < 7300
    assert {q: after.total("akount_workers_alive", queue=q) for q in QUEUES} == {bill: 2, invoice: 0}
    assert after.total("akount_database_answers") == 1
    statuses = {s.labels["status"] for s in after.samples if s.name == "akount_queue_jobs"}
    assert statuses == {"waiting", "delayed", "active", "failed"}


def test_a_job_that_is_not_due_yet_does_not_wait(client: FlaskClient, people: People, runtime: Runtime) -> None:
    with runtime.database.transaction() as session:
        session.execute(update(Job).values(run_at=now() + dt.timedelta(hours=1)))
    assert scrape(client).total("akount_queue_oldest_wait_seconds") == 0


def test_without_the_database_the_other_numbers_are_shown_and_soon(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> None:
    with serving(settings_for(request, tmp_path_factory)) as app:
        client = app.test_client()
        assert scrape(client).total("akount_database_answers") == 1
        back = threading.Event()
        app.extensions["probes"]._probes["census"] = lambda: back.wait(60)
        try:
            said = scrape(client)
            assert not back.is_set(), "it is answered while the database hangs"
        finally:
            back.set()
        assert said.total("akount_database_answers") == 0
        assert "akount_queue_jobs" not in said.names()
        assert "akount_http_requests_total" in said.names()


def test_what_the_database_said_is_said_again_for_a_moment(
    client: FlaskClient, people: People, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("akount.monitoring.FRESH_SECONDS", 60.0)
    before = scrape(client).total("akount_queue_jobs")
    submitted(runtime, people.ada)
    assert scrape(client).total("akount_queue_jobs") == before
    monkeypatch.setattr("akount.monitoring.FRESH_SECONDS", -1.0)
    assert scrape(client).total("akount_queue_jobs") == before + 1


def test_nothing_is_shared_that_no_door_has_shared() -> None:
    assert metrics.VARIABLE not in os.environ
