"""Requests a second, how long the slow ones take, and what each costs, of one contestant for some seconds."""

from __future__ import annotations

import functools
import http.client
import itertools
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.service.contestants import Contestant, redis_bytes

CLIENTS = 8
KIB = 1 << 10
_SERIAL = b"0" * 32

Request = tuple[str, str, bytes | None, dict[str, str]]
"""Method, path, body, headers."""


@dataclass(frozen=True)
class Figures:
    """Of one contestant in one round."""

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    "of the web server's processes for each request"


def paper(size: int) -> bytes:
    """A PDF of so many bytes that nobody has sent before."""
    return _form(size).replace(_SERIAL, uuid.uuid4().hex.encode())


@functools.cache
def _form(size: int) -> bytes:
    """One with a place for a number. Its bytes are in a stream, where scanners put theirs, and its table of objects is
    right: a PDF that has to be mended costs who looks into it as much as reading it all."""
    return _bound(b"x" * (size - len(_bound(b""))))


def _bound(stream: bytes) -> bytes:
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] >>",
        b"<< /Serial (%s) /Length %010d >>\nstream\n%s\nendstream" % (_SERIAL, len(stream), stream),
    )
    out, places = b"%PDF-1.4\n", []
    for number, each in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    trailer = b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%010d\n%%%%EOF\n" % (len(objects) + 1, len(out))
    return out + head + table + trailer


def uploads(one: Contestant, size: int) -> Iterator[Request]:
    edge = b"----------------bench"
    head = b'--%s\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\nContent-Type: application/pdf\r\n\r\n' % edge
    headers = one.headers | {"Content-Type": f"multipart/form-data; boundary={edge.decode()}"}
    while True:
        yield "POST", one.upload, head + paper(size) + b"\r\n--%s--\r\n" % edge, headers


def asks(one: Contestant, path: str) -> Iterator[Request]:
    return itertools.repeat(("GET", path, None, one.headers))


def measure(one: Contestant, requests: Callable[[], Iterator[Request]], seconds: float, keep: list[str] | None = None) -> Figures:
    """Eight clients, each over one connection that is kept; `keep` takes the ids of the jobs. Any other answer than 2xx
    ends the run: who refuses is not fast."""
    times: list[float] = []
    faults: list[str] = []
    until = time.monotonic() + seconds

    def client() -> None:
        line = http.client.HTTPConnection("127.0.0.1", one.port, timeout=60)
        for method, path, body, headers in requests():
            started = time.monotonic()
            if started >= until or faults:
                break
            line.request(method, path, body=body, headers=headers)
            answer = line.getresponse()
            said = answer.read()
            times.append(time.monotonic() - started)
            if not 200 <= answer.status < 300:
                faults.append(f"{one.name}: {method} {path}: {answer.status} {said[:300]!r}")
            elif keep is not None and body is not None:
                keep.append(json.loads(said)["jobId"])
        line.close()

    before, started = one.cpu_seconds(), time.monotonic()
    clients = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    if faults or not times:
        raise SystemExit("\n".join(faults) or f"{one.name}: no answer at all")
    times.sort()
    took, count = time.monotonic() - started, len(times)
    cpu = (one.cpu_seconds() - before) * 1000 / count
    return Figures(count / took, times[count // 2] * 1000, times[int(count * 0.99)] * 1000, cpu)


def waiting_bytes(one: Contestant, size: int, count: int) -> float | None:
    """Bytes of Redis for each document that waits; None: it has no Redis."""
    if not one.redis_url:
        return None
    before = redis_bytes(one.redis_url)
    line = http.client.HTTPConnection("127.0.0.1", one.port, timeout=60)
    for method, path, body, headers in itertools.islice(uploads(one, size), count):
        line.request(method, path, body=body, headers=headers)
        line.getresponse().read()
    line.close()
    return (redis_bytes(one.redis_url) - before) / count
