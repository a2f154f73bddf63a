"""Who may do what in the console: every page and action × role × own things and another's, out of the URL map (A3, A4)."""

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from api_help import Worker
from console_help import Visitor, questions, visitor
from flask import Flask
from sqlalchemy import select
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from akount import scans, webhooks
from akount.accounts import PERMISSIONS, Permission
from akount.api.guards import SIGNED_IN
from akount.errors import Unreadable
from akount.identity import access, keys
from akount.kinds import QUEUES
from akount.ledger import DeadLetters
from akount.lifecycle import Runtime
from akount.models import Job, Record, Role
from akount.operations import Action
from make import submitted
from people import People, settle_in
from ways import session_token

OPEN = {"GET /admin", "GET /admin/sign-in", "POST /admin/sign-in", "GET /admin/static/<version>/<path:filename>"}
"""What anyone may ask. A page comes onto this list by somebody's decision, not by itself."""
ENDS = {"POST /admin/sign-out", "POST /admin/scope"}
"""Asked last, or not at all: who did that is out, or elsewhere."""


@dataclass(frozen=True, eq=False)
class Page:
    """One method of one route."""

    method: str
    rule: Rule
    permission: Permission | str | None

    def path(self, things: dict[str, Any]) -> str:
        """The path, with somebody's things in it."""
        path = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: str(things[found[1]]), self.rule.rule)
        assert "<" not in path
        return path

    def may(self, role: Role) -> bool:
        return self.permission in (None, SIGNED_IN) or self.permission in PERMISSIONS[role]

    def __str__(self) -> str:
        return f"{self.method} {self.rule.rule}"


@pytest.fixture(scope="module")
def people(runtime: Runtime) -> People:
    return settle_in(runtime.database)


@pytest.fixture(scope="module")
def pages(app: Flask) -> list[Page]:
    """Every page and action, out of the application itself."""
    found = []
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("admin."):
            view: Any = app.view_functions[rule.endpoint]
            found += [Page(method, rule, view.rule) for method in ("GET", "POST") if method in (rule.methods or ())]
    return found


@pytest.fixture(scope="module")
def guarded(pages: list[Page]) -> list[Page]:
    return [page for page in pages if page.permission is not None and str(page) not in ENDS]


@pytest.fixture(scope="module")
def ada_has(runtime: Runtime, people: People) -> dict[str, Any]:
    """What of Ada's the arguments of routes name, and what is nobody's."""
    failing = Worker(runtime, Unreadable("It is encrypted.", code="encrypted"))
    job, other = submitted(runtime, people.ada), submitted(runtime, people.ada)  # the other stays as it is
    failing.process(other.id)
    failing.process(job.id)
    failing.stop()
    with runtime.database.snapshot() as session:
        fingerprint = session.get_one(Job, job.id).fingerprint
    operation = scans.start_operation(runtime, people.ada.call, Action.RETRY, DeadLetters(), "")
    worker = Worker(runtime)
    read = submitted(runtime, people.ada)
    worker.process(read.id)
    worker.stop()
    with runtime.database.snapshot() as session:
        record_id = session.scalars(select(Record.id).where(Record.job_id == read.id)).one()
    papers = {"document_id": read.document_id, "record_id": record_id} | told(runtime, people, record_id)
    with runtime.database.snapshot() as session:
        key = keys.listed(session, people.ada.actor.tenant)[0]
    own = papers | {
        "session_id": open_session(runtime, people),
        "key_id": key.id,
        "job_id": job.id,
        "operation_id": operation.id,
        "tenant_id": people.ada.actor.tenant,
    }
    return own | {
        "fingerprint": fingerprint,
        "schedule": "prune",
        "name": QUEUES[0],
        "_path": "nothing/at-all",
        "version": "x",
        "filename": "console.css",
    }


def told(runtime: Runtime, people: People, record_id: uuid.UUID) -> dict[str, Any]:
    """A webhook of Ada's, and something it is to be told."""
    with runtime.database.transaction() as session:
        url = "https://ada.example.com/hook"
        hook, _secret = webhooks.add(session, people.ada.call, runtime.seal, url, [*webhooks.Event], private=False)
        webhooks.tell(session, webhooks.Event.CREATED, session.get_one(Record, record_id))
        session.flush()
        (delivery,), _more = webhooks.deliveries(session, hook, None, 1)
        return {"webhook_id": hook.id, "delivery_id": delivery.id}


def open_session(runtime: Runtime, people: People) -> uuid.UUID:
    """A session of somebody of Ada's."""
    known = sessions_of(runtime, people)
    session_token(runtime.database, people.ada.actor.tenant, Role.VIEWER)
    (made,) = sessions_of(runtime, people) - known
    return made


def sessions_of(runtime: Runtime, people: People) -> set[uuid.UUID]:
    with runtime.database.snapshot() as session:
        return {one.id for one in access.open_sessions(session, people.ada.actor.tenant)}


def ask(who: Visitor, page: Page, things: dict[str, Any], csrf: str | None = None) -> TestResponse:
    return who.get(page.path(things)) if page.method == "GET" else who.post(page.path(things), csrf, reason="of a test")


def test_only_what_was_decided_is_open(pages: list[Page]) -> None:
    assert {str(page) for page in pages if page.permission is None} == OPEN
    assert len(pages) > 20


def test_who_only_looks_changes_nothing(pages: list[Page]) -> None:
    assert [str(page) for page in pages if page.method == "POST" and page.permission is Permission.VIEW] == []


def test_nobody_comes_in_without_signing_in(app: Flask, guarded: list[Page], ada_has: dict[str, Any]) -> None:
    for cookie in ("", "wrong"):
        stranger = Visitor(app, cookie)
        for page in guarded:
            answer = ask(stranger, page, ada_has, csrf="x")
            assert answer.status_code == (303 if page.method == "GET" else 401), page
            assert page.method == "POST" or answer.headers["Location"].startswith("/admin/sign-in"), page
            assert str(ada_has["job_id"]) not in answer.text.replace(page.path(ada_has), ""), page


def test_a_key_opens_no_page(app: Flask, guarded: list[Page], ada_has: dict[str, Any], people: People) -> None:
    holder = Visitor(app, headers=people.ada.headers | {"Sec-Fetch-Site": "same-origin"})
    assert {ask(holder, page, ada_has, csrf="x").status_code for page in guarded} == {303, 401}


@pytest.mark.parametrize("role", Role)
def test_a_role_may_do_what_the_map_says(
    app: Flask, runtime: Runtime, people: People, guarded: list[Page], ada_has: dict[str, Any], role: Role
) -> None:
    who = visitor(app, runtime.database, people.ada.actor.tenant, role)
    csrf, things = who.csrf(), ada_has | {"session_id": open_session(runtime, people)}  # some role has ended the one before
    for page in guarded:
        answer = ask(who, page, things, csrf)
        refused = answer.status_code == 403
        at_home = page.rule.endpoint == "admin.home" and not PERMISSIONS[role] & {Permission.OPERATE, Permission.ACT}
        assert refused is (not page.may(role) or at_home), (page, answer.text)
        if refused and not at_home:
            assert f"lacks the permission {page.permission}" in answer.text, page
        assert answer.status_code in {200, 303, 403, 404, 409, 422}, (page, answer.text)
        assert answer.status_code != 404 or page.rule.endpoint == "admin.nothing", page


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.OPERATOR])
def test_another_tenants_things_do_not_exist(
    app: Flask, runtime: Runtime, people: People, guarded: list[Page], ada_has: dict[str, Any], role: Role
) -> None:
    mallory = visitor(app, runtime.database, people.mallory.actor.tenant, role)
    csrf = mallory.csrf()
    ours = {"job_id", "operation_id", "tenant_id", "session_id", "key_id", "fingerprint", "document_id", "record_id"}
    ours |= {"webhook_id", "delivery_id"}
    for page in guarded:
        answer = ask(mallory, page, ada_has, csrf)
        if page.rule.arguments & ours and page.may(role):
            assert answer.status_code == 404, (page, answer.text)
        shown = answer.text.replace(page.path(ada_has), "")
        assert not any(str(ada_has[name]) in shown for name in ours), page
        assert "Ada &amp; Co" not in answer.text, page


@pytest.mark.parametrize(
    "query", ["tenant={tenant_id}", "state=completed&tenant={tenant_id}", "fragment=1", "fragment=1&tenant={tenant_id}"]
)
def test_no_parameter_reaches_another_tenant(
    app: Flask, runtime: Runtime, people: People, guarded: list[Page], ada_has: dict[str, Any], query: str
) -> None:
    mallory = visitor(app, runtime.database, people.mallory.actor.tenant, Role.OWNER)
    mallory.client.set_cookie("akount-tenant", str(people.ada.actor.tenant))
    for page in [page for page in guarded if page.method == "GET" and not page.rule.arguments]:
        answer = mallory.get(f"{page.path(ada_has)}?{query.format(**ada_has)}")
        assert answer.status_code in {200, 303, 400, 403}, page
        assert str(ada_has["job_id"]) not in answer.text, page
        assert "a.pdf" not in answer.text, page


@pytest.fixture
def asked(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What requests ask of the database, while what the console keeps stays fresh."""
    board = app.extensions["board"]
    monkeypatch.setattr(board, "_is_due", lambda key, _fresh: key not in board._kept)
    with questions(app) as asked:
        yield asked


@pytest.mark.parametrize("who", ["operator", "operator in a tenant", "owner"])
def test_every_page_asks_six_questions_at_most(
    app: Flask, runtime: Runtime, people: People, pages: list[Page], ada_has: dict[str, Any], asked: list[str], who: str
) -> None:
    """With what a process keeps for all who look. Where one tenant is looked at, each transaction tells Postgres so by a
    statement more: it counts here too."""
    visiting = visitor(app, runtime.database, people.ada.actor.tenant, Role.OWNER if who == "owner" else Role.OPERATOR)
    if who == "operator in a tenant":
        visiting.client.set_cookie("akount-tenant", str(people.ada.actor.tenant))
    paths = [page.path(ada_has) for page in pages if page.method == "GET"]
    more = ["search?q=a.pdf", "jobs?state=failed", "tenants?sort=waiting", "operations/new?action=discard&code=encrypted"]
    most = {}
    for path in [*paths, *(f"/admin/{one}" for one in more)]:
        visiting.get(path)
        asked.clear()
        visiting.get(path)
        most[path] = len([one for one in asked if who != "operator" or not one.startswith("BEGIN")])
    assert {path: number for path, number in most.items() if number > 6} == {}
    assert max(most.values()) > 2, "it hears what is asked"


def test_a_form_that_is_not_ours_does_nothing(
    app: Flask, runtime: Runtime, people: People, guarded: list[Page], ada_has: dict[str, Any]
) -> None:
    """Without the token, with another session's, and from another site although the token is right."""
    ada = visitor(app, runtime.database, people.ada.actor.tenant, Role.OWNER)
    mallory = visitor(app, runtime.database, people.mallory.actor.tenant, Role.OWNER)
    token, hers = ada.csrf(), mallory.csrf()
    elsewhere = [
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ]
    for page in [page for page in guarded if page.method == "POST" and page.may(Role.OWNER)]:
        path = page.path(ada_has)
        for wrong in ("", "x", hers, token[:-1]):
            assert "wrong_form" in ada.post(path, wrong).text, page
        for headers in elsewhere:
            answer = ada._ask("POST", path, data={"csrf": token}, headers=headers)
            assert (answer.status_code, "cross_site" in answer.text) == (403, True), page


def test_a_button_is_offered_to_whom_the_door_lets_in(
    app: Flask, runtime: Runtime, people: People, ada_has: dict[str, Any]
) -> None:
    owner = visitor(app, runtime.database, people.ada.actor.tenant, Role.OWNER)
    operator = visitor(app, runtime.database, people.ada.actor.tenant, Role.OPERATOR)
    path = f"/admin/queues/{QUEUES[0]}"
    assert "The role OWNER lacks the permission platform." in owner.get(path).text
    assert f'href="{path}/pause' in operator.get(path).text


def test_an_operator_looks_at_one_tenant_or_at_all(app: Flask, runtime: Runtime, people: People, ada_has: dict[str, Any]) -> None:
    theirs = submitted(runtime, people.mallory)
    operator = visitor(app, runtime.database, people.ada.actor.tenant, Role.OPERATOR)
    both = {str(ada_has["job_id"]), str(theirs.id)}
    assert both <= set(re.findall(r'data-key="([^"]+)"', operator.get("/admin/jobs").text))
    assert operator.post("/admin/scope", tenant=str(people.ada.actor.tenant)).status_code == 303
    narrowed = operator.get("/admin/jobs").text
    seen = set(re.findall(r'data-key="([^"]+)"', narrowed))
    assert str(ada_has["job_id"]) in seen
    assert str(theirs.id) not in seen
    assert "Ada &amp; Co" in narrowed
    assert operator.get(f"/admin/jobs/{theirs.id}").status_code == 404
    operator.client.set_cookie("akount-tenant", str(uuid.uuid4()))
    assert operator.get("/admin/jobs").status_code == 404
    assert operator.get("/admin/jobs").status_code == 200, "the tenant that was looked at is gone: all are looked at again"
