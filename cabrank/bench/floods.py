"""Floods by name, and what the bench and its processes tell one another of them. Pure
data; a line of JSON each way (cabrank/bench/flooder.py, bystanders.py).
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


class Kind(Struct, frozen=True):
    """`piece`: what is sent again and again, after `first`. `upgrades`: it is a
    WebSocket. `logs_in`: the token is in the first request's head.
    """

    piece: bytes
    first: bytes = b""
    upgrades: bool = True
    logs_in: bool = False


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
KINDS: dict[str, Kind] = {
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
