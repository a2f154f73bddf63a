"""The figures as a page: medians of the rounds, and ratios to the others in the same round."""

from __future__ import annotations

import json
import statistics
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.queues.contestants import BULLMQ, NODE, ROOT

RESULTS = ROOT / "benchmarks" / "results"
RIVAL = "Fastify + BullMQ, id only"
"""As durable as ours: the one to be compared with."""
AIMS = (("upload, 100 KB", "per_second"), ("upload, 2 MB", "per_second"))
BYTES_WAITING = 1024


def versions() -> dict[str, str]:
    """Of what took part."""
    found = {name: version(name) for name in ("flask", "gunicorn", "sqlalchemy", "psycopg2-binary", "huey", "redis")}
    if (BULLMQ / "node_modules" / "fastify").exists():
        found["node"] = subprocess.run([NODE, "--version"], capture_output=True, text=True, check=True).stdout.strip()
        for name in ("fastify", "bullmq", "ioredis", "pg"):
            found[name] = json.loads((BULLMQ / "node_modules" / name / "package.json").read_text())["version"]
    return found


def text(found: dict[str, Any]) -> str:
    """The page."""
    about = found["about"]
    lines = [
        "# The service from outside",
        "",
        f"`make bench`: {about['rounds']} rounds of {about['seconds']:g} s, interleaved, 8 clients, 2 processes each, on "
        f"{about['cpus']} cores that the clients share; load before: {about['load before']}.",
        *(["", f"**{about['note']}**"] if about["note"] else []),
        "",
        "Versions: " + ", ".join(f"{name} {number}" for name, number in about["versions"].items()) + ".",
    ]
    for what, each in found["asked"].items():
        lines += ["", f"## {what[0].upper()}{what[1:]}", "", *_table(each)]
    for head, part in {"Memory": _memory, "Documents read": _read, "What is aimed at": _aims}.items():
        lines += ["", f"## {head}", "", *part(found)]
    return "\n".join(lines) + "\n"


def _table(each: dict[str, list[dict[str, float]]]) -> list[str]:
    lines = ["| | requests/s | p50 ms | p99 ms | CPU ms each | ours by theirs, same round |", "|---|---|---|---|---|---|"]
    for name, rounds in each.items():
        middle = {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
        ratio = "" if name == "ours" else f"{ratio_to(each, name, 'per_second'):.2f}"
        cells = f"{middle['per_second']:.0f} | {middle['p50_ms']:.1f} | {middle['p99_ms']:.1f} | {middle['cpu_ms']:.2f} | {ratio}"
        lines.append(f"| {name} | {cells} |")
    return lines


def ratio_to(each: dict[str, list[dict[str, float]]], name: str, key: str) -> float:
    """The median of the rounds' ratios, ours by theirs."""
    return statistics.median(mine[key] / theirs[key] for mine, theirs in zip(each["ours"], each[name], strict=True))


def _memory(found: dict[str, Any]) -> list[str]:
    lines = ["| | web server, MiB | bytes of Redis for each document that waits (100 KB) |", "|---|---|---|"]
    for name, size in found["memory"].items():
        waiting = found["waiting"][name]
        lines.append(f"| {name} | {size:.0f} | {'–' if waiting is None else f'{waiting:,.0f}'} |")
    parts = ", ".join(f"{name} {size:.0f}" for name, size in found["parts"].items())
    return [*lines, "", f"Ours in its real shape after the documents below, MiB: {parts}."]


def _read(found: dict[str, Any]) -> list[str]:
    lines = ["From upload through nginx to the finished record, by one reading process:", "", "| kind | documents/s |", "|---|---|"]
    return lines + [f"| {kind} | {rate:.2f} |" for kind, rate in found["read"].items()]


def _aims(found: dict[str, Any]) -> list[str]:
    lines = ["| aim | figure | met |", "|---|---|---|"]
    for what, key in AIMS:
        if RIVAL in found["asked"][what]:
            each = found["asked"][what]
            ratio, slow = ratio_to(each, RIVAL, key), ratio_to(each, RIVAL, "p99_ms")
            lines.append(f"| {what}: at least as many as {RIVAL} | {ratio:.2f} | {'yes' if ratio >= 1 else 'no'} |")
            lines.append(f"| {what}: p99 no longer | {slow:.2f} | {'yes' if slow <= 1 else 'no'} |")
    waiting = found["waiting"]["ours"]
    met = "yes" if waiting < BYTES_WAITING else "no"
    return [*lines, f"| under 1 KB of Redis for each document that waits | {waiting:.0f} B | {met} |"]


def write(found: dict[str, Any], page: str, directory: Path = RESULTS) -> None:
    """Figures and page, for docs/scaling.md to stand on."""
    (directory / "bench.json").write_text(json.dumps(found, indent=1) + "\n")
    (directory / "bench.md").write_text(page)
