"""Passwords of local accounts: the rules for new ones, and argon2id at rest."""

from __future__ import annotations

import functools
import threading
import unicodedata
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from akount.errors import Invalid, Unavailable

MIN_LENGTH, MAX_LENGTH = 10, 200
FEWEST_CHARACTERS = 4
"""Different ones: ten times the same is no password."""
COMMON = Path(__file__).with_name("common_passwords.txt")

HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
"""19 MiB and 2 passes: about 20 ms."""
NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$tvdQJsGKRpKMQf9eX16ziw$bdSFQwzKIzytGCj3acGdBmSmyQ8x5tHohVZBk+sGckA"
"""The hash that is looked at where there is none, so that the answer takes as long."""
PLACES, PATIENCE = 4, 2.0
"""So many passwords are looked at at once in a process, each with its 19 MiB; who waits longer (seconds) is sent away."""
_places = threading.BoundedSemaphore(PLACES)


def require_good(password: str, email: str) -> None:
    """Raises Invalid for a password that is too short or too long, everybody's, or the person's own address.

    Long and not common is what counts; what it is made of does not (NIST SP 800-63B)."""
    said = _normal(password).casefold()
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise Invalid(f"A password has {MIN_LENGTH} to {MAX_LENGTH} characters.", code="weak_password")
    if said in (email.casefold(), email.casefold().partition("@")[0]):
        raise Invalid("Your own address is no password.", code="weak_password")
    if said in _common() or len(set(said)) < FEWEST_CHARACTERS:
        raise Invalid("This password is one of the first that anybody would try; choose another.", code="weak_password")


def digest(password: str) -> str:
    """What is kept of a password."""
    return HASHER.hash(_bytes(password))


def matches(kept: str | None, password: str) -> bool:
    """Whether this is the password of which that is kept; without any the same time passes. Raises Unavailable in a crowd."""
    if not _places.acquire(timeout=PATIENCE):
        raise Unavailable("Too many people sign in at this moment; try again in a few seconds.", code="busy", retry_after=3)
    try:
        return HASHER.verify(kept or NOBODY, _bytes(password)) and kept is not None
    except (VerificationError, InvalidHashError):
        return False
    finally:
        _places.release()


def outdated(kept: str) -> bool:
    """Whether a password was hashed in a way that is not today's."""
    return HASHER.check_needs_rehash(kept)


def _normal(password: str) -> str:
    """The same characters whatever keyboard wrote them."""
    return unicodedata.normalize("NFKC", password)


def _bytes(password: str) -> bytes:
    """Also of half a character, which JSON can say."""
    return _normal(password).encode("utf-8", "surrogatepass")


@functools.cache
def _common() -> frozenset[str]:
    return frozenset(COMMON.read_text(encoding="utf-8").split())
