"""Runs `make chaos` in small."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from service import ROOT

WEATHER = ("TEST_DATABASE_URL", "TEST_REDIS_URL")


def chaos(directory: Path, *arguments: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, figures and all that was said. The time of a recovery is judged by the full run: CI's machine may be busy."""
    command = [
        sys.executable,
        "-m",
        "tools.chaos",
        "--results",
        str(directory),
        "--late",
        "90",
        "--processes",
        "1",
        "--lease",
        "5",
        *arguments,
    ]
    environ = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=560, check=False)
    said = done.stdout + done.stderr
    assert (directory / "chaos.json").exists(), said
    return done.returncode, json.loads((directory / "chaos.json").read_text()), said


NEEDS = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(any(name in os.environ for name in WEATHER), reason="servers that are not ours are not killed"),
]
