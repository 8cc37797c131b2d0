"""Other people's programs on NATS: docs/STREAM.md's example as it stands there, and
that with its seed nothing can be written.
"""

import asyncio
import os
import re
import sys
from pathlib import Path

import nats
import pytest

from runtime.bus import Bus
from schemas import codec, streams, subjects
from schemas.events import seq_of
from schemas.ledger import RECORD_VERSION
from schemas.permissions import Service
from tests.contract.nats_auth.conftest import Connect, Locked
from tests.support.records import Ledger, event, online, record, trip
from tests.support.waiting import until

PAGE = Path(__file__).parents[3] / "docs" / "STREAM.md"


def example() -> str:
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


async def ledger_of(dispatcher: Bus) -> Ledger:
    return await Ledger(dispatcher).create()


async def test_the_page_s_example_prints_each_move_and_goes_on_where_it_was(
    connect: Connect, locked: Locked
) -> None:
    ledger = await ledger_of(await connect(Service.DISPATCHER))
    code = example()
    read = re.search(r"<= (\d+),", code)
    assert read is not None
    assert int(read[1]) >= RECORD_VERSION
    assert len([line for line in code.splitlines() if line]) <= 24
    seed = locked.login(Service.OBSERVER).seed_file
    environ = {**os.environ, "OBSERVER_SEED_FILE": seed, "NATS_URL": locked.url}

    async def lines(count: int) -> list[str]:
        program = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", code), env=environ, stdout=asyncio.subprocess.PIPE
        )
        assert program.stdout is not None
        try:
            async with asyncio.timeout(30):
                return [
                    (await program.stdout.readline()).decode() for _ in range(count)
                ]
        finally:
            program.kill()
            await program.wait()

    n = await ledger.append(event(trip(1)), online("d1"))
    await ledger.append(event(trip(1, 1)))
    assert await lines(2) == [
        f"{seq_of(n, 0)} trip.requested {trip(1).id}\n",
        f"{seq_of(n + 1, 0)} trip.started {trip(1).id}\n",
    ]


async def test_an_observer_hears_trips_live(connect: Connect, locked: Locked) -> None:
    dispatcher = await connect(Service.DISPATCHER)
    observer = await connect(Service.OBSERVER)
    heard: list[bytes] = []
    observer.subscribe_raw("trip.>", lambda *message: heard.append(message[2]))
    await observer.flush()
    dispatcher.send(subjects.trip("main", "t1"), codec.encode({"kind": "trip"}))
    await until(lambda: heard == [b'{"kind":"trip"}'], "the event")


async def test_with_its_seed_no_record_is_written_and_no_consumer_of_ours_touched(
    connect: Connect, locked: Locked
) -> None:
    ledger = await ledger_of(await connect(Service.DISPATCHER))
    await ledger.append(event(trip(1)))
    persistence = (await connect(Service.PERSISTENCE)).jetstream()
    await persistence.add_consumer(
        ledger.stream.name, durable_name=streams.WRITER_DURABLE
    )
    login = locked.login(Service.OBSERVER)

    async def quiet(_: Exception) -> None: ...

    observer = await nats.connect(
        locked.url,
        nkeys_seed=login.seed_file,
        inbox_prefix=login.inbox_prefix.encode(),
        error_cb=quiet,
    )
    js = observer.jetstream(timeout=1)
    await observer.publish(subjects.ledger("main"), record(2, event(trip(1, 1))))
    forbidden = [
        lambda: js.delete_consumer(ledger.stream.name, streams.WRITER_DURABLE),
        lambda: js.add_consumer(
            ledger.stream.name, durable_name=streams.WRITER_DURABLE, max_deliver=1
        ),
        lambda: js.purge_stream(ledger.stream.name),
        lambda: js.delete_stream(ledger.stream.name),
        lambda: js.add_stream(name="MINE", subjects=["cmd.*"]),
        # A push consumer that would feed the ledger what it holds.
        lambda: js.add_consumer(
            ledger.stream.name,
            durable_name="mine",
            deliver_subject=subjects.ledger("main"),
        ),
    ]
    for attempt in forbidden:
        with pytest.raises((nats.errors.Error, TimeoutError)):
            await attempt()
    info = await js.stream_info(ledger.stream.name)
    assert (info.state.messages, info.state.last_seq) == (1, 1)
    await persistence.consumer_info(ledger.stream.name, streams.WRITER_DURABLE)
    await observer.close()
