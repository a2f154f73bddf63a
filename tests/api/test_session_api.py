"""Signing in, who one is, signing out; and that no page of somebody else's does anything with a cookie of ours (A2, A3)."""

import statistics
import time
import uuid
from collections.abc import Iterator

import pytest
from api_help import DATABASES
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update
from werkzeug.test import TestResponse

import config
from akount import accounts
from akount.accounts import PERMISSIONS
from akount.db import now
from akount.identity import sessions
from akount.identity.throttle import TRIES, Throttle
from akount.lifecycle import Runtime
from akount.limits import Windows
from akount.models import Login, Role
from config import Settings
from fresh import make_settings, opened, postgres_copy, serving, settings_for
from servers import Server
from ways import OURS, PASSWORD, session_token

ELSEWHERE = "https://evil.example"
FRONTEND = "https://app.example.com"


@pytest.fixture(scope="module", params=DATABASES)
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> config.Settings:
    return settings_for(request, tmp_path_factory, CORS_ORIGINS=f"{FRONTEND},*")


@pytest.fixture(scope="module")
def served(settings: config.Settings) -> Iterator[Flask]:
    with serving(settings) as app:
        yield app


@pytest.fixture
def app(served: Flask) -> Flask:
    """With all its tries to sign in."""
    served.extensions["throttle"] = Throttle(Windows(Settings()))
    return served


class Ada:
    """Somebody with a password."""

    def __init__(self, runtime: Runtime, role: Role = Role.OWNER) -> None:
        self.email = f"{uuid.uuid4()}@example.com"
        with runtime.database.transaction() as session:
            self.tenant_id = accounts.add_tenant(session, "Ada & Co")[0].id
            user = accounts.add_user(session, self.email, self.tenant_id, role)
            sessions.set_password(session, user, PASSWORD)
            self.user_id = user.id

    @property
    def body(self) -> dict[str, object]:
        return {"email": self.email, "password": PASSWORD}


@pytest.fixture
def ada(runtime: Runtime) -> Ada:
    return Ada(runtime)


def cookie(answer: TestResponse) -> str:
    (header,) = answer.headers.getlist("Set-Cookie")
    return header


def token(answer: TestResponse) -> str:
    return cookie(answer).partition("=")[2].partition(";")[0]


# --- signing in and out ---


def test_who_signs_in_is_told_who_they_are_and_is_known_from_then_on(client: FlaskClient, ada: Ada) -> None:
    answer = client.post("/api/session", json=ada.body)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    assert answer.json == {
        "user": {"id": str(ada.user_id), "email": ada.email},
        "keyId": None,
        "tenants": [{"id": str(ada.tenant_id), "name": "Ada & Co", "role": "OWNER"}],
        "tenantId": str(ada.tenant_id),
        "role": "OWNER",
        "permissions": sorted(PERMISSIONS[Role.OWNER]),
    }
    assert client.get("/api/session").json == answer.json
    assert client.get("/api/business/bills").status_code == 200
    assert token(answer) not in answer.text


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(client: FlaskClient, ada: Ada) -> None:
    parts = {part.strip() for part in cookie(client.post("/api/session", json=ada.body)).split(";")[1:]}
    assert {"HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=43200"} <= parts
    assert not any(part.startswith("Domain") for part in parts)


def test_in_production_the_cookie_is_for_https_and_this_host_only(
    postgres: Server, tmp_path_factory: pytest.TempPathFactory
) -> None:
    environ = {"APP_ENV": "production", "SECRET_KEY": "x" * 40, "ALLOW_LOCAL_SERVICES": "true"}
    settings = make_settings(tmp_path_factory.mktemp("production"), postgres_copy(postgres), **environ)
    with opened(settings) as runtime, serving(settings) as app:
        ada, client = Ada(runtime), app.test_client()
        answer = client.post("/api/session", json=ada.body, base_url="https://localhost")
        assert cookie(answer).startswith("__Host-akount=")
        assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= {part.strip() for part in cookie(answer).split(";")}
        assert client.get("/api/session", base_url="https://localhost").status_code == 200


def test_the_token_changes_with_every_sign_in_and_the_one_before_ends(client: FlaskClient, app: Flask, ada: Ada) -> None:
    client.set_cookie("akount", planted := "x" * 43)
    first = client.post("/api/session", json=ada.body)
    second = client.post("/api/session", json=ada.body)
    assert len({planted, token(first), token(second)}) == 3
    found = [ask(app, one).status_code for one in (planted, token(first), token(second))]
    assert found == [401, 401, 200]


def ask(app: Flask, session_token: str, method: str = "GET", path: str = "/api/session", **headers: str) -> TestResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return app.test_client(use_cookies=False).open(path, method=method, headers={"Cookie": f"akount={session_token}"} | named)


def test_who_signs_out_is_out(client: FlaskClient, app: Flask, ada: Ada) -> None:
    kept = token(client.post("/api/session", json=ada.body))
    answer = client.delete("/api/session", headers=OURS)
    assert (answer.status_code, answer.data, "Max-Age=0" in cookie(answer)) == (204, b"", True)
    assert client.get("/api/session").status_code == 401
    assert ask(app, kept).status_code == 401, "also with the cookie that was kept"


def test_a_session_that_is_over_or_revoked_opens_nothing(app: Flask, runtime: Runtime, ada: Ada) -> None:
    for values in ({"expires_at": now()}, {"revoked_at": now()}):
        held = session_token(runtime.database, ada.tenant_id, Role.OWNER)
        assert ask(app, held).status_code == 200
        with runtime.database.transaction() as session:
            session.execute(update(Login).where(Login.hash == sessions.fingerprint(held)).values(**values))
        assert ask(app, held).status_code == 401


def test_who_is_signed_out_from_the_shell_is_out_at_the_next_request(app: Flask, runtime: Runtime, ada: Ada) -> None:
    held = token(app.test_client().post("/api/session", json=ada.body))
    with runtime.database.transaction() as session:
        assert sessions.end_all(session, accounts.user_of(session, ada.email)) == 1
    assert ask(app, held).status_code == 401


# --- several tenants ---


def test_who_has_several_tenants_says_which(client: FlaskClient, runtime: Runtime, ada: Ada) -> None:
    with runtime.database.transaction() as session:
        second = accounts.add_tenant(session, "Second")[0].id
        accounts.add_user(session, ada.email, second, Role.VIEWER)
    said = client.post("/api/session", json=ada.body).json
    assert [tenant["name"] for tenant in said["tenants"]] == ["Ada & Co", "Second"]
    assert (said["tenantId"], said["role"], said["permissions"]) == (None, None, [])
    answer = client.get("/api/business/bills")
    assert (answer.status_code, answer.json["code"]) == (400, "tenant_required")
    assert client.get("/api/session").status_code == 200
    assert client.get("/api/business/bills", headers={"X-Tenant-ID": str(second)}).status_code == 200
    assert client.get("/api/session", headers={"X-Tenant-ID": str(second)}).json["role"] == "VIEWER"
    assert client.post("/api/business/bills/scan", headers=OURS | {"X-Tenant-ID": str(second)}).status_code == 403
    said = client.post("/api/session", json=ada.body | {"tenantId": str(second)}).json
    assert (said["tenantId"], said["role"]) == (str(second), "VIEWER")
    assert client.get("/api/business/bills").status_code == 200


def test_nobody_signs_in_to_another_tenant(client: FlaskClient, runtime: Runtime, ada: Ada) -> None:
    for wanted in (Ada(runtime).tenant_id, uuid.uuid4()):
        answer = client.post("/api/session", json=ada.body | {"tenantId": str(wanted)})
        assert (answer.status_code, answer.json["code"]) == (404, "tenant_not_found")
        assert "Set-Cookie" not in answer.headers


def test_an_operator_sees_all_tenants_or_the_one_named(app: Flask, runtime: Runtime, ada: Ada) -> None:
    held = session_token(runtime.database, ada.tenant_id, Role.OPERATOR)
    said = ask(app, held).json
    assert (said["role"], said["tenants"], said["tenantId"], said["permissions"]) == (
        "operator",
        [],
        None,
        sorted(PERMISSIONS[Role.OPERATOR]),
    )
    assert ask(app, held, X_Tenant_ID=str(ada.tenant_id)).json["tenantId"] == str(ada.tenant_id)
    assert ask(app, held, X_Tenant_ID=str(uuid.uuid4())).status_code == 404


# --- what is no sign-in ---


@pytest.mark.parametrize(
    "body",
    [{}, {"email": "a@example.com"}, {"email": 1, "password": 2}, {"email": "a", "password": "x" * 201}, {"password": PASSWORD}],
)
def test_what_is_no_sign_in_is_refused_by_field(client: FlaskClient, body: dict[str, object]) -> None:
    answer = client.post("/api/session", json=body)
    assert (answer.status_code, bool(answer.json["errors"])) == (422, True)
    assert "Set-Cookie" not in answer.headers


def test_who_has_an_account_cannot_be_told_from_the_answer(client: FlaskClient, ada: Ada) -> None:
    said = []
    for email in (ada.email, f"{uuid.uuid4()}@example.com", "no address", "\0", "\ud800", "' OR 1=1 --"):
        answer = client.post("/api/session", json={"email": email, "password": "wrong password"})
        told = {name: value for name, value in answer.json.items() if name != "requestId"}
        unlike = {
            name: value for name, value in answer.headers.items() if name != "X-Request-ID" and not name.startswith("RateLimit-")
        }
        said.append((answer.status_code, told, unlike | {"Content-Length": ""}))
    assert all(one == said[0] for one in said)
    assert said[0][0] == 401


def test_who_has_an_account_cannot_be_told_from_the_time(app: Flask, client: FlaskClient, ada: Ada) -> None:
    """Processor time of this thread: what others do on the machine does not count."""

    def spent(email: str) -> float:
        app.extensions["throttle"] = Throttle(Windows(Settings()))
        started = time.thread_time()
        client.post("/api/session", json={"email": email, "password": "wrong password"})
        return time.thread_time() - started

    pairs = [(spent(ada.email), spent("nobody@example.com")) for _ in range(9)]
    known, unknown = (statistics.median(times) for times in zip(*pairs, strict=True))
    assert 0.5 < unknown / known < 2


def test_the_eleventh_try_is_told_when_to_come_again(client: FlaskClient, ada: Ada, runtime: Runtime) -> None:
    for _ in range(TRIES):
        assert client.post("/api/session", json=ada.body | {"password": "wrong password"}).status_code == 401
    answer = client.post("/api/session", json=ada.body)
    assert (answer.status_code, answer.json["code"]) == (429, "sign_in_limit")
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    other = client.post("/api/session", json=Ada(runtime).body)
    assert other.status_code == 429, "the address has failed too often"
    elsewhere = {"REMOTE_ADDR": "198.51.100.7"}
    assert client.post("/api/session", json=Ada(runtime).body, environ_overrides=elsewhere).status_code == 200
    assert client.post("/api/session", json=ada.body, environ_overrides=elsewhere).status_code == 429


def test_a_weakly_chosen_address_header_is_not_believed(client: FlaskClient, ada: Ada) -> None:
    for n in range(TRIES + 1):
        answer = client.post(
            "/api/session",
            json={"email": f"{n}@example.com", "password": "wrong password"},
            headers={"X-Forwarded-For": f"203.0.113.{n}"},
        )
    assert answer.status_code == 429


# --- pages of somebody else's ---

FOREIGN = [
    {},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": ELSEWHERE},
    {"Origin": "null"},
    {"Origin": "*"},
    {"Origin": "http://localhost.evil.example"},
    {"Origin": "http://localhost:1"},
    {"Origin": FRONTEND + ".evil.example"},
    {"Origin": ELSEWHERE, "Sec-Fetch-Site": "same-site"},
    {"Origin": ELSEWHERE, "Referer": f"{FRONTEND}/"},
]
OWN = [
    {"Sec-Fetch-Site": "same-origin"},
    {"Origin": "http://localhost"},
    {"Origin": FRONTEND},
    {"Origin": FRONTEND, "Sec-Fetch-Site": "cross-site"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_a_cookie_changes_nothing_for_a_page_of_somebody_else(
    app: Flask, runtime: Runtime, ada: Ada, headers: dict[str, str]
) -> None:
    held = session_token(runtime.database, ada.tenant_id, Role.OWNER)
    sent = {"Cookie": f"akount={held}"} | headers
    client = app.test_client(use_cookies=False)
    for method, path in (("POST", "/api/system/keys"), ("PATCH", "/api/system/consent"), ("DELETE", "/api/session")):
        answer = client.open(path, method=method, headers=sent, json={"name": "x", "role": "OWNER"})
        assert (answer.status_code, answer.json["code"]) == (403, "cross_site")
    assert ask(app, held).status_code == 200, "nobody was signed out; reading needs no such word"


@pytest.mark.parametrize("headers", OWN)
def test_a_page_of_ours_may_use_the_cookie(app: Flask, runtime: Runtime, ada: Ada, headers: dict[str, str]) -> None:
    held = session_token(runtime.database, ada.tenant_id, Role.OWNER)
    client = app.test_client(use_cookies=False)
    answer = client.patch("/api/system/consent", headers={"Cookie": f"akount={held}"} | headers, json={"hostedEngines": False})
    assert answer.status_code == 200


def test_a_key_needs_no_page(client: FlaskClient, runtime: Runtime, ada: Ada) -> None:
    made = client.post("/api/session", json=ada.body)
    created = client.post("/api/system/keys", headers=OURS, json={"name": "x", "role": "OWNER"})
    headers = {"Authorization": f"Bearer {created.json['key']}", "Origin": ELSEWHERE, "Sec-Fetch-Site": "cross-site"}
    assert made.status_code == 200
    assert client.patch("/api/system/consent", headers=headers, json={"hostedEngines": False}).status_code == 200


def test_a_page_of_somebody_else_signs_nobody_in(client: FlaskClient, ada: Ada) -> None:
    for headers in FOREIGN[1:]:
        answer = client.post("/api/session", json=ada.body, headers=headers)
        assert (answer.status_code, answer.json["code"]) == (403, "cross_site"), headers
    form = client.post("/api/session", data=ada.body)
    text = client.post("/api/session", data='{"email": "x", "password": "y"}', content_type="text/plain")
    assert (form.status_code, text.status_code) == (400, 400), "what a form can send without asking first"
    assert client.get("/api/session").status_code == 401


def test_an_authorization_that_is_wrong_is_not_mended_by_a_cookie(app: Flask, runtime: Runtime, ada: Ada) -> None:
    held = session_token(runtime.database, ada.tenant_id, Role.OWNER)
    for wrong in ("Bearer ak_wrong", "Bearer x.y.z", "Basic YTpi", ""):
        assert ask(app, held, Authorization=wrong).status_code == 401
