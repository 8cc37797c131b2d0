"""Bytes that go to a client: WebSocket frames (RFC 6455 section 5.2) around JSON.

A trip's JSON is spliced as the leader encoded it, never read and written again. Pure;
must not know who gets a frame.
"""

import struct

from msgspec import Raw

from schemas import codec
from schemas.closes import REASONS, Close
from schemas.refusals import Refusal

_FIN_TEXT = 0x81
_BYTE_LENGTH_MAX = 125
_SHORT_LENGTH_MAX = 0xFFFF
_SHORT = struct.Struct("!BBH").pack
_LONG = struct.Struct("!BBQ").pack

PING = b"\x89\x00"
"""A ping with no payload."""


def text(payload: bytes) -> bytes:
    """One unfragmented, unmasked text frame."""
    length = len(payload)
    if length <= _BYTE_LENGTH_MAX:
        return bytes((_FIN_TEXT, length)) + payload
    if length <= _SHORT_LENGTH_MAX:
        return _SHORT(_FIN_TEXT, 126, length) + payload
    return _LONG(_FIN_TEXT, 127, length) + payload


def reply(ref: str | None, data: bytes | Raw) -> bytes:
    """`data` is JSON already."""
    return text(b'{"type":"reply","ref":%b,"data":%b}' % (codec.encode(ref), data))


def refused(ref: str | None, refusal: Refusal) -> bytes:
    data = {
        "code": refusal.code,
        "message": refusal.message,
        "retryable": refusal.retryable,
    }
    return text(codec.encode({"type": "refused", "ref": ref, "data": data}))


def event(kind: str, seq: int, data: bytes | Raw, traceparent: str = "") -> bytes:
    """`kind` and `traceparent` are ours and need no escaping."""
    if traceparent:
        trace = (kind.encode(), seq, traceparent.encode(), data)
        return text(b'{"type":"%b","seq":%d,"traceparent":"%b","data":%b}' % trace)
    return text(b'{"type":"%b","seq":%d,"data":%b}' % (kind.encode(), seq, data))


def push(kind: str, data: bytes | Raw) -> bytes:
    """An event without a `seq` of its own."""
    return text(b'{"type":"%b","data":%b}' % (kind.encode(), data))


def reason(code: Close) -> str:
    return REASONS.get(code, "")
