"""Throws hostile files at the service as it is shipped, on Redis and Postgres of its own, and prints what became of them.

Exit code 0: no answer 5xx, nothing hung or lost, no process died, nearly every file ended right. 1: not so.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
from pathlib import Path

import psutil

from akount import logs
from servers import create_database, postgres_server, redis_server
from service import ROOT, Service
from tools.hostile import samples, throwing
from tools.hostile.cases import Case, from_folder
from tools.hostile.throwing import Thrown

MIB = 1 << 20
SHARE_RIGHT = 0.99
GROWTH_MIB = 50


def main() -> int:
    asked = _asked()
    os.chdir(ROOT)
    logs.configure(as_json=False, level="ERROR")
    cases = from_folder(asked.files) if asked.files else samples.cases()
    random.Random(asked.seed).shuffle(cases)
    cases = cases[asked.start : asked.start + asked.count] if asked.count else cases[asked.start :]
    with tempfile.TemporaryDirectory(prefix="akount-hostile-") as made:
        directory = Path(made)
        with postgres_server(directory / "postgres") as postgres, redis_server(directory / "redis") as redis:
            urls = {"DATABASE_URL": create_database(postgres, "hostile"), "REDIS_URL": redis.url}
            how = {"hands": asked.hands, "seconds": asked.seconds, "attempts": asked.attempts}
            return 0 if run(directory / "service", urls, cases, **how) else 1


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.hostile", description=__doc__)
    parser.add_argument("files", type=Path, nargs="?", help="a corpus of files; without it the project's own")
    parser.add_argument("--seed", type=int, default=1, help="of the order")
    parser.add_argument("--start", type=int, default=0, help="how many to leave out first")
    parser.add_argument("--count", type=int, default=0, help="how many to throw; 0: all")
    parser.add_argument("--hands", type=int, default=4, help="how many at a time")
    parser.add_argument("--seconds", type=int, default=10, help="SCAN_TIMEOUT_SECONDS")
    parser.add_argument("--attempts", type=int, default=2, help="SCAN_MAX_ATTEMPTS")
    return parser.parse_args()


def run(directory: Path, urls: dict[str, str], cases: list[Case], *, hands: int = 4, seconds: int = 20, attempts: int = 3) -> bool:
    """Throws the cases at a service of its own and prints the table. True when every promise holds."""
    environ = {"SCAN_TIMEOUT_SECONDS": str(seconds), "SCAN_MAX_ATTEMPTS": str(attempts)}
    with Service(directory, **urls, **environ) as service:
        throwing.throw(service, [_first(number) for number in range(8)], hands=hands, patience=60)  # everybody has begun to work
        before, weighed = lasting(service), weight(service)
        patience = (seconds + 8) * attempts * 3
        thrown = throwing.throw(service, cases, hands=hands, patience=patience)
        after, grown = lasting(service), weight(service)
    print(throwing.table(thrown))
    for one in thrown.wrong:
        print(f"WRONG {one.case.id}: {one.broken or one.ending} {one.code or ''} {' '.join(one.flags)}")
    slowest = max((answered for _, answered in thrown.health), default=0.0)
    print(f"health: {thrown.unwell} of {len(thrown.health)} unwell, slowest {slowest:.2f} s; {thrown.seconds:.0f} s in all")
    died = before - after
    print(f"processes that died: {len(died)}; memory of web and workers {weighed:.0f} MiB, afterwards {grown:.0f} MiB")
    return _holds(thrown, died=len(died), growth=grown - weighed)


def _holds(thrown: Thrown, *, died: int, growth: float) -> bool:
    promises = {
        "no answer 5xx, nothing hung or lost": not thrown.broken,
        "no process died": not died,
        "health answered": not thrown.unwell,
        f"{SHARE_RIGHT:.0%} ended right": len(thrown.wrong) <= (1 - SHARE_RIGHT) * len(thrown.outcomes),
        f"memory grew by less than {GROWTH_MIB} MiB": growth < GROWTH_MIB,
    }
    for promise, kept in promises.items():
        print(f"{'kept  ' if kept else 'BROKEN'} {promise}")
    return all(promises.values())


def _first(number: int) -> Case:
    return Case(f"first: {number}", "first.pdf", lambda: samples.bill(f"F-{number}"), frozenset({"read"}), "first")


def lasting(service: Service) -> set[int]:
    """The processes that have to outlive every file: all but the readers' children."""
    return {process.pid for process in service.family() if not _is_child_of_reader(process)}


def _is_child_of_reader(process: psutil.Process) -> bool:
    parent = process.parent()
    return parent is not None and any(part.startswith("akount.extraction.reader") for part in parent.cmdline())


def weight(service: Service) -> float:
    """MiB that web and workers hold; their readers, which may be started anew at any time, are left out."""
    held = 0.0
    for process in service.family():
        if not any(part.startswith("akount.extraction.reader") for part in process.cmdline()):
            held += process.memory_info().rss / MIB
    return held


if __name__ == "__main__":
    sys.exit(main())
