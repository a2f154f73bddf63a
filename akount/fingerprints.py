"""What makes two failures the same failure: the queue, the code, the error's class, the place in our code, and the message
without what differs from document to document."""

from __future__ import annotations

import hashlib
import re
import traceback
from dataclasses import dataclass
from pathlib import Path

from akount.errors import AkountError

LENGTH = 16
"""Of a fingerprint, in hexadecimal digits."""
ORIGIN_LENGTH = 160
MESSAGE_LENGTH = 300
"""So much of a message counts."""

_HOME = Path(__file__).resolve().parent
_QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”|«[^»]*»|(?<!\w)'[^']*'(?!\w)")
_LONG_HEX = re.compile(r"\b(?=[0-9a-f-]*\d)[0-9a-f][0-9a-f-]{7,}\b", re.IGNORECASE)
_NUMBER = re.compile(r"\d[\d.,:_/-]*")


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a job failed, for people who mend it. Without text of the document."""

    fingerprint: str
    origin: str
    "the error's class and the innermost place in our own code: `KeyError in pipeline._book`"
    frames: str
    "the way there, one line a call, the innermost last; without the error's message, which may quote the document"


def cause(queue: str, error: AkountError) -> Cause:
    """Why a job of a queue failed. Where `error` stands for a fault of ours, that is its `__cause__`."""
    origin, fault = _origin(error), error.__cause__ or error
    message = plain(error.detail if fault is error else str(fault))
    parts = "\n".join((queue, error.code, origin, message))
    return Cause(hashlib.sha256(parts.encode()).hexdigest()[:LENGTH], origin, _frames(fault))


def plain(message: str) -> str:
    """A message without numbers, ids and what it quotes."""
    text = _LONG_HEX.sub("#", _QUOTED.sub("'…'", message[: MESSAGE_LENGTH * 2]))
    return " ".join(_NUMBER.sub("#", text).split())[:MESSAGE_LENGTH]


def _origin(error: AkountError) -> str:
    fault = error.__cause__ or error
    places = [f"{_module(f.filename)}.{f.name}" for f in traceback.extract_tb(fault.__traceback__) if _module(f.filename)]
    name = type(fault).__name__
    return (f"{name} in {places[-1]}" if places else name)[:ORIGIN_LENGTH]


def _module(filename: str) -> str:
    """The module of ours that a file is, such as extraction.pdf; empty for a library's."""
    path = Path(filename)
    return ".".join(path.relative_to(_HOME).with_suffix("").parts) if path.is_relative_to(_HOME) else ""


def _frames(fault: BaseException) -> str:
    """Each call as `module.function:line`; of libraries the file's name."""
    found = traceback.extract_tb(fault.__traceback__)[-40:]
    return "\n".join(f"{_module(f.filename) or Path(f.filename).name}.{f.name}:{f.lineno}" for f in found)
