"""Makes `ledger-<version>.jsonl` and `snapshot-<version>.json` beside it:
`python -m tests.data.keep`.

To be run once a release, on that release: a real system lives through every kind of
event, and its ledger is kept, a record a line, for all later versions to read; and the
snapshot that a dispatcher of that release makes of it.
"""

import asyncio
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from cabrank.operate import target
from cabrank.operate.ledgers import Reader, connected, find
from dispatcher.engine.engine import Engine, Limits
from runtime.ledger import Ledger
from schemas import codec
from schemas.ledger import Record
from schemas.times import rfc3339
from tests.support.client import welcomed
from tests.support.snapshots import written
from tests.support.stack import Person, Stack

ADDRESSES = {
    "pick_up_address": "14 Main Street",
    "drop_off_address": "2 Station Röad",
    "pick_up": {"lat": 52.5, "lon": 13.4},
}
TTL = {"CABRANK_REQUEST_TTL_S": "2"}


async def live(stack: Stack, riders: list[Person], drivers: list[Person]) -> None:
    """Every event there is, at least once."""
    rider, _ = await welcomed(stack.url, riders[0].access)
    other, _ = await welcomed(stack.url, riders[1].access)
    driver, _ = await welcomed(stack.url, drivers[0].access)
    asked = {**ADDRESSES, "idempotency_key": "k1"}
    trip = {"id": (await rider.do("trip.request", asked))["id"]}
    await driver.expect_trip("trip.requested", trip["id"])
    await driver.do("trip.accept", trip)
    await driver.do("trip.release", trip)
    await driver.do("trip.accept", trip)
    await driver.do("trip.arrive", trip)
    await driver.do("trip.begin", trip)
    await driver.do("trip.complete", trip)
    cancelled = await rider.do("trip.request", ADDRESSES)
    await rider.do("trip.cancel", {"id": cancelled["id"], "reason": "too late"})
    expired = await other.do("trip.request", ADDRESSES)
    await other.expect_trip("trip.expired", expired["id"])
    for one in (rider, driver):
        await one.do("chat.join", {"room": "hall"})
    await rider.do(
        "chat.send", {"room": "hall", "text": "héllo", "idempotency_key": "m1"}
    )
    await driver.do("chat.send", {"room": "hall", "text": "hi"})
    await driver.do("chat.leave", {"room": "hall"})
    await driver.do("driver.offline")
    await driver.do("driver.online")
    later = {"pick_up_at": rfc3339(int(time.time() * 1000) + 86_400_000)}
    said = {"note": "Rïng", "reference": "7", "needs": ["van"]}
    booked = await rider.do("trip.request", ADDRESSES | later | said)
    await rider.do("trip.reschedule", {"id": booked["id"], "note": None})
    begun = await rider.do("trip.request", ADDRESSES)
    await driver.do("trip.accept", {"id": begun["id"]})
    for one in (rider, other, driver):
        await one.close()


async def records(data_dir: Path) -> list[bytes]:
    async with connected(target.find(data_dir)) as bus:
        js = bus.jetstream()
        (ledger,) = await find(js)
        reader = Reader(bus, js, ledger)
        await reader.open()
        return [m.payload async for chunk in reader.chunks() for m in chunk.messages]


def snapshot(lines: list[bytes]) -> bytes:
    """Of the whole ledger."""
    engine = Engine("main", Limits(request_ttl_ms=300_000))
    for line in lines:
        record = codec.decode(line, Record)
        engine.apply_record(record)
    ledger = Ledger("main", "LEDGER_main", "ledger.main", record.ledger, 1)
    return written(engine, ledger, record.n)


def main() -> None:
    kept = Path(__file__).with_name(f"ledger-{version('cabrank')}.jsonl")
    frozen = kept.with_name(f"snapshot-{version('cabrank')}.json")
    if frozen.exists():
        sys.exit(f"{frozen} is there: what was released is not made again")
    if not kept.exists():
        keep_ledger(kept)
    frozen.write_bytes(snapshot(kept.read_bytes().splitlines()))


def keep_ledger(kept: Path) -> None:
    with tempfile.TemporaryDirectory() as directory:
        stack = Stack(Path(directory) / "data", settings=TTL)
        stack.start()
        try:
            asyncio.run(
                live(stack, stack.people("rider", 2), stack.people("driver", 1))
            )
            lines = asyncio.run(records(stack.data_dir))
        finally:
            stack.stop()
    kept.write_bytes(b"".join(line + b"\n" for line in lines))


if __name__ == "__main__":
    main()
