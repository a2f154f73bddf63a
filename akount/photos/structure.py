"""What following the structure of a file needs, whatever its format."""

MAX_PARTS = 100_000
"""Segments, chunks, tags or boxes that are followed; a photo has a hundred, a PNG of 10 MiB a thousand."""

Piece = bytes | memoryview


class Lost(Exception):
    """The structure leads nowhere."""
