"""What comes in: the type of a file by its content, its name made harmless, what is refused at the door, and what of a
photo is not kept (E5)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from pathlib import PurePosixPath

from akount import logs, photos
from akount.errors import Invalid, OutOfBounds, TooLarge, Unavailable, UnsupportedType
from akount.extraction.sandbox import SharedSandbox
from akount.storage import Incoming

log = logs.get(__name__)

HEAD = 4096
"""Bytes that are looked at."""

_XML_ROOT = re.compile(rb"<(?:[A-Za-z_][\w.\-]*:)?(CrossIndustryInvoice|CrossIndustryDocument|Invoice|CreditNote)[\s>/]")
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")


def media_type(head: bytes) -> str | None:
    """The type of a file by its first bytes, never by its name; None for what is not taken."""
    return next((found for found, fits in _SIGNATURES if fits(head)), None)


def _is_pdf(head: bytes) -> bool:
    """%PDF- within the first KiB, as readers allow; but markup that only speaks of it is another file."""
    at = head[:1024].find(b"%PDF-")
    before = head[: max(at, 0)].lstrip(b"\xef\xbb\xbf\x00 \t\r\n")
    return at >= 0 and not before.startswith((b"<", b"{", b"PK", b"%!PS"))


def _is_xml(head: bytes) -> bool:
    """An XML file at all: which one it is, and whether it is an invoice, the reader says with a better sentence."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        head = head.decode("utf-16", "ignore").encode()
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    return text.startswith(b"<?xml") or (text.startswith(b"<") and _XML_ROOT.search(text) is not None)


_SIGNATURES: tuple[tuple[str, Callable[[bytes], bool]], ...] = (
    ("image/png", lambda head: head.startswith(b"\x89PNG\r\n\x1a\n")),
    ("image/jpeg", lambda head: head.startswith(b"\xff\xd8\xff")),
    ("image/webp", lambda head: head[:4] == b"RIFF" and head[8:12] == b"WEBP"),
    ("image/tiff", lambda head: head[:4] in (b"II*\x00", b"MM\x00*")),
    ("image/heic", lambda head: head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS),
    ("application/pdf", _is_pdf),
    ("application/xml", _is_xml),
)


def clean_filename(name: str | None) -> str:
    """The sender's name for a file, fit to be shown: no path, no control or direction characters, at most 200 long."""
    last = PurePosixPath((name or "").replace("\\", "/").replace("\0", "")).name
    shown = "".join(c for c in unicodedata.normalize("NFC", last) if unicodedata.category(c)[0] != "C").strip(" .")
    return shown[-200:] or "document"


def too_large(limit: int) -> TooLarge:
    """The refusal of a file that has more bytes than its sender may send."""
    return TooLarge(f"The file is larger than {limit / 1048576:g} MiB, the most that may be sent; send a smaller one.")


def admit(incoming: Incoming, limit: int) -> str:
    """The media type of a file that may come in. Raises TooLarge, Invalid (empty), UnsupportedType."""
    if incoming.too_large:
        raise too_large(limit)
    return known_type(incoming.head(HEAD))


def known_type(head: bytes) -> str:
    """The type of a file by its first bytes. Raises Invalid (empty), UnsupportedType."""
    if not head:
        raise Invalid("The file is empty; choose another.", code="empty_file")
    found = media_type(head)
    if found is None:
        raise UnsupportedType
    return found


def look(opener: SharedSandbox, incoming: Incoming, media_type: str, seconds: float) -> None:
    """Refuses what a worker would refuse for the way it is built, in the worker's words: raises Unreadable. What cannot be
    told in `seconds`, or while others have the opener, comes in, and the worker says it."""
    if not seconds:
        return
    try:
        with opener.held(seconds) as sandbox:
            sandbox.look(incoming.file, media_type, seconds)
    except (OutOfBounds, Unavailable) as error:
        log.info("file not judged at the door", code=error.code, type=media_type, size=incoming.size)


def forget_metadata(incoming: Incoming, media_type: str) -> bool:
    """Takes out of a photo what it tells beside its pixels. Answers whether there was anything."""
    if media_type not in photos.FORMATS:
        return False
    pieces = photos.without_metadata(incoming.view(), media_type)
    if pieces is None:
        return False
    incoming.replace(pieces)
    return True
