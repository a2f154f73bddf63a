"""The console in a real browser: light and dark, desk and phone, with script and without; what strangers wrote stays text."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from browser import DESKTOP, PHONE, audit, chromium, listening, somebody
from sqlalchemy import select, update

import config
from akount.lifecycle import Runtime
from akount.models import Job, Record, RecordStatus
from fresh import serving, settings_for
from scene import OPERATOR, OWNER, PASSWORD, Scene, set_up

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def settings(browser: Any, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> config.Settings:
    return settings_for(request, tmp_path_factory)


@pytest.fixture(scope="module")
def scene(runtime: Runtime) -> Scene:
    return set_up(runtime.database, hostile=True)


@pytest.fixture(scope="module")
def address(settings: config.Settings, scene: Scene) -> Iterator[str]:
    with serving(settings) as app, listening(app) as address:
        yield address


@pytest.fixture(scope="module")
def paths(settings: config.Settings, scene: Scene, runtime: Runtime) -> list[str]:
    """Every page of the console, with things of the scene in its arguments."""
    with serving(settings) as app, runtime.database.snapshot() as session:
        dead = session.get_one(Job, scene.dead[0])
        record = session.scalars(select(Record).where(Record.status == RecordStatus.NEEDS_REVIEW)).first()
        assert record is not None
        things = {
            "job_id": dead.id,
            "operation_id": scene.operation,
            "name": dead.queue,
            "fingerprint": dead.fingerprint,
            "tenant_id": scene.ours.id,
            "document_id": record.document_id,
            "record_id": record.id,
            "webhook_id": scene.webhook,
        }
        with app.test_request_context():
            found = []
            for rule in app.url_map.iter_rules():
                if rule.endpoint.startswith("admin.") and "GET" in (rule.methods or ()) and rule.arguments <= things.keys():
                    found.append(app.url_for(rule.endpoint, **{name: things[name] for name in rule.arguments}))
    more = [
        "/admin/jobs?state=failed",
        "/admin/operations/new?action=retry&state=failed&code=encrypted",
        "/admin/nothing/here",
        "/admin/search?q=in",
        "/admin/workers/drain?worker=host/1:7:1",
    ]
    skipped = (
        "/admin",
        "/admin/",
        "/admin/operations/new",
        "/admin/audit/export",
        "/admin/workers/drain",
        "/admin/workers/requeue",
    )
    return sorted({*found, *more} - {*skipped, *owners(scene)})


def owners(scene: Scene) -> list[str]:
    """Pages of a tenant's own people, which an operator may not see."""
    return [f"/admin/webhooks/{scene.webhook}/remove", f"/admin/tenants/{scene.ours.id}/hosted"]


@pytest.mark.parametrize(("theme", "size"), [("light", DESKTOP), ("dark", PHONE)], ids=["light-desk", "dark-phone"])
def test_every_page_is_accessible_inert_and_within_the_policy(
    browser: Any, address: str, scene: Scene, paths: list[str], theme: str, size: Any
) -> None:
    wrong = {}
    for who, seen in ((OPERATOR, paths), (OWNER, owners(scene))):
        page = somebody(browser, address, who, PASSWORD, theme=theme, size=size)
        wrong |= looked_at(page, seen)
        page.context.close()
    assert wrong == {}


def looked_at(page: Any, paths: list[str]) -> dict[str, list[str]]:
    """What is wrong with each page."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    wrong = {}
    for path in paths:
        said.clear()
        page.goto(path)
        found = audit(page) + page.evaluate("window.violations")
        found += [text for text in said if "404" not in text]
        found += ["a title that a stranger chose"] if page.title() == "owned" else []
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        found += [f"{wide} px wider than the window"] if wide > 0 else []
        if found:
            wrong[path] = found
    return wrong


def test_rows_are_chosen_with_shift_and_retried_in_the_background(
    browser: Any, address: str, scene: Scene, runtime: Runtime
) -> None:
    page = somebody(browser, address, OWNER, PASSWORD)
    page.goto("/admin/jobs?state=failed")
    boxes = page.locator("tbody input[type=checkbox]")
    boxes.nth(0).click()
    boxes.nth(2).click(modifiers=["Shift"])
    assert page.locator("[data-count]").inner_text() == "3 chosen:"
    page.locator("#live-state", has_text="Paused: 3 rows selected").wait_for()
    page.click("button[value=retry]")
    assert page.locator(".total").inner_text() == "3 jobs"
    page.click("button.main")
    page.wait_for_url("**/admin/operations/*")
    assert "It is under way" in page.locator(".flash").inner_text()
    page.context.close()


def test_without_script_a_job_is_discarded_by_keyboard_and_form(browser: Any, address: str, scene: Scene, runtime: Runtime) -> None:
    page = somebody(browser, address, OPERATOR, PASSWORD, script=False)
    page.goto("/admin/jobs?state=failed")
    page.locator("tbody th a").last.click()
    page.get_by_role("link", name="Discard…").focus()
    page.keyboard.press("Enter")
    page.locator("#reason").focus()
    page.keyboard.type("not ours")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.locator(".flash.good").inner_text() == "The job is discarded."
    assert page.locator("h1 .badge").inner_text() == "discarded"
    page.context.close()


def test_a_page_refreshes_itself_and_leaves_alone_what_somebody_does(
    browser: Any, address: str, scene: Scene, runtime: Runtime
) -> None:
    page = somebody(browser, address, OPERATOR, PASSWORD)
    page.goto("/admin/jobs?state=waiting")
    row = page.locator("tbody tr").first
    job_id = row.get_attribute("data-key")
    with page.expect_response(lambda answer: "fragment=1" in answer.url, timeout=30_000):
        pass
    with runtime.database.transaction() as session:
        session.execute(update(Job).where(Job.id == uuid.UUID(job_id)).values(error_code="seen_by_refresh"))
    page.get_by_text("seen_by_refresh").first.wait_for(timeout=30_000)
    page.click("#live-switch")
    assert page.locator("#live-state").inner_text() == "Paused"
    page.context.close()


def test_the_theme_is_kept_and_the_menu_of_a_phone_opens_without_script(browser: Any, address: str) -> None:
    page = somebody(browser, address, OPERATOR, PASSWORD, script=False, size=PHONE)
    page.click("button[value=dark]")
    assert page.locator("html").get_attribute("data-theme") == "dark"
    page.click(".menu summary")
    page.locator(".menu a", has_text="Failures").click()
    assert page.locator("h1").inner_text() == "Failures"
    page.context.close()
