"""Two checkouts' turns of one benchmark, each in a process of its own."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def in_turns(
    file: str, before: Path | None, rounds: int, *arguments: str
) -> dict[str, list[Any]]:
    """What `file` printed last as JSON in each of `rounds`, under "before" and "now":
    run by that checkout's code. Who begins changes each round.
    """
    here = Path(__file__).parents[2]
    trees = {"before": before, "now": here} if before else {"now": here}
    seen: dict[str, list[Any]] = {name: [] for name in trees}
    for number in range(rounds):
        for name in list(trees) if number % 2 else list(reversed(trees)):
            done = subprocess.run(
                [sys.executable, "-P", file, *arguments],
                env={**os.environ, "PYTHONPATH": str(trees[name])},
                stdout=subprocess.PIPE,
                check=True,
            )
            seen[name].append(json.loads(done.stdout.splitlines()[-1]))
    return seen


def compared(file: str, description: str | None, rounds: int) -> dict[str, list[Any]]:
    """What `file` measured with `--here`, asked for on its command line: of this tree,
    and of the one that `--before` names.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--before", type=Path, help="another checkout")
    parser.add_argument("--rounds", type=int, default=rounds)
    given = parser.parse_args()
    return in_turns(file, given.before, given.rounds, "--here")


def least_of(seen: dict[str, list[dict[str, float]]]) -> dict[str, dict[str, float]]:
    """The least of each part."""
    return {
        name: {part: min(one[part] for one in all_of) for part in all_of[0]}
        for name, all_of in seen.items()
    }
