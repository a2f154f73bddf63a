"""How likely a value that was read is right: a logistic model for each field, learned from documents with truth.

The weights stand in confidence.json with where they come from; `make train` writes it. `rule` is what the finder of the
value thinks of it (0-1); the other signals are what the finder saw.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path

SURE = 99
"""Per cent; more nobody can promise for a value that was read from a picture of paper."""


@cache
def _models() -> dict[str, dict[str, float]]:
    path = Path(__file__).parent / "confidence.json"
    models: dict[str, dict[str, float]] = json.loads(path.read_text(encoding="utf-8"))["models"]
    return models


def signals_of(rule: int, scanned: bool, read: int, more: Mapping[str, float]) -> dict[str, float]:
    """The signals of a value. `rule` and `read` (of the OCR's worst word) are per cent; `more` are the finder's own."""
    doubt = max(0, 95 - read) / 20 if scanned else 0.0
    return {"rule": rule / 100, "scanned": float(scanned), "doubt": min(2.0, doubt), **more}


def probability(field: str, signals: Mapping[str, float]) -> float:
    """How likely the value of a field is right, 0 to 1. A field without a model of its own is believed as its rule says."""
    model = _models().get(field)
    if model is None:
        return signals["rule"]
    score = sum(weight * signals.get(name, 0.0) for name, weight in model.items() if name != "")
    return 1 / (1 + math.exp(-score - model[""]))


def per_cent(field: str, signals: Mapping[str, float]) -> int:
    """The same as a whole number, 1 to SURE."""
    return max(1, min(SURE, int(100 * probability(field, signals))))
