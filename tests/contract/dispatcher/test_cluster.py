"""Three nats-servers: a ledger in three copies, and the loss of whoever leads it."""

from collections.abc import AsyncIterator, Iterator

import pytest
from nats.js import JetStreamContext
from nats.js.api import StreamInfo, StreamState
from nats.js.errors import APIError

from dispatcher.commit.fence import Fate, Fence
from dispatcher.region.snapshots import SnapshotStore
from runtime import bus as buses
from runtime import streams as runtime_streams
from runtime.bus import Bus
from runtime.ledger import UNREACHABLE, Ledger, open_ledger, patiently
from schemas import codec, streams
from schemas.ledger import Writer
from tests.support import nats
from tests.support.nats import NatsCluster, NatsServer
from tests.support.waiting import until, until_true

LIMIT_S = 40
"""An election takes 4 to 9 s (nats-server), more where the machine is busy."""


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsCluster]:
    with nats.cluster(tmp_path_factory.mktemp("cluster"), nats.ACCOUNTS) as servers:
        yield servers


@pytest.fixture
async def bus(servers: NatsCluster) -> AsyncIterator[Bus]:
    connection = await buses.connect(servers.url, "test")
    yield connection
    await connection.close()


async def whole(js: JetStreamContext, stream: str, copies: int) -> StreamInfo:
    """Once all copies are there and have all that the leader has."""
    seen: list[StreamInfo] = []

    async def is_whole() -> bool:
        try:
            info = await js.stream_info(stream)
        except UNREACHABLE:
            return False
        seen[:] = [info]
        cluster = info.cluster
        others = (cluster.replicas or []) if cluster and cluster.leader else None
        return others is not None and (
            len(others) == copies - 1
            and all(one.current and not one.offline for one in others)
        )

    await until_true(is_whole, f"{copies} copies of {stream}", LIMIT_S)
    return seen[0]


class Pen:
    """A writer of records and the verdicts it was given."""

    def __init__(self, bus: Bus, ledger: Ledger) -> None:
        self.ledger = ledger
        self.fates: list[Fate] = []
        js = bus.jetstream(timeout=2)
        self.fence = Fence(bus, js, ledger, self.fates.append)
        self._writer = Writer(ledger.id, 1, "me")

    def send(self, n: int, padding: str = "") -> None:
        event = codec.encode(padding)
        self.fence.append(self._writer.record(n, 1, [event]), n, n - 1)

    async def verdict(self) -> Fate:
        def settled() -> bool:
            self.fence.tick()
            return not self.fence.busy

        await until(settled, "a verdict", LIMIT_S)
        return self.fates.pop()

    async def write(self, n: int, padding: str = "") -> Fate:
        self.send(n, padding)
        return await self.verdict()

    async def stored(self, n: int) -> None:
        """Until a record that was sent is stored, however long the election takes."""
        while (fate := await self.verdict()) is Fate.UNKNOWN:
            self.send(n)
        assert fate is Fate.STORED


async def opened(bus: Bus, region: str, replicas: int, bytes_max: int = -1) -> Ledger:
    return await open_ledger(
        bus.jetstream(timeout=2), region, bytes_max=bytes_max, replicas=replicas
    )


async def test_what_was_kept_once_is_kept_three_times_when_the_settings_ask_for_it(
    bus: Bus,
) -> None:
    js = bus.jetstream(timeout=2)
    before = await opened(bus, "once", 1)
    pen = Pen(bus, before)
    assert [await pen.write(n) for n in (1, 2)] == [Fate.STORED] * 2
    spec = streams.revocations(900)
    await patiently("revocations", lambda: runtime_streams.ensure(js, spec))
    await SnapshotStore(js, before, 1).ensure()

    assert await opened(bus, "once", 3) == before
    await patiently("revocations", lambda: runtime_streams.ensure(js, spec, replicas=3))
    await SnapshotStore(js, before, 3).ensure()
    for stream in (before.stream, streams.REVOCATIONS, streams.SNAPSHOTS_STREAM):
        assert (await whole(js, stream, 3)).config.num_replicas == 3
    assert await pen.write(3) is Fate.STORED

    assert await opened(bus, "once", 1) == before  # a service with other settings
    assert (await js.stream_info(before.stream)).config.num_replicas == 3


async def test_a_record_in_flight_when_the_leading_server_dies_is_stored_once(
    bus: Bus, servers: NatsCluster
) -> None:
    js = bus.jetstream(timeout=2)
    pen = Pen(bus, await opened(bus, "killed", 3))
    info = await whole(js, pen.ledger.stream, 3)
    for n in range(1, 51):
        assert await pen.write(n) is Fate.STORED
    victim = servers.number_of(info.cluster.leader)
    pen.send(51)
    bus.write_now()
    servers.kill(victim)
    try:
        await pen.stored(51)
        for n in range(52, 101):
            pen.send(n)
            await pen.stored(n)
        state = await patiently("state", lambda: state_of(js, pen.ledger))
        assert (state.messages, state.last_seq) == (100, 100)
    finally:
        servers.start(victim)
    await whole(js, pen.ledger.stream, 3)


async def test_of_two_writers_on_a_cluster_the_second_is_deposed(bus: Bus) -> None:
    ledger = await opened(bus, "two", 3)
    one, two = Pen(bus, ledger), Pen(bus, ledger)
    two._writer = Writer(ledger.id, 1, "other")
    for n in range(1, 30):
        one.send(n)
        two.send(n)  # 10071, or 10164 while the first is under way
        fates = {await one.verdict(), await two.verdict()}
        assert fates == {Fate.STORED, Fate.DEPOSED}


async def test_a_full_ledger_on_a_cluster_says_so(bus: Bus) -> None:
    pen = Pen(bus, await opened(bus, "full", 3, bytes_max=4096))
    n = 1
    while await pen.write(n, "x" * 400) is Fate.STORED:
        n += 1
    assert await pen.write(n, "x" * 400) is Fate.FULL
    js = bus.jetstream(timeout=2)
    assert (await state_of(js, pen.ledger)).last_seq == n - 1


async def test_a_full_account_on_a_cluster_deposes_nobody_and_denies_nothing(
    servers: NatsCluster,
) -> None:
    """The server says that it is full before it looks at the sequence."""
    bus = await buses.connect(nats.small(servers.url), "small")
    ledger = await opened(bus, "main", 3)
    pen, late = Pen(bus, ledger), Pen(bus, ledger)
    late._writer = Writer(ledger.id, 1, "other")
    padding = "x" * 20_000
    n = 1
    while await pen.write(n, padding) is Fate.STORED:
        n += 1
    assert await pen.write(n, padding) is Fate.FULL
    assert await late.write(n - 1, padding) is Fate.DEPOSED
    assert await pen.write(n - 1, padding) is Fate.STORED  # its answer was lost
    js = bus.jetstream(timeout=2)
    assert (await state_of(js, ledger)).last_seq == n - 1
    await bus.close()


async def state_of(js: JetStreamContext, ledger: Ledger) -> StreamState:
    return (await js.stream_info(ledger.stream)).state


async def test_more_copies_than_servers_are_told_and_the_stream_goes_on(
    nats_server: NatsServer,
) -> None:
    alone = await buses.connect(nats_server.url, "test")
    js = alone.jetstream(timeout=2)
    ledger = await open_ledger(js, "main", bytes_max=-1, replicas=1)
    again = await open_ledger(js, "main", bytes_max=-1, replicas=3)
    assert again == ledger
    with pytest.raises(APIError):
        await runtime_streams.ensure(js, streams.revocations(900), replicas=3)
    await alone.close()


async def test_a_ledger_that_cannot_be_made_says_why(
    nats_server: NatsServer,
) -> None:
    alone = await buses.connect(nats_server.url, "test")
    told: list[str] = []
    with pytest.raises(ToldError):
        await open_ledger(
            alone.jetstream(timeout=2),
            "main",
            bytes_max=-1,
            replicas=3,
            tell=lambda what: _stop(told, what),
        )
    assert told == ["ledger: replicas > 1 not supported in non-clustered mode"]
    await alone.close()


class ToldError(Exception):
    pass


def _stop(told: list[str], what: str) -> None:
    told.append(what)
    raise ToldError


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (10164, "wrong last sequence"),
        (10008, "JetStream system temporarily unavailable"),
        (10009, "JetStream cluster not leader"),
        (10076, "stream leader changed"),
        (10077, "raft: not leader"),
        (10036, "a code that nobody has heard of"),
    ],
)
async def test_an_answer_of_a_cluster_without_a_leader_is_tried_again(
    nats_server: NatsServer, code: int, text: str
) -> None:
    """No stream listens at first, as none does during an election; the answer is ours,
    since no server can be made to give it.
    """
    bus = await buses.connect(nats_server.url, "test")
    js = bus.jetstream(timeout=2)
    pen = Pen(bus, await opened(bus, "main", 1))
    config = (await js.stream_info(pen.ledger.stream)).config
    await js.delete_stream(pen.ledger.stream)
    pen.send(1)
    error = {"error": {"code": 503, "err_code": code, "description": text}}
    bus.send(f"{pen.fence._inbox}.1", codec.encode(error))
    await bus.flush()
    assert pen.fence.busy
    assert not pen.fates
    await js.add_stream(config)
    assert await pen.verdict() is Fate.STORED
    assert (await state_of(js, pen.ledger)).messages == 1
    await bus.close()
