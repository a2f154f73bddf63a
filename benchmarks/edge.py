"""What the edge costs: a small authenticated GET of ours beside a bare Flask view, under the same gunicorn, side by side.

`make bench-edge` writes for each the median requests a second and the ratio to the bare view, over interleaved rounds, to
benchmarks/results/edge.md.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil

from akount import db, logs
from akount.lifecycle import open_runtime
from akount.tasks.queues import hang_bells
from fresh import make_settings
from make import submitted
from people import settle_in
from servers import create_database, free_port, postgres_server, redis_server
from service import ROOT
from web import Web

PROCESSES, THREADS, CLIENTS = 2, 8, 8
RESULTS = ROOT / "benchmarks" / "results" / "edge.md"
HEAD = """# What the edge costs

Made by `make bench-edge` on {day}: {rounds} rounds of {seconds:g} s each, in turn; 8 clients on lines that they keep,
2 processes of 8 threads under gunicorn, Postgres and Redis on the same two cores. Medians; a ratio is the median of the
rounds' ratios to the first row.

"""


class Target:
    """A request that is sent over and over, and the processes that answer it."""

    def __init__(self, name: str, port: int, path: str, headers: dict[str, str], pid: int) -> None:
        lines = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
        self.name, self.port, self.pid = name, port, pid
        self.request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{lines}\r\n".encode()

    def cpu_seconds(self) -> float:
        """Of the server and its processes."""
        master = psutil.Process(self.pid)
        return sum(sum(one.cpu_times()[:2]) for one in (master, *master.children()))

    def ask(self, until: float) -> int:
        """How many answers came over one connection that is kept."""
        count = 0
        with socket.create_connection(("127.0.0.1", self.port), 10) as line:
            while time.monotonic() < until:
                line.sendall(self.request)
                answer = line.recv(65536)
                while not _whole(answer):
                    answer += line.recv(65536)
                if not answer.startswith(b"HTTP/1.1 200 "):
                    raise SystemExit(f"{self.name}: {answer[:300]!r}")
                count += 1
        return count


def _whole(answer: bytes) -> bool:
    head, _, body = answer.partition(b"\r\n\r\n")
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    return bool(length) and len(body) >= int(length)


def measure(target: Target, seconds: float) -> tuple[float, float]:
    """Requests a second of eight clients, and milliseconds of the servers' processor time for each."""
    counts: list[int] = []
    started, before = time.monotonic(), target.cpu_seconds()
    clients = [threading.Thread(target=lambda: counts.append(target.ask(started + seconds))) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    total = sum(counts)
    return total / (time.monotonic() - started), (target.cpu_seconds() - before) * 1000 / total


@contextlib.contextmanager
def targets() -> Iterator[list[Target]]:
    """Ours on Postgres and Redis, and the bare view."""
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-edge-")))
        postgres = stack.enter_context(postgres_server(directory / "pg", fast=True))
        redis = stack.enter_context(redis_server(directory / "redis"))
        url = create_database(postgres, "edge")
        db.migrate(url)
        logs.configure(as_json=False, level="WARNING")
        said = {"REDIS_URL": redis.url, "RATE_LIMIT_PER_MINUTE": "100000000", "JOBS_PER_MINUTE": "1000000"}
        settings = make_settings(directory, url, **said)
        runtime = open_runtime(settings)
        stack.callback(runtime.close)
        hang_bells(runtime)
        people = settle_in(runtime.database)
        job = submitted(runtime, people.ada)
        shape = {"WEB_PROCESSES": str(PROCESSES), "WEB_THREADS": str(THREADS), "LOG_LEVEL": "WARNING"}
        web = stack.enter_context(Web(settings, **shape))
        port, plain = _plain_server(stack, directory, url)
        yield [
            Target("a bare Flask view", port, "/", {}, plain),
            Target("a bare Flask view that asks who it is and for a job", port, f"/{job.id}", people.ada.headers, plain),
            Target("health, live", web.port, "/health/live", {}, web.process.pid),
            Target("who am I", web.port, "/api/session", people.ada.headers, web.process.pid),
            Target("a job", web.port, f"/api/ai/jobs/{job.id}", people.ada.headers, web.process.pid),
        ]


def _plain_server(stack: contextlib.ExitStack, directory: Path, url: str) -> tuple[int, int]:
    port = free_port()
    kind = ("-k", "gthread", "-w", str(PROCESSES), "--threads", str(THREADS), "--no-control-socket")
    command = (sys.executable, "-m", "gunicorn", *kind, "-b", f"127.0.0.1:{port}", "--log-level", "error", "benchmarks.bare:app")
    said = os.environ | {"PYTHONPATH": f"{ROOT}", "BARE_DATABASE_URL": url}
    process = subprocess.Popen(command, cwd=directory, env=said)
    stack.callback(process.wait, 30)
    stack.callback(process.terminate)
    for _ in range(300):
        with contextlib.suppress(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{port}/", timeout=5, trust_env=False)
            return port, process.pid
        time.sleep(0.1)
    raise SystemExit("the bare view did not start")


def main() -> None:
    """Measures and prints."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rounds", type=int, default=5)
    asked.add_argument("--seconds", type=float, default=4)
    said = asked.parse_args()
    with targets() as all_of_them:
        for target in all_of_them:
            measure(target, 1)  # warm
        found: dict[str, list[tuple[float, float]]] = {target.name: [] for target in all_of_them}
        for _ in range(said.rounds):
            for target in all_of_them:
                found[target.name].append(measure(target, said.seconds))
    table = "\n".join(["| | requests/s | ratio | processor ms each | ratio |", "|---|---:|---:|---:|---:|", *_rows(found)])
    print(table)
    RESULTS.write_text(HEAD.format(day=f"{dt.datetime.now(dt.UTC):%Y-%m-%d}", **vars(said)) + table + "\n", encoding="utf-8")


def _rows(found: dict[str, list[tuple[float, float]]]) -> Iterator[str]:
    first = next(iter(found.values()))
    for name, rounds in found.items():
        ratio = statistics.median(mine[0] / bare[0] for mine, bare in zip(rounds, first, strict=True))
        cheap = statistics.median(bare[1] / mine[1] for mine, bare in zip(rounds, first, strict=True))
        rate, cpu = (statistics.median(one[place] for one in rounds) for place in (0, 1))
        yield f"| {name} | {rate:.0f} | {ratio:.2f} | {cpu:.2f} | {cheap:.2f} |"


if __name__ == "__main__":
    main()
