"""A policy is made at the command line, noted, and shown; the doctor tries the keys; a whole worker asks the engine."""

import time
import uuid
from pathlib import Path

import pytest
from hosted_help import agrees, decided, decision_of, job_of, opened
from sqlalchemy import select

from akount import db, doctor
from akount.accounts import SHELL, add_tenant
from akount.db import Database
from akount.errors import Invalid, NotFound
from akount.hosted import policies
from akount.hosted.policies import Policy, Strategy
from akount.lifecycle import Runtime
from akount.models import AuditEntry, HostedCall, JobStatus
from conftest import make_settings
from make import submitted
from people import People, settle_in
from providers import Provider, form, says, spoken
from test_cli import Shell
from worker import Consumer


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


@pytest.mark.slow
def test_a_whole_worker_asks_the_engine_and_keeps_the_local_reading_when_it_is_gone(
    sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'whole.db'}"
    (tmp_path / "whole.db").write_bytes(sqlite_template.read_bytes())
    with Provider() as provider, opened(url, tmp_path, provider) as runtime:
        people = settle_in(runtime.database, unique=True)
        agrees(runtime, people.ada)
        decided(runtime, people.ada, "mistral")
        provider.act = says(200, spoken("mistral", form(total="119.00", currency="EUR")))
        first = submitted(runtime, people.ada)
        with Consumer(runtime, real=True, NO_PROXY="127.0.0.1", **provider.environ) as worker:
            over(runtime, first.id)
            assert decision_of(runtime, first).cost == 3_000
            assert provider.heard[0].said["document"]["image_url"].startswith("data:image/jpeg;base64,")
            provider.act = says(503, {})
            second = submitted(runtime, people.ada)
            over(runtime, second.id)
            assert decision_of(runtime, second).engine == "textlayer"
            log = worker.log.read_text()
    assert "hosted_failed" in log
    for personal in ("Cedar", "119.00", "example.com"):
        assert personal not in log
    with Database(url).snapshot() as session:
        assert {c.outcome for c in session.scalars(select(HostedCall))} == {"answered", "hosted_failed"}


def over(runtime: Runtime, job_id: uuid.UUID) -> None:
    ends = time.monotonic() + 60
    while job_of(runtime, job_id).status is not JobStatus.COMPLETED:
        assert time.monotonic() < ends
        time.sleep(0.05)
