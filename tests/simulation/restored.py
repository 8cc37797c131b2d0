"""Plans of machines that go on from backups (restoring.py). Pure."""

from random import Random

from msgspec.structs import replace

from tests.simulation.plan import Kind, Plan, Restoring, booked


def restored(seed: int, kinds: tuple[Kind, ...] = ()) -> Plan:
    """The seed's plan with riders who book, and a machine that goes on from backups."""
    rng = Random(f"restored {seed}")
    ledger_s = round(0.5 + rng.random(), 4)
    restoring = Restoring(
        database_s=round(ledger_s * rng.choice((0.0, 0.5, 0.9, 1.0)), 4),
        ledger_s=ledger_s,
        snapshots_s=ledger_s + rng.choice((0.0, 0.0, 0.1, 0.2)),
        away_s=rng.choice((0.5, 2.0, 40.0, 3600.0)),
    )
    plan = booked(seed, kinds)
    return replace(
        plan,
        talks=0.0,
        offering=None,
        snapshots=rng.random() < 0.8,
        dispatchers=2,
        restoring=restoring,
    )


def outlived(seed: int) -> Plan:
    """The same with snapshots from after the ledger's backup, and dispatchers that die
    again and again.
    """
    plan = restored(seed, ("kill dispatcher",) * 4)
    assert plan.restoring is not None, "there are backups"
    late_s = round(plan.restoring.ledger_s + 0.45, 4)
    restoring = replace(plan.restoring, snapshots_s=late_s)
    # Not purged, a ledger needs none of them.
    return replace(plan, snapshots=True, purges=False, restoring=restoring)
