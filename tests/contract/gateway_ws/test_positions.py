"""Positions on their way to the leader: read with others', and never out of order."""

from typing import Any

from tests.contract.gateway_ws.conftest import World
from tests.support.client import Client
from tests.support.waiting import until

HERE = {"lat": 1, "lon": 2.5}
NOWHERE = {"lat": 91, "lon": 2.5}
NEVER = 3_600.0


async def begun(world: World, **limits: float) -> Client:
    """A driver of a gateway that won't send positions by itself any more."""
    await world.start(locations_s=NEVER, **limits)
    client = await world.driver()
    await client.ask("driver.online", {})
    gateway = world.gateway
    assert gateway is not None
    await until(lambda: gateway.sockets.frames_in == 0)  # its first tick is over
    return client


async def waits(world: World, client: Client, data: dict[str, Any], ref: str) -> None:
    """It came alone, and is not read yet."""
    await client.send({"type": "driver.location", "ref": ref, "data": data})
    assert world.gateway is not None
    [socket] = world.gateway.sockets.connections
    runner: Any = socket.runner  # type: ignore[attr-defined]
    await until(lambda: runner.late is not None and f'"{ref}"'.encode() in runner.late)


async def test_a_position_that_waits_is_read_before_what_comes_next(
    world: World,
) -> None:
    client = await begun(world)
    await waits(world, client, NOWHERE, "first")
    await waits(world, client, HERE, "second")
    assert (await client.answer("first"))["data"]["code"] == "invalid_data"
    await waits(world, client, NOWHERE, "third")
    await client.ask("driver.online", {})
    assert client.frames[-2]["ref"] == "third"


async def test_a_position_that_waits_is_sent_on_though_its_driver_goes(
    world: World,
) -> None:
    client = await begun(world)
    await waits(world, client, HERE, "last")
    await client.vanish()
    gateway = world.gateway
    assert gateway is not None
    await until(lambda: not gateway.sockets.connections)
    gateway.services.positions.flush()
    await until(lambda: [fix.lat for fix in world.leader.fixes] == [HERE["lat"]])


async def test_a_position_that_nothing_follows_is_read_when_positions_are_sent(
    world: World,
) -> None:
    await world.start()
    client = await world.driver()
    data = {"type": "driver.location", "ref": "1", "data": NOWHERE}
    await client.send(data)
    assert (await client.answer("1"))["data"]["code"] == "invalid_data"


async def test_of_positions_over_the_rate_the_first_alone_is_refused(
    world: World,
) -> None:
    client = await begun(world, frames_per_s=0.01, frames_burst=3, frames_again=1)
    for ref in ("1", "2", "3"):
        await waits(world, client, HERE, ref)
    for ref in ("4", "5"):
        await client.send({"type": "driver.location", "ref": ref, "data": HERE})
    assert (await client.answer("3"))["data"]["code"] == "rate_limited"
    gateway = world.gateway
    assert gateway is not None
    gateway.services.positions.flush()
    await until(lambda: len(world.leader.fixes) == 1)
    refused = [frame for frame in client.frames if frame["type"] == "refused"]
    assert [frame["ref"] for frame in refused] == ["3"]
