import asyncio

import pytest

from runtime import bus
from runtime import questions as asking
from runtime.questions import NOBODY, OVERLOADED, UNAVAILABLE, Questions
from schemas.accounts import LogOut, Result
from schemas.codec import encode
from tests.contract.http.conftest import FakePersistence, data
from tests.support import nats
from tests.support.waiting import until

QUESTION = LogOut("u", "s")


@pytest.fixture
async def asker(connection: bus.Bus) -> Questions:
    made = Questions(connection)
    await connection.flush()
    return made


@pytest.fixture
async def persistence(persistence_bus: bus.Bus) -> FakePersistence:
    fake = FakePersistence(persistence_bus)
    await fake.listen("history.*")
    return fake


async def test_answers_go_to_their_own_questions(
    asker: Questions, persistence: FakePersistence
) -> None:
    persistence.answers["history.trip"] = lambda question: data(question["user"])
    names = [str(number) for number in range(200)]
    results = await asyncio.gather(
        *(asker.ask("history.trip", LogOut(name, "s")) for name in names)
    )
    assert [bytes(result.data or b"") for result in results] == [
        encode(name) for name in names
    ]


async def test_two_askers_on_one_connection_get_their_own_answers(
    asker: Questions, connection: bus.Bus, persistence: FakePersistence
) -> None:
    persistence.answers["history.trip"] = lambda question: data(question["user"])
    other = Questions(connection)
    mine, others = await asyncio.gather(
        asker.ask("history.trip", LogOut("mine", "s")),
        other.ask("history.trip", LogOut("other's", "s")),
    )
    assert (bytes(mine.data or b""), bytes(others.data or b"")) == (
        b'"mine"',
        b'"other\'s"',
    )


async def test_nobody_there_is_unavailable(asker: Questions) -> None:
    assert await asker.ask("history.trip", QUESTION) == NOBODY


async def test_a_worker_that_comes_back_soon_still_gets_the_question(
    asker: Questions, persistence_bus: bus.Bus
) -> None:
    fake = FakePersistence(persistence_bus)
    fake.answers["history.trip"] = lambda _: data(1)
    asking = asyncio.create_task(asker.ask("history.trip", QUESTION))
    # The first try has met nobody when the number of the second is given out.
    await until(lambda: asker._last > 1, "second try")
    await fake.listen("history.*")
    result = await asking
    assert bytes(result.data or b"") == b"1"
    assert len(fake.asked) == 1


async def test_a_question_that_somebody_took_is_not_asked_again(
    asker: Questions, persistence: FakePersistence
) -> None:
    persistence.answers["history.trip"] = lambda _: None
    result = await asker.ask("history.trip", QUESTION, timeout_s=0.3)
    assert result == UNAVAILABLE
    assert len(persistence.asked) == 1
    assert asker._pending == {}


async def test_an_answer_after_the_time_limit_is_let_pass(
    asker: Questions, connection: bus.Bus, persistence_bus: bus.Bus
) -> None:
    replies: list[str] = []
    persistence_bus.subscribe_raw(
        "history.*", lambda _s, reply, _p, _h: replies.append(reply.decode())
    )
    await persistence_bus.flush()
    assert await asker.ask("history.trip", QUESTION, timeout_s=0.2) == UNAVAILABLE
    persistence_bus.send(replies[0], encode(data(1)))
    persistence_bus.send(replies[0] + "x", encode(data(1)))
    await persistence_bus.flush()
    await connection.flush()
    assert not connection.broken.done()


async def test_an_answer_that_is_no_result_is_unavailable(
    asker: Questions, persistence_bus: bus.Bus
) -> None:
    persistence_bus.subscribe_raw(
        "history.*",
        lambda _s, reply, _p, _h: persistence_bus.send(reply.decode(), b"\xff{"),
    )
    await persistence_bus.flush()
    assert await asker.ask("history.trip", QUESTION) == UNAVAILABLE


async def test_without_a_connection_it_is_unavailable_and_nothing_is_sent_late(
    asker: Questions,
    connection: bus.Bus,
    persistence: FakePersistence,
    nats_server: nats.NatsServer,
) -> None:
    persistence.answers["history.trip"] = lambda _: data(1)
    nats_server.kill()
    await until(lambda: not connection.is_connected, "disconnect")
    assert await asker.ask("history.trip", QUESTION) == NOBODY
    nats_server.start()
    await until(lambda: connection.is_connected, "reconnect")
    async with asyncio.timeout(10):
        while (await asker.ask("history.trip", QUESTION)).refused is not None:
            pass
    assert len(persistence.asked) == 1


async def test_too_many_questions_at_once_are_overloaded(
    asker: Questions,
    persistence: FakePersistence,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(asking, "PENDING_MAX", 2)
    persistence.answers["history.trip"] = lambda _: None
    results: list[Result] = await asyncio.gather(
        *(asker.ask("history.trip", QUESTION, timeout_s=0.3) for _ in range(3))
    )
    assert sorted(results.index(r) for r in results if r == OVERLOADED) == [2]
