"""Addresses that somebody else has given us to send something to: only the internet's, never one of our own network.

A name is resolved once, every address it has is looked at, and the connection goes to the very address that was looked at: a
name that means something else a moment later (DNS rebinding) leads nowhere. Nothing is followed elsewhere.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from akount.errors import Invalid, Unavailable

TIMEOUT = 5.0
"""Seconds for each step of sending."""
SCHEMES = ("https", "http")
PORTS = (80, 443, 8080, 8443)
LONGEST = 2000
_INSIDE_SIX = tuple(ipaddress.ip_network(n) for n in ("64:ff9b::/96", "64:ff9b:1::/48"))
"""Of NAT64: the last 32 bits are an IPv4 address."""
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def require_public(url: str, *, private: bool = False) -> None:
    """Raises Invalid for what is no https URL of the internet; with `private` any host may be named, also by plain http."""
    wrong = _wrong(url, private=private)
    if wrong:
        raise Invalid("This address cannot be told anything.", code="bad_webhook_url", errors={"url": [wrong]})


def _wrong(url: str, *, private: bool) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "Must be a URL."
    literal = _literal(parts.hostname or "")
    rules = {
        f"Must be plain ASCII of at most {LONGEST} characters.": len(url) > LONGEST or not url.isascii() or not url.isprintable(),
        "Must have no spaces.": " " in url,
        "Must begin with https:// and name a host.": parts.scheme not in (SCHEMES if private else SCHEMES[:1])
        or not parts.hostname,
        "Must have no user, password or fragment.": parts.username is not None or bool(parts.password or parts.fragment),
        f"The port must be one of {', '.join(map(str, PORTS))}.": not private and port is not None and port not in PORTS,
        "Must not be an address of a private network.": not private and literal is not None and not is_public(literal),
    }
    return next((rule for rule, broken in rules.items() if broken), "")


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        try:
            return ipaddress.IPv4Address(socket.inet_aton(host))  # 127.1, 0x7f000001, 2130706433
        except OSError:
            return None


def is_public(address: Address) -> bool:
    """Whether it is one of the internet's, also where an IPv4 address is hidden in it."""
    if isinstance(address, ipaddress.IPv6Address):
        hidden = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if hidden is None and any(address in network for network in _INSIDE_SIX):
            hidden = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if hidden is None and int(address) >> 32 == 0:
            hidden = ipaddress.IPv4Address(int(address))
        if hidden is not None:
            return is_public(hidden)
    return address.is_global and not address.is_multicast


def resolve(host: str, port: int, *, private: bool = False) -> str:
    """An address of a host, when all that it has are the internet's. Raises Unavailable."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unavailable("The host has no address.") from error
    known = [ipaddress.ip_address(str(one[4][0]).partition("%")[0]) for one in found]
    if not private and not all(is_public(address) for address in known):
        raise Unavailable("The host has an address of a private network.")
    return str(known[0])


def post(url: str, body: bytes, headers: dict[str, str], *, private: bool = False) -> int:
    """Sends a body; the status that was answered. Raises Unavailable."""
    require_public(url, private=private)
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    host, port = parts.hostname or "", parts.port or (443 if secure else 80)
    address = resolve(host, port, private=private)
    connection = _SecureTo(address, host, port) if secure else _PlainTo(address, host, port)
    try:
        connection.request("POST", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), body, headers)
        return connection.getresponse().status
    except (OSError, HTTPException) as error:
        raise Unavailable(f"It does not answer ({type(error).__name__}).") from error
    finally:
        connection.close()


class _PlainTo(HTTPConnection):
    """A connection to an address that was looked at, whatever the name means by now."""

    def __init__(self, address: str, host: str, port: int) -> None:
        super().__init__(host, port, timeout=TIMEOUT)
        self._address = address

    def connect(self) -> None:
        self.sock = socket.create_connection((self._address, self.port), TIMEOUT)


class _SecureTo(HTTPSConnection):
    """The same with TLS: the certificate must be the name's."""

    def __init__(self, address: str, host: str, port: int) -> None:
        self._trust = ssl.create_default_context()
        super().__init__(host, port, timeout=TIMEOUT, context=self._trust)
        self._address = address

    def connect(self) -> None:
        line = socket.create_connection((self._address, self.port), TIMEOUT)
        self.sock = self._trust.wrap_socket(line, server_hostname=self.host)
