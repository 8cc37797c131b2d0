"""`cabrank simulate` and `cabrank bench` as their users run them."""

import asyncio
import json
import subprocess

import pytest

from cabrank.trial.bench.pair import STEPS
from cabrank.trial.chaos.cable import Cable
from tests.support.nats import free_port
from tests.support.stack import Stack, cabrank


async def run(*args: object) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(cabrank, *map(str, args))


async def test_simulation_signs_its_people_up_and_finds_nothing_broken(
    stack: Stack,
) -> None:
    size = ("--riders", "4", "--drivers", "2", "--duration", "3", "--seed", "7")
    done = await run("simulate", *size, "--url", stack.url)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "seed 7" in done.stdout
    assert "none was given up" in done.stdout
    assert "losses 0" in done.stdout
    assert "COMPLETED" in done.stdout


class Liar(Cable):
    """Says that a trip has ended where another driver has it."""

    def passed(self, data: bytes) -> bytes:
        return data.replace(b'"trip_already_taken"', b'"trip_not_open"     ')


async def test_a_simulation_whose_answers_no_order_explains_fails(
    stack: Stack,
) -> None:
    liar = Liar("127.0.0.1", stack.port)
    await liar.lay()
    size = ("--riders", "3", "--drivers", "6", "--duration", "3", "--seed", "7")
    base = f"http://127.0.0.1:{liar.port}"
    done = await run("simulate", *size, "--url", base, "--data-dir", stack.data_dir)
    await liar.cut()
    assert done.returncode == 1, done.stdout + done.stderr
    assert "no order of the commands" in done.stdout
    assert "trip_not_open" in done.stdout
    assert "losses 0" in done.stdout


async def test_bench_counts_trips_and_what_each_process_used(lifted: Stack) -> None:
    size = ("--pairs", "4", "--duration", "1", "--warm-up", "0.2", "--runs", "2")
    where = ("--url", lifted.url, "--data-dir", str(lifted.data_dir))
    done = await run("bench", "lifecycle", *size, *where, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    (outcome,) = json.loads(done.stdout)
    assert outcome["pairs"] == 4
    assert (outcome["missing"], outcome["unfinished"]) == (0, 0)
    assert outcome["troubles"] == {}
    assert len(outcome["runs"]) == 2
    assert outcome["trips"] >= sum(run["trips"] for run in outcome["runs"]) > 0
    for measured in outcome["runs"]:
        assert set(measured["p50_ms"]) == set(measured["p99_ms"]) == set(STEPS)
        services = {"gateway", "dispatcher", "persistence", "webhooks", "nats", "load"}
        assert set(measured["cpu_ms"]) == services


@pytest.mark.parametrize(
    "args",
    [
        ("simulate", "--url", "nonsense"),
        ("simulate", "--url", f"http://127.0.0.1:{free_port()}"),
        ("simulate", "--riders", "0"),
        ("simulate", "--drivers", "many"),
        ("simulate", "--data-dir", "/nowhere/at/all"),
        ("bench", "lifecycle", "--url", "ftp://here"),
        ("bench", "lifecycle", "--pairs", "-1"),
        ("bench", "lifecycle", "--runs", "x"),
        ("bench", "nothing"),
    ],
)
async def test_wrong_input_is_told_in_one_sentence_with_status_2(
    args: tuple[str, ...],
) -> None:
    done = await run(*args)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
