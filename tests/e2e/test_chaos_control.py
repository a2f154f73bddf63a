"""The control of `make chaos`: the same run without protection must lose documents, or it proves nothing."""

from pathlib import Path

from chaos_help import NEEDS, chaos

pytestmark = NEEDS


def test_without_protection_documents_are_lost(tmp_path: Path) -> None:
    run = ("--control", "--seed", "1054", "--documents", "40", "--kills", "4", "--minutes", "0.3", "--patience", "8")
    code, found, said = chaos(tmp_path, *run)
    assert code == 1, said
    assert len(found["broken"]["lost"]) > 0, said
    assert found["broken"]["doubled"] == []
