"""A policy is made at the command line, noted, and shown; the doctor tries the keys; a whole worker asks the engine."""

import uuid
from pathlib import Path

import pytest
from sqlalchemy import select

from akount import db, doctor
from akount.accounts import SHELL, add_tenant
from akount.db import Database
from akount.errors import Invalid, NotFound
from akount.hosted import policies
from akount.hosted.policies import Policy, Strategy
from akount.lifecycle import Runtime
from akount.models import AuditEntry
from fresh import make_settings
from people import People
from providers import Provider
from test_cli import Shell


def test_the_command_line_makes_a_policy_step_by_step(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    db.migrate(shell.settings.database)
    database = Database(shell.settings.database)
    with database.transaction() as session:
        tenant = str(add_tenant(session, "Ada & Co")[0].id)
    assert "No document is shown" in shell("tenant", "hosted", tenant)
    assert "--engine" in shell("tenant", "hosted", tenant, "--budget", "20", code=2)
    said = shell("tenant", "hosted", tenant, "--engine", "mistral", "--budget", "20")
    assert "mistral, when the local engines are less sure than 80" in said
    assert "masked: cards, national_ids, bank_accounts; budget: 20.00 USD a month" in said
    assert "mistral is not set up (MISTRAL_… in the settings)" in said
    said = shell("tenant", "hosted", tenant, "--when", "always", "--mask", "cards")
    assert "mistral, always; masked: cards; budget: 20.00 USD" in said
    assert "No document is shown" in shell("tenant", "hosted", tenant, "--when", "never")
    with database.snapshot() as session:
        noted = session.scalars(select(AuditEntry.reason).where(AuditEntry.action == "hosted.policy")).all()
    assert len(noted) == 3
    database.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_policy_that_makes_no_sense_is_refused(runtime: Runtime, people: People) -> None:
    with runtime.database.transaction() as session:
        tenant = people.ada.actor.tenant
        for wrong in (
            Policy("somebody"),
            Policy("mistral", masks=("faces",)),
            Policy("mistral", budget=-1),
            Policy("mistral", threshold=101),
        ):
            with pytest.raises(Invalid):
                policies.decide(session, SHELL, tenant, wrong)
        with pytest.raises(NotFound):
            policies.decide(session, SHELL, uuid.UUID(int=1), Policy("mistral"))


def test_nobody_pays_by_mistake_a_policy_has_no_money_at_first() -> None:
    assert (Policy("mistral").budget, Policy("mistral").strategy) == (0, Strategy.BELOW)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "mistral takes the key and has mistral-ocr-2512"),
        ({"MISTRAL_API_KEY": "wrong"}, "does not take our key"),
        ({"ANTHROPIC_MODEL": "gone"}, "lists no model 'gone'"),
        ({"ANTHROPIC_AUTH": "x-api-key"}, "anthropic takes the key"),
        ({"OPENAI_COMPATIBLE_URL": "http://127.0.0.1:9"}, "openai_compatible was asked for its models"),
    ],
    ids=["well", "wrong key", "no such model", "the other way to show a key", "nobody there"],
)
def test_the_doctor_tries_the_real_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], said: str
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Provider() as provider:
        settings = make_settings(tmp_path, f"sqlite:///{tmp_path}/none.db", **(provider.environ | changes))
        try:
            told = doctor.PROBES["hosted engines"](settings)
        except doctor.Fault as fault:
            told = str(fault)
    assert said in told
    assert "wrong" not in told


def test_the_doctor_says_when_nothing_is_sent_anywhere(tmp_path: Path) -> None:
    assert "nothing is sent" in doctor.PROBES["hosted engines"](make_settings(tmp_path, f"sqlite:///{tmp_path}/none.db"))
