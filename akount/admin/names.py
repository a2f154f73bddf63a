"""What people, keys and tenants are called on a page; one question serves all who look at the same within a few seconds."""

from __future__ import annotations

from collections.abc import Iterable

from akount.admin.shell import board
from akount.api.guards import call
from akount.census import SLOW_SECONDS
from akount.identity.names import names


def named(refs: Iterable[str | None]) -> dict[str, str]:
    """`sort:id`, as the audit log writes it → the name, where there is one that whoever looks may know."""
    actor, wanted = call().actor, sorted({ref for ref in refs if ref and ":" in ref})
    if not wanted:
        return {}
    about = f"names for {actor.role}: {hash(tuple(wanted))}"
    return board().keep(about, actor.tenant_id, lambda session, _tenant: names(session, actor, wanted), SLOW_SECONDS) or {}
