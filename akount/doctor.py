"""`akount doctor`: looks at everything the service stands on and says, for each fault, how to mend it."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable

from akount import antivirus, connections, db, vitals
from akount.errors import AkountError, Unreadable
from akount.extraction import confine
from akount.extraction.sandbox import Limits
from akount.extraction.tiers import TieredSandbox
from akount.hosted import wire
from akount.hosted.providers import PROVIDERS, configured
from akount.hosted.refusals import NotAnswered
from akount.storage import Storage, new_key, open_storage
from akount.vitals import State, Vital
from config import Settings

HOSTED_SECONDS = 10.0
Probe = Callable[[Settings], str]


class Fault(Exception):
    """What is wrong, and how it is mended."""


def examine(settings: Settings, say: Callable[[str], None]) -> bool:
    """Says how each part is. True when all are well."""
    well = True
    for name, probe in PROBES.items():
        try:
            say(f"ok     {name}: {probe(settings)}")
        except Fault as fault:
            say(f"FAULT  {name}: {fault}")
            well = False
    return well


def _sound(vital: Vital) -> str:
    """What is said of a part that is well, or not quite."""
    if vital.state is State.FAIL:
        raise Fault(vital.message)
    return vital.message


def _data(settings: Settings) -> str:
    return _sound(vitals.disk(settings))


def _database(settings: Settings) -> str:
    database = db.Database(settings.database, pooled=False, connect_timeout=3)
    try:
        found = [
            vitals.database(database),
            vitals.migrations(database),
            vitals.capacity(database, settings),
            vitals.clocks(database),
        ]
    except AkountError as error:
        raise Fault("it does not answer; check DATABASE_URL and that the server runs and lets this machine in.") from error
    finally:
        database.close()
    return "; ".join(map(_sound, found))


def _redis(settings: Settings) -> str:
    if settings.redis is None:
        return "off; the queue is kept in SQLite"
    client = connections.redis_client(settings)
    try:
        found = connections.weaknesses(client)
    except connections.FAULTS as error:
        raise Fault(
            f"it does not answer ({type(error).__name__}); check REDIS_URL or REDIS_HOST, REDIS_PASSWORD and TLS."
        ) from error
    finally:
        client.close()
    if "eviction" in found:
        raise Fault(found["eviction"])
    return "; ".join(["answers", *found.values()])


def _storage(settings: Settings) -> str:
    storage = open_storage(settings)
    try:
        _round_trip(storage)
    except FileNotFoundError as error:
        raise Fault("a file that was just stored is not there; check STORAGE_URL and the rules of the bucket.") from error
    except AkountError as error:
        why = getattr(error, "why", "") or error.detail
        raise Fault(f"files cannot be kept there ({why}); check STORAGE_URL, SPACES_… and their permissions.") from error
    finally:
        storage.close()
    return f"{settings.storage.split('?')[0]} takes a file and gives it back"


def _round_trip(storage: Storage) -> None:
    """Stores a file, reads it and removes it. What is left behind if that is cut short is swept as an orphan."""
    key, incoming = new_key(uuid.UUID(int=0), uuid.UUID(int=0)), storage.receive(vitals.FREE_BYTES)
    try:
        incoming.write(b"akount doctor")
        storage.put(key, incoming)
        storage.open(key, incoming.sha256).close()
        storage.delete(key)
    finally:
        incoming.close()


def _antivirus(settings: Settings) -> str:
    if not settings.clamav_host:
        return "off; set CLAMAV_HOST to have uploads looked at"
    if not antivirus.ping(settings):
        raise Fault("clamd does not answer, so no upload is taken in; check CLAMAV_HOST, CLAMAV_PORT and that it listens on TCP.")
    return "clamd answers"


def _reader(settings: Settings) -> str:
    sandbox = TieredSandbox(Limits.of(settings))
    try:
        sandbox.start()
        with tempfile.TemporaryFile() as file:
            file.write(b"not a document")
            file.flush()
            sandbox.read(file, "application/pdf")
    except Unreadable:
        return "starts, and refuses what is no document"
    except AkountError as error:
        raise Fault(f"{error.detail} Install the requirements again; SCAN_MEMORY_MB may be too small.") from error
    finally:
        sandbox.close()
    raise Fault("it read what is no document.")


def _confinement(_settings: Settings) -> str:
    missing = confine.missing()
    if "seccomp" in missing:
        raise Fault("this kernel offers no seccomp filter: readers are limited in time and memory, but not kept from the network.")
    if missing:
        return "readers cannot open sockets or start programs; other files they could read: this kernel has no Landlock"
    return "readers cannot open sockets, start programs or open other files"


def _hosted(settings: Settings) -> str:
    models = configured(settings)
    for name, model in models.items():
        request = PROVIDERS[name].key_check(settings)
        try:
            listed = wire.ask(request, HOSTED_SECONDS, method="GET").get("data")
        except NotAnswered as refusal:
            raise Fault(f"{name} was asked for its models: {refusal.why}; check its key and address.") from None
        known = {one.get("id") for one in listed if isinstance(one, dict)} if isinstance(listed, list) else set()
        if model not in known:
            raise Fault(f"{name} takes the key, but lists no model {model!r}; check {name.upper()}_MODEL.")
    return "; ".join(f"{name} takes the key and has {model}" for name, model in models.items()) or "off; nothing is sent anywhere"


PROBES: dict[str, Probe] = {
    "data": _data,
    "database": _database,
    "redis": _redis,
    "storage": _storage,
    "antivirus": _antivirus,
    "reader": _reader,
    "confinement": _confinement,
    "hosted engines": _hosted,
}
