"""Whence a request comes: the address behind the proxies that are trusted. Pure."""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

from runtime.settings import Network


def address(peer: str, forwarded: Sequence[str], trusted: Sequence[Network]) -> str:
    """The last address that no trusted proxy has.

    Args:
        peer: who opened the connection.
        forwarded: the values of `X-Forwarded-For`: each proxy adds, at the end, whom it
            heard; what stands before an untrusted one is that one's to invent.
        trusted: proxies that tell the truth.
    """
    if not is_trusted(peer, trusted):
        return peer
    heard = [part.strip() for value in forwarded for part in value.split(",")]
    found = peer
    while heard and is_trusted(found, trusted):
        before = heard.pop()
        if _ip(before) is None:
            return found
        found = before
    return found


def is_loopback(text: str) -> bool:
    """Whether that is this machine."""
    ip = _ip(text)
    return ip is not None and ip.is_loopback


def is_trusted(text: str, trusted: Sequence[Network]) -> bool:
    ip = _ip(text)
    return ip is not None and any(
        ip.version == network.version and ip in network for network in trusted
    )


@lru_cache(4096)
def place(address: str) -> str:
    """What counts as one address: an IPv4 one, or an IPv6 /64, which is what one
    customer gets (RFC 6177 section 2); anything else as it is.
    """
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return address
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((ip, 64), strict=False))


@lru_cache(4096)
def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        ip = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return mapped or ip
