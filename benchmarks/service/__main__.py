"""Our web server beside the original's design in Node and a bare Flask view that only stores the file, interleaved.

In every round each contestant is asked in turn, by eight clients over connections that are kept: uploads of 100 KB and of
2 MB, the state of a job, and health. Each has a Postgres database with fsync on, a Redis of its own with appendfsync
everysec, two processes and, where the design stores files at all, files that are made safe on disk before the answer. Ours
also asks who is calling, keeps the limits, looks for duplicates and writes audit; the others do not.

Then our own service alone, in its real shape: documents a second of each kind, and memory.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from akount import logs
from benchmarks.service import page, reading
from benchmarks.service.contestants import Contestant, everybody
from benchmarks.service.measure import KIB, Figures, asks, measure, uploads, waiting_bytes

Found = dict[str, dict[str, list[Figures]]]
"""What was asked → contestant → its figures, one for each round."""
DOCUMENTS = {"e-invoice (XML)": 300, "PDF with text": 200, "scanned PDF (OCR)": 12, "photo (OCR)": 12}


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.service", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=6, help="of each measurement")
    parser.add_argument("--quick", action="store_true", help="one short round; nothing is written")
    parser.add_argument("--note", default="", help="a sentence for the page, such as what else the machine did")
    asked = parser.parse_args()
    if asked.quick:
        asked.rounds, asked.seconds = 1, 1.5
    return asked


def questions(one: Contestant, job: str) -> dict[str, Callable[[], Figures]]:
    """What a contestant is asked; who has no jobs is not asked for one."""
    found: dict[str, Callable[[], Figures]] = {
        "upload, 100 KB": lambda: measure(one, lambda: uploads(one, 100 * KIB), SECONDS),
        "upload, 2 MB": lambda: measure(one, lambda: uploads(one, 2048 * KIB), SECONDS),
    }
    if one.status:
        found["state of a job"] = lambda: measure(one, lambda: asks(one, one.status.format(job)), SECONDS)
    found["health"] = lambda: measure(one, lambda: asks(one, one.health), SECONDS)
    return found


SECONDS = 6.0


def main() -> None:
    """Measures, prints, writes."""
    global SECONDS  # noqa: PLW0603  the one option that every question needs
    asked = options()
    SECONDS = asked.seconds
    logs.configure(as_json=False, level="ERROR")
    before = os.getloadavg()[0]
    found: Found = {}
    with tempfile.TemporaryDirectory(prefix="bench-service-") as directory, everybody(Path(directory)) as contestants:
        jobs = {one.name: _warm(one) for one in contestants}
        for number in range(asked.rounds):
            for one in contestants:
                for what, ask in questions(one, jobs[one.name]).items():
                    figures = ask()
                    found.setdefault(what, {}).setdefault(one.name, []).append(figures)
                    print(f"{number + 1}  {what:16} {one.name:28} {said(figures)}", flush=True)
        memory = {one.name: one.memory() for one in contestants}
        waiting = {one.name: waiting_bytes(one, 100 * KIB, 100) for one in contestants}
    counts = {kind: max(4, count // 20) if asked.quick else count for kind, count in DOCUMENTS.items()}
    read, parts = reading.measure(counts)
    about = {"rounds": asked.rounds, "seconds": asked.seconds, "cpus": os.cpu_count(), "python": platform.python_version()}
    about |= {"load before": round(before, 1), "note": asked.note, "versions": page.versions()}
    results = {
        "about": about,
        "asked": {what: {name: [asdict(one) for one in rounds] for name, rounds in each.items()} for what, each in found.items()},
        "memory": memory,
        "waiting": waiting,
        "read": read,
        "parts": parts,
    }
    text = page.text(results)
    print(f"\n{text}")
    if not asked.quick:
        page.write(results, text)


def said(figures: Figures) -> str:
    """On one line."""
    return f"{figures.per_second:7.0f}/s  p99 {figures.p99_ms:6.1f} ms  CPU {figures.cpu_ms:.2f} ms"


def _warm(one: Contestant) -> str:
    """A job of theirs; what is done for the first time is not measured."""
    kept: list[str] = []
    measure(one, lambda: uploads(one, 10 * KIB), 1, kept)
    return statistics.mode(kept[:1])


if __name__ == "__main__":
    main()
