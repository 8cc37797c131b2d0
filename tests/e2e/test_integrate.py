"""Every snippet of docs/INTEGRATE.md, run against a whole system by itself."""

import asyncio
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.conftest import Town
from tests.support.applications import CLIENT

PAGE = Path(__file__).parents[2] / "docs" / "INTEGRATE.md"
SAYS: dict[str, list[str]] = {
    "Service accounts": ["{name}", "Bearer 900", "200"],
    "Trips from your own backend": [
        "201 True",
        "201 True",
        "STARTED {driver}",
        "True",
        "CANCELLED",
        "409 wrong_status",
    ],
    "Webhooks": ["trip.started", "True", "[]", "204"],
    "The Python client": ["rider_busy", "STARTED", "CANCELLED"],
}
"""What the snippet of each section prints."""


def sections() -> dict[str, str]:
    """The text below each heading that has a snippet in Python."""
    parts = re.split(r"^## (.+)$", PAGE.read_text(), flags=re.MULTILINE)
    found = dict(zip(parts[1::2], parts[2::2], strict=True))
    return {title: text for title, text in found.items() if "```python" in text}


def test_every_section_with_a_snippet_is_run_here() -> None:
    assert sections().keys() == SAYS.keys()


@pytest.mark.parametrize("title", SAYS)
async def test_the_snippet_does_what_its_section_says(town: Town, title: str) -> None:
    name = f"billing-{time.time_ns()}"
    (made,) = re.findall(r"^cabrank (user add .+)$", PAGE.read_text(), re.MULTILINE)
    command = made.replace("billing", name).split()
    added = await asyncio.to_thread(town.stack.command, *command)
    assert added.returncode == 0, added.stderr
    rider, driver = town.rider(), town.driver()
    names = {"cabrank": town.url, "key": added.stdout.strip()}
    names |= {"rider": rider.id, "driver": driver.id}
    names |= {"operator": town.operator.access}
    given = "".join(f"{name} = {value!r}\n" for name, value in names.items())
    (snippet,) = re.findall(r"```python\n(.*?)```", sections()[title], re.DOTALL)
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", given + snippet],
        env={**os.environ, "PYTHONPATH": CLIENT},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = {"name": name, "driver": driver.user["username"]}
    assert done.stdout.splitlines() == [line.format(**said) for line in SAYS[title]]
