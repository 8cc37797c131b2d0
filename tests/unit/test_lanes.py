"""Tests that start whole systems never run beside each other."""

import os
import sys
from pathlib import Path

from tests.lanes import lane

TESTS = Path(__file__).parents[1]
APART = {"containers", "data", "support"}
"""Not of `make test`, or no tests."""


def test_whoever_starts_a_system_is_in_the_lane_of_systems() -> None:
    files = [path.relative_to(TESTS) for path in TESTS.rglob("*.py")]
    starting = [
        file
        for file in files
        if file.parts[0] not in APART and file.name != Path(__file__).name
        if "tests.support.stack" in (TESTS / file).read_text()
    ]
    assert len(starting) > 10
    lanes = {str(file): lane(f"tests/{file}::test_x") for file in starting}
    assert {f for f, its in lanes.items() if its == "parts"} == set()


def test_units_go_file_by_file_to_whoever_is_free() -> None:
    its = "tests/unit/test_lanes.py"
    assert lane(f"{its}::test_x") == lane(f"{its}::Those::test_y[1::2]") == its


def test_parts_run_beside_them() -> None:
    assert lane("tests/simulation/test_simulation.py::test_x") == "parts"
    assert lane("tests/contract/http/test_docs.py::test_x") == "parts"


def test_what_a_worker_compiles_is_kept_for_the_next_process() -> None:
    """Whatever the environment of who runs it says: a gateway's start takes three times
    as long without.
    """
    assert not sys.dont_write_bytecode
    assert "PYTHONDONTWRITEBYTECODE" not in os.environ
