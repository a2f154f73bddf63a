"""/api/system/decisions: the log of what the machine decided, for auditors."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, jsonify

from akount import decisions, sheets
from akount.accounts import Permission
from akount.api.contract import says, takes
from akount.api.cursors import following, position
from akount.api.guards import call, needs, runtime
from akount.api.record_schemas import DecisionFilter, DecisionPageSchema, DecisionQuery
from akount.api.records import download
from akount.decisions import Wanted
from akount.discretion import shown_to
from akount.models import Decision

bp = Blueprint("decisions", __name__)

HEAD = (
    *("createdAt", "documentId", "recordId", "inputHash", "engine", "engineVersion", "confidence", "routing", "reason"),
    *("autoCreate", "hostedEngines", "newUser", "durationMs", "costMicroUsd"),
)


@bp.get("")
@needs(Permission.AUDIT)
@takes(query=DecisionQuery)
@says(_200=DecisionPageSchema)
def index(query: dict[str, Any]) -> Response:
    """A page of the machine's decisions, the latest first."""
    wanted = _wanted(query, after=position(query["cursor"]), limit=query["limit"])
    found, more = decisions.listed(runtime(), call().actor, wanted)
    shown = DecisionPageSchema().dump({"items": found, "next_cursor": following(found, more)})
    return jsonify(shown_to(call().actor, shown))


@bp.get("/export")
@needs(Permission.AUDIT)
@takes(query=DecisionFilter)
@says(_200="text/csv")
def export(query: dict[str, Any]) -> Response:
    """Every decision of the machine that is meant, as CSV; streamed."""
    found = decisions.exported(runtime(), call().actor, _wanted(query))
    return download(sheets.lines(HEAD, _rows(found)), "decisions.csv")


def _wanted(query: dict[str, Any], **more: Any) -> Wanted:
    """Days are those of UTC; the last one is meant as well."""
    since, until = query["since"], query["until"]
    return Wanted(
        since=_midnight(since) if since else None,
        before=_midnight(until) + dt.timedelta(days=1) if until and until < dt.date.max else None,
        routing=query["routing"],
        **more,
    )


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)


def _rows(found: Iterator[Decision]) -> Iterator[tuple[Any, ...]]:
    for one in found:
        ids = (one.created_at, one.document_id, one.record_id, one.input_hash)
        why = (one.engine, one.engine_version, one.confidence, one.routing, one.reason)
        yield (*ids, *why, *(one.consent.get(n) for n in ("autoCreate", "hostedEngines", "newUser")), one.duration_ms, one.cost)
