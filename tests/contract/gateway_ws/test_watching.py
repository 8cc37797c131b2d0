"""What operators' sessions are sent of a region, by a real gateway; the leader's rounds
are what a test says.
"""

from typing import Any

import pytest
from msgspec import Raw

from schemas import codec, subjects
from schemas.rooms import Presence
from schemas.trips import Role
from schemas.watching import PIECE_BYTES_MAX, DriverRow, Glimpse
from tests.contract.gateway_ws.conftest import World
from tests.contract.gateway_ws.scripted_leader import REGION
from tests.support.client import Client
from tests.support.waiting import until

FIGURES: dict[str, Any] = {"free": 1}
HERE = [0, 0, 1, 1]


def row(number: int, lat: float = 0.5, state: str = "free") -> DriverRow:
    return DriverRow(f"driver-{number:058d}", lat, 0.5, None, state, None, 0)


class Mapper:
    """A leader that tells who watches."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.says: list[Presence] = []
        self.epoch = 1
        self.n = 0
        world.bus.subscribe_raw(subjects.presence(REGION), self._hear)

    def _hear(self, _: bytes, __: bytes, payload: bytes, ___: bytes) -> None:
        said = codec.decode(payload, Presence)
        if said.watch:
            self.says.append(said)

    async def asked(self, what: str, count: int = 1) -> None:
        def is_asked() -> bool:
            return sum(said.watch == what for said in self.says) >= count

        await until(is_asked, f"{what} by a heartbeat")

    def round(self, *drivers: DriverRow, lost: bool = False, **fields: Any) -> None:
        """Of one share; `lost`: on its way."""
        figures = Raw(codec.encode(fields.pop("figures", FIGURES)))
        self.n += 1
        said = Glimpse(
            self.epoch, self.n, True, True, drivers=list(drivers), figures=figures,
            **fields,
        )  # fmt: skip
        if not lost:
            self.world.bus.send(subjects.watched(REGION), codec.encode(said))

    def thousands(self, count: int) -> None:
        """A whole round of so many drivers, in shares of 1,000."""
        for first in range(0, count, 1_000):
            self.n += 1
            last = first + 1_000 >= count
            said = Glimpse(
                self.epoch, self.n, first == 0, last, True,
                [row(number) for number in range(first, min(first + 1_000, count))],
                figures=Raw(codec.encode(FIGURES)) if last else None,
            )  # fmt: skip
            self.world.bus.send(subjects.watched(REGION), codec.encode(said))


@pytest.fixture
async def mapper(world: World) -> Mapper:
    made = Mapper(world)
    # However slow this machine is: who is to be answered isn't given up before.
    await world.start(presence_s=0.05, output_bytes_max=1024 * 1024, command_s=60)
    return made


async def operator(world: World) -> Client:
    token = world.tokens.issue("0192f0c4-1111-7000-8000-00000000000f", Role.OPERATOR)
    return (await world.user(token))[0]


async def asks(client: Client, ref: str, **data: Any) -> None:
    await client.send({"type": "ops.watch", "ref": ref, "data": data})


async def told(client: Client) -> dict[str, Any]:
    data: dict[str, Any] = (await client.expect("ops.update"))["data"]
    return data


async def test_the_leader_hears_of_watchers_as_long_as_there_are_any(
    world: World, mapper: Mapper
) -> None:
    client = await operator(world)
    await world.leader.bus.flush()
    assert mapper.says == []
    await asks(client, "w")
    await mapper.asked("whole")
    mapper.round(row(1), whole=True)
    reply = await client.answer("w")
    assert reply["data"] == {
        "drivers": [[row(1).id, 0.5, 0.5, None, "free", None, 0]],
        "gone": [], "trips": [], "ended": [], "figures": FIGURES,
    }  # fmt: skip
    await mapper.asked("on", 3)
    await client.close()
    gateway = world.gateway
    assert gateway is not None
    await until(lambda: not gateway.watching._regions)
    said = len(mapper.says)
    await world.leader.bus.flush()
    assert len(mapper.says) <= said + 1


async def test_a_hole_is_filled_by_a_whole_round_and_shown_as_changes(
    world: World, mapper: Mapper
) -> None:
    client = await operator(world)
    await asks(client, "w", bounds=HERE)
    await mapper.asked("whole")
    mapper.round(row(1), row(2), whole=True)
    await client.answer("w")
    mapper.says.clear()
    mapper.round(row(3), lost=True)
    mapper.round(row(4))  # can't be taken: something is missing
    await mapper.asked("whole")
    mapper.round(row(2), row(3), row(4, lat=7), whole=True)
    data = await told(client)
    assert (data["gone"], [one[0] for one in data["drivers"]]) == (
        [row(1).id],
        [row(3).id],
    )


async def test_another_leader_begins_anew_and_the_one_before_is_not_heard(
    world: World, mapper: Mapper
) -> None:
    client = await operator(world)
    await asks(client, "w")
    await mapper.asked("whole")
    mapper.n = 40
    mapper.round(row(1), whole=True)
    await client.answer("w")
    mapper.epoch, mapper.n = 2, 0
    mapper.round(row(2), whole=True)
    data = await told(client)
    assert (data["gone"], data["drivers"][0][0]) == ([row(1).id], row(2).id)
    mapper.epoch, mapper.n = 1, 41
    mapper.round(row(3))
    mapper.epoch, mapper.n = 2, 1
    mapper.round(row(4))
    assert [one[0] for one in (await told(client))["drivers"]] == [row(4).id]


async def test_figures_alone_are_news_and_nothing_is_none(
    world: World, mapper: Mapper
) -> None:
    client = await operator(world)
    await asks(client, "w", bounds=HERE)
    await mapper.asked("whole")
    mapper.round(row(1, lat=5), whole=True)
    assert (await client.answer("w"))["data"]["drivers"] == []
    mapper.round(row(1, lat=6))
    mapper.round()
    mapper.round(figures={"free": 2})
    data = await told(client)
    assert (data["figures"], data["drivers"]) == ({"free": 2}, [])
    assert len(client.seen("ops.update")) == 1


async def test_5000_drivers_come_in_pieces_to_20_operators_and_a_slow_one(
    world: World, mapper: Mapper
) -> None:
    clients = [await operator(world) for _ in range(20)]
    slow = await operator(world)
    slow.socket.transport.pause_reading()
    for client in (*clients, slow):
        await asks(client, "w")
    await mapper.asked("whole")
    mapper.thousands(5_000)
    for client in clients:
        seen = {one[0] for one in (await client.answer("w"))["data"]["drivers"]}
        while len(seen) < 5_000:
            seen |= {one[0] for one in (await told(client))["drivers"]}
        sizes = [len(codec.encode(frame)) for frame in client.frames]
        assert max(sizes) <= PIECE_BYTES_MAX
    mapper.round(*[row(number, lat=0.7) for number in range(100)])
    for client in clients:
        assert len((await told(client))["drivers"]) == 100
    # It was sent no more than its budget, is not closed, and catches up.
    slow.socket.transport.resume_reading()
    latest: dict[str, float] = {}
    await slow.answer("w")
    for frame in slow.frames:
        if frame["type"] == "reply":
            latest |= {one[0]: one[1] for one in frame["data"]["drivers"]}
    while sum(lat == 0.7 for lat in latest.values()) < 100 or len(latest) < 5_000:
        latest |= {one[0]: one[1] for one in (await told(slow))["drivers"]}


async def test_where_no_leader_tells_a_watch_is_unavailable(
    world: World,
) -> None:
    await world.start(presence_s=0.05, command_s=2)
    client = await operator(world)
    assert await client.refusal("ops.watch") == "unavailable"
    gateway = world.gateway
    assert gateway is not None
    assert not gateway.watching._regions


async def test_a_session_may_have_eight_watches_unanswered(
    world: World, mapper: Mapper
) -> None:
    client = await operator(world)
    for number in range(9):
        await asks(client, f"w{number}", bounds=[0, 0, 0, number])
    refused = await client.answer("w8")
    assert refused["data"]["code"] == "rate_limited"
    await mapper.asked("whole")  # and so it listens
    mapper.round(row(1), whole=True)
    for number in range(8):
        assert (await client.answer(f"w{number}"))["type"] == "reply"
