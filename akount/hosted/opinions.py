"""The second opinion on a document: asked for where policy and consent say so, after the local engines, outside of the sandbox.

Whatever goes wrong with it, the local reading stands, and a warning says why it stands alone. Only a document that the local
engines could not read at all waits for a hosted engine that may answer later.
"""

from __future__ import annotations

import hashlib
import random
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import BinaryIO, Protocol

from akount import logs, metrics
from akount.errors import AkountError, OutOfBounds, Unavailable, Unreadable
from akount.extraction.copies import Copy
from akount.hosted import gate, policies, providers, questions, wire
from akount.hosted.agreement import better, reconciled
from akount.hosted.gate import Ticket, Wish
from akount.hosted.policies import Policy
from akount.hosted.providers import PROVIDERS, Provider
from akount.hosted.refusals import NotAnswered
from akount.kinds import Kind
from akount.lifecycle import Runtime
from akount.models import Document
from akount.readings import Reading, Refusal

log = logs.get(__name__)

TRIES = 2
"""Requests for one document in one attempt."""
REPEATED = frozenset({"hosted_rate_limited", "hosted_failed"})
"""It has said so itself: nothing was done, so nothing is paid for, and a moment later it may be done."""
PAUSE_SECONDS = 0.5
LONGEST_PAUSE = 5.0
"""A worker waits no longer between two requests; who is asked to wait for longer leaves it to another attempt."""
BUSY_SECONDS = 10.0
"""So long a worker waits for one of the calls at the same time to be over."""
LEAST_SECONDS = 3.0
"""With less of the attempt left nobody is asked."""
WORTH_ASKING = frozenset({"no_text", "no_values", "empty_document"})
"""Refusals of the local engines after which the document may still be readable to others."""


class Copier(Protocol):
    """What makes the copy that is sent: extraction.sandbox.Sandbox."""

    def copy(self, file: BinaryIO, media_type: str, masks: tuple[str, ...], seconds: float) -> Copy:
        """The copy. Raises Unreadable or OutOfBounds."""


@dataclass(frozen=True, slots=True)
class Case:
    """A document in a worker's hands. `ends` is when the attempt must be over, by the monotonic clock."""

    document: Document
    job_id: uuid.UUID
    kind: Kind
    file: BinaryIO
    ends: float

    @property
    def left(self) -> float:
        """Seconds until then."""
        return self.ends - time.monotonic()


@dataclass(frozen=True, slots=True)
class Opinion:
    """What is made of a document, and what that cost in millionths of a US dollar."""

    reading: Reading
    cost: int = 0


def consult(runtime: Runtime, copier: Copier, case: Case, local: Reading | Unreadable) -> Opinion:
    """The local reading, or a better one of a hosted engine with it. Raises the local Unreadable where nobody read more,
    and Unavailable where a hosted engine may read it later."""
    policy = _policy_for(runtime, case, local)
    reading = local if isinstance(local, Reading) else None
    if policy is not None:
        try:
            said, copy, cost = _Consultation(runtime, copier, case, policy).hold()
        except NotAnswered as refusal:
            log.warning("hosted engine not used", engine=policy.engine, code=refusal.code)
            return _alone(local, policy.engine, refusal)
        both = reconciled(reading, said, copy)
        if better(case.kind, reading, both):
            return Opinion(both, cost)
        if reading is not None:
            doubted = replace(reading, warnings=both.warnings)
            return Opinion(_noted(doubted, policy.engine, "hosted_worse", "its answer is not borne out by the document"), cost)
    if reading is None:
        raise local  # type: ignore[misc]
    return Opinion(reading)


def _policy_for(runtime: Runtime, case: Case, local: Reading | Unreadable) -> Policy | None:
    """The tenant's policy, where it says that this document is to be shown, and the uploader has agreed; asked for afresh."""
    configured = providers.configured(runtime.settings)
    if not configured or not _may_help(case, local, runtime.settings.hosted_max_pages):
        return None
    with runtime.database.snapshot() as session:
        policy = policies.policy_of(session, case.document.tenant_id)
        if policy is None or policy.engine not in configured or not policies.consented(session, case.document):
            return None
    sure = case.kind.confidence(local, case.kind.examine(local)) if isinstance(local, Reading) else 0
    return policy if policy.wants(sure) else None


def _may_help(case: Case, local: Reading | Unreadable, max_pages: int) -> bool:
    """Not with XML, which is exact and has no pages, not with many pages, and not with a file that is not well."""
    if isinstance(local, Unreadable):
        return local.code in WORTH_ASKING
    return local.engine != "einvoice" and not case.document.media_type.endswith("xml") and local.pages <= max_pages


def _alone(local: Reading | Unreadable, engine: str, refusal: NotAnswered) -> Opinion:
    if isinstance(local, Reading):
        return Opinion(_noted(local, engine, refusal.code, refusal.why), refusal.cost or 0)
    if refusal.passing:
        raise Unavailable(
            f"The local engines found nothing, and the hosted engine cannot be asked now: {refusal.why}.",
            code="hosted_unavailable",
            retry_after=refusal.retry_after,
        ) from None
    raise local from None


def _noted(reading: Reading, engine: str, code: str, why: str) -> Reading:
    """The reading with a warning, and the refusal beside those of the local engines."""
    warning = f"Read by the local engines alone; {engine} was not used: {why}."
    return replace(
        reading, warnings=(*reading.warnings, warning), refusals=(*reading.refusals, Refusal(engine, code, f"Not used: {why}."))
    )


class _Consultation:
    """One document and one hosted engine."""

    def __init__(self, runtime: Runtime, copier: Copier, case: Case, policy: Policy) -> None:
        self.runtime, self.copier, self.case, self.policy = runtime, copier, case, policy
        self.provider: Provider = PROVIDERS[policy.engine]
        self.model = self.provider.model(runtime.settings)

    def hold(self) -> tuple[Reading, Copy, int]:
        """What the engine says, the copy it was shown, and what that cost. Raises NotAnswered."""
        copy = self._copy()
        request = self.provider.request(self.runtime.settings, copy)
        for number in range(1, TRIES + 1):
            try:
                said, cost = self._call(request, copy)
                return said, copy, cost
            except NotAnswered as refusal:
                pause = self._pause(number, refusal)
                if pause is None:
                    raise
            time.sleep(pause)
        raise AssertionError

    def _pause(self, number: int, refusal: NotAnswered) -> float | None:
        """Seconds until it is tried again in this attempt; None: not in this one."""
        again = refusal.code in REPEATED and number < TRIES
        wait = max(refusal.retry_after or 0, PAUSE_SECONDS * random.uniform(1, 2))  # noqa: S311  not a secret
        return wait if again and wait <= LONGEST_PAUSE and wait + LEAST_SECONDS < self.case.left else None

    def _copy(self) -> Copy:
        """What may be shown of the document. Raises NotAnswered where that cannot be told."""
        self._require_time()
        settings, case = self.runtime.settings, self.case
        case.file.seek(0)
        try:
            copy = self.copier.copy(case.file, case.document.media_type, self.policy.masks, case.left - LEAST_SECONDS)
        except (Unreadable, OutOfBounds):
            raise NotAnswered("no copy of the document could be made", "hosted_no_copy") from None
        if len(copy.pictures) > settings.hosted_max_pages:
            raise NotAnswered(f"it has more than {settings.hosted_max_pages} pages", "hosted_too_many_pages")
        if self.policy.masks and not copy.lines:
            raise NotAnswered("no words were found on it, so nothing could be masked", "hosted_nothing_masked")
        return copy

    def _call(self, request: wire.Request, copy: Copy) -> tuple[Reading, int]:
        """One request, let through by the gate and settled whatever comes of it."""
        self._require_time()
        seconds = min(float(self.runtime.settings.hosted_timeout_seconds), self.case.left - 1)
        with self._let_through(request, copy, seconds) as bill:
            said = wire.ask(request, seconds)
            counted = self.provider.usage(said)
            if counted is not None:
                bill.cost = providers.price(self.provider.prices(self.runtime.settings), counted)
            reading = questions.understood(self.provider.answer(said), self.policy.engine, self.model, len(copy.pictures))
            bill.outcome = "answered"
        return reading, bill.cost

    @contextmanager
    def _let_through(self, request: wire.Request, copy: Copy, seconds: float) -> Iterator[_Bill]:
        """Inside of the block the engine may be asked once. Also a worker that is told to stop settles what it has begun."""
        wish = self._wish(request, copy, seconds)
        ticket = self._admit(wish)
        bill = _Bill(wish.price)
        blamed: bool | None = None
        started = time.monotonic()
        try:
            yield bill
            blamed = False
        except NotAnswered as refusal:
            blamed = refusal.blames
            bill.outcome = refusal.code
            bill.cost = refusal.cost if refusal.cost is not None else bill.cost
            refusal.cost = bill.cost
            raise
        finally:
            self._settle(ticket, bill, blamed)
            metrics.asked(self.policy.engine, bill.outcome, bill.cost, time.monotonic() - started)

    def _wish(self, request: wire.Request, copy: Copy, seconds: float) -> Wish:
        return Wish(
            tenant_id=self.case.document.tenant_id,
            job_id=self.case.job_id,
            engine=self.policy.engine,
            model=self.model,
            price=providers.price(self.provider.prices(self.runtime.settings), self.provider.most(copy)),
            budget=self.policy.budget,
            sent_sha256=hashlib.sha256(request.body).hexdigest(),
            sent_bytes=len(request.body),
            seconds=seconds + LEAST_SECONDS,
        )

    def _admit(self, wish: Wish) -> Ticket:
        """Consent is asked for once more, in the transaction that lets the call through: from here on bytes leave. Where as many
        calls as are allowed run already, one of them may soon be over."""
        patience = time.monotonic() + min(BUSY_SECONDS, self.case.left - wish.seconds)
        while True:
            try:
                with self.runtime.database.transaction() as session:
                    if not policies.consented(session, self.case.document):
                        raise NotAnswered("the consent was withdrawn", "hosted_no_consent")
                    return gate.admit(session, wish, self.runtime.settings.hosted_calls_at_once)
            except NotAnswered as refusal:
                if refusal.code != "hosted_busy" or time.monotonic() > patience:
                    raise
            time.sleep(PAUSE_SECONDS)

    def _settle(self, ticket: Ticket, bill: _Bill, blamed: bool | None) -> None:
        """The engine's row first, as in gate.admit: the other way round two workers would wait for each other."""
        try:
            with self.runtime.database.transaction() as session:
                if blamed is not None:
                    gate.report(session, self.policy.engine, failed=blamed)
                gate.settle(session, ticket, bill.outcome, bill.cost)
        except AkountError as error:
            log.warning("call not settled; what was set aside for it stands", code=error.code)

    def _require_time(self) -> None:
        if self.case.left < 2 * LEAST_SECONDS:
            raise NotAnswered("too little time was left for it", "hosted_no_time")


@dataclass
class _Bill:
    """What a call costs and how it ended, as far as is known: at first all that was set aside, and cut off by us."""

    cost: int
    outcome: str = "given_up"
