"""API keys over HTTP: made within one's own means, shown once, listed without the key, worthless at once when revoked (A2, A5)."""

import datetime as dt
import io
import uuid
from typing import Any

import pytest
from api_help import DATABASES
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

import config
from akount.accounts import PERMISSIONS
from akount.identity import keys
from akount.lifecycle import Runtime
from akount.models import AuditEntry, Role
from fresh import settings_for
from make import pdf
from people import People, key_with_role, settle_in


@pytest.fixture(scope="module", params=DATABASES)
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> config.Settings:
    return settings_for(request, tmp_path_factory)


@pytest.fixture(scope="module")
def people(runtime: Runtime) -> People:
    return settle_in(runtime.database)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def create(client: FlaskClient, key: str, **body: object) -> TestResponse:
    return client.post("/api/system/keys", headers=bearer(key), json={"name": "scanner", "role": "BOOKKEEPER"} | body)


def created(client: FlaskClient, key: str, **body: object) -> dict[str, Any]:
    answer = create(client, key, **body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json
    return made


def test_a_key_is_made_and_shown_this_once(client: FlaskClient, people: People) -> None:
    made = created(client, people.ada.key, scopes=["upload"], expiresInDays=7)
    secret = made.pop("key")
    listed = client.get("/api/system/keys", headers=people.ada.headers)
    assert secret.startswith("ak_")
    assert listed.json["items"][0] == made, "the newest first"
    assert secret not in listed.text
    assert (made["name"], made["role"], made["scopes"], made["userId"]) == (
        "scanner",
        "BOOKKEEPER",
        ["upload"],
        str(people.ada.actor.user_id),
    )
    ends = dt.datetime.fromisoformat(made["expiresAt"]) - dt.datetime.fromisoformat(made["createdAt"])
    assert abs(ends - dt.timedelta(days=7)) < dt.timedelta(minutes=5)
    assert (made["revokedAt"], made["lastUsedAt"]) == (None, None)


def test_a_tenant_sees_its_own_keys_and_no_operators(client: FlaskClient, people: People) -> None:
    listed = client.get("/api/system/keys", headers=people.ada.headers).json["items"]
    ids = {key["id"] for key in listed}
    assert str(people.ada.actor.key_id) in ids
    assert not ids & {str(people.mallory.actor.key_id), str(people.otto.actor.key_id)}


def test_a_key_for_uploads_uploads_and_does_nothing_else(client: FlaskClient, people: People) -> None:
    key = created(client, people.ada.key, scopes=["upload"])["key"]
    data = {"file": (pdf_file(), "a.pdf")}
    answer = client.post("/api/business/bills/scan", headers=bearer(key), data=data, content_type="multipart/form-data")
    assert answer.status_code == 202
    assert "ticket" not in answer.json["streamUrl"], "who may not view gets no ticket to"
    for path in (answer.json["statusUrl"], answer.json["streamUrl"], "/api/business/bills", "/api/system/keys"):
        refused = client.get(path, headers=bearer(key))
        assert (refused.status_code, refused.json["code"]) == (403, "not_allowed"), path
    assert client.get("/api/session", headers=bearer(key)).json["permissions"] == ["upload"]


def pdf_file() -> io.BytesIO:
    return io.BytesIO(pdf())


def test_a_revoked_key_is_worthless_at_once_and_revoking_again_does_no_harm(client: FlaskClient, people: People) -> None:
    made = created(client, people.ada.key)
    assert client.get("/api/business/bills", headers=bearer(made["key"])).status_code == 200
    for _ in range(2):
        answer = client.delete(f"/api/system/keys/{made['id']}", headers=people.ada.headers)
        assert (answer.status_code, answer.data, answer.content_type) == (204, b"", None)
        assert client.get("/api/business/bills", headers=bearer(made["key"])).status_code == 401
    listed = client.get("/api/system/keys", headers=people.ada.headers).json["items"]
    assert next(key for key in listed if key["id"] == made["id"])["revokedAt"] is not None


def test_the_last_use_is_shown(client: FlaskClient, people: People) -> None:
    made = created(client, people.ada.key)
    client.get("/api/business/bills", headers=bearer(made["key"]))
    listed = client.get("/api/system/keys", headers=people.ada.headers).json["items"]
    assert next(key for key in listed if key["id"] == made["id"])["lastUsedAt"] is not None


def test_other_keys_do_not_exist(client: FlaskClient, people: People) -> None:
    for key_id in (people.mallory.actor.key_id, people.otto.actor.key_id, uuid.uuid4()):
        answer = client.delete(f"/api/system/keys/{key_id}", headers=people.ada.headers)
        assert (answer.status_code, answer.json["code"]) == (404, "not_found")
    assert client.get("/api/business/bills", headers=people.mallory.headers).status_code == 200
    assert client.get("/api/session", headers=people.otto.headers).status_code == 200


def test_an_operators_key_acts_in_the_tenant_it_names(client: FlaskClient, people: People) -> None:
    answer = client.get("/api/business/bills", headers=people.otto.headers)
    assert (answer.status_code, answer.json["code"]) == (400, "tenant_required")
    named = people.otto.headers | {"X-Tenant-ID": str(people.ada.actor.tenant)}
    assert client.get("/api/business/bills", headers=named).status_code == 200
    nobodys = people.otto.headers | {"X-Tenant-ID": str(uuid.uuid4())}
    assert client.post("/api/system/jobs/failed/retry", headers=nobodys, json={"ids": [str(uuid.uuid4())]}).status_code == 404


@pytest.mark.parametrize("role", ["operator", "OWNER"])
def test_nobody_gives_more_than_they_have(client: FlaskClient, runtime: Runtime, people: People, role: str) -> None:
    admin = key_with_role(runtime.database, people.ada.actor.tenant, Role.ADMIN)
    answer = create(client, admin, role=role)
    assert (answer.status_code, answer.json["code"]) == (403, "too_mighty")


def test_nobody_makes_an_operator_not_even_an_owner(client: FlaskClient, people: People) -> None:
    assert create(client, people.ada.key, role="operator").status_code == 403


def test_a_narrow_key_makes_no_wider_one_and_a_short_one_no_longer_one(
    client: FlaskClient, runtime: Runtime, people: People
) -> None:
    narrow = created(client, people.ada.key, role="ADMIN", scopes=["keys", "view"], expiresInDays=2)["key"]
    wider = [
        {"role": "ADMIN"},
        {"scopes": ["upload"]},
        {"role": "VIEWER"},
        {"scopes": ["view"], "expiresInDays": 3},
        {"scopes": ["view"]},
    ]
    assert [create(client, narrow, **body).status_code for body in wider] == [403] * 5
    created(client, narrow, scopes=["view"], expiresInDays=1)


@pytest.mark.parametrize("role", [role for role in Role if role not in (Role.OWNER, Role.ADMIN)])
def test_who_does_not_answer_for_the_tenant_has_no_say(client: FlaskClient, runtime: Runtime, people: People, role: Role) -> None:
    key = key_with_role(runtime.database, people.ada.actor.tenant, role)
    for method, path in (("GET", ""), ("POST", ""), ("DELETE", f"/{people.ada.actor.key_id}")):
        assert client.open(f"/api/system/keys{path}", method=method, headers=bearer(key), json={}).status_code == 403


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "x" * 101},
        {"name": "a\0b"},
        {"name": "\ud800"},
        {"role": "KING"},
        {"scopes": []},
        {"scopes": ["everything"]},
        {"scopes": "upload"},
        {"expiresInDays": 0},
        {"expiresInDays": 3651},
        {"expiresInDays": "7"},
        {"expiresInDays": 1.5},
        {"userId": str(uuid.uuid4())},
        {"role": "VIEWER", "scopes": ["upload"]},
    ],
)
def test_what_is_no_key_is_refused(client: FlaskClient, people: People, wrong: dict[str, object]) -> None:
    assert create(client, people.ada.key, **wrong).status_code == 422


def test_making_and_revoking_are_in_the_audit_log_without_the_key(client: FlaskClient, runtime: Runtime, people: People) -> None:
    made = created(client, people.ada.key, scopes=["upload"])
    client.delete(f"/api/system/keys/{made['id']}", headers=people.ada.headers)
    with runtime.database.snapshot() as session:
        query = select(AuditEntry).where(AuditEntry.target == f"key:{made['id']}").order_by(AuditEntry.created_at)
        entries = session.scalars(query).all()
    assert [(e.action, e.actor, e.tenant_id) for e in entries] == [
        (action, people.ada.actor.name, people.ada.actor.tenant) for action in ("key.add", "key.revoke")
    ]
    assert "scopes=upload" in entries[0].reason
    assert made["key"] not in str([vars(e) for e in entries])


def test_a_key_acts_in_its_own_tenant_only(client: FlaskClient, people: People) -> None:
    own, other = (str(person.actor.tenant) for person in (people.ada, people.mallory))
    assert client.get("/api/business/bills", headers=people.ada.headers | {"X-Tenant-ID": own}).status_code == 200
    assert client.get("/api/business/bills", headers=people.ada.headers | {"X-Tenant-ID": other}).status_code == 404


def test_every_permission_of_a_role_can_be_a_scope(client: FlaskClient, runtime: Runtime, people: People) -> None:
    made = created(client, people.ada.key, role="OWNER", scopes=sorted(PERMISSIONS[Role.OWNER]))
    assert keys.identify(runtime.database, made["key"]).act(None).permissions == PERMISSIONS[Role.OWNER]
