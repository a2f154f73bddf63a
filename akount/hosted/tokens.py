"""What the engines that count tokens have in common."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from akount.extraction.copies import Copy

MAX_TOKENS = 8_000
"""Of an answer."""
PAGE_TOKENS = 6_000
"""More than any engine counts for a picture of ours."""
ROOM_TOKENS = 12_000
"""For prompt, schema and words: more than they come to."""


def price(cents: int) -> Decimal:
    """Of a token, in millionths of a US dollar, by the cents that a million of them cost."""
    return Decimal(cents) / 100


def most(copy: Copy) -> tuple[int, int]:
    """The most that may be counted for a copy, read and written."""
    return PAGE_TOKENS * len(copy.pictures) + ROOM_TOKENS, MAX_TOKENS


def counted(said: dict[str, Any], reading: str, writing: str) -> tuple[int, int] | None:
    """The two numbers of an answer's `usage`; None: it does not say."""
    told = said.get("usage")
    numbers = (told.get(reading), told.get(writing)) if isinstance(told, dict) else (None, None)
    if all(type(number) is int and 0 <= number < 100_000_000 for number in numbers):
        return numbers  # type: ignore[return-value]
    return None
