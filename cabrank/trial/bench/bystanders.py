"""Others' sessions beside a flood, in a process of their own: each asks now and then,
and notes how long the answer took.

`python -m cabrank.trial.bench.bystanders` reads a `Come` and then `Beat`s, a line each,
on standard input and answers each with a line. It times, it judges nothing.
"""

import asyncio
import sys
import time

import uvloop

from cabrank.trial.bench.floods import Beat, Come, Heard
from cabrank.trial.load.frames import command, read_frame
from cabrank.trial.load.link import Link, LinkError, connect
from schemas.codec import decode, encode

ANSWER_MAX_S = 30.0
"""What has no answer after so long counts as lost."""
ASKED = "driver.online"
"""Gateway, NATS, leader, an fsync, and back; changes nothing for who is online."""


class Bystander:
    __slots__ = ("asked_s", "link", "people")

    def __init__(self, people: "Bystanders") -> None:
        self.people = people
        self.link: Link | None = None
        self.asked_s: dict[str, float] = {}

    def read(self, message: bytes) -> None:
        frame = read_frame(message)
        if frame.type == "chat.left":
            self.people.left += 1
        elif frame.type in {"reply", "refused"}:
            at_s = self.asked_s.pop(frame.ref or "", None)
            if at_s is not None and frame.type == "reply":
                self.people.latencies_s.append(time.monotonic() - at_s)
            if frame.type == "refused":
                self.people.blame(f"refused: {bytes(frame.data).decode()}")

    def closed(self, code: int) -> None:
        self.link = None
        self.people.blame(f"connection closed with {code}")

    def ask(self, kind: str, ref: str, data: dict[str, object]) -> None:
        if self.link is not None:
            self.asked_s[ref] = time.monotonic()
            self.link.send(command(kind, ref, data))


class Bystanders:
    def __init__(self) -> None:
        self._all: list[Bystander] = []
        self._troubles: dict[str, int] = {}
        self.left = 0
        self.latencies_s: list[float] = []

    def blame(self, what: str) -> None:
        self._troubles[what] = self._troubles.get(what, 0) + 1

    async def do(self, task: Come | Beat) -> Heard:
        self.latencies_s, self.left, self._troubles = [], 0, {}
        if isinstance(task, Come):
            await self._come(task)
            return self._heard()
        began_s = time.monotonic()
        for number in range(round(task.seconds * task.per_s)):
            wait_s = began_s + number / task.per_s - time.monotonic()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            self._all[number % len(self._all)].ask(ASKED, f"beat {number}", {})
        await self._answers()
        return self._heard()

    async def _come(self, task: Come) -> None:
        for place, token in enumerate(task.tokens):
            one = Bystander(self)
            try:
                one.link = await connect(task.base, token, None, one.read, one.closed)
            except LinkError as error:
                self.blame(str(error))
                continue
            self._all.append(one)
            room = f"bystanders-{place // task.room_size}"
            one.ask("chat.join", f"join {place}", {"room": room})
        await self._answers()

    async def _answers(self) -> None:
        ends_s = time.monotonic() + ANSWER_MAX_S
        while any(one.asked_s for one in self._all):
            if time.monotonic() > ends_s:
                return
            await asyncio.sleep(0.01)

    def _heard(self) -> Heard:
        lost = sum(len(one.asked_s) for one in self._all)
        for one in self._all:
            one.asked_s.clear()
        still = sum(one.link is not None for one in self._all)
        return Heard(still, self.latencies_s, lost, self.left, self._troubles)


async def serve() -> None:
    """Do what standard input says, until it ends."""
    people = Bystanders()
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.buffer.readline):
        heard = await people.do(decode(line, Come | Beat))  # type: ignore[arg-type]
        sys.stdout.buffer.write(encode(heard) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())
