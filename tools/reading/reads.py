"""Reads the documents of sets with truth, several at a time; words that OCR found once can be kept between runs.

A set is a folder with a `truth.jsonl`: one JSON a line with `id`, `file` (relative to the folder), `kind`, `family` (whose
layout it is) and `truth`. Invalid documents have `expect` instead: `reject` or `flag`.
"""

import hashlib
import json
import os
import pickle
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from akount import intake
from akount.errors import AkountError, UnsupportedType
from akount.extraction import confidence, engines, ocr
from akount.extraction.layout import Page
from akount.kinds import DEFAULT_KIND, KINDS
from akount.readings import Reading, Source, reading_from_json, reading_to_json


@dataclass(frozen=True)
class Case:
    """One document of a set, what is known of it, and what became of it."""

    set: str
    path: Path
    record: dict[str, Any]

    @property
    def family(self) -> str:
        return f"{self.set}/{self.record.get('family', self.record['id'])}"

    @property
    def truth(self) -> dict[str, Any]:
        truth: dict[str, Any] = self.record.get("truth", {})
        return truth

    @property
    def kind(self) -> str:
        named = str(self.record.get("kind"))
        return named if named in KINDS else DEFAULT_KIND


@dataclass(frozen=True)
class Outcome:
    """A reading, or the code of the refusal; seconds of one core, with those that a kept OCR result once took."""

    reading: Reading | None
    error: str
    seconds: float
    signals: dict[str, dict[str, float]]
    """Field -> what spoke for its value, as `confidence.per_cent` was told."""


def cases(folders: Iterable[Path]) -> list[Case]:
    """Every document of the sets in the folders, in their order. Raises FileNotFoundError for a folder without truth."""
    found = []
    for folder in folders:
        for line in (folder / "truth.jsonl").read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            found.append(Case(folder.name, folder / record["file"], record))
    return found


def read_all(wanted: Sequence[Case], keep: Path | None = None, processes: int | None = None) -> list[Outcome]:
    """The outcome of each case; `keep` is a folder for what OCR found."""
    with ProcessPoolExecutor(processes or os.cpu_count(), initializer=_prepare, initargs=(keep,)) as pool:
        raw = pool.map(_read, [case.path for case in wanted], chunksize=4)
        return [Outcome(None if said is None else reading_from_json(said), *rest) for said, *rest in raw]


_extra_seconds = 0.0
_signals: dict[str, dict[str, float]] = {}


def _prepare(keep: Path | None) -> None:
    judge = confidence.per_cent

    def noted(field: str, signals: Mapping[str, float]) -> int:
        _signals[field] = dict(signals)
        return judge(field, signals)

    confidence.per_cent = noted
    if keep is None:
        engines.warm()
        return
    keep.mkdir(parents=True, exist_ok=True)
    fresh = ocr.read_image

    def kept(image: Any, number: int, scale: float = 1.0) -> Page:
        global _extra_seconds  # noqa: PLW0603 - one process reads one document at a time
        key = hashlib.sha256(repr((image.size, number, scale)).encode() + image.tobytes()).hexdigest()
        path = keep / f"{key}.pickle"
        if not path.exists():
            started = time.process_time()
            page = fresh(image, number, scale)
            path.write_bytes(pickle.dumps((page, time.process_time() - started)))
            return page
        page, seconds = pickle.loads(path.read_bytes())
        _extra_seconds += seconds
        assert isinstance(page, Page)
        return page

    ocr.read_image = kept


def _read(path: Path) -> tuple[Any, str, float, dict[str, dict[str, float]]]:
    """(reading as JSON, code of the refusal, seconds, signals), as it goes over the pipe."""
    _signals.clear()
    global _extra_seconds  # noqa: PLW0603
    _extra_seconds = 0.0
    started = time.process_time()
    try:
        data = path.read_bytes()
        media_type = intake.media_type(data[: intake.HEAD])
        if media_type is None:
            raise UnsupportedType
        said, error = reading_to_json(engines.read_source(Source(data, media_type))), ""
    except AkountError as refusal:
        said, error = None, refusal.code
    return json.loads(json.dumps(said)), error, time.process_time() - started + _extra_seconds, dict(_signals)
