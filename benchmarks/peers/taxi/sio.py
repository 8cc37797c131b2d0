"""python-socketio's application with its Redis manager: `uvicorn taxi.sio:application`.

WebSocket only, no compression, msgspec for JSON, a pool of psycopg connections and
plain SQL: no ORM, which is kinder than Channels' part.
"""

import os
import uuid
from datetime import UTC, datetime
from typing import Any

import socketio
from jwt import InvalidTokenError
from psycopg_pool import AsyncConnectionPool

from taxi import frames

REQUEST = (
    "INSERT INTO taxi_trip (id, created, updated, pick_up_address, drop_off_address, "
    "status, rider, driver) VALUES (%s, %s, %s, %s, %s, 'REQUESTED', %s, '')"
)
MOVE = (
    "UPDATE taxi_trip SET status = %s, driver = %s, updated = %s "
    "WHERE id = %s AND status = %s "
    "RETURNING pick_up_address, drop_off_address, rider, created"
)


class Json:
    """What python-socketio takes for the `json` module."""

    @staticmethod
    def dumps(value: Any, **_: Any) -> str:
        return frames.encode(value).decode()

    @staticmethod
    def loads(text: Any, **_: Any) -> Any:
        return frames.decode(text)


sio = socketio.AsyncServer(
    async_mode="asgi",
    client_manager=socketio.AsyncRedisManager(f"unix://{os.environ['PEERS_REDIS']}"),
    transports=["websocket"],
    allow_upgrades=False,
    http_compression=False,
    cors_allowed_origins=[],
    json=Json,
    logger=False,
    engineio_logger=False,
)
pool = AsyncConnectionPool(
    f"postgresql://postgres@127.0.0.1:{os.environ['PEERS_POSTGRES_PORT']}/postgres",
    min_size=4,
    max_size=16,
    open=False,
    kwargs={"autocommit": True},
)
users: dict[str, dict[str, Any]] = {}


@sio.event
async def connect(sid: str, environ: Any, auth: Any) -> bool:  # noqa: ARG001
    try:
        user = frames.user_of(auth["token"])
    except (InvalidTokenError, KeyError, TypeError):
        return False
    users[sid] = user
    await sio.enter_room(sid, f"user_{user['id']}")
    if user["role"] == "driver":
        await sio.enter_room(sid, "drivers")
    await sio.emit("frame", frames.welcome(user), to=sid)
    return True


@sio.event
async def disconnect(sid: str, *_: Any) -> None:
    users.pop(sid, None)


@sio.on("frame")
async def on_frame(sid: str, frame: dict[str, Any]) -> None:
    kind, ref, data = frame["type"], frame.get("ref"), frame["data"]
    user = users[sid]
    if kind == "trip.request":
        await request(sid, user, ref, data)
    elif kind in frames.MOVES:
        await move(sid, user, kind, ref, data["id"])
    elif kind == "trip.cancel":  # tidies up after a measurement
        await sio.emit("frame", frames.frame("reply", data, ref=ref), to=sid)


async def request(sid: str, user: Any, ref: Any, data: dict[str, Any]) -> None:
    key, now = uuid.uuid4(), datetime.now(UTC)
    pick_up, drop_off = data["pick_up_address"], data["drop_off_address"]
    async with pool.connection() as connection:
        await connection.execute(
            REQUEST, (key, now, now, pick_up, drop_off, user["id"])
        )
    trip = frames.trip(key, "REQUESTED", pick_up, drop_off, user, None, now)
    event = frames.frame("trip.requested", trip)
    await sio.emit("frame", event, room="drivers")
    await sio.emit("frame", event, room=f"user_{user['id']}")
    await sio.emit("frame", frames.frame("reply", trip, ref=ref), to=sid)


async def move(sid: str, user: Any, kind: str, ref: Any, key: str) -> None:
    before, after, name = frames.MOVES[kind]
    values = (after, user["id"], datetime.now(UTC), key, before)
    async with pool.connection() as connection:
        row = await (await connection.execute(MOVE, values)).fetchone()
    if row is None:
        await sio.emit("frame", frames.refused(ref), to=sid)
        return
    pick_up, drop_off, rider, created = row
    trip = frames.trip(
        uuid.UUID(key), after, pick_up, drop_off, {"id": rider}, user, created
    )
    event = frames.frame(name, trip)
    await sio.emit("frame", event, room=f"user_{rider}")
    await sio.emit("frame", event, room=f"user_{user['id']}")
    if kind == "trip.accept":
        taken = frames.frame("trip.taken", {"id": key})
        await sio.emit("frame", taken, room="drivers")
    await sio.emit("frame", frames.frame("reply", trip, ref=ref), to=sid)


application = socketio.ASGIApp(sio, on_startup=pool.open, on_shutdown=pool.close)
