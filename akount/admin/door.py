"""The way in and out of the console, what belongs to the browser (theme, tenant looked at), and its pages for refusals."""

from __future__ import annotations

import secrets
from http import HTTPStatus
from pathlib import Path
from typing import Any

from flask import Response, current_app, g, redirect, request, send_from_directory, url_for
from werkzeug.exceptions import HTTPException

from akount import logs
from akount.admin.shell import (
    FORM_COOKIE,
    THEME_COOKIE,
    action,
    back,
    bp,
    done,
    entries,
    ours,
    page,
    runtime,
    set_cookie,
    show,
)
from akount.api import guards, session
from akount.api.guards import SCOPE_COOKIE, SIGNED_IN
from akount.api.problems import TITLES
from akount.errors import AkountError, NotAllowed, NotFound, Refused, Unauthenticated
from akount.identity import sessions
from akount.identity.throttle import Throttle

log = logs.get(__name__)

STATIC = Path(__file__).parent / "static"
YEAR_SECONDS = 31_536_000
FORM_SECONDS = 3600


@page("/", SIGNED_IN)
def home() -> Response:
    """The first page that who asks may open."""
    if "call" not in g:
        guards.identity().act(None)  # says that a tenant is to be chosen, or that there is none
    found = entries()
    if not found:
        raise NotAllowed("No page of the console is for your role; ask an owner of your tenant for the permission you need.")
    return redirect(url_for(f"admin.{found[0].name}"), 303)  # type: ignore[return-value]


@page("", None)
def bare() -> Response:
    """/admin without its slash."""
    return redirect(url_for("admin.home"), 308)  # type: ignore[return-value]


@page("/sign-in", None)
def sign_in_page() -> Response:
    """The form; who is signed in already may sign in as somebody else."""
    return _sign_in_form()


def _sign_in_form(refused: AkountError | None = None) -> Response:
    """With what was said before, but for the password."""
    g.form_holder = request.cookies.get(guards.cookie_named(FORM_COOKIE), "") or secrets.token_urlsafe(16)
    response = show(
        "sign_in.html",
        title="Sign in",
        status=refused.status if refused else 200,
        refused=refused.detail if refused else "",
        email=request.form.get("email", ""),
        following=ours(request.args.get("next", "") or request.form.get("next", "")),
        clerk=guards.clerk_verifier() is not None,
    )
    set_cookie(response, FORM_COOKIE, g.form_holder, max_age=FORM_SECONDS)
    return response


@action("/sign-in", None)
def sign_in() -> Response:
    """Begins a session; the one before it, of the same browser, ends."""
    guards.require_our_page()
    throttle: Throttle = current_app.extensions["throttle"]
    said = {"email": request.form.get("email", "")[:320], "password": request.form.get("password", "")}
    try:
        token, _who = sessions.sign_in(guards.runtime().database, throttle, session.attempt(**said))
    except Refused as refused:
        return _sign_in_form(refused)
    response: Any = redirect(ours(request.form.get("next", "")) or url_for("admin.home"), 303)
    session.set_cookie(response, token)
    for name in (FORM_COOKIE, SCOPE_COOKIE):
        response.delete_cookie(guards.cookie_named(name), secure=runtime().settings.production)
    return response  # type: ignore[no-any-return]


@action("/sign-out", SIGNED_IN)
def sign_out() -> Response:
    """Ends the session."""
    sessions.sign_out(guards.runtime().database, guards.identity(), request_id=g.request_id, address=request.remote_addr or "")
    response: Any = redirect(url_for("admin.sign_in_page"), 303)
    session.set_cookie(response, "")
    return response  # type: ignore[no-any-return]


@action("/theme", SIGNED_IN)
def change_theme() -> Response:
    """Light, dark, or as the system has it."""
    wanted = request.form.get("theme", "")
    response: Any = redirect(back(url_for("admin.home")), 303)
    set_cookie(response, THEME_COOKIE, wanted if wanted in ("light", "dark") else "", max_age=YEAR_SECONDS)
    return response  # type: ignore[no-any-return]


@page("/scope", SIGNED_IN)
def choose_scope() -> Response:
    """Which tenant to look at, for who may look at several."""
    return show("scope.html", title="Choose a tenant", tenants=_choices(), wanted=request.args.get("back", ""))


def _choices() -> list[tuple[str, str, str]]:
    """Tenants by id, name and role."""
    who = guards.identity()
    if who.operator:
        return []
    return sorted(
        ((str(tenant), who.names.get(tenant, str(tenant)), role.value) for tenant, role in who.roles.items()), key=lambda t: t[1]
    )


@action("/scope", SIGNED_IN)
def change_scope() -> Response:
    """From now on this tenant is looked at; with none all of them, by who may. Another's is as none (A4)."""
    response = done(
        "You look at another tenant now." if request.form.get("tenant") else "You look at all your tenants now.", to=_after_scope()
    )
    set_cookie(response, SCOPE_COOKIE, request.form.get("tenant", "")[:40], max_age=int(sessions.LIFE.total_seconds()))
    return response


def _after_scope() -> str:
    """A page of one thing may not exist for the other tenant: then its list."""
    return back(url_for("admin.home"))


@page("/static/<version>/<path:filename>", None)
def static(version: str, filename: str) -> Response:
    """Style, script and icons; their path changes when they do, so that they may be kept."""
    response = send_from_directory(STATIC, filename)
    fresh = version == current_app.extensions["console_assets"]
    response.headers["Cache-Control"] = f"public, max-age={YEAR_SECONDS}, immutable" if fresh else "no-cache"
    return response


@page("/<path:_path>", SIGNED_IN)
def nothing(_path: str) -> Response:
    """What there is not."""
    raise NotFound("There is no such page in the console.")


@bp.errorhandler(AkountError)
def _refused(error: AkountError) -> Response:
    """An error as a page for people."""
    if isinstance(error, Unauthenticated):
        return _to_the_door(error)
    if error.code == "tenant_required" and request.method == "GET":
        return redirect(url_for("admin.choose_scope", back=request.full_path), 303)  # type: ignore[return-value]
    came_from = back("")
    if request.method == "POST" and isinstance(error, Refused) and came_from and error.status in (409, 422):
        return done(error.detail, to=came_from, tone="bad")
    response = show(
        "error.html",
        title=TITLES.get(error.status, "Error"),
        status=error.status,
        error=error,
        phrase=HTTPStatus(error.status).phrase,
    )
    if error.code == "tenant_not_found":  # the tenant that was looked at is gone
        response.delete_cookie(guards.cookie_named(SCOPE_COOKIE), secure=runtime().settings.production)
    return response


@bp.errorhandler(Exception)
def _broken(error: Exception) -> Response:
    """What nobody foresaw, and what the framework refuses, as a page too."""
    if isinstance(error, HTTPException) and error.code == 404:
        return _refused(NotFound("There is no such page in the console."))
    if isinstance(error, HTTPException):
        return error.get_response()  # type: ignore[return-value]
    log.error("page failed by a fault of ours", exc_info=error)
    return _refused(AkountError("Something went wrong on our side; tell us the request id."))


def _to_the_door(error: AkountError) -> Response:
    """Who is not signed in comes back to the page afterwards; a page that refreshes itself is told."""
    if request.method != "GET" or "fragment" in request.args:
        return show("error.html", title="Not signed in", status=401, error=error, phrase="Unauthorized")
    following = ours(request.full_path.rstrip("?"))
    return redirect(url_for("admin.sign_in_page", next=following or None), 303)  # type: ignore[return-value]
