"""How each part that the service stands on is: one look at each, for the readiness probe, the doctor and the console alike.

A look answers a Vital, or raises the part's own error when it is away. It shows no secret and no address.
"""

from __future__ import annotations

import enum
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from akount import connections, pools, schedules
from akount.db import Database, schema_revision
from akount.storage import Storage
from config import Settings

FREE_BYTES = 1 << 30
SKEW_SECONDS = 2.0
"""Clocks that are further apart give work back too early or too late."""
SLOW_SECONDS = 0.25
FULL = 0.8
"""A share of connections or memory from which on it is close to its limit."""
ENGINES = ("pypdfium2", "rapidocr", "onnxruntime", "pypdf", "lxml")
"""What documents are read with."""


class State(enum.StrEnum):
    """How a part is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Vital:
    """How a part is, in a sentence that says what to do where something is to be done."""

    state: State
    message: str


def database(held: Database) -> Vital:
    """It answers, at the schema that this program needs. Raises Unavailable."""
    started = time.monotonic()
    held.ping()
    took = time.monotonic() - started
    said = f"{held.url.get_backend_name()} answers in {took * 1000:.0f} ms"
    if not (held.sqlite or held.is_walled()):
        return Vital(
            State.FAIL,
            "its role is a superuser, so row-level security between tenants does not hold; let DATABASE_URL name an ordinary "
            "role that owns the tables.",
        )
    return Vital(State.WARN if took > SLOW_SECONDS else State.OK, said)


def migrations(held: Database) -> Vital:
    """The schema is the one this program needs. Raises Unavailable."""
    current, head = schema_revision(held)
    if current == head:
        return Vital(State.OK, f"schema at {head}")
    return Vital(State.FAIL, f"its schema is at {current or 'nothing'}, this program needs {head}; run `python -m akount migrate`.")


def capacity(held: Database, settings: Settings) -> Vital:
    """The server's connections, how many are used, and what runs longest on it. Raises Unavailable."""
    enough, said = pools.compared(settings, held)
    if held.sqlite:
        return Vital(State.OK, said)
    used, allowed, longest = held.load()
    now_ = f"{used} of {allowed} connections are used; the longest statement has run for {longest:.1f} s; {said}"
    return Vital(State.OK if enough and used < FULL * allowed else State.WARN, now_)


def clocks(held: Database) -> Vital:
    """This machine's clock beside the database's. Raises Unavailable."""
    skew = held.skew()
    said = f"this machine is {abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} the database"
    if abs(skew) <= SKEW_SECONDS:
        return Vital(State.OK, said)
    return Vital(State.FAIL, f"{said}; set both by NTP: leases and alerts go by them.")


def storage(held: Storage) -> Vital:
    """A file can be written and removed. Raises Unavailable."""
    started = time.monotonic()
    held.ping()
    return Vital(State.OK, f"takes files, in {(time.monotonic() - started) * 1000:.0f} ms")


def redis(client: connections.Client | None) -> Vital:
    """It answers, and has room. Raises connections.FAULTS."""
    if client is None:
        return Vital(State.OK, "off; the queue is kept in SQLite")
    started = time.monotonic()
    client.ping()
    took = time.monotonic() - started
    memory, clients = client.info("memory"), client.info("clients").get("connected_clients", 0)
    used, limit = memory.get("used_memory", 0), memory.get("maxmemory", 0)
    said = f"answers in {took * 1000:.0f} ms; {used >> 20} MiB used{f' of {limit >> 20}' if limit else ''}, {clients} clients"
    return Vital(State.WARN if limit and used > FULL * limit else State.OK, said)


def retention(client: connections.Client | None, settings: Settings) -> Vital:
    """Redis keeps what it is given (R9). Raises connections.FAULTS."""
    if client is None:
        return Vital(State.OK, "off; the queue is kept in SQLite")
    found = connections.weaknesses(client)
    if not found:
        return Vital(State.OK, "throws nothing away, and remembers at a restart")
    bad = "eviction" in found and settings.production
    return Vital(State.FAIL if bad else State.WARN, "; ".join(found.values()))


def disk(settings: Settings) -> Vital:
    """DATA_DIR can be written and has room."""
    try:
        settings.directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings.directory):
            free = shutil.disk_usage(settings.directory).free
    except OSError as error:
        return Vital(State.FAIL, f"{settings.directory} cannot be written ({error.strerror}); set DATA_DIR or change its owner.")
    if free < FREE_BYTES:
        return Vital(State.FAIL, f"only {free >> 20} MiB are free below {settings.directory}; make room.")
    return Vital(State.OK, f"{settings.directory}, {free >> 30} GiB free")


def engines() -> Vital:
    """What documents are read with, by version; the models are in the wheel of the one that needs them."""
    found, missing = [], []
    for name in ENGINES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        return Vital(State.FAIL, f"{', '.join(missing)} not installed; install the requirements again.")
    return Vital(State.OK, ", ".join(found))


def sweepers(held: Database) -> Vital:
    """Somebody comes for what is to be done over and over. Raises Unavailable."""
    with held.snapshot() as session:
        listed = schedules.listed(session)
    late = [plan.name for plan, row in listed if schedules.missed(plan, row)]
    failed = [plan.name for plan, row in listed if row is not None and row.outcome == "failed"]
    if late:
        return Vital(State.FAIL, f"nobody has come for {', '.join(late)}: no sweeper lives; start a worker.")
    if failed:
        return Vital(State.WARN, f"the last round of {', '.join(failed)} failed; the page Schedules says why.")
    return Vital(State.OK, "everything that is done over and over was done in time")


def looks(settings: Settings, held: Database, files: Storage, client: connections.Client | None) -> dict[str, Callable[[], Vital]]:
    """Every part by name, in the order of their weight."""
    return {
        "database": lambda: database(held),
        "migrations": lambda: migrations(held),
        "connections": lambda: capacity(held, settings),
        "clock": lambda: clocks(held),
        "sweepers": lambda: sweepers(held),
        "storage": lambda: storage(files),
        "redis": lambda: redis(client),
        "retention": lambda: retention(client, settings),
        "disk": lambda: disk(settings),
        "engines": engines,
    }
