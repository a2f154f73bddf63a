"""The box in the head: finds one document by id, file name, checksum, vendor or number; an exact hit is opened at once."""

from __future__ import annotations

from flask import Response, redirect, request, url_for

from akount import search as finding
from akount.accounts import Permission
from akount.admin.shell import page, runtime, show
from akount.api.guards import call


@page("/search", Permission.OPERATE)
def search() -> Response:
    """What was found."""
    said = request.args.get("q", "").strip()[: finding.LONGEST]
    with runtime().database.snapshot() as session:
        found = finding.find(session, call().actor.tenant_id, said)
    if found.exact and len(found.hits) == 1:
        return redirect(url_for("admin.job", job_id=found.hits[0].job_id), 303)  # type: ignore[return-value]
    return show("search.html", title="Search", searched=said, found=found, shortest=finding.SHORTEST)
