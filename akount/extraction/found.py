"""A value that was found: where it stands and how sure it is, and by how much it beat its rivals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from akount.extraction.layout import Cell
from akount.readings import Box


@dataclass(frozen=True, slots=True)
class Found:
    """A text or date of a document, where it stands, and how sure it is (0-100)."""

    value: str
    cell: Cell
    box: Box
    confidence: int
    signals: Mapping[str, float] = field(default_factory=dict)
    """What else speaks for or against it, for `confidence.probability`."""


LEAD = 2.0
"""The most by which the best can lead: with more, or without a rival, it is as sure as it gets."""


def lead_of(best: float, rivals: Iterable[float]) -> float:
    """How far the best stands before its strongest rival, 0 to LEAD."""
    return max(0.0, min(LEAD, best - max(rivals, default=best - LEAD)))
