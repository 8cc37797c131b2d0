"""A gateway in this process, dispatchers in theirs and a real nats-server: all that
rooms need. Users are whoever a token names, so that names may be as long as any.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from cabrank.trial.load.lifted import LIFTED
from gateway.limits import Limits
from runtime import bus
from runtime.settings import Settings
from schemas import codec, subjects
from schemas.allowances import UNLIMITED
from schemas.commands import Announcement, JoinRoom
from schemas.rooms import Presence
from schemas.trips import Role, User
from tests.contract.dispatcher import desk
from tests.contract.dispatcher.desk import Process, command
from tests.support.client import Client, welcomed
from tests.support.nats import NatsServer
from tests.support.running import Gateway, beside
from tests.support.waiting import until

NAME_CHARS = 150
SIX_BYTES = "\x01" * NAME_CHARS
"""Six bytes each in JSON, and as long as a name may be."""
CYRILLIC = "Ж" * NAME_CHARS
LIMIT_S = 60


class Whole(Gateway):
    def __init__(self, server: NatsServer, directory: Path, **limits: Any) -> None:
        settings = Settings(nats_url=server.url)
        super().__init__(settings, Limits(users=UNLIMITED, **limits))
        self.nats = server
        self.announced: list[Announcement] = []
        self._directory = directory
        self._dispatchers: list[Process] = []
        self._observer: bus.Bus | None = None
        self._beats: asyncio.Task[None] | None = None

    async def start(self, observer: bus.Bus) -> None:
        self._observer = observer

        def heard(_: bytes, _r: bytes, payload: bytes, _h: bytes) -> None:
            self.announced.append(codec.decode(payload, Announcement))

        observer.subscribe_raw(subjects.leader("main"), heard)
        await observer.flush()
        self.dispatch()
        await self.led_after(0)
        await self.serve()

    async def stop(self) -> None:
        if self._beats is not None:
            self._beats.cancel()
        try:
            await super().stop()
        finally:
            for process in self._dispatchers:
                process.kill()

    def lives(self) -> None:
        """Neither gateway nor dispatcher has ended."""
        failure = self.running.service.failure
        assert failure is None, failure

    # ---- dispatchers -----------------------------------------------------------

    def dispatch(self) -> Process:
        """One more dispatcher."""
        number = len(self._dispatchers)
        log = self._directory / f"dispatcher-{number}.log"
        process = Process(self.nats.url, log, **LIFTED)
        self._dispatchers.append(process)
        return process

    async def led_after(self, epoch: int) -> int:
        """The epoch of the leader that comes after that one."""

        def newer() -> list[int]:
            return [said.epoch for said in self.announced if said.epoch > epoch]

        await until(newer, f"a leader after epoch {epoch}", LIMIT_S)
        return newer()[0]

    async def change_leader(self) -> None:
        """The leader is killed; its standby takes over."""
        epoch = self.announced[-1].epoch
        standby = self.dispatch()
        await standby.stands_by()
        self._dispatchers[-2].kill()
        await self.led_after(epoch)

    @asynccontextmanager
    async def silent_leader(self, for_s: float) -> AsyncIterator[None]:
        """The only leader stands still for so long, meanwhile and then."""
        leader = self._dispatchers[-1]
        leader.signal(signal.SIGSTOP)
        try:
            yield
            await asyncio.sleep(for_s)
        finally:
            leader.signal(signal.SIGCONT)

    # ---- people ----------------------------------------------------------------

    async def person(self, user: str, name: str = "N") -> Client:
        token = self.tokens.issue(user, first_name=name, last_name=name)
        client, _ = await welcomed(self.url, token)
        self.clients.append(client)
        return client

    async def crowd(self, count: int, name: str, room: str) -> None:
        """So many more members of a room, of another gateway: who hears what isn't a
        test's business takes no socket.
        """
        assert self._observer is not None
        gateway = desk.Gateway(self._observer, "crowd")
        await gateway.ready()
        self._beats = asyncio.create_task(self._beat(self._observer))
        for first in range(0, count, 100):
            some = range(first, min(first + 100, count))
            gateway.send(
                *(
                    command(
                        JoinRoom,
                        User(f"u{n}", f"u{n}", name, name, Role.RIDER),
                        room=room,
                        session=f"crowd{n}",
                        gateway="crowd",
                    )
                    for n in some
                )
            )
            last = some[-1] + 1
            await until(lambda: len(gateway.answers) == last, "answers", LIMIT_S)  # noqa: B023
        assert not [a.refused for _, a in gateway.answers if a.refused is not None]

    async def _beat(self, observer: bus.Bus) -> None:
        while True:
            said = codec.encode(Presence("crowd"))
            observer.send(subjects.presence("main"), said)
            await asyncio.sleep(0.5)

    async def people(
        self, count: int, name: str = "N", prefix: str = "u"
    ) -> list[Client]:
        made: list[Client] = []
        for first in range(0, count, 50):
            some = range(first, min(first + 50, count))
            made += await asyncio.gather(
                *(self.person(f"{prefix}{number}", name) for number in some)
            )
        return made


async def join(client: Client, rooms: Iterable[str]) -> list[dict[str, Any]]:
    """The answers to joining all of them, a few at once; a refusal that may be tried
    again is.
    """
    waiting = list(rooms)
    answers = []
    while waiting:
        some, waiting = waiting[:64], waiting[64:]
        asked = (client.ask("chat.join", {"room": room}) for room in some)
        for room, frame in zip(some, await asyncio.gather(*asked), strict=True):
            if frame["type"] == "refused":
                assert frame["data"]["retryable"], frame
                waiting.append(room)
                await asyncio.sleep(0.05)
            else:
                answers.append(frame["data"])
    return answers


@asynccontextmanager
async def running(
    server: NatsServer, directory: Path, **limits: Any
) -> AsyncIterator[Whole]:
    """`limits`: the gateway's, where they are other than usual."""
    async with beside(server.url, "observer") as observer:
        whole = Whole(server, directory, **limits)
        try:
            await whole.start(observer)
            yield whole
        finally:
            await whole.stop()
