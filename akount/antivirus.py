"""Asks clamd whether a file is infected (INSTREAM): it is sent in pieces, and the answer is one line.

Configured and not to be had means that nothing is taken in: what nobody has looked at must not get in unseen.
"""

from __future__ import annotations

import socket
import struct
from typing import BinaryIO

from akount import logs
from akount.errors import Invalid, Unavailable
from config import Settings

log = logs.get(__name__)

PIECE = 1 << 16
SECONDS = 20.0
"""For each step of the conversation; a file of 10 MiB takes clamd about one."""
MAX_ANSWER = 4096


class Infected(Invalid):
    """The file is infected with malware and was not taken in; look at the machine that it comes from."""

    code = "infected"


class AntivirusAway(Unavailable):
    """Files cannot be checked for viruses at the moment, so none is taken in; try again in a minute."""

    code = "antivirus_unavailable"


def examine(settings: Settings, file: BinaryIO) -> None:
    """Raises Infected, or AntivirusAway when clamd does not give a clear answer; does nothing where none is configured."""
    if not settings.clamav_host:
        return
    try:
        said = _ask(settings.clamav_host, settings.clamav_port, file)
    except OSError as error:
        log.warning("antivirus does not answer", error=type(error).__name__)
        raise AntivirusAway(retry_after=30) from error
    if said.endswith(" FOUND"):
        log.warning("infected file refused", signature=said.removeprefix("stream: ").removesuffix(" FOUND"))
        raise Infected
    if said != "stream: OK":
        log.warning("antivirus gives no clear answer", said=said)
        raise AntivirusAway(retry_after=30)


def ping(settings: Settings) -> bool:
    """Whether clamd answers."""
    try:
        with socket.create_connection((settings.clamav_host, settings.clamav_port), SECONDS) as line:
            line.sendall(b"zPING\0")
            return _answer(line) == "PONG"
    except OSError:
        return False


def _ask(host: str, port: int, file: BinaryIO) -> str:
    """What clamd says of a file, from its beginning."""
    file.seek(0)
    with socket.create_connection((host, port), SECONDS) as line:
        try:
            line.sendall(b"zINSTREAM\0")
            while piece := file.read(PIECE):
                line.sendall(struct.pack(">I", len(piece)) + piece)
            line.sendall(struct.pack(">I", 0))
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has heard enough, and says so: a file above its own limit
        return _answer(line)


def _answer(line: socket.socket) -> str:
    """Up to the zero byte that ends an answer."""
    heard = b""
    while b"\0" not in heard and len(heard) < MAX_ANSWER:
        more = line.recv(MAX_ANSWER)
        if not more:
            break
        heard += more
    return "".join(c if c.isprintable() else "?" for c in heard.split(b"\0")[0].decode("ascii", "replace"))
