"""A receipt in a real browser: photographed, sent, read, looked at with its boxes, put right and approved by keyboard; the next
one of the same vendor comes out right by itself."""

import csv
import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from browser import DESKTOP, PHONE, audit, chromium, listening, somebody
from PIL import Image

import config
from akount import accounts
from akount.identity import sessions
from akount.lifecycle import Runtime
from akount.models import Role
from fresh import serving, settings_for
from make import SAMPLES
from people import People, settle_in
from worker import Consumer

pytestmark = pytest.mark.slow

RECEIPT = SAMPLES / "hardware-receipt-photo-eur.jpg"
EMAIL, PASSWORD = "owner@review.example", "correct horse battery"
VENDOR = "Nagel & Söhne"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def settings(browser: Any, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> config.Settings:
    return settings_for(request, tmp_path_factory)


@pytest.fixture(scope="module")
def people(runtime: Runtime) -> People:
    people = settle_in(runtime.database)
    with runtime.database.transaction() as session:
        sessions.set_password(session, accounts.add_user(session, EMAIL, people.ada.actor.tenant, Role.OWNER), PASSWORD)
    return people


@pytest.fixture(scope="module")
def address(settings: config.Settings, people: People) -> Iterator[str]:
    with serving(settings) as app, listening(app) as address:
        yield address


@pytest.fixture(scope="module")
def worker(runtime: Runtime, people: People) -> Iterator[Consumer]:
    """A real one, with the models."""
    with Consumer(runtime, real=True) as worker:
        yield worker


def read(address: str, people: People, photo: bytes) -> dict[str, Any]:
    """Sends a photo over HTTP and waits until the worker has read it; its record."""
    url = f"{address}/api/business/bills"
    sent = requests.post(f"{url}/scan", files={"file": ("receipt.jpg", photo)}, headers=people.ada.headers, timeout=30)
    assert sent.status_code == 202, sent.text
    job, ends = {"status": "waiting"}, time.monotonic() + 60
    while job["status"] in ("waiting", "active") and time.monotonic() < ends:
        headers = people.ada.headers | {"Prefer": "wait=5"}
        job = requests.get(address + sent.json()["statusUrl"], headers=headers, timeout=30).json()
    assert job["status"] == "completed", job
    found: dict[str, Any] = requests.get(f"{url}/{job['result']['recordId']}", headers=people.ada.headers, timeout=30).json()
    return found


def another_photo(path: Path) -> bytes:
    """Of the same receipt: other bytes."""
    out = io.BytesIO()
    with Image.open(path) as image:
        image.save(out, "JPEG", quality=88)
    return out.getvalue()


def test_a_receipt_is_looked_at_put_right_and_approved_and_teaches(
    browser: Any, address: str, people: People, worker: Consumer
) -> None:
    first = read(address, people, RECEIPT.read_bytes())
    assert first["status"] in ("needs_review", "manual_entry")
    assert first["vendor"] not in (None, VENDOR)

    page = somebody(browser, address, EMAIL, PASSWORD)
    page.goto("/admin/review")
    page.locator("tbody th a").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/documents/*")
    page.wait_for_function("document.querySelector('.sheet img').naturalWidth > 0")
    page.locator("#f-total a").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**#b-total")
    box, sheet = page.locator("#b-total").bounding_box(), page.locator(".sheet img").first.bounding_box()
    x0, y0, x1, y1 = first["evidence"]["totalAmount"]["box"]
    assert box["x"] == pytest.approx(sheet["x"] + x0 * sheet["width"], abs=8)
    assert box["y"] + box["height"] == pytest.approx(sheet["y"] + y1 * sheet["height"], abs=8)
    assert box["width"] == pytest.approx((x1 - x0) * sheet["width"], abs=16)
    assert box["height"] == pytest.approx((y1 - y0) * sheet["height"], abs=16)

    page.locator("#i-name").focus()
    page.keyboard.press("Control+A")
    page.keyboard.type(VENDOR)
    page.locator("input[name=line-0-description]").focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("Put right by hand")
    page.get_by_role("button", name="Save and approve").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/review")
    assert page.locator(".flash.good").inner_text().strip() == "The record is approved."
    page.context.close()

    export = requests.get(f"{address}/api/business/bills/export?status=approved", headers=people.ada.headers, timeout=30)
    rows = list(csv.DictReader(io.StringIO(export.content.decode("utf-8-sig"), newline="")))
    assert rows[0]["vendor"] == VENDOR
    assert rows[0]["description"] == "Put right by hand"

    second = read(address, people, another_photo(RECEIPT))
    assert second["vendor"] == VENDOR
    assert second["learned"]["vendor"] == {"machine": first["vendor"], "recordId": first["id"]}
    assert (second["counterpartyId"], second["duplicateOf"]) == (rows_party(address, people, first["id"]), first["id"])

    page = somebody(browser, address, EMAIL, PASSWORD, script=False)  # the whole of it works without a script
    page.goto("/admin/review/next")
    assert page.locator("#i-name").input_value() == VENDOR
    assert "an earlier correction" in page.locator("#f-name").inner_text()
    page.locator("#reason").fill("Sent twice.")
    page.get_by_role("button", name="Reject").click()
    assert page.locator(".flash.good").inner_text().strip() == "The record is rejected."
    page.context.close()


def rows_party(address: str, people: People, record_id: str) -> str:
    found = requests.get(f"{address}/api/business/bills/{record_id}", headers=people.ada.headers, timeout=30).json()
    return str(found["counterpartyId"])


@pytest.mark.parametrize(("theme", "size"), [("light", DESKTOP), ("dark", PHONE)], ids=["light-desk", "dark-phone"])
def test_the_pages_of_review_are_accessible_and_within_the_policy(
    browser: Any, address: str, people: People, worker: Consumer, theme: str, size: Any
) -> None:
    """With what the test before has left: one approved, one rejected."""
    page = somebody(browser, address, EMAIL, PASSWORD, theme=theme, size=size)
    wrong = {}
    page.goto("/admin/documents")
    paths = ["/admin/review", "/admin/review?state=approved", "/admin/documents"]
    paths += [link.get_attribute("href") for link in page.locator("tbody th a").all()]
    for path in paths:
        page.goto(path)
        found = audit(page) + page.evaluate("window.violations")
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        found += [f"{wide} px wider than the window"] if wide > 0 else []
        if found:
            wrong[path] = found
    page.context.close()
    assert wrong == {}
