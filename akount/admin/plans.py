"""The plans: who is on which, what of the month is used, when it begins anew; operators change one, with a reason."""

from __future__ import annotations

import uuid

from flask import Response, request, url_for

from akount import accounts
from akount import plans as buying
from akount.accounts import Permission
from akount.admin import paging
from akount.admin.shell import action, back, confirm, done, page, reason, runtime, show
from akount.api.guards import call
from akount.errors import Invalid
from akount.plans import ALLOWANCES, Plan

LISTED = 50
NONE = "none"
CHOICES = {NONE: "none: nothing is counted"} | {
    plan.value: f"{plan}: {allowed.documents} a month, {allowed.size // buying.MIB} MiB each"
    for plan, allowed in ALLOWANCES.items()
}
"""A plan, as the URL and the form have it → what it is called."""


@page("/plans", Permission.OPERATE)
def plans() -> Response:
    """The list: one's own tenant, or all."""
    after, _ = paging.asked()
    plan, begins = paging.one_of("plan", CHOICES) or "", paging.text("name") or ""
    wanted = buying.Wanted(call().actor.tenant_id, plan if plan != NONE else None, unplanned=plan == NONE, begins=begins)
    with runtime().database.snapshot() as session:
        found, more = buying.listed(session, wanted, runtime().settings.max_upload_bytes, after, LISTED)
    last = found[-1][0] if more else None
    return show(
        "plans.html",
        title="Plans",
        rows=found,
        plan=plan,
        begins=begins,
        choices=CHOICES,
        pager=paging.pager((last.created_at, last.id) if last else None, None),
    )


@page("/plans/<uuid:tenant_id>/change", Permission.PLATFORM)
def ask_change_plan(tenant_id: uuid.UUID) -> Response:
    """Asks for the new plan."""
    with runtime().database.snapshot() as session:
        tenant = accounts.find_tenant(session, call().actor, tenant_id)
    return confirm(
        "change_plan",
        title=f"Change the plan of {tenant.name}?",
        consequence=f"Now: {CHOICES[tenant.plan or NONE]}. The new one holds at once; what was sent this month counts.",
        verb="Change the plan",
        back=back(url_for("admin.plans")),
        path={"tenant_id": tenant_id},
        choices={"plan": ("Plan", CHOICES)},
        danger=False,
    )


@action("/plans/<uuid:tenant_id>/change", Permission.PLATFORM)
def change_plan(tenant_id: uuid.UUID) -> Response:
    """Changes it."""
    said = request.form.get("plan", "")
    if said not in CHOICES:
        raise Invalid("Choose one of the plans.", errors={"plan": ["Not a plan."]})
    with runtime().database.transaction() as session:
        tenant = accounts.find_tenant(session, call().actor, tenant_id)
        accounts.set_plan(session, tenant.id, None if said == NONE else Plan(said), call(), reason())
    return done("The plan is changed.", to=back(url_for("admin.plans")))
