"""The real thing for end-to-end tests: `python -m akount run` with web, workers and readers, on its own port and data."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil

from akount.kinds import KINDS
from servers import free_port

ROOT = Path(__file__).parent.parent
PLAIN = {"trust_env": False, "verify": False}
"""For httpx, over HTTP: no proxy, and no certificates, whose reading takes longer than the request."""


class Service:
    """A running service with its demo tenant; everything it starts ends with it."""

    def __init__(self, directory: Path, **environ: str) -> None:
        self.directory = directory
        self.port = free_port()
        self.environ = plain_environment() | {
            "DATA_DIR": str(directory / "var"),
            "PORT": str(self.port),
            "LOG_FORMAT": "json",
            "WEB_PROCESSES": "2",
            "JOBS_PER_MINUTE": "1000000",
            "RATE_LIMIT_PER_MINUTE": "1000000",
            **environ,
        }
        self.log = directory / "service.log"

    def __enter__(self) -> "Service":
        self.directory.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as log:
            command = [sys.executable, "-m", "akount", "run"]
            self.process = subprocess.Popen(command, cwd=ROOT, env=self.environ, stdout=log, stderr=log)
        with left_behind_by_nobody(self.stop):
            self.await_ready()
        credentials = json.loads((self.directory / "var" / "credentials.json").read_text())
        self.client = httpx.Client(
            base_url=self.address, headers={"Authorization": f"Bearer {credentials['api_key']}"}, timeout=60, **PLAIN
        )
        return self

    def __exit__(self, *_exc: object) -> None:
        self.client.close()
        self.stop()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def await_ready(self) -> None:
        ends = time.monotonic() + 120
        while time.monotonic() < ends:
            assert self.process.poll() is None, self.log.read_text()
            try:
                if httpx.get(f"{self.address}/health/ready", timeout=2, **PLAIN).status_code == 200:
                    break
            except httpx.HTTPError:
                pass
            time.sleep(0.1)
        else:
            raise AssertionError(self.log.read_text())
        while self.log.read_text().count("worker ready") < 2:
            assert time.monotonic() < ends, self.log.read_text()
            time.sleep(0.1)

    def stop(self) -> int:
        """TERM, as an operator would; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        finally:
            for child in self.family():
                child.kill()

    def family(self) -> list[psutil.Process]:
        """Every process of the service that lives, parents first."""
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    @contextlib.contextmanager
    def asleep(self) -> Iterator[None]:
        """With the workers stopped in their tracks, so that messages stay where they are."""
        workers = [process for kind in KINDS.values() for process in self.workers(kind.queue)]
        for process in workers:
            process.suspend()
        try:
            yield
        finally:
            for process in workers:
                process.resume()

    def workers(self, queue: str) -> list[psutil.Process]:
        """The consumer of a queue and what it started."""
        consumers = [
            p for p in self.family() if "--queue" in p.cmdline() and queue in p.cmdline() and p.parent().pid == self.process.pid
        ]
        return [process for consumer in consumers for process in (consumer, *consumer.children(recursive=True))]

    def upload(self, data: bytes, name: str = "document.pdf", plural: str = "bills") -> dict[str, Any]:
        answer = self.client.post(f"/api/business/{plural}/scan", files={"file": (name, data)})
        assert answer.status_code == 202, answer.text
        return answer.json()

    def status(self, upload: dict[str, Any]) -> dict[str, Any]:
        return self.client.get(upload["statusUrl"]).json()

    def result(self, upload: dict[str, Any], seconds: float = 120) -> dict[str, Any]:
        """The job when it is over."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            job = self.client.get(upload["statusUrl"], headers={"Prefer": "wait=2"}).json()
            if job["status"] in ("completed", "failed", "cancelled"):
                return job
        raise AssertionError(f"no result in {seconds} s: {job}\n{self.log.read_text()[-4000:]}")

    def await_status(self, upload: dict[str, Any], status: str, seconds: float = 90) -> dict[str, Any]:
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            job = self.status(upload)
            if job["status"] == status:
                return job
            time.sleep(0.05)
        raise AssertionError(f"not {status} in {seconds} s: {job}")

    def records(self, plural: str = "bills") -> list[dict[str, Any]]:
        """All records, over every page."""
        found, cursor = [], ""
        while True:
            page = self.client.get(f"/api/business/{plural}", params={"cursor": cursor, "limit": 200}).json()
            found += page["items"]
            cursor = page["nextCursor"]
            if not cursor:
                return found


@contextlib.contextmanager
def left_behind_by_nobody(stop: Callable[[], object]) -> Iterator[None]:
    """What does not come up in time is stopped: the tests of others would find it, or Python would in the middle of them."""
    try:
        yield
    except BaseException:
        stop()
        raise


def plain_environment() -> dict[str, str]:
    """This process's environment without settings that name real servers or data."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("REDIS_", "DATABASE_", "DATA_", "APP_"))}
