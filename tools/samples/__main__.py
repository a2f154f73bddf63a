"""Write the sample documents and the record of what they say; every name and figure in them is invented.

Running it again gives the same bytes: dates, document ids and random seeds are fixed. Fonts come with reportlab.

    python -m tools.samples [--out samples]
"""

import argparse
import json
from pathlib import Path

from tools.samples.bindery import bindery
from tools.samples.canal_house import canal_house
from tools.samples.credit_note import credit_note
from tools.samples.exhibition import exhibition
from tools.samples.facts import Document
from tools.samples.guesthouse import guesthouse
from tools.samples.hardware_shop import hardware_shop
from tools.samples.page import register_fonts
from tools.samples.paper_mill import paper_mill
from tools.samples.stationery import stationery


def documents() -> list[Document]:
    return [stationery(), guesthouse(), canal_house(), exhibition(), hardware_shop(), credit_note(), bindery(), paper_mill()]


def make_samples(directory: Path) -> None:
    """Write all documents and truth.jsonl, one record a line, into `directory`."""
    register_fonts()
    directory.mkdir(parents=True, exist_ok=True)
    records = []
    for document in documents():
        (directory / document.file).write_bytes(document.draw(document))
        records.append(json.dumps(document.record(), ensure_ascii=False))
    (directory / "truth.jsonl").write_text("\n".join(records) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the sample documents.")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent.parent / "samples")
    make_samples(parser.parse_args().out)


if __name__ == "__main__":
    main()
