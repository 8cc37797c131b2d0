# ruff: noqa: T201 - a command line prints
"""`python -m tests.simulation`: many seeds, on all cores; what fails is shrunk.

Exit status: 0, or 1 where a schedule broke a promise.
"""

import argparse
import functools
import gc
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator

from tests.simulation import plan as plans
from tests.simulation.plan import Plan
from tests.simulation.restored import restored
from tests.simulation.shrink import shrink
from tests.simulation.verdict import Verdict
from tests.simulation.world import run

CHUNK = 50
Draw = Callable[[int], Plan]
DRAWS: dict[str, Draw] = {
    "booked": plans.booked,
    "crowded": plans.crowded,
    "full": plans.full,
    "offered": plans.offered,
    "restored": restored,
    "rushed": plans.rushed,
}
"""By option."""


def _play(draw: Draw, seeds: range) -> list[tuple[int, Verdict]]:
    """The failing ones."""
    found = []
    for seed in seeds:
        verdict = run(draw(seed))
        if verdict.violations:
            found.append((seed, verdict))
    gc.collect()  # what `swept` leaves: 160 KB a schedule
    return found


def _chunks(seeds: range) -> Iterator[range]:
    for start in range(0, len(seeds), CHUNK):
        yield seeds[start : start + CHUNK]


def _show(draw: Draw, seed: int, verdict: Verdict) -> None:
    print(f"\nseed {seed} (trace {verdict.trace}) breaks:", flush=True)
    for violation in verdict.violations[:10]:
        print(f"  {violation}")
    rule = verdict.violations[0].partition(":")[0]

    def fails_alike(other: Verdict) -> bool:
        return any(text.startswith(rule) for text in other.violations)

    print("shrinking", end="", flush=True)
    small = shrink(draw(seed), fails_alike, lambda _: print(".", end="", flush=True))
    print(f"\n  {small}")
    for violation in run(small).violations[:10]:
        print(f"  {violation}")
    which = next((f"--{name} " for name, one in DRAWS.items() if one is draw), "")
    print(f"again: python -m tests.simulation {which}--first {seed} --seeds 1")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seeds", type=int, default=3000, help="how many schedules")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=0, help="processes; 0: one a core")
    parser.add_argument(
        "--crowded", action="store_true", help="with full queues and records"
    )
    parser.add_argument("--full", action="store_true", help="with full ledgers")
    parser.add_argument("--booked", action="store_true", help="with trips for later")
    parser.add_argument(
        "--restored", action="store_true", help="going on from backups, once each"
    )
    parser.add_argument(
        "--offered", action="store_true", help="with offers, all of them"
    )
    parser.add_argument(
        "--rushed", action="store_true", help="with offers in long rounds"
    )
    given = parser.parse_args()
    chosen = [one for name, one in DRAWS.items() if getattr(given, name)]
    draw = chosen[0] if chosen else plans.of
    play = functools.partial(_play, draw)
    jobs = given.jobs or os.cpu_count()
    seeds = range(given.first, given.first + given.seeds)
    began_s = time.monotonic()
    done, failed = 0, 0
    with multiprocessing.Pool(jobs, maxtasksperchild=100) as pool:
        chunks = list(_chunks(seeds))
        for chunk, found in zip(chunks, pool.imap(play, chunks), strict=True):
            done += len(chunk)
            for seed, verdict in found:
                failed += 1
                if failed <= 5:
                    _show(draw, seed, verdict)
            passed_s = time.monotonic() - began_s
            line = (
                f"{done:,} of {len(seeds):,} schedules, {failed} broke a promise, "
                f"{done / passed_s * 60:,.0f} a minute"
            )
            end = "\r" if sys.stdout.isatty() else "\n"
            if end == "\r" or done % (CHUNK * 20) == 0 or done == len(seeds):
                print(line, end=end, flush=True)
    print()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
