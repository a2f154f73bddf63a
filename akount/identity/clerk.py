"""Session tokens of Clerk: what a good one says, and the public keys that show which are good (A2)."""

from __future__ import annotations

import datetime as dt
import json
import re
import threading
import time
from dataclasses import dataclass
from typing import Any

import jwt
import requests
from urllib3.exceptions import HTTPError

from akount import logs
from akount.errors import Unauthenticated, Unavailable
from config import ClerkInstance, Settings

log = logs.get(__name__)

ALGORITHM = "RS256"
MIN_KEY_BITS = 2048
LEEWAY_SECONDS = 5
MAX_TOKEN = 8192
"""Characters. Clerk keeps its own below 4,096, so that they fit into a cookie."""

PATIENCE = 2.0
"""Seconds that a fetch of the keys may take, and that anybody waits for one."""
FRESH = 300.0
"""Seconds after which the keys are fetched again, while the old ones serve."""
REST = 5.0
"""Seconds without a fetch after one that failed."""
LOST = 10.0
"""Seconds after which a fetch that was to be over is waited for no longer: another may begin."""
UNKNOWN_REST = 10.0
"""Seconds between two fetches for tokens that name a key nobody knows: forged ones must not drive us."""
MAX_KEYS_BYTES = 262_144

_AWAY = (requests.RequestException, HTTPError)
_NO_KEY_SET = (jwt.PyJWTError, ValueError, TypeError, LookupError, AttributeError)
_STRANGE = (TypeError, ValueError, OverflowError)
"""What the library and the calendar raise for times that are lists, words or beyond all bounds."""
_ID = re.compile(r"\w{1,64}", re.ASCII)
_REQUIRED = ["exp", "nbf", "iat", "iss", "sub", "azp"]


@dataclass(frozen=True, slots=True)
class Claims:
    """What a good token says: who, when it was made, and in which organisation as what (without "org:")."""

    user: str
    issued_at: dt.datetime
    organisation: str | None = None
    role: str | None = None


def open_verifier(settings: Settings) -> Verifier | None:
    """The verifier of a process; None where there is no Clerk. Nothing is fetched before the first token."""
    instance = settings.clerk
    return None if instance is None else Verifier(instance, waiters=max(1, settings.web_threads // 2))


class Verifier:
    """Tells good session tokens of one instance from all others."""

    def __init__(self, instance: ClerkInstance, *, waiters: int) -> None:
        self._instance = instance
        self._keys = KeySet(instance.jwks_url, waiters=waiters)

    def claims(self, token: str) -> Claims:
        """What the token says. Raises Unauthenticated, one and the same whatever is wrong; Unavailable when no key is known."""
        try:
            said = self._verified(token)
            issued_at = dt.datetime.fromtimestamp(said["iat"], dt.UTC)
        except (jwt.PyJWTError, *_STRANGE):
            raise Unauthenticated from None
        if said["azp"] not in self._instance.parties or said.get("sts") == "pending":
            raise Unauthenticated
        return _claims(said, issued_at)

    def _verified(self, token: str) -> dict[str, Any]:
        if len(token) > MAX_TOKEN:
            raise Unauthenticated
        header = jwt.get_unverified_header(token)
        kid = header.get("kid")
        if header.get("alg") != ALGORITHM or header.get("typ", "JWT") != "JWT" or not isinstance(kid, str):
            raise Unauthenticated
        key = self._keys.find(kid)
        if key is None:
            raise Unauthenticated
        said: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],  # fixed: what the token says of it chooses nothing
            issuer=self._instance.issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": _REQUIRED, "verify_aud": False},  # Clerk says azp, not aud
        )
        return said


def _claims(said: dict[str, Any], issued_at: dt.datetime) -> Claims:
    """Both shapes: `o: {id, rol}` of version 2, `org_id` and `org_role` of version 1."""
    compact = said.get("o")
    found = (compact.get("id"), compact.get("rol")) if isinstance(compact, dict) else (said.get("org_id"), said.get("org_role"))
    organisation, role = found
    for one in (said["sub"], organisation):
        if one is not None and not (isinstance(one, str) and _ID.fullmatch(one)):
            raise Unauthenticated
    plain = role.removeprefix("org:") if isinstance(role, str) else None
    return Claims(said["sub"], issued_at, organisation, plain)


class _Fetch:
    """One fetch under way."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.ends = time.monotonic() + PATIENCE


class KeySet:
    """The public keys of an instance, fetched by a thread of their own, one at a time.

    Known keys serve whatever becomes of the endpoint. Somebody waits only for a key that is not known: at most PATIENCE,
    and at most `waiters` at once; the others are answered from what is known."""

    def __init__(self, url: str, *, waiters: int) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(waiters)
        self._keys: dict[str, Any] = {}
        self._fetch: _Fetch | None = None
        self._away = False
        self._fresh_until = self._rest_until = self._unknown_rest_until = 0.0

    def find(self, kid: str) -> Any | None:
        """The key of that name; None: there is no such key. Raises Unavailable while no key is known at all."""
        key = self._keys.get(kid)
        if key is not None:
            if time.monotonic() > self._fresh_until:
                self._begin(unknown=False)
            return key
        self._await(self._begin(unknown=bool(self._keys)))
        if not self._keys:
            raise Unavailable("Sign-in cannot be checked at the moment; try again.", code="identity_unavailable", retry_after=REST)
        return self._keys.get(kid)

    def _begin(self, *, unknown: bool) -> _Fetch | None:
        """The fetch that runs, or a new one; None: it is not the time for one."""
        with self._lock:
            at = time.monotonic()
            if self._fetch is not None and at < self._fetch.ends + LOST:
                return self._fetch
            if at < self._rest_until or (unknown and at < self._unknown_rest_until):
                return None
            if unknown:
                self._unknown_rest_until = at + UNKNOWN_REST
            self._fetch = _Fetch()
            threading.Thread(target=self._run, args=[self._fetch], name="clerk-keys", daemon=True).start()
            return self._fetch

    def _await(self, fetch: _Fetch | None) -> None:
        if fetch is None or not self._places.acquire(blocking=False):
            return
        try:
            fetch.done.wait(max(0.0, fetch.ends - time.monotonic()))
        finally:
            self._places.release()

    def _run(self, fetch: _Fetch) -> None:
        keys: dict[str, Any] = {}
        try:
            keys = _usable(_body(self._url, fetch.ends))
            self._say(None)
        except (*_AWAY, *_NO_KEY_SET) as error:
            self._say(error)
        finally:
            with self._lock:
                at = time.monotonic()
                if keys:
                    self._keys, self._fresh_until = keys, at + FRESH
                else:
                    self._rest_until = at + REST
                if self._fetch is fetch:
                    self._fetch = None
            fetch.done.set()

    def _say(self, error: Exception | None) -> None:
        """Once for an outage, and once at its end."""
        was_away, self._away = self._away, error is not None
        if error is not None and not was_away:
            log.warning("clerk's keys not fetched", error=type(error).__name__, known=len(self._keys))
        elif error is None and was_away:
            log.info("clerk's keys fetched again")


def _body(url: str, ends: float) -> bytes:
    """What the endpoint says. Raises one of _AWAY, also for an answer that drips."""
    body = b""
    with requests.get(url, timeout=PATIENCE, stream=True, allow_redirects=False) as answer:
        if answer.status_code != 200:
            raise requests.HTTPError(str(answer.status_code))
        while piece := answer.raw.read1(65_536, decode_content=True):
            body += piece
            if len(body) > MAX_KEYS_BYTES or time.monotonic() > ends:
                raise requests.Timeout
    return body


def _usable(body: bytes) -> dict[str, Any]:
    """The keys for RS256 by their names. Raises one of _NO_KEY_SET for what is none."""
    found = {}
    for one in json.loads(body)["keys"]:
        if one.get("kty") == "RSA" and one.get("use", "sig") == "sig" and isinstance(one.get("kid"), str):
            key = jwt.PyJWK(one, ALGORITHM).key
            if key.key_size >= MIN_KEY_BITS:
                found[one["kid"]] = key
    if not found:
        raise ValueError("no key")
    return found
