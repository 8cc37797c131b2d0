"""Records that a dispatcher can't read: of a newer version, or torn. Who goes on
without them would lead without what was acknowledged.
"""

import asyncio
import json
import secrets
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cabrank.stack import ports
from runtime.bus import Bus
from runtime.errors import RecordError
from runtime.follower import Follower, Message
from schemas import codec
from schemas.commands import AcceptTrip, GoOnline
from schemas.ledger import RECORD_VERSION
from schemas.trips import Status
from tests.contract.dispatcher.conftest import Start
from tests.contract.dispatcher.desk import (
    DORA,
    PROGRAM,
    Book,
    Gateway,
    Process,
    command,
    request,
)
from tests.contract.dispatcher.test_durability import readyz
from tests.data import keep_code
from tests.support.nats import NatsServer
from tests.support.waiting import until_is

NEWER = RECORD_VERSION + 1
AHEAD = (
    "import schemas.kinds, schemas.ledger\n"
    f"schemas.ledger.RECORD_VERSION = {NEWER}\n"
    f"schemas.kinds.format_of = lambda _: {NEWER}\n{PROGRAM}"
)
"""A dispatcher of the next version, which writes records of a format of its own."""
LIMIT_S = 30


OLDER = (
    "import sys\n"
    "sys.path.insert(0, {folder!r})\n"
    "from dispatcher.main import run\n"
    "from runtime.settings import load\n"
    "sys.exit(run(load()))\n"
)
"""The dispatcher of the last release, by its own code (tests/data/keep_code.py)."""


class Newer:
    """Starts dispatchers of the next version; all are dead afterwards."""

    def __init__(self, url: str, directory: Path) -> None:
        self._url = url
        self._directory = directory
        self.started: list[Process] = []

    def start(self) -> Process:
        log = self._directory / f"newer-{len(self.started)}.log"
        self.started.append(Process(self._url, log, AHEAD))
        return self.started[-1]


@pytest.fixture
def newer(nats_server: NatsServer, tmp_path: Path) -> Iterator[Newer]:
    made = Newer(nats_server.url, tmp_path)
    yield made
    for process in made.started:
        process.kill()


async def said_by(port: int, what: str) -> str:
    """What /readyz says once it says `what`."""

    async def look() -> str:
        return await asyncio.to_thread(readyz, port)

    return await until_is(look, lambda said: what in said, LIMIT_S)


async def test_a_region_of_a_newer_version_is_never_led_by_an_older_one(
    newer: Newer, start: Start, gateway: Gateway, book: Book
) -> None:
    leader = newer.start()
    await leader.stands_by()
    epoch = (await gateway.leader()).epoch
    trip = await gateway.trip(request())
    port = ports.free()
    older = start(CABRANK_OPS_PORT=str(port))
    said = await said_by(port, "format")
    reads = f"has format {NEWER}, this program reads up to {RECORD_VERSION}"
    assert f"LEDGER_main {reads}" in said
    standby = newer.start()
    await standby.stands_by()
    leader.kill()
    taken = await gateway.leader(after=epoch)
    assert taken.instance == standby.instance
    started = await gateway.trip(command(AcceptTrip, DORA, trip=trip.id))
    assert started.status is Status.STARTED
    assert older.instance not in {record.writer for record in await book.records()}
    assert older.log.read_text().count('"stands aside"') == 1


async def test_the_release_before_stands_aside_once_a_driver_asked_for_offers(
    start: Start, nats_server: NatsServer, gateway: Gateway, book: Book, tmp_path: Path
) -> None:
    keep_code.unpack(tmp_path / "before")
    program = OLDER.format(folder=str(tmp_path / "before"))
    leader = start()
    await leader.stands_by()
    epoch = (await gateway.leader()).epoch
    port = ports.free()
    log = tmp_path / "before.log"
    settings = {"CABRANK_OPS_PORT": str(port)}
    before = Process(nats_server.url, log, program, **settings)
    try:
        await before.stands_by()
        trip = await gateway.trip(request())  # it reads that yet
        await gateway.ask(command(GoOnline, DORA, offers=True))
        said = await said_by(port, "format")
        assert "LEDGER_main has format 2, this program reads up to 1" in said
        standby = start()
        await standby.stands_by()
        leader.kill()
        taken = await gateway.leader(after=epoch)
        assert taken.instance == standby.instance
        started = await gateway.trip(command(AcceptTrip, DORA, trip=trip.id))
        assert started.status is Status.STARTED
        assert before.instance not in {one.writer for one in await book.records()}
    finally:
        before.kill()


async def test_a_ledger_with_a_torn_record_of_its_own_is_not_led(
    start: Start, gateway: Gateway, book: Book
) -> None:
    before = start()
    await before.stands_by()
    await gateway.leader()
    await gateway.trip(request())
    before.signal(signal.SIGTERM)
    assert await before.status() == 0
    last = await book.record(await book.last())
    torn = json.loads(codec.encode(last)) | {"n": last.n + 1, "events": [{"kind": "x"}]}
    await book.js.publish(book.subject, json.dumps(torn).encode())
    port = ports.free()
    start(CABRANK_OPS_PORT=str(port))
    said = await said_by(port, f"record {last.n + 1} of LEDGER_main can't be read")
    assert "region main" in said
    assert await book.last() == last.n + 1


@pytest.mark.usefixtures("dispatcher")
async def test_only_what_no_leader_of_this_ledger_wrote_is_skipped(
    gateway: Gateway, bus: Bus, book: Book
) -> None:
    await gateway.trip(request())
    follower = Follower(bus, await book.ledger())
    record = json.loads(codec.encode((await book.records())[-1]))

    def decoded(**changes: Any) -> object:
        payload = json.dumps(record | changes).encode()
        return follower.decode(Message(record["n"], payload))

    assert decoded() is not None
    assert decoded(ledger=secrets.token_hex(16)) is None
    assert decoded(ledger=secrets.token_hex(16), v=NEWER) is None
    assert decoded(n=record["n"] - 1) is None
    assert follower.decode(Message(record["n"], b'{"type":"error"}')) is None
    for changes in (
        {"v": NEWER},
        {"v": NEWER, "events": [{"kind": "offer"}]},
        {"v": NEWER, "events": None},
        {"events": [{"kind": "offer"}]},
        {"events": [record["events"][0] | {"seq": 1}]},
    ):
        with pytest.raises(RecordError, match="LEDGER_main"):
            decoded(**changes)
