"""The one road a document takes in a worker: claim, fetch, read, check, route, and one transaction that writes it all (S1).

No transaction is open while an engine works. Every error ends here, once: the ledger decides whether the job is tried
again, and the worker lives on.
"""

from __future__ import annotations

import datetime as dt
import os
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

from sqlalchemy import and_, bindparam, select
from sqlalchemy.orm import Session
from structlog.contextvars import bound_contextvars

from akount import backlog, drafts, ledger, lessons, logs, metrics, processes, webhooks, workers
from akount.db import now
from akount.errors import AkountError, Unreadable
from akount.extraction.copies import Copy
from akount.hosted.opinions import Case, consult
from akount.kinds import Kind, kind_named
from akount.ledger import Claim, LostClaim
from akount.lifecycle import Runtime
from akount.models import Document, Membership, Tenant
from akount.readings import Reading, ReadingOptions
from akount.routing import STATUS, route
from akount.webhooks import Event

log = logs.get(__name__)

FETCHED, READ, CHECKED, ROUTED, WRITING = 20, 50, 60, 75, 90
BEAT_SECONDS = 1.0
"""The lease is renewed so often, and a worker hears as soon that its job was taken back."""
BEAT_TICK_SECONDS = 0.2
"""Progress that changed is written so often at most: a job that takes milliseconds writes none of it."""


class Reader(Protocol):
    """What reads a document within limits: extraction.tiers.TieredSandbox."""

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes that read for it; from another thread."""

    @property
    def models_loaded(self) -> bool:
        """Whether it need not load them first; from another thread."""

    def read(self, file: BinaryIO, media_type: str, report: Callable[[float], None], options: ReadingOptions) -> Reading:
        """The reading. Raises Unreadable or OutOfBounds."""

    def copy(self, file: BinaryIO, media_type: str, masks: tuple[str, ...], seconds: float) -> Copy:
        """What may be shown of a document to a hosted engine. Raises Unreadable or OutOfBounds."""

    def abandon(self) -> None:
        """Stops whatever it is reading; from another thread."""

    def close(self) -> None:
        """Ends it."""


class Pulse(threading.Thread):
    """Keeps the lease of the job in hand alive and writes its progress; one thread a worker process.

    When the job is no longer ours (its lease ran out while this process was frozen, or a person took it back), the
    reading is stopped. It never outlives the attempt's hard limit: a hung worker loses its lease."""

    def __init__(self, runtime: Runtime, reader: Reader, queue: str | None = None) -> None:
        super().__init__(name="pulse", daemon=True)
        self._queue = queue
        self._name = ledger.worker_name()
        self._told = float("-inf")
        self._runtime = runtime
        self._reader = reader
        self._change = threading.Condition()
        self._held: Claim | None = None
        self._progress = 0
        self._pages: deque[tuple[float, int]] = deque()
        self._ending = False
        self.draining = False
        "somebody has asked this worker to take no more jobs, and to end"

    @contextmanager
    def keeping(self, held: Claim) -> Iterator[None]:
        """The lease of this job is kept alive inside the block."""
        with self._change:
            self._held, self._progress = held, 10
            self._change.notify()
        try:
            yield
        finally:
            with self._change:
                self._held = None

    @property
    def holding(self) -> bool:
        """Whether a job is being read; it is neither being taken nor being booked."""
        return self._held is not None

    def progress(self, percent: int) -> None:
        """How far the job in hand is, 0-100; written with the next beat."""
        self._progress = percent

    def count(self, pages: int) -> None:
        """So many pages were read just now."""
        with self._change:
            self._pages.append((time.monotonic(), pages))

    def condition(self) -> workers.Condition:
        """How this worker is at this instant."""
        with self._change:
            while self._pages and self._pages[0][0] < time.monotonic() - workers.LATELY_SECONDS:
                self._pages.popleft()
            lately = sum(pages for _, pages in self._pages)
        memory = processes.resident(os.getpid(), *self._reader.pids)
        return workers.Condition(memory, self._reader.models_loaded, lately)

    def stop(self) -> None:
        """Ends the thread; the worker has stopped in order."""
        with self._change:
            self._ending = True
            self._change.notify()
        if self._queue is not None:
            self.join(timeout=2)
            with suppress(AkountError), self._runtime.database.transaction() as session:
                workers.stop(session, self._name)

    def run(self) -> None:
        """Beats while a job is in hand, and tells of the worker all the time."""
        while not self._ending:
            self._tell()
            with self._change:
                if self._held is None and not self._ending:
                    self._change.wait(workers.TELL_SECONDS)
                held = self._held
            if held is not None:
                self._keep(held)

    def _tell(self) -> None:
        """Writes down that this worker lives, every few seconds."""
        if self._queue is None or time.monotonic() - self._told < workers.TELL_SECONDS:
            return
        self._told = time.monotonic()
        held, condition = self._held, self.condition()
        with suppress(AkountError), self._runtime.database.transaction() as session:
            self.draining = workers.tell(session, self._name, self._queue, held.job_id if held else None, condition)

    def _keep(self, held: Claim) -> None:
        lease = self._runtime.settings.lease_seconds
        last = time.monotonic()
        ends = last + self._runtime.settings.scan_timeout_seconds + lease
        written = 10
        while self._held is held and not self._ending and time.monotonic() < ends:
            time.sleep(BEAT_TICK_SECONDS)
            self._tell()
            if self._held is not held or (self._progress == written and time.monotonic() - last < BEAT_SECONDS):
                continue
            written, last = self._progress, time.monotonic()
            if not self._beat(held, lease, written):
                return

    def _beat(self, held: Claim, lease: int, progress: int) -> bool:
        try:
            with self._runtime.database.transaction() as session:
                ours = ledger.beat(session, held, lease_seconds=lease, progress=progress)
        except AkountError as error:
            log.warning("beat failed", code=error.code)
            return True  # the lease outlasts a few missed beats
        if not ours and self._held is held:
            log.warning("job lost while reading", job=str(held.job_id))
            self._reader.abandon()
        return ours


@dataclass(frozen=True, slots=True)
class Assignment:
    """A job in hand: the claim, the document, and who uploaded it (None: a key without a user)."""

    held: Claim
    document: Document
    uploader: Membership | None


def process(runtime: Runtime, reader: Reader, pulse: Pulse, queue: str) -> None:
    """Reads the document whose turn it is in a queue, if there is one: the bell tells that something waits, the ledger
    what. Raises nothing but KeyboardInterrupt, with the job given back."""
    given = _assigned(runtime, queue)
    if given is None:
        log.debug("bell, but nothing to be had", queue=queue)
        return
    held = given.held
    context = {"job": str(held.job_id), "queue": held.queue, "attempt": held.attempt, "tenant": str(held.tenant_id)}
    with bound_contextvars(request_id=held.request_id, **context):
        _attempt(runtime, reader, pulse, given)


_UPLOADER = and_(Membership.user_id == Document.uploaded_by, Membership.tenant_id == Document.tenant_id)
_DOCUMENT = select(Document, Membership).outerjoin(Membership, _UPLOADER).where(Document.id == bindparam("document"))


def _assigned(runtime: Runtime, queue: str) -> Assignment | None:
    with runtime.database.transaction() as session:
        held = ledger.claim(
            session, backlog.next_up(queue), worker=ledger.worker_name(), lease_seconds=runtime.settings.lease_seconds
        )
        if held is None:
            return None
        document, uploader = session.execute(_DOCUMENT, {"document": held.document_id}).one()
    return Assignment(held, document, uploader)


def _attempt(runtime: Runtime, reader: Reader, pulse: Pulse, given: Assignment) -> None:
    started, held = time.monotonic(), given.held
    metrics.started(held.queue, (held.started_at - held.due_at).total_seconds())
    log.info("job started")
    try:
        result = _carry_out(runtime, reader, pulse, given)
    except LostClaim:
        metrics.ended(held.queue, "lost", time.monotonic() - started)
        log.warning("job lost", ms=_since(started))
    except KeyboardInterrupt:
        with runtime.database.transaction() as session:
            ledger.give_back(session, held)
        metrics.ended(held.queue, "given_back", time.monotonic() - started)
        log.info("job given back", ms=_since(started))
        raise
    except AkountError as error:
        _settle(runtime, held, error, started)
    except Exception as fault:
        log.exception("job failed by a fault of ours", ms=_since(started))
        _settle(runtime, held, _fault_of_ours(fault), started)
    else:
        metrics.ended(held.queue, "completed", time.monotonic() - started)
        log.info("job completed", ms=_since(started), routing=result["routing"], confidence=result["confidence"])


def _fault_of_ours(fault: Exception) -> AkountError:
    """What is told of it: the ledger keeps the place, nobody the message, which may quote the document."""
    error = AkountError("Something went wrong on our side while reading this document.")
    error.__cause__ = fault
    return error


def _settle(runtime: Runtime, held: Claim, error: AkountError, started: float) -> None:
    with runtime.database.transaction() as session:
        status = ledger.settle(session, held, error)
    metrics.ended(held.queue, status.value if status else "lost", time.monotonic() - started)
    log.warning("attempt failed", code=error.code, status=status or "lost", ms=_since(started))


def _carry_out(runtime: Runtime, reader: Reader, pulse: Pulse, given: Assignment) -> dict[str, Any]:
    """The result of a job: what GET /api/ai/jobs answers."""
    kind = kind_named(given.held.kind)
    with pulse.keeping(given.held):
        judgement = _judge(runtime, reader, pulse, given, kind)
        pulse.progress(WRITING)
    # The pulse rests before the job ends: a beat just after would take it for lost and stop the reader.
    return _book(runtime, given, kind, judgement)


def _judge(runtime: Runtime, reader: Reader, pulse: Pulse, given: Assignment, kind: Kind) -> drafts.Judgement:
    """What came of reading a document."""
    started, document = time.monotonic(), given.document
    try:
        file = runtime.storage.open(document.storage_key, document.checksum)
    except FileNotFoundError:
        raise AkountError("The stored file is missing.", code="file_missing") from None
    with file:
        pulse.progress(FETCHED)
        case = Case(document, given.held.job_id, kind, file, started + runtime.settings.scan_timeout_seconds)
        local = _read(reader, pulse, case, ReadingOptions.of(given.held.reading_options))
        opinion = consult(runtime, reader, case, local)
    reading = opinion.reading
    pulse.progress(CHECKED)
    with runtime.database.snapshot() as session:
        taught = lessons.apply(session, document.tenant_id, kind, reading)
    findings = kind.examine(taught.reading)
    confidence = kind.confidence(taught.reading, findings)
    consent = _consent(given, runtime.settings.new_user_days)
    pulse.progress(ROUTED)
    return drafts.Judgement(taught.reading, taught.learned, findings, confidence, consent, _since(started), opinion.cost)


def _read(reader: Reader, pulse: Pulse, case: Case, options: ReadingOptions) -> Reading | Unreadable:
    """What the local engines say: a reading, or why there is none."""
    try:
        reading = reader.read(
            case.file,
            case.document.media_type,
            lambda share: pulse.progress(FETCHED + int(share * (READ - FETCHED))),
            options,
        )
    except Unreadable as error:
        return error
    pulse.count(reading.pages)
    metrics.read(reading.engine, tuple(refusal.engine for refusal in reading.refusals))
    return reading


def _consent(given: Assignment, new_user_days: int) -> dict[str, Any]:
    """What the uploader agreed to, when the job began; an upload by a key without a user has agreed to nothing."""
    member = given.uploader
    if member is None:
        return {"autoCreate": False, "hostedEngines": False, "newUser": True}
    return {
        "autoCreate": given.document.kind in member.auto_create,
        "hostedEngines": given.document.hosted_engines and member.hosted_engines,
        "newUser": now() - member.created_at < dt.timedelta(days=new_user_days),
    }


def _verdict(session: Session, runtime: Runtime, document: Document, kind: Kind, judgement: drafts.Judgement) -> drafts.Verdict:
    """The way for a document, by what it says and by what the entity has already."""
    place = drafts.place(session, document, kind, judgement.reading)
    tenant = session.get_one(Tenant, document.tenant_id)
    routing = route(
        runtime.policy.of(tenant.auto_create_confidence, tenant.auto_create_limit),
        confidence=judgement.confidence,
        findings=(*judgement.findings, *place.findings),
        warnings=judgement.reading.warnings,
        total=judgement.reading.get("total"),
        consented=judgement.consent["autoCreate"],
        new_user=judgement.consent["newUser"],
    )
    return drafts.Verdict(judgement, place, routing)


def _book(runtime: Runtime, given: Assignment, kind: Kind, judgement: drafts.Judgement) -> dict[str, Any]:
    """One transaction: the record's place is found, the job is finished, if it is still ours, and the record, lines,
    counterparty and decision are written."""
    record_id = uuid.uuid4()
    with runtime.database.transaction() as session:
        verdict = _verdict(session, runtime, given.document, kind, judgement)
        result = {
            "documentId": str(given.document.id),
            "recordId": str(record_id),
            "status": STATUS[verdict.routing.route].value,
            "confidence": judgement.confidence,
            "routing": verdict.routing.route.value,
            "reason": verdict.routing.reason,
        }
        ledger.finish(session, given.held, result)
        drafts.write(session, given.document, given.held, kind, verdict, record_id=record_id)
        webhooks.tell_by_id(session, Event.CREATED, given.document.tenant_id, record_id)
    return result


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
