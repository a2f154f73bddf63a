"""How often somebody may ask (E3): each user once it is known who asks, each address until then and for sign-ins that fail.

Flask-Limiter counts, in the windows that the process has anyway (limits.Windows). Its own fallback is not used: it looks for
a Redis that went away at pauses of up to 32 s, and one of its own beside that of the tenants' limit would wait a second time.
"""

from __future__ import annotations

import ipaddress
import math
import time

from flask import Flask, Response, current_app, request
from flask_limiter import ApplicationLimit, Limiter, RateLimitExceeded, RequestLimit

from akount.api import guards
from akount.api.problems import problem
from akount.edge import probed
from akount.errors import LimitExceeded
from akount.limits import Windows, numbers
from config import Settings

REQUESTS, SIGN_INS = "requests", "sign-ins"


def guard_door(app: Flask, settings: Settings, windows: Windows) -> None:
    """Before it is known who asks. Who brings nothing to sign in with counts by address, as does every sign-in that fails;
    an address that failed too often is not looked at again for a while."""
    app.after_request(_tell)  # registered first, so that it runs last: a failure is counted before it is told of
    app.register_error_handler(RateLimitExceeded, _refuse)
    app.extensions["door"] = _limiter(
        app,
        windows,
        ApplicationLimit(f"{settings.rate_limit_per_minute} per minute", scope=REQUESTS, exempt_when=guards.signs),
        ApplicationLimit(
            f"{settings.failed_sign_ins_per_minute} per minute",
            scope=SIGN_INS,
            exempt_when=lambda: not guards.signs(),
            deduct_when=lambda response: response.status_code == 401,
        ),
    )


def count_users(app: Flask, settings: Settings, windows: Windows) -> None:
    """Once it is known who asks; who signed a page that is for everybody still counts by address."""
    limit = ApplicationLimit(f"{settings.rate_limit_per_minute} per minute", scope=REQUESTS, exempt_when=lambda: not guards.signs())
    app.extensions["turnstile"] = _limiter(app, windows, limit)


def _limiter(app: Flask, windows: Windows, *limits: ApplicationLimit) -> Limiter:
    limiter = Limiter(
        _who,
        app=app,
        application_limits=list(limits),
        strategy="moving-window",
        storage_uri="akount://",
        storage_options={"windows": windows},  # type: ignore[dict-item]
        request_identifier=lambda: request.endpoint or "nothing",  # looking for pages that are none counts too
    )
    limiter.request_filter(lambda: request.method == "OPTIONS" or probed())
    return limiter


def _who() -> str:
    return guards.caller() or f"address:{_network(request.remote_addr or '')}"


def _network(address: str) -> str:
    """The address, or of IPv6 the network that one customer has: there are more addresses in it than could be counted."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else address


def _current() -> RequestLimit | None:
    """The limit that tells most about this request."""
    door, turnstile = current_app.extensions["door"], current_app.extensions["turnstile"]
    found: RequestLimit | None = turnstile.current_limit or door.current_limit
    return found


def _seconds(limit: RequestLimit) -> float:
    return limit.window.reset_time - time.time()


def _tell(response: Response) -> Response:
    """How much of the limit is left, unless the answer tells of a narrower one."""
    limit = _current()
    if limit is not None and "RateLimit-Limit" not in response.headers:
        response.headers.update(numbers(limit.limit.amount, limit.remaining, _seconds(limit)))
    return response


def _refuse(_: RateLimitExceeded) -> Response:
    """In our shape, with the numbers."""
    limit = _current()
    assert limit is not None  # noqa: S101  it has just been exceeded
    count, wait = limit.limit.amount, max(1, math.ceil(_seconds(limit)))
    what = "sign-ins failed from this address" if SIGN_INS in limit.request_args else "requests were made"
    return problem(
        LimitExceeded(
            f"{count} {what} within a minute, and no more are let in; try again in {wait} s.",
            retry_after=wait,
            headers=numbers(count, 0, wait),
        )
    )
