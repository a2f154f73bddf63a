"""A sample of `make chaos`."""

from pathlib import Path

from chaos_help import NEEDS, chaos

pytestmark = NEEDS


def test_nothing_is_lost_or_doubled_while_everything_is_killed(tmp_path: Path) -> None:
    code, found, said = chaos(tmp_path, "--seed", "5", "--documents", "45", "--kills", "10", "--minutes", "0.6")
    assert not any(found["broken"].values()), said
    assert code == 0, said
    assert found["kills"] >= 10
    assert found["accepted"] > 35
    assert found["jobs"]["completed"] > 20
    assert {"Redis killed and emptied", "Postgres killed", "web master killed", "worker killed"} <= set(found["faults"])
    met = found["running_again_s"]["count"] + sum(found["attempts"].get(outcome, 0) for outcome in ("lost", "delayed"))
    assert met > 0, "no kill met a running job"
    assert "| **lost** | **0** |" in (tmp_path / "chaos.md").read_text()
