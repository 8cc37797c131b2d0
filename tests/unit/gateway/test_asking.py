"""Questions of one address take turns, and nobody else's wait for them."""

import asyncio

from gateway.asking import Asking
from gateway.limits import Limits
from schemas.accounts import Result
from schemas.refusals import Code

GOOD = Result()


class Desk:
    """Answers when it is told to."""

    def __init__(self, **limits: float) -> None:
        self.asking = Asking(Limits(**limits))  # type: ignore[arg-type]
        self.open: list[asyncio.Future[Result]] = []

    async def question(self) -> Result:
        self.open.append(asyncio.get_running_loop().create_future())
        return await self.open[-1]

    def ask(self, address: str) -> asyncio.Task[Result]:
        return asyncio.create_task(self.asking.ask(address, self.question))

    async def settled(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)


def code(task: asyncio.Task[Result]) -> Code | None:
    refused = task.result().refused
    return None if refused is None else refused.code


async def test_so_many_of_an_address_are_asked_at_once_and_another_s_beside_them() -> (
    None
):
    desk = Desk(asked_per_address_max=2)
    tasks = [desk.ask("a") for _ in range(5)]
    await desk.settled()
    assert len(desk.open) == 2
    other = desk.ask("b")
    await desk.settled()
    assert len(desk.open) == 3
    at = 0
    while not all(task.done() for task in [*tasks, other]):
        desk.open[at].set_result(GOOD)
        at += 1
        await desk.settled()
    assert [code(task) for task in [*tasks, other]] == [None] * 6
    assert len(desk.asking) == 0


async def test_one_too_many_is_told_at_once() -> None:
    desk = Desk(asked_per_address_max=1, asking_per_address_max=3)
    tasks = [desk.ask("a") for _ in range(4)]
    await desk.settled()
    assert tasks[3].done()
    assert code(tasks[3]) is Code.OVERLOADED
    for at in range(3):
        desk.open[at].set_result(GOOD)
        await desk.settled()
    assert [code(task) for task in tasks[:3]] == [None] * 3


async def test_who_waited_for_too_long_is_not_asked_about() -> None:
    desk = Desk(asked_per_address_max=1, asking_s=-1)
    first, second = desk.ask("a"), desk.ask("a")
    await desk.settled()
    assert code(first) is code(second) is Code.OVERLOADED
    assert desk.open == []
    assert len(desk.asking) == 0


async def test_who_no_longer_asks_makes_room() -> None:
    desk = Desk(asked_per_address_max=1)
    first, waiting, last = (desk.ask("a") for _ in range(3))
    await desk.settled()
    waiting.cancel()
    first.cancel()
    await desk.settled()
    assert len(desk.open) == 2
    desk.open[1].set_result(GOOD)
    assert await last == GOOD
    assert len(desk.asking) == 0
