"""/api/system: failed jobs, and what is done with many of them (R8)."""

import uuid

import pytest
from api_help import DATABASES, Worker
from flask.testing import FlaskClient

import config
from akount import accounts
from akount.errors import Unreadable
from akount.kinds import KINDS
from akount.lifecycle import Runtime
from akount.models import Role
from akount.tasks import upkeep
from fresh import settings_for
from make import BILL, submitted
from people import People, Person, key_with_role, settle_in


@pytest.fixture(scope="module", params=DATABASES)
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> config.Settings:
    return settings_for(request, tmp_path_factory)


@pytest.fixture
def people(runtime: Runtime) -> People:
    return settle_in(runtime.database, unique=True)


def fail(runtime: Runtime, person: Person, count: int) -> list[str]:
    """Documents that could not be read; the ids of their jobs, the first to fail first."""
    worker = Worker(runtime, Unreadable("This is no invoice.", code="not_an_invoice"))
    jobs = [submitted(runtime, person) for _ in range(count)]
    for job in jobs:
        worker.process(job.id)
    worker.stop()
    return [str(job.id) for job in jobs]


def failed(client: FlaskClient, person: Person, **query: object) -> dict:
    answer = client.get("/api/system/jobs/failed", query_string=query, headers=person.headers)
    assert answer.status_code == 200, answer.text
    return answer.json


def test_the_entities_of_ones_own_tenant_are_listed(client: FlaskClient, runtime: Runtime, people: People) -> None:
    with runtime.database.transaction() as session:
        second = accounts.add_entity(session, people.ada.actor.tenant, "Ada Ltd").id
    found = client.get("/api/system/entities", headers=people.ada.headers).json["items"]
    assert [one["id"] for one in found] == [str(people.ada.entity_id), str(second)]
    assert (found[1].keys(), found[1]["name"]) == ({"id", "name", "createdAt"}, "Ada Ltd")
    (theirs,) = client.get("/api/system/entities", headers=people.mallory.headers).json["items"]
    assert theirs["id"] == str(people.mallory.entity_id)


def test_a_failed_job_is_listed_with_its_cause_and_nothing_of_the_document(
    client: FlaskClient, runtime: Runtime, people: People
) -> None:
    (job_id,) = fail(runtime, people.ada, 1)
    (listed,) = failed(client, people.ada)["jobs"]
    assert listed.keys() == {"id", "queue", "documentId", "failedReason", "code", "attemptsMade", "timestamp"}
    assert (listed["id"], listed["queue"], listed["attemptsMade"]) == (job_id, BILL.queue, 1)
    assert (listed["code"], listed["failedReason"]) == ("not_an_invoice", "This is no invoice.")
    assert listed["timestamp"].endswith("Z")


def test_pages_of_failed_jobs_show_each_once_the_latest_first(client: FlaskClient, runtime: Runtime, people: People) -> None:
    ids = fail(runtime, people.ada, 5)
    seen, cursor = [], ""
    while cursor is not None:
        page = failed(client, people.ada, limit=2, cursor=cursor)
        seen += [job["id"] for job in page["jobs"]]
        cursor = page["nextCursor"]
    assert seen == ids[::-1]


def test_a_queue_can_be_chosen_and_another_tenants_jobs_cannot(client: FlaskClient, runtime: Runtime, people: People) -> None:
    fail(runtime, people.ada, 1)
    other = next(kind.queue for kind in KINDS.values() if kind is not BILL)
    assert len(failed(client, people.ada, queue=BILL.queue)["jobs"]) == 1
    assert failed(client, people.ada, queue=other)["jobs"] == []
    assert failed(client, people.mallory, tenant=str(people.ada.actor.tenant))["jobs"] == []
    assert len(failed(client, people.otto, tenant=str(people.ada.actor.tenant))["jobs"]) == 1
    assert client.get("/api/system/jobs/failed?queue=post", headers=people.ada.headers).status_code == 422


@pytest.mark.parametrize("way", ["ids", "queue"])
def test_failed_jobs_are_tried_again_in_the_background(client: FlaskClient, runtime: Runtime, people: People, way: str) -> None:
    ids = fail(runtime, people.ada, 3)
    body = {"ids": ids[:2]} if way == "ids" else {"queue": BILL.queue, "before": "2999-01-01T00:00:00Z"}
    answer = client.post("/api/system/jobs/failed/retry", json=body, headers=people.ada.headers)
    assert answer.status_code == 202, answer.text
    assert answer.json.keys() == {"operationId", "matched"}
    assert answer.json["matched"] == (2 if way == "ids" else 3)
    progress = f"/api/system/operations/{answer.json['operationId']}"
    while client.get(progress, headers=people.ada.headers).json["finishedAt"] is None:
        upkeep.sweep(runtime)
    ended = client.get(progress, headers=people.ada.headers).json
    assert (ended["done"], ended["skipped"], ended["cancelled"]) == (answer.json["matched"], 0, False)
    statuses = [client.get(f"/api/ai/jobs/{one}", headers=people.ada.headers).json["status"] for one in ids]
    assert statuses == ["waiting"] * answer.json["matched"] + ["failed"] * (3 - answer.json["matched"])


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"ids": []},
        {"ids": ["x"]},
        {"queue": "post"},
        {"before": "2026-01-01T00:00:00Z"},
        {"ids": [str(uuid.uuid4())], "queue": BILL.queue},
    ],
)
def test_a_retry_that_says_too_little_or_too_much_is_refused(client: FlaskClient, people: People, body: dict) -> None:
    answer = client.post("/api/system/jobs/failed/retry", json=body, headers=people.ada.headers)
    assert (answer.status_code, answer.json["code"]) == (422, "invalid")


def test_an_operation_is_cancelled_once_and_only_by_those_it_concerns(
    client: FlaskClient, runtime: Runtime, people: People
) -> None:
    ids = fail(runtime, people.ada, 1)
    started = client.post("/api/system/jobs/failed/retry", json={"ids": ids}, headers=people.ada.headers).json
    cancel = f"/api/system/operations/{started['operationId']}/cancel"
    assert client.post(cancel, headers=people.mallory.headers).status_code == 404
    assert client.post(cancel, headers=people.ada.headers).json["cancelled"] is True
    assert client.post(cancel, headers=people.ada.headers).status_code == 409


def test_only_owners_admins_and_operators_see_failed_jobs(client: FlaskClient, runtime: Runtime, people: People) -> None:
    may = {
        role
        for role in Role
        if client.get(
            "/api/system/jobs/failed",
            headers={"Authorization": f"Bearer {key_with_role(runtime.database, people.ada.actor.tenant, role)}"},
        ).status_code
        == 200
    }
    assert may == {Role.OWNER, Role.ADMIN, Role.OPERATOR}
