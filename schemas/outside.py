"""Which URLs may be sent to, and which addresses are somebody's own network. Pure.

A URL is taken only where every reader of URLs understands the same by it: no user, no
fragment, no backslash, nothing but ASCII. What looks like a number in the place of a
name is an address, however it is written (WHATWG URL, "ends in a number").
"""

import ipaddress
import re
from typing import NamedTuple

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?:\[(?P<v6>[0-9A-Fa-f:.]+(?:%[A-Za-z0-9_.~%-]+)?)\]|(?P<name>[A-Za-z0-9._-]+))"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>(?:/[\x21\x24-\x3b\x3d\x3f-\x5b\x5d\x5f\x61-\x7a\x7e\x25]*)?)"
    r"(?P<query>(?:\?[\x21\x24-\x3b\x3d\x3f-\x5b\x5d\x5f\x61-\x7a\x7e\x25]*)?)",
    re.ASCII | re.IGNORECASE,
)
_NUMBER = re.compile(r"(0x[0-9a-f]*|[0-9]+)", re.ASCII | re.IGNORECASE)
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII | re.IGNORECASE)
NAME_CHARS_MAX = 253
PORT_MAX = 65_535
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_6TO4 = ipaddress.IPv6Network("2002::/16")
_NEVER = tuple(
    ipaddress.IPv6Network(net)
    for net in (
        *("::/96", "64:ff9b:1::/48", "2001::/23", "100::/64", "fec0::/10"),
        *("3fff::/20", "5f00::/16"),
    )
)
"""IPv4-compatible, local NAT64, what is for protocols (Teredo among them), discarding,
site-local, for documents (RFC 9637), segments (RFC 9602): none is an endpoint's."""
_NEVER_V4 = tuple(map(ipaddress.IPv4Network, ("192.0.0.0/24", "192.88.99.0/24")))
"""For protocols, and 6to4's old relays: older Pythons take some for the Internet's."""
_DEFAULT_PORTS = {"http": 80, "https": 443}


class UrlError(ValueError):
    """What is wrong, in a few words."""


class Target(NamedTuple):
    """`address`: of a URL that names none by name. `host`: as the header has it."""

    scheme: str
    name: str
    address: Address | None
    port: int
    host: str
    path: str


def target(url: str) -> Target:
    """Read a webhook's URL.

    Raises:
        UrlError: it isn't one.
    """
    match = _URL.fullmatch(url)
    if match is None:
        raise UrlError(_why(url))
    scheme = match["scheme"].lower()
    port = int(match["port"] or _DEFAULT_PORTS[scheme])
    if not 0 < port <= PORT_MAX:
        raise UrlError(f"port {port} is none of 1 to {PORT_MAX}")
    path = (match["path"] or "/") + match["query"]
    if match["v6"] is not None:
        name = f"[{match['v6']}]"
        address: Address | None = _ipv6(match["v6"])
    else:
        name, address = _name(match["name"])
    host = name if port == _DEFAULT_PORTS[scheme] else f"{name}:{port}"
    return Target(scheme, name, address, port, host, path)


def _why(url: str) -> str:
    if not re.match(r"https?://", url, re.ASCII | re.IGNORECASE):
        return "it is no http or https URL"
    if not url.isascii():
        return "it isn't ASCII: write names as xn--…, the rest with percent signs"
    if "@" in url.partition("://")[2].partition("/")[0]:
        return "it names a user, which isn't taken"
    if "#" in url:
        return "it has a fragment (#), which no server sees"
    return "it is no URL: http://HOST, perhaps :PORT, /PATH and ?QUERY"


def _ipv6(text: str) -> Address:
    bare = text.partition("%")[0]
    try:
        address = ipaddress.IPv6Address(bare)
    except ValueError:
        raise UrlError(f"{text[:80]} is no IPv6 address") from None
    if "%" in text:
        raise UrlError(f"{text[:80]} names a zone: it is an address of this machine's")
    return address


def _name(text: str) -> tuple[str, Address | None]:
    labels = text.lower().removesuffix(".").split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return text, _ipv4(labels)
    if len(text) > NAME_CHARS_MAX or not all(map(_LABEL.fullmatch, labels)):
        raise UrlError(f"{text[:80]!r} is no host's name")
    return text.lower(), None


def _ipv4(parts: list[str]) -> Address:
    """As inet_aton(3) reads it: up to four parts, decimal, octal or hexadecimal, the
    last of which fills what is left.
    """
    wrong = UrlError(f"{'.'.join(parts)[:80]!r} is no IPv4 address")
    try:
        numbers = [_number(part) for part in parts]
    except ValueError:
        raise wrong from None
    *heads, last = numbers
    if len(numbers) > 4 or any(n > 255 for n in heads):  # noqa: PLR2004
        raise wrong
    if last >= 256 ** (4 - len(heads)):
        raise wrong
    value = last + sum(n << (8 * (3 - k)) for k, n in enumerate(heads))
    return ipaddress.IPv4Address(value)


def _number(text: str) -> int:
    """Raises: ValueError: it is none."""
    if text.startswith("0x"):
        return int(text[2:] or "0", 16)
    if len(text) > 1 and text.startswith("0"):
        return int(text, 8)
    if not text.isdecimal():
        raise ValueError(text)
    return int(text)


def fault(address: Address) -> str | None:
    """Why nothing is sent there; None: it is on the Internet."""
    inner = _inner(address)
    if inner is not None:
        why = fault(inner)
        return None if why is None else f"{address} leads to {why}"
    if isinstance(address, ipaddress.IPv6Address):
        if any(address in net for net in _NEVER) or address.is_site_local:
            return f"{address}, which is an address of one's own"
        if not address.is_loopback and address.scope_id is not None:
            return f"{address}, which is an address of one's own"
    elif any(address in net for net in _NEVER_V4):
        return f"{address}, which is for protocols"
    for what, is_so in (
        ("a loopback address", address.is_loopback),
        ("no address", address.is_unspecified),
        ("a link-local address", address.is_link_local),
        ("a multicast address", address.is_multicast),
        ("a private address", address.is_private or not address.is_global),
        ("a reserved address", address.is_reserved),
    ):
        if is_so:
            return f"{address}, which is {what}"
    return None


def _inner(address: Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 one stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    if address in _6TO4:
        return ipaddress.IPv4Address(int(address) >> 80 & 0xFFFF_FFFF)
    return None
