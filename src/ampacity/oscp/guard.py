"""Where we may connect: a peer's `base_url` is an address that a stranger makes us call.

https only, public addresses only, except for hosts that the settings trust.  A name is
resolved once for each connection, every address it has must be allowed, and the
connection goes to an address that was checked, never to the name again: a name that
changes between check and use gains nothing.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from ampacity.errors import Refused

Resolve = Callable[[str, int], Awaitable[list[str]]]

_SHARED_SPACE = ipaddress.ip_network("100.64.0.0/10")  # behind carriers; some clouds keep metadata there
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")  # an IPv4 address in IPv6 clothes


@dataclass(frozen=True, slots=True)
class Target:
    """Host, port and scheme of an allowed URL."""

    scheme: str
    host: str
    port: int


def allowed_target(url: str, trusted_hosts: Collection[str]) -> Target:
    """What a URL points to, if its form is allowed.

    Raises:
        Refused: not https (or http to a trusted host), no host, credentials, a query or fragment, a forbidden address.
    """
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError as wrong:
        raise Refused(f"base_url: {wrong}") from wrong
    if any(ord(c) <= 32 or ord(c) == 127 for c in url):
        raise Refused("base_url: it has blanks or control characters")
    if not host or parts.username is not None or parts.query or parts.fragment:
        raise Refused("base_url: a host without credentials, query and fragment is needed")
    if parts.scheme != "https" and not (parts.scheme == "http" and host in trusted_hosts):
        raise Refused(f"base_url: {parts.scheme or 'no scheme'} is not allowed for {host}, only https")
    if host not in trusted_hosts and is_forbidden(host):
        raise Refused(f"base_url: the address {host} is not a public one")
    return Target(parts.scheme, host, port or (443 if parts.scheme == "https" else 80))


def is_forbidden(host: str) -> bool:
    """Whether a host is written as an address that is not public; names are not judged here."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return _is_odd_number(host)
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _TRANSLATED:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_forbidden(str(inner))
    return not address.is_global or address.is_multicast or address in _SHARED_SPACE


def _is_odd_number(host: str) -> bool:
    """Forms such as 2130706433, 0x7f.1 or 127.1, which some resolvers take for an address."""
    last = host.rsplit(".", 1)[-1].lower()
    return last.isdigit() or (last.startswith("0x") and all(c in "0123456789abcdef" for c in last[2:]))


async def addresses_of(target: Target, trusted_hosts: Collection[str], resolve: Resolve) -> list[str]:
    """The checked addresses of a target, to connect to.

    Raises:
        Refused: one of them is not public (all have to be: else the order of answers would decide).
        OSError: the name cannot be resolved.
    """
    found = await resolve(target.host, target.port)
    if not found:
        raise OSError(f"{target.host} has no address")
    if target.host not in trusted_hosts:
        for address in found:
            if is_forbidden(address):
                raise Refused(f"{target.host} has the address {address}, which is not a public one")
    return found


async def resolve_name(host: str, port: int) -> list[str]:
    """The addresses of a name, by the system's resolver."""
    loop = asyncio.get_running_loop()
    answers = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))
