"""What every answer tells a browser, who may ask from elsewhere, and whose word about the client is believed (E1, E2, E4)."""

import io
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, Response, jsonify, redirect, request
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

import config
from akount.api.guards import public
from akount.edge import plain_address
from akount.errors import Unavailable
from akount.lifecycle import Runtime
from akount.models import AuditEntry
from fresh import serving, settings_for
from make import pdf, submitted
from people import People, settle_in

HTTPS = "https://documents.example"
OURS = "https://app.example.com"
PRODUCTION = {
    "APP_ENV": "production",
    "SECRET_KEY": "s" * 40,
    "ALLOW_LOCAL_SERVICES": "true",
    "MAX_UPLOAD_BYTES": "200000",
    "CORS_ORIGINS": f"{OURS},https://books.example.com:8443,https://[2001:db8::1]",
    "TRUSTED_PROXY_HOPS": "1",
}

# --- the table ------------------------------------------------------------------------------------

EVERY_ANSWER = {
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Permissions-Policy": (
        "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), hid=(), magnetometer=(), microphone=(), "
        "midi=(), payment=(), publickey-credentials-get=(), screen-wake-lock=(), serial=(), usb=(), xr-spatial-tracking=(), "
        "browsing-topics=()"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
DATA = EVERY_ANSWER | {"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"}
PAGE = EVERY_ANSWER | {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
}
PLAIN = DATA | {"Strict-Transport-Security": None}
"""Over plain http a browser must not heed it, so it is not said (RFC 6797)."""
NEVER = ("X-Powered-By", "Server", "X-XSS-Protection", "Feature-Policy", "Content-Security-Policy-Report-Only", "Set-Cookie")
TABLE = {
    "200": DATA,
    "200 head": DATA,
    "200 duplicate": DATA,
    "200 stream": DATA,
    "200 health": DATA,
    "200 cancelled": DATA,
    "202": DATA,
    "204 options": DATA,
    "204 preflight": DATA,
    "302 to https": PLAIN,
    "403 over http": PLAIN,
    "304": DATA,
    "400": DATA,
    "401": DATA,
    "403": DATA,
    "404 thing": DATA,
    "404 page": DATA,
    "404 head": DATA,
    "405": DATA,
    "405 unheard of": DATA,
    "409": DATA,
    "413": DATA,
    "415": DATA,
    "422": DATA,
    "500": DATA,
    "503": DATA,
    "console 200": PAGE,
    "console 302": PAGE,
    "console 303": PAGE,
    "not the console": DATA,
    "docs 200": PAGE,
    "docs file": PAGE | {"Cache-Control": "public, max-age=86400"},
    "docs specification": DATA,
}


@pytest.fixture(scope="module")
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> config.Settings:
    return settings_for(request, tmp_path_factory, **PRODUCTION)


@pytest.fixture(scope="module")
def people(runtime: Runtime) -> People:
    return settle_in(runtime.database)


@pytest.fixture(scope="module")
def app(settings: config.Settings) -> Iterator[Flask]:
    with serving(settings) as app:
        yield furnished(app)


def furnished(app: Flask) -> Flask:
    """The application with pages that go wrong, that mirror the client, and that stand in for the console's."""

    def away() -> None:
        raise Unavailable

    def fault() -> None:
        raise RuntimeError

    pages: dict[str, Any] = {
        "/api/test/away": away,
        "/api/test/fault": fault,
        "/api/test/mirror": lambda: jsonify(address=request.remote_addr, secure=request.is_secure, headers=dict(request.headers)),
        "/admin": lambda: Response("<p>A page", content_type="text/html"),
        "/admin/moved": lambda: redirect("/admin"),
        "/administrator": lambda: jsonify({}),
    }
    for path, view in pages.items():
        app.add_url_rule(path, path, public(view))
    return app


def test_every_kind_of_answer_has_the_headers_of_the_table(client: FlaskClient, people: People, runtime: Runtime) -> None:
    answers = answers_of_every_kind(client, people, runtime)
    assert {kind: str(answer.status_code) for kind, answer in answers.items()} == {
        kind: re.findall(r"\d{3}|$", kind)[0] or "200" for kind in TABLE
    }
    said = {kind: {name: answer.headers.getlist(name) for name in TABLE[kind]} for kind, answer in answers.items()}
    assert said == {kind: {name: [value] if value else [] for name, value in row.items()} for kind, row in TABLE.items()}
    assert {kind: [name for name in NEVER if name in answer.headers] for kind, answer in answers.items()} == {
        kind: ["Set-Cookie"] if kind == "console 200" else [] for kind in TABLE
    }, "the form to sign in is of one browser"


def answers_of_every_kind(client: FlaskClient, people: People, runtime: Runtime) -> dict[str, TestResponse]:
    job = submitted(runtime, people.ada)
    ada = people.ada.headers
    bills, scan, this = "/api/business/bills", "/api/business/bills/scan", f"/api/ai/jobs/{job.id}"
    file = pdf()

    def ask(path: str, method: str = "GET", headers: dict[str, str] = ada, **more: Any) -> TestResponse:
        return client.open(path, method=method, headers=headers, **({"base_url": HTTPS} | more))

    def send(data: bytes) -> TestResponse:
        return ask(scan, "POST", data={"file": (io.BytesIO(data), "a.pdf"), "entityId": str(people.ada.entity_id)})

    return {
        "200": ask(bills),
        "200 head": ask(bills, "HEAD"),
        "202": send(file),
        "200 duplicate": send(file),
        "200 stream": ask(f"{this}/stream"),
        "200 health": ask("/health"),
        "204 options": ask(bills, "OPTIONS", {}),
        "204 preflight": ask(bills, "OPTIONS", {"Origin": OURS, "Access-Control-Request-Method": "GET"}),
        "302 to https": ask(bills, base_url="http://documents.example", headers={}),
        "403 over http": ask(bills, base_url="http://documents.example"),
        "304": ask(this, headers=ada | {"If-None-Match": "*"}),
        "400": ask(scan, "POST"),
        "401": ask(bills, headers={}),
        "403": ask(scan, "POST", people.otto.headers),
        "404 thing": ask(f"/api/ai/jobs/{uuid.uuid4()}"),
        "404 page": ask("/nothing"),
        "404 head": ask("/nothing", "HEAD"),
        "405": ask(bills, "DELETE"),
        "405 unheard of": ask(bills, "BREW"),
        "200 cancelled": ask(f"{this}/cancel", "POST"),
        "409": ask(f"{this}/cancel", "POST"),
        "413": send(b"%PDF" + b"x" * runtime.settings.max_upload_bytes),
        "415": send(b"GIF89a"),
        "422": ask(f"{bills}?limit=many"),
        "500": ask("/api/test/fault"),
        "503": ask("/api/test/away"),
        "console 200": ask("/admin/sign-in"),
        "console 302": ask("/admin/moved"),
        "console 303": ask("/admin/nothing"),
        "not the console": ask("/administrator"),
        "docs 200": ask("/api/docs", headers={}),
        "docs file": ask("/api/docs/static/swagger-ui.css", headers={}, buffered=True),
        "docs specification": ask("/api/openapi.json", headers={}),
    }


# --- as a grader on the web would see it -----------------------------------------------------------


def marks_off(answer: TestResponse) -> list[str]:
    """What an online grader of headers would find fault with, by its own rules."""
    head = answer.headers
    policy = {part.split()[0]: part.split()[1:] for part in head.get("Content-Security-Policy", "").split(";") if part.strip()}
    age = re.search(r"max-age=(\d+)", head.get("Strict-Transport-Security", ""))
    rules = {
        "no policy": policy.get("default-src") != ["'none'"],
        "unsafe source": any(
            "unsafe" in source or source in ("*", "data:", "http:", "https:") for p in policy.values() for source in p
        ),
        "may be framed": policy.get("frame-ancestors") != ["'none'"] or head.get("X-Frame-Options") != "DENY",
        "no transport security": age is None
        or int(age[1]) < 31_536_000
        or "includeSubDomains" not in head["Strict-Transport-Security"],
        "sniffed": head.get("X-Content-Type-Options") != "nosniff",
        "referrer": head.get("Referrer-Policy") not in ("no-referrer", "same-origin", "strict-origin-when-cross-origin"),
        "permissions": not re.search(r"camera=\(\).*geolocation=\(\).*microphone=\(\)", head.get("Permissions-Policy", "")),
        "opener": head.get("Cross-Origin-Opener-Policy") != "same-origin",
        "resource": head.get("Cross-Origin-Resource-Policy") not in ("same-origin", "same-site"),
        "kept": head.get("Cache-Control") != "no-store" and not answer.request.path.endswith((".css", ".js", ".png")),
        "html": "text/html" in head.get("Content-Type", "") and not answer.request.path.startswith(("/admin", "/api/docs")),
    }
    return [name for name, broken in rules.items() if broken]


def test_a_grader_finds_no_fault(client: FlaskClient, people: People, runtime: Runtime) -> None:
    answers = answers_of_every_kind(client, people, runtime)
    found = {kind: marks_off(answer) for kind, answer in answers.items() if "http" not in kind}
    assert {kind: faults for kind, faults in found.items() if faults} == {}


def test_the_preload_list_is_a_decision_of_its_own(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> None:
    with serving(settings_for(request, tmp_path_factory, **PRODUCTION, HSTS_PRELOAD="true")) as app:
        answer = app.test_client().get("/health/live", base_url=HTTPS)
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains; preload"


# --- https -----------------------------------------------------------------------------------------


def test_production_sends_plain_http_to_https_without_a_page(client: FlaskClient, people: People) -> None:
    answer = client.get("/api/business/bills?limit=2", base_url="http://documents.example")
    assert (answer.status_code, answer.location) == (302, f"{HTTPS}/api/business/bills?limit=2")
    assert (answer.data, answer.content_type) == (b"", None)


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", {"Authorization": "Bearer ak_wrong"}),
        ("GET", {"Cookie": "__session=x"}),
        ("POST", {}),
        ("PATCH", {}),
        ("DELETE", {"Authorization": "Bearer ak_wrong"}),
        ("BREW", {}),
    ],
)
def test_what_must_not_be_seen_on_the_way_is_refused_and_not_sent_on(
    app: Flask, people: People, method: str, headers: dict[str, str]
) -> None:
    """Sent on, nobody would notice that the key was sent in the clear; and a change would become a question."""
    client = app.test_client(use_cookies=False)
    answer = client.open("/api/system/consent", method=method, headers=headers, base_url="http://documents.example")
    assert (answer.status_code, answer.json["code"], answer.location) == (403, "https_required", None)
    assert client.open("/api/system/consent", method=method, headers=headers, base_url=HTTPS).status_code != 403


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready"])
def test_health_is_answered_over_plain_http(client: FlaskClient, people: People, path: str) -> None:
    answer = client.get(path, base_url="http://10.0.0.7:4000")
    assert answer.status_code == 200
    assert "Strict-Transport-Security" not in answer.headers


def test_development_speaks_plain_http(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> None:
    with serving(settings_for(request, tmp_path_factory)) as app:
        assert app.test_client().get("/api/business/bills").status_code == 401


# --- the name we are called by -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def particular(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    """A client of a service that knows its own names."""
    names = "documents.example, .internal.example"
    with serving(settings_for(request, tmp_path_factory, **PRODUCTION, TRUSTED_HOSTS=names)) as app:
        yield app.test_client()


@pytest.mark.parametrize("name", ["documents.example", "documents.example:8443", "web.internal.example", "DOCUMENTS.example"])
def test_our_names_are_answered(particular: FlaskClient, name: str) -> None:
    assert particular.get("/api/business/bills", base_url=f"http://{name}").status_code == 302
    assert particular.get("/api/business/bills", base_url=f"https://{name}").status_code == 401


@pytest.mark.parametrize(
    "name",
    ["evil.example", "documents.example.evil.tld", "xdocuments.example", "evil.example#documents.example", "a b", "127.0.0.1"],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_another_name_is_refused_and_not_repeated(particular: FlaskClient, name: str, scheme: str) -> None:
    answer = particular.get("/api/business/bills", headers={"Host": name}, base_url=f"{scheme}://documents.example")
    assert (answer.status_code, answer.json["code"]) == (400, "unknown_host")
    assert name not in answer.text + str(answer.headers)


def test_a_probe_may_call_us_by_any_name(particular: FlaskClient) -> None:
    assert particular.get("/health/ready", base_url="http://10.0.0.7:4000").status_code == 200


def test_no_answer_but_the_redirect_repeats_the_name(client: FlaskClient, people: People, runtime: Runtime) -> None:
    ada = people.ada.headers | {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
    answers = [
        client.get("/api/business/bills", headers=ada, base_url=HTTPS),
        client.get("/nothing", headers=ada, base_url=HTTPS),
        client.get("/api/business/bills/", headers=ada, base_url=HTTPS),
        client.post("/api/business/bills/scan", headers=ada, data={"file": (io.BytesIO(pdf()), "a.pdf")}, base_url=HTTPS),
    ]
    assert [answer.status_code for answer in answers] == [200, 404, 404, 202]
    assert not [answer for answer in answers if "evil" in answer.text + str(answer.headers)]


# --- who may ask from elsewhere ----------------------------------------------------------------------

FOREIGN = [
    "null",
    "https://app.example.com.evil.tld",
    "https://evilapp.example.com",
    "https://app.example.com:444",
    "https://app.example.com/",
    "http://app.example.com",
    "https://app.example.com@evil.tld",
    "https://appxexample.com",
    "https://APP.EXAMPLE.COM",
    "https://app.example.com\u0000.evil.tld",
    "https://books.example.com",
    "https://[2001:db8::2]",
    "http://localhost:3000",
    "*",
    "",
]
KNOWN = [OURS, "https://books.example.com:8443", "https://[2001:db8::1]"]


def preflight(
    client: FlaskClient, origin: str, path: str = "/api/business/bills", method: str = "GET", ask: str = ""
) -> TestResponse:
    headers = {"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": ask}
    return client.options(path, headers=headers, base_url=HTTPS)


def allowed(answer: TestResponse) -> dict[str, str]:
    return {name: value for name, value in answer.headers if name.startswith("Access-Control-")}


@pytest.mark.parametrize("origin", KNOWN)
def test_a_page_of_ours_may_ask_and_read(client: FlaskClient, people: People, origin: str) -> None:
    answer = client.get("/api/business/bills", headers=people.ada.headers | {"Origin": origin}, base_url=HTTPS)
    assert answer.status_code == 200
    said = allowed(answer)
    assert set(said.pop("Access-Control-Expose-Headers").split(", ")) == {
        *("X-Request-ID", "ETag", "Location", "Retry-After", "Preference-Applied", "Content-Disposition"),
        *("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"),
    }
    assert said == {"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true"}
    assert answer.headers.getlist("Vary") == ["Origin"]


@pytest.mark.parametrize("origin", FOREIGN)
def test_a_page_of_others_may_not(client: FlaskClient, people: People, origin: str) -> None:
    answer = client.get("/api/business/bills", headers=people.ada.headers | {"Origin": origin}, base_url=HTTPS)
    assert allowed(answer) == {}
    assert answer.headers.getlist("Vary") == ["Origin"], "a cache must not give it to ours"
    assert allowed(preflight(client, origin)) == {}


def test_an_error_can_be_read_by_a_page_of_ours(client: FlaskClient, people: People) -> None:
    for path, status in (("/api/business/bills", 401), ("/api/nothing", 404), ("/api/test/fault", 500), ("/api/test/away", 503)):
        answer = client.get(path, headers={"Origin": OURS}, base_url=HTTPS)
        assert (answer.status_code, allowed(answer)["Access-Control-Allow-Origin"]) == (status, OURS)


def test_a_preflight_is_answered_before_anybody_has_signed_in(client: FlaskClient, people: People) -> None:
    wanted = (
        "authorization, content-type, if-match, if-none-match, idempotency-key, x-tenant-id, x-request-id, prefer, last-event-id"
    )
    answer = preflight(client, OURS, "/api/system/consent", "PATCH", wanted)
    assert (answer.status_code, answer.data, answer.content_type) == (204, b"", None)
    said = allowed(answer)
    assert said["Access-Control-Allow-Origin"] == OURS
    assert set(said["Access-Control-Allow-Headers"].split(", ")) == set(wanted.split(", "))
    assert set(said["Access-Control-Allow-Methods"].split(", ")) == {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
    assert said["Access-Control-Max-Age"] == "7200"


def test_a_header_that_nobody_needs_is_not_allowed(client: FlaskClient, people: People) -> None:
    said = allowed(preflight(client, OURS, ask="authorization, x-forwarded-for, cookie"))
    assert said["Access-Control-Allow-Headers"] == "authorization"


@pytest.mark.parametrize("path", ["/health", "/admin", "/nothing", "/apix"])
def test_only_the_api_may_be_asked_from_elsewhere(client: FlaskClient, people: People, path: str) -> None:
    answer = client.get(path, headers={"Origin": OURS}, base_url=HTTPS)
    assert allowed(answer) == {}
    assert "Vary" not in answer.headers


@pytest.mark.parametrize(
    ("said", "mine", "others"),
    [
        ("", ["http://localhost:3000", "http://localhost:3001", "http://127.0.0.1:3000"], ["http://localhost:3002", OURS, "null"]),
        (OURS, [OURS], ["http://localhost:3000"]),
    ],
)
def test_development_lets_its_own_pages_in_unless_others_are_named(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest, said: str, mine: list[str], others: list[str]
) -> None:
    with serving(settings_for(request, tmp_path_factory, CORS_ORIGINS=said)) as app:
        client = app.test_client()
        assert [allowed(preflight(client, origin)).get("Access-Control-Allow-Origin") for origin in mine] == mine
        assert [allowed(preflight(client, origin)) for origin in others] == [{}] * len(others)


def test_a_star_of_development_lets_anybody_in_but_without_cookies(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> None:
    with serving(settings_for(request, tmp_path_factory, CORS_ORIGINS="*")) as app:
        said = allowed(preflight(app.test_client(), "https://anybody.example"))
    assert said["Access-Control-Allow-Origin"] in ("*", "https://anybody.example")
    assert "Access-Control-Allow-Credentials" not in said


def test_production_without_a_list_lets_nobody_in(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> None:
    with serving(settings_for(request, tmp_path_factory, **PRODUCTION | {"CORS_ORIGINS": ""})) as app:
        assert [allowed(preflight(app.test_client(), origin)) for origin in (*KNOWN, *FOREIGN)] == [{}] * len(KNOWN + FOREIGN)


# --- whose word about the client is believed ---------------------------------------------------------

PEER = "198.51.100.9"
FORGED = {
    "X-Forwarded-For": "203.0.113.1, 203.0.113.2",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "1",
    "X-Forwarded-Prefix": "/evil",
    "X-Forwarded-Ssl": "on",
    "X-Real-Ip": "203.0.113.3",
    "Forwarded": "for=203.0.113.4;proto=https",
}


def mirrored(app: Flask, headers: dict[str, str], peer: str = PEER) -> dict[str, Any]:
    shown: dict[str, Any] = (
        app.test_client()
        .get("/api/test/mirror", headers=headers, environ_overrides={"REMOTE_ADDR": peer}, base_url="http://a.example")
        .json
    )
    return shown


@pytest.fixture(scope="module", params=[0, 1, 2])
def behind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Flask, int]]:
    """An application behind so many proxies."""
    with serving(settings_for(request, tmp_path_factory, TRUSTED_PROXY_HOPS=str(request.param))) as app:
        yield furnished(app), request.param


def test_exactly_so_many_proxies_are_believed(behind: tuple[Flask, int]) -> None:
    app, hops = behind
    shown = mirrored(
        app, FORGED | {"X-Forwarded-For": "192.0.2.66, 203.0.113.1, 203.0.113.2", "X-Forwarded-Proto": "http, https, https"}
    )
    assert shown["address"] == [PEER, "203.0.113.2", "203.0.113.1"][hops]
    assert shown["secure"] is (hops > 0)


def test_nothing_a_client_says_of_itself_gets_further(behind: tuple[Flask, int]) -> None:
    app, _ = behind
    shown = mirrored(app, FORGED)
    assert not [name for name in shown["headers"] if name.lower().startswith("x-forwarded") or name in ("Forwarded", "X-Real-Ip")]
    assert shown["headers"]["Host"] == "a.example"


def test_a_chain_that_is_too_short_was_not_made_by_our_proxies(behind: tuple[Flask, int]) -> None:
    app, hops = behind
    shown = mirrored(app, {"X-Forwarded-For": "203.0.113.1", "X-Forwarded-Proto": "https"})
    assert (shown["address"], shown["secure"]) == (("203.0.113.1", True) if hops == 1 else (PEER, False))


def test_a_client_cannot_make_its_connection_look_secure(behind: tuple[Flask, int]) -> None:
    """Talisman reads the header by itself: it would tell a browser of transport security over plain http."""
    app, hops = behind
    answer = app.test_client().get("/health/live", headers={"X-Forwarded-Proto": "https"}, base_url="http://a.example")
    assert ("Strict-Transport-Security" in answer.headers) is (hops == 1)


def test_a_client_of_production_cannot_talk_itself_out_of_the_redirect(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> None:
    with serving(settings_for(request, tmp_path_factory, **PRODUCTION | {"TRUSTED_PROXY_HOPS": "0"})) as app:
        answer = app.test_client().get("/api/business/bills", headers=FORGED, base_url="http://documents.example")
    assert (answer.status_code, answer.location) == (302, f"{HTTPS}/api/business/bills")


@pytest.mark.parametrize(
    "said", ["unknown", "_hidden", "203.0.113.256", "evil.example", "x" * 400, "", "203.0.113.1:80:90", "[::1"]
)
def test_what_is_no_address_is_not_taken_for_one(client: FlaskClient, app: Flask, people: People, said: str) -> None:
    assert mirrored(app, {"X-Forwarded-For": said, "X-Forwarded-Proto": "https"})["address"] == PEER


@pytest.mark.parametrize("said", ["javascript", "HTTPS", "ws", "x" * 100])
def test_what_is_no_scheme_is_taken_for_the_weaker(app: Flask, behind: tuple[Flask, int], said: str) -> None:
    assert mirrored(behind[0], {"X-Forwarded-Proto": said})["secure"] is False


@pytest.mark.parametrize(
    ("said", "plain"),
    [
        ("203.0.113.1", "203.0.113.1"),
        ("203.0.113.1:51234", "203.0.113.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:51234", "2001:db8::1"),
        ("::ffff:203.0.113.1", "203.0.113.1"),
        ("fe80::1%eth0", "fe80::1"),
        ("", ""),
        ("localhost", ""),
        ("1", ""),
    ],
)
def test_one_client_has_one_address(said: str, plain: str) -> None:
    assert plain_address(said) == plain


def test_the_audit_log_has_the_address_that_the_proxy_saw(client: FlaskClient, people: People, runtime: Runtime) -> None:
    job = submitted(runtime, people.ada)
    said = {"X-Forwarded-For": "203.0.113.1, 203.0.113.77:51234", "X-Request-ID": "cancelled-by-the-test"}
    answer = client.post(f"/api/ai/jobs/{job.id}/cancel", headers=people.ada.headers | said, base_url=HTTPS)
    assert answer.status_code == 200
    with runtime.database.snapshot() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.request_id == "cancelled-by-the-test")).one()
    assert entry.address == "203.0.113.77"
