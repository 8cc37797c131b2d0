"""What a request's head must say, and where it goes: RFC 9112 and RFC 9110 where the
parser (llhttp) lets more pass. Pure.
"""

import re
from urllib.parse import unquote_to_bytes

from msgspec import Struct
from websockets.datastructures import Headers
from websockets.http11 import Request

Header = tuple[bytes, bytes]
"""Name, in lower case, and value."""

_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9\-._~%!$&'()*+,;=]*)(?::[0-9]*)?")
"""RFC 9110 section 7.2, RFC 3986 section 3.2.2."""
_ABSOLUTE = re.compile(rb"(?:https?|wss?)://([^/?#]*)([^#]*)", re.IGNORECASE)
_BEARER = re.compile(rb"bearer +([^ ]+) *", re.IGNORECASE)
_SLASH = re.compile("%2f", re.IGNORECASE)
VERSIONS = frozenset({"1.0", "1.1"})


class Head(Struct, frozen=True):
    """`target`: path and query as they came, without scheme and host; `host` is empty
    where none is named; `body_bytes`: None: in chunks.
    """

    target: bytes
    host: bytes
    body_bytes: int | None
    wants_websocket: bool
    expects_continue: bool


def read(method: str, target: bytes, version: str, headers: list[Header]) -> Head | str:
    """The head, or what is wrong with it in a few words (400)."""
    if version not in VERSIONS:
        return f"HTTP/{version} is not spoken here, but 1.1"
    if method == "CONNECT":
        return "this is no proxy"
    hosts = [value for name, value in headers if name == b"host"]
    if len(hosts) != 1 and (hosts or version != "1.0"):
        return f"a request has one Host header, not {len(hosts)}"
    if hosts and not _HOST.fullmatch(hosts[0]):
        return "the Host header names no host"
    if b"#" in target:
        return "a request's target has no fragment"
    host = hosts[0] if hosts else b""
    if not target.startswith(b"/") and target != b"*":
        absolute = _ABSOLUTE.fullmatch(target)
        if absolute is None or not _HOST.fullmatch(absolute[1]) or not absolute[1]:
            return "the request's target is no path"
        host = absolute[1]  # RFC 9112 section 3.2.2: it counts, not the header
        target = absolute[2]
        if not target.startswith(b"/"):
            target = b"/" + target
    codings = tokens(headers, b"transfer-encoding")
    if codings and (codings != [b"chunked"] or version == "1.0"):
        return "Transfer-Encoding can only be chunked"
    body_bytes = None if codings else _length(headers)
    is_upgrade = b"upgrade" in tokens(headers, b"connection")
    wants_websocket = is_upgrade and b"websocket" in tokens(headers, b"upgrade")
    if wants_websocket and version == "1.0":
        return "an upgrade needs HTTP/1.1"
    expects = version != "1.0" and b"100-continue" in tokens(headers, b"expect")
    return Head(target, host, body_bytes, wants_websocket, expects)


def tokens(headers: list[Header], name: bytes) -> list[bytes]:
    """What a list header has, on however many lines, in lower case."""
    return [
        token.strip().lower()
        for each, value in headers
        if each == name
        for token in value.split(b",")
        if token.strip()
    ]


def bearer(headers: list[Header]) -> str:
    """The token of `Authorization: Bearer` (RFC 6750); empty: there is none."""
    for name, value in headers:
        if name == b"authorization":
            match = _BEARER.fullmatch(value.strip())
            return "" if match is None else match[1].decode("latin-1")
    return ""


def forwarded(headers: list[Header]) -> list[str]:
    """All lines of `X-Forwarded-For`, in their order."""
    return [
        value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for"
    ]


def of_upgrade(head: Head, headers: list[Header], method: str) -> Request:
    """As websockets reads them: that it is an upgrade is said in one line, and the host
    is the one that counts.
    """
    made = Headers()
    made["Connection"], made["Upgrade"] = "Upgrade", "websocket"
    for name, value in headers:
        if name not in {b"connection", b"upgrade", b"host"}:
            made[name.decode("latin-1")] = value.decode("latin-1")
    made["Host"] = head.host.decode("latin-1")
    return Request(head.target.decode("latin-1"), made, method)


def _length(headers: list[Header]) -> int:
    """Content-Length, which llhttp has checked."""
    for name, value in headers:
        if name == b"content-length":
            return int(value)
    return 0


def path(raw: bytes) -> str:
    """A target's path as routes are looked up by: percent-encoded octets are decoded,
    but a slash, which would separate what was one segment (RFC 3986 section 2.2).
    """
    kept = _SLASH.sub("%252F", raw.decode("latin-1")).encode("latin-1")
    return unquote_to_bytes(kept).decode("utf-8", "replace")


def without_upgrade(
    method: str, target: bytes, version: str, headers: list[Header]
) -> bytes:
    """The same head, as if no other protocol had been offered (RFC 9110 section 7.8:
    an offer may be ignored).
    """
    lines = [b"%s %s HTTP/%s" % (method.encode(), target, version.encode())]
    for name, value in headers:
        if name == b"upgrade":
            continue
        if name == b"connection":
            kept = [each for each in value.split(b",") if _stays(each)]
            value = b",".join(kept)  # noqa: PLW2901 - the offer goes with its name
        lines.append(name + b": " + value)
    return b"\r\n".join([*lines, b"", b""])


def _stays(option: bytes) -> bool:
    return option.strip().lower() not in {b"upgrade", b"http2-settings"}
