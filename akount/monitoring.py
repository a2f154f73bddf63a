"""GET /metrics: what the processes of this machine counted, and what the database says of the queues (H7)."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, current_app, request

from akount import exposition
from akount.api.guards import public, runtime
from akount.census import Census
from akount.edge import plain_http
from akount.errors import NotFound
from akount.health import probes
from akount.kinds import QUEUES
from akount.models import JobStatus

bp = Blueprint("monitoring", __name__)

FRESH_SECONDS = 3.0
"""So long what the database said is said again: several monitors are no load."""
SHOWN = (JobStatus.WAITING, JobStatus.DELAYED, JobStatus.ACTIVE, JobStatus.FAILED)


class Lookout:
    """What the database said last, asked at most every few seconds and within the second of a probe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at = float("-inf")
        self._seen: Census | None = None

    def look(self) -> Census | None:
        """None: the database is away."""
        with self._lock:
            if time.monotonic() - self._at > FRESH_SECONDS:
                answer = probes().ask("census")["census"]
                self._seen = answer if isinstance(answer, Census) else None
                self._at = time.monotonic()
            return self._seen


@bp.get("/metrics")
@public
@plain_http
def show() -> Response:
    """For monitors; for all others there is no such page."""
    settings = runtime().settings
    if not exposition.may_read(settings, request.headers.get("Authorization", ""), request.remote_addr or ""):
        raise NotFound("There is no such page.")
    lookout: Lookout = current_app.extensions["lookout"]
    return Response(exposition.text(settings, more=_families(lookout.look())), content_type=exposition.CONTENT_TYPE)


def _families(census: Census | None) -> Iterator[Any]:
    """What the database says, as gauges; only that it is away when it is."""
    from prometheus_client.core import GaugeMetricFamily

    yield GaugeMetricFamily("akount_database_answers", "Whether the numbers below could be asked for.", int(census is not None))
    if census is None:
        return
    jobs = GaugeMetricFamily("akount_queue_jobs", "Jobs in the history, by status.", labels=["queue", "status"])
    oldest = GaugeMetricFamily("akount_queue_oldest_wait_seconds", "Since the job that waits longest was due.", labels=["queue"])
    workers = GaugeMetricFamily("akount_workers_alive", "Processes that read, heard of lately.", labels=["queue"])
    for queue in QUEUES:
        for status in SHOWN:
            jobs.add_metric([queue, status.value], census.jobs.get(queue, {}).get(status.value, 0))
        oldest.add_metric([queue], census.oldest_wait.get(queue, 0.0))
        workers.add_metric([queue], census.workers.get(queue, 0))
    yield from (jobs, oldest, workers)
