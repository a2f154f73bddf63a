"""Who may come in: every route names its rule, and a route without one is refused (and fails the tests)."""

from __future__ import annotations

import contextlib
import functools
import uuid
from collections.abc import Callable
from typing import Any, TypeVar

from flask import current_app, g, request
from itsdangerous import BadData, URLSafeTimedSerializer

from akount.accounts import Actor, Call, Permission
from akount.db import see_all, see_only
from akount.errors import BadRequest, NotAllowed, NotFound, Unauthenticated
from akount.identity import clerk, keys, organisations, sessions
from akount.identity.identities import Identity, require_tenant
from akount.lifecycle import Runtime
from akount.models import Role
from akount.watch import Watcher

TICKET_SECONDS = 600
SIGNED_IN = "signed in"
"""The rule of a page about oneself: whoever has shown who they are may come in, in whatever tenant or none."""
CLERK_COOKIE = "__session"
SESSION_COOKIE = "__Host-akount"
"""With __Host- a browser takes a cookie over https only, from this host only and for all of it."""
SCOPE_COOKIE = "__Host-akount-tenant"
"""The tenant that somebody looks at in the console, who may look at several."""
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
View = TypeVar("View", bound=Callable[..., Any])


def public(view: View) -> View:
    """Anyone may come in."""
    view.rule = None  # type: ignore[attr-defined]
    return view


def signed_in(view: View) -> View:
    """Who has shown who they are may come in; no tenant need be chosen and no permission be had."""
    view.rule = SIGNED_IN  # type: ignore[attr-defined]
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


def identity() -> Identity:
    """Who asks, on a page that may be used without choosing a tenant."""
    found: Identity = g.identity
    return found


def json_object(*, required: bool = True) -> dict[str, Any]:
    """The body of the request; none at all is an empty one where it is not required. Raises BadRequest for what is no JSON
    object, also for one nested a thousand deep."""
    if not required and not request.content_length:
        return {}
    try:
        sent = request.get_json(silent=True)
    except RecursionError:
        sent = None
    if not isinstance(sent, dict):
        raise BadRequest("Send a JSON object, with Content-Type: application/json.")
    return sent


def signs() -> bool:
    """Whether the request brings something to sign in with, be it good or bad."""
    cookies = (CLERK_COOKIE, session_cookie())
    return "Authorization" in request.headers or "ticket" in request.args or any(name in request.cookies for name in cookies)


def caller() -> str:
    """Who asks, as limits count them: the user, whatever keys they have, else the key; empty for who is not known."""
    who: Identity | Actor | None = g.get("identity") or g.get("bearer")
    if who is None:
        return ""
    return f"user:{who.user_id}" if who.user_id else f"key:{who.key_id}" if who.key_id else ""


def recognize() -> None:
    """Before each request, first: who is it? The body has not been read."""
    see_all()  # this thread's last request may have been another tenant's
    if request.method == "OPTIONS":
        return  # tells which methods there are; a browser asks before it sends who somebody is
    view = _view()
    if view is None:
        return  # no such page: the router answers
    if not hasattr(view, "rule"):
        raise NotAllowed("This page has no rule who may see it, so nobody may.", code="no_rule")
    if view.rule is None:
        return
    if getattr(view, "by_ticket", False) and "ticket" in request.args:
        g.bearer = _by_ticket()
    else:
        g.identity = identify()


def permit() -> None:
    """Before each request, last: in which tenant do they act, and may they?"""
    if "identity" not in g and "bearer" not in g:
        return
    rule = _view().rule
    actor: Actor | None = g.bearer if "bearer" in g else _in_tenant(rule)
    if actor is None:
        return
    g.call = Call(actor, request_id=g.request_id, address=request.remote_addr or "")
    if rule is not SIGNED_IN:
        if actor.tenant_id is not None:
            see_only(actor.tenant_id)
        actor.require(rule)


def _view() -> Any:
    return current_app.view_functions.get(request.endpoint or "")


def _is_console() -> bool:
    """Whether the page is one of the console: a browser asks, who somebody is and where they act is said by cookies alone."""
    return getattr(_view(), "console", False)


def _in_tenant(rule: Any) -> Actor | None:
    """A browser sends its cookies whoever wrote the page: what changes something must come from a page of ours."""
    if (_is_console() or "Authorization" not in request.headers) and request.method not in SAFE_METHODS:
        require_our_page()
    wanted = _scope() if _is_console() else _wanted()
    if wanted is not None and g.identity.operator:
        g.scope = require_tenant(runtime().database, wanted)
    found: Actor | None = g.identity.choose(wanted) if rule is SIGNED_IN else g.identity.act(wanted)
    return found


def identify() -> Identity:
    """Who asks: by the Authorization header if there is one, else by cookie. Raises Unauthenticated."""
    if _is_console() or "Authorization" not in request.headers:
        return _by_cookie()
    scheme, _, token = request.headers["Authorization"].partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated
    token = token.strip()
    return keys.identify(runtime().database, token) if token.startswith(keys.PREFIX) else _by_clerk(token)


def _by_cookie() -> Identity:
    """By Clerk's cookie, else by that of our own session."""
    if CLERK_COOKIE in request.cookies and clerk_verifier() is not None:
        with contextlib.suppress(Unauthenticated):
            return _by_clerk(request.cookies[CLERK_COOKIE])
    return sessions.identify(runtime().database, request.cookies.get(session_cookie(), ""))


def _by_clerk(token: str) -> Identity:
    verifier = clerk_verifier()
    if verifier is None:
        raise Unauthenticated
    claims = verifier.claims(token)
    return organisations.identify(runtime().database, claims, request_id=g.request_id, address=request.remote_addr or "")


def clerk_verifier() -> clerk.Verifier | None:
    """Who tells good tokens of Clerk from others; None: there is no Clerk."""
    held: clerk.Verifier | None = current_app.extensions["clerk"]
    return held


def session_cookie() -> str:
    """The name of our session's cookie."""
    return cookie_named(SESSION_COOKIE)


def cookie_named(name: str) -> str:
    """The name of a cookie of ours where we are: development may have no https."""
    return name if runtime().settings.production else name.removeprefix("__Host-")


def require_our_page(*, known: bool = True) -> None:
    """Raises NotAllowed unless the request comes from a page of ours or of CORS_ORIGINS.

    With `known` false, where no cookie speaks for anybody yet, also a client that is no browser may pass."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is None and origin is None and not known:
        return
    ours = {request.host_url.rstrip("/"), *runtime().settings.browser_origins} - {"*"}
    if site != "same-origin" and origin not in ours:
        raise NotAllowed("This was sent by a page that is not ours; use ours, or an API key.", code="cross_site")


def _wanted() -> uuid.UUID | None:
    """The tenant that X-Tenant-ID names. Raises NotFound for what cannot be one."""
    said = request.headers.get("X-Tenant-ID")
    try:
        return uuid.UUID(said) if said else None
    except ValueError:
        raise NotFound("You have no such tenant; X-Tenant-ID must name one of yours.", code="tenant_not_found") from None


def _scope() -> uuid.UUID | None:
    """The tenant that the console's cookie names. One that is not theirs any more names none."""
    try:
        scope = uuid.UUID(request.cookies.get(cookie_named(SCOPE_COOKIE), ""))
    except ValueError:
        return None
    return scope if g.identity.operator or scope in g.identity.roles else None


def _by_ticket() -> Actor:
    try:
        tenant, job, role = _tickets().loads(request.args["ticket"], max_age=TICKET_SECONDS)
    except BadData:
        raise Unauthenticated(
            "The ticket is not valid or older than ten minutes; open the stream with your key or session."
        ) from None
    if str(job) != str((request.view_args or {}).get("job_id")):
        raise Unauthenticated("The ticket is for another job.")
    return Actor(role=Role(role), tenant_id=uuid.UUID(tenant) if tenant else None)


def new_ticket(actor: Actor, job_id: uuid.UUID) -> str | None:
    """A ticket for the event stream of one job: EventSource cannot send headers. None for who may not view it."""
    if Permission.VIEW not in actor.permissions:
        return None
    return str(_tickets().dumps([str(actor.tenant_id) if actor.tenant_id else "", str(job_id), actor.role.value]))


def _tickets() -> URLSafeTimedSerializer:
    return _signer(runtime().secrets)


@functools.cache
def _signer(secrets: tuple[str, ...]) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(secrets, salt="job-stream")
