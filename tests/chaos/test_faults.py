"""`cabrank chaos` as its users run it: every kind of fault once, on one system each.

Its exit status is the verdict: the invariants of every frame, an order that explains
every answer, and ledger = database.
"""

import json
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from cabrank.trial.chaos import disk
from cabrank.trial.chaos.plan import CLUSTER_KINDS, Kind
from tests.support.stack import cabrank

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(400)]
SIZE = ("--riders", "24", "--drivers", "10", "--pause", "0.3", "--hold", "2.5")
DATABASE = [Kind.DATABASE_AWAY, Kind.DATABASE_FULL]
DISKS = [*DATABASE, Kind.LEDGER_FULL]


def chaos(kinds: list[Kind], seed: int, *options: str) -> dict[str, Any]:
    """What it found. Raises: AssertionError: a promise broke."""
    only = [f"--only={kind}" for kind in kinds]
    counted = (f"--count={len(kinds)}", f"--seed={seed}", "--json")
    done = run(*SIZE, *only, *counted, *options)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout)
    assert {each["fault"] for each in found["faults"]} == set(kinds)
    assert all(each["whole_s"] is not None for each in found["faults"])
    assert found["violations"] == []
    assert found["undecided"] == 0
    assert re.search(r"[1-9][0-9,]* messages: equal$", found["verified"])
    assert found["trips"] > 10
    assert found["offers"]["accepted"] > 0
    for told in found["deliveries"]:
        tally = told["tally"]
        assert told["settled_s"] is not None
        assert tally["taken"] >= tally["wanted"] > 0
    return found


def run(*options: str) -> subprocess.CompletedProcess[str]:
    return cabrank("chaos", *options, limit_s=380)


def test_every_fault_there_is_loses_nothing() -> None:
    """Disks are full by limits here: the ledger's `max_bytes`, and files' size."""
    kinds = [kind for kind in Kind if kind not in CLUSTER_KINDS]
    found = chaos(kinds, 1, "--database", "sqlite", "--no-mounts")
    assert found["refusals"]["overloaded"] > 0
    assert sum(told["tally"]["refused"] for told in found["deliveries"]) > 0
    assert_kept_waiting(found)


def test_a_database_that_crashes_and_disks_that_are_full_lose_nothing(
    tmp_path: Path,
) -> None:
    """Really full where we may mount small ones."""
    with disk.mounted(tmp_path / "disk") as may_mount:
        kinds = DISKS if may_mount else [Kind.DATABASE_AWAY, Kind.LEDGER_FULL]
    assert_kept_waiting(chaos(kinds, 3, "--database", "postgresql"))


def test_a_cluster_that_loses_its_ledger_s_leader_loses_nothing() -> None:
    """It dies, stands still, or is cut off from the others but not from clients."""
    kinds = sorted(CLUSTER_KINDS)
    if (why := no_network()) is not None:
        kinds.remove(Kind.CUT_LEDGER_LEADER)
        warnings.warn(f"without a partition: {why}", stacklevel=1)
    found = chaos(kinds, 5, "--nats-servers", "3", "--hold", "10")
    assert all(each["target"].startswith("nats-") for each in found["faults"])


def no_network() -> str | None:
    """Why none may be laid; in a process of its own, which would move into it."""
    lay = "from cabrank.trial.chaos import network; network.lay(1)"
    argv = [sys.executable, "-c", lay]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done.stderr.strip().splitlines()[-1] if done.returncode else None


def assert_kept_waiting(found: dict[str, Any]) -> None:
    """Each fault kept records from the database, which has them all by now."""
    hit = [each for each in found["faults"] if each["fault"] in DATABASE]
    assert min(each["behind"] for each in hit) > 0
    assert all(each["caught_up_s"] is not None for each in hit)


@pytest.mark.parametrize(
    "options",
    [
        ("--only", "earthquake"),
        ("--pairs", "2"),
        ("--only", "kill-ledger-leader", "--database", "sqlite"),
        ("--work-dir", "/proc/nowhere"),
    ],
)
def test_wrong_input_is_told_in_one_sentence_with_status_2(
    options: tuple[str, ...],
) -> None:
    done = run(*options)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
