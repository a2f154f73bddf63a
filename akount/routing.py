"""Where a record goes next: made without review, to a person's eyes, or to a person's keyboard (S6)."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from decimal import Decimal

from akount.checks import Finding
from akount.models import RecordStatus


class Route(enum.StrEnum):
    """The three ways."""

    AUTO_CREATED = "auto_created"
    QUEUED_FOR_REVIEW = "queued_for_review"
    MANUAL_ENTRY = "manual_entry"


STATUS = {
    Route.AUTO_CREATED: RecordStatus.DRAFT,
    Route.QUEUED_FOR_REVIEW: RecordStatus.NEEDS_REVIEW,
    Route.MANUAL_ENTRY: RecordStatus.MANUAL_ENTRY,
}


@dataclass(frozen=True, slots=True)
class Policy:
    """The lines between the ways; `limit` is in major units of the record's own currency."""

    auto_create_confidence: int = 80
    review_confidence: int = 60
    limit: Decimal = Decimal(5000)

    def of(self, confidence: int | None, limit: int | None) -> Policy:
        """The policy of a tenant who has lines of their own; None: as here. Below `review_confidence` nothing is made
        without review, whatever a tenant says."""
        return Policy(
            self.auto_create_confidence if confidence is None else max(confidence, self.review_confidence),
            self.review_confidence,
            self.limit if limit is None else Decimal(limit),
        )


@dataclass(frozen=True, slots=True)
class Routing:
    """The way taken and why, in a sentence for people."""

    route: Route
    reason: str


def route(
    policy: Policy,
    *,
    confidence: int,
    findings: tuple[Finding, ...],
    warnings: tuple[str, ...],
    total: Decimal | None,
    consented: bool,
    new_user: bool,
) -> Routing:
    """The way for a record. Everything that speaks against making it without review is named."""
    if confidence < policy.review_confidence:
        return Routing(
            Route.MANUAL_ENTRY, f"Confidence {confidence} is below {policy.review_confidence}: please enter the figures."
        )
    reasons = [f"check failed: {f.detail.rstrip('.')}" for f in findings if not f.passed]
    reasons += [f"warning: {w.rstrip('.')}" for w in warnings]
    if confidence < policy.auto_create_confidence:
        reasons.append(f"confidence {confidence} is below {policy.auto_create_confidence}")
    if total is None:
        reasons.append("no total was found")
    elif abs(total) > policy.limit:
        reasons.append(f"the total is above the limit of {policy.limit}")
    if new_user:
        reasons.append("the uploads of a new user are reviewed at first")
    if not consented:
        reasons.append("drafts without review were not consented to")
    if reasons:
        return Routing(Route.QUEUED_FOR_REVIEW, f"To be reviewed: {'; '.join(reasons)}.")
    return Routing(Route.AUTO_CREATED, f"Confidence {confidence}, all {len(findings)} checks passed, within the limit, consented.")
