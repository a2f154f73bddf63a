"""The limits: what they are, how near to them tenants are, how often somebody was refused; and to give a tenant its own back."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from flask import Response, current_app, url_for

from akount import exposition, tenancy
from akount.accounts import Permission
from akount.admin.shell import action, back, confirm, done, page, reason, runtime, show
from akount.admin.words import count
from akount.api.guards import call
from config import Settings

EXACT = 10**9
REFUSED = {
    "job_limit": "documents of a tenant",
    "limit_exceeded": "requests of a user, or of an address; failed sign-ins of an address",
    "sign_in_limit": "tries to sign in to an account",
}
"""The code of a refusal → what was limited."""


@page("/limits", Permission.OPERATE)
def limits() -> Response:
    """All of them."""
    operator = call().actor.tenant_id is None
    return show(
        "limits.html",
        title="Limits",
        rules=_rules(runtime().settings),
        uses=tenancy.uses(runtime(), call().actor),
        shared=runtime().settings.redis is not None,
        refused=_refused() if operator else None,
        sorts=REFUSED,
    )


@dataclass(frozen=True, slots=True)
class Refused:
    """How often this machine has answered 429, by code."""

    lately: dict[str, int]
    seconds: float
    "within which the first were"
    ever: dict[str, int]


def _refused() -> Refused:
    lately, seconds = current_app.extensions["refusals"].lately()
    return Refused(lately, seconds, exposition.refusals(runtime().settings))


def _rules(settings: Settings) -> list[tuple[str, str, str]]:
    """What is limited, to how much, and by which setting."""
    return [
        ("Documents of a tenant", f"{count(settings.jobs_per_minute, EXACT)} in any 60 s", "JOBS_PER_MINUTE"),
        (
            "Requests of a user, else of an address",
            f"{count(settings.rate_limit_per_minute, EXACT)} a minute",
            "RATE_LIMIT_PER_MINUTE",
        ),
        (
            "Failed sign-ins of an address",
            f"{count(settings.failed_sign_ins_per_minute, EXACT)} a minute",
            "FAILED_SIGN_INS_PER_MINUTE",
        ),
        ("Size of a file", f"{settings.max_upload_bytes / (1 << 20):.1f} MiB", "MAX_UPLOAD_BYTES"),
        ("Pages of a document", f"{settings.max_pages}", "MAX_PAGES"),
        ("Pixels of an image", f"{settings.max_pixels / 1_000_000:.0f} million", "MAX_PIXELS"),
        ("Time of an attempt", f"{settings.scan_timeout_seconds} s", "SCAN_TIMEOUT_SECONDS"),
        ("Memory of an attempt", f"{settings.scan_memory_mb} MiB", "SCAN_MEMORY_MB"),
        ("Attempts at a document", f"{settings.scan_max_attempts}", "SCAN_MAX_ATTEMPTS"),
    ]


@page("/limits/<uuid:tenant_id>/release", Permission.PLATFORM)
def ask_release_limit(tenant_id: uuid.UUID) -> Response:
    """Asks before a tenant gets it back."""
    name = tenancy.name_of(runtime(), call().actor, tenant_id)
    return confirm(
        "release_limit",
        title=f"Release the limit of {name}?",
        consequence="What it has sent in the last minute does not count any more: it may at once send as much again as the limit "
        "allows. The limit itself stays.",
        verb="Release now",
        back=back(url_for("admin.limits")),
        path={"tenant_id": tenant_id},
        danger=False,
    )


@action("/limits/<uuid:tenant_id>/release", Permission.PLATFORM)
def release_limit(tenant_id: uuid.UUID) -> Response:
    """Gives it back."""
    tenancy.release(runtime(), call(), tenant_id, reason())
    return done("The tenant may send again at once.", to=back(url_for("admin.limits")))
