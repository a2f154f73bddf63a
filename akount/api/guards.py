"""Who may come in: every route names its rule, and a route without one is refused (and fails the tests)."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, TypeVar

from flask import current_app, g, request
from itsdangerous import BadData, URLSafeTimedSerializer

from akount.accounts import Actor, Call, Permission, authenticate
from akount.errors import BadRequest, NotAllowed, Unauthenticated
from akount.lifecycle import Runtime
from akount.models import Role
from akount.watch import Watcher

TICKET_SECONDS = 600
View = TypeVar("View", bound=Callable[..., Any])


def public(view: View) -> View:
    """Anyone may come in."""
    view.rule = None  # type: ignore[attr-defined]
    return view


def needs(permission: Permission, *, ticket: bool = False) -> Callable[[View], View]:
    """Whose role has the permission may come in; with `ticket` also who holds a signed ticket for this job."""

    def mark(view: View) -> View:
        view.rule = permission  # type: ignore[attr-defined]
        view.by_ticket = ticket  # type: ignore[attr-defined]
        return view

    return mark


def runtime() -> Runtime:
    """What this process has open."""
    held: Runtime = current_app.extensions["akount"]
    return held


def watcher() -> Watcher:
    """Who tells this process of changes."""
    held: Watcher = current_app.extensions["watcher"]
    return held


def call() -> Call:
    """Who asks, known since the guard let them in."""
    found: Call = g.call
    return found


def json_object() -> dict[str, Any]:
    """The body of the request. Raises BadRequest for what is no JSON object, also for one nested a thousand deep."""
    try:
        sent = request.get_json(silent=True)
    except RecursionError:
        sent = None
    if not isinstance(sent, dict):
        raise BadRequest("Send a JSON object.")
    return sent


CREDENTIAL_COOKIES = ("__session", "__Host-akount", "akount")


def signs() -> bool:
    """Whether the request brings something to sign in with, be it good or bad."""
    return "Authorization" in request.headers or "ticket" in request.args or any(c in request.cookies for c in CREDENTIAL_COOKIES)


def caller() -> str:
    """Who asks, as limits count them: the user, whatever keys they have, else the key; empty for who is not known."""
    actor: Actor | None = g.get("actor")
    if actor is None:
        return ""
    return f"user:{actor.user_id}" if actor.user_id else f"key:{actor.key_id}" if actor.key_id else ""


def recognize() -> None:
    """Before each request, first: who is it? The body has not been read."""
    if request.method == "OPTIONS":
        return  # tells which methods there are; a browser asks before it sends who somebody is
    view = _view()
    if view is None:
        return  # no such page: the router answers
    if not hasattr(view, "rule"):
        raise NotAllowed("This page has no rule who may see it, so nobody may.", code="no_rule")
    if view.rule is not None:
        g.actor = _by_ticket() if getattr(view, "by_ticket", False) and "ticket" in request.args else _by_key()


def permit() -> None:
    """Before each request, last: may they?"""
    if "actor" in g:
        g.actor.require(_view().rule)
        g.call = Call(g.actor, request_id=g.request_id, address=request.remote_addr or "")


def _view() -> Any:
    return current_app.view_functions.get(request.endpoint or "")


def _by_key() -> Actor:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated
    return authenticate(runtime().database, token.strip())


def _by_ticket() -> Actor:
    try:
        tenant, job, role = _tickets().loads(request.args["ticket"], max_age=TICKET_SECONDS)
    except BadData:
        raise Unauthenticated("The ticket is not valid or older than ten minutes; ask for the job to get a new one.") from None
    if str(job) != str((request.view_args or {}).get("job_id")):
        raise Unauthenticated("The ticket is for another job.")
    return Actor(role=Role(role), tenant_id=uuid.UUID(tenant) if tenant else None)


def new_ticket(actor: Actor, job_id: uuid.UUID) -> str:
    """A ticket for the event stream of one job: EventSource cannot send headers."""
    return str(_tickets().dumps([str(actor.tenant_id) if actor.tenant_id else "", str(job_id), actor.role.value]))


def _tickets() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(runtime().secret, salt="job-stream")
