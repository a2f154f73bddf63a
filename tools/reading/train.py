"""Learn how likely each value that was read is right, and write akount/extraction/confidence.json.

    python -m tools.reading.train FOLDER… [--keep FOLDER]

The folders are sets with truth (see reads.py). Ridge logistic regression for each field on the signals its finder gave;
documents of people weigh three times as much as generated ones. Values whose truth is unknown teach nothing.
"""

import argparse
import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from akount.extraction import confidence
from akount.extraction.found import LEAD
from akount.readings import reading_to_json
from tools.reading.reads import Case, Outcome, cases, read_all
from tools.reading.scoring import judged

GENERATED = ("printed", "scanned", "tills", "sorts", "apart")
FOLDS = 5
RIDGE = 0.2
PRIOR = 3.0
AGAINST = frozenset({"bare", "doubt", "rivals", "shared", "guess", "ambiguous", "short"})
"""Signals that can only speak against a value; all others speak for it, but for those of which either may be."""
NEITHER = frozenset({"scanned", "firm", "plain"})
PRIOR_LEVELS = (0.2, 0.4, 0.6, 0.8)
LEAST: dict[str, dict[str, float]] = {"": {"doubt": -0.8, "ambiguous": -5.0}, "seller_name": {"lead": 2.6}}
"""What some signals weigh at least, in any field or in one: too few values are wrong for the data to teach it, and a letter
that OCR doubts, or another name that has as many reasons, must not be taken for certain because it went well so far."""
FEWEST = 40
"""Values a field must have to get a model of its own."""
Model = dict[str, float]


@dataclass(frozen=True)
class Sample:
    """One value that was read: what spoke for it, and whether it was right."""

    field: str
    family: str
    weight: float
    signals: dict[str, float]
    right: bool


def fields_said(outcome: Outcome) -> dict[str, object]:
    """Field -> bare value, and `lines`, as the scoring takes them."""
    if outcome.reading is None:
        return {}
    raw = reading_to_json(outcome.reading)
    return {name: value["value"] for name, value in raw["fields"].items()} | {"lines": raw["lines"]}


def samples(pairs: Sequence[tuple[Case, Outcome]]) -> list[Sample]:
    """Every value read from words (not from XML) whose truth is known."""
    found = []
    for case, outcome in pairs:
        if outcome.reading is None or outcome.reading.engine == "einvoice":
            continue
        weight = 1.0 if case.set in GENERATED else 3.0
        for field, verdict in judged(case.truth, fields_said(outcome)).items():
            if verdict is not None and field in outcome.signals:
                found.append(Sample(field, case.family, weight, outcome.signals[field], verdict))
    return found


def fold_of(family: str) -> int:
    """The fold a family is kept out with; the same at every run."""
    return hashlib.sha256(family.encode()).digest()[0] % FOLDS


def learn(known: Sequence[Sample]) -> dict[str, Model]:
    """Field -> weights by signal; "" is the constant."""
    by_field: dict[str, list[Sample]] = defaultdict(list)
    for sample in known:
        by_field[sample.field].append(sample)
    return {field: _fit(field, of_field) for field, of_field in sorted(by_field.items()) if len(of_field) >= FEWEST}


def _fit(field: str, known: Sequence[Sample]) -> Model:
    """The weights of one field. A signal that would count against its own meaning is left out: it stands in for another. One
    that would count for less than the least it must is held there, and the others are learned beside it."""
    names = sorted({name for sample in known for name in sample.signals})
    least = {name: weight for name, weight in (LEAST[""] | LEAST.get(field, {})).items() if name in names}
    held: Model = {}
    while True:
        model = _fit_on(names, known, held)
        weak = {name for name, weight in least.items() if name not in held and model[name] * np.sign(weight) < abs(weight)}
        if weak:
            held |= {name: least[name] for name in weak}
            names = [name for name in names if name not in weak]
            continue
        odd = {name for name in names if (model[name] > 0) == (name in AGAINST) and name not in NEITHER and model[name] != 0}
        if not odd:
            return model
        names.remove(max(odd, key=lambda name: abs(model[name])))


def _fit_on(names: Sequence[str], known: Sequence[Sample], held: Model) -> Model:
    """Newton's method on the penalised likelihood beside the weights that are held; the constant is not penalised.

    Before it has seen anything the model believes the rule: PRIOR made-up values at each of its levels, with and without a
    rival, as often right as it says. So a value the rule doubts stays doubtful where no such value has been met, and none
    is ever taken for certain.
    """
    rows = [(sample.signals, float(sample.right), sample.weight) for sample in known]
    for level in PRIOR_LEVELS:
        for lead in (0.0, LEAD):
            made_up = {"rule": level, "lead": lead, "largest": 1.0, "bare": 1.0}
            rows += [(made_up, 1.0, PRIOR * level), (made_up, 0.0, PRIOR * (1 - level))]
    x = np.array([[signals.get(name, 0.0) for name in names] + [1.0] for signals, _, _ in rows])
    fixed = np.array([sum(weight * signals.get(name, 0.0) for name, weight in held.items()) for signals, _, _ in rows])
    y, weight = (np.array([row[column] for row in rows], dtype=float) for column in (1, 2))
    penalty = np.diag([RIDGE] * len(names) + [1e-6])
    beta = np.zeros(len(names) + 1)
    for _ in range(100):
        p = 1 / (1 + np.exp(-x @ beta - fixed))
        gradient = x.T @ (weight * (y - p)) - penalty @ beta
        curvature = (x * (weight * p * (1 - p))[:, None]).T @ x + penalty
        step = np.linalg.solve(curvature, gradient)
        beta += np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-9:
            break
    return held | {name: round(float(value), 4) for name, value in zip([*names, ""], beta, strict=True)}


def held_out_models(known: Sequence[Sample]) -> list[dict[str, Model]]:
    """For each fold the models learned without its families."""
    return [learn([sample for sample in known if fold_of(sample.family) != fold]) for fold in range(FOLDS)]


def write(models: dict[str, Model], known: Sequence[Sample], path: Path) -> None:
    """The model file with where it comes from. Names of families are not in it."""
    about = {
        "made_by": "make train",
        "method": f"ridge logistic regression (ridge {RIDGE}, prior {PRIOR}) on {len(known)} values",
        "values": {field: sum(sample.field == field for sample in known) for field in models},
        "of_them_wrong": {field: sum(sample.field == field and not sample.right for sample in known) for field in models},
        "families": len({sample.family for sample in known}),
    }
    path.write_text(json.dumps({"about": about, "models": models}, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--keep", type=Path, help="keep what OCR found in this folder, for the next run")
    told = parser.parse_args()
    wanted = cases(told.folders)
    known = samples(list(zip(wanted, read_all(wanted, told.keep), strict=True)))
    models = learn(known)
    write(models, known, Path(confidence.__file__).with_suffix(".json"))
    for field, model in models.items():
        print(field, model)


if __name__ == "__main__":
    main()
