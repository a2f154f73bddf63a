"""One request to a hosted engine and its answer, in time. Faults of the network and statuses become NotAnswered here and
nowhere else; requests follow no redirect, and no line of a log or an error has a word of what was said.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any, Never

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, NewConnectionError

from akount.db import now
from akount.hosted.refusals import NotAnswered

CONNECT_SECONDS = 5
MAX_ANSWER = 4 << 20
"""Bytes of an answer that are read."""
BUSY = frozenset({408, 409, 425, 429})
"""Statuses that may be others in a moment, as may all from 500 on."""
REFUSED_KEY = frozenset({401, 402, 403, 404})
"""The key, the account or the model is not good: no document will fare better."""


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """What is sent where. It has no repr: it holds a key and a document."""

    url: str
    headers: dict[str, str]
    body: bytes


class _Line(HTTPAdapter):
    """Keeps the connection in reach, so that it can be cut: a time-out of the library begins anew with every byte."""

    def __init__(self) -> None:
        self.made: list[Any] = []
        self.late = False
        super().__init__()

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        """As the library does, with connections that are remembered."""
        pool = super().get_connection_with_tls_context(*args, **kwargs)
        plain = type(pool).ConnectionCls

        def remembered(*args: Any, **kwargs: Any) -> Any:
            self.made.append(plain(*args, **kwargs))
            return self.made[-1]

        pool.ConnectionCls = remembered  # type: ignore[assignment]
        return pool

    def cut(self) -> None:
        """Ends whatever is said on it, from another thread."""
        self.late = True
        for connection in self.made:
            with suppress(OSError, AttributeError):
                connection.sock.shutdown(socket.SHUT_RDWR)


def ask(request: Request, seconds: float, *, method: str = "POST") -> dict[str, Any]:
    """The answer of a request, a JSON object; it is cut off after so many seconds. Raises NotAnswered."""
    line = _Line()
    timer = threading.Timer(seconds, line.cut)
    timer.daemon = True
    timer.start()
    try:
        status, headers, content = _exchange(line, method, request, seconds)
    except (requests.RequestException, HTTPError, OSError, ValueError) as error:  # ValueError: a key that fits no header
        _lost(error, late=line.late)
    finally:
        timer.cancel()
    if line.late:
        _lost(requests.ReadTimeout(), late=True)
    if status != 200:
        _refused(status, headers)
    if len(content) > MAX_ANSWER:
        raise NotAnswered("its answer was too long", "hosted_bad_answer", cost=None)
    said = parsed(content)
    if not isinstance(said, dict):
        raise NotAnswered("its answer was not understood", "hosted_bad_answer", cost=None)
    return said


def _exchange(line: _Line, method: str, request: Request, seconds: float) -> tuple[int, Mapping[str, str], bytes]:
    with requests.Session() as session:
        session.mount("https://", line)
        session.mount("http://", line)
        answer = session.request(
            method,
            request.url,
            data=request.body,
            headers=request.headers,
            auth=_as_it_is,
            timeout=(min(CONNECT_SECONDS, seconds), seconds),
            allow_redirects=False,
            stream=True,
        )
        return answer.status_code, answer.headers, answer.raw.read(MAX_ANSWER + 1, decode_content=True)


def _as_it_is(request: Any) -> Any:
    """Keeps the library from looking for a password in ~/.netrc, which would take the place of the key."""
    return request


def _lost(error: Exception, *, late: bool) -> Never:
    """Nobody knows whether the engine has worked and what that costs, unless it was never reached, or nothing could be sent."""
    cause = getattr(error.args[0], "reason", None) if error.args else None
    never_reached = isinstance(error, (requests.ConnectTimeout, ValueError)) or isinstance(cause, NewConnectionError)
    late = late or isinstance(error, requests.Timeout)
    why, code = ("it did not answer in time", "hosted_timed_out") if late else ("the connection broke", "hosted_cut_off")
    raise NotAnswered(why, code, passing=True, blames=True, cost=0 if never_reached else None) from None


def _refused(status: int, headers: Mapping[str, str]) -> Never:
    if status in BUSY or status >= 500:
        code, why = ("hosted_rate_limited", "it is asked too often") if status == 429 else ("hosted_failed", "it failed")
        wait = retry_after(headers.get("Retry-After", ""))
        raise NotAnswered(f"{why} (status {status})", code, passing=True, blames=True, retry_after=wait)
    if status in REFUSED_KEY:
        raise NotAnswered(f"it does not take our key or model (status {status})", "hosted_refused_key", blames=True)
    raise NotAnswered(f"it does not take this document (status {status})", "hosted_refused_document")


def retry_after(said: str) -> float | None:
    """Seconds that a server asks to wait, as a number or until a date; None: it says nothing sensible."""
    with suppress(ValueError):
        seconds = float(said)
        return max(0.0, seconds) if math.isfinite(seconds) else None
    with suppress(ValueError, TypeError):
        at = parsedate_to_datetime(said)
        return max(0.0, (at.astimezone(dt.UTC) - now()).total_seconds())
    return None


def parsed(text: str | bytes) -> Any:
    """JSON with exact numbers. Raises NotAnswered."""
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise NotAnswered("its answer was not understood", "hosted_bad_answer", cost=None) from None


def _no_number(_text: str) -> Never:
    raise ValueError
