"""What gateways learn of revocations, over a real NATS that comes and goes."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from gateway.identity import revocation_stream
from runtime import streams as runtime_streams
from runtime.bus import Bus, connect
from runtime.lifecycle import Service
from runtime.settings import Settings
from schemas import streams, subjects
from schemas.accounts import Revocation
from schemas.claims import LOAD_TEST_TTL_S
from schemas.codec import encode
from tests.support.nats import NatsServer
from tests.support.waiting import until


@pytest.fixture
def settings(nats_server: NatsServer) -> Settings:
    return Settings(nats_url=nats_server.url)


@pytest.fixture
async def other(settings: Settings) -> AsyncIterator[Bus]:
    """Persistence's connection."""
    made = await connect(settings.nats_url, "other")
    yield made
    await made.close()


@pytest.fixture(autouse=True)
async def stream(other: Bus) -> None:
    """As persistence makes it."""
    await runtime_streams.ensure(other.jetstream(), streams.revocations(900))


def revocation(number: int) -> Revocation:
    return Revocation(f"user-{number}", f"session-{number}", number)


async def publish(bus: Bus, first: int, last: int) -> None:
    js = bus.jetstream()
    await runtime_streams.ensure(js, streams.revocations(900))
    for number in range(first, last + 1):
        made = revocation(number)
        await js.publish(subjects.revoked(made.user), encode(made))


def expected(last: int) -> list[Revocation]:
    return [revocation(number) for number in range(1, last + 1)]


async def follow(service: Service, bus: Bus, settings: Settings) -> list[Revocation]:
    """What was handed over so far; grows."""
    seen: list[Revocation] = []
    following = revocation_stream.follow(service, bus, seen.append)
    await asyncio.wait_for(following, 10)
    return seen


async def test_a_gateway_that_starts_later_knows_all_revocations_before_it_is_ready(
    service: Service, bus: Bus, settings: Settings, other: Bus
) -> None:
    await publish(other, 1, 50)
    assert await follow(service, bus, settings) == expected(50)


async def test_one_that_is_made_later_is_handed_over_as_it_is_made(
    service: Service, bus: Bus, settings: Settings, other: Bus
) -> None:
    seen = await follow(service, bus, settings)
    assert seen == []
    await publish(other, 1, 3)
    await until(lambda: len(seen) == 3)
    assert seen == expected(3)


async def test_all_that_have_expired_leave_nothing_to_wait_for(
    service: Service, bus: Bus, settings: Settings, other: Bus
) -> None:
    await publish(other, 1, 3)
    await other.jetstream().purge_stream(streams.REVOCATIONS)
    seen = await follow(service, bus, settings)
    await publish(other, 4, 4)
    await until(lambda: seen == [revocation(4)])


async def test_none_is_missed_and_none_repeated_over_a_restart_of_nats(
    service: Service,
    bus: Bus,
    settings: Settings,
    other: Bus,
    nats_server: NatsServer,
) -> None:
    await publish(other, 1, 5)
    seen = await follow(service, bus, settings)
    nats_server.kill()
    await until(lambda: not bus.is_connected)
    nats_server.start()
    await until(lambda: bus.is_connected and other.is_connected)
    await publish(other, 6, 10)
    await until(lambda: len(seen) >= 10)
    assert seen == expected(10)


async def test_those_made_while_a_gateway_was_cut_off_are_caught_up(
    service: Service, bus: Bus, settings: Settings, other: Bus
) -> None:
    await publish(other, 1, 2)
    seen = await follow(service, bus, settings)
    # Its consumer goes, as the server drops one whose gateway was away too long.
    js = other.jetstream()
    [consumer] = await js.consumers_info(streams.REVOCATIONS)
    await js.delete_consumer(streams.REVOCATIONS, consumer.name)
    await publish(other, 3, 5)
    await until(lambda: len(seen) >= 5)
    assert seen == expected(5)


async def test_a_stream_made_anew_is_read_from_its_start(
    service: Service, bus: Bus, settings: Settings, other: Bus
) -> None:
    await publish(other, 1, 5)
    seen = await follow(service, bus, settings)
    await other.jetstream().delete_stream(streams.REVOCATIONS)
    await publish(other, 6, 8)
    await until(lambda: len(seen) >= 8)
    assert seen == expected(8)


async def test_an_unreadable_revocation_hides_none_behind_it(
    service: Service, bus: Bus, settings: Settings, other: Bus
) -> None:
    await publish(other, 1, 1)
    await other.jetstream().publish("revoked.x", b"not json")
    await publish(other, 2, 2)
    assert await follow(service, bus, settings) == expected(2)
    assert service.failure is None


async def test_a_gateway_is_not_ready_before_persistence_made_the_stream(
    service: Service, settings: Settings, bus: Bus, other: Bus
) -> None:
    await other.jetstream().delete_stream(streams.REVOCATIONS)
    following = asyncio.ensure_future(revocation_stream.follow(service, bus, [].append))
    await asyncio.wait({following}, timeout=0.3)
    assert not following.done()
    await publish(other, 1, 1)
    await asyncio.wait_for(following, 30)


async def test_a_gateway_is_not_ready_before_nats_answers(
    service: Service, settings: Settings, bus: Bus, nats_server: NatsServer
) -> None:
    nats_server.kill()
    await until(lambda: not bus.is_connected)
    seen: list[Revocation] = []
    following = asyncio.ensure_future(
        revocation_stream.follow(service, bus, seen.append)
    )
    await asyncio.wait({following}, timeout=0.3)
    assert not following.done()
    nats_server.start()
    await asyncio.wait_for(following, 10)


async def test_the_stream_outlives_the_longest_token(
    bus: Bus, settings: Settings
) -> None:
    js = bus.jetstream()
    for ttl_s in (900, 7 * 86_400, 60):
        await runtime_streams.ensure(js, streams.revocations(ttl_s))
    config = (await js.stream_info(streams.REVOCATIONS)).config
    assert config.max_age == 7 * 86_400
    assert config.allow_direct
    assert streams.revocations(60).max_age_s == LOAD_TEST_TTL_S


async def test_many_may_make_the_same_stream_at_once(bus: Bus) -> None:
    js = bus.jetstream()
    spec = streams.revocations(time.time())
    made = await asyncio.gather(*(runtime_streams.ensure(js, spec) for _ in range(8)))
    assert {info.config.name for info in made} == {streams.REVOCATIONS}
