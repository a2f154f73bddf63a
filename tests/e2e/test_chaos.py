"""A sample of `make chaos`, and its control: the same run without protection must lose documents, or it proves nothing."""

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


pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(any(name in os.environ for name in WEATHER), reason="servers that are not ours are not killed"),
]


def test_nothing_is_lost_or_doubled_while_everything_is_killed(tmp_path: Path) -> None:
    code, found, said = chaos(tmp_path, "--seed", "5", "--documents", "100", "--kills", "16", "--minutes", "1")
    assert not any(found["broken"].values()), said
    assert code == 0, said
    assert found["kills"] >= 16
    assert found["accepted"] > 80
    assert found["jobs"]["completed"] > 50
    assert {"Redis killed and emptied", "Postgres killed", "web master killed", "worker killed"} <= set(found["faults"])
    assert found["running_again_s"]["count"] + found["attempts"].get("delayed", 0) > 0, "no kill met a running job"
    assert "| **lost** | **0** |" in (tmp_path / "chaos.md").read_text()


def test_without_protection_documents_are_lost(tmp_path: Path) -> None:
    run = ("--control", "--seed", "1054", "--documents", "40", "--kills", "6", "--minutes", "0.3", "--patience", "8")
    code, found, said = chaos(tmp_path, *run)
    assert code == 1, said
    assert len(found["broken"]["lost"]) > 0, said
    assert found["broken"]["doubled"] == []
