"""What a tenant decides about hosted engines: which one, when, what is masked, and what it may cost in a month."""

from __future__ import annotations

import uuid

from flask import Response, request, url_for

from akount import tenancy
from akount.accounts import Permission
from akount.admin.shell import action, back, done, page, runtime, show
from akount.api.guards import call
from akount.errors import Invalid
from akount.extraction.redaction import MASKS
from akount.hosted.policies import DOLLAR, Policy, Strategy
from akount.hosted.providers import PROVIDERS, configured

WHEN = {
    Strategy.NEVER: "never",
    Strategy.BELOW: "when the local engines are less sure than the threshold",
    Strategy.ALWAYS: "always",
}
MASKED = {"cards": "Card numbers", "national_ids": "Identity numbers of people", "bank_accounts": "Bank accounts"}
MOST_DOLLARS = 1_000_000


@page("/tenants/<uuid:tenant_id>/hosted", Permission.SETTINGS)
def ask_decide_hosted(tenant_id: uuid.UUID) -> Response:
    """The form, with what holds now; where nothing was decided, with what is offered at first."""
    name, policy = tenancy.hosted(runtime(), call().actor, tenant_id)
    models = configured(runtime().settings)
    return show(
        "hosted.html",
        title=f"Hosted engine of {name}",
        tenant_id=tenant_id,
        decided=policy,
        held=policy or Policy(next(iter(models), next(iter(PROVIDERS))), Strategy.NEVER),
        engines={name: models.get(name, "") for name in PROVIDERS},
        when=WHEN,
        masks={mask: MASKED.get(mask, mask) for mask in MASKS},
        dollar=DOLLAR,
        back=back(url_for("admin.tenant", tenant_id=tenant_id)),
    )


@action("/tenants/<uuid:tenant_id>/hosted", Permission.SETTINGS)
def decide_hosted(tenant_id: uuid.UUID) -> Response:
    """Writes it down."""
    tenancy.name_of(runtime(), call().actor, tenant_id)  # before what is wrong with the form: another's is not there
    when = request.form.get("when", "")
    if when not in list(Strategy):
        raise Invalid("Say when documents are shown: never, below or always.", code="bad_policy")
    budget = round(_number("budget", MOST_DOLLARS) * DOLLAR)
    masks = tuple(request.form.getlist("mask"))
    policy = Policy(request.form.get("engine", ""), Strategy(when), int(_number("threshold", 100)), masks, budget)
    tenancy.decide_hosted(runtime(), call(), tenant_id, policy)
    return done("What the tenant has decided holds from now on.", to=back(url_for("admin.tenant", tenant_id=tenant_id)))


def _number(name: str, most: int) -> float:
    """A number of the form. Raises Invalid for what is none, or too much."""
    said = request.form.get(name, "").strip().replace(",", ".")
    try:
        found = float(said)
    except ValueError:
        found = -1.0
    if not 0 <= found <= most:
        raise Invalid(f"The {name} must be a number from 0 to {most:,}.", code="bad_policy")
    return found
