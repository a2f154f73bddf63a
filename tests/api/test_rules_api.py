"""Who may do what: every route of the application × every way in × every role × one's own things and another's (A1, A4)."""

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from api_help import Unread, Worker
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

import config
from akount import accounts, scans, webhooks
from akount.accounts import PERMISSIONS, Permission
from akount.api.guards import SIGNED_IN
from akount.identity import keys
from akount.kinds import KINDS
from akount.ledger import DeadLetters
from akount.lifecycle import Runtime
from akount.models import ApiKey, Delivery, Record, Role
from akount.operations import Action
from clerk import Endpoint
from fresh import settings_for
from make import submitted
from people import People, Person, key_with_role, settle_in
from ways import DOORS, OURS, Door, Headers

PUBLIC = {
    *("GET /health", "GET /health/live", "GET /health/ready", "GET /metrics"),
    *("GET /api/openapi.json", "GET /api/docs", "GET /api/docs/static/<path:filename>"),
    "POST /api/session",
}
"""What anyone may ask. A page comes onto this list by somebody's decision, not by itself."""
LISTS = {f"/api/business/{kind.plural}" for kind in KINDS.values()} | {"/api/system/jobs/failed", "/api/system/decisions"}
EMPTY = ({"items": [], "nextCursor": None}, {"jobs": [], "nextCursor": None})
EXPORTS = {f"GET /api/business/{kind.plural}/export" for kind in KINDS.values()} | {"GET /api/system/decisions/export"}
OWN_BUSINESS = EXPORTS | {
    "GET /api/system/consent",
    "GET /api/system/routing",
    "GET /api/system/usage",
    "GET /api/system/entities",
    "GET /api/system/webhooks",
    "GET /api/system/consent/history",
    "GET /api/system/keys",
    "GET /api/session",
    "DELETE /api/session",
}
"""Pages about the asking person or their tenant, without anybody's id in them."""
BODIES = {"<uuid:record_id>": {"iban": None}, "erase": {"reason": "Not mine to say."}}
"""What a page wants to be told, by the end of its path: a good request for another's thing finds nothing either."""
ANY_VERSION = {"If-Match": "*"}
SIGN_OUT = "DELETE /api/session"
TENANTS_ROLES = [role for role in Role if role is not Role.OPERATOR]
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}


@dataclass(frozen=True, eq=False)
class Page:
    """One method of one route."""

    method: str
    rule: Rule
    permission: Permission | str | None

    def path(self, ids: dict[str, uuid.UUID]) -> str:
        """The path, with somebody's ids in it."""
        path = self.rule.rule.replace("<path:filename>", "docs.js")
        for argument in self.rule.arguments - {*(self.rule.defaults or ()), "filename"}:
            path = path.replace(f"<int:{argument}>", "1")
            path = path.replace(f"<uuid:{argument}>", str(ids.get(self._thing(argument))))
        assert "<" not in path, f"{self.rule.rule} has an argument that this test does not know"
        return path

    def _thing(self, argument: str) -> str:
        return f"{(self.rule.defaults or {}).get('kind_name', '')}{argument}" if argument == "record_id" else argument

    def __str__(self) -> str:
        return f"{self.method} {self.rule.rule}"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with Endpoint("first") as opened:
        yield opened


@pytest.fixture(scope="module")
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, endpoint: Endpoint) -> config.Settings:
    return settings_for(request, tmp_path_factory, **endpoint.environ)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client(use_cookies=False)  # the headers say which


@pytest.fixture(scope="module")
def people(runtime: Runtime) -> People:
    return settle_in(runtime.database)


@pytest.fixture(scope="module")
def pages(app: Flask) -> list[Page]:
    """Every method of every route, out of the application itself."""
    found = []
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("admin."):
            continue  # the console comes in by other doors: tests/admin/test_console_rules.py
        view = app.view_functions[rule.endpoint]
        assert hasattr(view, "rule"), f"{rule.rule} has no rule who may see it"
        found += [Page(method, rule, view.rule) for method in sorted((rule.methods or set()) & METHODS)]
    return sorted(found, key=lambda page: str(page) == SIGN_OUT)  # last: who did that is out


@pytest.fixture(scope="module")
def guarded(pages: list[Page]) -> list[Page]:
    return [page for page in pages if page.permission is not None]


@pytest.fixture(scope="module")
def ada_has(runtime: Runtime, people: People) -> dict[str, uuid.UUID]:
    """The ids of Ada's things: a job that is over, and a record of each kind."""
    return things_of(runtime, people.ada)


def things_of(runtime: Runtime, owner: Person) -> dict[str, uuid.UUID]:
    worker = Worker(runtime)
    ids = {}
    for kind in KINDS.values():
        job = submitted(runtime, owner, kind=kind)
        worker.process(job.id)
        with runtime.database.snapshot() as session:
            ids[f"{kind.name}record_id"] = session.scalars(select(Record.id).where(Record.job_id == job.id)).one()
        ids |= {"job_id": job.id, "document_id": job.document_id}
    worker.stop()
    with runtime.database.transaction() as session:
        events = [*webhooks.Event]
        url = "https://example.com/hook"
        ids["webhook_id"] = webhooks.add(session, owner.call, runtime.seal, url, events, private=False)[0].id
        record = session.get_one(Record, next(i for name, i in ids.items() if name.endswith("record_id")))
        webhooks.tell(session, webhooks.Event.CREATED, record)
        session.flush()
        ids["delivery_id"] = session.scalars(select(Delivery.id).where(Delivery.webhook_id == ids["webhook_id"])).one()
    ids["operation_id"] = scans.start_operation(runtime, owner.call, Action.RETRY, DeadLetters(), "").id
    with runtime.database.transaction() as session:
        ids["key_id"] = keys.add(session, owner.actor.tenant, Role.VIEWER, "spare")[0].id
    return ids


def ask(client: FlaskClient, page: Page, ids: dict[str, uuid.UUID], headers: Headers, **more: Any) -> TestResponse:
    answer = client.open(page.path(ids), method=page.method, headers=headers, buffered=True, **more)
    answer.close()
    return answer


def may(page: Page, role: Role) -> bool:
    return page.permission == SIGNED_IN or page.permission in PERMISSIONS[role]


def test_every_route_has_a_rule(app: Flask, pages: list[Page]) -> None:
    assert len(pages) >= 24
    assert {page.permission for page in pages} == {None, SIGNED_IN, *Permission} - {Permission.PLATFORM, Permission.ACCOUNTS}, (
        "the one is the console's, the other says how much of an answer is shown"
    )


def test_only_what_was_decided_is_public(pages: list[Page]) -> None:
    assert {str(page) for page in pages if page.permission is None} == PUBLIC


def test_every_role_has_its_permissions_and_nobody_has_none(runtime: Runtime) -> None:
    assert PERMISSIONS.keys() == set(Role)
    assert all(Permission.VIEW in granted for granted in PERMISSIONS.values())


def test_reading_and_changing_are_different_permissions(guarded: list[Page]) -> None:
    """Who may only view changes nothing: VIEW stands on no method that changes something."""
    assert [str(page) for page in guarded if page.permission is Permission.VIEW and page.method != "GET"] == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer ak_wrong"},
        {"Authorization": "Bearer a.b.c"},
        {"Authorization": "Basic YTpi"},
        {"Cookie": "akount=wrong; __session=a.b.c"} | OURS,
        {"Cookie": "akount=; __session="} | OURS,
    ],
)
def test_nobody_comes_in_without_signing_in(
    client: FlaskClient, guarded: list[Page], ada_has: dict[str, uuid.UUID], headers: Headers
) -> None:
    answers = {str(page): ask(client, page, ada_has, headers) for page in guarded}
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(answers, 401)
    assert len({(answer.json["code"], answer.json["detail"]) for answer in answers.values()}) == 1


def test_public_pages_need_no_key(client: FlaskClient, pages: list[Page]) -> None:
    answers = {str(page): ask(client, page, {}, {}).status_code for page in pages if page.permission is None}
    assert answers == dict.fromkeys(answers, 200) | {"POST /api/session": 400}


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("door", DOORS, ids=str)
def test_a_role_may_do_what_the_map_says_with_its_own_things(
    client: FlaskClient,
    runtime: Runtime,
    people: People,
    guarded: list[Page],
    ada_has: dict[str, uuid.UUID],
    door: Door,
    role: Role,
) -> None:
    headers = door.headers(runtime.database, people.ada.actor.tenant, role)
    answers = {page: ask(client, page, ada_has, headers) for page in guarded}
    refused = {str(page) for page, answer in answers.items() if answer.json and answer.json.get("code") == "not_allowed"}
    assert refused == {str(page) for page in guarded if not may(page, role)}
    assert all(answer.status_code == 403 for page, answer in answers.items() if str(page) in refused)
    lost = {str(page): answer.status_code for page, answer in answers.items() if answer.status_code in {401, 404, 405, 500}}
    assert lost == {}
    may_see = [page for page in guarded if page.method == "GET" and may(page, role)]
    seen = {str(page): answers[page].status_code for page in may_see if role is not Role.OPERATOR}
    assert seen == dict.fromkeys(seen, 200)


@pytest.mark.parametrize("role", TENANTS_ROLES)
@pytest.mark.parametrize("door", DOORS, ids=str)
def test_whatever_ones_role_another_tenants_things_do_not_exist(
    client: FlaskClient,
    runtime: Runtime,
    people: People,
    guarded: list[Page],
    ada_has: dict[str, uuid.UUID],
    door: Door,
    role: Role,
) -> None:
    headers = door.headers(runtime.database, people.mallory.actor.tenant, role)
    for page in guarded:
        answer = ask(client, page, ada_has, headers | ANY_VERSION, json=BODIES.get(page.rule.rule.rpartition("/")[2]))
        if page.rule.rule in LISTS and may(page, role):
            assert answer.json in EMPTY, page
        elif str(page) in OWN_BUSINESS and may(page, role):
            assert answer.status_code < 300, page
        elif page.rule.arguments - {"kind_name"}:
            assert answer.status_code == (404 if may(page, role) else 403), page
        else:
            assert answer.status_code >= 400, page
        assert not any(str(thing) in answer.text for thing in (*ada_has.values(), people.ada.actor.tenant)), page


@pytest.mark.parametrize("door", DOORS, ids=str)
def test_naming_another_tenant_finds_no_tenant(
    client: FlaskClient, runtime: Runtime, people: People, guarded: list[Page], ada_has: dict[str, uuid.UUID], door: Door
) -> None:
    headers = door.headers(runtime.database, people.mallory.actor.tenant, Role.OWNER)
    for wanted in (people.ada.actor.tenant, uuid.uuid4(), "no-uuid", "\xff"):
        answers = {str(page): ask(client, page, ada_has, headers | {"X-Tenant-ID": str(wanted)}) for page in guarded}
        assert {answer.status_code for answer in answers.values()} == {404}, answers
        assert {answer.json["code"] for answer in answers.values()} == {"tenant_not_found"}


def test_another_tenants_attempts_change_nothing(
    client: FlaskClient, runtime: Runtime, people: People, guarded: list[Page], ada_has: dict[str, uuid.UUID]
) -> None:
    def look() -> list[str]:
        seen = [
            ask(client, page, ada_has, people.ada.headers).get_data().decode(errors="replace")
            for page in guarded
            if page.method == "GET"
        ]
        return [re.sub(r'"lastUsedAt":[^,]*', "", text) for text in seen]

    before = look()
    for page in guarded:
        ask(client, page, ada_has, people.mallory.headers)
        ask(client, page, ada_has, people.mallory.headers | {"X-Tenant-ID": str(people.ada.actor.tenant)})
    assert look() == before


def test_a_revoked_key_opens_nothing(
    client: FlaskClient, runtime: Runtime, people: People, guarded: list[Page], ada_has: dict[str, uuid.UUID]
) -> None:
    with runtime.database.transaction() as session:
        key, token = keys.add(session, people.ada.actor.tenant, Role.OWNER, "soon revoked", people.ada.actor.user_id)
    assert client.get("/api/business/bills", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    with runtime.database.transaction() as session:
        keys.revoke(session, key.id)
    headers = {"Authorization": f"Bearer {token}"}
    answers = {str(page): ask(client, page, ada_has, headers).status_code for page in guarded}
    assert answers == {str(page): 401 for page in guarded}


def test_a_key_of_a_lower_role_than_its_user_has_the_lower_role(client: FlaskClient, runtime: Runtime, people: People) -> None:
    with runtime.database.transaction() as session:
        user = accounts.add_user(session, f"{uuid.uuid4()}@example.com", people.ada.actor.tenant, Role.OWNER)
        token = keys.add(session, people.ada.actor.tenant, Role.VIEWER, "look only", user.id)[1]
    answer = client.post("/api/business/bills/scan", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json["code"]) == (403, "not_allowed")


@pytest.mark.parametrize(("role", "status"), [(None, 401), (Role.VIEWER, 403)])
def test_no_body_is_read_before_it_is_known_who_sends_it(
    client: FlaskClient,
    runtime: Runtime,
    people: People,
    guarded: list[Page],
    ada_has: dict[str, uuid.UUID],
    role: Role | None,
    status: int,
) -> None:
    key = key_with_role(runtime.database, people.ada.actor.tenant, role) if role else None
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    changing = [page for page in guarded if page.method != "GET" and (not role or not may(page, role))]
    assert changing
    for page in changing:
        body = Unread(b"{}")
        answer = client.open(
            page.path(ada_has),
            method=page.method,
            headers=headers,
            content_type="multipart/form-data; boundary=x",
            environ_overrides={"CONTENT_LENGTH": "1000", "wsgi.input": body},
        )
        assert (answer.status_code, body.was_read) == (status, False), page


def test_the_last_use_of_a_key_is_noted(client: FlaskClient, runtime: Runtime, people: People) -> None:
    token = key_with_role(runtime.database, people.ada.actor.tenant, Role.VIEWER)
    client.get("/api/business/bills", headers={"Authorization": f"Bearer {token}"})
    with runtime.database.snapshot() as session:
        newest = session.scalars(select(ApiKey).order_by(ApiKey.created_at.desc()).limit(1)).one()
    assert newest.last_used_at is not None
    assert newest.hash not in token
    assert token not in newest.hash
