"""Every error of the JSON API in one shape, application/problem+json (RFC 9457), and the line each request leaves in the log."""

from __future__ import annotations

import math
import re
import time
import uuid

import structlog
from flask import Flask, Response, g, json, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from akount import logs, metrics
from akount.errors import (
    AkountError,
    BadRequest,
    Conflict,
    Invalid,
    LimitExceeded,
    NotAllowed,
    PreconditionFailed,
    PreconditionRequired,
    Refused,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnsupportedType,
)
from akount.errors import NotFound as NothingHere

log = logs.get(__name__)

SANE_ID = re.compile(r"[A-Za-z0-9._\-]{8,64}")
QUIET_PATHS = ("/health",)

TITLES = {
    400: "Bad request",
    401: "Not signed in",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    408: "Request timed out",
    409: "Conflict",
    412: "Precondition failed",
    413: "Too large",
    415: "Unsupported type",
    422: "Not valid",
    428: "Precondition required",
    429: "Too many requests",
    500: "Internal error",
    503: "Not available",
}


def init_app(app: Flask) -> None:
    """Request ids, one log line a request, and the error shape."""
    app.before_request(_begin)
    app.after_request(_end)
    app.register_error_handler(AkountError, _answer)
    app.register_error_handler(HTTPException, _translated)
    app.register_error_handler(Exception, _unexpected)


def _begin() -> None:
    sent = request.headers.get("X-Request-ID", "")
    g.request_id = sent if SANE_ID.fullmatch(sent) else uuid.uuid4().hex
    g.started = time.monotonic()
    metrics.request_began()
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _end(response: Response) -> Response:
    response.headers["X-Request-ID"] = g.request_id
    who = {"tenant": str(g.call.actor.tenant_id), "actor": g.call.actor.name} if "call" in g else {}
    quiet = request.path.startswith(QUIET_PATHS)
    say = log.debug if quiet else log.info
    response.call_on_close(metrics.request_ended)
    seconds = time.monotonic() - g.started
    metrics.answered(request.method, request.url_rule.rule if request.url_rule else "", response.status_code, seconds)
    say("request", method=request.method, path=request.path, status=response.status_code, ms=round(seconds * 1000, 1), **who)
    return response


def problem(error: AkountError) -> Response:
    """The answer that says what was wrong and what to do."""
    body = {
        "type": f"urn:akount:problem:{error.code}",
        "title": TITLES.get(error.status, "Error"),
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "requestId": g.get("request_id", ""),
    }
    if error.errors:
        body["errors"] = error.errors
    if error.status == 429:
        metrics.refused(error.code)
    response = Response(json.dumps(body) + "\n", error.status, content_type="application/problem+json")
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if error.status == 503 or error.retry_after:
        response.headers["Retry-After"] = str(max(1, math.ceil(error.retry_after or 5)))
    response.headers.update(error.headers)
    return response


def _answer(error: AkountError) -> Response:
    if not isinstance(error, Refused):
        log.warning("request failed", code=error.code)
    return problem(error)


class _Other(Refused):
    """The request was refused."""


def code_of(status: int) -> str:
    """The code of a refusal by the framework: that of our own error with this status, else the words of its title."""
    known = _OURS.get(status)
    return known.code if known else re.sub(r"\W+", "_", TITLES.get(status, "refused").lower())


_OURS: dict[int, type[AkountError]] = {
    error.status: error
    for error in (
        *(BadRequest, Unauthenticated, NotAllowed, NothingHere, Conflict, PreconditionFailed, TooLarge),
        *(UnsupportedType, Invalid, PreconditionRequired, LimitExceeded),
        *(Unavailable, AkountError),
    )
}


def _translated(error: HTTPException) -> Response:
    """The framework's own refusals, without its words."""
    status = error.code or 500
    if status == 404:
        return problem(NothingHere("There is no such page."))
    if status in _OURS:
        return problem(_OURS[status]())
    other = _Other(f"{TITLES.get(status, 'Refused')}.", code=code_of(status))
    other.status = status  # type: ignore[misc]
    response = problem(other)
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return response


def _unexpected(error: Exception) -> Response:
    log.error("request failed by a fault of ours", exc_info=error)
    return problem(AkountError("Something went wrong on our side; tell us the request id."))
