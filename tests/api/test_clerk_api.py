"""Clerk's tokens at the door: in the header or the cookie, whatever the endpoint of the keys does (A2, E6)."""

import time
import uuid
from collections.abc import Iterator

import pytest
from api_help import DATABASES
from flask import Flask
from flask.testing import FlaskClient

import config
from akount import accounts
from akount.lifecycle import Runtime
from akount.models import Role
from clerk import Endpoint, member, token
from fresh import opened, serving, settings_for
from people import People, settle_in
from ways import OURS, clerk_token, session_token


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with Endpoint("first") as opened:
        yield opened


@pytest.fixture(scope="module", params=DATABASES)
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, endpoint: Endpoint) -> config.Settings:
    return settings_for(request, tmp_path_factory, **endpoint.environ)


@pytest.fixture(scope="module")
def people(runtime: Runtime) -> People:
    return settle_in(runtime.database)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client(use_cookies=False)


def bearer(sent: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {sent}"}


def test_a_member_of_an_organisation_is_at_home_in_its_tenant(client: FlaskClient, runtime: Runtime, people: People) -> None:
    sent = clerk_token(runtime.database, people.ada.actor.tenant, Role.ACCOUNTANT)
    said = client.get("/api/session", headers=bearer(sent)).json
    assert (said["tenantId"], said["role"]) == (str(people.ada.actor.tenant), "ACCOUNTANT")
    assert said["user"]["email"] is None
    assert client.get("/api/business/bills", headers={"Cookie": f"__session={sent}"}).status_code == 200


@pytest.mark.parametrize("name", ["unknown", "none"])
def test_who_belongs_to_no_known_organisation_is_told_what_to_do(client: FlaskClient, name: str) -> None:
    sent = member("user_stranger", "org_stranger", "admin") if name == "unknown" else token("user_stranger")
    for path in ("/api/business/bills", "/api/session"):
        answer = client.get(path, headers=bearer(sent))
        assert (answer.status_code, answer.json["code"]) == (403, "unknown_organisation")
        assert "organisation" in answer.json["detail"]


def test_a_role_without_a_meaning_is_refused(client: FlaskClient, runtime: Runtime, people: People) -> None:
    organisation = f"org_{uuid.uuid4().hex}"
    with runtime.database.transaction() as session:
        accounts.add_tenant(session, "Other", organisation)
    answer = client.get("/api/business/bills", headers=bearer(member("user_1", organisation, "org:janitor")))
    assert (answer.status_code, answer.json["code"]) == (403, "unknown_role")


def test_every_bad_token_has_the_same_answer_as_no_token(client: FlaskClient, runtime: Runtime, people: People) -> None:
    at = int(time.time())
    bad = [
        token(azp="https://evil.example"),
        token(iss="https://evil.example"),
        token(exp=at - 60),
        token(nbf=at + 60),
        token(key="evil", headers={"kid": "first"}),
        token(key="evil"),
        "x" * 1_000_000,
        "a.b.c",
        "ak_wrong",
        "",
    ]
    bare = client.get("/api/business/bills")
    for sent in bad:
        for headers in (bearer(sent), {"Cookie": f"__session={sent}"}):
            answer = client.get("/api/business/bills", headers=headers)
            assert answer.status_code == 401
            said, expected = ({name: value for name, value in one.json.items() if name != "requestId"} for one in (answer, bare))
            assert said == expected
            assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_clerks_cookie_changes_nothing_for_a_page_of_somebody_else(client: FlaskClient, runtime: Runtime, people: People) -> None:
    sent = {"Cookie": f"__session={clerk_token(runtime.database, people.ada.actor.tenant, Role.OWNER)}"}
    for headers in ({}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "same-site"}):
        answer = client.patch("/api/system/consent", headers=sent | headers, json={"hostedEngines": False})
        assert (answer.status_code, answer.json["code"]) == (403, "cross_site")
    assert client.patch("/api/system/consent", headers=sent | OURS, json={"hostedEngines": False}).status_code == 200


def test_an_old_cookie_of_clerk_does_not_keep_out_who_has_a_session_of_ours(
    client: FlaskClient, runtime: Runtime, people: People
) -> None:
    held = session_token(runtime.database, people.ada.actor.tenant, Role.VIEWER)
    old = token(exp=int(time.time()) - 60)
    assert client.get("/api/session", headers={"Cookie": f"__session={old}; akount={held}"}).json["role"] == "VIEWER"
    fresh = clerk_token(runtime.database, people.ada.actor.tenant, Role.OWNER)
    assert client.get("/api/session", headers={"Cookie": f"__session={fresh}; akount={held}"}).json["role"] == "OWNER"


def test_without_any_key_the_door_is_closed_for_now(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> None:
    with Endpoint("first") as away:
        away.status = 503
        settings = settings_for(request, tmp_path_factory, **away.environ)
        with opened(settings) as runtime, serving(settings) as app:
            people, client = settle_in(runtime.database), app.test_client(use_cookies=False)
            sent = clerk_token(runtime.database, people.ada.actor.tenant, Role.OWNER)
            for headers in (bearer(sent), {"Cookie": f"__session={sent}"}):
                answer = client.get("/api/business/bills", headers=headers)
                assert (answer.status_code, answer.json["code"]) == (503, "identity_unavailable")
                assert int(answer.headers["Retry-After"]) >= 1
            assert client.get("/api/business/bills", headers=people.ada.headers).status_code == 200, "keys need no Clerk"


def test_a_service_without_clerk_believes_no_token_of_it(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> None:
    settings = settings_for(request, tmp_path_factory)
    with opened(settings) as runtime, serving(settings) as app:
        people, client = settle_in(runtime.database), app.test_client(use_cookies=False)
        sent = clerk_token(runtime.database, people.ada.actor.tenant, Role.OWNER)
        for headers in (bearer(sent), {"Cookie": f"__session={sent}"}):
            assert client.get("/api/business/bills", headers=headers).status_code == 401
