"""docs/errors.md names every code that the code can answer with, and nothing else (E6)."""

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def tool() -> Any:
    spec = importlib.util.spec_from_file_location("make_errors", ROOT / "tools" / "make_errors.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_code_says(tool: Any) -> None:
    assert (ROOT / "docs" / "errors.md").read_text(encoding="utf-8") == tool.page(), "run `make errors`"


def test_every_code_in_the_code_is_on_the_page(tool: Any) -> None:
    """Found by another road than the page is made by: the bare words, wherever they stand."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "akount").rglob("*.py")]
    written = {code for text in texts for code in re.findall(r"""\bcode(?:: str)? ?= ?["']([a-z_]+)["']""", text)}
    assert len(written) > 40
    assert written - {code for _, code, _ in tool.said()} == tool.INSIDE


def test_every_code_says_in_a_sentence_what_is_wrong(tool: Any) -> None:
    assert [said for said in tool.said() if not re.fullmatch(r"[A-Z…][^\n|]{8,}\.", " ".join(said[2].split()))] == []
    assert [said for said in tool.said() if not re.fullmatch(r"[a-z0-9_]{4,40}", said[1])] == []


def test_a_code_has_one_status(tool: Any) -> None:
    statuses: dict[str, set[int]] = {}
    for status, code, _ in tool.said():
        statuses.setdefault(code, set()).add(status)
    assert {code: found for code, found in statuses.items() if len(found) > 1} == {}
