"""On what the figures were made: machine, versions, counts."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import subprocess
from importlib.metadata import version
from typing import Any

from benchmarks.queues.contestants import BULLMQ, NODE, RIVALS_PYTHON, Contestant

OURS = ("huey", "redis", "sqlalchemy", "psycopg2-binary")
RIVALS = ("rq", "celery")
ASK = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"


def load() -> float:
    """The load average of the last minute."""
    return round(os.getloadavg()[0], 1)


def versions(field: list[Contestant]) -> dict[str, str]:
    """Of Python, Node.js and the libraries that took part; of what is not installed nothing is said."""
    found = {"Python": platform.python_version()} | {name: version(name) for name in OURS}
    programs = {one.sender[0] for one in field}
    if str(RIVALS_PYTHON) in programs:
        found |= dict(zip(RIVALS, _answer(str(RIVALS_PYTHON), "-c", ASK, *RIVALS).split(), strict=True))
    if NODE in programs:
        found["Node.js"] = _answer(NODE, "--version").removeprefix("v")
        for name in ("bullmq", "ioredis", "pg"):
            found[name] = json.loads((BULLMQ / "node_modules" / name / "package.json").read_text())["version"]
    return found


def _answer(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def describe(field: list[Contestant], asked: argparse.Namespace) -> dict[str, Any]:
    """All but what the servers and the rounds themselves tell."""
    return {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "command": f'make bench-queue ARGS="--rounds {asked.rounds} --count {asked.count} --samples {asked.samples}"',
        "cores": len(os.sched_getaffinity(0)),
        "jobs": asked.count,
        "samples": asked.samples,
        "versions": versions(field),
    }
