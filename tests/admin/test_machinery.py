"""The pages of the machinery, from tenants to access: what they show, to whom, and what can be done on them."""

import csv
import datetime as dt
import io
import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest
from api_help import Worker
from console_help import Visitor, visitor
from flask import Flask
from sqlalchemy import delete, select, update

import config
from akount import accounts, alerts, audit, ledger, plans, webhooks, workers
from akount.admin import plans as plans_page
from akount.db import now
from akount.hosted import policies
from akount.hosted.gate import month_of
from akount.hosted.policies import Policy, Strategy
from akount.identity import access
from akount.identity.names import OPERATOR, names
from akount.kinds import QUEUES
from akount.lifecycle import Runtime
from akount.models import (
    AuditEntry,
    Delivery,
    Document,
    HostedSpending,
    Job,
    JobStatus,
    Login,
    Pause,
    Record,
    Role,
    Schedule,
    Webhook,
    WorkerProcess,
)
from akount.tasks import upkeep
from fresh import settings_for
from make import submitted
from people import People, settle_in

PAGES = ("tenants", "limits", "plans", "webhooks", "workers", "schedules", "health", "audit", "access")
LOST = "far-away/4026531836:7:1"


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> config.Settings:
    return settings_for(request, tmp_path_factory, JOBS_PER_MINUTE="4")


@pytest.fixture(scope="module")
def people(runtime: Runtime) -> People:
    """Ada has a document that was read, Mallory one that waits; a sweeper has been there."""
    people = settle_in(runtime.database)
    worker = Worker(runtime)
    worker.process(submitted(runtime, people.ada).id)
    worker.stop()
    submitted(runtime, people.mallory)
    upkeep.run_due(runtime)
    return people


@pytest.fixture(scope="module")
def otto(app: Flask, runtime: Runtime, people: People) -> Visitor:
    return visitor(app, runtime.database, people.ada.actor.tenant, Role.OPERATOR)


@pytest.fixture(scope="module")
def ada(app: Flask, runtime: Runtime, people: People) -> Visitor:
    return visitor(app, runtime.database, people.ada.actor.tenant, Role.OWNER)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_refreshes_without_what_is_around_it(otto: Visitor, name: str) -> None:
    answer = otto.get(f"/admin/{name}?fragment=1")
    assert (answer.status_code, "<html" in answer.text) == (200, False)


def audited(runtime: Runtime, action: str) -> list[tuple[str, str]]:
    with runtime.database.snapshot() as session:
        rows = session.execute(select(AuditEntry.target, AuditEntry.reason).where(AuditEntry.action == action))
        return [(target, reason) for target, reason in rows]


# --- tenants and limits ---


def test_the_tenants_are_listed_with_what_they_have(otto: Visitor, ada: Visitor) -> None:
    shown = otto.get("/admin/tenants").text
    assert "Ada &amp; Co" in shown
    assert "Mallory Ltd" in shown
    assert "Mallory" not in ada.get("/admin/tenants").text
    assert "Mallory" not in otto.get("/admin/tenants?name=ada").text
    assert "No tenant has a name" in otto.get("/admin/tenants?name=100%25").text
    most = otto.get("/admin/tenants?sort=waiting").text
    assert ("Mallory Ltd" in most, "Ada &amp; Co" in most) == (True, False)


def test_pages_of_tenants_have_each_of_them_once(
    runtime: Runtime, otto: Visitor, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("akount.tenancy.LISTED", 2)
    with runtime.database.transaction() as session:
        for number in range(3):
            accounts.add_tenant(session, f"Tenant {number}")
    seen: list[str] = []
    path = "/admin/tenants"
    while path:
        text = otto.get(path).text
        seen += [part.split('"')[0] for part in text.split('class="name"><a href="/admin/tenants/')[1:]]
        path = text.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
    assert len(seen) == len(set(seen)) == 5


@pytest.mark.parametrize("span", ["60m", "24h", "7d", "30d"])
def test_one_tenant_has_its_history_and_its_keys_without_secrets(otto: Visitor, people: People, span: str) -> None:
    shown = otto.get(f"/admin/tenants/{people.ada.actor.tenant}?span={span}").text
    assert "Throughput" in shown
    assert people.ada.key not in shown


def test_a_tenant_page_says_what_hosted_engines_see_and_cost(runtime: Runtime, otto: Visitor, people: People) -> None:
    path, tenant = f"/admin/tenants/{people.ada.actor.tenant}", people.ada.actor.tenant
    assert "<dt>Hosted engine</dt><dd>never</dd>" in otto.get(path).text
    with runtime.database.transaction() as session:
        policies.decide(session, accounts.SHELL, tenant, Policy("mistral", budget=20_000_000))
        session.add(HostedSpending(tenant_id=tenant, month=month_of(), spent=1_230_000))
    shown = otto.get(path).text
    assert "mistral, when the local engines are less sure than 80" in shown
    assert "<dd>1.23 USD</dd>" in shown


def test_an_owner_decides_what_a_hosted_engine_sees_and_costs(
    runtime: Runtime, otto: Visitor, ada: Visitor, people: People
) -> None:
    path = f"/admin/tenants/{people.ada.actor.tenant}/hosted"
    assert "lacks the permission settings" in otto.get(path).text, "an operator does not decide for a tenant"
    assert 'value="cards" checked' in ada.get(path).text, "everything is masked at first"
    form = {"engine": "anthropic", "when": "below", "threshold": "70", "budget": "12,50", "mask": ["cards"]}
    assert ada.flash(ada.post(path, **form)).startswith("good:")
    with runtime.database.snapshot() as session:
        policy = policies.policy_of(session, people.ada.actor.tenant)
    assert policy == Policy("anthropic", Strategy.BELOW, 70, ("cards",), 12_500_000)
    assert (f"tenant:{people.ada.actor.tenant}", str(policy)) in audited(runtime, "hosted.policy")
    for wrong in ({"budget": "-1"}, {"budget": "nan"}, {"threshold": "101"}, {"when": "often"}, {"engine": "x"}, {"mask": ["x"]}):
        assert ada.post(path, **form | wrong).status_code == 422, wrong
    assert ada.post(f"/admin/tenants/{people.mallory.actor.tenant}/hosted", **form).status_code == 404


def test_a_tenant_is_held_up_and_let_go(runtime: Runtime, otto: Visitor, ada: Visitor, people: People) -> None:
    path = f"/admin/tenants/{people.ada.actor.tenant}"
    assert "lacks the permission" in ada.get(path).text
    assert "Pause Ada" in otto.get(f"{path}/pause").text
    assert otto.flash(otto.post(f"{path}/pause", reason="a surge", minutes="60")) == "good: The tenant is paused."
    assert "a surge" in otto.get(path).text
    with runtime.database.snapshot() as session:
        held = session.scalars(select(Pause).where(Pause.resumed_at.is_(None))).one()
    assert (held.tenant_id, held.queue) == (people.ada.actor.tenant, None)
    assert otto.flash(otto.post(f"{path}/resume")).startswith("good: The tenant is resumed")
    again = otto.post(f"{path}/resume")
    assert (again.status_code, "This is not paused" in again.text) == (409, True)


def test_a_full_limit_is_seen_and_released(app: Flask, runtime: Runtime, otto: Visitor, ada: Visitor, people: People) -> None:
    tenant = people.mallory.actor.tenant
    limiter = app.extensions["akount"].limiter
    while limiter.level(tenant).taken < 4:
        limiter.admit(tenant)
    shown = otto.get("/admin/limits").text
    assert "JOBS_PER_MINUTE" in shown
    assert "full" in shown.partition("Mallory Ltd")[2].partition("</tr>")[0]
    assert "Mallory" not in ada.get("/admin/limits").text
    path = f"/admin/limits/{tenant}/release"
    assert "Release the limit of Mallory Ltd?" in otto.get(path).text
    assert otto.flash(otto.post(path, reason="a migration")).startswith("good:")
    assert limiter.level(tenant).taken == 0
    assert (f"tenant:{tenant}", "a migration") in audited(runtime, "limit.release")


# --- plans and webhooks ---


def row_of(shown: str, name: str) -> str:
    return next(row for row in shown.partition("<tbody>")[2].split("<tr>") if name in row)


def test_plans_show_what_is_used_and_operators_change_them(runtime: Runtime, otto: Visitor, ada: Visitor, people: People) -> None:
    tenant = people.ada.actor.tenant
    path = f"/admin/plans/{tenant}/change"
    assert "not counted" in row_of(ada.get("/admin/plans").text, "Ada &amp; Co")
    assert "Mallory" not in ada.get("/admin/plans").text
    assert ada.post(path, plan="PRO", reason="I want more").status_code == 403
    assert "Change the plan of Ada &amp; Co?" in otto.get(path).text
    assert otto.flash(otto.post(path, plan="FREE", reason="as they ordered")) == "good: The plan is changed."
    assert (f"tenant:{tenant}", "FREE: as they ordered") in audited(runtime, "tenant.plan")
    row = row_of(ada.get("/admin/plans").text, "Ada &amp; Co")
    with runtime.database.snapshot() as session:
        stands = plans.standing(session, tenant, 0)
    assert 'value="1"' in row, "the one that came before there was a plan counts"
    assert f"{stands.resets_at:%Y-%m-%d} UTC" in row
    assert "5 MiB" in row
    assert "Mallory" not in otto.get("/admin/plans?plan=FREE").text
    assert "Ada &amp; Co" not in otto.get("/admin/plans?plan=none").text.partition("<tbody>")[2]
    assert otto.post(path, plan="GOLD", reason="x").status_code == 422
    otto.post(path, plan="none", reason="the test is over")


def test_a_month_that_is_used_up_is_seen_and_pages_have_each_tenant_once(
    runtime: Runtime, otto: Visitor, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    with runtime.database.transaction() as session:
        accounts.set_plan(session, people.mallory.actor.tenant, "FREE")
        for number in range(5):
            accounts.add_tenant(session, f"plan page {number}")
        for _ in range(9):
            plans.take(session, "FREE", Document(tenant_id=people.mallory.actor.tenant))
    assert "used up" in row_of(otto.get("/admin/plans").text, "Mallory")
    monkeypatch.setattr(plans_page, "LISTED", 2)
    seen, path = [], "/admin/plans?name=plan+page"
    while path:
        text = otto.get(path).text
        seen += [name.partition("<")[0] for name in text.split(">plan page ")[1:]]
        path = text.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
    assert sorted(seen) == list("01234")
    with runtime.database.transaction() as session:
        accounts.set_plan(session, people.mallory.actor.tenant, None)


@pytest.fixture
def hook(runtime: Runtime, people: People) -> Iterator[Webhook]:
    """Ada's, which could not be told of a record."""
    with runtime.database.transaction() as session:
        url = "https://books.example.com/hooks/only-ada-knows"
        made, _secret = webhooks.add(session, people.ada.call, runtime.seal, url, [webhooks.Event.CREATED], private=False)
        record = session.scalars(select(Record).where(Record.tenant_id == people.ada.actor.tenant)).first()
        assert record is not None
        webhooks.tell(session, webhooks.Event.CREATED, record)
    with runtime.database.transaction() as session:
        (parcel,) = webhooks.take(session, runtime.seal, 5)
        webhooks.settle(session, replace(parcel, attempt=99), 500, "It answered 500.")
    yield made
    with runtime.database.transaction() as session:
        webhooks.remove(session, people.ada.call, made.id)


def delivery_of(runtime: Runtime, hook: Webhook) -> Delivery:
    with runtime.database.snapshot() as session:
        return session.scalars(select(Delivery).where(Delivery.webhook_id == hook.id)).one()


def test_webhooks_tell_how_they_went_and_are_paused_told_again_and_removed(runtime: Runtime, ada: Visitor, hook: Webhook) -> None:
    path = f"/admin/webhooks/{hook.id}"
    assert "It answered 500." in row_of(ada.get("/admin/webhooks").text, hook.url)
    shown = ada.get(path).text
    assert hook.url in shown
    assert "whsec_" not in shown
    assert "It answered 500." in ada.get(f"{path}?state=failed").text
    assert "Nothing of it is in this state" in ada.get(f"{path}?state=delivered").text
    assert ada.flash(ada.post(f"{path}/pause")).startswith("good: The webhook is paused")
    again = f"{path}/deliveries/{delivery_of(runtime, hook).id}/retry"
    assert ada.flash(ada.post(again)) == "good: It is told again within seconds."
    assert delivery_of(runtime, hook).due_at == webhooks.HELD
    assert "when it goes on" in ada.get(path).text
    assert ada.flash(ada.post(f"{path}/resume")).startswith("good: The webhook goes on")
    assert delivery_of(runtime, hook).due_at <= now()
    assert "Remove this webhook?" in ada.get(f"{path}/remove").text
    assert ada.flash(ada.post(f"{path}/remove", reason="another system")) == "good: The webhook is removed."
    assert (f"webhook:{hook.id}", "another system") in audited(runtime, "webhook.remove")
    assert "removed" in ada.get(path).text


def test_an_operator_sees_how_webhooks_go_and_not_what_opens_them(
    app: Flask, runtime: Runtime, otto: Visitor, people: People, hook: Webhook
) -> None:
    path = f"/admin/webhooks/{hook.id}"
    for shown in (otto.get("/admin/webhooks").text, otto.get(path).text):
        assert "https://books.example.com/…" in shown
        assert "only-ada-knows" not in shown
    assert "The role operator lacks the permission settings." in otto.get(path).text
    mallory = visitor(app, runtime.database, people.mallory.actor.tenant, Role.OWNER)
    assert "books.example.com" not in mallory.get("/admin/webhooks").text
    assert mallory.get(path).status_code == 404


# --- names instead of ids ---


def test_names_are_told_to_those_whom_they_concern(runtime: Runtime, people: People) -> None:
    with runtime.database.transaction() as session:
        operator = accounts.add_user(session, f"{uuid.uuid4()}@example.org", None, Role.OPERATOR)
    ada, mallory = people.ada.actor, people.mallory.actor
    ours = {f"user:{ada.user_id}": "ada@example.com", ada.name: "key ada", f"tenant:{ada.tenant_id}": "Ada & Co"}
    theirs = {f"user:{mallory.user_id}": "mallory@example.net", mallory.name: "key mallory"}
    theirs |= {f"tenant:{mallory.tenant_id}": "Mallory Ltd"}
    refs = [*ours, *theirs, f"user:{operator.id}", "shell", "user:x", f"job:{uuid.uuid4()}", f"user:{uuid.uuid4()}", None]
    with runtime.database.snapshot() as session:
        assert names(session, ada, refs) == ours | {f"user:{operator.id}": OPERATOR}
        assert names(session, mallory, refs) == theirs | {f"user:{operator.id}": OPERATOR}
        assert names(session, people.otto.actor, refs) == ours | theirs | {f"user:{operator.id}": operator.email}
        assert names(session, people.otto.actor, ["shell", None]) == {}


def test_pages_say_who_it_was_and_not_who_runs_the_platform(app: Flask, runtime: Runtime, people: People) -> None:
    otto, ada, mallory = (
        visitor(app, runtime.database, who.actor.tenant, role)
        for who, role in ((people.ada, Role.OPERATOR), (people.ada, Role.OWNER), (people.mallory, Role.OWNER))
    )
    tenant = people.ada.actor.tenant
    otto.client.set_cookie("akount-tenant", str(tenant))  # so that it stands in their log too
    asked = otto.post("/admin/operations", action="discard", tenant=str(tenant), code="encrypted", reason="of a test")
    path, email = asked.headers["Location"], email_of(otto)
    app.extensions["board"].forget(None)
    for page in ("/admin/operations", path, "/admin/overview", "/admin/audit"):
        body = otto.get(page).text.partition("<main")[2]
        assert email in body, page
        body = ada.get(page).text.partition("<main")[2]
        assert (OPERATOR in body, email in body) == (True, False), page
        assert email not in mallory.get(page).text, page
    shown = otto.get("/admin/operations").text
    assert f'title="{tenant}">Ada &amp; Co</strong>' in shown
    assert str(tenant) not in shown.replace(f'title="{tenant}"', "")


def email_of(who: Visitor) -> str:
    """As the head of each page tells who looks."""
    return who.get("/admin/access").text.partition('class="who"><summary>')[2].partition("<")[0]


# --- workers and schedules ---


@pytest.fixture
def crew(runtime: Runtime, people: People) -> uuid.UUID:
    """One worker that reads, of another release, and one that was lost with its job in hand; the job is answered."""
    with runtime.database.transaction() as session:
        session.execute(delete(WorkerProcess))
        held = session.scalars(select(Job).where(Job.tenant_id == people.mallory.actor.tenant)).one()
        anew = {"status": JobStatus.WAITING, "run_at": now(), "attempts": 0, "worker": None}
        session.execute(update(Job).where(Job.id == held.id).values(**anew))
        assert ledger.claim(session, held.id, worker=LOST, lease_seconds=3600) is not None
        workers.tell(session, "here/1:1:1", QUEUES[0], None)
        workers.tell(session, LOST, QUEUES[0], held.id)
        session.flush()
        session.execute(
            update(WorkerProcess)
            .where(WorkerProcess.name == "here/1:1:1")
            .values(version="0.0.1", memory=431 << 20, models_loaded=False, pages_lately=14)
        )
        session.execute(update(WorkerProcess).where(WorkerProcess.name == LOST).values(seen_at=now() - dt.timedelta(minutes=5)))
        return held.id


def test_workers_are_seen_and_queues_that_nobody_serves(otto: Visitor, ada: Visitor, crew: uuid.UUID) -> None:
    shown = otto.get("/admin/workers").text
    assert "here/1:1:1" in shown
    assert "not " in shown.partition("0.0.1")[2].partition("</td>")[0]
    assert "nobody" in shown.partition(QUEUES[1])[2].partition("</tr>")[0]
    row = shown.partition("here/1:1:1")[2].partition("</tr>")[0]
    assert "here, process 1" in row
    assert ('num wide">14<' in row, "431 MiB" in row, "not loaded" in row) == (True, True, True)
    whole = shown.partition("<tfoot>")[2].partition("</tfoot>")[0]
    assert ('num">1<' in whole, "0 %" in whole, 'num wide">14<' in whole, "431 MiB" in whole) == (True, True, True, True)
    assert str(crew) in shown.partition("Lost workers")[2]
    assert ada.get("/admin/workers").status_code == 403


def test_a_worker_is_drained(runtime: Runtime, otto: Visitor, crew: uuid.UUID) -> None:
    assert "takes nothing more" in otto.get("/admin/workers/drain?worker=here/1:1:1").text
    answer = otto.post("/admin/workers/drain", worker="here/1:1:1", reason="a new disk")
    assert otto.flash(answer).startswith("good: The worker takes nothing more")
    assert "draining" in otto.get("/admin/workers").text
    assert ("worker:here/1:1:1", "a new disk") in audited(runtime, "worker.drain")
    assert otto.post("/admin/workers/drain", worker="nobody", reason="x").status_code in (303, 404)


def test_what_a_lost_worker_held_is_requeued(runtime: Runtime, otto: Visitor, crew: uuid.UUID) -> None:
    assert LOST in otto.get(f"/admin/workers/requeue?worker={LOST}").text
    assert otto.flash(otto.post("/admin/workers/requeue", worker=LOST, reason="it burns")) == (
        "good: 1 jobs of the lost worker were given back."
    )
    with runtime.database.snapshot() as session:
        assert session.get_one(Job, crew).status is JobStatus.WAITING


def test_who_looks_at_one_tenant_still_steers_the_whole_machinery(
    app: Flask, runtime: Runtime, people: People, crew: uuid.UUID
) -> None:
    """Row-level security would hide from them what is nobody's, and another tenant's job in a lost worker's hands."""
    otto = visitor(app, runtime.database, people.ada.actor.tenant, Role.OPERATOR)
    assert otto.post("/admin/scope", tenant=str(people.ada.actor.tenant)).status_code == 303
    assert otto.get("/admin/schedules").text.count(">done<") >= 4
    assert str(crew) in otto.get("/admin/workers").text
    assert otto.flash(otto.post("/admin/workers/requeue", worker=LOST, reason="it burns")).startswith("good: 1 jobs")
    assert otto.flash(otto.post("/admin/schedules/alerts/run")).startswith("good: alerts is due")
    with runtime.database.snapshot() as session:
        assert session.get_one(Schedule, "alerts").due_at <= now()
        assert session.get_one(Job, crew).status is JobStatus.WAITING


def test_schedules_tell_how_they_went_and_are_run(runtime: Runtime, otto: Visitor) -> None:
    shown = otto.get("/admin/schedules").text
    assert shown.count(">done<") >= 4
    with runtime.database.transaction() as session:
        session.execute(
            update(Schedule).where(Schedule.name == "prune").values(outcome="failed", detail="error=storage_unavailable")
        )
    assert "storage_unavailable" in otto.get("/admin/schedules").text
    assert otto.flash(otto.post("/admin/schedules/prune/run")).startswith("good: prune is due")
    upkeep.run_due(runtime)
    assert "storage_unavailable" not in otto.get("/admin/schedules").text
    assert otto.post("/admin/schedules/nothing/run").status_code in (303, 404)


def test_health_names_every_part(otto: Visitor) -> None:
    shown = otto.get("/admin/health").text
    for part in ("Database", "Schema", "Storage", "Redis", "Clock", "Disk", "Engines", "Sweepers"):
        assert part in shown
    assert "Nobody is told" in shown


def test_an_alert_stands_first_on_the_overview_and_nothing_is_said_twice(
    app: Flask, runtime: Runtime, otto: Visitor, ada: Visitor, people: People
) -> None:
    with runtime.database.transaction() as session:
        session.execute(delete(WorkerProcess))
        session.execute(
            update(Job).where(Job.tenant_id == people.mallory.actor.tenant).values(run_at=now() - dt.timedelta(hours=1))
        )
    alerts.watch(runtime)
    app.extensions["board"].forget(None)
    shown = otto.get("/admin/overview").text
    first = shown.partition('class="attention"')[2].partition("</ul>")[0]
    assert first.index("no worker of it has been heard of") < first.index("are the target")
    assert "Alert since" in first
    assert f"{QUEUES[0]}: no live worker" not in first
    assert f"{QUEUES[0]}: the oldest document waits" not in first
    assert "no worker of it has been heard of" in otto.get("/admin/health").text
    assert "Alert since" not in ada.get("/admin/overview").text


# --- audit and access ---


def test_the_audit_log_is_filtered_and_paged(runtime: Runtime, otto: Visitor, ada: Visitor, people: People) -> None:
    mine = people.ada.actor.tenant
    with runtime.database.transaction() as session:
        for number in range(120):
            about = {"actor": "user:x", "role": "OWNER", "action": "test.page", "target": f"job:{number}"}
            audit.record(session, tenant_id=mine, reason="=HYPERLINK(1)", **about)
    seen: list[str] = []
    path = "/admin/audit?action=test.page"
    while path:
        text = ada.get(path).text
        seen += [part.partition('"')[0] for part in text.split('title="job:')[1:]]
        path = text.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
    assert len(seen) == len(set(seen)) == 120
    last = otto.get("/admin/audit?action=test.page&target=job:7").text
    assert last.count("test.page</a>") == 1
    assert "No entry matches" in ada.get("/admin/audit?actor=user:nobody").text
    assert ada.get("/admin/audit?since=nonsense").status_code == 400


def test_the_log_of_a_tenant_is_its_own_also_as_a_table(otto: Visitor, ada: Visitor, people: People) -> None:
    theirs, ours = f"tenant={people.mallory.actor.tenant}", f"tenant:{people.ada.actor.tenant}"
    for path in ("/admin/audit", "/admin/audit/export"):
        assert f"tenant:{people.mallory.actor.tenant}" in otto.get(f"{path}?{theirs}").text
        assert f"tenant:{people.mallory.actor.tenant}" not in ada.get(f"{path}?{theirs}").text
        assert ours in ada.get(f"{path}?{theirs}&action=tenant.add").text


def test_the_table_is_safe_for_a_spreadsheet(ada: Visitor) -> None:
    answer = ada.get("/admin/audit/export?action=test.page")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert len(rows) == 120
    assert {row["reason"] for row in rows} == {"'=HYPERLINK(1)"}


def test_access_shows_who_may_come_in_and_no_secret(runtime: Runtime, otto: Visitor, ada: Visitor, people: People) -> None:
    shown = ada.get("/admin/access").text
    assert "ada@example.com" in shown
    assert "mallory@example.net" not in shown
    assert "mallory@example.net" in otto.get("/admin/access").text
    with runtime.database.snapshot() as session:
        hashes = session.scalars(select(Login.hash)).all()
    for secret in (people.ada.key, ada.token, *hashes):
        assert secret not in shown


def test_a_session_is_ended_and_only_ones_own_tenants(app: Flask, runtime: Runtime, ada: Visitor, people: People) -> None:
    victim = visitor(app, runtime.database, people.ada.actor.tenant, Role.ADMIN)
    with runtime.database.snapshot() as session:
        (theirs,) = [one for one in access.open_sessions(session, None) if _is(session, one.id, victim.token)]
    path = f"/admin/access/sessions/{theirs.id}/end"
    mallory = visitor(app, runtime.database, people.mallory.actor.tenant, Role.OWNER)
    assert mallory.get(path).status_code == 404
    assert victim.get("/admin/access").status_code == 200
    assert ada.flash(ada.post(path, reason="lost a laptop")) == "good: The session has ended."
    assert victim.get("/admin/access").status_code == 303
    assert (f"session:{theirs.id}", "lost a laptop") in audited(runtime, "session.end")


def _is(session: object, session_id: uuid.UUID, token: str) -> bool:
    from akount.identity.identities import fingerprint

    return session.get_one(Login, session_id).hash == fingerprint(token)  # type: ignore[attr-defined, no-any-return]


def test_a_key_is_revoked_by_who_may(app: Flask, runtime: Runtime, otto: Visitor, ada: Visitor, people: People) -> None:
    from akount.identity import keys

    with runtime.database.transaction() as session:
        key, token = keys.add(session, people.ada.actor.tenant, Role.VIEWER, "to be revoked")
    path = f"/admin/access/keys/{key.id}/revoke"
    assert otto.get(path).status_code == 403
    assert ada.flash(ada.post(path)) == "good: The key opens nothing any more."
    assert app.test_client().get("/api/session", headers={"Authorization": f"Bearer {token}"}).status_code == 401
