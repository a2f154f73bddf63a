"""/api/ai/jobs: the state of a job asked once, with patience, and as a stream of events; taking back and trying again."""

import datetime as dt
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from api_help import DATABASES, Worker, events
from flask import Flask
from flask.testing import FlaskClient
from itsdangerous import TimestampSigner, URLSafeTimedSerializer
from werkzeug.test import TestResponse

import config
from akount import scans
from akount.accounts import Actor
from akount.api import guards, jobs
from akount.errors import TimedOut, Unreadable
from akount.kinds import KINDS
from akount.lifecycle import Runtime
from akount.models import Job, Role
from fresh import serving, settings_for
from make import BILL, submitted
from people import People

PLACES = 3
"""Streams that one process serves at once in these tests."""
SHAPE = {
    *("jobId", "documentId", "queue", "kind", "status", "progress", "attempts", "maxAttempts"),
    *("createdAt", "startedAt", "finishedAt"),
}


@pytest.fixture(scope="module", params=DATABASES)
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> config.Settings:
    return settings_for(request, tmp_path_factory, WEB_THREADS=str(2 * PLACES))


@pytest.fixture
def worker(runtime: Runtime) -> Iterator[Worker]:
    hired = Worker(runtime)
    yield hired
    hired.stop()


@pytest.fixture
def job(runtime: Runtime, people: People) -> Job:
    """A job of Ada's that waits."""
    return submitted(runtime, people.ada)


@pytest.fixture
def failed(runtime: Runtime, job: Job, worker: Worker) -> Job:
    worker.reader.says = Unreadable("The page is blank.", code="blank_page")
    worker.process(job.id)
    return job


@pytest.fixture
def completed(job: Job, worker: Worker) -> Job:
    worker.process(job.id)
    return job


def show(client: FlaskClient, people: People, job: Job, **headers: str) -> TestResponse:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.get(f"/api/ai/jobs/{job.id}", headers=people.ada.headers | sent)


def act(client: FlaskClient, people: People, job: Job, what: str) -> TestResponse:
    return client.post(f"/api/ai/jobs/{job.id}/{what}", headers=people.ada.headers)


def watch(client: FlaskClient, people: People, job: Job, **headers: str) -> TestResponse:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.get(f"/api/ai/jobs/{job.id}/stream", headers=people.ada.headers | sent, buffered=False)


def an_instant(text: str) -> bool:
    """Whether a text is an instant of the last minute, in UTC with a Z."""
    at = dt.datetime.fromisoformat(text)
    return text.endswith("Z") and abs(dt.datetime.now(dt.UTC) - at) < dt.timedelta(minutes=1)


def later(seconds: float, what: Callable[[], Any]) -> threading.Timer:
    timer = threading.Timer(seconds, what)
    timer.start()
    return timer


# --- one answer -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_a_job_that_waits(client: FlaskClient, people: People, runtime: Runtime, kind: Any) -> None:
    job = submitted(runtime, people.ada, kind=kind)
    answer = show(client, people, job)
    assert answer.status_code == 200
    assert answer.json.keys() == SHAPE
    assert an_instant(answer.json.pop("createdAt"))
    assert answer.json | {"createdAt": ""} == {
        "jobId": str(job.id),
        "documentId": str(job.document_id),
        "queue": kind.queue,
        "kind": kind.name,
        "status": "waiting",
        "progress": 0,
        "attempts": 0,
        "maxAttempts": 3,
        "createdAt": "",
        "startedAt": None,
        "finishedAt": None,
    }


def test_a_job_that_is_being_read(client: FlaskClient, people: People, job: Job, worker: Worker) -> None:
    with worker.at_work(job.id):
        said = show(client, people, job).json
    assert said.keys() == SHAPE
    assert (said["status"], said["attempts"], said["finishedAt"]) == ("active", 1, None)
    assert 10 <= said["progress"] < 100
    assert an_instant(said["startedAt"])


def test_a_job_that_is_delayed_tells_what_happened(client: FlaskClient, people: People, job: Job, worker: Worker) -> None:
    worker.reader.says = TimedOut()
    worker.process(job.id)
    said = show(client, people, job).json
    assert said.keys() == SHAPE | {"error"}
    assert (said["status"], said["attempts"], said["progress"], said["finishedAt"]) == ("delayed", 1, 0, None)
    assert said["error"] == {"code": "timed_out", "detail": TimedOut().detail}


def test_a_completed_job_names_its_record(client: FlaskClient, people: People, completed: Job) -> None:
    said = show(client, people, completed).json
    assert said.keys() == SHAPE | {"result"}
    assert (said["status"], said["progress"], said["attempts"]) == ("completed", 100, 1)
    assert an_instant(said["finishedAt"])
    result = said["result"]
    assert result.keys() == {"documentId", "recordId", "status", "confidence", "routing", "reason"}
    assert result["documentId"] == said["documentId"]
    assert (result["status"], result["routing"]) == ("needs_review", "queued_for_review")
    assert type(result["confidence"]) is int
    record = client.get(f"/api/business/{BILL.plural}/{result['recordId']}", headers=people.ada.headers).json
    assert (record["id"], record["jobId"]) == (result["recordId"], said["jobId"])


def test_a_failed_job_tells_why(client: FlaskClient, people: People, failed: Job) -> None:
    said = show(client, people, failed).json
    assert said.keys() == SHAPE | {"error"}
    assert (said["status"], said["error"]) == ("failed", {"code": "blank_page", "detail": "The page is blank."})
    assert an_instant(said["finishedAt"])


def test_a_cancelled_job_says_so(client: FlaskClient, people: People, job: Job) -> None:
    said = act(client, people, job, "cancel").json
    assert said.keys() == SHAPE | {"error"}
    assert (said["status"], said["error"]["code"]) == ("cancelled", "cancelled")
    assert an_instant(said["finishedAt"])
    assert show(client, people, job).json == said


@pytest.mark.parametrize("path", ["", "/stream"])
def test_another_tenants_job_does_not_exist_just_as_an_unknown_one(
    client: FlaskClient, people: People, job: Job, path: str
) -> None:
    answers = [client.get(f"/api/ai/jobs/{i}{path}", headers=people.mallory.headers) for i in (job.id, uuid.uuid4())]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert len({answer.json["detail"] for answer in answers}) == 1


@pytest.mark.parametrize("path", ["", "/stream", "/stream?ticket=", "/stream?ticket=forged"])
def test_nobody_sees_a_job_without_signing_in(client: FlaskClient, people: People, job: Job, path: str) -> None:
    answer = client.get(f"/api/ai/jobs/{job.id}{path}")
    assert (answer.status_code, answer.content_type) == (401, "application/problem+json")


def test_an_operator_sees_the_jobs_of_all_tenants(client: FlaskClient, people: People, job: Job) -> None:
    assert client.get(f"/api/ai/jobs/{job.id}", headers=people.otto.headers).status_code == 200


# --- what has not changed, and waiting for what will ----------------------------------------------


def test_who_has_the_state_already_is_not_sent_it_again(client: FlaskClient, people: People, job: Job, worker: Worker) -> None:
    first = show(client, people, job)
    assert first.headers["ETag"]
    same = show(client, people, job, If_None_Match=first.headers["ETag"])
    assert (same.status_code, same.data, same.headers["ETag"]) == (304, b"", first.headers["ETag"])
    worker.process(job.id)
    changed = show(client, people, job, If_None_Match=first.headers["ETag"])
    assert (changed.status_code, changed.json["status"]) == (200, "completed")
    assert changed.headers["ETag"] != first.headers["ETag"]


def test_a_patient_question_is_answered_when_the_job_changes(
    client: FlaskClient, people: People, runtime: Runtime, job: Job
) -> None:
    later(0.4, lambda: scans.cancel(runtime, people.ada.call, job.id))
    started = time.monotonic()
    answer = show(client, people, job, Prefer="wait=20", If_None_Match=show(client, people, job).headers["ETag"])
    assert (answer.status_code, answer.json["status"]) == (200, "cancelled")
    assert answer.headers["Preference-Applied"] == "wait=20"
    assert time.monotonic() - started < 18


def test_a_patient_question_needs_no_etag(client: FlaskClient, people: People, runtime: Runtime, job: Job) -> None:
    later(0.4, lambda: scans.cancel(runtime, people.ada.call, job.id))
    assert show(client, people, job, Prefer="respond-async, wait=20").json["status"] == "cancelled"


@pytest.mark.parametrize("weak", ["", "W/"], ids=["strong", "weak, as a compressing proxy makes it"])
def test_a_patient_question_is_answered_when_its_time_is_up(client: FlaskClient, people: People, job: Job, weak: str) -> None:
    etag = weak + show(client, people, job).headers["ETag"]
    started = time.monotonic()
    answer = show(client, people, job, Prefer="wait=1", If_None_Match=etag)
    assert time.monotonic() - started > 0.9
    assert (answer.status_code, answer.headers["Preference-Applied"]) == (304, "wait=1")


def test_a_patient_question_about_an_old_state_is_answered_at_once(client: FlaskClient, people: People, job: Job) -> None:
    started = time.monotonic()
    answer = show(client, people, job, Prefer="wait=20", If_None_Match='"an-older-state"')
    assert (answer.status_code, answer.json["status"]) == (200, "waiting")
    assert "Preference-Applied" not in answer.headers
    assert time.monotonic() - started < 18


def test_a_patient_question_about_a_job_that_is_over_is_answered_at_once(
    client: FlaskClient, people: People, completed: Job
) -> None:
    started = time.monotonic()
    answer = show(client, people, completed, Prefer="wait=20", If_None_Match=show(client, people, completed).headers["ETag"])
    assert answer.status_code == 304
    assert time.monotonic() - started < 18


def test_nobody_waits_longer_than_half_a_minute(client: FlaskClient, people: People, runtime: Runtime, job: Job) -> None:
    later(0.4, lambda: scans.cancel(runtime, people.ada.call, job.id))
    assert show(client, people, job, Prefer="wait=999999").headers["Preference-Applied"] == "wait=30"


@pytest.mark.parametrize("prefer", ["wait", "wait=soon", "wait=0", "wait=-5", "wait=1.5", "waiting=9", "wait=" + "9" * 50])
def test_a_preference_that_makes_no_sense_is_ignored(client: FlaskClient, people: People, job: Job, prefer: str) -> None:
    answer = show(client, people, job, Prefer=prefer)
    assert answer.status_code == 200
    assert "Preference-Applied" not in answer.headers


# --- taking back and trying again -----------------------------------------------------------------


def test_a_cancelled_job_can_be_tried_again(client: FlaskClient, people: People, job: Job, worker: Worker) -> None:
    act(client, people, job, "cancel")
    said = act(client, people, job, "retry")
    assert (said.status_code, said.json["status"]) == (200, "waiting")
    assert said.json["finishedAt"] is None
    worker.process(job.id)
    assert show(client, people, job).json["status"] == "completed"


def test_a_failed_job_can_be_tried_again_with_all_its_attempts(
    client: FlaskClient, people: People, failed: Job, worker: Worker
) -> None:
    said = act(client, people, failed, "retry")
    assert (said.status_code, said.json["status"], said.json["attempts"]) == (200, "waiting", 0)


@pytest.mark.parametrize(
    ("state", "what"), [("completed", "cancel"), ("completed", "retry"), ("failed", "cancel"), ("job", "retry")]
)
def test_what_the_state_of_a_job_does_not_allow_is_a_conflict(
    request: pytest.FixtureRequest, client: FlaskClient, people: People, state: str, what: str
) -> None:
    job = request.getfixturevalue(state)
    before = show(client, people, job).json
    answer = act(client, people, job, what)
    assert (answer.status_code, answer.json["code"]) == (409, "wrong_status")
    assert show(client, people, job).json == before


def test_a_job_that_is_being_read_cannot_be_tried_again(client: FlaskClient, people: People, job: Job, worker: Worker) -> None:
    with worker.at_work(job.id):
        assert act(client, people, job, "retry").status_code == 409
    assert show(client, people, job).json["status"] == "completed"


def test_a_job_is_cancelled_once(client: FlaskClient, people: People, job: Job) -> None:
    assert [act(client, people, job, "cancel").status_code for _ in range(2)] == [200, 409]


@pytest.mark.parametrize("what", ["cancel", "retry"])
def test_another_tenants_job_can_be_neither_cancelled_nor_retried(client: FlaskClient, people: People, job: Job, what: str) -> None:
    assert client.post(f"/api/ai/jobs/{job.id}/{what}", headers=people.mallory.headers).status_code == 404
    assert show(client, people, job).json["status"] == "waiting"


# --- the stream -----------------------------------------------------------------------------------


def test_a_job_that_runs_while_it_is_watched(client: FlaskClient, people: People, job: Job, worker: Worker) -> None:
    stream = watch(client, people, job)
    assert (stream.status_code, stream.mimetype) == (200, "text/event-stream")
    assert stream.headers["X-Accel-Buffering"] == "no"
    seen, coming = [], events(stream)
    seen += [next(coming), next(coming)]
    with worker.at_work(job.id):
        while seen[-1].get("progress", 0) < 35:  # what the reader reports before it is held
            seen.append(next(coming))
    seen += coming
    assert all(event["jobId"] == str(job.id) for event in seen)
    names = [event["event"] for event in seen]
    assert names[:3] == ["connected", "initial", "active"]
    assert names[-1] == "completed"
    assert set(names[3:-1]) == {"progress"}
    assert {**seen[1], "id": "", "jobId": ""} == {"event": "initial", "state": "waiting", "progress": 0, "id": "", "jobId": ""}
    progress = [event["progress"] for event in seen if event["event"] == "progress"]
    assert progress == sorted(set(progress))
    assert seen[-1]["result"] == show(client, people, job).json["result"]
    ids = [int(event["id"]) for event in seen]
    assert ids == sorted(ids)
    assert ids[0] < ids[-1]


def test_the_stream_begins_with_how_soon_to_come_back(client: FlaskClient, people: People, completed: Job) -> None:
    text = watch(client, people, completed).text
    assert text.startswith("retry: 2000\n")
    assert text.endswith("\n\n")
    assert text.count("\nid: ") == text.count("\ndata: ") == 2


def test_who_joins_late_gets_the_end_at_once(client: FlaskClient, people: People, completed: Job) -> None:
    seen = list(events(watch(client, people, completed)))
    assert [event["event"] for event in seen] == ["connected", "completed"]
    assert seen[1]["result"] == show(client, people, completed).json["result"]


def test_the_end_of_a_failed_job_tells_why(client: FlaskClient, people: People, failed: Job) -> None:
    *_, last = events(watch(client, people, failed))
    assert (last["event"], last["error"]) == ("failed", {"code": "blank_page", "detail": "The page is blank."})


def test_the_end_of_a_cancelled_job_tells_so(client: FlaskClient, people: People, runtime: Runtime, job: Job) -> None:
    coming = events(watch(client, people, job))
    assert [next(coming)["event"], next(coming)["event"]] == ["connected", "initial"]
    scans.cancel(runtime, people.ada.call, job.id)
    (last,) = coming
    assert (last["event"], last["error"]["code"]) == ("failed", "cancelled")


def test_an_attempt_that_fails_is_told_as_stalled(
    client: FlaskClient, people: People, runtime: Runtime, job: Job, worker: Worker
) -> None:
    worker.reader.says = TimedOut()
    coming = events(watch(client, people, job))
    seen = [next(coming), next(coming)]
    with worker.at_work(job.id):
        while seen[-1]["event"] not in {"active", "progress"}:
            seen.append(next(coming))
    while seen[-1]["event"] != "stalled":
        seen.append(next(coming))
    assert seen[-1]["state"] == "delayed"
    scans.cancel(runtime, people.ada.call, job.id)
    assert [event["event"] for event in coming][-1:] == ["failed"]


def test_who_comes_back_is_not_told_again_what_they_know(
    client: FlaskClient, people: People, runtime: Runtime, job: Job, worker: Worker
) -> None:
    with watch(client, people, job) as first:
        known = next(events(first))["id"]
    later(0.3, lambda: scans.cancel(runtime, people.ada.call, job.id))
    seen = list(events(watch(client, people, job, Last_Event_ID=known)))
    assert [event["event"] for event in seen] == ["connected", "failed"]


@pytest.mark.parametrize("known", ["0", "999", "rubbish\u00e9", ""])
def test_who_comes_back_with_an_older_id_is_told_where_the_job_stands(
    client: FlaskClient, people: People, job: Job, known: str
) -> None:
    with watch(client, people, job, Last_Event_ID=known) as stream:
        coming = events(stream)
        assert [next(coming)["event"], next(coming)["event"]] == ["connected", "initial"]


def test_who_comes_back_after_the_end_gets_it_once_more(client: FlaskClient, people: People, completed: Job) -> None:
    *_, last = events(watch(client, people, completed))
    *_, again = events(watch(client, people, completed, Last_Event_ID=last["id"]))
    assert again == last


def test_a_quiet_stream_is_kept_alive_and_ends_in_time(
    client: FlaskClient, people: People, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "HEARTBEAT_SECONDS", 0.1)
    monkeypatch.setattr(jobs, "STREAM_SECONDS", 1.2)
    text = watch(client, people, job).text
    assert ": still here\n\n" in text
    assert '"timeout"' in text.rstrip().rpartition("\n\n")[2]


def test_one_job_can_be_watched_by_several(client: FlaskClient, people: People, runtime: Runtime, job: Job) -> None:
    coming = [events(watch(client, people, job)) for _ in range(PLACES)]
    for each in coming:
        assert [next(each)["event"], next(each)["event"]] == ["connected", "initial"]
    scans.cancel(runtime, people.ada.call, job.id)
    assert [[event["event"] for event in each] for each in coming] == [["failed"]] * PLACES


def test_one_stream_too_many_is_put_off_and_a_place_that_is_left_is_free(client: FlaskClient, people: People, job: Job) -> None:
    streams = [watch(client, people, job) for _ in range(PLACES)]
    try:
        refused = watch(client, people, job)
        assert (refused.status_code, refused.content_type) == (503, "application/problem+json")
        assert refused.json["code"] == "too_many_streams"
        assert int(refused.headers["Retry-After"]) >= 1
        impatient = show(client, people, job, Prefer="wait=20")
        assert (impatient.status_code, impatient.json["status"]) == (200, "waiting")
        assert "Preference-Applied" not in impatient.headers
        streams.pop().close()
        streams.append(watch(client, people, job))
        assert streams[-1].status_code == 200
    finally:
        for stream in streams:
            stream.close()


def test_refused_and_headless_requests_keep_no_place(client: FlaskClient, people: People, completed: Job) -> None:
    for _ in range(PLACES + 2):
        client.get(f"/api/ai/jobs/{completed.id}/stream", headers=people.mallory.headers)
        client.head(f"/api/ai/jobs/{completed.id}/stream", headers=people.ada.headers)
        assert watch(client, people, completed).text


def test_a_process_that_stops_ends_its_streams_at_once(settings: config.Settings, people: People, job: Job) -> None:
    with serving(settings) as leaving:
        client = leaving.test_client()
        coming = events(watch(client, people, job))
        assert [next(coming)["event"], next(coming)["event"]] == ["connected", "initial"]
        watcher = leaving.extensions["watcher"]
        closing = later(0.3, watcher.close)
        started = time.monotonic()
        assert list(coming) == []
        assert time.monotonic() - started < 15
        closing.join()
        assert watch(client, people, job).status_code == 503
        assert show(client, people, job, Prefer="wait=20").status_code == 200
        watcher.close()  # a second time does no harm


def test_closing_the_runtime_ends_the_streams(settings: config.Settings, people: People, job: Job) -> None:
    with serving(settings) as leaving:
        coming = events(watch(leaving.test_client(), people, job))
        assert [next(coming)["event"], next(coming)["event"]] == ["connected", "initial"]
        closing = later(0.3, leaving.extensions["akount"].close)
        assert list(coming) == []
        closing.join()


# --- tickets --------------------------------------------------------------------------------------


def signed(runtime: Runtime, what: list[str], age: int = 0, salt: str = "job-stream") -> str:
    """A ticket as this service signs it, so many seconds old."""

    class Aged(TimestampSigner):
        def get_timestamp(self) -> int:
            return super().get_timestamp() - age

    return str(URLSafeTimedSerializer(runtime.secret, salt=salt, signer=Aged).dumps(what))


def with_ticket(client: FlaskClient, job: Job, ticket: str) -> TestResponse:
    return client.get(f"/api/ai/jobs/{job.id}/stream", query_string={"ticket": ticket})


def ticket_of(app: Flask, actor: Actor, job: Job) -> str:
    with app.app_context():
        return guards.new_ticket(actor, job.id)


def test_a_ticket_opens_the_stream_of_its_job(app: Flask, client: FlaskClient, people: People, completed: Job) -> None:
    answer = with_ticket(client, completed, ticket_of(app, people.ada.actor, completed))
    assert answer.status_code == 200
    assert '"completed"' in answer.text


def test_a_ticket_opens_no_other_job(app: Flask, client: FlaskClient, people: People, runtime: Runtime, completed: Job) -> None:
    other = submitted(runtime, people.ada)
    assert with_ticket(client, other, ticket_of(app, people.ada.actor, completed)).status_code == 401


def test_a_ticket_of_another_tenant_opens_nothing(app: Flask, client: FlaskClient, people: People, completed: Job) -> None:
    assert with_ticket(client, completed, ticket_of(app, people.mallory.actor, completed)).status_code == 404


def test_a_ticket_is_good_for_ten_minutes(client: FlaskClient, people: People, runtime: Runtime, completed: Job) -> None:
    what = [str(people.ada.actor.tenant), str(completed.id), Role.OWNER.value]
    answers = {age: with_ticket(client, completed, signed(runtime, what, age)).status_code for age in (0, 540, 660, 86_400)}
    assert answers == {0: 200, 540: 200, 660: 401, 86_400: 401}


def test_a_ticket_signed_for_something_else_opens_nothing(
    client: FlaskClient, people: People, runtime: Runtime, completed: Job
) -> None:
    what = [str(people.ada.actor.tenant), str(completed.id), Role.OWNER.value]
    assert with_ticket(client, completed, signed(runtime, what, salt="cursor")).status_code == 401


def test_a_changed_ticket_opens_nothing(app: Flask, client: FlaskClient, people: People, completed: Job) -> None:
    ticket = ticket_of(app, people.ada.actor, completed)
    for changed in (ticket[:-1], "x" + ticket, ticket.replace(".", "", 1), ticket.upper()):
        assert with_ticket(client, completed, changed).status_code == 401


def test_a_ticket_opens_the_stream_and_nothing_else(app: Flask, client: FlaskClient, people: People, completed: Job) -> None:
    query = {"ticket": ticket_of(app, people.ada.actor, completed)}
    assert client.get(f"/api/ai/jobs/{completed.id}", query_string=query).status_code == 401
    assert client.post(f"/api/ai/jobs/{completed.id}/cancel", query_string=query).status_code == 401
    assert client.get("/api/business/bills", query_string=query).status_code == 401


def test_a_ticket_is_checked_even_beside_a_good_key(client: FlaskClient, people: People, completed: Job) -> None:
    answer = client.get(f"/api/ai/jobs/{completed.id}/stream?ticket=forged", headers=people.ada.headers)
    assert answer.status_code == 401
