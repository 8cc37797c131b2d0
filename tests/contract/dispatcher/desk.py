"""What a gateway is to the dispatcher, and the dispatcher itself, in this process or
in one of its own.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, TypeVar

from nats.js.api import AckPolicy, ConsumerConfig

from dispatcher import main
from dispatcher.placement.ranking import ranking
from runtime.bus import Bus, is_no_responders
from runtime.ledger import Ledger
from runtime.settings import Settings
from schemas import codec, streams, subjects
from schemas.commands import (
    AcceptTrip,
    Announcement,
    Answer,
    Answers,
    AnyCommand,
    BeginTrip,
    CompleteTrip,
    RequestTrip,
)
from schemas.events import DriverPush, FeedEntry, Moved, TripPush
from schemas.ledger import Record
from schemas.members import Member
from schemas.refusals import Code
from schemas.trips import Role, Trip, User
from tests.support.running import Running
from tests.support.waiting import until, until_true

T = TypeVar("T")

RITA = User("rita", "rita", "Rita", "Rider", Role.RIDER)
DORA = User("dora", "dora", "Dora", "Driver", Role.DRIVER)
DAN = User("dan", "dan", "Dan", "Driver", Role.DRIVER)
DEADLINE_MS = 10_000
PROGRAM = """
import sys
from dispatcher.main import run
from runtime.environment import load
sys.exit(run(load()))
"""


def rider(number: int) -> User:
    return User(f"r{number}", f"r{number}", "Ri", "Der", Role.RIDER)


def command(kind: type[T], by: User, **fields: Any) -> T:
    head = {
        "id": secrets.token_hex(16),
        "deadline_ms": int(time.time() * 1000) + DEADLINE_MS,
        "by": by,
    }
    return kind(**{**head, **fields})


def request(by: User = RITA, **fields: Any) -> RequestTrip:
    return command(RequestTrip, by, pick_up_address="A", drop_off_address="B", **fields)


class Gateway:
    """Sends commands, keeps all that comes in the order in which it came."""

    def __init__(self, bus: Bus, name: str = "g1", region: str = "main") -> None:
        self.bus = bus
        self.region = region
        self.reply = subjects.replies(name, region)
        self.log: list[tuple[str, Any]] = []
        """(subject, what it says), in order of arrival."""
        self.answers: list[tuple[int, Answer]] = []
        """(epoch, answer)."""
        self.announced: list[Announcement] = []
        self.members: dict[str, Member] = {}
        """Dispatchers heard of, since `settled` was first asked for."""
        self._hears_members = False
        bus.subscribe_raw(self.reply, self._on_reply)
        bus.subscribe_raw(subjects.leader(region), self._on_announcement)

    def hear(self, subject: str, shape: Any) -> None:
        def on_message(at: bytes, _: bytes, payload: bytes, _h: bytes) -> None:
            self.log.append((at.decode(), codec.decoder(shape).decode(payload)))

        self.bus.subscribe_raw(subject, on_message)

    def hear_all(self) -> None:
        self.hear(f"user.{self.region}.*", TripPush | DriverPush | Moved)
        self.hear(f"trip.{self.region}.*", TripPush)
        self.hear(subjects.drivers(self.region), list[FeedEntry])

    def _on_reply(self, _: bytes, _r: bytes, payload: bytes, headers: bytes) -> None:
        if is_no_responders(headers):
            return
        answers = codec.decode(payload, Answers)
        for answer in answers.answers:
            self.log.append((self.reply, answer))
            self.answers.append((answers.epoch, answer))

    def _on_announcement(self, _: bytes, _r: bytes, payload: bytes, _h: bytes) -> None:
        self.announced.append(codec.decode(payload, Announcement))

    async def ready(self) -> None:
        """Until the server knows our subscriptions."""
        self.bus.write_now()
        await self.bus.flush()

    def send(self, *commands: AnyCommand) -> None:
        payload = codec.encode(list(commands))
        self.bus.send(subjects.commands(self.region), payload, self.reply)

    def answer_to(self, asked: AnyCommand) -> Answer | None:
        for _, answer in reversed(self.answers):
            if answer.id == asked.id and answer.attempt == asked.attempt:
                return answer
        return None

    async def ask(self, asked: AnyCommand) -> Answer:
        self.send(asked)
        await until(lambda: self.answer_to(asked), f"an answer to {asked}")
        answer = self.answer_to(asked)
        assert answer is not None
        return answer

    async def trip(self, asked: AnyCommand) -> Trip:
        answer = await self.ask(asked)
        assert answer.data is not None, answer
        return codec.decode(answer.data, Trip)

    async def code(self, asked: AnyCommand) -> Code:
        answer = await self.ask(asked)
        assert answer.refused is not None, answer
        return answer.refused.code

    async def ride(self, by: User = RITA, driver: User = DORA) -> Trip:
        """A whole trip; four events."""
        trip = await self.trip(request(by))
        for kind in (AcceptTrip, BeginTrip, CompleteTrip):
            trip = await self.trip(command(kind, driver, trip=trip.id))
        return trip

    async def leader(self, after: int = 0) -> Announcement:
        """The announcement of a leader of an epoch greater than `after`."""

        def newer() -> list[Announcement]:
            return [one for one in self.announced if one.epoch > after]

        await until(newer, f"a leader of an epoch greater than {after}", 30)
        return newer()[0]

    async def settled(self, count: int) -> Announcement:
        """Once `count` dispatchers are there and the one that is to lead does, with
        its standby ready; what the leader announced last.
        """
        if not self._hears_members:
            self._hears_members = True
            self.bus.subscribe_raw(subjects.DISPATCHERS, self._on_member)

        def is_settled() -> bool:
            ranked = ranking(self.region, self.members)
            return (
                len(ranked) == count
                and all(self.region in self.members[one].ready for one in ranked[:2])
                and bool(self.announced)
                and self.announced[-1].instance == ranked[0]
            )

        await until(is_settled, f"{count} dispatchers in their places", 30)
        return self.announced[-1]

    def _on_member(self, _: bytes, _r: bytes, payload: bytes, _h: bytes) -> None:
        member = codec.decode(payload, Member)
        if member.leaving:
            self.members.pop(member.id, None)
        else:
            self.members[member.id] = member


class InProcess(Running):
    """A dispatcher in the test's own event loop, as `dispatcher.main` wires it."""

    def __init__(self, settings: Settings) -> None:
        super().__init__("dispatcher")
        self._settings = settings

    async def start(self) -> "InProcess":
        self.drain = await main._start(self.service, self._settings)
        return self


class Process:
    """A dispatcher in a process of its own."""

    def __init__(
        self, url: str, log: Path, program: str = PROGRAM, **settings: str
    ) -> None:
        self.log = log
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-c", program],
                env={**os.environ, "CABRANK_NATS_URL": url, **settings},
                stderr=out,
            )

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    async def stands_by(self) -> None:
        await until(lambda: "replayed" in self.log.read_text(), "a replay", 30)

    @property
    def instance(self) -> str:
        """Its id, as its log tells it."""
        for line in self.log.read_text().splitlines():
            if '"joins"' in line:
                return str(json.loads(line)["instance"])
        return ""

    async def status(self) -> int:
        await until(lambda: self.process.poll() is not None, "the process's end", 20)
        return self.process.returncode


class Book:
    """The ledger as somebody who may read everything sees it."""

    def __init__(self, bus: Bus, region: str = "main") -> None:
        self.js = bus.jetstream()
        self.stream = streams.ledger(region).name
        self.subject = subjects.ledger(region)

    async def last(self) -> int:
        return (await self.js.stream_info(self.stream)).state.last_seq

    async def record(self, n: int) -> Record:
        message = await self.js.get_msg(self.stream, n)
        return codec.decode(message.data or b"", Record)

    async def records(self) -> list[Record]:
        state = (await self.js.stream_info(self.stream)).state
        return [
            await self.record(n) for n in range(state.first_seq, state.last_seq + 1)
        ]

    async def intrude(self, **changes: Any) -> int:
        """A record under the fence, of a writer that thinks it leads."""
        last = await self.record(await self.last())
        n = last.n + 1
        fields = {
            "v": 1,
            "ledger": last.ledger,
            "epoch": n,
            "n": n,
            "writer": "intruder",
            "at_ms": last.at_ms,
            "events": [],
        }
        record = Record(**{**fields, **changes})
        acknowledged = await self.js.publish(self.subject, codec.encode(record))
        return acknowledged.seq

    async def ledger(self) -> Ledger:
        info = await self.js.stream_info(self.stream)
        ledger_id = (info.config.metadata or {})[streams.LEDGER_ID]
        return Ledger("main", self.stream, self.subject, ledger_id, 1)

    async def acknowledge(self, until: int) -> None:
        """As persistence does that has written the records up to `until`."""
        await self.js.add_consumer(
            self.stream,
            ConsumerConfig(
                durable_name=streams.WRITER_DURABLE, ack_policy=AckPolicy.EXPLICIT
            ),
        )
        consumer = await self.js.pull_subscribe_bind(
            streams.WRITER_DURABLE, self.stream
        )
        for message in await consumer.fetch(until):
            await message.ack_sync()

    async def first(self) -> int:
        return (await self.js.stream_info(self.stream)).state.first_seq

    async def grows_past(self, n: int) -> None:
        async def grown() -> bool:
            return await self.last() > n

        await until_true(grown, f"a record after {n}")
