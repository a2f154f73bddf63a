"""Commands for tenants, users and API keys."""

from __future__ import annotations

import datetime as dt
import sys
import uuid
from dataclasses import replace
from typing import Any

import click

from akount import accounts
from akount.accounts import SHELL, Permission
from akount.cli.common import cli, open_for_command, say
from akount.db import now
from akount.extraction.redaction import MASKS
from akount.hosted import policies
from akount.hosted.providers import PROVIDERS, configured
from akount.identity import keys, sessions
from akount.models import Role
from akount.plans import Plan

ROLES = click.Choice([r.value for r in Role], case_sensitive=False)
SCOPES = click.Choice([p.value for p in Permission])


@cli.group()
def tenant() -> None:
    """Customers."""


@tenant.command("add")
@click.argument("name")
@click.option("--clerk-org", help="The organisation of Clerk (org_…) whose members are at home here.")
@click.option("--json", "as_json", is_flag=True)
def tenant_add(name: str, clerk_org: str | None, as_json: bool) -> None:
    """Add a tenant, with one entity of the same name."""
    with open_for_command() as runtime, runtime.database.transaction() as session:
        made, entity = accounts.add_tenant(session, name, clerk_org)
        facts = {"tenantId": str(made.id), "entityId": str(entity.id)}
    say(as_json, **facts)


@tenant.command("link")
@click.argument("tenant_id", type=click.UUID)
@click.argument("clerk_org")
def tenant_link(tenant_id: uuid.UUID, clerk_org: str) -> None:
    """Make the members of an organisation of Clerk (org_…) at home in a tenant."""
    with open_for_command() as runtime, runtime.database.transaction() as session:
        accounts.link_tenant(session, tenant_id, clerk_org)
    click.echo("The tenant is linked.")


@tenant.command("hosted")
@click.argument("tenant_id", type=click.UUID)
@click.option("--engine", type=click.Choice(list(PROVIDERS)), help="Which one; at first it must be said.")
@click.option("--when", type=click.Choice([s.value for s in policies.Strategy]), help="never, below a confidence, or always.")
@click.option("--below", "threshold", type=click.IntRange(0, 100), help="The confidence of the local engines.")
@click.option("--budget", type=click.FloatRange(0, 1_000_000), help="US dollars a month.")
@click.option("--mask", "masks", type=click.Choice(MASKS), multiple=True, help="What is masked (repeatable); at first all.")
@click.option("--mask-nothing", is_flag=True, help="Send documents as they are.")
def tenant_hosted(tenant_id: uuid.UUID, masks: tuple[str, ...], mask_nothing: bool, budget: float | None, **said: Any) -> None:
    """Show or change when a tenant's documents are shown to a hosted engine; people have to consent, too."""
    with open_for_command() as runtime, runtime.database.transaction() as session:
        policy = policies.policy_of(session, tenant_id)
        changes = {name: value for name, value in said.items() if value is not None and name != "when"}
        changes |= {"strategy": policies.Strategy(said["when"])} if said["when"] else {}
        changes |= {"budget": round(budget * policies.DOLLAR)} if budget is not None else {}
        changes |= {"masks": () if mask_nothing else masks} if masks or mask_nothing else {}
        if changes:
            if policy is None and "engine" not in changes:
                raise click.UsageError("Say with --engine which hosted engine it is.")
            policy = replace(policy, **changes) if policy else policies.Policy(**changes)
            policies.decide(session, SHELL, tenant_id, policy)
        spent, reserved = policies.spent_of(session, tenant_id)
    never = policy is None or policy.strategy is policies.Strategy.NEVER
    click.echo("No document is shown to a hosted engine." if never else str(policy))
    if policy is not None and policy.engine not in configured(runtime.settings):
        click.echo(f"{policy.engine} is not set up ({policy.engine.upper()}_… in the settings), so nothing is sent.")
    click.echo(f"this month: {spent / policies.DOLLAR:.2f} USD spent, {reserved / policies.DOLLAR:.2f} USD set aside")


@tenant.command("plan")
@click.argument("tenant_id", type=click.UUID)
@click.argument("plan", type=click.Choice([*Plan, "none"]))
def tenant_plan(tenant_id: uuid.UUID, plan: str) -> None:
    """Say what a tenant has bought: documents a month and bytes of one; none: nothing is counted."""
    with open_for_command() as runtime, runtime.database.transaction() as session:
        accounts.set_plan(session, tenant_id, None if plan == "none" else plan)
    click.echo("The plan is set.")


@cli.group()
def entity() -> None:
    """The sets of books of a tenant, such as its companies."""


@entity.command("add")
@click.argument("name")
@click.option("--tenant", "tenant_id", type=click.UUID, required=True)
@click.option("--json", "as_json", is_flag=True)
def entity_add(name: str, tenant_id: uuid.UUID, as_json: bool) -> None:
    """Add an entity to a tenant; where there are several, every upload names one."""
    with open_for_command() as runtime, runtime.database.transaction() as session:
        facts = {"entityId": str(accounts.add_entity(session, tenant_id, name).id)}
    say(as_json, **facts)


@entity.command("list")
@click.option("--tenant", "tenant_id", type=click.UUID, required=True)
def entity_list(tenant_id: uuid.UUID) -> None:
    """The entities of a tenant."""
    with open_for_command() as runtime, runtime.database.snapshot() as session:
        found = accounts.entities_of(session, tenant_id)
    for one in found:
        click.echo(f"{one.id}  {one.name}")


@cli.group()
def user() -> None:
    """People. WHO is an e-mail address or the id of a user."""


@user.command("add")
@click.argument("email")
@click.option("--tenant", "tenant_id", type=click.UUID, help="Required but for an operator, who belongs to none.")
@click.option("--role", type=ROLES, required=True)
@click.option("--password-stdin", is_flag=True, help="Read a password from the first line of the standard input.")
@click.option("--json", "as_json", is_flag=True)
def user_add(email: str, tenant_id: uuid.UUID | None, role: str, password_stdin: bool, as_json: bool) -> None:
    """Add a user to a tenant, or an operator."""
    password = _first_line() if password_stdin else None
    with open_for_command() as runtime, runtime.database.transaction() as session:
        made = accounts.add_user(session, email, tenant_id, Role(role))
        if password is not None:
            sessions.set_first_password(session, made, password)
        user_id = str(made.id)
    say(as_json, userId=user_id)


@user.command("password")
@click.argument("who")
def user_password(who: str) -> None:
    """Change a user's password; it is asked for, or read from the first line of the standard input."""
    password = click.prompt("New password", hide_input=True, confirmation_prompt=True) if sys.stdin.isatty() else _first_line()
    with open_for_command() as runtime, runtime.database.transaction() as session:
        sessions.set_password(session, accounts.user_of(session, who), password)
    click.echo("The password is changed; whoever was signed in with the old one is signed out.")


def _first_line() -> str:
    return sys.stdin.readline().rstrip("\r\n")


@user.command("role")
@click.argument("who")
@click.option("--tenant", "tenant_id", type=click.UUID, required=True)
@click.option("--role", type=ROLES, required=True)
def user_role(who: str, tenant_id: uuid.UUID, role: str) -> None:
    """Make a member something else, by hand: no token of Clerk changes it any more."""
    with open_for_command() as runtime, runtime.database.transaction() as session:
        accounts.change_role(session, who, tenant_id, Role(role))
    click.echo("The role is changed.")


@user.command("remove")
@click.argument("who")
@click.option("--tenant", "tenant_id", type=click.UUID, required=True)
def user_remove(who: str, tenant_id: uuid.UUID) -> None:
    """Take a user out of a tenant, at once; out of its organisation at Clerk first, if they came that way."""
    with open_for_command() as runtime, runtime.database.transaction() as session:
        accounts.remove_user(session, who, tenant_id)
    click.echo("The user is out of the tenant.")


@user.command("link")
@click.argument("who")
@click.argument("clerk_id")
def user_link(who: str, clerk_id: str) -> None:
    """Let a user also come in as a user of Clerk (user_…)."""
    with open_for_command() as runtime, runtime.database.transaction() as session:
        accounts.link_user(session, who, clerk_id)
    click.echo("The user is linked.")


@user.command("sign-out")
@click.argument("who")
def user_sign_out(who: str) -> None:
    """End every session of a user."""
    with open_for_command() as runtime, runtime.database.transaction() as session:
        ended = sessions.end_all(session, accounts.user_of(session, who))
    click.echo(f"sessions ended: {ended}")


@cli.group()
def key() -> None:
    """API keys."""


@key.command("add")
@click.option("--tenant", "tenant_id", type=click.UUID, help="Required but for an operator's key, which belongs to none.")
@click.option("--role", type=ROLES, required=True)
@click.option("--name", default="key", help="What it is for.")
@click.option("--user", "user_id", type=click.UUID, help="Whose consents count for its uploads; it may do no more than they may.")
@click.option("--scope", "scopes", type=SCOPES, multiple=True, help="Only this permission of the role (repeatable).")
@click.option("--expires", "days", type=click.IntRange(1, 3650), help="Days until it ends by itself.")
@click.option("--json", "as_json", is_flag=True)
def key_add(
    tenant_id: uuid.UUID | None,
    role: str,
    *,
    name: str,
    user_id: uuid.UUID | None,
    scopes: tuple[str, ...],
    days: int | None,
    as_json: bool,
) -> None:
    """Make an API key; it is shown this once."""
    wanted = [Permission(s) for s in scopes] or None
    ends = now() + dt.timedelta(days=days) if days else None
    with open_for_command() as runtime, runtime.database.transaction() as session:
        made, token = keys.add(session, tenant_id, Role(role), name, user_id, scopes=wanted, expires_at=ends)
        key_id = str(made.id)
    say(as_json, keyId=key_id, key=token)


@key.command("list")
@click.option("--tenant", "tenant_id", type=click.UUID)
def key_list(tenant_id: uuid.UUID | None) -> None:
    """The API keys of a tenant, or of all and of operators."""
    with open_for_command() as runtime, runtime.database.snapshot() as session:
        found = keys.listed(session, tenant_id)
    for one in found:
        state = f"revoked {one.revoked_at:%Y-%m-%d}" if one.revoked_at else f"expires {one.expires_at or 'never'}"
        used = f"{one.last_used_at:%Y-%m-%d %H:%M}" if one.last_used_at else "never"
        scopes = ",".join(one.scopes) if one.scopes else "all"
        click.echo(f"{one.id}  {one.tenant_id or '-'!s:36}  {one.role:10} {scopes}  used {used}  {state}  {one.name}")


@key.command("revoke")
@click.argument("key_id", type=click.UUID)
@click.option("--json", "as_json", is_flag=True)
def key_revoke(key_id: uuid.UUID, as_json: bool) -> None:
    """Make an API key worthless."""
    with open_for_command() as runtime, runtime.database.transaction() as session:
        keys.revoke(session, key_id)
    say(as_json, keyId=str(key_id), status="revoked")
