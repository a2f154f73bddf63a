"""Who may come in and do what: the map of roles, people, sessions that are open, keys; and to end a session or a key."""

from __future__ import annotations

import uuid

from flask import Response, url_for

from akount.accounts import PERMISSIONS, Permission
from akount.admin.shell import action, back, confirm, done, page, reason, runtime, show
from akount.api.guards import call
from akount.identity import access as coming_in
from akount.identity import keys
from akount.models import Role

MEANINGS = {
    Permission.VIEW: "see documents, records and jobs",
    Permission.UPLOAD: "send documents",
    Permission.ACT: "retry and cancel jobs, correct records",
    Permission.ACCOUNTS: "see bank accounts whole, and correct them",
    Permission.APPROVE: "approve and reject records, take up again what was rejected",
    Permission.ERASE: "erase a document and what was read from it",
    Permission.SETTINGS: "how records are routed, what hosted engines see, who is told of what",
    Permission.AUDIT: "read what the machine decided, and why",
    Permission.OPERATE: "use this console: failed jobs, bulk operations, audit",
    Permission.CONSENT: "consent, for oneself, to automatic drafts and hosted engines",
    Permission.KEYS: "make, list and revoke API keys",
    Permission.PLATFORM: "queues, workers, schedules, health, limits: what all tenants share",
}
LISTED = 200


@page("/access", Permission.OPERATE)
def access() -> Response:
    """All of it. Never a secret: of keys and sessions only their hashes are kept."""
    tenant_id = call().actor.tenant_id
    with runtime().database.snapshot() as session:
        people = coming_in.people(session, tenant_id)
        sessions = coming_in.open_sessions(session, tenant_id)
        held = keys.listed(session, tenant_id)[:LISTED]
    return show(
        "access.html",
        title="Access",
        roles=list(Role),
        permissions=[(permission, MEANINGS.get(permission, "")) for permission in Permission],
        granted=PERMISSIONS,
        people=people,
        sessions=sessions,
        keys=held,
        most=coming_in.MOST,
    )


@page("/access/sessions/<uuid:session_id>/end", Permission.OPERATE)
def ask_end_session(session_id: uuid.UUID) -> Response:
    """Asks before somebody is signed out."""
    with runtime().database.snapshot() as session:
        coming_in.find_session(session, call().actor.tenant_id, session_id)
    return confirm(
        "end_session",
        title="End this session?",
        consequence="Whoever uses it is signed out at once, at that browser only; they may sign in again.",
        verb="End the session",
        back=back(url_for("admin.access")),
        path={"session_id": session_id},
    )


@action("/access/sessions/<uuid:session_id>/end", Permission.OPERATE)
def end_session(session_id: uuid.UUID) -> Response:
    """Signs somebody out."""
    with runtime().database.transaction() as session:
        coming_in.find_session(session, call().actor.tenant_id, session_id)
        coming_in.end_session(session, call(), session_id, reason())
    return done("The session has ended.", to=back(url_for("admin.access")))


@page("/access/keys/<uuid:key_id>/revoke", Permission.KEYS)
def ask_revoke_key(key_id: uuid.UUID) -> Response:
    """Asks before a key is worth nothing."""
    with runtime().database.snapshot() as session:
        keys.find(session, call().actor.tenant_id, key_id)
    return confirm(
        "revoke_key",
        title="Revoke this key?",
        consequence="From now on it opens nothing; whatever program uses it is refused. It cannot be given back.",
        verb="Revoke the key",
        back=back(url_for("admin.access")),
        path={"key_id": key_id},
        reason=False,
    )


@action("/access/keys/<uuid:key_id>/revoke", Permission.KEYS)
def revoke_key(key_id: uuid.UUID) -> Response:
    """Revokes it."""
    with runtime().database.transaction() as session:
        keys.revoke(session, key_id, call())
    return done("The key opens nothing any more.", to=back(url_for("admin.access")))
