"""What the house promises of itself: fixed names, a lock without gaps, a Dockerfile by the rules, documented settings."""

import re
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text()
FIXED = ("wsgi.py", "config.py", "akount", "akount/admin", "akount/tasks", "requirements.txt", "Dockerfile", "tests")


@pytest.mark.parametrize("name", FIXED)
def test_the_fixed_names_are_there(name: str) -> None:
    assert (ROOT / name).exists()


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(file: str) -> dict[str, str]:
    """Package → version of a lock; each with hashes."""
    text = (ROOT / file).read_text()
    entries = re.findall(r"^([\w.\-]+)==([\w.\-+]+)[^\n]*\\\n((?:\s+--hash=sha256:[0-9a-f]{64}[ \\]*\n)+)", text, re.MULTILINE)
    assert len(entries) == len(re.findall(r"^[\w.\-]+==", text, re.MULTILINE)), "an entry without hashes"
    return {canonical(name): version for name, version, _hashes in entries}


@pytest.mark.parametrize("file", ["requirements", "requirements-dev", "benchmarks/requirements"])
def test_everything_that_is_asked_for_is_locked(file: str) -> None:
    asked = re.findall(r"^([\w.\-]+)", (ROOT / f"{file}.in").read_text(), re.MULTILINE)
    assert {canonical(name) for name in asked} <= set(locked(f"{file}.txt"))


def test_every_requirement_of_a_locked_package_is_locked() -> None:
    from packaging.requirements import Requirement

    known = set(locked("requirements.txt"))
    missing = set()
    for distribution in distributions():
        if canonical(distribution.metadata["Name"]) in known:
            for said in distribution.requires or []:
                requirement = Requirement(said)
                if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                    missing |= {canonical(requirement.name)} - known
    assert missing == set()


def test_no_file_names_a_registry_or_a_machine() -> None:
    texts = [p for p in ROOT.glob("*") if p.is_file() and p.suffix in (".txt", ".in", ".toml", ".md", "") and p.name != ".git"]
    texts += [*ROOT.glob("benchmarks/*.*"), ROOT / "benchmarks/bullmq/package-lock.json", ROOT / "benchmarks/bullmq/.npmrc"]
    for path in texts:
        said = path.read_text(errors="ignore")
        assert "resolved" not in said.replace("omit-lockfile-registry-resolved", ""), path.name
        assert "index-url" not in said.replace("--no-emit-index-url", ""), path.name
        assert str(Path(sys.prefix).parent.parent) + "/" not in said or str(Path(sys.prefix).parent.parent) == "/", path.name


def test_the_image_is_built_in_stages_and_runs_as_a_nobody() -> None:
    stages = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(stages) == 2
    assert all(re.fullmatch(r"python:3\.11-slim-\w+", stage) for stage in stages)
    final = DOCKERFILE.split("FROM")[-1]
    assert "USER 1001:1001" in final
    assert not re.search(r"apt-get|gcc|build-essential|pip install", final)
    assert "--require-hashes" in DOCKERFILE


def test_signals_reach_the_program_and_the_health_check_is_the_promised_one() -> None:
    assert re.search(r'^CMD \["gunicorn"', DOCKERFILE, re.MULTILINE), "exec form"
    assert "--interval=30s --timeout=3s --start-period=5s --retries=3" in DOCKERFILE
    assert "/health/live" in DOCKERFILE


def test_what_the_image_copies_is_not_ignored() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        word.rstrip("/") for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE) for word in line.split()[:-1]
    }
    assert copied == kept
    assert all((ROOT / name).exists() for name in copied)


def test_what_tests_call_is_in_modules_and_not_in_a_conftest() -> None:
    """There are several of that name, and which one an import finds depends on what was collected before: see tests/fresh.py."""
    python = [path for folder in ("tests", "tools", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    assert [path.name for path in python if re.search(r"^\s*(from|import) conftest\b", path.read_text(), re.MULTILINE)] == []
