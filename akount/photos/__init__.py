"""What a photo tells beside its pixels (place, time, maker, thumbnails) is taken out before it is stored; pixels are not touched.

Pure functions over bytes, with parsers of our own that follow lengths and nothing else: no decoder runs in a web process.
Orientation is kept, or the page would lie on its side; colour profiles are kept, or it would look wrong. What cannot be
followed to a picture is left to the reader, whose verdict comes anyway.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from akount.photos import boxes, parts, tags
from akount.photos.structure import Lost, Piece

_CLEANERS: dict[str, Callable[[memoryview], Iterator[Piece]]] = {
    "image/jpeg": parts.jpeg,
    "image/png": parts.png,
    "image/webp": parts.webp,
    "image/tiff": tags.tiff,
    "image/heic": boxes.heic,
}
FORMATS = frozenset(_CLEANERS)


def without_metadata(data: memoryview, media_type: str) -> list[Piece] | None:
    """The file in pieces, without what its pixels do not show; None when it is fit to be stored as it is."""
    clean = _CLEANERS.get(media_type)
    if clean is None:
        return None
    try:
        pieces = list(clean(data))
    except (Lost, struct.error, IndexError):
        return None
    return None if _same(pieces, data) else pieces


def _same(pieces: list[Piece], data: memoryview) -> bool:
    at = 0
    for piece in pieces:
        if data[at : at + len(piece)] != piece:
            return False
        at += len(piece)
    return at == len(data)
