"""Restarts every web server and worker in turn, as an upgrade does, while clients ask through nginx: nobody may be failed.

`make rolling` asks 20,000 times. Exit code 0: no request failed, every document that was accepted was read, and every
process that was told to stop ended in order.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from akount import logs
from tools.chaos.cluster import ask
from tools.stack.load import Load, Tally
from tools.stack.stack import Shape, Stack, running

SETTLE_SECONDS = 300


def roll(stack: Stack, requests: int, clients: int) -> dict[str, Any]:
    """Rolls through the stack for as long as there are requests; every host at least once."""
    load = Load(stack.address, stack.ground.people.ada.headers, clients, requests)
    started, codes, rolled = time.monotonic(), [], 0
    load.start()
    every = [*stack.web, *stack.workers]
    while (load.running or rolled < len(every)) and not stack.stopping:
        codes.append(stack.roll(every[rolled % len(every)]))
        rolled += 1
    tally = load.stop()
    return {
        "requests": tally.asked,
        "failed": tally.failures,
        "restarts": rolled,
        "stopped badly": sum(code != 0 for code in codes),
        "documents": len(tally.jobs),
        "not read": unread(stack, tally),
        "seconds": round(time.monotonic() - started, 1),
        "p99_ms": round(sorted(tally.seconds)[int(len(tally.seconds) * 0.99)] * 1000, 1),
    }


def unread(stack: Stack, tally: Tally) -> list[str]:
    """The jobs that were accepted and did not come to their end, when nothing moves any more or all have."""
    ends = time.monotonic() + SETTLE_SECONDS
    while True:
        rows = ask(stack.ground.database_url, "SELECT CAST(id AS text) AS id, status FROM jobs")
        ended = {row.id for row in rows if row.status == "completed"}
        missing = [job for job in tally.jobs if job not in ended]
        if not missing or time.monotonic() > ends or stack.stopping:
            return missing
        stack.watch(0.5)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.stack.rolling", description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--clients", type=int, default=8)
    asked = parser.parse_args()
    logs.configure(as_json=False, level="ERROR")
    with tempfile.TemporaryDirectory(prefix="akount-rolling-") as directory, running(Path(directory), Shape()) as stack:
        print(f"{asked.requests} requests through {stack.address} while every process is restarted in turn …", flush=True)
        found = roll(stack, asked.requests, asked.clients)
    for name, value in found.items():
        print(f"{name}: {len(value) if isinstance(value, list) else value}")
    for one in found["failed"][:20]:
        print(f"  {one}")
    return 0 if not (found["failed"] or found["not read"] or found["stopped badly"]) else 1


if __name__ == "__main__":
    sys.exit(main())
