"""Secrets at rest that must be read again: sealed with keys made of SECRET_KEY, and opened with those of its predecessors too.

Fernet (AES-128-CBC and HMAC-SHA256) of `cryptography`; nothing here is of our own making.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from akount.errors import AkountError


class NotOurs(AkountError):
    """A secret was sealed with a SECRET_KEY that is not known any more; name it in SECRET_KEY_PREVIOUS, or make another secret."""

    code = "sealed_with_another_key"


class Seal:
    """Seals with the last of the service's secrets, opens with any of them."""

    def __init__(self, secrets: Sequence[str]) -> None:
        keys = [Fernet(_key(secret)) for secret in reversed(secrets)]
        self._newest, self._all, self._oldest = keys[0], MultiFernet(keys), secrets[0]

    def close(self, secret: str) -> str:
        """The secret, sealed."""
        return self._newest.encrypt(secret.encode()).decode()

    def open(self, sealed: str) -> str:
        """What was sealed. Raises NotOurs."""
        try:
            return self._all.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise NotOurs from None

    def renew(self, sealed: str) -> str:
        """Sealed with the newest secret: the same where it is already. Raises NotOurs."""
        try:
            self._newest.decrypt(sealed.encode())
        except InvalidToken:
            return self.close(self.open(sealed))
        return sealed

    def derived(self, name: str) -> bytes:
        """What was made of the service's secret, by name, when nothing was sealed yet."""
        return hmac.new(self._oldest.encode(), name.encode(), hashlib.sha256).digest()


def _key(secret: str) -> bytes:
    made = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"akount secrets at rest").derive(secret.encode())
    return base64.urlsafe_b64encode(made)
