"""What is said while the ledger is full: nothing that a hung leader may make untrue."""

from collections.abc import AsyncIterator

import pytest

from dispatcher.region.ledger_full import Refuser, nothing
from runtime import bus as buses
from runtime.bus import Bus
from tests.contract.dispatcher.desk import Gateway, request, rider
from tests.support.nats import NatsServer
from tests.support.waiting import until

COMMANDS = iter(range(1_000))


@pytest.fixture
async def refuser(nats_server: NatsServer) -> AsyncIterator[Refuser]:
    bus = await buses.connect(nats_server.url, "refuser")
    refuser = Refuser(bus, "main", nothing())
    await bus.flush()
    yield refuser
    refuser.close()
    await bus.close()


async def said(refuser: Refuser, gateway: Gateway) -> str:
    """What a command that comes now is answered, after rounds in each of which the
    ledger was full.
    """
    asked = request(rider(next(COMMANDS)))
    gateway.send(asked)
    await gateway.ready()
    for _ in range(3):
        await refuser._bus.flush()  # what was sent before has arrived by now
        refuser.collect()
        await refuser._bus.flush()
        refuser.refuse()
    await refuser._bus.flush()
    await gateway.ready()
    answer = gateway.answer_to(asked)
    assert answer is not None
    assert answer.refused is not None
    return answer.refused.code


async def alone(refuser: Refuser) -> None:
    def is_alone() -> bool:
        refuser.collect()
        return refuser._alone

    await until(is_alone, "a ping that meets nobody")


async def test_a_command_that_no_leader_can_have_is_refused(
    refuser: Refuser, gateway: Gateway
) -> None:
    await alone(refuser)
    assert await said(refuser, gateway) == "overloaded"
    (known,) = refuser._denied
    assert gateway.answers[-1][1] == known


async def test_one_that_came_before_it_was_known_that_nobody_leads_is_not(
    refuser: Refuser, gateway: Gateway
) -> None:
    assert await said(refuser, gateway) == "unavailable"
    assert not refuser._denied
    assert await said(refuser, gateway) == "overloaded"


async def test_none_is_while_a_leader_is_there_that_hangs(
    refuser: Refuser, gateway: Gateway, bus: Bus
) -> None:
    await alone(refuser)
    hung = bus.subscribe_raw("ping.main", lambda *_: None)
    await gateway.ready()
    assert await said(refuser, gateway) == "unavailable"
    assert await said(refuser, gateway) == "unavailable"
    hung.cancel()
    await gateway.ready()
    await alone(refuser)
    assert await said(refuser, gateway) == "overloaded"


async def test_none_is_while_a_leader_answers(
    refuser: Refuser, gateway: Gateway, bus: Bus
) -> None:
    await alone(refuser)
    bus.subscribe_raw("ping.main", lambda _, reply, *__: bus.send(reply.decode(), b""))
    await gateway.ready()
    assert await said(refuser, gateway) == "unavailable"
