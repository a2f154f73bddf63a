"""Requests a second, how long the slow ones take, and what each costs, of one contestant for some seconds."""

from __future__ import annotations

import http.client
import itertools
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.service.contestants import Contestant, redis_bytes
from make import pdf

CLIENTS = 8
KIB = 1 << 10
_base = pdf("Invoice")

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
    mark = b"%%PDF-1.4\n%% %s\n" % uuid.uuid4().hex.encode()
    rest = _base[_base.index(b"\n") + 1 :]
    return mark + rest + b"\n%" + b"x" * (size - len(mark) - len(rest) - 2)


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
