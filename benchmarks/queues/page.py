"""The figures of all rounds as a table: medians, spread, and ratios to the baseline of the same round."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.queues.contestants import Contestant
from benchmarks.queues.measure import Figures

Rounds = Mapping[str, Sequence[Figures]]
"""Contestant → its figures, one for each round."""
FIGURES = ("submitted_per_s", "drained_per_s", "idle_p50_ms", "idle_p99_ms")
HEADS = ("contestant", "submit/s", "drain/s", "ratio", "idle start p50 ms", "idle start p99 ms")


def summary(contestant: Contestant, rounds: Rounds) -> dict[str, Any]:
    """Median, least and most of every figure, and the median of the rounds' ratios to the baseline (None: it took no part)."""
    mine, base = rounds[contestant.name], rounds.get(contestant.baseline, ())
    found: dict[str, Any] = {"contestant": contestant.name, "label": contestant.label, "baseline": contestant.baseline}
    for name in FIGURES:
        values = [getattr(one, name) for one in mine]
        found[name] = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    for name in FIGURES[:2]:
        ratios = [getattr(one, name) / getattr(other, name) for one, other in zip(mine, base, strict=False)]
        found[f"{name}_ratio"] = statistics.median(ratios) if ratios else None
    return found | {"workers_seen": max(one.workers for one in mine), "rounds": len(mine)}


def table(summaries: Sequence[Mapping[str, Any]]) -> list[str]:
    """Lines of a Markdown table."""
    lines = ["| " + " | ".join(HEADS) + " |", "|---|" + "---:|" * (len(HEADS) - 1)]
    return lines + ["| " + " | ".join(_cells(one)) + " |" for one in summaries]


def _cells(one: Mapping[str, Any]) -> list[str]:
    ratio = one["drained_per_s_ratio"]
    rates = [_spread(one[name], "{:.0f}".format) for name in FIGURES[:2]]
    waits = [_spread(one[name], "{:.1f}".format) for name in FIGURES[2:]]
    return [one["label"], *rates, "–" if ratio is None else f"{ratio:.2f}", *waits]


def _spread(figure: Mapping[str, float], said: Callable[[float], str]) -> str:
    median, low, high = (said(figure[name]) for name in ("median", "min", "max"))
    return median if low == high else f"{median} ({low}–{high})"
