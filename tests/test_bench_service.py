"""The bench of the service: what it sends is new and of the size it says, and its page tells ratios of the same round."""

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from benchmarks.service import page
from benchmarks.service.measure import paper


@pytest.mark.parametrize("size", [10_240, 102_400, 2_097_152])
def test_a_paper_is_a_new_pdf_of_exactly_its_size(size: int) -> None:
    one, two = paper(size), paper(size)
    assert len(one) == len(two) == size
    assert one != two
    assert len(PdfReader(BytesIO(one), strict=True).pages) == 1


def figures(*rates: float) -> list[dict[str, float]]:
    return [{"per_second": rate, "p50_ms": 1.0, "p99_ms": 100 / rate, "cpu_ms": 2.0} for rate in rates]


@pytest.fixture
def found() -> dict[str, Any]:
    each = {"ours": figures(100, 50, 90), page.RIVAL: figures(50, 100, 60)}
    return {
        "about": {"rounds": 3, "seconds": 6, "cpus": 2, "load before": 0.1, "note": "", "versions": {"flask": "3"}},
        "asked": {"upload, 100 KB": each, "upload, 2 MB": each},
        "memory": {"ours": 200.0, page.RIVAL: 210.0},
        "waiting": {"ours": 84.0, page.RIVAL: 700.0},
        "read": {"PDF with text": 4.4},
        "parts": {"nginx": 4.0},
    }


def test_ratios_are_those_of_the_same_round(found: dict[str, Any]) -> None:
    assert page.ratio_to(found["asked"]["upload, 100 KB"], page.RIVAL, "per_second") == 1.5


def test_the_page_says_which_aims_are_met(found: dict[str, Any], tmp_path: Path) -> None:
    text = page.text(found)
    assert "| upload, 100 KB: at least as many as Fastify + BullMQ, id only | 1.50 | yes |" in text
    assert "84 B | yes" in text
    found["waiting"]["ours"] = 2048.0
    assert "2048 B | no" in page.text(found)
    page.write(found, text, tmp_path)
    assert (tmp_path / "bench.md").read_text() == text
