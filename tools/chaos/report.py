"""The table of a run, for people and for programs."""

import datetime as dt
import json
import os
import platform
import re
import subprocess
from collections import Counter
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from servers import postgres_programs, redis_program
from tools.chaos.audit import Audit, percentile
from tools.chaos.faults import Injector, is_kill
from tools.chaos.traffic import Traffic

SHOWN = 10
"""Offenders that are named for each broken promise."""


def figures(audit: Audit, traffic: Traffic, injector: Injector, run: Mapping[str, Any]) -> dict[str, Any]:
    """Everything a run showed, as plain values; `run` says what was asked for."""
    return {
        **run,
        "holds": audit.holds,
        "accepted": len(traffic.accepted),
        "answers": dict(traffic.answers.most_common()),
        "jobs": dict(sorted(audit.jobs.items())),
        "attempts": dict(sorted(audit.attempts.items())),
        "broken": audit.broken,
        "kills": injector.kills,
        "faults": dict(sorted(injector.done.items())),
        "given_back_s": _spread(audit.given_back),
        "running_again_s": _spread(audit.running_again),
        "slowest": [
            {"job": r.job, "died": r.died.isoformat(), "given_back_s": r.given_back, "running_again_s": r.running_again}
            for r in sorted(audit.recoveries, key=lambda r: r.running_again or 0, reverse=True)[:SHOWN]
        ],
        "lost_attempts_without_a_death": audit.unexplained,
        "swept": audit.swept,
        "versions": versions(),
    }


def _spread(values: list[float]) -> dict[str, float | int]:
    found = {"count": len(values)}
    if values:
        found |= {"p50": round(percentile(values, 50) or 0, 2), "p99": round(percentile(values, 99) or 0, 2), "max": max(values)}
    return found


def versions() -> dict[str, str]:
    """What it ran on."""
    said = {name: _said([str(program), "--version"]) for name, program in _programs().items()}
    cores = f"{os.cpu_count()} cores, {platform.machine()}"
    return {"Python": platform.python_version(), **said, "huey": version("huey"), "machine": cores}


def _programs() -> dict[str, Path]:
    return {"Postgres": postgres_programs() / "postgres", "Redis": redis_program()}


def _said(command: list[str]) -> str:
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    name = "Valkey " if "alkey" in text else ""
    return name + re.search(r"\d+\.[\d.]+", text)[0]


def errors_logged(logs: Path) -> dict[str, int]:
    """Lines of errors that our processes wrote, by what they say."""
    found: Counter[str] = Counter()
    for path in logs.glob("*.log"):
        for line in path.read_text(errors="replace").splitlines():
            if '"level": "error"' in line or '"level": "critical"' in line:
                found[re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d+", "…", str(json.loads(line)["event"]))] += 1
    return dict(found.most_common())


def table(found: Mapping[str, Any]) -> str:
    """The figures as a table in Markdown."""
    rows = [*_asked(found), *_promises(found), *_faults(found), *_rest(found)]
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def _asked(found: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [
        ("seed", found["seed"]),
        ("protection", "on" if found["protected"] else "**off** (the control)"),
        ("documents sent", found["documents"]),
        ("accepted", found["accepted"]),
        *((f"jobs {name}", count) for name, count in found["jobs"].items()),
    ]


def _promises(found: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(f"**{name}**", f"**{len(offenders)}**") for name, offenders in found["broken"].items()]


def _faults(found: Mapping[str, Any]) -> list[tuple[str, Any]]:
    ordered = sorted(found["faults"].items(), key=lambda item: (not is_kill(item[0]), item[0]))
    return [("**kills**", f"**{found['kills']}**"), *ordered]


def _rest(found: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [
        *((f"attempts {name}", count) for name, count in found["attempts"].items()),
        ("attempts lost by workers that were frozen or cut off", found["lost_attempts_without_a_death"]),
        ("worker dead → job given back, s", _words(found["given_back_s"])),
        (f"worker dead → job running again, s (p99 to be under {found['limit_s']:g})", _words(found["running_again_s"])),
        ("answers to clients", _words(found["answers"])),
        ("errors logged", _words(found["errors_logged"]) or "none"),
        ("swept afterwards", found["swept"]),
        ("exit codes of the stop", _words(found["exit_codes"])),
        ("duration", f"{found['seconds']:.0f} s, from {found['started']}"),
        ("on", _words(found["versions"])),
    ]


def _words(facts: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value:.2f}" if isinstance(value, float) else f"{name} {value}" for name, value in facts.items())


def offenders(found: Mapping[str, Any]) -> str:
    """The broken promises in words; empty if all hold."""
    return "\n".join(
        line
        for name, said in found["broken"].items()
        if said
        for line in (f"{name}: {len(said)}", *(f"  {one}" for one in said[:SHOWN]))
    )


def write(found: Mapping[str, Any], directory: Path) -> None:
    """Keeps the run as chaos.json and chaos.md."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "chaos.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    title = f"# The chaos run of {dt.datetime.now(dt.UTC):%Y-%m-%d}\n\n"
    about = "Made by `make chaos`; docs/operations.md says what it does and what the rows mean.\n\n"
    (directory / "chaos.md").write_text(title + about + table(found) + "\n", encoding="utf-8")
