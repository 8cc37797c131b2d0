"""One trace from a client's frame, or a request's header, to the database's row."""

import asyncio
import secrets
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing

import httpx
import pytest

from cabrank.operate import target
from cabrank.trial.load.lifted import LIFTED
from runtime import bus as buses
from schemas import traceparent
from tests.e2e.conftest import ADDRESSES, bearer
from tests.support.client import Client, welcomed
from tests.support.collector import Collector
from tests.support.stack import Person, Stack, running
from tests.support.standing import until_free
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(300)  # the first also starts the system

LIMIT_S = 30
NOBODYS = "00000000-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


@pytest.fixture(scope="module")
def traced(
    collector: Collector, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """A system that traces what clients trace, and nothing else."""
    settings = {
        "CABRANK_OTEL_ENDPOINT": collector.url,
        "CABRANK_OTEL_RATIO": "0",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        **LIFTED,  # one rider asks for twenty trips at once
    }
    directory = tmp_path_factory.mktemp("traced") / "data"
    with running(directory, settings=settings) as stack:
        yield stack


@pytest.fixture(scope="module")
def riders(traced: Stack) -> list[Person]:
    return traced.people("rider", 12)


@pytest.fixture
async def rider(traced: Stack, riders: list[Person]) -> AsyncIterator[Client]:
    client, _ = await welcomed(traced.url, riders.pop().access)
    yield client
    await client.close()


def context(flags: str = "01") -> str:
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-{flags}"


def row(stack: Stack, query: str, *values: str) -> Callable[[], str | None]:
    """Reads the first value of the embedded database's first row."""

    def read() -> str | None:
        with closing(sqlite3.connect(stack.data_dir / "cabrank.db")) as database:
            found = database.execute(query, values).fetchone()
        return None if found is None else found[0]

    return read


async def request_trip(rider: Client, trace: object) -> str:
    """A trip requested in a trace; its id."""
    frame = {"type": "trip.request", "ref": "r", "data": ADDRESSES}
    await rider.send({**frame, "traceparent": trace})
    answer = await rider.answer("r")
    assert answer["type"] == "reply", answer
    trip: str = answer["data"]["id"]
    await rider.do("trip.cancel", {"id": trip})
    return trip


async def test_a_frame_s_trace_reaches_the_row_and_every_service_tells_its_part(
    traced: Stack, collector: Collector, rider: Client
) -> None:
    sent = context()
    trace, span = traceparent.ids(sent)
    heard: list[bytes] = []
    found = target.find(traced.data_dir)
    spy = await buses.connect(found.nats_url, "spy", login=found.nats_login())
    spy.subscribe_raw("cmd.main", lambda _s, _r, _p, headers: heard.append(headers))
    await spy.flush()
    trip = await request_trip(rider, sent)
    await until(lambda: any(heard), "the command on NATS", LIMIT_S)
    await spy.close()

    query = "SELECT traceparent FROM trip_events WHERE trip_id = ? AND version = 1"
    stored = row(traced, query, trip)
    await until(stored, "the row", LIMIT_S)
    decided = stored()
    assert decided is not None
    # A leader slower than its gateway's patience is asked again, and tells of each
    # time: the chain is that of the decision which made the row.
    decision = traceparent.ids(decided)[1]
    names = {"dispatcher decide", "dispatcher commit", "persistence write"}
    await until(
        lambda: names == collector.chain(trace, decision).keys(), "the spans", LIMIT_S
    )
    await until(lambda: "gateway command" in collector.of(trace), "its span", LIMIT_S)
    command = collector.of(trace)["gateway command"]
    chain = collector.chain(trace, decision)
    assert command.parent == span
    assert command.attributes["kind"] == "request"
    assert chain["dispatcher decide"].id == decision
    assert chain["dispatcher decide"].parent == command.id
    assert {one.service for one in (command, *chain.values())} == {
        "cabrank-gateway",
        "cabrank-dispatcher",
        "cabrank-persistence",
    }
    on_nats = {traceparent.of_block(block) for block in heard if block}
    assert on_nats == {f"00-{trace}-{command.id}-01"}
    assert decided == f"00-{trace}-{decision}-01"
    pushed = await rider.expect("trip.requested")
    assert pushed["traceparent"] == decided
    assert "traceparent" not in await rider.expect("trip.cancelled")


async def test_an_offer_and_its_end_carry_the_trace_of_what_caused_them(
    traced: Stack, rider: Client
) -> None:
    here = {"lat": 64.1466, "lon": -21.9426}
    (person,) = traced.people("driver", 1)
    driver, _ = await welcomed(traced.url, person.access)
    await driver.do("driver.online", {"offers": True})
    await driver.send({"type": "driver.location", "data": here})
    (operator,) = traced.people("operator", 1)
    await until_free(traced.url, operator.access, person.id)
    data, asked = {**ADDRESSES, "pick_up": here}, context()
    await rider.send({"type": "trip.request", "data": data, "traceparent": asked})
    trip = (await rider.expect("reply"))["data"]["id"]
    offered = await driver.expect("trip.offered")
    assert traceparent.ids(offered["traceparent"])[0] == traceparent.ids(asked)[0]
    cancelled = context()
    frame = {"type": "trip.cancel", "data": {"id": trip}, "traceparent": cancelled}
    await rider.send(frame)
    ended = await driver.expect("trip.offer_ended")
    assert ended["data"]["why"] == "cancelled"
    assert traceparent.ids(ended["traceparent"])[0] == traceparent.ids(cancelled)[0]
    await driver.do("driver.online", {"offers": False})
    await driver.close()


async def test_a_refusal_marks_its_span(collector: Collector, rider: Client) -> None:
    sent = context()
    frame = {"type": "trip.get", "ref": "g", "data": {"id": NOBODYS}}
    await rider.send({**frame, "traceparent": sent})
    assert (await rider.answer("g"))["type"] == "refused"
    trace, _ = traceparent.ids(sent)
    await until(lambda: "gateway command" in collector.of(trace), "a span", LIMIT_S)
    assert collector.of(trace)["gateway command"].failed


async def test_what_is_not_sampled_is_carried_and_not_recorded(
    traced: Stack, collector: Collector, rider: Client
) -> None:
    sent = context("00")
    trip = await request_trip(rider, sent)
    query = "SELECT traceparent FROM trip_events WHERE trip_id = ? AND version = 1"
    stored = row(traced, query, trip)
    await until(stored, "the row", LIMIT_S)
    assert stored() == sent
    await test_a_refusal_marks_its_span(collector, rider)  # a later span has come
    assert not collector.of(traceparent.ids(sent)[0])


@pytest.mark.parametrize("trace", ["nonsense", 7, {"a": []}, None])
async def test_a_bad_context_is_none_and_no_error(rider: Client, trace: object) -> None:
    await request_trip(rider, trace)
    assert "traceparent" not in await rider.expect("trip.requested")


async def test_a_header_s_trace_reaches_the_leader_and_persistence(
    traced: Stack, collector: Collector, riders: list[Person]
) -> None:
    said, asked = context(), context()
    rider = riders.pop()
    async with httpx.AsyncClient(base_url=traced.url, trust_env=False) as web:
        path, body = "/api/rooms/traced/messages", {"text": "hello"}
        headers = {**bearer(rider), "traceparent": said}
        answer = await web.post(path, json=body, headers=headers)
        assert answer.status_code == 201
        headers["traceparent"] = asked
        assert (await web.get("/api/trips", headers=headers)).status_code == 200
    query = "SELECT traceparent FROM messages WHERE room = ?"
    stored = row(traced, query, "traced")
    await until(stored, "the row", LIMIT_S)
    trace, span = traceparent.ids(said)
    assert traceparent.ids(stored() or "")[0] == trace
    names = {"gateway request", "gateway command", "persistence write"}
    await until(lambda: names <= collector.of(trace).keys(), "the spans", LIMIT_S)
    spans = collector.of(trace)
    assert spans["gateway request"].parent == span
    assert spans["gateway request"].attributes["status"] == "201"
    assert spans["gateway command"].parent == spans["gateway request"].id
    trace, _ = traceparent.ids(asked)
    names = {"gateway request", "persistence request"}
    await until(lambda: names <= collector.of(trace).keys(), "the spans", LIMIT_S)
    spans = collector.of(trace)
    assert spans["persistence request"].parent == spans["gateway request"].id


async def test_a_collector_that_hangs_holds_nobody_up(
    collector: Collector, rider: Client
) -> None:
    collector.awake.clear()
    try:
        asked = collector.requests
        sent = [context() for _ in range(20)]
        for trace in sent:
            await request_trip(rider, trace)  # each with the client's own deadline
        await until(lambda: collector.requests > asked, "an export", LIMIT_S)
        await asyncio.gather(request_trip(rider, context()))
    finally:
        collector.awake.set()
