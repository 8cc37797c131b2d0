"""How often an idle system looks whether anything is due, counted in virtual time."""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from typing import Any
from unittest import mock

from msgspec.structs import replace

from dispatcher.placement.placement import Placement
from dispatcher.placement.roster import BEAT_S
from dispatcher.region.lead import Lead
from gateway.leader.link import Link
from gateway.sockets.timers import Wheel
from runtime.resting import Pause, together_s
from runtime.settings import Settings
from schemas import codec, subjects
from schemas.commands import RequestTrip
from schemas.events import FeedEntry
from schemas.members import Member
from schemas.rooms import Presence
from schemas.times import rfc3339
from schemas.trips import Role, User
from tests.simulation.loop import WALL_S, Loop
from tests.simulation.plan import Booking
from tests.simulation.quiet import QUIET
from tests.simulation.verdict import Verdict
from tests.simulation.world import World, play

IDLE = replace(QUIET, dispatchers=1, gateways=1, riders=0, drivers=0, operators=0)
LED_S = 6.4
"""By then the region is led, and nobody is told of what was before."""
RITA = User("rita", "rita", "Ri", "Ta", Role.RIDER)


class Idle(World):
    """Nobody is there; `looks`: how often who looked, from `LED_S` on."""

    def __init__(self) -> None:
        super().__init__(IDLE)
        self.looks: Counter[str] = Counter()

    async def run(self) -> Verdict:
        self.start_dispatcher()
        self.start_gateway()
        self.start_persistence()
        await asyncio.sleep(LED_S)
        self.looks.clear()
        await self.pass_by()
        return mock.MagicMock(spec=Verdict)

    async def pass_by(self) -> None:
        await asyncio.sleep(20)

    def request(self, **more: str) -> list[Any]:
        """Rita asks for a trip; where its answer will be."""
        answers: list[Any] = []
        now_s = self.loop.time()
        asked = RequestTrip(
            id="1" * 32,
            deadline_ms=int((WALL_S + now_s + 4) * 1000),
            by=RITA,
            pick_up_address="A",
            drop_off_address="B",
            **more,
        )
        link = self.gateways[0].held.link
        link.submit("main", asked, None, answers.append, now_s + 1)
        return answers

    async def count(self, seconds: float) -> Counter[str]:
        self.looks.clear()
        await asyncio.sleep(seconds)
        return Counter(self.looks)


def watched(world: Idle) -> None:
    tick, look = Lead.tick, Link.tick

    def led(lead: Lead, *given: Any) -> None:
        world.looks["leader"] += 1
        tick(lead, *given)

    def linked(link: Link, now_s: float) -> None:
        world.looks["gateway"] += 1
        look(link, now_s)

    with mock.patch.object(Lead, "tick", led), mock.patch.object(Link, "tick", linked):
        play(world)


def test_who_has_nothing_to_do_looks_once_a_second() -> None:
    world = Idle()
    watched(world)
    assert 19 <= world.looks["leader"] <= 21
    assert 19 <= world.looks["gateway"] <= 21


def test_the_first_command_ends_the_rest_of_both() -> None:
    class Asked(Idle):
        async def pass_by(self) -> None:
            answers = self.request()
            looks = await self.count(0.5)
            assert answers
            assert answers[0].refused is None
            assert looks["gateway"] >= 1
            assert looks["leader"] >= 4, "a trip is open, and will expire"

    watched(Asked())


def test_a_trip_for_later_lets_its_leader_rest_until_it_is_open() -> None:
    class Booked(Idle):
        async def pass_by(self) -> None:
            entries: list[FeedEntry] = []

            def hear(_: bytes, _r: bytes, payload: bytes, _h: bytes) -> None:
                entries.extend(codec.decode(payload, list[FeedEntry]))

            self.gateways[0].link.subscribe_raw(subjects.drivers("main"), hear)
            opens_ms = int((WALL_S + self.loop.time() + 12.3) * 1000)
            answers = self.request(pick_up_at=rfc3339(opens_ms + Booking().lead_ms))
            await self.count(1)
            assert answers[0].refused is None
            assert (await self.count(8))["leader"] <= 9
            await self.count(4)
            (entry,) = entries
            # By the region's clock, which isn't ours.
            assert 0 <= entry.at_ms - opens_ms < 200, "looked for in time"

    watched(Booked())


def test_who_begins_to_watch_ends_the_rest_of_a_leader() -> None:
    class Watched(Idle):
        async def pass_by(self) -> None:
            told: list[bytes] = []
            link = self.gateways[0].link
            hear = lambda *message: told.append(message[2])  # noqa: E731
            link.subscribe_raw(subjects.watched("main"), hear)
            await asyncio.sleep(0.1)
            news = codec.encode(Presence("g", watch="whole"))
            link.send(subjects.presence("main"), news)
            assert (await self.count(0.4))["leader"] >= 3
            assert told
            await self.count(6)
            assert (await self.count(5))["leader"] <= 6, "nobody watches any more"

    watched(Watched())


def virtually(work: Coroutine[Any, Any, None]) -> None:
    loop = Loop()
    try:
        loop.run_until_complete(work)
    finally:
        loop.close()


class Wire:
    """Of a placement."""

    is_connected = True

    def __init__(self) -> None:
        self.sent_s: list[float] = []

    def send(self, subject: str, *_: object) -> bool:
        assert subject == subjects.DISPATCHERS
        self.sent_s.append(asyncio.get_running_loop().time())
        return True


def test_a_dispatcher_alone_looks_as_often_as_it_says_that_it_is_there() -> None:
    async def work() -> None:
        wire: Any = Wire()
        loop = asyncio.get_running_loop()
        with (
            mock.patch.object(Settings, "region_list", return_value=[]),
            mock.patch("dispatcher.placement.placement.time.monotonic", loop.time),
        ):
            placement = Placement(mock.Mock(), wire, mock.Mock(), Settings(), "me")
            ticks = mock.Mock(side_effect=placement._tick)
            with mock.patch.object(placement, "_tick", ticks):
                running = asyncio.create_task(placement.run())
                await asyncio.sleep(10.4)
                assert ticks.call_count <= 11
                assert len(wire.sent_s) >= 10
                other = codec.encode(Member("other", ("main",)))
                placement._on_beat(b"", b"", other, b"")
                before = len(wire.sent_s)
                await asyncio.sleep(BEAT_S / 4)
                assert len(wire.sent_s) > before, "they may not have heard us yet"
                running.cancel()

    virtually(work())


def test_what_rests_wakes_together_and_is_woken() -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        woke_s: list[float] = []

        async def rest(pause: Pause, at_s: float) -> None:
            await asyncio.sleep(at_s)
            await pause.rest(1.0)
            woke_s.append(round(loop.time(), 3))

        pauses = [Pause() for _ in range(4)]
        rests = map(rest, pauses, (0.1, 0.5, 0.7, 0.995))
        loop.call_later(0.6, pauses[0].end)
        loop.call_later(0.6, pauses[2].end)  # does not rest yet
        await asyncio.gather(*rests)
        assert woke_s == [0.6, 1.0, 1.0, 2.0], "who is early does not look twice"
        assert not any(pause.is_rest for pause in pauses)
        assert 0 < together_s(0.25) <= 0.26

    virtually(work())


def test_a_wheel_tells_whether_anything_is_on_it() -> None:
    wheel, entry = Wheel(0.0), mock.Mock(due_slot=0)
    assert not wheel.holds
    wheel.schedule(entry, 2.0)
    assert wheel.holds
    wheel.turn(3.0)
    assert not wheel.holds
    assert entry.on_timer.call_args_list == [mock.call(3.0)]
