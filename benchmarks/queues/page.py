"""The figures of all rounds as tables: medians, spread, and ratios to others in the same round."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from operator import ge, gt
from pathlib import Path
from typing import Any

from benchmarks.queues.contestants import ROOT, Contestant
from benchmarks.queues.measure import Figures

RESULTS = ROOT / "benchmarks" / "results"
METHOD = Path(__file__).with_name("method.md")
Rounds = Mapping[str, Sequence[Figures]]
"""Contestant → its figures, one for each round."""
COLUMNS = {
    "submitted_per_s": ("submit/s", "{:.0f}"),
    "drained_per_s": ("drain/s", "{:.0f}"),
    "drained_per_cpu_s": ("drain/CPU s", "{:.0f}"),
    "idle_p50_ms": ("idle start p50 ms", "{:.1f}"),
    "idle_p99_ms": ("idle start p99 ms", "{:.1f}"),
    "client_cpu_ms": ("CPU ms a job: client", "{:.2f}"),
    "worker_cpu_ms": ("workers", "{:.2f}"),
    "server_cpu_ms": ("servers", "{:.2f}"),
}
"""Figure → its head in a table and how it is said."""
RATES = ("submitted_per_s", "drained_per_s", "drained_per_cpu_s")
TARGETS = (
    ("at least 0.8 of plain Huey", ge, 0.8, "huey", ""),
    ("ahead of Celery, late acks", gt, 1, "celery-late", ""),
    ("ahead of Celery, defaults", gt, 1, "celery", ""),
    ("ahead of RQ, default", gt, 1, "rq-fork", ""),
    ("ahead of RQ, SimpleWorker", gt, 1, "rq-simple", ""),
    ("SQLite: at least 0.8 of SqliteHuey", ge, 0.8, "huey-sqlite", "-sqlite"),
)
"""What is aimed at: words, how the ratio of drain/s must stand to a figure, to whom, which of ours by the end of its name."""


def ratio(rounds: Rounds, name: str, other: str, figure: str) -> float | None:
    """The median of the rounds' ratios of a figure; None: one of the two took no part, or cannot tell."""
    both = zip(rounds.get(name, ()), rounds.get(other, ()), strict=False)
    pairs = [(getattr(one, figure), getattr(two, figure)) for one, two in both]
    ratios = [mine / theirs for mine, theirs in pairs if mine is not None and theirs is not None]
    return statistics.median(ratios) if ratios else None


def summary(contestant: Contestant, rounds: Rounds) -> dict[str, Any]:
    """Median, least and most of every figure (None: not to be told), and the rates' ratios to the baseline."""
    found: dict[str, Any] = {"label": contestant.label, "baseline": contestant.baseline}
    for figure in COLUMNS:
        values = [value for one in rounds[contestant.name] if (value := getattr(one, figure)) is not None]
        found[figure] = {"median": statistics.median(values), "min": min(values), "max": max(values)} if values else None
    for figure in RATES:
        found[f"{figure}_ratio"] = ratio(rounds, contestant.name, contestant.baseline, figure)
    return found | {"workers_seen": max(one.workers for one in rounds[contestant.name])}


def tables(field: Sequence[Contestant], rounds: Rounds) -> list[str]:
    """Markdown: one table for each kind of store, then the targets."""
    lines = []
    for title, sqlite in (("Redis and Postgres", False), ("SQLite", True)):
        if here := [one for one in field if one.sqlite is sqlite]:
            lines += [f"## {title}", "", *_table([summary(one, rounds) for one in here]), ""]
    return [*lines, *targets(rounds)]


def _table(summaries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    heads = ["contestant"]
    for figure, (head, _said) in COLUMNS.items():
        heads += [head, "ratio"] if figure in RATES else [head]
    yield _row(heads)
    yield "|---|" + "---:|" * (len(heads) - 1)
    for one in summaries:
        cells = [one["label"]]
        for figure, (_head, said) in COLUMNS.items():
            cells.append(_spread(one[figure], said))
            cells += [_ratio(one[f"{figure}_ratio"])] if figure in RATES else []
        yield _row(cells)


def targets(rounds: Rounds) -> Iterator[str]:
    """Markdown: ours by those it is to be compared with, for what was measured."""
    measured = [target for target in TARGETS if target[3] in rounds]
    if not measured or not any(name.startswith("ours") for name in rounds):
        return
    yield from ("## Targets", "", "Ratios; the target is about drain/s.", "")
    heads = [f"{what}: {COLUMNS[rate][0]}" for what in ("ledger only", "full path") for rate in RATES]
    yield from (_row(["target", *heads]), "|---|" + "---:|" * len(heads))
    for words, compare, figure, other, end in measured:
        cells = [words]
        for what in ("ledger", "full"):
            submit, drain, cpu = (ratio(rounds, f"ours-{what}{end}", other, rate) for rate in RATES)
            verdict = "" if drain is None else " reached" if compare(drain, figure) else " missed"
            cells += [_ratio(submit), _ratio(drain) + verdict, _ratio(cpu)]
        yield _row(cells)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _ratio(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _spread(figure: Mapping[str, float] | None, said: str) -> str:
    if figure is None:
        return "–"
    median, low, high = (said.format(figure[name]) for name in ("median", "min", "max"))
    return median if low == high else f"{median} ({low}–{high})"


def write(field: Sequence[Contestant], rounds: Rounds, about: Mapping[str, Any]) -> Path:
    """Writes queue.md and queue.json; answers where the first is. `about`: machine, versions, counts."""
    RESULTS.mkdir(exist_ok=True)
    found = {one.name: summary(one, rounds) | {"rounds": [asdict(figures) for figures in rounds[one.name]]} for one in field}
    (RESULTS / "queue.json").write_text(json.dumps({**about, "contestants": found}, indent=1) + "\n", encoding="utf-8")
    head = ["# Our queue beside others", "", *_about(about), ""]
    page = RESULTS / "queue.md"
    page.write_text("\n".join([*head, *tables(field, rounds), "", METHOD.read_text(encoding="utf-8")]), encoding="utf-8")
    return page


def _about(about: Mapping[str, Any]) -> Iterator[str]:
    yield f"Made by `{about['command']}` on {about['date']}; {about['rounds']} rounds, {about['jobs']} jobs in each backlog,"
    yield f"{about['samples']} idle starts in each round. Median of the rounds (least–most); a ratio is the median of the rounds'"
    yield "ratios to plain Huey with process workers, or to SqliteHuey, in the same round. How to read it stands below."
    yield ""
    load = " – ".join(str(one) for one in about["load"])
    yield f"{about['cores']} cores for workers, clients, servers and whatever else ran; load average before and after: {load}."
    yield ""
    yield ", ".join(f"{name} {version}" for name, version in about["versions"].items()) + "."
