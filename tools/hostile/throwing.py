"""Sends each file as a person would, waits for what becomes of it, and looks meanwhile whether the service still answers."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx

from akount.kinds import KINDS
from service import PLAIN, Service
from tools.hostile.cases import FAILED, READ, REFUSED, Case

INTERNAL = re.compile(r'Traceback|File "/|site-packages|psycopg|sqlalchemy|lxml\.|PIL\.|pypdfium2|\.py", line')
PLURALS = [kind.plural for kind in KINDS.values()]
HEALTH_SECONDS = 0.5


@dataclass(frozen=True)
class Outcome:
    """What became of one file: read, refused or failed with a code; or broken, with what."""

    case: Case
    ending: str
    code: str | None = None
    broken: str = ""
    seconds: float = 0.0
    flags: tuple[str, ...] = ()

    @property
    def right(self) -> bool:
        return not self.broken and not self.flags and self.case.judge(self.ending, self.code)


@dataclass
class Thrown:
    """All of it."""

    outcomes: list[Outcome] = field(default_factory=list)
    health: list[tuple[bool, float]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def wrong(self) -> list[Outcome]:
        return [one for one in self.outcomes if not one.right]

    @property
    def broken(self) -> list[Outcome]:
        return [one for one in self.outcomes if one.broken]

    @property
    def unwell(self) -> int:
        return sum(not well for well, _ in self.health)


def throw(service: Service, cases: Iterable[Case], *, hands: int, patience: float) -> Thrown:
    """Sends all, `hands` at a time, and waits at most so many seconds for each to end."""
    thrown, over, started = Thrown(), threading.Event(), time.monotonic()
    watch = threading.Thread(target=_watch, args=(service, thrown, over))
    watch.start()
    try:
        with ThreadPoolExecutor(hands) as pool:
            thrown.outcomes = list(pool.map(lambda pair: _one(service, pair[1], PLURALS[pair[0] % 2], patience), enumerate(cases)))
    finally:
        over.set()
        watch.join()
    thrown.seconds = time.monotonic() - started
    return thrown


def _watch(service: Service, thrown: Thrown, over: threading.Event) -> None:
    while not over.wait(HEALTH_SECONDS):
        asked = time.monotonic()
        try:
            well = httpx.get(f"{service.address}/health", timeout=5, **PLAIN).status_code == 200
        except httpx.HTTPError:
            well = False
        thrown.health.append((well, time.monotonic() - asked))


def _one(service: Service, case: Case, plural: str, patience: float) -> Outcome:
    started = time.monotonic()
    try:
        answer = service.client.post(f"/api/business/{plural}/scan", files={"file": (case.name, case.make())})
    except httpx.HTTPError as error:
        return Outcome(case, "", broken=f"upload: {type(error).__name__}", seconds=time.monotonic() - started)
    body = _json(answer)
    if answer.status_code >= 500:
        return Outcome(case, "", body.get("code"), f"upload: {answer.status_code}")
    if answer.status_code >= 400:
        flags = _flags(answer.text, body.get("code"), body.get("detail"))
        return Outcome(case, REFUSED, body.get("code"), seconds=time.monotonic() - started, flags=flags)
    return _ended(service, case, body, started, patience)


def _ended(service: Service, case: Case, upload: dict[str, Any], started: float, patience: float) -> Outcome:
    while time.monotonic() < started + patience:
        try:
            answer = service.client.get(upload["statusUrl"], headers={"Prefer": "wait=5"})
        except httpx.HTTPError as error:
            return Outcome(case, "", broken=f"status: {type(error).__name__}")
        job = _json(answer)
        if answer.status_code != 200:
            return Outcome(case, "", job.get("code"), f"status: {answer.status_code}")
        if job["status"] in ("completed", "failed", "cancelled"):
            error = job.get("error") or {}
            failed = job["status"] != "completed"
            flags = _flags(answer.text, error.get("code"), error.get("detail")) if failed else ()
            return Outcome(case, FAILED if failed else READ, error.get("code"), seconds=time.monotonic() - started, flags=flags)
    return Outcome(case, "", broken=f"not over in {patience:g} s")


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        said = answer.json()
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _flags(text: str, code: object, detail: object) -> tuple[str, ...]:
    """What an error must not do: tell of the inside, or tell nothing."""
    told = {"tells of the inside": INTERNAL.search(text) is not None, "tells nothing": not code or not detail}
    return tuple(name for name, so in told.items() if so)


def table(thrown: Thrown) -> str:
    """By sort of file: how many, how they ended, how many ended right."""
    groups = sorted({one.case.group for one in thrown.outcomes})
    rows = [f"{'sort':<10}{'files':>7}{'read':>7}{'refused':>9}{'failed':>8}{'broken':>8}{'right':>7}"]
    for group in [*groups, "all"]:
        mine = [one for one in thrown.outcomes if group in (one.case.group, "all")]
        ends = Counter(one.ending for one in mine)
        counts = (
            len(mine),
            ends[READ],
            ends[REFUSED],
            ends[FAILED],
            sum(bool(one.broken) for one in mine),
            sum(o.right for o in mine),
        )
        rows.append(f"{group:<10}{counts[0]:>7}{counts[1]:>7}{counts[2]:>9}{counts[3]:>8}{counts[4]:>8}{counts[5]:>7}")
    codes = Counter(one.code for one in thrown.outcomes if one.code)
    rows.append("codes: " + ", ".join(f"{code} {count}" for code, count in codes.most_common()))
    return "\n".join(rows)
