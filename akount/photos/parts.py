"""JPEG, PNG and WebP: one part after the other, each with its length. The parts that make the picture are kept."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator

from akount.photos.structure import MAX_PARTS, Lost, Piece
from akount.photos.tags import only_turned, orientation

# JPEG: markers with lengths; entropy-coded data up to the next marker

_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_KEPT_APPS = {0xE0: (b"JFIF\0",), 0xE2: (b"ICC_PROFILE\0",), 0xEE: (b"Adobe",)}


def jpeg(data: memoryview) -> Iterator[Piece]:
    """Tables, frames and scans; of the rest what colours need. What follows the picture (other pictures, films) is cut off."""
    turned, kept, seen = 1, [], False
    at = 2
    for _ in range(MAX_PARTS):
        found = _MARKER.search(data, at)
        if found is None:  # cut off: the reader will say so
            break
        start, marker = found.start(), data[found.start() + 1]
        if marker == 0xD9:
            break
        size = 0 if marker in (0x01, 0xD8) else struct.unpack_from(">H", data, start + 2)[0]
        end = start + 2 + size
        body = data[start + 4 : end]
        if marker == 0xE1 and bytes(body[:6]) == b"Exif\0\0":
            turned = orientation(body[6:]) or turned
        elif marker == 0xDA:
            following = _MARKER.search(data, end)
            end = following.start() if following else len(data)
            seen = True
        if not (0xE0 <= marker <= 0xEF or marker == 0xFE) or bytes(body).startswith(_KEPT_APPS.get(marker, ())):
            kept.append(data[start:end])
        at = end
    else:
        raise Lost
    if not seen:
        raise Lost
    yield b"\xff\xd8"
    if turned != 1:
        exif = b"Exif\0\0" + only_turned(turned)
        yield b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    yield from kept
    if found is not None:
        yield b"\xff\xd9"


# PNG: chunks with lengths

_PNG_CHUNKS = (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT", b"pHYs", b"cICP", b"bKGD")


def png(data: memoryview) -> Iterator[Piece]:
    """The chunks that make the picture, one after the other; whatever follows the last one is cut off."""
    yield data[:8]
    at = 8
    for _ in range(MAX_PARTS):
        if at + 8 > len(data):
            return
        size, name = struct.unpack_from(">I4s", data, at)
        end = at + 12 + size
        if name == b"eXIf":
            turned = orientation(data[at + 8 : end - 4]) or 1
            if turned != 1:
                yield _png_chunk(b"eXIf", only_turned(turned))
        elif name in _PNG_CHUNKS:
            yield data[at:end]
        if name == b"IEND":
            return
        at = end
    raise Lost


def _png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


# WebP: chunks in a RIFF, whose first one tells what follows

_WEBP_CHUNKS = (b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ICCP", b"ANIM", b"ANMF")
_WEBP_EXIF, _WEBP_XMP = 0x08, 0x04


def webp(data: memoryview) -> Iterator[Piece]:
    """The chunks that make the picture, with a first one that promises no others."""
    whole = min(len(data), 8 + struct.unpack_from("<I", data, 4)[0])
    kept: list[Piece] = []
    turned, at = 1, 12
    for _ in range(MAX_PARTS):
        if at + 8 > whole:
            break
        name, size = struct.unpack_from("<4sI", data, at)
        end = at + 8 + size + size % 2
        if name == b"EXIF":
            body = data[at + 8 : at + 8 + size]
            turned = orientation(body[6:] if bytes(body[:6]) == b"Exif\0\0" else body) or turned
        elif name in _WEBP_CHUNKS:
            kept.append(data[at : min(end, whole)])
        at = end
    else:
        raise Lost
    if kept and bytes(kept[0][:4]) == b"VP8X":
        flags = kept[0][8] & ~(_WEBP_EXIF | _WEBP_XMP) | (_WEBP_EXIF if turned != 1 else 0)
        kept[0] = bytes(kept[0][:8]) + bytes([flags]) + bytes(kept[0][9:])
        if turned != 1:
            exif = only_turned(turned)
            kept.append(b"EXIF" + struct.pack("<I", len(exif)) + exif)
    lost = max(0, 8 + struct.unpack_from("<I", data, 4)[0] - len(data))  # as cut off as it was
    yield b"RIFF" + struct.pack("<I", 4 + sum(map(len, kept)) + lost) + b"WEBP"
    yield from kept
