"""Mixed load for as long as wanted, with restarts, and whether anything grows: memory, descriptors, connections, what waits.

`make soak` takes two hours (`MINUTES=10` a sample). It begins with rushes at full throttle, so that every thread has served and
every pool is as full as it gets. A rush closes connections as it opens them, so then a few clients ask without a pause, until each
connection that is left has met each question and Postgres has laid by for it what it knows of the tables: 2.7 MiB a connection,
and no more. What still grows afterwards, under an even load, grows without end. From then on each part is measured every ten
seconds. web-2 and the last worker are restarted again and again; the others live through all of it, and so do the connections
that serve them: theirs are the slopes that count. Exit code 0: no request failed, everything was read, and nothing drifts.
"""

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import redis

from akount import logs
from tools.chaos.cluster import ask
from tools.stack.load import Load, Tally
from tools.stack.rolling import unread
from tools.stack.stack import Shape, Stack, own_memory, running, settled

SAMPLE_SECONDS = 10.0
CLIENTS, PAUSE_SECONDS = 4, 0.1
RESTARTS = 12
RUSH_SHARE, BRISK_SHARE, WARM_SHARE = 0.1, 0.25, 0.4
"""Until when, of the time: rushes, then a few without a pause, then the even load until all has come to rest."""
RUSH_CLIENTS, RUSH_REQUESTS, RUSH_EVERY_SECONDS = 64, 1_000, 15.0
"""More clients than the web servers have threads."""
TOLERANCE = 0.01
"""A drift over the whole run of so much of the median is no drift."""
WAITING = "SELECT count(*) AS n FROM jobs WHERE status IN ('waiting', 'active', 'delayed')"
CONNECTIONS = "SELECT pid, client_port AS port FROM pg_stat_activity WHERE backend_type = 'client backend'"

Series = dict[str, list[tuple[float, float]]]
"""What is measured → (seconds, value)."""


def sample(stack: Stack) -> dict[str, float]:
    """Memory (MiB) and descriptors of every part that is never restarted, connections, what waits."""
    found: dict[str, float] = {}
    parts, connections = stack.family(), connected(stack)
    restarted = [one for name in _restarted(stack) for one in parts.pop(name, [])]
    with_them = serving(restarted, connections)
    parts["postgres"] = [one for one in parts["postgres"] if one.pid not in with_them]
    for name, family in parts.items():
        found[f"memory of {name}, MiB"] = settled(family, own_memory)
        found[f"descriptors of {name}"] = settled(family, lambda one: one.num_fds())
    found["connections to Postgres"] = len(connections)
    found["jobs not ended"] = ask(stack.ground.database_url, WAITING)[0].n
    with redis.Redis.from_url(stack.ground.redis.url) as client:
        found["connections to Redis"] = client.info("clients")["connected_clients"]
        found["bytes of keys in Redis"] = sum(client.memory_usage(key, samples=0) or 0 for key in client.scan_iter())
    return found


def connected(stack: Stack) -> dict[int, int]:
    """Each process of Postgres that serves a connection → the port at its other end."""
    return {each.pid: each.port for each in ask(stack.ground.database_url, CONNECTIONS)}


def serving(processes: Iterable[psutil.Process], connections: dict[int, int]) -> set[int]:
    """Those that serve these processes."""
    ports = set()
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            ports |= {line.laddr.port for line in process.net_connections("tcp") if line.raddr}
    return {pid for pid, port in connections.items() if port in ports}


def _restarted(stack: Stack) -> set[str]:
    return {stack.web[-1].name, stack.workers[-1].name}


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The median of the slopes between all pairs (Theil and Sen): what jumps now and then does not bend it."""
    thin = points[:: max(1, len(points) // 200)]
    pairs = [(b[1] - a[1]) / (b[0] - a[0]) for n, a in enumerate(thin) for b in thin[n + 1 :]]
    return statistics.median(pairs) if pairs else 0.0


def verdict(points: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Median, slope an hour, and whether the drift over the run is within what the values vary by anyway."""
    values = [value for _, value in points]
    middle, steep = statistics.median(values), slope(points)
    drift = steep * (points[-1][0] - points[0][0])
    rest = sorted(value - steep * at for at, value in points)
    spread = rest[int(len(rest) * 0.9)] - rest[int(len(rest) * 0.1)]
    return {
        "median": middle,
        "an hour": steep * 3600,
        "drift": drift,
        "varies by": spread,
        "flat": abs(drift) <= max(TOLERANCE * abs(middle), spread),
    }


def soak(stack: Stack, minutes: float) -> dict[str, Any]:
    """The run, and what came of it."""
    series: Series = defaultdict(list)
    started, seconds = time.monotonic(), minutes * 60
    turns = [stack.web[-1], stack.workers[-1]]
    restarts, codes = 0, []
    rushed = [*_rushes(stack, started + seconds * RUSH_SHARE), _briskly(stack, started + seconds * BRISK_SHARE)]
    load = Load(stack.address, stack.ground.people.ada.headers, CLIENTS, pause=PAUSE_SECONDS)
    load.start()
    while (at := time.monotonic() - started) < seconds and not stack.stopping:
        for name, value in sample(stack).items():
            series[name].append((at, value))
        if at > seconds * (WARM_SHARE + (1 - WARM_SHARE) * (restarts + 1) / (RESTARTS + 1)):
            codes.append(stack.roll(turns[restarts % len(turns)]))
            restarts += 1
        stack.watch(max(0.0, SAMPLE_SECONDS - (time.monotonic() - started - at)))
    tally = sum([load.stop(), *rushed], Tally())
    warm = {name: [point for point in points if point[0] >= seconds * WARM_SHARE] for name, points in series.items()}
    return {
        "minutes": minutes,
        "requests": tally.asked,
        "failed": tally.failures,
        "documents": len(tally.jobs),
        "not read": unread(stack, tally),
        "restarts": restarts,
        "stopped badly": sum(code != 0 for code in codes),
        "slopes": {name: verdict(points) for name, points in warm.items() if len(points) > 2},
    }


def _rushes(stack: Stack, until: float) -> Iterator[Tally]:
    """All at once, again and again."""
    while time.monotonic() < until and not stack.stopping:
        ends = time.monotonic() + RUSH_EVERY_SECONDS
        rush = Load(stack.address, stack.ground.people.ada.headers, RUSH_CLIENTS, requests=RUSH_REQUESTS)
        rush.start()
        while rush.running and not stack.stopping:
            stack.watch(0.5)
        yield rush.stop()
        stack.watch(max(0.0, ends - time.monotonic()))


def _briskly(stack: Stack, until: float) -> Tally:
    """No more at once than each pool keeps connections, but one after the other."""
    few = Load(stack.address, stack.ground.people.ada.headers, CLIENTS)
    few.start()
    stack.watch(max(0.0, until - time.monotonic()))
    return few.stop()


def page(found: dict[str, Any]) -> str:
    """The result as a page."""
    counts = f"{found['requests']} requests, {found['documents']} documents, {found['restarts']} restarts"
    lines = [
        "# Soak",
        "",
        f"`make soak MINUTES={found['minutes']:g}`: {counts}; {len(found['failed'])} requests failed, "
        f"{len(found['not read'])} documents were not read, {found['stopped badly']} processes stopped badly.",
        "",
        f"Slopes (Theil and Sen) of the last {1 - WARM_SHARE:.0%} of the time, after rushes and rest. Flat: the drift is within "
        "what the values vary by, or 1 %. Memory is what a part has asked for itself, without files and Postgres' shared buffers; "
        "Postgres is without the connections of what is restarted.",
        "",
        "| | median | an hour | drift | varies by | flat |",
        "|---|---|---|---|---|---|",
    ]
    for name, one in found["slopes"].items():
        figures = " | ".join(f"{one[key]:,.1f}" for key in ("median", "an hour", "drift", "varies by"))
        lines.append(f"| {name} | {figures} | {'yes' if one['flat'] else 'NO'} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.stack.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--results", type=Path, help="directory for soak.json and soak.md")
    asked = parser.parse_args()
    logs.configure(as_json=False, level="ERROR")
    with (
        tempfile.TemporaryDirectory(prefix="akount-soak-") as directory,
        running(Path(directory), Shape()) as stack,
    ):
        print(f"{asked.minutes:g} minutes of mixed load at {stack.address} …", flush=True)
        found = soak(stack, asked.minutes)
    print(page(found))
    for one in found["failed"][:20]:
        print(f"  {one}")
    if asked.results:
        (asked.results / "soak.json").write_text(json.dumps(found, indent=1) + "\n")
        (asked.results / "soak.md").write_text(page(found))
    bad = found["failed"] or found["not read"] or found["stopped badly"]
    flat = [one["flat"] for one in found["slopes"].values()]
    return 0 if not bad and flat and all(flat) else 1


if __name__ == "__main__":
    sys.exit(main())
