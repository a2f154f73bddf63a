"""Jobs a second and start latency of our queue beside others, each with a job row in the same database.

In every round each contestant gets an empty database and an empty queue, and then: one client submits the backlog
(submit/s); two workers drain it (drain/s, from the end of the first tenth); then one job at a time comes to idle workers
(from the call that submits it to the moment the work begins). The ratio is drain/s by that of plain Huey with the same
job row, process workers, in the same round; for SQLite by plain SqliteHuey.

ours-full is scans.submit and the whole pipeline with a reader that does nothing. ours-ledger is the ledger and its bell
alone: what the rivals' job row does. "CPU" is processor time for each job: of the client at the submission | of the
workers + of both servers at the drain. On a busy machine it is the steadier figure.

Examples:
  make bench-queue                                       everything, five rounds; writes benchmarks/results/queue.md
  make bench-queue ARGS="--quick"                        everything, one short round
  make bench-queue ARGS="--only ours-ledger ours-full huey --rounds 3 --count 500"
  PYTHONPATH=.:tests .venv/bin/python -m benchmarks.queues --quick --only ours-ledger huey    without installing anything
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Iterator

from benchmarks.queues import page
from benchmarks.queues.about import describe, load
from benchmarks.queues.contestants import Contestant, contestants
from benchmarks.queues.measure import Figures, measure
from benchmarks.queues.stand import BenchError, Stand, open_stand

FULL, QUICK = (5, 500, 100), (1, 200, 20)
"""Rounds, jobs in a backlog, samples of an idle start."""


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    everyone = [one.name for one in contestants()]
    parser = argparse.ArgumentParser(
        prog="benchmarks.queues", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one round of {1} jobs and {2} samples".format(*QUICK))
    parser.add_argument("--rounds", type=int, help=f"default {FULL[0]}")
    parser.add_argument("--count", type=int, help=f"jobs in a backlog, default {FULL[1]}")
    parser.add_argument("--samples", type=int, help=f"idle starts, default {FULL[2]}")
    parser.add_argument("--only", nargs="+", choices=everyone, metavar="NAME", help=f"of {', '.join(everyone)}")
    asked = parser.parse_args(arguments)
    for name, default in zip(("rounds", "count", "samples"), QUICK if asked.quick else FULL, strict=True):
        setattr(asked, name, getattr(asked, name) or default)
    return asked


def taking_part(only: list[str] | None) -> list[Contestant]:
    """Who was asked for and can; who cannot is named with the cause."""
    able = []
    for one in contestants():
        if only and one.name not in only:
            continue
        if one.missing:
            print(f"left out: {one.name}: {one.missing}")
        else:
            able.append(one)
    return able


def rounds(field: list[Contestant], asked: argparse.Namespace, stand: Stand) -> Iterator[dict[str, list[Figures]]]:
    """Round after round, everyone once in each; after each round, the figures of all so far."""
    found: dict[str, list[Figures]] = {one.name: [] for one in field}
    for number in range(1, asked.rounds + 1):
        for one in field:
            started = time.monotonic()
            figures = measure(one, stand, asked.count, asked.samples)
            found[one.name].append(figures)
            print(f"{number}  {one.name:18} {said(figures)}  {time.monotonic() - started:4.0f} s", flush=True)
        yield found


def said(figures: Figures) -> str:
    """On one line."""
    drain = "–" if figures.worker_cpu_ms is None else f"{figures.worker_cpu_ms:.2f} + {figures.server_cpu_ms:.2f}"
    cpu = f"{figures.client_cpu_ms:.2f} | {drain}"
    return (
        f"submit {figures.submitted_per_s:5.0f}/s  drain {figures.drained_per_s:5.0f}/s  CPU {cpu:>20} ms"
        f"  idle p50 {figures.idle_p50_ms:5.1f} ms  p99 {figures.idle_p99_ms:5.1f} ms"
    )


def main() -> None:
    """Measures and prints the tables; of the whole field they are written after each round: a run may be broken off."""
    asked = options()
    field = taking_part(asked.only)
    about = describe(field, asked)
    before = load()
    with open_stand() as stand:
        about["versions"] |= stand.versions()
        for number, found in enumerate(rounds(field, asked, stand), 1):
            about |= {"rounds": number, "load": [before, load()]}
            if not asked.quick and not asked.only:
                page.write(field, found, about)
    print("\n".join(["", *page.tables(field, found)]))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything is cleared up, as after Ctrl-C
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except BenchError as error:
        sys.exit(str(error))
