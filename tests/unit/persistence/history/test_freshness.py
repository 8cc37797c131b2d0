import asyncio

from persistence.history.freshness import Shared


class Counter:
    """Answers how often it was asked, when it is let."""

    def __init__(self) -> None:
        self.asked = 0
        self.gate = asyncio.Event()

    async def ask(self, name: str) -> str:
        self.asked += 1
        mine = f"{name}{self.asked}"
        await self.gate.wait()
        return mine


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_who_come_while_a_question_is_on_its_way_share_the_next() -> None:
    counter = Counter()
    shared = Shared(counter.ask)
    first = [asyncio.create_task(shared.of("a")) for _ in range(100)]
    await settled()
    later = [asyncio.create_task(shared.of("a")) for _ in range(100)]
    await settled()
    assert counter.asked == 1
    counter.gate.set()
    assert set(await asyncio.gather(*first)) == {"a1"}
    assert set(await asyncio.gather(*later)) == {"a2"}
    assert await shared.of("a") == "a3"


async def test_names_do_not_wait_for_one_another() -> None:
    counter = Counter()
    shared = Shared(counter.ask)
    both = asyncio.gather(shared.of("a"), shared.of("b"))
    await settled()
    assert counter.asked == 2
    counter.gate.set()
    assert await both == ["a1", "b2"]


async def test_who_goes_away_takes_nobodys_answer_along() -> None:
    counter = Counter()
    shared = Shared(counter.ask)
    gone = asyncio.create_task(shared.of("a"))
    other = asyncio.create_task(shared.of("a"))
    await settled()
    gone.cancel()
    counter.gate.set()
    assert await other == "a1"


async def test_a_question_that_fails_is_asked_anew_by_the_next() -> None:
    answers = iter([ValueError("away"), None])

    async def ask(_name: str) -> str:
        error = next(answers)
        if error is not None:
            raise error
        return "back"

    shared = Shared(ask)
    (failed,) = await asyncio.gather(shared.of("a"), return_exceptions=True)
    assert isinstance(failed, ValueError)
    assert await shared.of("a") == "back"


async def test_who_comes_after_a_question_that_was_shared_waits_for_company() -> None:
    counter, company = Counter(), asyncio.Event()
    counter.gate.set()
    shared = Shared(counter.ask, company.wait)
    both = await asyncio.gather(shared.of("a"), shared.of("a"))
    assert both == ["a1", "a1"]
    later = []
    for _ in range(3):
        later.append(asyncio.create_task(shared.of("a")))
        await settled()
    assert counter.asked == 1
    assert await shared.of("b") == "b2"
    company.set()
    assert set(await asyncio.gather(*later)) == {"a3"}


async def test_who_comes_after_a_question_that_one_asked_waits_for_nobody() -> None:
    counter, company = Counter(), asyncio.Event()
    counter.gate.set()
    shared = Shared(counter.ask, company.wait)
    assert await shared.of("a") == "a1"
    assert await shared.of("a") == "a2"
