"""What every page of the console is made with: pages and actions with their rules, how they are shown, forms that are ours."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import Blueprint, Response, current_app, g, make_response, redirect, render_template, request, url_for
from itsdangerous import BadData, URLSafeSerializer, URLSafeTimedSerializer

from akount import instants
from akount.accounts import Permission
from akount.admin import words
from akount.api import guards
from akount.api.guards import SAFE_METHODS, SIGNED_IN, View, call, cookie_named
from akount.census import Board, Snapshot
from akount.db import now
from akount.errors import Invalid, NotAllowed
from akount.lifecycle import Runtime

bp = Blueprint("admin", __name__, url_prefix="/admin", template_folder="templates")

FLASH_COOKIE, THEME_COOKIE, FORM_COOKIE = "__Host-akount-flash", "akount-theme", "__Host-akount-form"
FLASH_SECONDS = 120
MAX_REASON = 500
Maker = TypeVar("Maker", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Entry:
    """A place in the navigation: the name of its view, what it is called, its icon, and a line above it or not."""

    name: str
    label: str
    icon: str
    begins: bool = False


ENTRIES = (
    Entry("overview", "Overview", "overview"),
    Entry("queues", "Queues", "queues"),
    Entry("jobs", "Jobs", "jobs"),
    Entry("failures", "Failures", "failures"),
    Entry("operations", "Operations", "operations"),
    Entry("review", "Review", "review", begins=True),
    Entry("documents", "Documents", "documents"),
    Entry("tenants", "Tenants", "tenants", begins=True),
    Entry("limits", "Limits", "limits"),
    Entry("plans", "Plans", "plans"),
    Entry("webhooks", "Webhooks", "webhooks"),
    Entry("workers", "Workers", "workers"),
    Entry("schedules", "Schedules", "schedules"),
    Entry("health", "Health", "health"),
    Entry("audit", "Audit", "audit"),
    Entry("access", "Access", "access"),
)


def page(path: str, rule: Permission | str | None) -> Callable[[View], View]:
    """A page to look at; `rule` as in the guards: a permission, SIGNED_IN, or None for everybody."""
    return _route(path, rule, "GET")


def action(path: str, rule: Permission | str | None) -> Callable[[View], View]:
    """Something that changes something: by POST, from a form of ours, and never while the console is read-only."""
    return _route(path, rule, "POST")


def _route(path: str, rule: Permission | str | None, method: str) -> Callable[[View], View]:
    def mark(view: View) -> View:
        view.rule, view.console, view.changes = rule, True, method == "POST"  # type: ignore[attr-defined]
        made: View = bp.route(path, methods=[method])(view)
        return made

    return mark


def runtime() -> Runtime:
    """What this process has open, with the console's own way to the database."""
    held: Runtime = current_app.extensions["console"]
    return held


# --- who may: one function for the button and for the door ---


def refusal(name: str) -> str:
    """Why who asks may not use a page or an action; empty: they may."""
    view: Any = current_app.view_functions[f"admin.{name}"]
    if view.changes and view.rule not in (None, SIGNED_IN) and runtime().settings.console_read_only:
        return "The console is read-only here (CONSOLE_READ_ONLY)."
    if "call" not in g or view.rule in (None, SIGNED_IN):
        return ""
    return call().actor.refusal(view.rule)


def may(name: str) -> bool:
    """Whether there is such a page or action, and who asks may use it."""
    return f"admin.{name}" in current_app.view_functions and "call" in g and not refusal(name)


def entries() -> list[Entry]:
    """The navigation of who asks."""
    return [entry for entry in ENTRIES if may(entry.name)]


@bp.before_request
def _admit() -> None:
    """The door: after the guards, which know who asks. A form must be ours."""
    name = (request.endpoint or "").partition(".")[2]
    why = refusal(name)
    if why:
        raise NotAllowed(why)
    if request.method not in SAFE_METHODS:
        _require_our_form()


# --- forms that are ours (A3) ---


def csrf_token() -> str:
    """What a form of ours carries: signed, for this session only; before there is one, for this browser only."""
    return str(_forms().dumps(_holder()))


def _require_our_form() -> None:
    try:
        held = _forms().loads(request.form.get("csrf", ""))
    except BadData:
        held = None
    if not held or held != _holder():
        raise NotAllowed("This form is not of this session; open the page again and repeat.", code="wrong_form")


def _holder() -> str:
    """Who may send a form."""
    who = g.get("identity")
    if who is not None:
        return f"session:{who.session_id}" if who.session_id else f"user:{who.user_id}"
    kept = request.cookies.get(cookie_named(FORM_COOKIE), "") or g.get("form_holder", "")
    return f"browser:{kept}" if kept else ""


def _forms() -> URLSafeSerializer:
    return URLSafeSerializer(runtime().secrets, salt="console-form")


def reason() -> str:
    """The reason that a form gives. Raises Invalid without one: it stands in the audit log."""
    said = words.shown(request.form.get("reason", "").strip())
    if not said or len(said) > MAX_REASON:
        raise Invalid(f"Say why, in at most {MAX_REASON} characters: the reason stands in the audit log.", code="reason_required")
    return str(said)


# --- how a page is shown ---


def show(template: str, *, title: str, status: int = 200, **values: Any) -> Response:
    """A page; or of it only what is refreshed, when that is asked for, and nothing when that has not changed."""
    fragment = "fragment" in request.args
    g.fragment = fragment
    layout = "fragment.html" if fragment else "layout.html"
    flash = None if fragment else _flashed()
    if flash and "call" in g:
        board().forget(call().actor.tenant_id)  # what was done, another process may have done
    body = render_template(template, layout=layout, title=title, flash=flash, **values)
    response = make_response(body, status)
    if fragment and status == 200:
        response.set_etag(hashlib.sha256(body.encode()).hexdigest()[:32])
        response.headers["Cache-Control"] = "private, no-cache"
        seen = snapshot()
        response.headers["X-Numbers-At"] = instants.iso(seen.at) if seen else ""  # also where nothing has changed
        response.make_conditional(request)
    elif flash:
        response.delete_cookie(cookie_named(FLASH_COOKIE), secure=runtime().settings.production)
    return response


def confirm(name: str, *, title: str, consequence: str, verb: str, back: str, **values: Any) -> Response:
    """The page that asks before something that hurts: `name` is the action, `values` those of confirm.html and of its path."""
    shown: dict[str, Any] = {"sample": [], "total": None, "fields": [], "reason": True, "danger": True, "type_word": ""}
    shown |= {"path": {}, "choices": {}, "headings": ["Job", "Document", "Tenant"]} | values
    return show("confirm.html", title=title, consequence=consequence, verb=verb, back=back, action=name, **shown)


def done(message: str, *, to: str, tone: str = "good") -> Response:
    """The answer to an action: back to a page, which says what came of it."""
    response = redirect(to, 303)
    flash = _flashes().dumps([tone, message])
    set_cookie(response, FLASH_COOKIE, str(flash), max_age=FLASH_SECONDS)  # type: ignore[arg-type]
    board().forget(call().actor.tenant_id if "call" in g else None)
    return response  # type: ignore[return-value]


def set_cookie(response: Response, name: str, value: str, *, max_age: int) -> None:
    """A cookie of the console."""
    response.set_cookie(
        cookie_named(name), value, max_age=max_age, secure=runtime().settings.production, httponly=True, samesite="Lax", path="/"
    )


def _flashed() -> tuple[str, str] | None:
    try:
        tone, message = _flashes().loads(request.cookies.get(cookie_named(FLASH_COOKIE), ""), max_age=FLASH_SECONDS)
    except (BadData, ValueError):
        return None
    return tone, message


def _flashes() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(runtime().secrets, salt="console-flash")


def back(otherwise: str) -> str:
    """The page that a form came from, as it says itself in the field `back`, if it is one of ours."""
    return ours(request.form.get("back", "") or request.args.get("back", "")) or otherwise


def ours(said: str) -> str:
    """A path and query below /admin, without what names another host; else empty."""
    parts = urlsplit(said)
    plain = not parts.scheme and not parts.netloc and not any(c in said for c in "\\\r\n\t")
    return said if plain and said.startswith("/admin/") and not said.startswith("//") else ""


def here(**changed: Any) -> str:
    """The URL of this page with other values of its query; None takes one away. Where a page began is not kept."""
    query: dict[str, Any] = {
        name: values for name, values in request.args.to_dict(flat=False).items() if name not in ("fragment", "after")
    }
    for name, value in changed.items():
        query.pop(name, None)
        if value not in (None, ""):
            query[name] = [str(value)]
    return url_for(request.endpoint or "admin.home", **(request.view_args or {}), **query)


def board() -> Board:
    """The snapshots of this process."""
    held: Board = current_app.extensions["board"]
    return held


def snapshot() -> Snapshot | None:
    """What the strip shows to who asks; None: not known."""
    if "seen_snapshot" not in g:
        g.seen_snapshot = board().look(call().actor.tenant_id) if "call" in g else None
    found: Snapshot | None = g.seen_snapshot
    return found


def scope() -> str:
    """The name of the tenant that is looked at; empty: all of them."""
    if "scope" in g:
        return str(g.scope.name)
    who = g.get("identity")
    actor = g.call.actor if "call" in g else None
    return who.names.get(actor.tenant_id, "") if who and actor and actor.tenant_id else ""


def theme() -> str:
    """Light, dark, or empty: as the system has it."""
    said = request.cookies.get(THEME_COOKIE, "")
    return said if said in ("light", "dark") else ""


def init_app() -> dict[str, Any]:
    """What templates may call."""
    return {
        "csrf_token": csrf_token,
        "may": may,
        "refusal": refusal,
        "entries": entries,
        "snapshot": snapshot,
        "scope": scope,
        "theme": theme,
        "here": here,
        "now": now,
        "request_id": lambda: g.get("request_id", ""),
        "caller_of": lambda: g.call.actor if "call" in g else None,
        "person": lambda: g.get("identity"),
        "settings": lambda: guards.runtime().settings,
        "is_fragment": lambda: bool(g.get("fragment")),
    }
