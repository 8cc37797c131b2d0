"""What a released version wrote, this version reads: engine and projection."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

import pytest

from cabrank.operate.ledgers import find
from cabrank.operate.rebuild import rebuild
from cabrank.operate.verify import verify
from dispatcher.engine.engine import Engine, Limits
from dispatcher.region.snapshots import Head, SnapshotStore
from persistence.projected.dispatch import DispatchRow
from persistence.projected.projection import read_record
from schemas import codec, streams
from schemas.events import TripEventType
from schemas.ledger import RECORD_VERSION, Record
from schemas.trips import TERMINAL
from tests.contract.rebuild.conftest import Kept, Rows
from tests.support.snapshots import save

DATA = Path(__file__).parents[2] / "data"
FILES = sorted(DATA.glob("ledger-*.jsonl"))
THIS = DATA / f"ledger-{version('cabrank')}.jsonl"
LIMITS = Limits(request_ttl_ms=300_000)


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def lines(request: pytest.FixtureRequest) -> list[bytes]:
    path: Path = request.param
    return path.read_bytes().splitlines()


SINCE_0_1 = {"trip.scheduled"}
NEW = {"note": None, "reference": None, "needs": [], "pick_up_at": None}
"""What a trip of 0.1 has of the fields that came later."""


def events_of(lines: list[bytes]) -> list[dict[str, Any]]:
    """As they lie there, read by nothing of ours."""
    return [event for line in lines for event in json.loads(line)["events"]]


def newest(lines: list[bytes]) -> dict[str, dict[str, Any]]:
    moves = [event for event in events_of(lines) if event["kind"] == "trip"]
    return {event["trip"]["id"]: event["trip"] for event in moves}


def test_a_ledger_of_this_version_is_kept() -> None:
    assert THIS in FILES, "python -m tests.data.keep"


def test_this_versions_ledger_has_every_kind_of_event() -> None:
    found = events_of(THIS.read_bytes().splitlines())
    assert {event["kind"] for event in found} == {"trip", "driver", "message", "member"}
    moves = {event["type"] for event in found if event["kind"] == "trip"}
    assert moves == set(get_args(TripEventType)) - SINCE_0_1
    assert {event["online"] for event in found if "online" in event} == {True, False}
    assert {event["joined"] for event in found if "joined" in event} == {True, False}


def test_every_record_is_read_without_losing_a_field(lines: list[bytes]) -> None:
    for line in lines:
        record = codec.decode(line, Record)
        assert record.v <= RECORD_VERSION
        said = json.loads(line)
        for event in said["events"]:
            if event["kind"] == "trip":
                event["trip"] = NEW | event["trip"]
        assert json.loads(codec.encode(record)) == said


def test_the_engine_replays_it_to_the_state_it_left(lines: list[bytes]) -> None:
    engine = Engine("main", LIMITS)
    for line in lines:
        engine.apply_record(codec.decode(line, Record))
    moving = {
        trip["id"]: trip
        for trip in newest(lines).values()
        if trip["status"] not in TERMINAL
    }
    assert moving
    assert engine.active_trips == len(moving)
    for trip in moving.values():
        held = engine.driving(trip["driver"]["id"])
        assert held is not None
        assert json.loads(codec.encode(held)) == NEW | trip
    assert engine.head_seq == events_of(lines)[-1]["seq"]
    thawed = Engine.restore(engine.snapshot(), LIMITS)
    assert thawed.active_trips == len(moving)


def test_a_snapshot_of_this_version_is_kept() -> None:
    assert snapshot_of(THIS).exists(), "python -m tests.data.keep"


def snapshot_of(ledger: Path) -> Path:
    version = ledger.stem.removeprefix("ledger-")
    return ledger.with_name(f"snapshot-{version}.json")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
async def test_its_snapshot_stands_for_what_was_purged_of_it(
    path: Path, ledger: Kept
) -> None:
    """Where a version reads it no more, an upgrade meets ledgers that it can't lead."""
    payload = snapshot_of(path).read_bytes()
    head = codec.decode(payload, Head)
    config = (await ledger.js.stream_info(ledger.stream.name)).config
    named = config.evolve(metadata={streams.LEDGER_ID: head.ledger})
    await ledger.js.update_stream(named)
    for line in path.read_bytes().splitlines():
        await ledger.append_raw(line)
    (kept,) = await find(ledger.js)
    store = SnapshotStore(ledger.js, kept, 1)
    await store.ensure()
    await save(store, payload)
    loaded = await store.load(LIMITS)
    assert loaded is not None, "python -m tests.data.keep, and read the older ones"
    engine = Engine("main", LIMITS)
    for line in path.read_bytes().splitlines():
        record = codec.decode(line, Record)
        engine.apply_record(record)
        if record.n >= head.replay_from:
            loaded[1].refill_ring(record)
    assert loaded[0].n == record.n
    known, whole = (codec.decode(each.snapshot(), dict) for each in (loaded[1], engine))
    # 0.1 noted no stamps of its records; ages go by those that follow.
    assert whole.pop("timeline")
    known.pop("timeline")
    assert known == whole


def test_the_projection_makes_a_row_of_every_move_and_message(
    lines: list[bytes],
) -> None:
    made = []
    for number, line in enumerate(lines, 1):
        rows, unreadable = read_record("LEDGER_main", number, line)
        assert not unreadable
        made += [row for row in rows if not isinstance(row, DispatchRow)]
    kept = [event for event in events_of(lines) if event["kind"] in {"trip", "message"}]
    assert [row.seq for row in made] == [event["seq"] for event in kept]


async def test_a_database_is_rebuilt_from_it(
    lines: list[bytes], settled: None, ledger: Kept, rows: Rows
) -> None:
    for line in lines:
        await ledger.append_raw(line)
    await ledger.js.update_stream(
        (await ledger.js.stream_info(ledger.stream.name)).config.evolve(metadata={})
    )
    (done,) = await rebuild(None)
    assert done.dead == 0
    (report,) = await verify(None, wait=False)
    assert report.different == 0
    assert report.counts.messages == 2
    stored = {row[0]: row[2] for row in rows.all()["trips"]}
    assert stored == {trip["id"]: trip["status"] for trip in newest(lines).values()}
