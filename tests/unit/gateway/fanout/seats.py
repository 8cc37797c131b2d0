"""Sessions in a room, and what its leader sends them; no network."""

import json
from typing import Any

from msgspec import Raw

from gateway.fanout.membership import Occupant
from gateway.fanout.region import Listener, Region, Seat
from gateway.fanout.room import Id, Joined, Room
from gateway.fanout.sync import Sync
from schemas.closes import Close
from schemas.codec import encode
from schemas.rooms import MemberPush, MessagePush
from tests.unit.gateway.session.sessions import claims

HELD_MAX = 1000


class Socket:
    """What was written, as frames."""

    def __init__(self, *, bare: bool = False) -> None:
        self.writer = self
        self.pending = 0
        self.bare = bare
        self.frames: list[dict[str, Any]] = []
        self.writes = 0
        self.code: Close | None = None

    def write(self, data: bytes) -> None:
        self.writes += 1
        while data:
            length, start = data[1], 2
            if length == 126:
                length, start = int.from_bytes(data[2:4]), 4
            self.frames.append(json.loads(data[start : start + length]))
            data = data[start + length :]

    def close(self, code: Close) -> None:
        self.code = code

    def numbers(self) -> list[int]:
        """The room's own, of all messages."""
        messages = (f for f in self.frames if f["type"] == "chat.message")
        return [frame["data"]["seq"] for frame in messages]


def seat(user: str = "u1", *, bare: bool = False) -> tuple[Seat, Socket]:
    socket = Socket(bare=bare)
    listener = Listener(Region("main", HELD_MAX), claims(sub=user))
    listener.stream.sync = Sync.IN_STEP
    made = Seat(socket, listener)  # type: ignore[arg-type]
    made.held = None
    return made, socket


def message(n: int, seq: int) -> MessagePush:
    return MessagePush(seq, Raw(encode({"seq": n, "text": f"text {n}"})))


def member(user: str, seq: int, *, joined: bool) -> MemberPush:
    return MemberPush(seq, "lobby", Raw(encode({"id": user})), joined)


def answer(
    first: int, last: int, members: tuple[str, ...] = (), *, recovered: bool = False
) -> Joined:
    history = [message(n, 0).message for n in range(first, last + 1)]
    return Joined([Id(user) for user in members], history, recovered)


def joined_at(n: int) -> tuple[Room, Socket]:
    """A room with one session in it, up to date at message `n`."""
    room = Room("lobby", None, HELD_MAX)
    made, socket = seat()
    occupant = Occupant(made)
    room.begin(occupant)
    room.answered(occupant, answer(n, n) if n else answer(1, 0), None)
    return room, socket
