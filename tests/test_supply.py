"""What is shipped besides our own code is listed, fit to be shipped, and looked at (D2)."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from service import ROOT
from tools import supply


def test_every_package_that_is_shipped_is_listed_with_a_licence_that_allows_it() -> None:
    rows = re.findall(r"^\| ([\w.\-]+) \| (.+?) \| (.+?) \|$", (ROOT / "docs/licences.md").read_text(), re.MULTILINE)
    listed = {name: family for name, _, family in rows if name not in ("package", "---")}
    assert set(listed) == set(supply.locked()) | set(supply.VENDORED), "run make licences"
    assert {name: family for name, family in listed.items() if family not in supply.FIT} == {}


@pytest.mark.parametrize(
    ("said", "family"),
    [
        ("GNU General Public License v3 (GPLv3)", "GPL"),
        ("AGPL-3.0-only", "GPL"),
        ("GNU Lesser General Public License v2 or later (LGPLv2+)", "LGPL"),
        ("MPL-2.0 AND MIT", "MPL-2.0"),
        ("Permission is hereby granted, free of charge, without implied warranty", "MIT"),
        ("BSD-3-Clause", "BSD"),
        ("Proprietary", ""),
        ("", ""),
    ],
)
def test_the_strictest_licence_that_is_named_counts(said: str, family: str) -> None:
    assert supply.family(said) == family
    assert (family in supply.FIT) == (family not in ("GPL", ""))


def test_the_bill_of_materials_names_what_the_lock_names_with_its_hashes() -> None:
    made = json.loads(json.dumps(supply.sbom()))
    assert (made["bomFormat"], made["specVersion"]) == ("CycloneDX", "1.6")
    parts = {part["name"]: part for part in made["components"]}
    assert set(parts) == set(supply.locked()) | set(supply.VENDORED)
    version, hashes = supply.locked()["flask"]
    assert parts["flask"]["purl"] == f"pkg:pypi/flask@{version}"
    assert [one["content"] for one in parts["flask"]["externalReferences"][0]["hashes"]] == hashes
    refs = [part["bom-ref"] for part in made["components"]]
    assert len(refs) == len(set(refs))
    assert made == json.loads(json.dumps(supply.sbom())), "the same lock, the same bill"


@pytest.mark.parametrize("code", [0, 1, 2])
def test_an_audit_is_as_good_as_its_tool_says(tmp_path: Path, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Strict, on the lock with its hashes; its exit code is ours, so that what could not be looked up is no success."""
    fake = tmp_path / "uv"
    fake.write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/asked\nexit {code}\n')
    fake.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert supply.audit() == code
    asked = (tmp_path / "asked").read_text()
    assert "--strict" in asked
    assert str(supply.LOCK) in asked


def test_an_audit_that_reaches_nobody_fails(tmp_path: Path) -> None:
    environ = os.environ | {"UV_OFFLINE": "1", "UV_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, ROOT / "tools/supply.py", "audit"], env=environ, capture_output=True, check=False)
    assert done.returncode != 0
