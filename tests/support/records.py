"""Ledger records as a leader would write them, for those who read ledgers."""

import uuid
from typing import Any

import msgspec
from nats.js.api import DiscardPolicy, StreamConfig
from nats.js.errors import NotFoundError

from runtime.bus import Bus
from schemas import codec, streams
from schemas.events import (
    DriverEvent,
    Event,
    Matching,
    MatchingEvent,
    OfferEnd,
    OfferEndedEvent,
    OfferEvent,
    TripEvent,
    seq_of,
)
from schemas.ledger import RECORD_VERSION, Record
from schemas.matching import Evidence
from schemas.rooms import MemberEvent, MessageData, MessageEvent
from schemas.times import rfc3339
from schemas.trips import OpenTrip, Person, Position, Status, Trip

LEDGER = "0" * 32
T0_MS = 1_795_255_200_000
MOVES = [
    ("trip.requested", Status.REQUESTED),
    ("trip.started", Status.STARTED),
    ("trip.in_progress", Status.IN_PROGRESS),
    ("trip.completed", Status.COMPLETED),
]


def trip(number: int, move: int = 0, region: str = "main", **changes: Any) -> Trip:
    """Trip `number` after move 0 to 3; its rider is r<n>, its driver d<n>."""
    rider = Person(f"r{number}", f"rider{number}", "Ada", "Löw")
    driver = Person(f"d{number}", f"driver{number}", "Bo", "")
    fields = {
        "id": str(uuid.UUID(int=number + (7 << 76) + (1 << 127))),
        "region": region,
        "status": MOVES[move][1],
        "version": move + 1,
        "pick_up_address": "A",
        "drop_off_address": "B",
        "pick_up": None,
        "drop_off": None,
        "rider": rider,
        "driver": driver if move else None,
        "created": rfc3339(T0_MS + number),
        "updated": rfc3339(T0_MS + number + move * 1000),
    }
    return Trip(**{**fields, **changes})


def event(at: Trip, move: int | None = None, **changes: Any) -> TripEvent:
    """The event that brought a trip there; its `seq` is set by `record`."""
    move = [status for _, status in MOVES].index(at.status) if move is None else move
    fields = {
        "seq": 0,
        "type": MOVES[move][0],
        "at_ms": T0_MS + move * 1000,
        "audience": at.participants(),
        "trip": at,
        "command": "c" * 32,
        "by": at.rider.id,
    }
    return TripEvent(**{**fields, **changes})


def online(driver: str, **changes: Any) -> DriverEvent:
    fields: dict[str, Any] = {"at_ms": T0_MS, "driver": driver, "online": True}
    return DriverEvent(seq=0, **{**fields, **changes})


def offer(of: Trip, driver: str, round_: int = 1, **changes: Any) -> OfferEvent:
    """The trip's offer number `round_`, called `o<round>`."""
    fields: dict[str, Any] = {
        "seq": 0,
        "at_ms": T0_MS + round_ * 1000,
        "offer": f"o{round_}",
        "driver": driver,
        "trip": OpenTrip.of(of),
        "round": round_,
        "expires_ms": T0_MS + round_ * 1000 + 15_000,
        "evidence": Evidence(800, 150, 140, 3, Position(59.9123, 10.7512)),
    }
    return OfferEvent(**{**fields, **changes})


def offer_ended(
    of: Trip, driver: str, why: OfferEnd, round_: int = 1, **changes: Any
) -> OfferEndedEvent:
    at_ms = T0_MS + round_ * 1000 + 500
    ended = OfferEndedEvent(0, at_ms, f"o{round_}", driver, of.id, why)
    return msgspec.structs.replace(ended, **changes)


def matching(of: Trip, how: Matching) -> MatchingEvent:
    return MatchingEvent(0, T0_MS + 60_000, OpenTrip.of(of), how, feed=1)


def message(room: str, n: int, text: str = "hi", **changes: Any) -> MessageEvent:
    """The room's message number `n`, sent n seconds after T0; `seq` as in `event`."""
    fields: dict[str, Any] = {
        "room": room,
        "seq": n,
        "id": str(uuid.UUID(int=n + (7 << 76) + (1 << 127))),
        "sender": Person("u1", "user1", "Ada", "Löw"),
        "text": text,
        "at": rfc3339(T0_MS + n * 1000),
    }
    data = MessageData(**{**fields, **changes})
    return MessageEvent(0, T0_MS + n * 1000, data, command="c" * 32)


def joined(room: str, user: str, *, joined: bool = True) -> MemberEvent:
    return MemberEvent(0, T0_MS, room, Person(user, user, "", ""), joined)


def record(n: int, *events: Event, ledger: str = LEDGER) -> bytes:
    numbered = []
    for index, one in enumerate(events):
        fields = {name: getattr(one, name) for name in one.__struct_fields__}
        numbered.append(type(one)(**{**fields, "seq": seq_of(n, index)}))
    return codec.encode(
        Record(RECORD_VERSION, ledger, 1, n, "writer", T0_MS, list(numbered))
    )


class Ledger:
    """A region's stream, written to by the test."""

    def __init__(self, bus: Bus, region: str = "main") -> None:
        self.region = region
        self.stream = streams.ledger(region)
        self.js = bus.jetstream()
        self.n = 0
        self.id = LEDGER if region == "main" else region.ljust(32, "0")

    async def create(self) -> "Ledger":
        await self.js.add_stream(
            StreamConfig(
                name=self.stream.name,
                subjects=list(self.stream.subjects),
                discard=DiscardPolicy.NEW,
                allow_direct=True,
                metadata={streams.LEDGER_ID: self.id},
            )
        )
        return self

    async def append(self, *events: Event) -> int:
        """Append a record with these events; its sequence."""
        return await self.append_raw(record(self.n + 1, *events, ledger=self.id))

    async def append_raw(self, payload: bytes) -> int:
        acknowledged = await self.js.publish(self.stream.subjects[0], payload)
        self.n = acknowledged.seq
        return self.n

    async def floor(self) -> int:
        """Up to where the workers have acknowledged everything."""
        try:
            info = await self.js.consumer_info(self.stream.name, streams.WRITER_DURABLE)
        except NotFoundError:
            return 0
        assert info.ack_floor is not None
        return info.ack_floor.stream_seq
