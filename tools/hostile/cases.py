"""What is thrown, and what may become of it.

A corpus is a folder with a `manifest.jsonl`, a line for each file: `id`, `file` (relative to the folder), `expect`
(`extract`, `reject`, `fail` or `any`), `also_ok` (the same words), `bill` (false: it says nothing that a record needs),
`upload_name`, `stored` (`gzip`). A folder without one is taken as it is: any clean ending will do.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

READ, REFUSED, FAILED = "read", "refused", "failed"
CLEAN = frozenset({READ, REFUSED, FAILED})
EMPTY_OF_MEANING = frozenset({"no_text", "no_values", "too_small", "not_an_invoice", "empty_document"})
"""A job may fail with these where nobody promised that there is anything to read."""
_SAID = {"extract": READ, "reject": REFUSED, "fail": FAILED}


@dataclass(frozen=True)
class Case:
    """One file, made when it is needed, and the endings that are right for it."""

    id: str
    name: str
    make: Callable[[], bytes]
    right: frozenset[str]
    group: str
    codes: frozenset[str] = frozenset()
    "if any: how a refusal or a failure must be called"
    meaningless: bool = False

    def judge(self, ending: str, code: str | None) -> bool:
        """Whether this is what had to come of it."""
        if ending not in self.right:
            return ending == FAILED and self.meaningless and code in EMPTY_OF_MEANING
        return ending == READ or not self.codes or code in self.codes


def from_folder(folder: Path) -> list[Case]:
    """The cases of a corpus."""
    manifest = folder / "manifest.jsonl"
    if not manifest.exists():
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return [Case(str(path.relative_to(folder)), path.name, path.read_bytes, CLEAN, "any") for path in files]
    lines = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines() if line.strip()]
    return [_case(folder, said) for said in lines]


def _case(folder: Path, said: dict[str, object]) -> Case:
    path = folder / str(said["file"])

    def make() -> bytes:
        data = path.read_bytes()
        return gzip.decompress(data) if said.get("stored") == "gzip" else data

    expect = str(said["expect"])
    also = {_SAID[word] for word in said.get("also_ok", [])}  # type: ignore[attr-defined]
    right = set(CLEAN) if expect == "any" else {_SAID[expect]} | also
    if expect == "fail" or (REFUSED in right and not said.get("sync")):  # it may be heard at once or from the job
        right |= {REFUSED, FAILED}
    name = str(said.get("upload_name", path.name))
    return Case(str(said["id"]), name, make, frozenset(right), expect, meaningless=not said.get("bill", True))
