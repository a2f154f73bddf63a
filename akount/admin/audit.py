"""The audit log: who did what, why and from where; by filter, page by page, and as a table for a spreadsheet."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from flask import Response, request, stream_with_context

from akount import audit as entries
from akount import sheets
from akount.accounts import Permission
from akount.admin import paging
from akount.admin.names import named
from akount.admin.shell import page, runtime, show
from akount.api.guards import call
from akount.audit import Wanted

FILTERS = ("actor", "action", "target", "tenant", "since", "until")
MOST = 50_000
"""Entries of one table, the latest; whoever wants more asks month by month."""
BIT = 1000
HEAD = ("when", "actor", "role", "action", "target", "reason", "outcome", "address", "request", "tenant")


def wanted() -> Wanted:
    """The entries that the URL says, of one's own tenant. Raises BadRequest for a filter that makes no sense."""
    return Wanted(
        tenant_id=call().actor.tenant_id or paging.identifier("tenant"),
        actor=paging.text("actor", 80),
        action=paging.text("action", 60),
        target=paging.text("target", 80),
        since=paging.instant("since"),
        until=paging.instant("until"),
    )


@page("/audit", Permission.OPERATE)
def audit() -> Response:
    """The log, the latest first."""
    after, before = paging.asked()
    with runtime().database.snapshot() as session:
        found = entries.read(session, wanted(), after=after, before=before)
    said = {name: request.args.get(name, "") for name in FILTERS}
    called = named(ref for entry in found.rows for ref in (entry.actor, entry.target))
    pager = paging.pager(found.older, found.newer)
    return show("audit.html", title="Audit", rows=found.rows, names=called, said=said, filtered=any(said.values()), pager=pager)


@page("/audit/export", Permission.OPERATE)
def export_audit() -> Response:
    """The same entries as CSV, safe against formulas."""
    meant = wanted()
    name = f"audit-{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S}.csv"
    answer = Response(stream_with_context(sheets.lines(HEAD, _rows(meant))), content_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _rows(meant: Wanted) -> Iterator[tuple[object, ...]]:
    """Bit by bit, each a question of its own: no transaction is open while somebody reads slowly."""
    after, left = None, MOST
    while left > 0:
        with runtime().database.snapshot() as session:
            found = entries.read(session, meant, after=after, limit=min(BIT, left))
        for entry in found.rows:
            yield (
                entry.created_at,
                *(entry.actor, entry.role, entry.action, entry.target, entry.reason, entry.outcome, entry.address),
                *(entry.request_id, entry.tenant_id),
            )
        left -= len(found.rows)
        after = found.older
        if after is None:
            return
