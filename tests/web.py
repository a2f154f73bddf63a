"""A real gunicorn for tests, without workers: the web server as it is shipped, on its own port."""

import io
import json
import os
import subprocess
import sys
import time
from typing import Any, Self

import httpx
import psutil

import config
from people import Person
from service import ROOT, free_port


class Web:
    """A gunicorn of our own, on a free port of this machine."""

    def __init__(self, settings: config.Settings, **environ: str) -> None:
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
            "JOBS_PER_MINUTE": str(settings.jobs_per_minute),
            "PATH": os.environ["PATH"],
            **environ,
        }
        command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=said, stdout=log, stderr=log)

    def __enter__(self) -> Self:
        deadline = time.monotonic() + 40
        while True:
            assert self.process.poll() is None, self.log.read_text()
            try:
                if self.get("/health/ready", {}).status_code == 200:
                    return self
            except httpx.TransportError:
                pass
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)

    def __exit__(self, *_: object) -> None:
        family = [psutil.Process(self.process.pid), *self.workers()] if self.process.poll() is None else []
        self.process.terminate()
        try:
            self.process.wait(35)
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
        return httpx.get(self.url + path, headers=headers, timeout=30, trust_env=False)

    def upload(self, person: Person, data: bytes) -> httpx.Response:
        files = {"file": ("a.pdf", io.BytesIO(data))}
        return httpx.post(f"{self.url}/api/business/bills/scan", headers=person.headers, files=files, timeout=60, trust_env=False)

    def lines(self) -> list[dict[str, Any]]:
        """What the log says, line by line; every line is JSON."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]
