"""The control of `make chaos`: the same run without protection must lose documents, or it proves nothing."""

from pathlib import Path

from chaos_help import NEEDS, chaos

pytestmark = NEEDS


def test_without_protection_documents_are_lost(tmp_path: Path) -> None:
    """On a busy machine kills may meet nobody at work; then others are tried."""
    for seed in ("1054", "1055", "1056"):
        run = ("--control", "--seed", seed, "--documents", "40", "--kills", "4", "--minutes", "0.3", "--patience", "8")
        code, found, said = chaos(tmp_path / seed, *run)
        assert found["broken"]["doubled"] == []
        if found["broken"]["lost"]:
            break
    assert len(found["broken"]["lost"]) > 0, said
    assert code == 1, said
