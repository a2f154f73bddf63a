"""S3 servers for tests: moto in a thread of ours, or the real one that TEST_S3_ENDPOINT names (`make test-s3`); and bad ones."""

import contextlib
import os
import socket
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import config
from fresh import make_settings


@dataclass(frozen=True)
class Bucket:
    """A bucket, and the keys that open it."""

    endpoint: str
    name: str
    access_key: str
    secret_key: str
    real: bool = False

    def settings(self, directory: Path, database_url: str = "", **environ: str) -> config.Settings:
        said = {
            "SPACES_ENDPOINT": self.endpoint,
            "SPACES_BUCKET": self.name,
            "SPACES_ACCESS_KEY": self.access_key,
            "SPACES_SECRET_KEY": self.secret_key,
        }
        return make_settings(directory, database_url or f"sqlite:///{directory}/none.db", **said | environ)

    def at(self, endpoint: str) -> "Bucket":
        return replace(self, endpoint=endpoint)

    @property
    def client(self) -> Any:
        """Past the storage, to look at and to spoil what lies there."""
        import boto3

        keys = {"aws_access_key_id": self.access_key, "aws_secret_access_key": self.secret_key}
        return boto3.client("s3", endpoint_url=self.endpoint, region_name="us-east-1", **keys)


@contextlib.contextmanager
def bucket() -> Iterator[Bucket]:
    """An empty bucket at a server."""
    named = os.environ.get("TEST_S3_ENDPOINT", "")
    name = f"papers-{uuid.uuid4().hex[:12]}"
    if named:
        keys = os.environ["TEST_S3_ACCESS_KEY"], os.environ["TEST_S3_SECRET_KEY"]
        made = Bucket(named, name, *keys, real=True)
        made.client.create_bucket(Bucket=name)
        yield made
        return
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    made = Bucket("http://{}:{}".format(*server.get_host_and_port()), name, "access", "secret")
    made.client.create_bucket(Bucket=name)
    yield made
    server.stop()


class Answers:
    """A server that reads a request and then sends what it was told, whatever was asked; None: nothing, ever."""

    def __init__(self, answer: bytes | None) -> None:
        self._answer, self.asked = answer, 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._held: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # closed: the end
            while True:
                line, _ = self._listening.accept()
                self.asked += 1
                line.settimeout(5)
                if self._answer is None:
                    self._held.append(line)
                    continue
                with line:
                    seen = b""
                    while b"\r\n\r\n" not in seen:
                        seen += line.recv(65536)
                    line.sendall(self._answer)

    def __enter__(self) -> "Answers":
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for line in self._held:
            line.close()


def spoil_on_the_way(client: Any, data: bytes) -> None:
    """From now on the bytes of what this client stores change after they were signed."""

    def spoil(request: Any, **_: Any) -> None:
        request.body = data

    client.meta.events.register("before-send.s3.PutObject", spoil)
