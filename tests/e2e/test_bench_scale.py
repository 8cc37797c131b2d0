"""`cabrank bench scale`, tiny: it measures, writes its page and refuses in a line."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from tests.support.stack import cabrank

pytestmark = [
    pytest.mark.bench,
    pytest.mark.skipif(sys.platform != "linux", reason="CPU is read from /proc"),
]


async def test_sizes_are_measured_and_their_page_is_written(tmp_path: Path) -> None:
    page = tmp_path / "SCALING.md"
    done = await asyncio.to_thread(
        cabrank,
        *("bench", "scale", "--drivers", "12", "--regions", "1", "--gateways", "1"),
        *("--duration", "0.5", "--to", str(page), "--json"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (cell,) = json.loads(done.stdout)
    assert cell["lost"] == 0
    for trips in (cell["offers"], cell["broadcast"]):
        assert trips["trips"] > 0
        assert 0 < trips["p50_ms"] <= trips["p99_ms"]
        assert trips["ledger"] > 0
    assert cell["rss"]["gateway-1"] > 0
    assert "| 12 | 1 | 1 |" in page.read_text()
    assert (tmp_path / "scaling.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "options",
    [
        ("--drivers", "15001"),
        ("--drivers", "2", "--regions", "3"),
        ("--regions", "2", "--to", "PAGE.md"),
        ("--to", "no/such/folder/PAGE.md"),
        ("--to", "BROKEN.md"),
    ],
)
async def test_sizes_that_can_not_be_are_said_in_a_line(
    options: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "BROKEN.json").write_text("no figures")
    words = [str(tmp_path / w) if w.endswith(".md") else w for w in options]
    done = await asyncio.to_thread(cabrank, "bench", "scale", *words)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
