"""TIFF, and the EXIF blocks of other formats, which are small TIFFs: directories of tags, anywhere in the file.

What is taken out is overwritten where it stands, so that nothing moves.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from akount.photos.structure import MAX_PARTS, Lost, Piece

ORIENTATION = 0x0112
_TIFF_HEAD = b"II*\x00\x08\x00\x00\x00"
_TIFF_TOLD = {
    *(269, 270, 271, 272, 285, 305, 306, 315, 316, 333, 700, 33432, 33723, 34377, 34665, 34853, 37724, 50341, 50706, 50740),
    *range(40091, 40096),
}
_TIFF_INSIDE = {34665, 34853, 40965}
_TIFF_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_SUB_DIRECTORIES = 330


def tiff(data: memoryview) -> Iterator[Piece]:
    """The same file without the tags that tell of people and places, and with zeroes where their values were."""
    changed = bytearray(data)
    order = "<" if changed[:2] == b"II" else ">"
    waiting, done, tags = [struct.unpack_from(order + "I", changed, 4)[0]], set(), 0
    while waiting:
        at = waiting.pop()
        if at in done or not 8 <= at <= len(changed) - 2:
            continue
        done.add(at)
        entries = _tiff_entries(changed, order, at)
        tags += len(entries) + 1
        if tags > MAX_PARTS:
            raise Lost
        after = at + 2 + 12 * len(entries)
        following = changed[after : after + 4]
        kept = [entry for entry in entries if entry[0] not in _TIFF_TOLD]
        for entry in entries:
            if entry[0] in _TIFF_TOLD:
                _forget(changed, order, entry)
            elif entry[0] == _SUB_DIRECTORIES and entry[2] <= 64:
                waiting += struct.unpack_from(f"{order}{entry[2]}I", changed, _tiff_place(changed, order, entry))
        table = struct.pack(order + "H", len(kept)) + b"".join(entry[4] for entry in kept) + following
        changed[at : after + 4] = table.ljust(2 + 12 * len(entries) + len(following), b"\0")
        if len(following) == 4:
            waiting.append(struct.unpack(order + "I", following)[0])
    yield bytes(changed)


_Entry = tuple[int, int, int, int, bytes]
"""Tag, type, count, where it stands, and its 12 bytes."""


def _tiff_entries(data: bytearray, order: str, at: int) -> list[_Entry]:
    count = struct.unpack_from(order + "H", data, at)[0]
    places = range(at + 2, min(at + 2 + 12 * count, len(data) - 11), 12)
    return [(*struct.unpack_from(order + "HHI", data, place), place, bytes(data[place : place + 12])) for place in places]


def _tiff_place(data: bytearray, order: str, entry: _Entry) -> int:
    """Where the values of a tag stand: in the tag itself when they fit."""
    inline = entry[3] + 8
    return inline if _tiff_size(entry) <= 4 else struct.unpack_from(order + "I", data, inline)[0]


def _tiff_size(entry: _Entry) -> int:
    return _TIFF_BYTES.get(entry[1], 1) * entry[2]


def _forget(data: bytearray, order: str, entry: _Entry, depth: int = 2) -> None:
    """Overwrites the values of a tag, and of a directory of tags all of theirs."""
    at = _tiff_place(data, order, entry)
    if entry[0] in _TIFF_INSIDE and depth:
        start = struct.unpack_from(order + "I", data, entry[3] + 8)[0]
        if not 8 <= start <= len(data) - 2:
            return
        inside = _tiff_entries(data, order, start)[:1000]
        for one in inside:
            _forget(data, order, one, depth - 1)
        at, size = start, 2 + 12 * len(inside)
    else:
        size = _tiff_size(entry)
    if 8 <= at < len(data):
        end = min(at + size, len(data))
        data[at:end] = bytes(end - at)


def orientation(tiff: memoryview) -> int | None:
    """What the first directory of an EXIF block says of how the camera was held, 1 to 8."""
    data = bytearray(tiff[:65_536])
    if bytes(data[:4]) not in (b"II*\0", b"MM\0*"):
        return None
    order = "<" if data[:2] == b"II" else ">"
    try:
        entries = _tiff_entries(data, order, struct.unpack_from(order + "I", data, 4)[0])
        said = [struct.unpack_from(order + "H", entry[4], 8)[0] for entry in entries if entry[0] == ORIENTATION]
    except struct.error:
        return None
    return said[0] if said and 1 <= said[0] <= 8 else None


def only_turned(turned: int) -> bytes:
    """An EXIF block that says how the camera was held, and nothing else."""
    return _TIFF_HEAD + struct.pack("<HHHIHHI", 1, ORIENTATION, 3, 1, turned, 0, 0)
