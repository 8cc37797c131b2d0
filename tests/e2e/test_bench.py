"""Every benchmark runs, tiny: that its figures are good is nobody's promise here, that
it measures, loses nothing and ends well is (`make bench-smoke`).
"""

import asyncio
import json
import os
import sys
from functools import partial
from typing import Any

import pytest

from cabrank.trial.bench import crew, worker
from cabrank.trial.bench.fanout import CROWD
from cabrank.trial.bench.floods import Flood, Flooded
from cabrank.trial.bench.subject import Subject, tokens
from cabrank.trial.bench.tasks import Ask, Clear, Cut, Done, Open, Return
from schemas.codec import decode, encode
from schemas.trips import Role
from tests.support.stack import Stack, cabrank

pytestmark = [
    pytest.mark.bench,
    pytest.mark.skipif(sys.platform != "linux", reason="CPU is read from /proc"),
]


async def bench(stack: Stack, *options: str) -> Any:
    done = await asyncio.to_thread(
        cabrank,
        *("bench", *options, "--json"),
        *("--url", stack.url, "--data-dir", str(stack.data_dir)),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def names(sheets: Any) -> set[str]:
    return {row["name"] for sheet in sheets for row in sheet["rows"]}


async def test_fan_out_is_measured_beside_the_floor(lifted: Stack) -> None:
    options = ("--drivers", "20", "--runs", "1", "--singles", "10", "--bursts", "2")
    options += ("--stalled", "5", "--fill", "16")
    (sheet,) = await bench(lifted, "fanout", *options, "--duration", "0.5")
    assert sheet["losses"] == 0
    assert {
        "one request at a time",
        "one request at a time: floor",
        "one request at a time: share of the floor",
        "bursts of 20",
        "p99 at 10/s",
        "p99 beside 5 stalled: ratio",
    } <= names([sheet])
    for name in ("p99 at 10/s", "p99 at 10/s: floor"):
        p99 = next(row for row in sheet["rows"] if row["name"] == name)
        assert p99["values"][0] > 0, name
    still = next(row for row in sheet["rows"] if row["name"].startswith("stalled,"))
    assert still["values"] == [5]


async def test_connections_are_measured_and_held(lifted: Stack) -> None:
    (sheet,) = await bench(
        lifted, "connections", "--count", "50", "--hold", "0.3", "--pairs", "2"
    )
    rows = {row["name"]: row["values"] for row in sheet["rows"]}
    assert rows["open after 0.3 s"] == [50]
    assert rows["trips beside them"][0] > 0
    assert sheet["losses"] == 0


async def test_floods_are_measured_beside_others_and_what_the_others_say_without(
    lifted: Stack,
) -> None:
    options = ("--count", "2", "--users", "2", "--sessions", "10", "--rate", "50")
    options += ("--kind", "http-reads-in", "--runs", "1", "--duration", "0.5")
    (sheet,) = await bench(lifted, "flood", *options)
    assert (sheet["losses"], sheet["troubles"]) == (0, {})
    rows = {row["name"]: row["values"] for row in sheet["rows"]}
    assert rows["http-reads-in: p99: ratio"][0] > 0
    assert rows["http-reads-in: p99 alone, after / before"][0] > 0
    assert rows["http-reads-in: chat.left heard"] == [0]


def test_who_floods_gives_way_to_everybody_on_its_machine() -> None:
    with worker.running("-m", "cabrank.trial.bench.flooder") as flooder:
        nothing = Flood("http://127.0.0.1:1", "ws-unknown", count=0, seconds=0)
        assert decode(flooder.tell(encode(nothing)), Flooded).opened == 0
        assert os.sched_getscheduler(flooder.process.pid) == os.SCHED_IDLE


async def test_locations_are_measured(lifted: Stack) -> None:
    options = ("--drivers", "20", "--runs", "1", "--frames", "10")
    (sheet,) = await bench(lifted, "locations", *options)
    assert "as fast as they go" in names([sheet])
    assert sheet["losses"] == 0
    assert sheet["troubles"] == {}


async def test_offers_are_measured_and_nobody_is_forgotten(lifted: Stack) -> None:
    options = ("--drivers", "20", "--riders", "100", "--positions", "30")
    options += ("--duration", "1")
    sheets = await bench(lifted, "offers", *options, "--trips", "20")
    rows = {row["name"]: row["values"][0] for one in sheets for row in one["rows"]}
    assert 0 < rows["p50"] <= rows["p99"]
    assert rows["positions taken in"] > 0
    assert rows["a trip told to all, cancelled"] > 0
    assert {"dispatcher", "gateway"} <= rows.keys()
    assert [sheet["losses"] for sheet in sheets] == [0, 0, 0]
    assert [sheet["troubles"] for sheet in sheets] == [{}, {}, {}]


async def test_lifecycle_is_measured(lifted: Stack) -> None:
    options = ("--pairs", "2", "--duration", "0.5", "--warm-up", "0.1", "--runs", "1")
    (outcome,) = await bench(lifted, "lifecycle", *options)
    assert outcome["trips"] > 0
    assert outcome["missing"] == outcome["unfinished"] == 0


async def test_chat_is_measured(lifted: Stack) -> None:
    options = ("--rooms", "2", "--members", "5", "--bursts", "2", "--duration", "0.5")
    outcome = await bench(lifted, "chat", *options, "--runs", "1")
    assert outcome["losses"] == 0


async def test_others_are_measured_beside_floods(stack: Stack) -> None:
    options = ("--kind", "ws-unknown", "--kind", "ws-command-in", "--count", "3")
    options += ("--users", "2", "--sessions", "10", "--rate", "20", "--runs", "1")
    (sheet,) = await bench(stack, "flood", *options, "--duration", "1")
    rows = {row["name"]: row["values"] for row in sheet["rows"]}
    for kind in ("ws-unknown", "ws-command-in"):
        assert rows[f"{kind}: p99 beside it"][0] > 0
        assert rows[f"{kind}: chat.left heard"] == [0]
        assert rows[f"{kind}: sent"][0] > 0
    # Thrown out after 100 frames, and back; who logged in stays.
    assert rows["ws-unknown: connections made"][0] > 3
    assert rows["ws-command-in: connections made"] == [3]
    assert sheet["losses"] == 0


async def test_others_are_measured_beside_floods_of_requests(stack: Stack) -> None:
    kinds = ("http-pipelined", "http-reads-in", "http-garbage")
    options = [word for kind in kinds for word in ("--kind", kind)]
    options += ["--count", "3", "--users", "2", "--sessions", "10", "--rate", "20"]
    (sheet,) = await bench(stack, "flood", *options, "--runs", "1", "--duration", "1")
    rows = {row["name"]: row["values"] for row in sheet["rows"]}
    for kind in kinds:
        assert rows[f"{kind}: p99 beside it"][0] > 0
        assert rows[f"{kind}: chat.left heard"] == [0]
        assert rows[f"{kind}: sent"][0] > 0
    # Who sends what is no request is thrown out, and back.
    assert rows["http-pipelined: connections made"] == [3]
    assert rows["http-garbage: connections made"][0] > 3
    assert sheet["losses"] == 0


async def test_an_unknown_flood_is_said_in_a_line(stack: Stack) -> None:
    done = await asyncio.to_thread(cabrank, "bench", "flood", "--kind", "nonsense")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "nonsense" in done.stderr
    assert "Traceback" not in done.stderr


async def test_who_comes_back_after_a_cut_knows_what_was_asked_meanwhile(
    lifted: Stack,
) -> None:
    def run() -> Done:
        system = Subject(lifted.url, lifted.data_dir, partial(tokens, lifted.data_dir))
        with crew.running(CROWD) as crowd:
            crowd.do(Open(system.base, system.people(Role.DRIVER, 4), True))
            crowd.do(Open(system.base, system.people(Role.RIDER, 3), False))
            cut = crowd.do(Cut())
            assert (cut.open, cut.troubles) == (3, {})
            crowd.do(Ask(3, 3, copies=0))
            back = crowd.do(Return(system.base, 3))
            crowd.do(Clear())
        return back

    back = await asyncio.to_thread(run)
    assert (back.open, back.expected, back.deliveries) == (7, 12, 12)
    assert (back.lost, back.troubles) == (0, {})


async def test_a_second_start_and_what_it_takes_at_rest_are_measured() -> None:
    done = await asyncio.to_thread(
        cabrank, "bench", "rest", "--runs", "1", "--rest", "0.5", "--json"
    )
    assert done.returncode == 0, done.stderr
    (sheet,) = json.loads(done.stdout)
    values = {row["name"]: row["values"] for row in sheet["rows"]}
    for service in ("up", "nats", "gateway-1", "dispatcher-1", "persistence-1"):
        assert values[f"memory: {service}"][0] > 1
    assert values["memory at rest"][0] > values["memory: gateway-1"][0]
    assert values["second start"][0] > 0
    assert values["CPU until ready"][0] > 0
