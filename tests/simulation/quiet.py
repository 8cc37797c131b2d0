"""A schedule in which nothing goes wrong, and what every schedule has to be."""

from tests.simulation.plan import Plan
from tests.simulation.verdict import Verdict
from tests.simulation.world import run

QUIET = Plan(
    seed=1,
    riders=2,
    drivers=2,
    operators=1,
    gateways=2,
    dispatchers=2,
    calls=32,
    faults=(),
    ring_events_max=200_000,
    request_ttl_ms=300_000,
    snapshots=True,
    clustered=False,
)


def unbroken(plan: Plan) -> Verdict:
    """What came of a schedule, in which no promise may break."""
    verdict = run(plan)
    violations = "\n".join(verdict.violations)
    assert not violations, f"seed {plan.seed}:\n{violations}"
    return verdict
