"""A real nginx, with the configuration that is shipped, in front of a real gunicorn (D4, E4, E5, E6)."""

import io
import json
import os
import re
import signal
import socket
import time
from collections.abc import Iterator

import httpx
import psutil
import pytest
from sqlalchemy import select

import config
from akount import accounts
from akount.lifecycle import Runtime
from akount.models import AuditEntry
from akount.plans import Plan
from fresh import make_settings, postgres_copy
from make import pdf, submitted
from people import People, settle_in
from proxy import NGINX, Proxy
from servers import Server
from web import MIB, Web, stream_lines

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed: apt install nginx-light")

FORGED = {
    "X-Forwarded-For": "203.0.113.1",
    "X-Real-IP": "203.0.113.2",
    "Forwarded": "for=203.0.113.3",
    "X-Forwarded-Proto": "https",
}
OURS = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, postgres: Server) -> config.Settings:
    return make_settings(tmp_path_factory.mktemp("web"), postgres_copy(postgres), RATE_LIMIT_PER_MINUTE="1000")


@pytest.fixture(scope="module")
def people(runtime: Runtime) -> People:
    return settle_in(runtime.database)


@pytest.fixture(scope="module")
def web(runtime: Runtime) -> Iterator[Web]:
    with Web(runtime.settings, TRUSTED_PROXY_HOPS="1", WEB_PROCESSES="2") as web:
        yield web


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory, web: Web) -> Iterator[Proxy]:
    with Proxy(tmp_path_factory.mktemp("nginx"), f"127.0.0.1:{web.port}") as proxy:
        yield proxy


@pytest.fixture
def client(proxy: Proxy, people: People) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=proxy.url, headers=people.ada.headers, timeout=30, trust_env=False) as client:
        yield client


def upload(client: httpx.Client, data: bytes, **headers: str) -> httpx.Response:
    return client.post("/api/business/bills/scan", files={"file": ("a.pdf", io.BytesIO(data))}, headers=headers)


def raw(proxy: Proxy, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", proxy.port), 10) as line:
        line.settimeout(20)
        line.sendall(request)
        answer = b""
        while part := line.recv(65536):
            answer += part
        return answer


def padded(size: int, word: str) -> bytes:
    start = pdf(word)
    return start + b"\n%" + b"x" * (size - len(start) - 2)


def test_the_address_is_the_one_that_nginx_has_seen_whatever_a_client_says(client: httpx.Client, runtime: Runtime) -> None:
    sent = upload(client, pdf("through nginx"), **FORGED)
    assert sent.status_code == 202, sent.text
    with runtime.database.snapshot() as session:
        entry = session.scalars(select(AuditEntry).order_by(AuditEntry.created_at.desc())).first()
        assert entry is not None
        assert entry.address == "127.0.0.1"


@pytest.mark.parametrize(("plan", "size"), [(None, 10), (Plan.FREE, 5), (Plan.ENTERPRISE, 50)])
def test_the_largest_file_of_a_plan_comes_through_and_one_byte_more_is_told_by_the_service(
    client: httpx.Client, runtime: Runtime, people: People, plan: Plan | None, size: int
) -> None:
    with runtime.database.transaction() as session:
        accounts.set_plan(session, people.ada.actor.tenant, plan)
    assert upload(client, padded(size * MIB, f"exactly {size}")).status_code == 202
    for more in (1, 100_000):  # told when it has come, and when it is announced
        for _ in range(5):  # a machine too busy to take the refused body off the line is said to be away
            refused = upload(client, padded(size * MIB + more, "more"))
            if refused.status_code != 503:
                break
        assert (refused.status_code, refused.json()["code"]) == (413, "file_too_large")
        assert f"larger than {size} MiB" in refused.json()["detail"]


@pytest.mark.parametrize(("path", "size"), [("bills/scan", 52), ("invoices/scan", 52), ("bills", 12)])
def test_what_is_larger_than_any_form_is_refused_by_nginx_in_our_shape(client: httpx.Client, path: str, size: int) -> None:
    sent = {"file": ("a.pdf", io.BytesIO(bytes(size * MIB)))}
    answer = client.post(f"/api/business/{path}", files=sent, headers={"X-Request-ID": "huge-1234"})
    assert_problem(answer, 413, "file_too_large", "huge-1234")


def test_an_event_stream_comes_as_it_happens(client: httpx.Client, runtime: Runtime, people: People) -> None:
    job = submitted(runtime, people.ada)
    with client.stream("GET", f"/api/ai/jobs/{job.id}/stream") as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        lines = stream_lines(response)
        assert next(lines)["event"] == "connected"
        assert next(lines)["state"] == "waiting"
        cancelled = httpx.post(f"{client.base_url}/api/ai/jobs/{job.id}/cancel", headers=people.ada.headers, trust_env=False)
        assert cancelled.status_code == 200, cancelled.text
        assert next(lines)["event"] == "failed"


def test_the_request_id_is_one_for_nginx_and_the_service(client: httpx.Client, proxy: Proxy, web: Web) -> None:
    assert client.get("/api/session", headers={"X-Request-ID": "from-client-1"}).headers["X-Request-ID"] == "from-client-1"
    made = client.get("/api/session", headers={"X-Request-ID": "not sane!"}).headers["X-Request-ID"]
    assert re.fullmatch("[0-9a-f]{32}", made)
    assert {"from-client-1", made} <= {line.get("request_id") for line in web.said("request")}
    logged = [json.loads(line) for line in proxy.access_log.read_text().splitlines()]
    assert {"from-client-1", made} <= {line["request_id"] for line in logged}


def test_a_ticket_does_not_stand_in_the_log(client: httpx.Client, proxy: Proxy) -> None:
    client.get("/api/session?ticket=verysecret")
    assert "verysecret" not in proxy.access_log.read_text()


def test_metrics_are_not_for_the_outside(client: httpx.Client, web: Web) -> None:
    assert_problem(client.get("/metrics", headers={"X-Request-ID": "metrics-1"}), 404, "not_found", "metrics-1")
    assert web.get("/metrics", {}).status_code != 404


def assert_problem(answer: httpx.Response, status: int, code: str, request_id: str | None = None) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert (body["status"], body["code"], body["type"]) == (status, code, f"urn:akount:problem:{code}")
    assert body["detail"]
    assert body["title"]
    assert body["requestId"] == answer.headers["X-Request-ID"]
    assert request_id in (None, body["requestId"])
    for name, value in OURS.items():
        assert answer.headers.get_list(name) == [value], name
    assert "nginx/" not in str(answer.headers)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 70_000 + b"\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\n\r\n", 400),
        (b"TRACE /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405),
        (b"POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 10\r\n\r\nGET / HTTP", 400),
        (b"POST /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\nConnection: close\r\n\r\n", 400),
    ],
    ids=["long address", "long header", "no host", "trace", "both lengths", "two lengths", "strange encoding"],
)
def test_what_is_no_proper_http_is_refused_in_our_shape(proxy: Proxy, request_: bytes, status: int) -> None:
    answer = raw(proxy, request_)
    head, _, body = answer.partition(b"\r\n\r\n")
    got = int(head.split()[1])
    assert got == status, head
    assert answer.count(b"HTTP/1.1 ") == 1, "nothing hidden in it is answered"
    assert b"application/problem+json" in head, head
    assert json.loads(body)["status"] == status


def test_a_web_server_that_is_away_is_said_to_be_away(
    runtime: Runtime, people: People, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with (
        Web(runtime.settings, TRUSTED_PROXY_HOPS="1", WEB_PROCESSES="1") as web,
        Proxy(tmp_path_factory.mktemp("nginx"), f"127.0.0.1:{web.port}") as proxy,
    ):
        assert httpx.get(proxy.url + "/api/session", headers=people.ada.headers, trust_env=False).status_code == 200
        os.kill(web.process.pid, signal.SIGTERM)
        web.process.wait(35)
        answer = httpx.get(proxy.url + "/api/session", headers=people.ada.headers, trust_env=False)
        assert_problem(answer, 503, "unavailable")
        assert int(answer.headers["Retry-After"]) >= 1
        large = httpx.Client(base_url=proxy.url, headers=people.ada.headers, trust_env=False, timeout=30)
        with large:  # larger than what is let in elsewhere: it is the service that is away, not the file that is too large
            assert_problem(upload(large, padded(20 * MIB, "away")), 503, "unavailable")


def test_connections_to_the_web_server_are_kept(client: httpx.Client, proxy: Proxy, web: Web) -> None:
    """A connection a request would cost more than the request."""
    for _ in range(20):
        client.get("/api/session")
    lines = [c for p in psutil.Process(proxy.process.pid).children() for c in p.net_connections("tcp") if c.raddr]
    kept = [c for c in lines if c.raddr.port == web.port and c.status == psutil.CONN_ESTABLISHED]
    assert kept
    time.sleep(0.2)
    assert client.get("/api/session").status_code == 200
