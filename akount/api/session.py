"""/api/session: sign in with e-mail and password, see who one is, sign out."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, current_app, g, jsonify, request

from akount.accounts import Actor
from akount.api.contract import says, takes
from akount.api.guards import identity, public, require_our_page, runtime, session_cookie, signed_in
from akount.api.schemas import SessionSchema, SignInBody
from akount.identity import identities, sessions
from akount.identity.identities import Identity
from akount.identity.throttle import Throttle

bp = Blueprint("session", __name__)


@bp.post("")
@public
@takes(body=SignInBody)
@says(401, 403, 404, _200=SessionSchema)
def sign_in(body: dict[str, Any]) -> Response:
    """Begins a session: the cookie is set, and who one is told."""
    require_our_page(known=False)
    throttle: Throttle = current_app.extensions["throttle"]
    token, who = sessions.sign_in(runtime().database, throttle, attempt(**body))
    response = jsonify(_shown(who, who.choose(None)))
    set_cookie(response, token)
    return response


@bp.get("")
@signed_in
@says(404, _200=SessionSchema)
def show() -> Response:
    """Who one is, in which tenants, and what one may do in the one chosen."""
    return jsonify(_shown(identity(), g.call.actor if "call" in g else None))


@bp.delete("")
@signed_in
@says(404, _204=None)
def sign_out() -> Response:
    """Ends the session; who came in by a key or by Clerk has none here that could end."""
    sessions.sign_out(runtime().database, identity(), request_id=g.request_id, address=request.remote_addr or "")
    response = Response(status=204)
    set_cookie(response, "")
    return response


def attempt(**said: Any) -> sessions.Attempt:
    """What somebody says of themselves, and what the request says of where they are."""
    return sessions.Attempt(
        **said,
        address=request.remote_addr or "",
        user_agent=request.user_agent.string,
        request_id=g.request_id,
        before=request.cookies.get(session_cookie(), ""),
    )


def set_cookie(response: Response, token: str) -> None:
    """The cookie of a session; with an empty token it is taken away."""
    response.set_cookie(
        session_cookie(),
        token,
        max_age=sessions.LIFE if token else 0,
        secure=runtime().settings.production,
        httponly=True,
        samesite="Lax",
        path="/",
    )


def _shown(who: Identity, actor: Actor | None) -> Any:
    with runtime().database.snapshot() as session:
        user, tenants = identities.details(session, who)
    return SessionSchema().dump(
        {
            "user": user,
            "key_id": who.key_id,
            "tenants": [{"id": tenant.id, "name": tenant.name, "role": who.roles[tenant.id]} for tenant in tenants],
            "tenant_id": actor.tenant_id if actor else None,
            "role": actor.role if actor else None,
            "permissions": sorted(actor.permissions) if actor else [],
        }
    )
