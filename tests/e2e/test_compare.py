"""Two revisions are compared, tiny: that it measures, not what is found."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.compare import jobs
from tests.bench.compare.revisions import ROOT, here
from tests.bench.compare.sides import Side
from tests.support.stack import Stack

pytestmark = [
    pytest.mark.bench,
    pytest.mark.skipif(sys.platform != "linux", reason="CPU is read from /proc"),
]

ALONE = {"start", "lifecycle", "path"}
"""What the command's own run has, or starts systems for."""


def compare(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.bench.compare", *words],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=270,
    )


@pytest.mark.timeout(300)
def test_revision_is_compared_with_itself() -> None:
    done = compare(
        *("HEAD", "--smoke", "--rounds", "1", "--json"),
        *("--only", "lifecycle", "--only", "path"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {(row["job"], row["figure"]): row for row in json.loads(done.stdout)}
    for key in (("lifecycle", "trips/s"), ("path", "CPU-µs a command")):
        assert rows[key]["base"][0] > 0
        assert rows[key]["now"][0] > 0
    assert "round 1 of 1: lifecycle, HEAD" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("no-such-revision",),
        ("HEAD", "--only", "nonsense"),
        ("HEAD", "--rounds", "0"),
        (),
    ],
)
def test_bad_input_is_said_in_a_line(words: tuple[str, ...]) -> None:
    done = compare(*words)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.timeout(300)
async def test_each_benchmark_has_figures(lifted: Stack, tmp_path: Path) -> None:
    side = Side(here(), tmp_path, base=False)

    def run() -> dict[str, dict[str, float]]:
        found = {"rest": jobs.rest(lifted.data_dir, 0.1)}
        with side.beside(lifted.url, lifted.data_dir):
            for job in jobs.JOBS:
                if job.name not in ALONE:
                    side.job = job.name
                    found[job.name] = job.do(side, jobs.SMOKE)
        return found

    found = await asyncio.to_thread(run)
    assert found["rest"]["idle: PSS MiB"] > 0
    for job, figure in (
        ("fanout", "to the last driver at 10/s, p99 ms"),
        ("broadcast", "trips/s"),
        ("offers", "request to first offer, p99 ms"),
        ("chat", "all have heard at 200/s, p99 ms"),
        ("history", "read p99 ms"),
        ("matching", "a match, town: µs"),
    ):
        assert found[job][figure] > 0, job
    assert "connects/gateway CPU-s" in found["connects"]
