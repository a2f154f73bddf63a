"""The jobs: the list, one job with its timeline and attempts, and what can be done with it."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from flask import Response, request, url_for

from akount import listing, scans
from akount.accounts import Permission
from akount.admin import paging, words
from akount.admin.names import named
from akount.admin.shell import action, back, confirm, done, page, reason, refusal, runtime, show
from akount.api.guards import call
from akount.census import CAP
from akount.errors import Invalid
from akount.kinds import QUEUES
from akount.ledger import CANCELLABLE, RETRYABLE, DeadLetters, InLine
from akount.listing import Slice, Wanted, Whole
from akount.models import IN_LINE, Job, JobStatus
from akount.operations import Action
from akount.readings import ReadingOptions

TABS = {
    "": "All",
    "waiting": "Waiting",
    "active": "Running",
    "delayed": "Retrying",
    "failed": "Dead",
    "completed": "Completed",
    "cancelled": "Cancelled",
    "discarded": "Discarded",
}
"""A state of the URL → what it is called."""
FILTERS = ("queue", "tenant", "code", "group", "worker", "since", "until", "failed_since", "attempts")


def wanted() -> Wanted:
    """The jobs that the URL says. Raises BadRequest for a filter that makes no sense."""
    state = paging.one_of("state", [*TABS]) or ""
    return Wanted(
        status=JobStatus("failed" if state == "discarded" else state) if state else None,
        discarded=state == "discarded",
        queue=paging.one_of("queue", QUEUES),
        tenant_id=paging.identifier("tenant"),
        code=paging.text("code", 60),
        fingerprint=paging.text("group", 16),
        worker=paging.text("worker"),
        since=paging.instant("since"),
        until=paging.instant("until"),
        failed_since=paging.instant("failed_since"),
        attempts=paging.number("attempts"),
    )


def meant_by(doing: Action) -> DeadLetters:
    """The same of the URL for what is done with many of them: the failed ones that nobody has discarded, or for cancelling
    those in line."""
    said = wanted()
    of = {
        "tenant_id": said.tenant_id,
        "queue": said.queue,
        "code": said.code,
        "fingerprint": said.fingerprint,
        "entered_since": said.since,
        "entered_until": said.until,
        "worker": said.worker,
        "attempts": said.attempts,
        "ids": tuple(paging.identifiers("id")),
    }
    if doing is Action.CANCEL:
        return InLine(**of, status=said.status if said.status in IN_LINE else None)  # type: ignore[arg-type]
    return DeadLetters(**of, since=said.failed_since)  # type: ignore[arg-type]


def deeds(meant: Wanted) -> tuple[Action, ...]:
    """What can be done with many of a list."""
    if meant.status is JobStatus.FAILED and not meant.discarded:
        return Action.RETRY, Action.DISCARD
    return (Action.CANCEL,) if meant.status in IN_LINE else ()


@page("/jobs", Permission.OPERATE)
def jobs() -> Response:
    """The list, the newest first."""
    meant = wanted()
    after, before = paging.asked()
    found = listing.jobs(runtime(), call().actor, meant, after=after, before=before)
    said = {name: request.args.get(name, "") for name in FILTERS}
    return show(
        "jobs.html",
        title="Jobs",
        state=request.args.get("state", ""),
        tabs=TABS,
        rows=found.rows,
        pager=paging.pager(found.older, found.newer),
        said=said,
        filtered=any(said.values()),
        deeds=deeds(meant),
        matching=_matching(meant, found) if deeds(meant) else None,
        filters=lambda: {name: value for name, value in said.items() if value},
        queues=QUEUES,
        tenants=listing.choice_of_tenants(runtime(), call().actor),
    )


def _matching(meant: Wanted, found: Slice) -> int:
    """How many there are beyond this page; counted only when there are."""
    if not found.older and not found.newer:
        return len(found.rows)
    return listing.count(runtime(), call().actor, meant, CAP)


@page("/jobs/<uuid:job_id>", Permission.OPERATE)
def job(job_id: uuid.UUID) -> Response:
    """One job."""
    whole = listing.job(runtime(), call().actor, job_id)
    return show(
        "job.html",
        title=f"Job {str(job_id)[:8]}",
        whole=whole,
        job=whole.job,
        names=named([f"user:{whole.document.uploaded_by}", *(entry.actor for entry in whole.audit)]),
        steps=timeline(whole),
        trace=paging.one_of("trace", ["application", "full"]),
        frames=_frames,
        logs=_logs(whole.job.request_id),
        picture=_picture(whole),
        read_with=str(ReadingOptions.of(whole.job.reading_options)),
        offers=[(offer, offer.why_not(whole.job)) for offer in OFFERS],
    )


def _frames(said: str, trace: str) -> list[str]:
    """The calls that led to an error; `application` leaves out those of libraries, whose place is a file."""
    return [line for line in said.splitlines() if trace == "full" or ".py." not in line]


def _picture(whole: Whole) -> str:
    """Where the first page is, of a document that was read; empty: there is none, or its tenant is not looked at alone."""
    document = whole.document
    drawn = whole.record is not None and document.erased_at is None and document.media_type != "application/xml"
    return url_for("documents.page", document_id=document.id, page=1) if drawn and call().actor.tenant_id else ""


def _logs(request_id: str) -> str:
    """Where the logs of a request are; empty: nobody has said."""
    return runtime().settings.console_logs_url.replace("{request_id}", quote(request_id, safe="")) if request_id else ""


@dataclass(frozen=True, slots=True)
class Step:
    """A point of a job's way: what happened, when, and how long after the one before; `state`: done, now or next."""

    name: str
    at: dt.datetime | None
    took: dt.timedelta | None
    state: str
    note: str = ""


def timeline(whole: Whole) -> list[Step]:
    """The way of a job, from its file's arrival to its end; every attempt is a step of its own."""
    job = whole.job
    points: list[tuple[str, dt.datetime, str]] = [("Received", job.created_at, words.size(whole.document.size))]
    for attempt in whole.attempts[::-1]:
        points += [(f"Attempt {attempt.number} began", attempt.started_at, "")]
        points += [(f"Attempt {attempt.number}: {attempt.outcome.replace('_', ' ')}", attempt.ended_at, attempt.error_code or "")]
    if job.status is JobStatus.ACTIVE and job.started_at:
        points.append((f"Attempt {job.attempts} began", job.started_at, f"{job.progress} %"))
    if job.discarded_at:
        points.append(("Discarded", job.discarded_at, job.discard_reason or ""))
    elif job.status is JobStatus.CANCELLED and job.finished_at:
        points.append(("Cancelled", job.finished_at, ""))
    steps = []
    for position, (name, at, note) in enumerate(points):
        took = at - points[position - 1][1] if position else None
        steps.append(Step(name, at, took, "done", note))
    return steps + _next(job)


def _next(job: Job) -> list[Step]:
    if job.status is JobStatus.WAITING:
        return [Step("Waits for a worker", None, None, "now")]
    if job.status is JobStatus.DELAYED:
        return [Step(f"Attempt {job.attempts + 1} of {job.max_attempts}", job.run_at, None, "next")]
    return [Step("Reading", None, None, "now", f"{job.progress} %")] if job.status is JobStatus.ACTIVE else []


@dataclass(frozen=True, slots=True)
class Offer:
    """Something that can be done with one job: the name of its action, what it is called, from which states."""

    name: str
    label: str
    icon: str
    states: tuple[JobStatus, ...]
    otherwise: str
    asks: bool = False
    "on a page of its own, before it is done"

    def why_not(self, job: Job) -> str:
        """Why who asks cannot do it with this job; empty: they can."""
        if job.status not in self.states or (self.name == "discard_job" and job.discarded_at):
            return self.otherwise
        return refusal(self.name)


NOT_OVER = "Only a failed or cancelled job can be tried again."
OFFERS = (
    Offer("retry_job", "Retry", "retry", RETRYABLE, NOT_OVER),
    Offer("retry_job", "Retry with options", "retry", RETRYABLE, NOT_OVER, asks=True),
    Offer("run_job_now", "Run now", "active", (JobStatus.DELAYED,), "Only a job that waits for its next attempt can be run now."),
    Offer("cancel_job", "Cancel", "cancelled", CANCELLABLE, "Only a job that waits or runs can be cancelled.", asks=True),
    Offer(
        "discard_job",
        "Discard",
        "discarded",
        (JobStatus.FAILED,),
        "Only a failed job that was not discarded before can be discarded.",
        asks=True,
    ),
)


def _after(job_id: uuid.UUID) -> str:
    return back(url_for("admin.job", job_id=job_id))


@action("/jobs/<uuid:job_id>/retry", Permission.OPERATE)
def retry_job(job_id: uuid.UUID) -> Response:
    """Tries it again, with all its attempts before it, to be read as said."""
    scans.retry(runtime(), call(), job_id, _reading_options())
    return done("The job waits again, with all its attempts before it.", to=_after(job_id))


@page("/jobs/<uuid:job_id>/retry", Permission.OPERATE)
def ask_retry_job(job_id: uuid.UUID) -> Response:
    """Asks how it is to be read this time."""
    consequence = (
        "The document is read again, with all attempts before it, in the way that is chosen here; a retry after this one is as "
        "always again. OCR reads all languages it knows at once, so there is none to choose."
    )
    return _ask("retry_job", job_id, "Retry this job with options?", consequence, "Retry", reason=False, danger=False, choices=WAYS)


WAYS = {
    "engine": ("Engine", {"": "As always: XML, text, then OCR", "ocr": "OCR only, whatever text the file carries"}),
    "pages": ("Pages", {"": "All", "1": "The first only", "2": "The first 2", "3": "The first 3", "5": "The first 5"}),
    "resolution": ("Resolution for OCR", {"": "As always (200 dpi)", "fine": "Fine (300 dpi): for small print, slower"}),
}
"""How a document may be read: the fields of the form, what they are called, and what may be chosen."""


def _reading_options() -> ReadingOptions:
    """What the form says. Raises Invalid for what it does not offer."""
    said = {name: request.form.get(name, "") for name in WAYS}
    wrong = {name: ["Choose one of those that are offered."] for name, value in said.items() if value not in WAYS[name][1]}
    if wrong:
        raise Invalid("The document cannot be read like this.", errors=wrong)
    return ReadingOptions(said["engine"] == "ocr", int(said["pages"] or 0), said["resolution"] == "fine")


@action("/jobs/<uuid:job_id>/run-now", Permission.OPERATE)
def run_job_now(job_id: uuid.UUID) -> Response:
    """Ends its pause before the next attempt."""
    scans.run_now(runtime(), call(), job_id)
    return done("The job is to be read now.", to=_after(job_id))


@page("/jobs/<uuid:job_id>/cancel", Permission.OPERATE)
def ask_cancel_job(job_id: uuid.UUID) -> Response:
    """Asks before it is taken back."""
    consequence = (
        "The document is not read. A worker that is at it stops at its next sign of life, within seconds. "
        "The job can be retried later."
    )
    return _ask("cancel_job", job_id, "Cancel this job?", consequence, "Cancel the job", reason=False)


@action("/jobs/<uuid:job_id>/cancel", Permission.OPERATE)
def cancel_job(job_id: uuid.UUID) -> Response:
    """Takes it back."""
    scans.cancel(runtime(), call(), job_id)
    return done("The job is cancelled.", to=_after(job_id))


@page("/jobs/<uuid:job_id>/discard", Permission.OPERATE)
def ask_discard_job(job_id: uuid.UUID) -> Response:
    """Asks before it is given up."""
    consequence = "It leaves the dead letters and is not tried again, unless somebody retries it by hand. The document stays."
    return _ask("discard_job", job_id, "Discard this job?", consequence, "Discard the job")


@action("/jobs/<uuid:job_id>/discard", Permission.OPERATE)
def discard_job(job_id: uuid.UUID) -> Response:
    """Takes it off the dead letters."""
    scans.discard(runtime(), call(), job_id, reason())
    return done("The job is discarded.", to=_after(job_id))


def _ask(name: str, job_id: uuid.UUID, title: str, consequence: str, verb: str, **values: Any) -> Response:
    whole = listing.job(runtime(), call().actor, job_id)
    sample = [(str(job_id), whole.document.filename, whole.tenant.name)]
    return confirm(
        name, title=title, consequence=consequence, verb=verb, back=_after(job_id), path={"job_id": job_id}, sample=sample, **values
    )
