"""CPU of the batch writer per event, catching up and keeping pace.

    python -m tests.bench.writer sqlite:////tmp/writer.db
    python -m tests.bench.writer postgresql://…   (a database to fill)

Starts a nats-server of its own. The writer is this process; the ledger is written by
another. Prints microseconds of this process's CPU (user and system) for each event.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from persistence import database, revisions
from persistence.projected.store import Store
from persistence.projected.writer import Writer
from runtime import bus as buses
from schemas import streams
from tests.support import nats
from tests.support.records import Ledger, event, trip
from tests.support.running import service
from tests.support.waiting import until_is

TRIPS = 5000
TRIPS_PER_S = 500
"""The pace issue 2 asks of the whole."""
EVENTS_PER_RECORD = 4
"""As 64 pairs make it."""


async def fill(url: str, first: int, pace: float) -> None:
    """Write whole trips, each record a move of four trips; `pace` trips a second."""
    bus = await buses.connect(url, "fill")
    subject = streams.ledger("main").subjects[0]
    js = bus.jetstream()
    ledger = Ledger(bus)
    ledger.n = (await js.stream_info(ledger.stream.name)).state.last_seq
    started = time.monotonic()
    for number in range(first, first + TRIPS, EVENTS_PER_RECORD):
        for move in range(4):
            await ledger.append(
                *(
                    event(trip(number + index, move))
                    for index in range(EVENTS_PER_RECORD)
                )
            )
            await js.publish(subject, b'{"events":[]}')
            ledger.n += 1
        ahead = (number - first) / pace - (time.monotonic() - started)
        if ahead > 0:
            await asyncio.sleep(ahead)
    await bus.close()


async def measure(nats_url: str, database_url: str, label: str, first: int) -> None:
    """Run a writer until it has all; print what it took."""
    watch = await buses.connect(nats_url, "watch")
    ledger = Ledger(watch)
    pace = TRIPS_PER_S if label == "keeping pace" else 1e9
    filling = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.writer", nats_url, str(first), str(pace))
    )
    if label == "catching up":
        await filling.wait()
    connection = await buses.connect(nats_url, "writer")
    writer = Writer(connection, Store(database.plain_engine(database_url)))
    async with service() as running:
        cpu, wall = time.process_time(), time.monotonic()
        writer.start(running)
        await filling.wait()
        ledger.n = (await ledger.js.stream_info(ledger.stream.name)).state.last_seq
        await until_is(ledger.floor, lambda floor: floor >= ledger.n, 60)
        cpu, wall = time.process_time() - cpu, time.monotonic() - wall
        running.stop()
        await writer.stop()
    await connection.close()
    await watch.close()
    events = TRIPS * 4
    print(
        f"{label}: {events} events in {wall:.1f} s, {events / wall:.0f}/s, "
        f"{cpu / events * 1e6:.1f} us of CPU an event"
    )


async def main(database_url: str) -> None:
    revisions.migrate(database_url)
    with (
        tempfile.TemporaryDirectory() as directory,
        nats.running(Path(directory)) as server,
    ):
        bus = await buses.connect(server.url, "make")
        await Ledger(bus).create()
        await bus.close()
        await measure(server.url, database_url, "keeping pace", 0)
        await measure(server.url, database_url, "catching up", TRIPS)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        asyncio.run(fill(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main(sys.argv[1]))
