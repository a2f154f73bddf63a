"""What stands before every page: whose word about the client is believed, what browsers are told, who may ask from elsewhere.

Rows E1, E2, E4. docs/security.md has the reasons and the tests.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from flask import Flask, Response, request
from flask_cors import CORS
from flask_talisman import Talisman
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.sansio.utils import host_is_trusted

from akount.errors import BadRequest, NotAllowed
from config import Settings

View = TypeVar("View", bound=Callable[..., Any])

YEAR_SECONDS = 31_536_000
PREFLIGHT_SECONDS = 7200
"""So long a browser need not ask again; Chrome remembers no longer."""

API_POLICY = {"default-src": "'none'", "frame-ancestors": "'none'"}
CONSOLE_POLICY = {"default-src": "'none'"}
CONSOLE_POLICY |= dict.fromkeys(("script-src", "style-src", "img-src", "font-src", "connect-src", "form-action"), "'self'")
CONSOLE_POLICY |= {"base-uri": "'none'", "frame-ancestors": "'none'"}
CONSOLE = ("/admin", "/api/docs")
"""Pages for people: what they load comes from here, nothing inline. All else is data and loads nothing."""
API_PATHS = re.compile(r"/api(/|\Z)")
PROBED = ("/health", "/metrics")
"""Asked from inside the house."""

DEVICES = (
    *("accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "hid", "magnetometer", "microphone", "midi"),
    *("payment", "publickey-credentials-get", "screen-wake-lock", "serial", "usb", "xr-spatial-tracking", "browsing-topics"),
)
"""What no page of ours uses, so that none may."""

EVERYWHERE = {
    "Cross-Origin-Opener-Policy": "same-origin",
    # a fetch that CORS lets in is not held to it; an <img> of another site is: it has to say crossorigin
    "Cross-Origin-Resource-Policy": "same-origin",
}
READABLE = (
    *("X-Request-ID", "ETag", "Location", "Retry-After", "Preference-Applied", "Content-Disposition"),
    *("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"),
)
"""Headers of an answer that a page of another origin may read."""
SENDABLE = (
    *("Authorization", "Content-Type", "If-Match", "If-None-Match", "Idempotency-Key", "X-Tenant-ID", "X-Request-ID"),
    *("Prefer", "Last-Event-ID"),
)
"""Headers that it may send."""


def init_app(app: Flask, settings: Settings) -> None:
    """Everything, in order. After `problems`, so that refusals made here have their shape."""
    app.wsgi_app = Proxies(app.wsgi_app, settings.trusted_proxy_hops)  # type: ignore[method-assign]
    app.before_request(lambda: _known_host(settings.trusted_hosts))
    if settings.production:
        app.before_request(_in_secret)
    app.after_request(_finish)  # what is registered first runs last: it completes what the others wrote
    Talisman(
        app,
        force_https=settings.production,
        frame_options="DENY",
        strict_transport_security_max_age=YEAR_SECONDS,
        strict_transport_security_preload=settings.hsts_preload,
        content_security_policy=API_POLICY,
        permissions_policy=dict.fromkeys(DEVICES, "()"),
        session_cookie_secure=settings.production,
    )
    _share(app, settings.browser_origins)


def plain_http(view: View) -> View:
    """A page that is asked from inside the house, over plain http: production does not send it to https."""
    marked: View = Talisman()(force_https=False)(view)
    return marked


def sandboxed(view: View) -> View:
    """A page that is somebody's file: whatever a browser makes of it, it is nothing of ours and runs nothing."""
    marked: View = Talisman()(content_security_policy=API_POLICY | {"sandbox": ""})(view)
    return marked


def _share(app: Flask, origins: tuple[str, ...]) -> None:
    """The API may be asked by pages of these origins, with their cookies; `*`, of development, means any, without cookies."""
    CORS(
        app,
        resources=API_PATHS,
        origins="*" if "*" in origins else [re.compile(re.escape(origin) + r"\Z") for origin in origins],  # exactly, in case too
        supports_credentials="*" not in origins,
        expose_headers=READABLE,
        allow_headers=SENDABLE,
        methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
        max_age=PREFLIGHT_SECONDS,
        always_send=False,
        vary_header=False,  # it would be missing from the answers to origins that are not let in
        intercept_exceptions=False,  # our errors are answers like any other
    )


def _known_host(names: tuple[str, ...]) -> None:
    """A redirect repeats the name that the client called us by: where TRUSTED_HOSTS says which are ours, others are refused.

    Probes know us by our address, and get no redirects."""
    if names and not probed() and not host_is_trusted(request.host, names):
        raise BadRequest("The service is not known by this host name.", code="unknown_host")


def _in_secret() -> None:
    """A key that came over plain http has been seen on the way: whoever sent it is told, instead of being sent on to https
    without a word, as a page is that somebody has only typed the name of."""
    if request.is_secure or probed():
        return
    if "Authorization" in request.headers or request.cookies or request.method not in ("GET", "HEAD", "OPTIONS"):
        raise NotAllowed("Ask over https; a key that was sent with this request should be revoked.", code="https_required")


def _finish(response: Response) -> Response:
    """What Talisman and CORS do not say."""
    response.headers.update(EVERYWHERE)
    response.headers.setdefault("Cache-Control", "no-store")
    if _below(CONSOLE):
        response.headers["Content-Security-Policy"] = "; ".join(f"{name} {value}" for name, value in CONSOLE_POLICY.items())
    elif request.method == "OPTIONS" and response.status_code == 200:
        _empty(response).status_code = 204
    elif 300 <= response.status_code < 400 and response.location:
        _empty(response)  # of the library's page of HTML about a redirect
    elif response.status_code == 204:
        _empty(response)  # of the type that the framework gives to what has no content
    if API_PATHS.match(request.path):
        response.vary.add("Origin")
    return response


def _empty(response: Response) -> Response:
    response.set_data(b"")
    response.headers.pop("Content-Type", None)
    return response


def probed() -> bool:
    """Whether the page is asked from inside the house, by machines that look after us."""
    return _below(PROBED)


def _below(paths: tuple[str, ...]) -> bool:
    return any(request.path == path or request.path.startswith(path + "/") for path in paths)


class Proxies:
    """Believes what exactly `hops` proxies say of the client, and nobody else (E4): no header about it goes any further,
    so that nothing behind (Talisman reads X-Forwarded-Proto by itself) can be told tales by a client."""

    def __init__(self, app: Callable[..., Iterable[bytes]], hops: int) -> None:
        self._app = app
        # the Host is taken as it comes: no proxy needs to rename it, and a client could
        self._fix = ProxyFix(self._inside, x_for=hops, x_proto=hops, x_host=0, x_port=0, x_prefix=0)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """The WSGI application."""
        return self._fix(environ, start_response)

    def _inside(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        peer = environ["werkzeug.proxy_fix.orig"]["REMOTE_ADDR"]
        environ["REMOTE_ADDR"] = plain_address(environ.get("REMOTE_ADDR") or "") or peer or ""
        if environ["wsgi.url_scheme"] not in ("http", "https"):
            environ["wsgi.url_scheme"] = "http"
        for name in [n for n in environ if n.startswith("HTTP_X_FORWARDED_") or n in ("HTTP_FORWARDED", "HTTP_X_REAL_IP")]:
            del environ[name]
        return self._app(environ, start_response)


def plain_address(said: str) -> str:
    """The address in what a proxy says of a client, without a port (some add it: each connection would look like another
    client); empty when there is none."""
    found = re.fullmatch(r"\[([^\]]*)\](?::\d+)?|([\d.]+):\d+|(.*)", said.strip())
    try:
        address = ipaddress.ip_address(((found[1] or found[2] or found[3]) if found else "").partition("%")[0])
    except ValueError:
        return ""
    mapped = getattr(address, "ipv4_mapped", None)  # the same client over a socket that speaks both
    return str(mapped or address)
