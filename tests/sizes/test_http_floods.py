"""HTTP floods on a whole system: what they make the gateway hold is bounded, and others
are answered before most of the flood is (issue 11).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from tests.sizes.conftest import size
from tests.support.client import Client, welcomed
from tests.support.rawsocket import upgrade
from tests.support.stack import Person, Stack, running

LIMIT_S = 120
TOO_MANY = 429
GROWTH_BYTES_MAX = 64 * 1024 * 1024
"""Issue 11: what a flood may make a gateway grow by."""
HEALTHZ = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /api/tokens HTTP/1.1\r\nHost: x\r\n"


class City:
    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.flooder, self.other = stack.people("rider", 2)
        self._pid = stack.pid("gateway-1")

    @property
    def rss_bytes(self) -> int:
        text = Path(f"/proc/{self._pid}/status").read_text()
        line = next(each for each in text.splitlines() if each.startswith("VmRSS"))
        return int(line.split()[1]) * 1024

    async def tcp(self) -> "Socket":
        return Socket(*await asyncio.open_connection("127.0.0.1", self.stack.port))

    async def sockets(self, count: int) -> "list[Socket]":
        made: list[Socket] = []
        while len(made) < count:
            some = min(100, count - len(made))
            made += await asyncio.gather(*(self.tcp() for _ in range(some)))
        return made

    def get(self, person: Person, path: str = "/api/trips") -> bytes:
        head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer"
        return f"{head} {person.access}\r\n\r\n".encode()


class Socket:
    """Sends on without end, and counts answers."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.answers = 0

    async def count(self) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await self.reader.read(65536):
                self.answers += data.count(b"HTTP/1.1 ")

    async def send(self, data: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            self.writer.write(data)
            await self.writer.drain()


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    with running(tmp_path_factory.mktemp("city") / "data") as stack:
        yield City(stack)


async def let_in(city: City) -> Client:
    """A session, once nothing is held any more of the flood before: from this address
    nobody is let in meanwhile.
    """
    async with asyncio.timeout(LIMIT_S):
        while True:
            try:
                return (await welcomed(city.stack.url, city.other.access))[0]
            except InvalidStatus as refused:
                if refused.response.status_code != TOO_MANY:
                    raise
                await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def watched(city: City) -> AsyncIterator[Client]:
    """A session of somebody else, and the gateway's growth meanwhile."""
    client = await let_in(city)
    before = most = city.rss_bytes
    ended = asyncio.Event()

    async def watch() -> None:
        nonlocal most
        while not ended.is_set():
            most = max(most, city.rss_bytes)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), 0.05)

    watching = asyncio.create_task(watch())
    try:
        yield client
    finally:
        ended.set()
        await watching
        await client.close()
    assert most - before <= GROWTH_BYTES_MAX, f"{(most - before) >> 20} MiB more"


async def flood(sockets: list[Socket], data: bytes) -> list[asyncio.Task[None]]:
    tasks = []
    for each in sockets:
        tasks += [
            asyncio.create_task(each.send(data)),
            asyncio.create_task(each.count()),
        ]
    await asyncio.sleep(0)
    return tasks


async def over(sockets: list[Socket], tasks: list[asyncio.Task[None]]) -> None:
    for each in sockets:
        each.writer.transport.abort()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_pipelined_requests_wait_outside(city: City) -> None:
    kib = size(128, 1024)
    async with watched(city) as client:
        sockets = await city.sockets(40)
        data = HEALTHZ * (kib * 1024 // len(HEALTHZ))
        tasks = await flood(sockets, data)
        for _ in range(20):
            await client.quiet()
        answered = sum(each.answers for each in sockets)
        assert answered < 40 * (kib * 1024 // len(HEALTHZ)) // 2
        await over(sockets, tasks)


async def test_a_user_s_many_connections_wait_for_one_another_alone(
    city: City,
) -> None:
    count = size(300, 1500)
    async with watched(city) as client:
        sockets = await city.sockets(count)
        mine = await city.tcp()
        await mine.send(city.get(city.other))  # its token is known from now on
        await asyncio.wait_for(mine.reader.readuntil(b"\r\n\r\n"), LIMIT_S)
        first = await city.tcp()
        await first.send(city.get(city.flooder))
        await asyncio.wait_for(first.reader.readuntil(b"\r\n\r\n"), LIMIT_S)
        tasks = await flood(sockets, city.get(city.flooder) * 5)
        while not sum(each.answers for each in sockets):
            await asyncio.sleep(0)
        before = sum(each.answers for each in sockets)
        late = await city.tcp()
        await late.send(city.get(city.other))
        head = await asyncio.wait_for(late.reader.readuntil(b"\r\n\r\n"), LIMIT_S)
        assert head.startswith(b"HTTP/1.1 200 ")
        overtaken = sum(each.answers for each in sockets) - before
        assert overtaken < count // 3, f"{overtaken} of the flood's came first"
        await client.quiet()
        await over([*sockets, mine, first, late], tasks)


@pytest.mark.parametrize(
    "start",
    [
        HEALTHZ[:-2] + b"X: " + b"y" * 60_000,
        HEALTHZ[:-2] + b"a:\r\n" * 1000,
        HEALTHZ[:-2] + b"a:\r\n" * 15_000,
        POST + b"Content-Length: 65000\r\n\r\n" + b" " * 60_000,
        POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 10_000,
        upgrade(1, "/ws")[:-2] + b"Cookie: " + b"y" * 60_000,
    ],
    ids=["heads", "lines", "many lines", "bodies", "chunks", "handshakes"],
)
async def test_halves_of_large_requests_are_bounded(city: City, start: bytes) -> None:
    async with watched(city) as client:
        sockets = await city.sockets(size(600, 3000))
        tasks = await flood(sockets, start)
        await asyncio.wait(tasks[::2], timeout=LIMIT_S)
        for _ in range(5):
            await client.quiet()
        await over(sockets, tasks)


async def test_answers_that_nobody_takes_are_bounded(city: City) -> None:
    async with watched(city) as client:
        sockets = await city.sockets(size(300, 1500))
        request = b"GET /asyncapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 50
        senders = [asyncio.create_task(each.send(request)) for each in sockets]
        await asyncio.wait(senders, timeout=LIMIT_S)
        for _ in range(20):
            await client.quiet()
        await over(sockets, senders)


async def test_garbage_fills_no_log_and_stops_nobody(city: City) -> None:
    log = city.stack.data_dir / "logs" / "gateway-1.log"
    before = log.stat().st_size
    async with watched(city) as client:
        for _ in range(size(5, 50)):
            sockets = await city.sockets(100)
            tasks = await flood(sockets, b"\x00\x01garbage\r\n\r\n" * 1000)
            await asyncio.wait(tasks, timeout=LIMIT_S)
            await client.quiet()
            await over(sockets, tasks)
    assert log.stat().st_size - before < 4096
    async with httpx.AsyncClient(base_url=city.stack.url, trust_env=False) as web:
        assert (await web.get("/healthz")).status_code == 200
