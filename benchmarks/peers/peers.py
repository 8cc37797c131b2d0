"""Who is measured: each peer's server, its settings, and what was tuned. Pure data."""

from msgspec import Struct

UVICORN = (
    *("uvicorn", "--host", "127.0.0.1", "--port", "PORT", "--loop", "uvloop"),
    *("--http", "httptools", "--ws", "websockets-sansio"),
    *("--ws-per-message-deflate", "false", "--log-level", "warning"),
    *("--no-access-log", "--backlog", "2048"),
)
DAPHNE = ("daphne", "-b", "127.0.0.1", "-p", "PORT", "-v", "0")
CHANNELS = "taxi.asgi:application"
CORE = "channels_redis.core.RedisChannelLayer"
PUBSUB = "channels_redis.pubsub.RedisPubSubChannelLayer"


class Peer(Struct, frozen=True):
    """`capacity` of Channels' layer, 0 for its default of 100."""

    name: str
    command: tuple[str, ...]
    layer: str = CORE
    capacity: int = 0
    socketio: bool = False


PEERS = (
    Peer("Channels, uvicorn, core, stock", (*UVICORN, CHANNELS)),
    Peer(
        "Channels, uvicorn, core, capacity 50,000",
        (*UVICORN, CHANNELS),
        capacity=50_000,
    ),
    Peer("Channels, uvicorn, pubsub", (*UVICORN, CHANNELS), PUBSUB),
    Peer(
        "Channels, daphne, core, capacity 50,000", (*DAPHNE, CHANNELS), capacity=50_000
    ),
    Peer("Channels, daphne, pubsub", (*DAPHNE, CHANNELS), PUBSUB),
    Peer(
        "python-socketio, uvicorn, Redis",
        (*UVICORN, "taxi.sio:application"),
        CORE,
        0,
        True,
    ),
)
