"""CPU of commands at a region's leader: from what NATS brings to what it is given.

    python -m tests.bench.leader_commands --before TREE

A whole `Lead` beside stand-ins of NATS's connection and of the ledger, which stores at
once: records of `COMMANDS` commands each, of riders and drivers whose trips are
requested, accepted, begun and completed. What comes is the same in all trees, and so
is, where nothing that is told has changed, what goes: its digest is told, too. Trees
take turns in processes of their own; the least CPU time counts.
"""

import asyncio
import gc
import hashlib
import json
import sys
import time
from typing import Any

import uvloop
from msgspec import Struct

from dispatcher.engine.engine import Engine, Limits
from dispatcher.region import ledger_full
from dispatcher.region.lead import Lead
from runtime.bus import Bus
from runtime.ledger import Ledger
from schemas import codec
from schemas.allowances import Rate, UserLimits
from schemas.commands import AcceptTrip, BeginTrip, Command, CompleteTrip, RequestTrip
from schemas.ledger import Writer
from schemas.trips import Role, User

PAIRS = 64
COMMANDS = 20
"""A record, as `cabrank bench lifecycle` with 64 pairs has them."""
MESSAGES = 3
"""They come in."""
RECORDS = 200
RECORD_MS = 12
REPEATS = 9
NOW_MS = 1_795_255_200_000
MOVES = (AcceptTrip, BeginTrip, CompleteTrip)
JETSTREAM: Any = None
"""Only asked after a refusal."""
FAR = Rate(1e6, 4_000_000)
"""Never reached, always counted."""


class Line(Bus):
    """A connection that takes everything."""

    def __init__(self) -> None:
        super().__init__()
        self._status = self.CONNECTED
        self._max_payload = 1024 * 1024
        self._transport: Any = self
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def new_inbox(self) -> str:
        return "_INBOX.0"


class Leader:
    """One lead, and its time."""

    def __init__(self) -> None:
        self.now_ms = NOW_MS
        self.line = Line()
        users = UserLimits(FAR, FAR, FAR, FAR, FAR)
        self.lead = Lead(
            self.line,
            JETSTREAM,
            Ledger("main", "LEDGER_main", "ledger.main", "0" * 32, 1),
            Engine("main", Limits(request_ttl_ms=300_000, users=users)),
            Writer("0" * 32, 1, "me"),
            last=1,
            clock=lambda: self.now_ms,
            stamp=lambda: self.now_ms,
            freeze=lambda *_: None,
            on_snapshot=lambda _: None,
            denied=ledger_full.nothing(),
        )
        self.lead.start([])

    def hear(self, payload: bytes) -> None:
        self.lead._on_commands(b"cmd.main", b"reply.g.main", payload, b"")

    def store(self) -> None:
        """What was sent last."""
        n = self.lead._fence._n
        ack = b'{"stream":"LEDGER_main","seq":%d}' % n
        self.lead._fence._on_ack(b"_INBOX.0.%d" % n, b"", ack, b"")


class Arriving(Struct):
    """What comes for one record."""

    at_ms: int
    messages: list[bytes]


class Pair:
    """A rider and a driver, and how far their trip is."""

    def __init__(self, number: int) -> None:
        self.rider, self.driver = (
            User(f"{role}-{number:032x}", f"{role}{number}", "Ann", "Bell", role)
            for role in (Role.RIDER, Role.DRIVER)
        )
        self.step = 0
        self.trip = ""

    def command(self, **head: Any) -> Command:
        step, self.step = self.step, (self.step + 1) % 4
        if step:
            return MOVES[step - 1](by=self.driver, trip=self.trip, **head)
        where = "14 Main Street", "2 Station Road"
        return RequestTrip(
            by=self.rider, pick_up_address=where[0], drop_off_address=where[1], **head
        )


def arriving() -> list[Arriving]:
    leader, pairs, made = Leader(), [Pair(n) for n in range(PAIRS)], []
    for number in range(RECORDS):
        leader.now_ms += RECORD_MS
        asked: dict[str, Pair] = {}
        commands = []
        for place in range(number * COMMANDS, (number + 1) * COMMANDS):
            # Neighbours are at different steps of their trips.
            pair = pairs[(place + place // PAIRS * 17) % PAIRS]
            head = {"id": f"{place:032x}", "deadline_ms": leader.now_ms + 10_000}
            commands.append(pair.command(**head))
            asked[commands[-1].id] = pair
        size = -(-COMMANDS // MESSAGES)
        parts = [commands[at : at + size] for at in range(0, COMMANDS, size)]
        made.append(Arriving(leader.now_ms, [codec.encode(part) for part in parts]))
        for payload in made[-1].messages:
            leader.hear(payload)
        leader.lead._pump()
        batch = leader.lead._in_flight
        assert batch is not None
        assert len(batch.events) == COMMANDS
        for event in batch.events:
            asked[event.command].trip = event.trip.id  # type: ignore[union-attr]
        leader.store()
    return made


async def play(all_that: list[Arriving]) -> tuple[float, str]:
    """CPU-µs a command, and what was written."""
    leader = Leader()
    began_s = time.process_time()
    for one in all_that:
        leader.now_ms = one.at_ms
        for payload in one.messages:
            leader.hear(payload)
        await asyncio.sleep(0)
        leader.store()
    took_s = time.process_time() - began_s
    written = hashlib.sha256(b"".join(leader.line.written)).hexdigest()
    return took_s / RECORDS / COMMANDS * 1e6, written


async def measure() -> tuple[float, str]:
    all_that = arriving()
    gc.disable()
    played = []
    for _ in range(REPEATS):
        played.append(await play(all_that))
        gc.collect()
    return min(played)


def main() -> None:
    if "--here" in sys.argv:
        print(json.dumps(uvloop.run(measure())))
        return
    from tests.bench.turns import compared  # noqa: PLC0415 - not in all trees

    seen = compared(__file__, __doc__, 5)
    for name, all_of in seen.items():
        us, written = min(all_of)
        print(f"{name:>7}: {us:.2f} CPU-µs a command at least, wrote {written[:12]}")
    if "before" in seen:
        print(f"ratio: {min(seen['now'])[0] / min(seen['before'])[0]:.3f}")


if __name__ == "__main__":
    main()
