"""The commands without the second it takes to read the code: each runs in a fork of a process that has read it already."""

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from akount.cli.common import MODULES

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 120

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["akount.cli", *sorted({f"akount.cli.{module}" for module in MODULES.values()}), "commands"])


@dataclass(frozen=True)
class Done:
    """What a command left: its exit code and what it wrote."""

    code: int
    out: str
    err: str


def run(arguments: Sequence[str], environ: dict[str, str], stdin: str = "") -> Done:
    """Runs a command to its end."""
    with tempfile.TemporaryDirectory() as directory:
        files = [Path(directory) / name for name in ("in", "out", "err")]
        files[0].write_text(stdin)
        process = _processes.Process(target=_command, args=(list(arguments), environ, files))
        process.start()
        process.join(SECONDS)
        assert process.exitcode is not None, f"akount {' '.join(arguments)} hangs"
        return Done(process.exitcode, files[1].read_text(), files[2].read_text())


def _command(arguments: list[str], environ: dict[str, str], files: list[Path]) -> None:
    """In the fork: as if a shell had just started us."""
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(environ)
    for number, file in enumerate(files):
        opened = os.open(file, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT)
        os.dup2(opened, number)
    sys.stdin, sys.stdout, sys.stderr = (open(number, "r" if number == 0 else "w", closefd=False) for number in range(3))  # noqa: SIM115
    sys.argv = ["akount", *arguments]
    from akount.cli import main

    try:
        main()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
