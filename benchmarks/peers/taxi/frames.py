"""Frames and tokens, the same for Channels and Socket.IO. msgspec for JSON: tuned."""

import datetime as dt
import uuid
from typing import Any

import jwt
import msgspec

SECRET = "thirty-two bytes for HMAC SHA256"  # noqa: S105
MOVES = {
    "trip.accept": ("REQUESTED", "STARTED", "trip.started"),
    "trip.begin": ("STARTED", "IN_PROGRESS", "trip.in_progress"),
    "trip.complete": ("IN_PROGRESS", "COMPLETED", "trip.completed"),
}

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder().decode


def user_of(token: str) -> dict[str, Any]:
    """The user in a token; checked here alone, no row is read. Raises: jwt's."""
    return dict(jwt.decode(token, SECRET, algorithms=["HS256"])["user"])


def trip(  # noqa: PLR0917
    key: uuid.UUID,
    status: str,
    pick_up: str,
    drop_off: str,
    rider: Any,
    driver: Any,
    created: dt.datetime,
) -> dict[str, Any]:
    return {
        "id": str(key),
        "region": "main",
        "status": status,
        "version": 1,
        "pick_up_address": pick_up,
        "drop_off_address": drop_off,
        "pick_up": None,
        "drop_off": None,
        "rider": rider,
        "driver": driver,
        "created": created,
        "updated": created,
    }


def frame(kind: str, data: Any, **more: Any) -> dict[str, Any]:
    return {"type": kind, **more, "data": data}


def welcome(user: dict[str, Any]) -> dict[str, Any]:
    return frame("welcome", {"user": user, "trips": [], "open_trips": []})


def refused(ref: Any) -> dict[str, Any]:
    data = {"code": "wrong_status", "message": "not now", "retryable": False}
    return frame("refused", data, ref=ref)
