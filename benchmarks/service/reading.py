"""Documents a second of each kind, through nginx, web server, queue and one reading process, to the finished record."""

from __future__ import annotations

import tempfile
import time
import uuid
from pathlib import Path

import httpx

from make import SAMPLES
from tools.chaos.cluster import ask
from tools.stack.stack import Shape, Stack, memory, running, settled

PAPERS = {
    "e-invoice (XML)": "canal-house-ubl-eur.xml",
    "PDF with text": "bindery-chf.pdf",
    "scanned PDF (OCR)": "credit-note-scan-eur.pdf",
    "photo (OCR)": "hardware-receipt-photo-eur.jpg",
}
PATIENCE_SECONDS = 900


def measure(counts: dict[str, int]) -> tuple[dict[str, float], dict[str, float]]:
    """Documents a second by kind, of one reading process, and MiB of each part afterwards."""
    with tempfile.TemporaryDirectory(prefix="bench-reading-") as directory, running(Path(directory), Shape()) as stack:
        found = {kind: _drained(stack, PAPERS[kind], count) for kind, count in counts.items()}
        return found, {name: round(settled(family, memory), 1) for name, family in stack.family().items()}


def _drained(stack: Stack, name: str, count: int) -> float:
    """From the first upload to the last record."""
    data = (SAMPLES / name).read_bytes()
    started = time.monotonic()
    with httpx.Client(base_url=stack.address, headers=stack.ground.people.ada.headers, timeout=60, trust_env=False) as client:
        jobs = {_sent(client, name, data) for _ in range(count)}
    ends = started + PATIENCE_SECONDS
    while time.monotonic() < ends:
        rows = ask(stack.ground.database_url, "SELECT CAST(id AS text) AS id, status FROM jobs WHERE finished_at IS NOT NULL")
        ended = {row.id: row.status for row in rows if row.id in jobs}
        if len(ended) == count:
            if set(ended.values()) != {"completed"}:
                raise SystemExit(f"{name}: not every document was read: {ended}")
            return count / (time.monotonic() - started)
        stack.watch(0.1)
    raise SystemExit(f"{name}: not read in {PATIENCE_SECONDS} s")


def _sent(client: httpx.Client, name: str, data: bytes) -> str:
    """Nobody has sent these bytes: a comment at the end changes nothing of what is read."""
    mark = uuid.uuid4().hex
    more = f"<!-- {mark} -->" if name.endswith(".xml") else f"\n% {mark}\n"
    answer = client.post("/api/business/bills/scan", files={"file": (name, data + more.encode())})
    if answer.status_code != 202:
        raise SystemExit(f"{name}: {answer.status_code} {answer.text[:300]}")
    return str(answer.json()["jobId"])
