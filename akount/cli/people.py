"""Commands for tenants, users and API keys."""

from __future__ import annotations

import uuid

import click

from akount import accounts
from akount.cli.common import cli, open_for_command, say
from akount.models import Role

ROLES = click.Choice([r.value for r in Role])


@cli.group()
def tenant() -> None:
    """Customers."""


@tenant.command("add")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True)
def tenant_add(name: str, as_json: bool) -> None:
    """Add a tenant, with one entity of the same name."""
    with open_for_command() as runtime, runtime.database.transaction() as session:
        made, entity = accounts.add_tenant(session, name)
        facts = {"tenantId": str(made.id), "entityId": str(entity.id)}
    say(as_json, **facts)


@cli.group()
def user() -> None:
    """People."""


@user.command("add")
@click.argument("email")
@click.option("--tenant", "tenant_id", type=click.UUID, required=True)
@click.option("--role", type=ROLES, required=True)
@click.option("--json", "as_json", is_flag=True)
def user_add(email: str, tenant_id: uuid.UUID, role: str, as_json: bool) -> None:
    """Add a user to a tenant."""
    with open_for_command() as runtime, runtime.database.transaction() as session:
        user_id = str(accounts.add_user(session, email, tenant_id, Role(role)).id)
    say(as_json, userId=user_id)


@cli.group()
def key() -> None:
    """API keys."""


@key.command("add")
@click.option("--tenant", "tenant_id", type=click.UUID, required=True)
@click.option("--role", type=ROLES, required=True)
@click.option("--name", default="key", help="What it is for.")
@click.option("--user", "user_id", type=click.UUID, help="Whose consents count for its uploads.")
@click.option("--json", "as_json", is_flag=True)
def key_add(tenant_id: uuid.UUID, role: str, name: str, user_id: uuid.UUID | None, as_json: bool) -> None:
    """Make an API key; it is shown this once."""
    with open_for_command() as runtime, runtime.database.transaction() as session:
        made, token = accounts.add_key(session, tenant_id, Role(role), name, user_id)
        key_id = str(made.id)
    say(as_json, keyId=key_id, key=token)


@key.command("revoke")
@click.argument("key_id", type=click.UUID)
def key_revoke(key_id: uuid.UUID) -> None:
    """Make an API key worthless."""
    with open_for_command() as runtime, runtime.database.transaction() as session:
        accounts.revoke_key(session, key_id)
    click.echo("The key is revoked.")
