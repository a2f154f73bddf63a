"""HEIC: boxes in boxes; the picture, its properties and its description are items of one box, found by offsets."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from akount.photos.structure import MAX_PARTS, Lost, Piece

_HEIC_KEPT = (b"ftyp", b"meta", b"mdat", b"moov", b"free", b"skip")


def heic(data: memoryview) -> Iterator[Piece]:
    """The same file with zeroes for what describes the picture and for boxes that are no part of it. How the camera was
    held stands among the properties of the picture, which are kept."""
    changed = bytearray(data)
    for name, at, body, end in _boxes(changed, 0, len(changed)):
        if name == b"meta":
            _forget_items(changed, body + 4, end)
        elif name not in _HEIC_KEPT:
            changed[at + 4 : at + 8] = b"free"
            changed[body:end] = bytes(end - body)
    yield bytes(changed)


def _boxes(data: bytearray, at: int, end: int) -> Iterator[tuple[bytes, int, int, int]]:
    """Name, start, start of the content and end of each box."""
    for _ in range(MAX_PARTS):
        if at + 8 > end:
            return
        size, name = struct.unpack_from(">I4s", data, at)
        body = at + 8
        if size == 1:
            size, body = struct.unpack_from(">Q", data, at + 8)[0], at + 16
        stop = end if size == 0 else min(at + size, end)
        if stop < body:
            raise Lost
        yield name, at, body, stop
        at = stop
    raise Lost


def _forget_items(data: bytearray, at: int, end: int) -> None:
    """Overwrites the items of a meta box that are EXIF or XMP, and makes them items of no known type."""
    inside = {name: (body, stop) for name, _, body, stop in _boxes(data, at, end)}
    if b"iinf" not in inside or b"iloc" not in inside:
        return
    body, stop = inside[b"iinf"]
    told = set()
    for name, _, start, _stop in _boxes(data, body + (6 if data[body] == 0 else 8), stop):
        if name == b"infe" and data[start] >= 2:
            wide = data[start] >= 3
            place = start + 4 + (4 if wide else 2) + 2
            if bytes(data[place : place + 4]) in (b"Exif", b"mime", b"uri "):
                told.add(struct.unpack_from(">I" if wide else ">H", data, start + 4)[0])
                data[place : place + 4] = b"skip"
    store = inside.get(b"idat", (0, 0))[0]
    for item, method, offset, length in _extents(data, *inside[b"iloc"]):
        start = offset + (store if method == 1 else 0)
        if item in told and 0 < start < len(data):
            last = min(start + length, len(data))
            data[start:last] = bytes(last - start)


def _extents(data: bytearray, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Item, method (0: offsets into the file, 1: into idat), offset and length of each part that the box iloc names."""
    version = data[at]
    sizes = struct.unpack_from(">H", data, at + 4)[0]
    offset_size, length_size, base_size, index_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15, sizes & 15
    at += 6

    def number(size: int) -> int:
        nonlocal at
        if at + size > end:
            raise Lost
        at += size
        return int.from_bytes(data[at - size : at], "big")

    for _ in range(min(number(4 if version == 2 else 2), MAX_PARTS)):
        item = number(4 if version == 2 else 2)
        method = number(2) & 15 if version else 0
        number(2)
        base = number(base_size)
        for _ in range(number(2)):
            if version:
                number(index_size)
            offset = number(offset_size)
            yield item, method, base + offset, number(length_size)
