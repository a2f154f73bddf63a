"""Characters that are not what they look like: of another direction, of no width, digits of other scripts."""

from __future__ import annotations

import re
import unicodedata

OVERRIDES = "\u202a\u202b\u202d\u202e\u2066\u2067\u2068"
"""Characters that make what follows run the other way."""
UNPRINTED = re.compile(r"[\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")

_LOOKALIKES = str.maketrans("\u041e\u043e\u039f\u03bf\u0406\u0456\u0399\u04c0", "00001111")  # Cyrillic and Greek O and I


def is_disguised(text: str) -> bool:
    """Whether a word is a number in digits of another script, or in letters that look like digits."""
    if text.isascii():
        return False
    if any(unicodedata.category(char) == "Nd" and not char.isascii() for char in text):
        return True
    plain = text.translate(_LOOKALIKES)
    return plain != text and re.search(r"[0-9]", text) is not None and re.fullmatch(r"\W*[0-9][0-9.,]*\W*", plain) is not None
