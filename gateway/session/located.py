"""What clients send most, read in one go: a driver's position that is as it should be.

Pure. Whatever else it might be is the session's to read, which also says what is wrong
(gateway/session/machine.py).
"""

from typing import Literal

import msgspec
from msgspec import UNSET, Struct

from gateway.session.client_frames import fix
from schemas.claims import Claims
from schemas.codec import OptionalRaw
from schemas.commands import Fix
from schemas.frames import LocationData, Ref
from schemas.trips import Role

_DRIVER = Role.DRIVER
_HEADS = (b'{"type":"driver.location"', b'{"type": "driver.location"')
_BACKSLASH = ord("\\")


class _Frame(Struct):
    """schemas/frames.py's `ClientFrame`, of this type."""

    type: Literal["driver.location"]
    data: LocationData
    ref: Ref | None = None
    traceparent: OptionalRaw = None


_read = msgspec.json.Decoder(_Frame).decode


def may_be(text: bytes) -> bool:
    """Whether it begins as one does; what is otherwise written is read at once."""
    return text.startswith(_HEADS)


def read(payload: bytes, claims: Claims, now_ms: int) -> Fix | None:
    """None: not a good one, or not so simple."""
    if claims.role is not _DRIVER or claims.service is not UNSET:
        return None
    if _BACKSLASH in payload or not payload.isascii():
        return None
    try:
        data = _read(payload).data
    except (msgspec.MsgspecError, RecursionError):
        return None
    found = fix(data, claims.sub, now_ms)
    return found if type(found) is Fix else None
