"""A browser for the tests of the console: Debian's Chromium by Playwright, and the console behind a real socket.

Where either is missing the tests say so and are skipped; CI has both.
"""

import contextlib
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.serving import make_server

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
AXE = Path(__file__).parent / "axe" / "axe.min.js"
VIOLATIONS = """window.violations = [];
addEventListener('securitypolicyviolation', e => violations.push(e.violatedDirective + ' ' + e.blockedURI))"""
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1366, "height": 900}


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """The browser; skips where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no chromium here (apt-get install chromium, or say where in CHROMIUM)")
    with playwright.sync_playwright() as driver:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@contextlib.contextmanager
def listening(app: Flask) -> Iterator[str]:
    """The address of the application behind a socket of its own."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()


def somebody(
    browser: Any, address: str, email: str, password: str, *, script: bool = True, theme: str = "light", size: Any = None
) -> Any:
    """A page of somebody who has signed in by the form."""
    context = browser.new_context(base_url=address, java_script_enabled=script, color_scheme=theme, viewport=size or DESKTOP)
    context.set_default_timeout(30_000)
    page = context.new_page()
    page.add_init_script(VIOLATIONS)
    page.goto("/admin/sign-in")
    page.fill("#email", email)
    page.fill("#password", password)
    page.click("button.main")
    page.wait_for_url("**/admin/overview")
    return page


def audit(page: Any) -> list[str]:
    """What axe finds wrong with the page."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']}: {node['html'][:160]} {node['failureSummary'][:300]}"
        for one in found["violations"]
        for node in one["nodes"][:3]
    ]
