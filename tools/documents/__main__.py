"""Write generated documents and their truth: python -m tools.documents [--out build/documents] [--count 300] [--seed 1].

The same seed gives the same documents. Sets: `printed` (PDF with text), `scanned` (pictures of such), `tills` (photos), `sorts`
(documents as certain trades send them) and `apart` (other sorts, which rules and confidence are not made for).
"""

import argparse
import json
import random
from pathlib import Path

from tools.documents.facts import make_facts, truth_of, words
from tools.documents.layouts import draw
from tools.documents.sorts import APART, SORTS, Sorts, draw_sort
from tools.documents.tills import COUNTRIES, draw_till, photographed

OUT = Path("build/documents")


def write_printed(folder: Path, count: int, seed: int, *, scanned: bool) -> None:
    """PDFs with their text, or pictures of their first pages, of one page then."""
    countries = [country for country in words()["country"] if not (scanned and country == "PL")]
    records = []
    for index in range(count):
        rng = random.Random(f"{folder.name}-{seed}-{index}")
        facts = make_facts(rng, countries[index % len(countries)])
        if scanned:
            facts.items = facts.items[:8]
            facts.prepaid = min(facts.prepaid, facts.total - facts.unit)
        data, printed, family = draw(facts, rng)
        name = f"{folder.name}-{seed}-{index:04d}-{facts.country.lower()}" + (".jpg" if scanned else ".pdf")
        _write(folder / "files" / name, photographed(data, rng) if scanned else data)
        truth = truth_of(facts, printed)
        records.append(_record(folder, name, f"{family}-{facts.language}", "invoice", truth))
    _write_truth(folder, records)


def write_tills(folder: Path, count: int, seed: int) -> None:
    """Photos of receipts."""
    records = []
    for index in range(count):
        rng = random.Random(f"till-{seed}-{index}")
        language = list(COUNTRIES)[index % len(COUNTRIES)]
        facts = make_facts(rng, rng.choice(COUNTRIES[language]))
        data, truth = draw_till(facts, rng)
        name = f"till-{seed}-{index:04d}-{facts.country.lower()}.jpg"
        _write(folder / "files" / name, photographed(data, rng, dpi=200))
        records.append(_record(folder, name, f"till-{language}-{index % 7}", "receipt", truth))
    _write_truth(folder, records)


def write_sorts(folder: Path, sorts: Sorts, count: int, seed: int) -> None:
    """PDFs with their text, the sorts and their countries in turn."""
    records = []
    for index in range(count):
        rng = random.Random(f"{folder.name}-{seed}-{index}")
        family, (sort, countries) = list(sorts.items())[index % len(sorts)]
        facts = make_facts(rng, countries[index // len(sorts) % len(countries)])
        data, printed, changes = draw_sort(sort, facts, rng)
        name = f"{family}-{seed}-{index:04d}-{facts.country.lower()}.pdf"
        _write(folder / "files" / name, data)
        records.append(_record(folder, name, family, "invoice", truth_of(facts, printed) | changes))
    _write_truth(folder, records)


def _record(folder: Path, name: str, family: str, kind: str, truth: dict[str, object]) -> dict[str, object]:
    about = {"id": f"{folder.name}/{Path(name).stem}", "file": f"files/{name}", "kind": kind, "family": family}
    return about | {"truth": truth}


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _write_truth(folder: Path, records: list[dict[str, object]]) -> None:
    lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    _write(folder / "truth.jsonl", lines.encode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--count", type=int, default=300, help="of PDFs; a sixth as many pictures, a fifth as many receipts")
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    write_printed(told.out / "printed", told.count, told.seed, scanned=False)
    write_printed(told.out / "scanned", told.count // 6, told.seed, scanned=True)
    write_tills(told.out / "tills", told.count // 5, told.seed)
    write_sorts(told.out / "sorts", SORTS, told.count // 2, told.seed)
    write_sorts(told.out / "apart", APART, told.count // 4, told.seed)


if __name__ == "__main__":
    main()
