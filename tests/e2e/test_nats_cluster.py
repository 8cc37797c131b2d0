"""`cabrank up --nats-servers 3`: the server that leads the ledger is killed."""

import asyncio
from collections.abc import Callable

import pytest

from cabrank.operate import target
from runtime import bus as buses
from schemas import streams
from tests.e2e.simulation import Simulation
from tests.support.stack import Stack, cabrank


async def leading_server(stack: Stack) -> str:
    """Pid-file name of the nats-server that leads the region's ledger."""
    found = target.find(stack.data_dir)
    bus = await buses.connect(found.nats_url, "test", login=found.nats_login())
    try:
        stream = streams.ledger("main").name
        info = await bus.jetstream().stream_info(stream)
        assert info.config.num_replicas == 3
        leader: str = info.cluster.leader
        return leader.replace("cabrank", "nats")
    finally:
        await bus.close()


@pytest.mark.timeout(240)
async def test_a_killed_server_of_three_loses_nothing(
    own_stack: Callable[..., Stack],
) -> None:
    two = ("--gateways", "2", "--dispatchers", "2", "--persistence", "2")
    stack = own_stack("--nats-servers", "3", *two)
    (operator,) = stack.people("operator", 1)
    simulation = Simulation(stack, operator)
    await simulation.start()
    stack.kill(await leading_server(stack))
    await simulation.verdict()
    arguments = ("--data-dir", str(stack.data_dir))
    checked = await asyncio.to_thread(cabrank, "verify", *arguments)
    assert checked.returncode == 0, checked
