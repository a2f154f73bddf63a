"""Our own hostile files, thrown at the service as it is shipped: it answers, reads, refuses, and lives on."""

from pathlib import Path

import pytest

from fresh import postgres_copy, redis_database
from servers import Server
from tools.hostile import samples
from tools.hostile.__main__ import run
from tools.hostile.cases import FAILED, READ, REFUSED, Case, from_folder

NEED_OCR = ("honest: credit-note-scan-eur.pdf", "honest: hardware-receipt-photo-eur.jpg")
"""Honest files that a busy machine may not read within the short limit of this test; others read them."""


def test_hostile_files_meet_a_service_that_lives_on(
    postgres: Server, redis_shared: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    urls = {"DATABASE_URL": postgres_copy(postgres), "REDIS_URL": redis_database(redis_shared)}
    quick = [case for case in samples.cases() if case.id not in NEED_OCR]
    held = run(tmp_path, urls, quick, hands=6, seconds=3, attempts=1)
    said = capsys.readouterr().out
    assert held, said
    assert "WRONG" not in said, said


def test_there_are_many_of_them_and_each_has_a_name_of_its_own() -> None:
    cases = samples.cases()
    assert len(cases) >= 140
    assert len({case.id for case in cases}) == len(cases)


def test_a_corpus_is_judged_by_its_manifest(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "manifest.jsonl").write_text(
        '{"id": "1", "file": "a", "expect": "extract", "also_ok": ["reject"]}\n'
        '{"id": "2", "file": "a", "expect": "reject", "sync": true}\n'
        '{"id": "3", "file": "a", "expect": "extract", "bill": false}\n'
    )
    one, two, three = from_folder(tmp_path)
    assert (one.right, two.right, three.right) == ({READ, REFUSED, FAILED}, {REFUSED}, {READ})
    assert three.judge(FAILED, "no_text")
    assert not three.judge(FAILED, "crashed")
    assert two.make() == b"x"


def test_a_code_that_is_asked_for_must_be_said() -> None:
    case = Case("x", "x", bytes, frozenset({REFUSED}), "x", frozenset({"damaged"}))
    assert case.judge(REFUSED, "damaged")
    assert not case.judge(REFUSED, "encrypted")
    assert not case.judge(READ, None)
