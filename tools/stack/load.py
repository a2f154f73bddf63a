"""Clients of a stack: a mix of what people and pages ask, over connections that are kept; who was failed is counted."""

import http.client
import json
import random
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from make import pdf

UPLOADS = 0.02
"""Of all requests; the others ask how far a job is, who they are, what there is, and whether all is well."""
TIMEOUT = 60.0
PAGES = ("/api/session", "/health/live", "/api/business/bills?limit=20", "/health/ready")


@dataclass
class Tally:
    """What came of the requests."""

    asked: int = 0
    failures: list[str] = field(default_factory=list)
    jobs: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.asked + other.asked,
            self.failures + other.failures,
            self.jobs + other.jobs,
            self.statuses + other.statuses,
            self.seconds + other.seconds,
        )


class Load:
    """`clients` threads, until so many requests were sent or it is told to stop."""

    def __init__(self, address: str, headers: dict[str, str], clients: int, requests: int | None = None, pause: float = 0) -> None:
        self.tally = Tally()
        self._host = urlsplit(address).netloc
        self._headers, self._pause = headers, pause
        self._left = requests
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask_all, name=f"client {n}", daemon=True) for n in range(clients)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> Tally:
        """What came of it all; every request that was sent has been answered."""
        self._stop.set()
        for thread in self._threads:
            thread.join(TIMEOUT + 5)
        return self.tally

    @property
    def running(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def _turn(self) -> bool:
        with self._lock:
            if self._left is not None:
                self._left -= 1
            return not self._stop.is_set() and (self._left is None or self._left >= 0)

    def _ask_all(self) -> None:
        line, mine = self._connect(), random.Random(threading.get_ident())
        while self._turn():
            started = time.monotonic()
            if mine.random() < UPLOADS:
                method, path, body, kind = "POST", "/api/business/bills/scan", *_form(pdf(f"Invoice {uuid.uuid4()}"))
            else:
                method, path, body, kind = "GET", self._page(mine), None, {}
            try:
                line.request(method, path, body=body, headers=self._headers | kind)
                answer = line.getresponse()
                self._note(path, answer.status, answer.read(), time.monotonic() - started)
            except (OSError, http.client.HTTPException) as error:
                self._note(path, 0, repr(error).encode(), time.monotonic() - started)
                line.close()
                line = self._connect()
            if self._pause:
                self._stop.wait(self._pause)
        line.close()

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self._host, timeout=TIMEOUT)

    def _page(self, mine: random.Random) -> str:
        with self._lock:
            if self.tally.jobs and mine.random() < 0.6:
                return f"/api/ai/jobs/{self.tally.jobs[-1 - mine.randrange(min(len(self.tally.jobs), 50))]}"
        return mine.choice(PAGES)

    def _note(self, path: str, status: int, body: bytes, seconds: float) -> None:
        with self._lock:
            self.tally.asked += 1
            self.tally.statuses[status] += 1
            self.tally.seconds.append(seconds)
            if not 200 <= status < 300:
                self.tally.failures.append(f"{path}: {status} {body[:200].decode(errors='replace')}")
            elif path.endswith("/scan"):
                self.tally.jobs.append(json.loads(body)["jobId"])


def _form(data: bytes) -> tuple[bytes, dict[str, str]]:
    edge = uuid.uuid4().hex
    head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n'.encode()
    return head + data + f"\r\n--{edge}--\r\n".encode(), {"Content-Type": f"multipart/form-data; boundary={edge}"}
