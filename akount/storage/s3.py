"""Files in a bucket of any S3-compatible server, private and encrypted where they lie."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, BinaryIO
from urllib.parse import quote

from akount import logs
from akount.storage.incoming import Damaged, Incoming, Spooling, StorageAway, translated
from config import Settings

log = logs.get(__name__)

CONNECT_SECONDS, READ_SECONDS, TRIES = 3, 10, 2
"""A request to the server: to connect, for each piece of an answer, and how often it is sent in all."""
CONNECTIONS = 32
"""Kept open, of one process; more threads than that open more."""
CHUNK = 1 << 18
OURS = re.compile(r"[0-9a-f-]{36}/[0-9a-f-]{36}/documents/\d{4}/[0-9a-f-]{36}")
"""In a bucket that is shared, nothing else is ours to sweep."""
REFUSALS = {
    "InvalidAccessKeyId": "it does not know SPACES_ACCESS_KEY",
    "SignatureDoesNotMatch": "SPACES_SECRET_KEY is not that of the access key",
    "AccessDenied": "the access key may not do this in SPACES_BUCKET",
    "NoSuchBucket": "there is no SPACES_BUCKET of that name",
    "RequestTimeTooSkewed": "the clock of this machine is wrong",
    "NotImplemented": "it does not understand what was asked; SPACES_ENCRYPTION=none may help",
    "InvalidArgument": "it does not understand what was asked; SPACES_ENCRYPTION=none may help",
}


class S3Storage(Spooling):
    """Files in one bucket. Neither boto3 is loaded nor a connection made before the first verb.

    What goes there is signed with the checksum of its bytes, so the server refuses what was damaged on the way. What
    comes back is checked before anybody sees a byte of it; it lies in a nameless file of this host meanwhile."""

    def __init__(self, settings: Settings, bucket: str) -> None:
        super().__init__(settings.directory / "incoming")
        self._settings, self._bucket = settings, bucket
        self._lock = threading.Lock()
        self._made: Any = None

    @property
    def _client(self) -> Any:
        with self._lock:
            if self._made is None:
                self._made = _connect(self._settings)
            return self._made

    def put(self, key: str, incoming: Incoming) -> None:
        encryption = self._settings.spaces_encryption
        asked = {} if encryption == "none" else {"ServerSideEncryption": encryption}
        incoming.seek(0)
        with incoming.path.open("rb") as body, _translated():
            self._client.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=body,
                ContentLength=incoming.size,
                Metadata={"sha256": incoming.sha256},
                **asked,
            )

    def open(self, key: str, sha256: str) -> BinaryIO:
        with translated():
            self._incoming.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = tempfile.TemporaryFile(dir=self._incoming)  # noqa: SIM115  closed below or by the caller
        with ExitStack() as stack:
            stack.callback(file.close)
            if self._fetch(key, file) != sha256:
                raise Damaged
            file.seek(0)
            stack.pop_all()
        return file

    def _fetch(self, key: str, file: Any) -> str:
        """The checksum of what came."""
        digest = hashlib.sha256()
        with _translated():
            for piece in self._client.get_object(Bucket=self._bucket, Key=key)["Body"].iter_chunks(CHUNK):
                digest.update(piece)
                file.write(piece)
        return digest.hexdigest()

    def delete(self, key: str) -> None:
        with _translated():
            self._client.delete_object(Bucket=self._bucket, Key=key)

    def link(self, key: str, *, filename: str, media_type: str, seconds: int) -> str:
        said = {
            "ResponseContentDisposition": f"attachment; filename*=UTF-8''{quote(filename, safe='')}",
            "ResponseContentType": media_type,
            "ResponseCacheControl": "no-store",
        }
        asked = {"Bucket": self._bucket, "Key": key, **said}
        return str(self._client.generate_presigned_url("get_object", Params=asked, ExpiresIn=seconds))

    def keys(self, older_than: dt.datetime) -> Iterator[str]:
        with _translated():
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket):
                for found in page.get("Contents", ()):
                    if found["LastModified"] < older_than and OURS.fullmatch(found["Key"]):
                        yield found["Key"]

    def ping(self) -> None:
        super().ping()
        with _translated():
            self._client.head_bucket(Bucket=self._bucket)

    def create(self) -> bool:
        """Makes the bucket, private as every new one is; False: it is there."""
        with suppress(StorageAway):
            self.ping()
            return False
        region = self._settings.spaces_region
        where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        with _translated():
            self._client.create_bucket(Bucket=self._bucket, **where)
        return True

    def close(self) -> None:
        with self._lock:
            if self._made is not None:
                self._made.close()
                self._made = None


def _connect(settings: Settings) -> Any:
    """A client of its own session. Checksums only where the protocol wants them: what boto3 adds by itself other
    servers do not understand."""
    import boto3
    from botocore.config import Config

    session = boto3.session.Session(
        aws_access_key_id=settings.spaces_access_key,
        aws_secret_access_key=settings.spaces_secret_key,
        region_name=settings.spaces_region,
    )
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": TRIES},
        max_pool_connections=CONNECTIONS,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        signature_version="s3v4",
        s3={"payload_signing_enabled": True, "addressing_style": "path"},
    )
    return session.client("s3", endpoint_url=settings.spaces_endpoint, config=config)


@contextmanager
def _translated() -> Iterator[None]:
    """As `translated`, for what boto3 raises, some of which is an OSError too."""
    from botocore.exceptions import BotoCoreError, ClientError

    with translated():
        try:
            yield
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code == "NoSuchKey":
                raise FileNotFoundError(code) from error
            log.warning("storage refuses", asked=error.operation_name, code=code)
            raise StorageAway(REFUSALS.get(code, f"it refuses {error.operation_name} with {code}")) from error
        except BotoCoreError as error:
            raise StorageAway(f"{type(error).__name__} at SPACES_ENDPOINT") from error
