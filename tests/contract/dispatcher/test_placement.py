"""Eight regions over three dispatchers that come, go and die under load: each region is
led by who the ranking says, and every command is answered once.
"""

import asyncio
import itertools
import signal

from dispatcher.placement.ranking import FOLLOWERS, ranking
from gateway.leader.link import Link
from gateway.limits import Limits
from runtime.bus import Bus, is_no_responders
from schemas import codec, subjects
from schemas.commands import (
    AcceptTrip,
    Announcement,
    Answer,
    Answers,
    AnyCommand,
    BeginTrip,
    CompleteTrip,
)
from schemas.members import Member
from schemas.trips import Role, Trip, User
from tests.contract.dispatcher.conftest import Start
from tests.contract.dispatcher.desk import Book, Process, command, request, rider
from tests.support.waiting import until

REGIONS = [f"city-{number}" for number in range(8)]
LIMIT_S = 40


class Places:
    """Who is there and who leads what, as announcements and heartbeats tell it."""

    def __init__(self, bus: Bus) -> None:
        self.members: dict[str, Member] = {}
        self.leaders: dict[str, str] = {}
        self.behind: dict[str, int | None] = {}
        bus.subscribe_raw("leader.*", self._on_announcement)
        bus.subscribe_raw(subjects.DISPATCHERS, self._on_member)

    def _on_announcement(self, _: bytes, _r: bytes, payload: bytes, _h: bytes) -> None:
        said = codec.decode(payload, Announcement)
        self.leaders[said.region] = said.instance
        self.behind[said.region] = said.standby_behind

    def _on_member(self, _: bytes, _r: bytes, payload: bytes, _h: bytes) -> None:
        member = codec.decode(payload, Member)
        self.members[member.id] = member

    async def settled(self, *there: Process) -> dict[str, str]:
        """Once every region is led by the first of its ranking, with the second ready
        and nobody else following it; leaders by region.
        """

        def is_settled() -> bool:
            ids = [one.instance for one in there]
            if not all(one in self.members for one in ids):
                return False
            for region in REGIONS:
                ranked = ranking(region, ids)
                follows = {one for one in ids if region in self.members[one].ready}
                if follows != set(ranked[:FOLLOWERS]):
                    return False
                if self.leaders.get(region) != ranked[0]:
                    return False
            return True

        await until(is_settled, f"{len(there)} dispatchers in their places", LIMIT_S)
        return dict(self.leaders)

    async def tell_how_far_standbys_are_behind(self) -> None:
        def told() -> bool:
            return all(self.behind.get(region) is not None for region in REGIONS)

        await until(told, "leaders that tell of their standbys", LIMIT_S)


class Load:
    """Whole trips in every region, carried by a gateway's link."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._loop = asyncio.get_running_loop()
        self.answered: dict[str, list[str]] = {region: [] for region in REGIONS}
        """Ids of commands, in the order of their answers."""
        self.refused: list[Answer] = []
        self.pending = 0
        self._numbers = itertools.count()
        self._stopping = False
        self._courier = Link(Limits(), self._send, self._never, self._wake)
        bus.subscribe_raw(subjects.all_replies("load"), self._on_reply)
        bus.subscribe_raw("leader.*", self._on_announcement)

    def start(self) -> None:
        self._rounds = [self._loop.create_task(self._round(one)) for one in REGIONS]
        self._ticking = self._loop.create_task(self._tick())

    async def stop(self) -> None:
        self._stopping = True
        await asyncio.gather(*self._rounds)
        self._ticking.cancel()

    async def goes_on(self) -> None:
        """Until every region has answered more than until now."""
        counts = {region: len(ids) for region, ids in self.answered.items()}

        def more() -> bool:
            return all(len(self.answered[one]) > count for one, count in counts.items())

        await until(more, "answers in every region", LIMIT_S)

    async def _round(self, region: str) -> None:
        while not self._stopping:
            number = next(self._numbers)
            driver = User(f"d{number}", f"d{number}", "Dri", "Ver", Role.DRIVER)
            trip = await self._ask(region, request(rider(number)))
            for kind in (AcceptTrip, BeginTrip, CompleteTrip):
                await self._ask(region, command(kind, driver, trip=trip))

    async def _ask(self, region: str, asked: AnyCommand) -> str:
        """Id of the trip."""
        future: asyncio.Future[Answer] = self._loop.create_future()
        now_s = self._loop.time()
        # A second answer would raise here: a future is done once.
        refusal = self._courier.submit(region, asked, self, future.set_result, now_s)
        assert refusal is None
        answer = await future
        if answer.data is None:
            self.refused.append(answer)
            self._stopping = True
            return ""
        self.answered[region].append(asked.id)
        return codec.decode(answer.data, Trip).id

    def _send(self, region: str, payload: bytes, _trace: object) -> bool:
        reply = subjects.replies("load", region)
        return self._bus.send(subjects.commands(region), payload, reply)

    @staticmethod
    def _never(*_: object) -> None:
        raise AssertionError("nothing is looked up")

    def _wake(self) -> None:
        self._loop.call_soon(lambda: self._courier.flush(self._loop.time()))

    def _on_reply(
        self, subject: bytes, _: bytes, payload: bytes, headers: bytes
    ) -> None:
        region = subjects.region_of_reply(subject.decode())
        if is_no_responders(headers):
            self._courier.no_responders(region, self._loop.time())
        else:
            answers = codec.decode(payload, Answers)
            self._courier.answered(region, answers, self._loop.time())

    def _on_announcement(self, _: bytes, _r: bytes, payload: bytes, _h: bytes) -> None:
        said = codec.decode(payload, Announcement)
        self._courier.announced(said.region, said.epoch, self._loop.time())

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(0.05)
            self._courier.tick(self._loop.time())


async def test_regions_move_as_dispatchers_come_go_and_die_and_no_command_is_dropped(
    bus: Bus, start: Start
) -> None:
    places, load = Places(bus), Load(bus)
    settings = {"CABRANK_REGIONS": ",".join(REGIONS)}
    one, two = start(**settings), start(**settings)
    of_two = await places.settled(one, two)
    await places.tell_how_far_standbys_are_behind()
    load.start()

    three = start(**settings)
    of_three = await places.settled(one, two, three)
    moved = {region for region in REGIONS if of_two[region] != of_three[region]}
    assert {of_three[region] for region in moved} <= {three.instance}
    await load.goes_on()

    one.signal(signal.SIGTERM)
    assert await one.status() == 0
    of_rest = await places.settled(two, three)
    kept = [region for region in REGIONS if of_three[region] != one.instance]
    assert all(of_rest[region] == of_three[region] for region in kept)
    await load.goes_on()

    two.kill()
    assert set((await places.settled(three)).values()) == {three.instance}
    await load.goes_on()
    alone = dict.fromkeys(REGIONS)
    await until(lambda: places.behind == alone, "leaders that are alone", LIMIT_S)
    await load.stop()

    assert not load.refused
    for region in REGIONS:
        events = [e for one in await Book(bus, region).records() for e in one.events]
        assert [event.command for event in events] == load.answered[region]
