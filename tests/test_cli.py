"""The commands, as a shell calls them."""

import io
import json
import os
import uuid
from pathlib import Path

import click
import pytest
from rich.console import Console

import commands
import config
from akount import demo, ledger, scans
from akount.cli.common import MODULES, cli
from akount.db import Database, now
from akount.errors import Unauthenticated, Unreadable
from akount.identity import organisations, sessions
from akount.identity.clerk import Claims
from akount.identity.identities import Identity
from akount.identity.throttle import Throttle
from akount.lifecycle import Runtime, open_runtime
from akount.limits import Windows
from akount.models import Job, JobStatus, Role
from akount.operations import Action
from config import Settings
from fresh import sqlite_copy
from make import SAMPLES, submitted
from people import People, Person


class Shell:
    """Runs our commands with settings of its own, each in a process of its own: forked from one that has read the code."""

    def __init__(self, directory: Path, **environ: str) -> None:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("REDIS_", "DATABASE_", "DATA_", "APP_"))}
        self.environ = kept | {"DATA_DIR": str(directory), "LOG_LEVEL": "ERROR", "COLUMNS": "150", **environ}

    def __call__(self, *arguments: str, code: int = 0, stdin: str = "") -> str:
        done = commands.run(arguments, self.environ, stdin)
        assert done.code == code, done.out + done.err
        assert "Traceback" not in done.err
        return done.out + done.err

    @property
    def settings(self) -> Settings:
        return config.load(self.environ)


@pytest.fixture
def shell(tmp_path: Path, sqlite_template: Path) -> Shell:
    sqlite_copy(sqlite_template, tmp_path / "var", "akount.db")
    return Shell(tmp_path / "var")


def test_people_and_keys_are_made_and_revoked(shell: Shell, tmp_path: Path) -> None:
    tenant = json.loads(shell("tenant", "add", "Ada & Co", "--json"))
    user = json.loads(shell("user", "add", "ada@example.com", "--tenant", tenant["tenantId"], "--role", "OWNER", "--json"))
    key = json.loads(shell("key", "add", "--tenant", tenant["tenantId"], "--role", "owner", "--user", user["userId"], "--json"))
    assert key["key"].startswith("ak_")
    assert "revoked" in shell("key", "revoke", key["keyId"])
    assert json.loads(shell("key", "revoke", key["keyId"], "--json"))["keyId"] == key["keyId"], "as the first time"
    assert "already" in shell("user", "add", "ada@example.com", "--tenant", tenant["tenantId"], "--role", "ADMIN", code=1)
    assert "no such tenant" in shell("key", "add", "--tenant", str(uuid.uuid4()), "--role", "OWNER", code=1)
    assert key["key"].encode() not in (tmp_path / "var" / "akount.db").read_bytes()


def test_a_tenant_gets_more_entities(shell: Shell) -> None:
    tenant = json.loads(shell("tenant", "add", "Ada & Co", "--json"))
    added = json.loads(shell("entity", "add", "Ada Ltd", "--tenant", tenant["tenantId"], "--json"))["entityId"]
    listed = shell("entity", "list", "--tenant", tenant["tenantId"]).splitlines()
    assert listed == [f"{tenant['entityId']}  Ada & Co", f"{added}  Ada Ltd"]
    assert "There is no such tenant." in shell("entity", "add", "x", "--tenant", str(uuid.uuid4()), code=1)


def test_every_command_is_where_it_is_looked_for() -> None:
    with click.Context(cli) as context:
        found = {name: cli.get_command(context, name) for name in cli.list_commands(context)}
    assert set(found) == set(cli.commands), "none is added by a module where nobody would look for it"
    for name, command in found.items():
        assert command is not None
        assert command.callback.__module__ == f"akount.cli.{MODULES[name]}"
    written = {path.stem for path in Path(config.ROOT, "akount", "cli").glob("*.py")}
    assert written - {"__init__", "common"} == set(MODULES.values())


def test_commands_refuse_an_old_schema_and_say_what_to_do(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    for command in (("jobs", "list"), ("worker", "--queue", "bill-scan"), ("worker",)):
        assert "python -m akount migrate" in shell(*command, code=2)
    assert shell("migrate") == "The schema is at head.\n"
    assert shell("jobs", "list") == ""


def test_an_upgrade_is_taken_back_by_the_command_of_the_page(shell: Shell) -> None:
    """docs/operations.md: by the new program, to the revision that the old one asks for in its refusal."""
    assert "python -m akount migrate --down-to REVISION" in (config.ROOT / "docs" / "operations.md").read_text()
    assert "9999" in shell("migrate", "--down-to", "9999", code=2)
    assert shell("migrate", "--down-to", "0022") == "The schema is at 0022.\n"
    assert "is at 0022, this program needs" in shell("jobs", "list", code=2)
    shell("migrate")
    assert shell("jobs", "list") == ""


def test_config_check_shows_sources_and_masks_secrets(tmp_path: Path) -> None:
    shell = Shell(tmp_path, REDIS_PASSWORD="hush", DATABASE_URL="postgresql://u:hush@db.example/akount")
    shown = shell("config", "check")
    assert "hush" not in shown
    assert "environment" in shown
    assert "db.example" in shown


def test_config_check_names_every_problem(tmp_path: Path) -> None:
    shown = Shell(tmp_path, PORT="x", LOG_LEVEL="loud", REDIS_PASSWORD="hush", WEB_THREADS="9")("config", "check", code=2)
    assert "PORT: " in shown
    assert "LOG_LEVEL: " in shown
    rows = {line.split()[0]: line.split()[1:] for line in shown.splitlines() if line.strip()}
    assert (rows["PORT"], rows["WEB_THREADS"]) == (["(not", "valid)", "environment"], ["9", "environment"])
    assert rows["REDIS_PASSWORD"] == ["set", "environment"]
    assert "hush" not in shown


def test_doctor_finds_everything_well(shell: Shell) -> None:
    said = shell("doctor")
    assert "FAULT" not in said
    assert said.count("ok ") == 8


def test_doctor_says_how_to_mend_each_fault(tmp_path: Path) -> None:
    shell = Shell(tmp_path, REDIS_URL="redis://127.0.0.1:1/0", DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    said = shell("doctor", code=1)
    assert "DATABASE_URL" in said
    assert "REDIS_URL" in said


def test_scan_reads_files_without_server_and_database(tmp_path: Path) -> None:
    (tmp_path / "notes.pdf").write_text("no PDF at all")
    (tmp_path / "empty.pdf").touch()
    files = [str(SAMPLES / "canal-house-ubl-eur.xml"), *(str(tmp_path / f"{name}.pdf") for name in ("notes", "empty", "missing"))]
    lines = [json.loads(line) for line in Shell(tmp_path / "var")("scan", "--jsonl", *files).splitlines()]
    assert [line["file"] for line in lines] == files
    assert lines[0]["fields"]["total"] == "2809.34"
    assert set(lines[0]) == {
        "id",
        "file",
        "kind",
        "fields",
        "confidence",
        "fieldConfidence",
        "checks",
        "warnings",
        "engine",
        "seconds",
    }
    assert set(lines[0]["fields"]["lines"][0]) == {"description", "quantity", "unit_price", "amount"}
    assert [line["error"]["code"] for line in lines[1:]] == ["unsupported_type", "empty_file", "unreadable_file"]


def test_scan_reads_lists_with_truth(tmp_path: Path) -> None:
    truth = [json.loads(line) for line in (SAMPLES / "truth.jsonl").read_text().splitlines()]
    lines = [json.loads(line) for line in Shell(tmp_path)("scan", "--jsonl", "--truth", str(SAMPLES / "truth.jsonl")).splitlines()]
    assert [line["id"] for line in lines] == [t["id"] for t in truth]
    assert [line["fields"]["total"].lstrip("-") for line in lines] == [t["truth"]["total"].lstrip("-") for t in truth]


def test_scan_says_what_it_cannot_go_by(tmp_path: Path) -> None:
    shell, wrong = Shell(tmp_path), tmp_path / "truth.jsonl"
    assert "FILES" in shell("scan", code=2)
    assert "No such file" in shell("scan", "--truth", str(wrong), code=1)
    for line in ("nonsense", "[]", '{"id": "a"}'):
        wrong.write_text(f'\n{line}\n{{"id": "b", "file": "b.pdf"}}\n', encoding="utf-8")
        assert 'truth.jsonl, line 2: must be a JSON object with "id" and "file".' in shell("scan", "--truth", str(wrong), code=1)


def test_scan_shows_a_person_what_was_read(tmp_path: Path) -> None:
    said = Shell(tmp_path)("scan", str(SAMPLES / "canal-house-ubl-eur.xml"))
    assert "2809.34" in said


def failed(runtime: Runtime, people: People, person: Person | None = None) -> Job:
    job = submitted(runtime, person or people.ada)
    with runtime.database.transaction() as session:
        held = ledger.claim(session, job.id, worker="host:1:1", lease_seconds=30)
        assert held
        ledger.settle(session, held, Unreadable("Nothing to read.", code="damaged"))
    return job


def test_the_ledger_from_a_shell(settings: Settings, runtime: Runtime, people: People) -> None:
    shell = Shell(settings.directory, DATABASE_URL=settings.database, APP_ENV="test")
    job, other = failed(runtime, people), failed(runtime, people)
    listed = [json.loads(line) for line in shell("jobs", "list", "--status", "failed", "--json").splitlines()]
    assert {line["jobId"] for line in listed} == {str(job.id), str(other.id)}
    shown = json.loads(shell("jobs", "show", str(job.id)))
    assert (shown["error"]["code"], shown["tried"][0]["outcome"]) == ("damaged", "failed")
    shell("jobs", "retry", str(job.id))
    shell("jobs", "discard", str(other.id), "--reason", "sent twice")
    assert shell("jobs", "list", "--status", "failed") == ""
    assert "wrong_status" in shell("jobs", "retry", str(job.id), code=1)
    assert status(runtime.database, job.id) is JobStatus.WAITING
    assert "rung" in shell("sweep")
    assert "archived: 0" in shell("prune")
    assert scans.find_job(runtime, people.otto.actor, other.id).discard_reason == "sent twice"


def test_dead_letters_are_retried_and_discarded_by_what_they_have_in_common(
    settings: Settings, runtime: Runtime, people: People
) -> None:
    shell = Shell(settings.directory, DATABASE_URL=settings.database, APP_ENV="test")
    ours, theirs = failed(runtime, people), failed(runtime, people, people.mallory)
    assert "0 jobs" in shell("jobs", "retry", "--all", "--code", "encrypted")
    assert "0 jobs" in shell("jobs", "retry", "--all", "--before", "2020-01-01")
    assert "1 jobs" in shell("jobs", "retry", "--all", "--tenant", str(people.ada.actor.tenant), "--code", "damaged")
    assert status(runtime.database, ours.id) is JobStatus.WAITING
    assert "1 jobs" in shell("jobs", "discard", "--all", "--queue", theirs.queue, "--reason", "spam")
    assert "0 jobs" in shell("jobs", "retry", "--all"), "what was discarded stays so"
    assert scans.find_job(runtime, people.mallory.actor, theirs.id).discard_reason == "spam"
    shell("jobs", "retry", code=2)
    shell("jobs", "retry", "--all", str(ours.id), code=2)


def test_a_tenant_moves_only_its_own_dead_letters(runtime: Runtime, people: People) -> None:
    ours, theirs = failed(runtime, people), failed(runtime, people, people.mallory)
    meant = ledger.DeadLetters(tenant_id=people.mallory.actor.tenant)
    assert scans.operate(runtime, people.ada.call, Action.RETRY, meant) == 1
    assert (status(runtime.database, ours.id), status(runtime.database, theirs.id)) == (JobStatus.WAITING, JobStatus.FAILED)


def status(database: Database, job_id: uuid.UUID) -> JobStatus:
    with database.snapshot() as session:
        return session.get_one(Job, job_id).status


# --- people with passwords, scopes, organisations ---


def test_a_person_gets_a_password_from_the_shell(shell: Shell, tmp_path: Path) -> None:
    tenant = json.loads(shell("tenant", "add", "Ada & Co", "--json"))["tenantId"]
    add = ("user", "add", "ada@example.com", "--tenant", tenant, "--role", "OWNER", "--json", "--password-stdin")
    assert "weak_password" in shell(*add, code=1, stdin="password123\n")
    shell(*add, stdin="correct horse battery\n")
    opened = open_runtime(shell.settings)
    try:
        token, who = sign_in(opened, "correct horse battery")
        assert (who.act(None).role, str(who.act(None).tenant)) == (Role.OWNER, tenant)
        assert "signed out" in shell("user", "password", "ada@example.com", stdin="another good one")
        with pytest.raises(Unauthenticated):
            sessions.identify(opened.database, token)
        sign_in(opened, "another good one")
        assert "sessions ended: 1" in shell("user", "sign-out", "ada@example.com")
    finally:
        opened.close()
    assert "weak_password" in shell("user", "password", "ada@example.com", code=1, stdin="short\n")
    assert "not_found" in shell("user", "password", "nobody@example.com", code=1, stdin="another good one\n")
    assert b"correct horse battery" not in (tmp_path / "var" / "akount.db").read_bytes()


def sign_in(runtime: Runtime, password: str) -> tuple[str, Identity]:
    return sessions.sign_in(runtime.database, Throttle(Windows(Settings())), sessions.Attempt("ada@example.com", password))


def test_an_operator_is_made_in_the_shell_and_belongs_to_no_tenant(shell: Shell) -> None:
    tenant = json.loads(shell("tenant", "add", "Ada & Co", "--json"))["tenantId"]
    shell("user", "add", "otto@example.com", "--role", "operator")
    for wrong in (["user", "add", "x@example.com", "--role", "OWNER"], ["key", "add", "--role", "OWNER"]):
        assert "invalid" in shell(*wrong, code=1)
        assert "invalid" in shell(*wrong[:-1], "operator", "--tenant", tenant, code=1)
    assert json.loads(shell("key", "add", "--role", "operator", "--json"))["key"].startswith("ak_")


def test_keys_have_scopes_and_an_end_and_are_listed_without_the_key(shell: Shell) -> None:
    tenant = json.loads(shell("tenant", "add", "Ada & Co", "--json"))["tenantId"]
    add = ("key", "add", "--tenant", tenant, "--role", "BOOKKEEPER", "--name", "scanner", "--json")
    key = json.loads(shell(*add, "--scope", "upload", "--scope", "view", "--expires", "30"))
    assert "invalid" in shell(*add, "--scope", "keys", code=1)
    shell("key", "add", "--role", "operator", "--name", "watch")
    listed = shell("key", "list", "--tenant", tenant)
    assert (key["keyId"] in listed, "upload,view" in listed, "scanner" in listed) == (True, True, True)
    assert key["key"] not in listed
    assert "watch" not in listed
    assert "watch" in shell("key", "list")
    shell("key", "revoke", key["keyId"])
    assert "revoked" in shell("key", "list", "--tenant", tenant)


def test_tenants_and_users_are_linked_to_clerk_and_roles_are_changed_by_hand(shell: Shell) -> None:
    tenant = json.loads(shell("tenant", "add", "Ada & Co", "--clerk-org", "org_1", "--json"))["tenantId"]
    other = json.loads(shell("tenant", "add", "Other", "--json"))["tenantId"]
    assert "conflict" in shell("tenant", "link", other, "org_1", code=1)
    shell("tenant", "link", other, "org_2")
    shell("user", "add", "ada@example.com", "--tenant", tenant, "--role", "VIEWER")
    shell("user", "link", "ada@example.com", "user_1")
    shell("user", "role", "ada@example.com", "--tenant", tenant, "--role", "OWNER")
    assert "not_found" in shell("user", "role", "ada@example.com", "--tenant", other, "--role", "OWNER", code=1)
    opened = open_runtime(shell.settings)
    try:
        claims = Claims("user_1", now(), "org_1", "member")
        assert organisations.identify(opened.database, claims).act(None).role is Role.OWNER
    finally:
        opened.close()
    shell("user", "remove", "ada@example.com", "--tenant", tenant)
    assert "not_found" in shell("user", "remove", "ada@example.com", "--tenant", tenant, code=1)


@pytest.mark.parametrize("new", [True, False])
def test_what_is_secret_in_the_demo_is_said_when_it_is_made_and_later_only_where_it_stands(tmp_path: Path, *, new: bool) -> None:
    settings = config.load({"APP_ENV": "test", "DATA_DIR": str(tmp_path)}, env_file=tmp_path / "no.env")
    who = demo.Credentials("tenant", "entity", "user", "owner@demo.example", "ak_hush", "quiet")
    console = Console(file=io.StringIO(), width=200)
    demo.greet(console, settings, who, new=new)
    said = console.file.getvalue()
    assert who.email in said
    assert str(tmp_path / "credentials.json") in said
    assert [secret in said for secret in ("ak_hush", "quiet")] == [new, new]


def test_the_demo_owner_has_a_password_that_is_made_once(tmp_path: Path) -> None:
    settings = config.load({"APP_ENV": "test", "DATA_DIR": str(tmp_path)}, env_file=tmp_path / "no.env")
    made, new = demo.prepare(settings)
    assert (new, demo.prepare(settings)) == (True, (made, False))
    kept = tmp_path / "credentials.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    before = {name: value for name, value in json.loads(kept.read_text()).items() if name != "password"}
    kept.write_text(json.dumps(before))
    again, _ = demo.prepare(settings)
    assert (again.api_key, again.password != made.password) == (made.api_key, True), "kept by a version without passwords"
    opened = open_runtime(settings)
    try:
        attempt = sessions.Attempt(again.email, again.password)
        assert sessions.sign_in(opened.database, Throttle(Windows(Settings())), attempt)[1].act(None).role is Role.OWNER
    finally:
        opened.close()
