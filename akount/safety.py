"""What a value must not be in production (C3): hosts are parsed and compared as addresses, no word is looked for in a URL."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import parse_qs, unquote, urlsplit

LOOPBACK_NAMES = ("localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback")
TEST_KEYS = ("sk_test_", "pk_test_")
MIN_SECRET = 32


def is_local(host: str) -> bool:
    """Whether this host of a URL is the machine itself: a loopback name or address in any spelling, a socket, or nothing."""
    name = unquote(host).strip("[] ").partition("%")[0]
    if not name or name.startswith(("/", "@", "\\")):
        return True
    with contextlib.suppress(UnicodeError):
        name = name.encode("idna").decode()  # full-width digits and letters are what a resolver makes of them
    name = name.rstrip(".").lower()
    if name in LOOPBACK_NAMES or name.endswith(".localhost"):
        return True
    address = _address(name)
    return address is not None and (address.is_loopback or address.is_unspecified)


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a name spells, also as 127.1, 2130706433 or 0x7f000001, also an IPv4 address inside an IPv6 one."""
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        try:
            return ipaddress.IPv4Address(socket.inet_aton(name))
        except OSError:
            return None
    if isinstance(address, ipaddress.IPv6Address) and not address.is_loopback:
        if address.ipv4_mapped:
            return address.ipv4_mapped
        if int(address) >> 32 == 0:
            return ipaddress.IPv4Address(int(address))
    return address


def key_faults(key: str) -> list[str]:
    """Of a key of Clerk."""
    return ["Is a key of Clerk's test instance; production needs that of the live one."] if key.startswith(TEST_KEYS) else []


def url_faults(url: str) -> list[str]:
    """Of an address that is believed."""
    return ["Must be https in production."] if url.startswith("http:") else []


def secret_faults(secret: str) -> list[str]:
    """Of the secret that signs."""
    asked = f"Must be set in production, at least {MIN_SECRET} characters (openssl rand -hex 32)."
    return [] if len(secret) >= MIN_SECRET else [asked]


def origin_faults(origins: Iterable[str]) -> list[str]:
    """Of the origins that a browser may call the API from."""
    faults = []
    for origin in origins:
        parts = urlsplit(origin)
        if origin == "*":
            faults.append("Must not be * in production; name each origin.")
        elif is_local(parts.hostname or ""):
            faults.append(f"{origin} is somebody's own machine, which production must not let in.")
        elif parts.scheme != "https":
            faults.append(f"{origin} must be https in production.")
    return faults


def database_faults(url: str) -> list[str]:
    """Of the database; the URL may name several hosts, also in its query."""
    if not url or urlsplit(url).scheme == "sqlite":
        return ["Must be a Postgres server in production; SQLite serves one machine."]
    if any(is_local(host) for host in _postgres_hosts(url)):
        return ["Must not be on the machine itself in production."]
    return []


def _postgres_hosts(url: str) -> list[str]:
    """Every host that libpq may try; none is the socket of this machine."""
    query = parse_qs(urlsplit(url).query)
    said = [urlsplit(url).hostname or "", *query.get("host", []), *query.get("hostaddr", [])]
    hosts = [_without_port(host) for several in said if several for host in several.split(",")]
    return hosts or [""]


def _without_port(host: str) -> str:
    """`host:5432`, as SQLAlchemy takes it in a query, but not an IPv6 address."""
    name, _, port = host.rpartition(":")
    return name if name and port.isdigit() and (":" not in name or name.endswith("]")) else host


def redis_faults(url: str | None) -> list[str]:
    """Of Redis."""
    if url is None:
        return ["Must be set in production: without Redis the queue serves one machine."]
    parts = urlsplit(url)
    rules = {
        "Must not be on the machine itself in production.": is_local(parts.hostname or ""),
        "Must speak TLS in production (rediss://, or REDIS_TLS_ENABLED).": parts.scheme != "rediss",
        "Must have a password in production.": not parts.password,
    }
    return [fault for fault, broken in rules.items() if broken]
