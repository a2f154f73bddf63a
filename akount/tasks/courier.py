"""The courier: a thread beside the sweep that carries out what webhooks are to be told, and holds up nothing but itself."""

from __future__ import annotations

import threading
import time

from akount import addresses, logs, notices, webhooks
from akount.db import now
from akount.errors import AkountError, Unavailable
from akount.lifecycle import Runtime
from akount.models import DeliveryStatus
from akount.webhooks import Parcel

log = logs.get(__name__)

PAUSE_SECONDS = 2.0
"""Between two looks at what is due."""
AT_ONCE = 5


class Courier(threading.Thread):
    """One for each sweeper; of several none carries what another has."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(name="courier", daemon=True)
        self._runtime = runtime
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Ends it; what it has in hand is carried by another when its lease is over."""
        self._stopping.set()

    def run(self) -> None:
        """Carries what is due, until it is told to stop."""
        while not self._stopping.wait(PAUSE_SECONDS):
            try:
                while not self._stopping.is_set() and round_of(self._runtime):
                    pass
            except AkountError as error:
                log.warning("webhooks wait", code=error.code)


def round_of(runtime: Runtime) -> int:
    """Carries some of what is due. Answers how many."""
    with runtime.database.snapshot() as session:  # a look takes no lock
        due = webhooks.are_due(session)
    if not due:
        return 0
    with runtime.database.transaction() as session:
        parcels = webhooks.take(session, runtime.seal, AT_ONCE)
    for parcel in parcels:
        carry(runtime, parcel)
    return len(parcels)


def carry(runtime: Runtime, parcel: Parcel) -> DeliveryStatus:
    """One attempt at a delivery; however it goes is written down. No transaction is open meanwhile."""
    status, error, started = None, "", time.monotonic()
    try:
        secrets = [runtime.seal.open(sealed) for sealed in parcel.sealed]
        status = notices.within(notices.PATIENCE, lambda: _send(runtime, parcel, secrets))
    except (Unavailable, AkountError) as refused:
        error = refused.detail
    with runtime.database.transaction() as session:
        outcome = webhooks.settle(session, parcel, status, error or ("" if _is_well(status) else f"It answered {status}."))
    ms = round((time.monotonic() - started) * 1000)
    log.info("webhook told", webhook=str(parcel.webhook_id), delivery=str(parcel.id), status=status, outcome=outcome.value, ms=ms)
    return outcome


def _is_well(status: int | None) -> bool:
    return status is not None and 200 <= status < 300


def _send(runtime: Runtime, parcel: Parcel, secrets: list[str]) -> int:
    at = int(now().timestamp())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "akount",
        "webhook-id": str(parcel.id),
        "webhook-timestamp": str(at),
        "webhook-signature": webhooks.signatures(secrets, parcel.id, at, parcel.body),
    }
    return addresses.post(parcel.url, parcel.body, headers, private=runtime.settings.webhook_private_addresses)
