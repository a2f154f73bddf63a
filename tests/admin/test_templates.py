"""What the templates of the console may not have: a way around escaping, and anything inline that the policy forbids (E1)."""

import re
from pathlib import Path

import pytest

ADMIN = Path(__file__).parent.parent.parent / "akount" / "admin"
TEMPLATES = sorted((ADMIN / "templates").rglob("*.html"))
FORBIDDEN = {
    "a way around escaping": r"\|\s*safe\b|autoescape|Markup",
    "style inline": r"<style|\sstyle=",
    "script inline": r"<script(?![^>]*\ssrc=)|\son[a-z]+=|javascript:",
    "another host": r"(?:src|href|action)=[\"']?(?:https?:)?//",
    "an attribute without quotes around a value": r"=\{\{",
}


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_has_nothing_that_the_policy_forbids(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert {what for what, pattern in FORBIDDEN.items() if re.search(pattern, text, re.IGNORECASE)} == set()


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_every_form_that_changes_something_carries_the_token(path: Path) -> None:
    forms = re.findall(r"<form\b[^>]*method=.post.*?</form>", path.read_text(encoding="utf-8"), re.DOTALL | re.IGNORECASE)
    assert [form for form in forms if "hidden(" not in form and "csrf_token()" not in form] == []


def test_no_code_of_the_console_vouches_for_a_text() -> None:
    for path in ADMIN.rglob("*.py"):
        code = path.read_text(encoding="utf-8")
        assert not re.search(r"import Markup|Markup\(|render_template_string", code), path


def test_the_script_has_no_sink_that_runs_text() -> None:
    script = (ADMIN / "static" / "console.js").read_text(encoding="utf-8")
    assert not re.search(r"\.innerHTML\s*=|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|setAttribute", script)


def test_what_a_list_page_weighs() -> None:
    """Style, script and icons, compressed; a page itself is measured in test_console_pages.py."""
    import gzip

    assert sum(len(gzip.compress(path.read_bytes())) for path in (ADMIN / "static").iterdir()) < 20_000
