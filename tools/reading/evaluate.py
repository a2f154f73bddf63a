"""How well documents are read: `make eval` (EVAL="FOLDER …" for other sets than the generated ones).

    python -m tools.reading.evaluate [FOLDER…] [--keep FOLDER] [--write]

Prints F1 by set and field, seconds a page, and what moved since the committed result; with --write that result, the tables
of docs/reading.md and its picture are made anew. Confidence is judged by models that have not seen the document's family.
"""

import argparse
import itertools
import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from akount.extraction import confidence
from akount.extraction.layout import plain
from akount.kinds import KINDS
from akount.readings import Reading
from tools.documents.__main__ import OUT, write_printed, write_sorts, write_tills
from tools.documents.sorts import APART, SORTS
from tools.reading.picture import reliability
from tools.reading.reads import Case, Outcome, cases, read_all
from tools.reading.scoring import FIELDS, KEY_FIELDS, judged, tallies
from tools.reading.train import GENERATED, Model, fields_said, fold_of, held_out_models, samples

ROOT = Path(__file__).parent.parent.parent
RESULT = ROOT / "benchmarks" / "results" / "reading.json"
RULES = ROOT / "akount" / "extraction"
PAGE = ROOT / "docs" / "reading.md"
PICTURE = ROOT / "docs" / "images" / "reliability.svg"
COLUMNS = (*FIELDS, "lines")
THRESHOLDS = (50, 60, 70, 80, 90, 95)
EDGES = (0, 30, 50, 60, 70, 80, 90, 95, 100)
Pairs = Sequence[tuple[Case, Outcome]]


@dataclass(frozen=True)
class Judged:
    """A record: how sure it was by models that did not know its family, and whether all that matters was right."""

    generated: bool
    engine: str
    confidence: int
    right: bool


def scores(pairs: Pairs) -> dict[str, dict[str, Any]]:
    """Set -> documents, median seconds a page, and field -> F1 and how many values the truth knows."""
    found: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(case.set for case, _ in pairs):
        mine = [(case, outcome) for case, outcome in pairs if case.set == name]
        counted = tallies((case.truth, fields_said(outcome)) for case, outcome in mine)
        pages = [outcome.seconds / max(1, outcome.reading.pages) for _, outcome in mine if outcome.reading is not None]
        fields = {
            field: {"f1": round(counted[field].f1, 1), "known": counted[field].known} for field in COLUMNS if field in counted
        }
        found[name] = {"documents": len(mine), "seconds": round(statistics.median(pages), 3), "fields": fields}
        found[name]["unexpected"] = sum(not as_expected(case, outcome) for case, outcome in mine if "expect" in case.record)
    return found


def as_expected(case: Case, outcome: Outcome) -> bool:
    """Whether an invalid document was refused, or at least flagged, as the set says."""
    if case.record["expect"]["outcome"] == "reject":
        return outcome.reading is None
    if outcome.reading is None:
        return True
    return bool(outcome.reading.warnings) or any(not one.passed for one in KINDS[case.kind].examine(outcome.reading))


def unseen(reading: Reading, signals: Mapping[str, Mapping[str, float]], models: Mapping[str, Model]) -> Reading:
    """The reading with its confidences by other models."""
    fields = {
        name: replace(value, confidence=_per_cent(models.get(name), signals[name])) if name in signals else value
        for name, value in reading.fields.items()
    }
    return replace(reading, fields=fields)


def _per_cent(model: Model | None, signals: Mapping[str, float]) -> int:
    if model is None:
        return int(100 * signals["rule"])
    score = model[""] + sum(weight * signals.get(name, 0.0) for name, weight in model.items() if name)
    return max(1, min(confidence.SURE, int(100 / (1 + math.exp(-score)))))


def calibration(pairs: Pairs) -> list[Judged]:
    """Every record whose truth knows something of the key fields; e-invoices in XML are not among them."""
    models = held_out_models(samples(pairs))
    found = []
    for case, outcome in pairs:
        verdicts = judged(case.truth, fields_said(outcome))
        known = [verdicts[field] for field in KEY_FIELDS if field in verdicts]
        if outcome.reading is None or outcome.reading.engine == "einvoice" or not known:
            continue
        reading = unseen(outcome.reading, outcome.signals, models[fold_of(case.family)])
        kind = KINDS[case.kind]
        sure = kind.confidence(reading, kind.examine(reading))
        found.append(Judged(case.set in GENERATED, reading.engine, sure, all(known)))
    return found


def bins(records: Sequence[Judged]) -> list[tuple[float, float, int]]:
    """(mean confidence said, per cent right, records) for each step of confidence that holds any."""
    found = []
    for low, high in itertools.pairwise(EDGES):
        inside = [one for one in records if low <= one.confidence < high]
        if inside:
            said = statistics.mean(one.confidence for one in inside)
            found.append((round(said, 1), round(100 * statistics.mean(one.right for one in inside), 1), len(inside)))
    return found


def thresholds(records: Sequence[Judged]) -> list[tuple[int, float, float | None]]:
    """(threshold, per cent of records that reach it, per cent of those that are right)."""
    found = []
    for threshold in THRESHOLDS:
        above = [one.right for one in records if one.confidence >= threshold]
        right = round(100 * statistics.mean(above), 1) if above else None
        found.append((threshold, round(100 * len(above) / max(1, len(records)), 1), right))
    return found


def groups(records: Sequence[Judged]) -> dict[str, list[Judged]]:
    """The records by where they come from; empty groups are left out."""
    real = [one for one in records if not one.generated]
    found = {
        "documents of people": real,
        "of them PDFs with text": [one for one in real if one.engine == "textlayer"],
        "of them pictures": [one for one in real if one.engine == "ocr"],
        "generated documents": [one for one in records if one.generated],
    }
    return {name: group for name, group in found.items() if group}


def result_of(pairs: Pairs) -> dict[str, Any]:
    """Everything measured, as it is kept."""
    grouped = groups(calibration(pairs))
    table = {name: {"records": len(group), "thresholds": thresholds(group), "bins": bins(group)} for name, group in grouped.items()}
    return {"sets": scores(pairs), "confidence": table}


def named(names: Iterable[str], rules: Path = RULES) -> list[str]:
    """Those names of vendors that stand in a rule or in its data: rules for one vendor's documents are worth nothing."""
    texts = [
        f" {plain(path.read_text(encoding='utf-8'))} " for path in sorted(rules.rglob("*.*")) if path.suffix in (".py", ".toml")
    ]
    wanted = {bare for name in names if len(bare := plain(name.replace("_", " "))) > 4}
    return sorted(name for name in wanted if any(f" {name} " in text for text in texts))


def vendors(wanted: Iterable[Case]) -> set[str]:
    """What the sets of people call their families and sellers; the families of generated documents are ordinary words."""
    people = [case for case in wanted if case.set not in GENERATED]
    return {str(name) for case in people for name in (case.record.get("family"), case.truth.get("seller_name")) if name}


# --- telling -----------------------------------------------------------------------------------------------------------


def score_table(sets: Mapping[str, Any]) -> str:
    """The F1 of each set and field as Markdown."""
    names = [field for field in COLUMNS if any(field in one["fields"] for one in sets.values())]
    rows = ["| set | documents | s a page | " + " | ".join(name.replace("_", " ") for name in names) + " |"]
    rows.append("|---" * (len(names) + 3) + "|")
    for name, one in sets.items():
        values = [str(one["fields"][field]["f1"]) if field in one["fields"] else "" for field in names]
        rows.append(f"| {name} | {one['documents']} | {one['seconds']} | " + " | ".join(values) + " |")
    return "\n".join(rows)


def threshold_table(table: Mapping[str, Any]) -> str:
    """Coverage and precision at each threshold as Markdown."""
    rows = [
        "| | records | " + " | ".join(f"≥ {threshold}" for threshold in THRESHOLDS) + " |",
        "|---" * (len(THRESHOLDS) + 2) + "|",
    ]
    for name, one in table.items():
        cells = [f"{share} %: {'–' if right is None else right}" for _, share, right in one["thresholds"]]
        rows.append(f"| {name} | {one['records']} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def moved(result: Mapping[str, Any], last: Mapping[str, Any]) -> list[str]:
    """What is better or worse than in the last result, for sets of the same size."""
    told = []
    for name, one in result["sets"].items():
        before = last.get("sets", {}).get(name)
        if before is None or before["documents"] != one["documents"]:
            continue
        for field, value in one["fields"].items():
            was = before["fields"].get(field, {"f1": 0.0})["f1"]
            if was != value["f1"]:
                told.append(f"{name} {field}: {was} -> {value['f1']}")
    return told


def write(result: Mapping[str, Any]) -> None:
    """The result, the tables of the page between their marks, and the picture."""
    RESULT.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PICTURE.write_text(reliability({name: one["bins"] for name, one in result["confidence"].items()}), encoding="utf-8")
    page = PAGE.read_text(encoding="utf-8")
    for mark, table in (("scores", score_table(result["sets"])), ("thresholds", threshold_table(result["confidence"]))):
        head, rest = page.split(f"<!-- {mark} -->\n", 1)
        page = f"{head}<!-- {mark} -->\n{table}\n<!-- end -->\n" + rest.split("<!-- end -->\n", 1)[1]
    PAGE.write_text(page, encoding="utf-8")


def generated() -> list[Path]:
    """The folders of the generated sets, made if they are not there."""
    if not (OUT / "apart").exists():
        write_printed(OUT / "printed", 360, 2, scanned=False)
        write_printed(OUT / "scanned", 60, 2, scanned=True)
        write_tills(OUT / "tills", 72, 2)
        write_sorts(OUT / "sorts", SORTS, 312, 3)
        write_sorts(OUT / "apart", APART, 200, 3)
    return [OUT / name for name in GENERATED]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="*", help="sets with truth besides the generated ones")
    parser.add_argument("--keep", type=Path, help="keep what OCR found in this folder, for the next run")
    parser.add_argument("--write", action="store_true", help="make the committed result, page and picture anew")
    told = parser.parse_args()
    wanted = cases([*told.folders, *generated()])
    result = result_of(list(zip(wanted, read_all(wanted, told.keep), strict=True)))
    last = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
    print(score_table(result["sets"]), threshold_table(result["confidence"]), sep="\n\n")
    print("\nSince the committed result:", *(moved(result, last) or ["nothing moved"]), sep="\n  ")
    print("\nVendors that a rule names:", ", ".join(named(vendors(wanted))) or "none")
    if told.write:
        write(result)


if __name__ == "__main__":
    main()
