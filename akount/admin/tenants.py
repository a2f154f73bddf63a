"""The tenants: what each has in line and what became of its documents; one with its history; to hold it up and let it go."""

from __future__ import annotations

import uuid

from flask import Response, url_for

from akount import tenancy
from akount.accounts import Permission
from akount.admin import paging
from akount.admin.queues import PAUSES, SPANS, charts, names_of_pauses, until
from akount.admin.shell import action, back, confirm, done, page, reason, runtime, show, snapshot
from akount.api.guards import call
from akount.history import Span
from akount.models import Pause


@page("/tenants", Permission.OPERATE)
def tenants() -> Response:
    """The list."""
    after, _ = paging.asked()
    sort, begins = paging.one_of("sort", tenancy.SORTS) or "", paging.text("name") or ""
    found = tenancy.tenants(runtime(), call().actor, sort=sort, begins=begins, after=after)
    return show(
        "tenants.html",
        title="Tenants",
        lines=found.lines,
        pauses=_pauses(),
        sort=sort,
        begins=begins,
        sorts=tenancy.SORTS,
        pager=paging.pager(found.older, None),
    )


@page("/tenants/<uuid:tenant_id>", Permission.OPERATE)
def tenant(tenant_id: uuid.UUID) -> Response:
    """One of them."""
    span = Span(paging.one_of("span", list(Span)) or Span.DAY)
    whole = tenancy.tenant(runtime(), call().actor, tenant_id)
    return show(
        "tenant.html",
        title=whole.line.tenant.name,
        whole=whole,
        line=whole.line,
        pause=_pauses().get(tenant_id),
        names=names_of_pauses(),
        charts=charts(span, None, tenant_id),
        span=span,
        spans=SPANS,
    )


def _pauses() -> dict[uuid.UUID, Pause]:
    """What holds a tenant up as a whole."""
    seen = snapshot()
    return {pause.tenant_id: pause for pause in (seen.pauses if seen else ()) if pause.tenant_id and pause.queue is None}


@page("/tenants/<uuid:tenant_id>/pause", Permission.PLATFORM)
def ask_pause_tenant(tenant_id: uuid.UUID) -> Response:
    """Asks before it is held up."""
    name = tenancy.name_of(runtime(), call().actor, tenant_id)
    return confirm(
        "pause_tenant",
        title=f"Pause {name}?",
        consequence="No new document of this tenant is begun, in any queue; what is being read is finished. Uploads are "
        "accepted and wait.",
        verb="Pause the tenant",
        back=back(url_for("admin.tenant", tenant_id=tenant_id)),
        path={"tenant_id": tenant_id},
        choices={"minutes": ("How long", PAUSES)},
    )


@action("/tenants/<uuid:tenant_id>/pause", Permission.PLATFORM)
def pause_tenant(tenant_id: uuid.UUID) -> Response:
    """Holds it up."""
    tenancy.pause(runtime(), call(), tenant_id, reason(), until())
    return done("The tenant is paused.", to=back(url_for("admin.tenant", tenant_id=tenant_id)))


@action("/tenants/<uuid:tenant_id>/resume", Permission.PLATFORM)
def resume_tenant(tenant_id: uuid.UUID) -> Response:
    """Lets it go."""
    tenancy.resume(runtime(), call(), tenant_id)
    return done(
        "The tenant is resumed; what waited is begun within a second.", to=back(url_for("admin.tenant", tenant_id=tenant_id))
    )
