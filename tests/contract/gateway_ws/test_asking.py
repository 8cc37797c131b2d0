"""What sockets of one address make a gateway ask of persistence takes turns (issue 11):
a wrong key or password costs there what a good one does.
"""

import asyncio
import contextlib

import pytest

from gateway.limits import Limits
from schemas import subjects
from schemas.accounts import Result
from schemas.codec import encode
from schemas.refusals import Code, Refusal
from schemas.service_accounts import PREFIX
from tests.contract.gateway_ws.conftest import World
from tests.support.rawsocket import TEXT, RawSocket, frame, upgrade
from tests.support.waiting import until

MOST = Limits().asked_per_address_max
NO = Result(refused=Refusal(Code.BAD_CREDENTIALS, "no"))


class Persistence:
    """Answers one question after the other, as it is told to."""

    def __init__(self, world: World, operation: str) -> None:
        self._bus = world.bus
        self._replies: list[str] = []
        self.answered = 0
        self.most = 0
        """Waiting at once."""
        world.bus.subscribe_raw(subjects.accounts(operation), self._asked, "accounts")

    def _asked(self, _s: bytes, reply: bytes, _p: bytes, _h: bytes) -> None:
        self._replies.append(reply.decode())
        self.most = max(self.most, self.waiting)

    @property
    def waiting(self) -> int:
        return len(self._replies)

    def answer(self) -> None:
        self._bus.send(self._replies.pop(0), encode(NO))
        self.answered += 1


async def opened(world: World, kind: str, number: int) -> RawSocket:
    port = int(world.url.rpartition(":")[2])
    if kind == "check_key":
        one = await RawSocket.tcp(port)
        one.send(upgrade(port, f"/ws?token={PREFIX}{number:043}"))
        return one
    one = await RawSocket.open(port, token=None)
    data = b'{"username":"u%d","password":"secret-secret"}' % number
    one.send(frame(TEXT, b'{"type":"session.login","data":%b}' % data))
    return one


@pytest.mark.parametrize("kind", ["log_in", "check_key"])
async def test_of_one_address_persistence_is_asked_a_few_things_at_once(
    kind: str, world: World
) -> None:
    await world.start()
    persistence = Persistence(world, kind)
    await world.bus.flush()
    fast = await world.rider()
    count = 5 * MOST
    sockets = [await opened(world, kind, number) for number in range(count)]
    await until(lambda: persistence.waiting == MOST, "the first questions")
    await fast.quiet()
    while persistence.answered < count:
        await until(lambda: persistence.waiting > 0, "a question")
        persistence.answer()
    assert persistence.most == MOST
    for one in sockets:
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(10):
                said = await one.reader.read(4096)
            assert b"bad_credentials" in said
        one.abort()
