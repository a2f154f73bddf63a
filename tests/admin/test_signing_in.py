"""The way into the console and out, what a form carries, flashes, fragments, and what a read-only console refuses."""

import dataclasses
import re
import uuid
from collections.abc import Iterator

import pytest
from console_help import TOKEN, Visitor, visitor
from flask import Flask
from sqlalchemy import select

import config
from akount import accounts
from akount.identity import sessions
from akount.lifecycle import Runtime
from akount.models import AuditEntry, JobStatus, Login, Role
from fresh import serving, web_application
from make import submitted
from people import People
from ways import PASSWORD


@pytest.fixture
def app(settings: config.Settings) -> Iterator[Flask]:
    """With all tries to sign in."""
    with serving(settings) as app:
        yield app


@pytest.fixture
def email(runtime: Runtime, people: People) -> str:
    """The address of somebody with a password."""
    email = f"{uuid.uuid4()}@example.com"
    with runtime.database.transaction() as session:
        user = accounts.add_user(session, email, people.ada.actor.tenant, Role.OWNER)
        sessions.set_password(session, user, PASSWORD)
    return email


def sign_in(browser: Visitor, email: str, password: str = PASSWORD, **more: str):
    token = TOKEN.search(browser.get("/admin/sign-in").text)
    assert token
    return browser.post("/admin/sign-in", token[1], email=email, password=password, **more)


def test_one_comes_back_to_the_page_one_wanted(app: Flask, email: str) -> None:
    browser = Visitor(app)
    sent = browser.get("/admin/jobs?state=failed").headers["Location"]
    assert sent == "/admin/sign-in?next=/admin/jobs?state%3Dfailed"
    answer = sign_in(browser, email, next="/admin/jobs?state=failed")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/admin/jobs?state=failed")
    assert browser.get("/admin/jobs").status_code == 200


@pytest.mark.parametrize(
    "next_", ["https://evil.example/", "//evil.example", "/admin/\\evil", "/api/session", "/admin/\r\nX: y", "admin/"]
)
def test_nobody_is_sent_elsewhere_after_signing_in(app: Flask, email: str, next_: str) -> None:
    assert sign_in(Visitor(app), email, next=next_).headers["Location"] == "/admin/"


def test_the_session_is_a_new_one_and_its_cookie_is_for_the_browser_alone(app: Flask, email: str, runtime: Runtime) -> None:
    browser = Visitor(app)
    sign_in(browser, email)
    before = browser.client.get_cookie("akount")
    answer = sign_in(browser, email)
    cookie = next(c for c in answer.headers.getlist("Set-Cookie") if c.startswith("akount="))
    assert {"HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=43200"} <= set(cookie.split("; "))
    assert before and browser.client.get_cookie("akount").value != before.value
    assert Visitor(app, before.value).get("/admin/jobs").status_code == 303, "the one before is over"


def test_production_asks_for_https_and_binds_the_cookies_to_the_host(app: Flask, email: str) -> None:
    held = app.extensions["akount"]
    app.extensions["akount"] = dataclasses.replace(held, settings=dataclasses.replace(held.settings, app_env="production"))
    app.extensions["console"] = dataclasses.replace(app.extensions["console"], settings=app.extensions["akount"].settings)
    browser = Visitor(app)
    browser.client.environ_base["wsgi.url_scheme"] = "https"
    cookies = sign_in(browser, email).headers.getlist("Set-Cookie")
    session = next(c for c in cookies if c.startswith("__Host-akount="))
    assert "Secure" in session.split("; ")


def test_a_wrong_password_is_told_and_who_tries_too_often_waits(app: Flask, email: str) -> None:
    browser = Visitor(app)
    answer = sign_in(browser, email, "wrong wrong wrong")
    assert (answer.status_code, "is wrong" in answer.text, f'value="{email}"' in answer.text) == (401, True, True)
    assert "wrong wrong wrong" not in answer.text
    assert [sign_in(browser, email, "wrong wrong wrong").status_code for _ in range(10)][-1] == 429


def test_the_form_of_the_door_is_this_browsers(app: Flask, email: str) -> None:
    one, other = Visitor(app), Visitor(app)
    token = TOKEN.search(one.get("/admin/sign-in").text)
    other.get("/admin/sign-in")
    assert token and "wrong_form" in other.post("/admin/sign-in", token[1], email=email, password=PASSWORD).text
    assert "wrong_form" in one.post("/admin/sign-in", "", email=email, password=PASSWORD).text


def test_who_signs_out_is_out(app: Flask, email: str, runtime: Runtime) -> None:
    browser = Visitor(app)
    sign_in(browser, email)
    token = browser.client.get_cookie("akount").value
    assert browser.post("/admin/sign-out").headers["Location"] == "/admin/sign-in"
    assert Visitor(app, token).get("/admin/jobs").status_code == 303
    with runtime.database.snapshot() as session:
        assert session.scalars(select(Login.revoked_at).order_by(Login.created_at.desc())).first() is not None
        assert {"session.open", "session.close"} <= set(session.scalars(select(AuditEntry.action)))


def test_who_belongs_to_several_tenants_chooses_one(app: Flask, runtime: Runtime, people: People, email: str) -> None:
    with runtime.database.transaction() as session:
        accounts.add_user(session, email, people.mallory.actor.tenant, Role.ADMIN)
    browser = Visitor(app)
    sign_in(browser, email)
    sent = browser.get("/admin/jobs").headers["Location"]
    assert sent.startswith("/admin/scope?back=/admin/jobs")
    choice = browser.get(sent).text
    assert "Mallory Ltd" in choice
    token = TOKEN.search(choice)
    assert token
    assert (
        browser.post("/admin/scope", token[1], tenant=str(people.mallory.actor.tenant), back="/admin/jobs").headers["Location"]
        == "/admin/jobs"
    )
    assert "Mallory Ltd" in browser.get("/admin/jobs").text


def test_what_came_of_an_action_is_said_once(app: Flask, runtime: Runtime, people: People) -> None:
    ada = visitor(app, runtime.database, people.ada.actor.tenant, Role.OWNER)
    job = submitted(runtime, people.ada)
    answer = ada.post(f"/admin/jobs/{job.id}/cancel", back="/admin/jobs?state=cancelled")
    assert answer.headers["Location"] == "/admin/jobs?state=cancelled"
    assert ada.flash(answer) == "good: The job is cancelled."
    assert "flash" not in ada.get("/admin/jobs").text
    again = ada.post(f"/admin/jobs/{job.id}/cancel", back="/admin/jobs?state=cancelled")
    assert ada.flash(again) == "bad: The job is over; only one that waits or runs can be cancelled."
    with runtime.database.snapshot() as session:
        entries = session.scalars(select(AuditEntry).where(AuditEntry.target == f"job:{job.id}")).all()
    assert [(entry.action, entry.role, entry.tenant_id) for entry in entries] == [("job.cancel", "OWNER", people.ada.actor.tenant)]


def test_discarding_asks_for_the_reason(app: Flask, runtime: Runtime, people: People) -> None:
    ada = visitor(app, runtime.database, people.ada.actor.tenant, Role.OWNER)
    job = submitted(runtime, people.ada)
    ada.post(f"/admin/jobs/{job.id}/cancel")
    page = ada.get(f"/admin/jobs/{job.id}/discard")
    assert 'name="reason" required' in page.text
    assert ada.flash(ada.post(f"/admin/jobs/{job.id}/discard", back="/admin/jobs")).startswith("bad: Say why")


def test_a_fragment_that_has_not_changed_is_not_sent_again(app: Flask, runtime: Runtime, people: People) -> None:
    ada = visitor(app, runtime.database, people.ada.actor.tenant, Role.OWNER)
    submitted(runtime, people.ada)
    first = ada.get("/admin/jobs?fragment=1")
    assert (first.status_code, "<html" in first.text, 'id="strip"' in first.text) == (200, False, True)
    same = ada.get("/admin/jobs?fragment=1", headers={"If-None-Match": first.headers["ETag"]})
    assert (same.status_code, same.headers["X-Numbers-At"] >= first.headers["X-Numbers-At"]) == (304, True), "how old it is is told"
    submitted(runtime, people.ada)
    assert ada.get("/admin/jobs?fragment=1", headers={"If-None-Match": first.headers["ETag"]}).status_code == 200
    assert Visitor(app).get("/admin/jobs?fragment=1").status_code == 401, "a page that refreshes itself is told, not sent away"


def test_a_read_only_console_shows_and_changes_nothing(settings: config.Settings, runtime: Runtime, people: People) -> None:
    app = web_application(dataclasses.replace(settings, console_read_only=True))
    ada = visitor(app, runtime.database, people.ada.actor.tenant, Role.OWNER)
    job = submitted(runtime, people.ada)
    page = ada.get(f"/admin/jobs/{job.id}").text
    assert "CONSOLE_READ_ONLY" in page
    assert not re.search(r'action="/admin/jobs/', page)
    assert ada.post(f"/admin/jobs/{job.id}/cancel").status_code == 403
    with runtime.database.snapshot() as session:
        assert session.get_one(type(job), job.id).status is JobStatus.WAITING
    assert ada.post("/admin/sign-out").status_code == 303
    app.extensions["akount"].close()


def test_a_fault_of_ours_is_a_page_with_the_request_id(
    app: Flask, runtime: Runtime, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = visitor(app, runtime.database, people.ada.actor.tenant, Role.OWNER)
    monkeypatch.setattr("akount.listing.jobs", lambda *_args, **_more: 1 / 0)
    answer = ada.get("/admin/jobs")
    assert (answer.status_code, answer.content_type) == (500, "text/html; charset=utf-8")
    assert answer.headers["X-Request-ID"] in answer.text
    assert "ZeroDivision" not in answer.text


def test_the_theme_is_the_browsers(app: Flask, runtime: Runtime, people: People) -> None:
    ada = visitor(app, runtime.database, people.ada.actor.tenant, Role.OWNER)
    assert ada.post("/admin/theme", theme="dark", back="/admin/jobs").headers["Location"] == "/admin/jobs"
    assert '<html lang="en" data-theme="dark">' in ada.get("/admin/jobs").text
    ada.client.set_cookie("akount-theme", '"><script>')
    assert '<html lang="en">' in ada.get("/admin/jobs").text


def test_style_and_script_may_be_kept_as_long_as_they_are_these(app: Flask, runtime: Runtime, people: People) -> None:
    ada = visitor(app, runtime.database, people.ada.actor.tenant, Role.OWNER)
    found = re.findall(r'"(/admin/static/[^"#]+)', ada.get("/admin/jobs").text)
    assert {path.rpartition("/")[2] for path in found} == {"console.css", "console.js", "icons.svg", "mark.svg"}
    for path in found:
        assert "immutable" in Visitor(app).get(path).headers["Cache-Control"], path
    assert Visitor(app).get("/admin/static/old/console.css").headers["Cache-Control"] == "no-cache"
    assert Visitor(app).get("/admin/static/x/..%2f..%2fshell.py").status_code == 404
