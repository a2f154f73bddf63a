"""How long a document takes in the confined child of a worker, and how much memory: by set, at the median and the 95th per cent.

    python -m tools.reading.speed FOLDER… [--most 40]

The folders are sets with truth (see reads.py). Seconds of the wall, one document after another, the pipe included.
"""

import argparse
import statistics
import threading
import time
from pathlib import Path

import psutil

from akount import intake
from akount.errors import AkountError
from akount.extraction.sandbox import Limits
from akount.extraction.tiers import TieredSandbox
from tools.reading.reads import cases


class _Peak:
    """The most memory that the children of this process take together, looked at every 5 ms; shared pages count once a process."""

    def __init__(self) -> None:
        self.megabytes, self.done = 0.0, threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self) -> None:
        while not self.done.wait(0.005):
            for child in psutil.Process().children(recursive=True):
                try:
                    self.megabytes = max(self.megabytes, child.memory_info().rss / 2**20)
                except psutil.NoSuchProcess:
                    continue


def measure(sandbox: TieredSandbox, paths: list[Path]) -> list[float]:
    """Seconds for each document that the sandbox can read."""
    found = []
    for path in paths:
        with path.open("rb") as file:
            media_type = intake.media_type(file.read(intake.HEAD))
            file.seek(0)
            started = time.perf_counter()
            try:
                sandbox.read(file, media_type or "application/pdf")
            except AkountError:
                continue
            found.append(time.perf_counter() - started)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--most", type=int, default=40, help="documents of each set")
    told = parser.parse_args()
    sandbox, peak = TieredSandbox(Limits(seconds=60)), _Peak()
    sandbox.start()
    for folder in told.folders:
        seconds = sorted(measure(sandbox, [case.path for case in cases([folder])][: told.most]))
        if seconds:
            late = seconds[int(0.95 * (len(seconds) - 1))]
            print(f"{folder.name}: {len(seconds)} read, p50 {statistics.median(seconds):.3f} s, p95 {late:.3f} s")
    peak.done.set()
    sandbox.close()
    print(f"largest process: {peak.megabytes:.0f} MiB")


if __name__ == "__main__":
    main()
