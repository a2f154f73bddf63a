"""GET /api/ai/jobs/…: how far a document is, asked once, with patience, or as a stream of events."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, jsonify, request

from akount import scans
from akount.accounts import Permission
from akount.api.contract import says
from akount.api.guards import call, needs, runtime, watcher
from akount.api.schemas import JobSchema, is_over, job_json
from akount.errors import Unavailable
from akount.models import Job, JobStatus
from akount.watch import Watch

bp = Blueprint("jobs", __name__)

MAX_WAIT_SECONDS = 30
HEARTBEAT_SECONDS = 15
STREAM_SECONDS = 300
RETRY_MS = 2000


@bp.get("/<uuid:job_id>")
@needs(Permission.VIEW)
@says(
    _200=JobSchema,
    _304=None,
    headers={
        "Prefer": "wait=N: answer after the next change, or after N seconds",
        "If-None-Match": "the ETag of an earlier answer",
    },
)
def show(job_id: uuid.UUID) -> Response:
    """The state of one job; with `Prefer: wait=N` after its next change, or after N seconds."""
    job = scans.find_job(runtime(), call().actor, job_id)
    applied = False
    wait = _wait_seconds(request.headers.get("Prefer", ""))
    unchanged = not request.if_none_match or request.if_none_match.contains_weak(_etag(job))  # a proxy that compresses weakens it
    if wait and unchanged and not is_over(job):
        job, applied = _after_change(job, wait)
    response = jsonify(job_json(job))
    response.set_etag(_etag(job))
    if applied:
        response.headers["Preference-Applied"] = f"wait={wait}"
    response.make_conditional(request)
    return response


def _etag(job: Job) -> str:
    return f"{job.id}-{job.version}"


def _wait_seconds(prefer: str) -> int:
    found = re.search(r"(?:^|[,;\s])wait\s*=\s*(\d{1,6})(?=$|[,;\s])", prefer, re.IGNORECASE)
    return min(int(found[1]), MAX_WAIT_SECONDS) if found else 0


def _after_change(job: Job, wait: int) -> tuple[Job, bool]:
    """The job after its next change; as it is when no place to wait is left: to wait is a preference, not a right."""
    try:
        with watcher().watching(job) as watch:
            return watch.next(wait) or job, True
    except Unavailable:
        return job, False


@bp.post("/<uuid:job_id>/cancel")
@needs(Permission.ACT)
@says(409, _200=JobSchema)
def cancel(job_id: uuid.UUID) -> Response:
    """Takes back a job that waits."""
    return jsonify(job_json(scans.cancel(runtime(), call(), job_id)))


@bp.post("/<uuid:job_id>/retry")
@needs(Permission.ACT)
@says(409, _200=JobSchema)
def retry(job_id: uuid.UUID) -> Response:
    """Tries a failed or cancelled job again."""
    return jsonify(job_json(scans.retry(runtime(), call(), job_id)))


@bp.get("/<uuid:job_id>/stream")
@needs(Permission.VIEW, ticket=True)
@says(_200="text/event-stream", headers={"Last-Event-ID": "the id of the last event that was received"})
def stream(job_id: uuid.UUID) -> Response:
    """The job's changes as server-sent events, until it is over or five minutes have passed."""
    job = scans.find_job(runtime(), call().actor, job_id)
    place = watcher().watching(job)
    watch = place.__enter__()  # before the answer begins: no place left is a status, not a broken stream
    response = Response(_events(job, watch, request.headers.get("Last-Event-ID", "")), content_type="text/event-stream")
    response.call_on_close(lambda: place.__exit__(None, None, None))
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _events(job: Job, watch: Watch, last_id: str) -> Iterator[str]:
    yield f"retry: {RETRY_MS}\n" + _event(job, "connected")
    if last_id != str(job.version) and not is_over(job):
        yield _event(job, "initial", state=job.status.value, progress=job.progress)
    started = heard = time.monotonic()
    while not is_over(job):
        changed = watch.next(0.5)
        if watch.ended:  # the process stops: come back soon, to another
            yield f"retry: {RETRY_MS}\n\n"
            return
        at = time.monotonic()
        if changed is not None:
            yield from _changes(job, changed)
            job, heard = changed, at
        elif at - started > STREAM_SECONDS:
            yield _event(job, "timeout")
            return
        elif at - heard > HEARTBEAT_SECONDS:
            yield ": still here\n\n"
            heard = at
    yield _last(job)


def _changes(before: Job, after: Job) -> Iterator[str]:
    """What is worth telling between two states that are not the end."""
    if is_over(after):
        return
    if after.status is not before.status:
        yield _event(after, "active" if after.status is JobStatus.ACTIVE else "stalled", state=after.status.value)
    if after.progress != before.progress:
        yield _event(after, "progress", progress=after.progress)


def _last(job: Job) -> str:
    if job.status is JobStatus.COMPLETED:
        return _event(job, "completed", result=job.result)
    return _event(job, "failed", error=job_json(job).get("error"))


def _event(job: Job, event: str, **more: Any) -> str:
    data = json.dumps({"event": event, "jobId": str(job.id), **more})
    return f"id: {job.version}\ndata: {data}\n\n"
