"""The web server as it is shipped, for tests: real gunicorn with its workers."""

import contextlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any, Self

import httpx
import psutil

import config
from people import Person
from servers import free_port
from service import PLAIN, ROOT, left_behind_by_nobody

MIB = 1 << 20


class Web:
    """A gunicorn of our own, on a free port of this machine."""

    def __init__(
        self, settings: config.Settings, app: str = "wsgi:app", configuration: str = "gunicorn.conf.py", **environ: str
    ) -> None:
        directory = settings.directory
        directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.log = directory / f"web-{self.port}.log"
        said = {
            "APP_ENV": "test",
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "DATA_DIR": str(directory),
            "DATABASE_URL": settings.database,
            "REDIS_URL": settings.redis_url,
            "LOG_FORMAT": "json",
            "INTAKE_SECONDS": str(settings.intake_seconds),
            "JOBS_PER_MINUTE": str(settings.jobs_per_minute),
            "RATE_LIMIT_PER_MINUTE": str(settings.rate_limit_per_minute),
            "FAILED_SIGN_INS_PER_MINUTE": str(settings.failed_sign_ins_per_minute),
            "PATH": os.environ["PATH"],
            **environ,
        }
        command = [sys.executable, "-m", "gunicorn", "-c", configuration, "--pythonpath", "tests", app]
        with self.log.open("wb") as log:  # in a session of its own: a Ctrl-C of a test reaches its processes and not ours
            self.process = subprocess.Popen(command, cwd=ROOT, env=said, stdout=log, stderr=log, start_new_session=True)

    def __enter__(self) -> Self:
        with left_behind_by_nobody(self.stop):
            self._await_ready()
        return self

    def _await_ready(self) -> None:
        deadline = time.monotonic() + 90
        while True:
            assert self.process.poll() is None, self.log.read_text()
            try:
                if self.get("/health/ready", {}).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """TERM, as an operator would."""
        family = [psutil.Process(self.process.pid), *self.workers()] if self.process.poll() is None else []
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.resume()
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            for member in family:
                member.kill()
            self.process.wait(10)
            raise

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def workers(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()

    def get(self, path: str, headers: dict[str, str]) -> httpx.Response:
        """An answer over a connection of its own, so that any worker may give it."""
        return httpx.get(self.url + path, headers=headers, timeout=30, **PLAIN)

    def upload(self, person: Person, data: bytes) -> httpx.Response:
        files = {"file": ("a.pdf", io.BytesIO(data))}
        return httpx.post(f"{self.url}/api/business/bills/scan", headers=person.headers, files=files, timeout=60, **PLAIN)

    def lines(self) -> list[dict[str, Any]]:
        """What the log says, line by line; every line is JSON. The last may still be being written."""
        return [json.loads(line) for line in self.log.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def line_of(self, request_id: str) -> dict[str, Any]:
        """What the log says of a request; it may come after the answer."""
        deadline = time.monotonic() + 60
        while not (found := [line for line in self.lines() if line.get("request_id") == request_id]):
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)
        (line,) = found
        return line

    def said(self, event: str) -> list[dict[str, Any]]:
        """The lines of an event; gunicorn's own lines are no JSON."""
        whole = [line for line in self.log.read_text().splitlines(keepends=True) if line.endswith("\n")]
        lines = [json.loads(line) for line in whole if line.startswith("{")]
        return [line for line in lines if line["event"] == event]

    def await_limiter_back(self) -> None:
        """Until each process that found Redis away has found it again; each says so once."""
        deadline = time.monotonic() + 60
        while not (away := len(self.said("limiter away"))) or len(self.said("limiter back")) != away:
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)

    def upload_head(self, person: Person, length: int) -> bytes:
        """How an upload begins that is sent by hand, with `upload_body`."""
        return (
            "POST /api/business/bills/scan HTTP/1.1\r\nHost: test\r\nContent-Type: multipart/form-data; boundary=x\r\n"
            f"Content-Length: {length}\r\nAuthorization: {person.headers['Authorization']}\r\n\r\n"
        ).encode()


def upload_body(data: bytes) -> bytes:
    return b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n' + data + b"\r\n--x--\r\n"


def stream_lines(response: httpx.Response) -> Iterator[dict[str, Any]]:
    for line in response.iter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


def lines_to(process: psutil.Process, port: int) -> set[int]:
    """The local ports of a process's connections to a server; a socket that two processes share has one of them."""
    return {line.laddr.port for line in process.net_connections("tcp") if line.raddr and line.raddr.port == port}
