"""What a tenant has decided about hosted engines: which one, when, what is masked, and what it may cost in a month."""

from __future__ import annotations

import enum
import uuid
from dataclasses import dataclass

from sqlalchemy import ScalarSelect, select
from sqlalchemy.orm import Session

from akount.accounts import Call, membership, note
from akount.errors import Invalid, NotFound
from akount.extraction.redaction import MASKS
from akount.hosted.gate import month_of
from akount.hosted.providers import PROVIDERS
from akount.models import Document, HostedPolicy, HostedSpending, Tenant

DOLLAR = 1_000_000


class Strategy(enum.StrEnum):
    """When documents are shown to a hosted engine."""

    NEVER = "never"
    BELOW = "below"  # where the local engines are less sure than the threshold
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class Policy:
    """A tenant's decision. `budget` is of a month, in millionths of a US dollar."""

    engine: str
    strategy: Strategy = Strategy.BELOW
    threshold: int = 80
    masks: tuple[str, ...] = MASKS
    budget: int = 0

    def __str__(self) -> str:
        """In a sentence for people."""
        if self.strategy is Strategy.NEVER:
            return "never"
        when = "always" if self.strategy is Strategy.ALWAYS else f"when the local engines are less sure than {self.threshold}"
        masked = ", ".join(self.masks) or "nothing"
        return f"{self.engine}, {when}; masked: {masked}; budget: {self.budget / DOLLAR:.2f} USD a month"

    def wants(self, confidence: int) -> bool:
        """Whether a document that was read with this confidence is to be shown."""
        return self.strategy is Strategy.ALWAYS or (self.strategy is Strategy.BELOW and confidence < self.threshold)


def policy_of(session: Session, tenant_id: uuid.UUID) -> Policy | None:
    """What a tenant has decided; None: nothing, so nothing is sent."""
    return read(session.get(HostedPolicy, tenant_id))


def read(row: HostedPolicy | None) -> Policy | None:
    """A decision out of its row."""
    return None if row is None else Policy(row.engine, Strategy(row.strategy), row.threshold, tuple(row.masks), row.budget)


def decide(session: Session, call: Call, tenant_id: uuid.UUID, policy: Policy) -> None:
    """Writes down what a tenant has decided, from now on. Raises NotFound, Invalid."""
    if session.get(Tenant, tenant_id) is None:
        raise NotFound("There is no such tenant.")
    if (
        policy.engine not in PROVIDERS
        or not set(policy.masks) <= set(MASKS)
        or not 0 <= policy.threshold <= 100
        or policy.budget < 0
    ):
        raise Invalid(f"A policy names one of {', '.join(PROVIDERS)}, a threshold of 0 to 100 and a budget that is not negative.")
    row = session.get(HostedPolicy, tenant_id) or HostedPolicy(tenant_id=tenant_id)
    row.engine, row.strategy, row.threshold = policy.engine, policy.strategy.value, policy.threshold
    row.masks, row.budget = [*policy.masks], policy.budget
    session.add(row)
    note(session, call, "hosted.policy", f"tenant:{tenant_id}", str(policy), tenant_id=tenant_id)


def spent_of(session: Session, tenant_id: uuid.UUID) -> tuple[int, int]:
    """What a tenant has spent this month and what is set aside, in millionths of a US dollar."""
    row = session.get(HostedSpending, (tenant_id, month_of()))
    return (0, 0) if row is None else (row.spent, row.reserved)


def spent_by(tenant_id: uuid.UUID) -> ScalarSelect[int]:
    """What a tenant has spent this month, for a question about more of it; null: nothing yet."""
    its = (HostedSpending.tenant_id == tenant_id, HostedSpending.month == month_of())
    return select(HostedSpending.spent).where(*its).scalar_subquery()


def consented(session: Session, document: Document) -> bool:
    """Whether who sent a document agreed to hosted engines then, and does so now."""
    if not document.hosted_engines:
        return False
    member = membership(session, document.uploaded_by, document.tenant_id)
    return bool(member and member.hosted_engines)


def consents_at_upload(session: Session, user_id: uuid.UUID | None, tenant_id: uuid.UUID) -> bool:
    """Whether a person agrees to hosted engines at this moment, in a tenant that has a policy."""
    if session.scalar(select(HostedPolicy.tenant_id).where(HostedPolicy.tenant_id == tenant_id)) is None:
        return False
    member = membership(session, user_id, tenant_id)
    return bool(member and member.hosted_engines)
