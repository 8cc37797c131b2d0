"""The smallest plan that still fails, found by leaving out one thing after another."""

from collections.abc import Callable

from tests.simulation.plan import Plan, smaller
from tests.simulation.verdict import Verdict
from tests.simulation.world import run

RUNS_MAX = 400


def shrink(
    plan: Plan, is_failure: Callable[[Verdict], bool], tell: Callable[[Plan], None]
) -> Plan:
    """`plan` fails; what is returned does too, and nothing of it can be left out."""
    runs = 0
    found = True
    while found and runs < RUNS_MAX:
        found = False
        for candidate in smaller(plan):
            runs += 1
            if is_failure(run(candidate)):
                plan, found = candidate, True
                tell(plan)
                break
    return plan
