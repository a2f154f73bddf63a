"""Every action of the console by keyboard alone and without JavaScript: each is reached by Tab and sent by Enter (WCAG 2.1.1).

Nothing is listed by hand: the pages are walked, each form that is found is sent once, and at the end every action of the URL
map must have been.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from browser import chromium, listening, somebody
from flask import Flask
from sqlalchemy import select, update

import config
from akount.db import now
from akount.identity import keys
from akount.lifecycle import Runtime
from akount.models import Job, JobStatus, Login, Record, RecordStatus, Role, User, WorkerProcess
from fresh import settings_for
from scene import OPERATOR, OWNER, PASSWORD, VIEWER, Scene, set_up
from ways import session_token

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

MOST_TABS = 400
SENDERS = """() => [...document.querySelectorAll('form')].flatMap(form => {
  const buttons = [...form.querySelectorAll('button')].filter(b => b.type === 'submit' && !b.disabled)
  const senders = buttons.length ? buttons : [...form.querySelectorAll('input[type=search]')]
  return senders.map(one => ({place: [...document.querySelectorAll('button, input')].indexOf(one),
    method: form.method.toUpperCase(), said: one.value,
    path: new URL(one.getAttribute('formaction') || form.getAttribute('action'), location).pathname}))
})"""
STANDS = """e => {
  const here = document.activeElement, fold = here.parentElement
  if (e === here) return 'there'
  return here.matches('summary') && !fold.open && e.closest('details') === fold ? 'before it, folded' : 'elsewhere'
}"""
LAST = "sign_out"
OF_SOME_JOBS = ("admin.ask_cancel_job", "admin.ask_discard_job")
DOWNLOADS = ("export_audit",)
MAY_REFUSE = ("approve_record",)
"""The record of the scene lacks what an approved one must have: the form comes back and says so."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as opened_:
        yield opened_


@pytest.fixture(scope="module")
def settings(browser: Any, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> config.Settings:
    return settings_for(request, tmp_path_factory)


@pytest.fixture(scope="module")
def scene(runtime: Runtime) -> Scene:
    return set_up(runtime.database)


def first_of(session: Any, scene: Scene, *where: Any) -> Any:
    return session.scalars(select(Job).where(Job.tenant_id == scene.ours.id, *where).order_by(Job.created_at)).first()


def pages(app: Flask, runtime: Runtime, scene: Scene) -> list[str]:
    """Every page, about things on which each action can be done."""
    session_token(runtime.database, scene.ours.id, Role.VIEWER)
    with runtime.database.transaction() as session:
        viewer = session.scalars(select(User).where(User.email == VIEWER)).one()
        key, _token = keys.add(session, scene.ours.id, Role.VIEWER, "of a test", viewer.id)
        records = session.scalars(select(Record).where(Record.tenant_id == scene.ours.id)).all()
        fresh, rejected, *_ = records
        for record, status in ((fresh, RecordStatus.NEEDS_REVIEW), (rejected, RecordStatus.REJECTED)):
            record.status = status
        dead = session.get_one(Job, scene.dead[0])
        another = (Job.id != dead.id, Job.discarded_at.is_(None))
        states = (JobStatus.WAITING, JobStatus.DELAYED, JobStatus.FAILED)
        jobs = [first_of(session, scene, Job.status == one, *another) for one in states]
        held, living = session.scalars(select(WorkerProcess).order_by(WorkerProcess.seen_at)).all()[::3]
        session.execute(update(WorkerProcess).where(WorkerProcess.name == living.name).values(seen_at=now()))
        login = session.scalars(select(Login).order_by(Login.created_at.desc())).first()
        things: dict[str, Any] = {
            "session_id": login.id,
            "key_id": key.id,
            "job_id": dead.id,
            "operation_id": scene.operation,
            "name": dead.queue,
            "fingerprint": dead.fingerprint,
            "tenant_id": scene.ours.id,
            "document_id": fresh.document_id,
            "record_id": fresh.id,
            "webhook_id": scene.webhook,
        }
        waiting, delayed, failed = (f"/admin/jobs/{job.id}" for job in jobs)
        more = [f"{waiting}/cancel", delayed, f"{failed}/discard"]
        more += [f"/admin/documents/{rejected.document_id}", "/admin/jobs?state=failed", "/admin/jobs?state=waiting"]
        more += [f"/admin/workers/drain?worker={living.name}", f"/admin/workers/requeue?worker={held.name}"]
        more += ["/admin/operations/new?action=retry&state=failed&code=encrypted"]
    with app.test_request_context():
        rules = [
            rule
            for rule in app.url_map.iter_rules()
            if rule.endpoint.startswith("admin.") and "GET" in (rule.methods or ()) and rule.endpoint not in OF_SOME_JOBS
        ]
        found = [
            app.url_for(rule.endpoint, **{name: things[name] for name in rule.arguments})
            for rule in rules
            if rule.arguments <= things.keys() and "export" not in rule.rule and "image" not in rule.rule
        ]
    bare = ("/admin", "/admin/", "/admin/workers/drain", "/admin/workers/requeue", "/admin/operations/new", "/admin/sign-in")
    return sorted({*found, *more} - set(bare))


def reach(page: Any, what: Any) -> None:
    """By Tab alone, from the beginning of the page or of its content."""
    if what.evaluate("e => !!e.closest('main')"):
        page.locator("main").focus()
    what = what.element_handle()  # looked for once and not at each step
    for _ in range(MOST_TABS):
        stands = what.evaluate(STANDS)
        if stands == "there":
            return
        page.keyboard.press("Enter" if stands == "before it, folded" else "Tab")
    raise AssertionError(f"Tab does not come to {what.evaluate('e => e.outerHTML')}")


def send(page: Any, place: int, *, download: bool = False) -> int:
    """Fills what must be filled and presses Enter; answers the status of what came of it."""
    sender = page.locator("button, input").nth(place)
    form = sender.locator("xpath=ancestor::form")
    for field in form.locator("[required]").all():
        if not field.input_value():
            reach(page, field)
            page.keyboard.type(field.get_attribute("pattern") or "of a test")
    box = form.locator("input[type=checkbox][name=id]")
    if box.count():
        reach(page, box.first)
        page.keyboard.press("Space")
    reach(page, sender)
    if download:
        with page.expect_download():
            page.keyboard.press("Enter")
        return 200
    with page.expect_navigation() as gone:
        page.keyboard.press("Enter")
    return gone.value.status


def actions(app: Flask) -> set[str]:
    """Every action that there is."""
    rules = (rule for rule in app.url_map.iter_rules() if "POST" in (rule.methods or ()))
    return {rule.endpoint.removeprefix("admin.") for rule in rules if rule.endpoint.startswith("admin.")}


def walk(page: Any, app: Flask, paths: list[str], done: dict[str, int]) -> None:
    """Sends each form that no page before had, until there is no action left."""
    router = app.url_map.bind("localhost")
    for path in paths:
        while actions(app) - done.keys() - {"sign_in", LAST}:
            answer = page.goto(path)
            found = page.evaluate(SENDERS) if answer.status == 200 else []
            new = {}
            for one in found:
                name = router.match(one["path"], one["method"])[0].removeprefix("admin.")
                new.setdefault(f"{name} {one['said']}" if name == "ask_start_operation" else name, one["place"])
            left = [(name, place) for name, place in new.items() if name not in done and name != LAST]
            if not left:
                break
            name, place = left[0]
            status = send(page, place, download=name in DOWNLOADS)
            done[name] = 422 if page.locator(".flash.bad[role=status]").count() else status


def test_every_action_is_done_by_keyboard_alone_and_without_script(
    browser: Any, app: Flask, runtime: Runtime, scene: Scene
) -> None:
    paths, done = pages(app, runtime, scene), dict[str, int]()
    again = ["/admin/queues", f"/admin/tenants/{scene.ours.id}"]  # what was paused is resumed
    own = [path for path in paths if path.split("/")[2] in ("documents", "access", "webhooks") or path.endswith("/hosted")]
    with listening(app) as address:
        for who, where in ((OPERATOR, [*paths, *again]), (OWNER, own)):
            page = somebody(browser, address, who, PASSWORD, script=False)
            walk(page, app, where, done)
            page.goto("/admin/overview")
            (leave,) = [one["place"] for one in page.evaluate(SENDERS) if one["path"].endswith("/sign-out")]
            done[LAST] = send(page, leave)
            page.context.close()
    assert actions(app) - done.keys() == {"sign_in"}, "and that one signed in"
    assert {name for name, status in done.items() if status != 200} <= set(MAY_REFUSE), done
