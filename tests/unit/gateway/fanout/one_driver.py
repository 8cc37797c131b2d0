"""A router with one driver, in one room, before a stand-in for NATS."""

import itertools
import re
from typing import Any

from gateway.clock import Now
from gateway.fanout.router import Router
from gateway.leader.link import Link
from gateway.limits import Limits
from schemas.claims import Claims
from schemas.codec import encode
from schemas.commands import Answer, Answers, FeedData, JoinRoom, SyncFeed, SyncUser
from schemas.trips import Role
from tests.contract.gateway_ws.scripted_leader import raw
from tests.unit.gateway.fanout.pushes import state
from tests.unit.gateway.fanout.seats import message
from tests.unit.gateway.fanout.test_region import Socket


class Line:
    """NATS as far as it goes here."""

    def __init__(self) -> None:
        self.on: dict[str, Any] = {}
        self.sent: list[tuple[str, bytes]] = []

    def subscribe_raw(self, subject: str, callback: Any) -> Any:
        self.on[subject] = callback
        return type("Subscription", (), {"cancel": lambda _: self.on.pop(subject)})()

    def send(self, subject: str, payload: bytes) -> bool:
        self.sent.append((subject, payload))
        return True


class Driver(Socket):
    """Online, in the room "lobby", at event 101."""

    bare = False

    def __init__(self) -> None:
        super().__init__()
        self.line = Line()
        limits = Limits()
        self.link = Link(limits, lambda *_: True, lambda *_: None, lambda: None)
        bus: Any = self.line
        self.router = Router(
            gateway="g",
            bus=bus,
            link=self.link,
            ids=(f"q{number}" for number in itertools.count()),
            limits=limits,
            now=lambda: Now(100.0, 100_000),
            wake=lambda: None,
            later=lambda *_: None,
        )
        claims = Claims("d1", "n", "", "", Role.DRIVER, "main", "s", 0, 0)
        connection: Any = self
        seat = self.router.attach(connection, claims, None)
        assert seat is not None
        self.seat = seat
        self.answers((SyncFeed, FeedData(0, [], True, raw([]), True), 100))
        self.answers((SyncUser, state(100), 100))
        self.joins("lobby")
        self.answers((JoinRoom, joined(0, 0), 100))
        self.hears("room.main.lobby", message(1, 101))
        self.out = b""

    def joins(self, room: str) -> None:
        by = self.seat.listener.claims.user()
        join = JoinRoom(id=f"j-{room}", deadline_ms=0, by=by, room=room)
        assert not self.router.rooms.visit(self.seat, join, lambda _: None, "")

    def answers(self, *told: tuple[type, Any, int]) -> None:
        asked = {
            type(pending.command): pending.command
            for pending in self.link._regions["main"].pending.values()
        }
        made = [
            Answer(asked[kind].id, 1, seq=seq, data=raw(data))
            for kind, data, seq in told
        ]
        payload = encode(Answers(1, made))
        self.line.on["reply.g.*"](b"reply.g.main", b"", payload, b"")
        self.router.flush()

    def hears(self, subject: str, said: Any) -> None:
        self.line.on[subject](subject.encode(), b"", encode(said), b"")
        self.router.flush()

    def seqs(self) -> list[int]:
        """Of events, in the order in which they came."""
        found = re.findall(rb'\{"type":"[a-z._]+","seq":(\d+),', self.out)
        return [int(seq) for seq in found]


def joined(first: int, last: int, *moved: Any) -> dict[str, Any]:
    history = [{"seq": n, "text": ""} for n in range(first, last + 1) if n]
    recovered = first > 0
    more = {"recovered": recovered, "moved": moved}
    return {"members": [], "history": history, **more}
