"""Floods by name, and what the bench and its processes tell one another of them. Pure
data; a line of JSON each way (cabrank/trial/bench/flooder.py, bystanders.py).
"""

from msgspec import Struct


class Flood(Struct):
    """Flood `base` for so long over `count` connections, of the users of `tokens` in
    turns where the kind logs in.
    """

    base: str
    kind: str
    count: int
    seconds: float
    tokens: list[str] = []


class Flooded(Struct):
    """`ends`: how often which close code came (1006: the end without one)."""

    sent_bytes: int
    opened: int
    ends: dict[str, int]


TOKEN = b"{token}"


class Kind(Struct, frozen=True):
    """`piece`: what is sent again and again, after `first`. `upgrades`: it is a
    WebSocket. `logs_in`: the token is in the first request's head, of HTTP in each
    `piece` where TOKEN stands.
    """

    piece: bytes
    first: bytes = b""
    upgrades: bool = True
    logs_in: bool = False

    def sent_by(self, token: str) -> bytes:
        return self.piece.replace(TOKEN, token.encode())


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True) -> bytes:
    """RFC 6455 section 5.2, masked with zeros; under 64 KiB."""
    head = bytes([(0x80 if fin else 0) | opcode])
    if len(payload) < 126:  # noqa: PLR2004 - the longest length in one byte
        head += bytes([0x80 | len(payload)])
    else:
        head += bytes([0xFE]) + len(payload).to_bytes(2, "big")
    return head + bytes(4) + payload


_CONT, _TEXT, _CLOSE, _PING = 0, 1, 8, 9
_SOCKETS = {
    "unknown": Kind(frame(_TEXT, b'{"type":"x"}')),
    "half": Kind(frame(_TEXT, b"{")),
    "list": Kind(frame(_TEXT, b"[]")),
    "large": Kind(frame(_TEXT, b'{"type":"x","data":"%b"}' % (b"x" * 60_000))),
    "command": Kind(frame(_TEXT, b'{"type":"chat.leave","data":{"room":"none"}}')),
    "ping": Kind(frame(_PING)),
    "fragment": Kind(frame(_CONT, fin=False), frame(_TEXT, b" ", fin=False)),
    "empty": Kind(frame(_TEXT)),
    "close": Kind(frame(_CLOSE, b"\x03\xe8")),
}
_GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
_LOGGED_IN = b"Host: x\r\nAuthorization: Bearer {token}\r\n\r\n"
_POST = b"POST /api/tokens HTTP/1.1\r\nHost: x\r\n"
_NOBODY = b'{"username":"nobody","password":"nothing"}'
_CHUNKED = _POST + b"Transfer-Encoding: chunked\r\n\r\n"
_REQUESTS = {
    "pipelined": Kind(_GET + b"\r\n"),
    "pages": Kind(b"GET /asyncapi.json HTTP/1.1\r\nHost: x\r\n\r\n"),
    "reads-in": Kind(b"GET /api/trips HTTP/1.1\r\n" + _LOGGED_IN, logs_in=True),
    "log-ins": Kind(_POST + b"Content-Length: %d\r\n\r\n" % len(_NOBODY) + _NOBODY),
    "large-head": Kind(b"X: " + b"y" * 1000 + b"\r\n", _GET),
    "lines": Kind(b"a:\r\n", _GET),
    "large-body": Kind(b" " * 1000, _POST + b"Content-Length: 1000000000\r\n\r\n"),
    "chunks": Kind(b"1\r\n \r\n", _CHUNKED),
    "trailers": Kind(b"a: b\r\n", _CHUNKED + b"0\r\n"),
    "garbage": Kind(b"\x00\x01\r\n\r\n"),
}
KINDS: dict[str, Kind] = {
    **{
        f"http-{name}": Kind(
            kind.piece, kind.first, upgrades=False, logs_in=kind.logs_in
        )
        for name, kind in _REQUESTS.items()
    },
    **{f"ws-{name}": kind for name, kind in _SOCKETS.items()},
    **{
        f"ws-{name}-in": Kind(kind.piece, kind.first, logs_in=True)
        for name, kind in _SOCKETS.items()
    },
}
"""By the name that `cabrank bench flood --kind` takes; `-in`: after a log-in."""


class Come(Struct, tag=True):
    """Connect as each of `tokens`, drivers, and join rooms of `room_size`."""

    base: str
    tokens: list[str]
    room_size: int


class Beat(Struct, tag=True):
    """For so long, `per_s` of all together ask, evenly, whatever is answered."""

    seconds: float
    per_s: float


class Heard(Struct):
    """`latencies_s`: of all that was answered. `left`: `chat.left` that came."""

    open: int
    latencies_s: list[float] = []
    lost: int = 0
    left: int = 0
    troubles: dict[str, int] = {}
