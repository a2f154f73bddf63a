"""Sends documents while processes and servers are killed at random, then proves that nothing was lost or doubled.

Exit code 0: every promise holds. 1: one is broken; what and where is printed. 2: interrupted.
"""

import argparse
import datetime as dt
import os
import random
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from akount import logs
from service import ROOT
from tools.chaos import audit, report
from tools.chaos.cluster import Cluster, Ground, Shape, ground
from tools.chaos.faults import WEIGHTS, Injector, is_kill
from tools.chaos.traffic import Paper, Traffic, papers, sendings

INTERRUPTED = 2
TELL_SECONDS = 15
KILLS_OF_FAULTS = sum(weight for kind, weight in WEIGHTS.items() if is_kill(kind)) / sum(WEIGHTS.values())


def main() -> int:
    asked = _asked()
    os.chdir(ROOT)
    logs.configure(as_json=False, level="ERROR")
    with tempfile.TemporaryDirectory(prefix="akount-chaos-") as made:
        directory = asked.keep or Path(made)
        directory.mkdir(parents=True, exist_ok=True)
        with ground(directory.resolve()) as stands_on:
            found = run(asked, stands_on)
    if found is None:
        return INTERRUPTED
    print(f"\n{report.table(found)}\n\n{report.offenders(found)}", flush=True)
    for directory in filter(None, (asked.results, asked.keep)):
        report.write(found, directory)
    return 0 if found["holds"] else 1


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--documents", type=int, default=1200)
    parser.add_argument("--kills", type=int, default=210)
    parser.add_argument("--minutes", type=float, default=20, help="over which documents and faults are spread")
    parser.add_argument("--lease", type=int, default=10, help="LEASE_SECONDS of the workers")
    parser.add_argument(
        "--late", type=float, default=10, help="a job of a dead worker runs again within the lease and so much (p99)"
    )
    parser.add_argument("--processes", type=int, default=2, help="reading processes of each consumer; two consumers a queue")
    parser.add_argument("--patience", type=float, default=60, help="a job is lost when nothing has moved for so many seconds")
    parser.add_argument("--control", action="store_true", help="workers without their protection: this must lose documents")
    parser.add_argument("--results", type=Path, help="directory for chaos.json and chaos.md")
    parser.add_argument("--keep", type=Path, help="an empty directory for logs and files, to look at afterwards")
    return parser.parse_args()


def run(asked: argparse.Namespace, stands_on: Ground) -> dict[str, Any] | None:
    """One run from the start to the audit; None when somebody interrupted it."""
    started, clock = dt.datetime.now(dt.UTC), time.monotonic()
    shape = Shape(processes=asked.processes, lease=asked.lease, protected=not asked.control)
    made = papers(asked.seed, asked.documents, asked.minutes * 60)
    print(f"seed {asked.seed}: {asked.documents} documents and {asked.kills} kills in {asked.minutes:g} minutes", flush=True)
    with Cluster(stands_on, shape) as cluster:
        cluster.await_ready()
        traffic, injector = _under_fire(asked, stands_on, cluster, made)
        if cluster.stopping:
            return None
    facts = {
        "seed": asked.seed,
        "protected": shape.protected,
        "documents": asked.documents,
        "limit_s": asked.lease + asked.late,
        "errors_logged": report.errors_logged(cluster.logs),
        "exit_codes": cluster.exit_codes(),
        "started": f"{started:%Y-%m-%d %H:%M} UTC",
        "seconds": time.monotonic() - clock,
    }
    return report.figures(examine(asked, stands_on, cluster, made, traffic, injector), traffic, injector, facts)


def _under_fire(asked: argparse.Namespace, stands_on: Ground, cluster: Cluster, made: list[Paper]) -> tuple[Traffic, Injector]:
    """Until everything is sent, every fault is done, every job has ended and everything is up again."""
    stop = threading.Event()
    headers = [stands_on.people.ada.headers, stands_on.people.mallory.headers]
    traffic = Traffic(cluster.address, headers, sendings(asked.seed, made), stop)
    pause = asked.minutes * 60 / asked.kills * KILLS_OF_FAULTS
    injector = Injector(cluster, stands_on, asked.seed, kills=asked.kills, pause=pause, stop=stop)
    try:
        traffic.start()
        injector.start()
        _watch(cluster, traffic, injector)
        settling = audit.Settling(stands_on.database_url, asked.patience)
        while not cluster.stopping and not settling.over:
            cluster.watch(0.5)
        cluster.await_ready()  # what is stopped while it starts ends by the signal, not in order
    finally:
        stop.set()
    return traffic, injector


def _watch(cluster: Cluster, traffic: Traffic, injector: Injector) -> None:
    told = 0.0
    while (traffic.running or injector.is_alive()) and injector.error is None and not cluster.stopping:
        cluster.watch(0.5)
        if time.monotonic() - told > TELL_SECONDS:
            told = time.monotonic()
            print(f"{traffic.left} to send, {len(traffic.accepted)} accepted, {injector.kills} kills", flush=True)
    if injector.error is not None:
        raise injector.error


def examine(
    asked: argparse.Namespace, stands_on: Ground, cluster: Cluster, made: list[Paper], traffic: Traffic, injector: Injector
) -> audit.Audit:
    """Everything that may be broken; our processes have stopped."""
    found, url = audit.Audit(), stands_on.database_url
    audit.examine_jobs(found, url, made, traffic.accepted)
    audit.examine_recoveries(found, url, injector.deaths, asked.lease + asked.late)
    found.swept = audit.sweep_files(stands_on.files, cluster.environ)
    audit.examine_files(found, url, stands_on.files)
    found.broken["refused"] = traffic.refused
    found.broken["processes left"] = injector.orphans + [f"{pid} after the stop" for pid in cluster.left_behind()]
    found.broken["stopped badly"] = [f"{name}: {code}" for name, code in cluster.exit_codes().items() if code != 0]
    return found


if __name__ == "__main__":
    sys.exit(main())
