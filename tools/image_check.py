"""The steps of the Dockerfile without Docker: what the image would hold is made in an empty directory, as a nobody, and started.

`make image-check` reads the Dockerfile: the environment is made and filled by its own commands, the files that it copies are
copied, and nothing else is there. Then it runs as uid 1001 (where we are root) from a directory that it may not write, with
only /data of its own; its health check must say yes, and TERM must end it with 0 within 35 s: `docker stop -t 35`.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from servers import free_port

ROOT = Path(__file__).resolve().parent.parent
UID = 1001
STOP_SECONDS = 35
START_SECONDS = 60


class Steps:
    """What the Dockerfile says."""

    def __init__(self, text: str) -> None:
        lines = text.replace("\\\n", " ").splitlines()
        self.build = [line[4:] for line in lines if line.startswith("RUN ") and "/venv" in line]
        self.copied = [line.split()[1:] for line in lines if re.match(r"COPY (?!--from)", line)]
        self.command: list[str] = json.loads(_last(lines, "CMD "))
        self.health: list[str] = json.loads(_last(lines, "HEALTHCHECK ").split("CMD ", 1)[1])
        self.environ = dict(word.split("=", 1) for line in lines if line.startswith("ENV PATH") for word in line.split()[1:])


def _last(lines: list[str], word: str) -> str:
    return [line.removeprefix(word) for line in lines if line.startswith(word)][-1]


def build(steps: Steps, root: Path) -> None:
    """The environment and the files; a step that fails ends the check."""
    for command in steps.build:
        made = command.replace("/venv", str(root / "venv")).replace("/requirements.txt", str(ROOT / "requirements.txt"))
        made = re.sub(r"^python ", f"{_python()} ", made.strip())
        print(f"RUN {command.strip()}", flush=True)
        subprocess.run(["sh", "-ec", made], cwd=root, stdout=subprocess.DEVNULL, check=True)
    (root / "app").mkdir()
    for *sources, _ in steps.copied:
        for source in sources:
            if source != "requirements.txt":
                _copy(source.rstrip("/"), root / "app")


def _python() -> str:
    """One that the nobody can reach too; ours may lie below somebody's home."""
    ours = Path(sys.executable).resolve()
    return str(ours) if all(place.stat().st_mode & 0o001 for place in ours.parents) else "/usr/bin/python3"


def _copy(name: str, target: Path) -> None:
    here = ROOT / name
    if here.is_dir():
        shutil.copytree(here, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(here, target / name)


def start(steps: Steps, root: Path, said: dict[str, str]) -> "subprocess.Popen[bytes]":
    """The image's command as its user, nothing of our environment with it."""
    return subprocess.Popen(_here(steps.command, root), cwd=root / "app", env=said, **_nobody())


def _here(command: list[str], root: Path) -> list[str]:
    return [str(root / "venv/bin" / command[0]), *command[1:]]


def _nobody() -> dict[str, Any]:
    return {"user": UID, "group": UID, "extra_groups": []} if os.geteuid() == 0 else {}


def environ(steps: Steps, root: Path) -> dict[str, str]:
    """The image's own settings, and what an operator must say for a try on one machine."""
    own = steps.environ | {"PATH": f"{root}/venv/bin:{os.environ['PATH']}", "DATA_DIR": f"{root}/data", "HOST": "127.0.0.1"}
    said = {"APP_ENV": "development", "PORT": str(free_port()), "LOG_LEVEL": "WARNING", "HOME": "/nonexistent"}
    return own | said


def check(root: Path) -> list[str]:
    """What is wrong; empty: nothing."""
    steps = Steps((ROOT / "Dockerfile").read_text())
    root.chmod(0o755)
    build(steps, root)
    (root / "data").mkdir()
    if os.geteuid() == 0:
        os.chown(root / "data", UID, UID)
    said = environ(steps, root)
    subprocess.run(_here(["python", "-m", "akount", "migrate"], root), cwd=root / "app", env=said, check=True, **_nobody())
    before = _written(root)
    process = start(steps, root, said)
    try:
        faults = [] if _healthy(steps, root, said) else ["the health check did not say yes"]
    finally:
        process.terminate()
        started = time.monotonic()
        try:
            code = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
    print(f"TERM: ended with {code} after {time.monotonic() - started:.1f} s", flush=True)
    faults += [f"stopped with {code}"] if code else []
    return faults + [f"written outside /data: {path}" for path in sorted(_written(root) - before)]


def _healthy(steps: Steps, root: Path, said: dict[str, str]) -> bool:
    ends = time.monotonic() + START_SECONDS
    while time.monotonic() < ends:
        asked = subprocess.run(_here(steps.health, root), cwd=root / "app", env=said, capture_output=True, check=False, **_nobody())
        if asked.returncode == 0:
            return True
        time.sleep(0.5)
    return False


def _written(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for place in ("app", "venv") for path in (root / place).rglob("*")}


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="akount-image-") as made:
        faults = check(Path(made))
    print("\n".join(faults) or "The image's steps hold: built from the lock, runs as a nobody, stops in order.")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
