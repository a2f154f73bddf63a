"""Is it alive, is it ready, and what is wrong (H1-H3): probes that run together, each with a second, and their pages."""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from flask import Blueprint, Response, current_app, jsonify

from akount import backlog, census, connections, instants, logs, vitals
from akount.api.guards import public
from akount.census import Census
from akount.db import Database, now
from akount.edge import plain_http
from akount.errors import AkountError
from akount.lifecycle import Runtime
from akount.vitals import State, Vital

log = logs.get(__name__)
bp = Blueprint("health", __name__)

PROBE_SECONDS = 1.0
VITAL = "vital "
"""Begins the names of the probes that tell of a part in a sentence (vitals.py)."""


class Probes:
    """The probes of one process. A probe that hangs is not started again until it is back: it counts as an error."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._database = Database(runtime.settings.database, pooled=False, connect_timeout=2)
        self._pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="probe")
        self._running: dict[str, Future[Any]] = {}
        self._asked: dict[str, float] = {}
        self._lock = threading.Lock()
        self._redis = connections.redis_client(runtime.settings) if runtime.settings.redis else None
        self._probes: dict[str, Callable[[], Any]] = {
            "database": self._database.ping,
            "migrations": lambda: _sound(vitals.migrations(self._database)),
            "storage": runtime.storage.ping,
            "queue": self._queue,
            "census": self._census,
        }
        if self._redis is not None:
            self._probes |= {"redis": self._redis.ping}
            self._probes |= {"eviction": self._eviction}
        looks = vitals.looks(runtime.settings, self._database, runtime.storage, self._redis)
        self._probes |= {f"{VITAL}{name}": look for name, look in looks.items()}
        self._since: dict[str, tuple[State, dt.datetime]] = {}
        self._outages = {name: connections.Outage(name) for name in ("database", "storage", "redis", "census")}

    def ask(self, *names: str, fresh: float = 0.0) -> dict[str, Any]:
        """Name → what the probe answered; an error is the exception itself, a late probe a TimeoutError. An answer to a
        question that was asked less than `fresh` seconds ago serves again."""
        with self._lock:
            asked = {name: self._start(name, fresh) for name in names if name in self._probes}
        wait(asked.values(), timeout=PROBE_SECONDS)
        answers = {name: self._answer(future) for name, future in asked.items()}
        for name in answers.keys() & self._outages.keys():
            self._note(self._outages[name], answers[name])
        return answers

    def vitals(self) -> dict[str, tuple[Vital, dt.datetime]]:
        """How every part is, as far as it can be told within a second, and since when it is so, as this process has seen it."""
        names = [name for name in self._probes if name.startswith(VITAL)]
        answers = self.ask(*names[::2]) | self.ask(*names[1::2])  # no more at once than pools.PROBES counts on
        found = {name.removeprefix(VITAL): _vital(answers[name]) for name in names}
        with self._lock:
            for name, vital in found.items():
                if self._since.get(name, (None,))[0] is not vital.state:
                    self._since[name] = (vital.state, now())
            return {name: (vital, self._since[name][1]) for name, vital in found.items()}

    def close(self) -> None:
        """Lets go of everything; a hung probe is left to its time-out."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._database.close()
        if self._redis is not None:
            self._redis.close()

    def _start(self, name: str, fresh: float) -> Future[Any]:
        running, at = self._running.get(name), time.monotonic()
        if running is None or (running.done() and at - self._asked[name] >= fresh):
            running = self._running[name] = self._pool.submit(self._probes[name])
            self._asked[name] = at
        return running

    @staticmethod
    def _answer(future: Future[Any]) -> Any:
        if not future.done():
            return TimeoutError()
        return future.exception() or future.result()

    @staticmethod
    def _note(outage: connections.Outage, answer: Any) -> None:
        if isinstance(answer, Exception):
            outage.begin(answer)
        else:
            outage.end()

    def _eviction(self) -> None:
        """R9; that Redis is away is told by its own probe."""
        with contextlib.suppress(*connections.FAULTS):
            _sound(vitals.retention(self._redis, self._runtime.settings))

    def _queue(self) -> dict[str, dict[str, int]]:
        with self._database.snapshot() as session:
            return backlog.counts(session)

    def _census(self) -> Census:
        with self._database.snapshot() as session:
            return census.take(session)


def _vital(answer: Any) -> Vital:
    if isinstance(answer, Vital):
        return answer
    if isinstance(answer, TimeoutError):
        return Vital(State.UNKNOWN, "It has not answered within a second.")
    detail = answer.detail if isinstance(answer, AkountError) else "It does not answer."
    return Vital(State.FAIL, detail)


def _sound(vital: Vital) -> None:
    """Raises AkountError unless a part is well enough to work (R9: a Redis that evicts is not, in production)."""
    if vital.state is State.FAIL:
        raise AkountError(vital.message)


def _word(answer: Any) -> str:
    return "error" if isinstance(answer, Exception) else "ok"


def probes() -> Probes:
    """The probes of this process."""
    held: Probes = current_app.extensions["probes"]
    return held


@bp.get("/health/live")
@public
@plain_http
def live() -> Response:
    """The process answers; nothing else is asked."""
    return jsonify({"status": "ok"})


@bp.get("/health/ready")
@public
@plain_http
def ready() -> tuple[Response, int]:
    """Whether work may be sent here: 503 names the failing part."""
    answers = probes().ask("database", "migrations", "storage", "redis", "eviction")
    failing = [name for name, answer in answers.items() if isinstance(answer, Exception)]
    body = {"status": "error" if failing else "ok", "failing": failing, "checks": {n: _word(a) for n, a in answers.items()}}
    return jsonify(body), 503 if failing else 200


@bp.get("/health")
@public
@plain_http
def health() -> tuple[Response, int]:
    """For people and monitors: the database down is an error, Redis down is degraded."""
    answers = probes().ask("database", "storage", "redis", "queue")
    queue = answers.pop("queue")
    checks: dict[str, Any] = {"redis": "off"} | {name: _word(answer) for name, answer in answers.items()}
    checks["queue"] = {} if isinstance(queue, Exception) else queue
    status = "error" if checks["database"] == "error" else "degraded" if "error" in checks.values() else "ok"
    return jsonify({"status": status, "timestamp": instants.iso(now()), "checks": checks}), 503 if status == "error" else 200
