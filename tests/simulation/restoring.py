"""A machine burns, and another goes on from its backups, as docs/OPERATING.md has them
made and restored: the database of one moment, the ledger of a later one, its snapshots
perhaps of one later still; `cabrank rebuild` between.

What was answered after the ledger's backup is lost, and nobody holds it against the
system. All else is judged as ever, and the whole ledger with it: bookings made before
open once, at their time or, where that is past, at once; or expire.
"""

import copy
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from cabrank.trial.oracle.history import Call
from cabrank.trial.oracle.linear import NEVER
from persistence.projected.projection import read_record
from schemas.trips import Trip
from tests.simulation.database import Database
from tests.simulation.objects import ObjectStream
from tests.simulation.plan import Plan

if TYPE_CHECKING:
    from tests.simulation.world import World

OTHER_SEED = 1_000_000_007
"""The second part's: people do other things."""
STREAM = "LEDGER_main"
INSTANT_S = 1e-5
"""What is kept at the same moment is kept in this order."""


class Store(Struct):
    """NATS's, but for the snapshots. `floor`: what persistence had acknowledged."""

    at_s: float
    records: list[bytes]
    stored_s: list[float]
    first: int
    floor: int


class Backups:
    """Made while a world lives, at the plan's moments."""

    def __init__(self, world: "World") -> None:
        self._world = world
        restoring = world.plan.restoring
        assert restoring is not None, "nothing is to be restored"
        for at_s, keep in (
            (restoring.database_s, self._keep_database),
            (restoring.ledger_s + INSTANT_S, self._keep_ledger),
            (restoring.snapshots_s + 2 * INSTANT_S, self._keep_snapshots),
        ):
            world.loop.call_at(0.2 + at_s, keep)

    def _keep_database(self) -> None:
        self._database = copy.deepcopy(self._world.database)
        self._written = self._world.server.stream.consumer.floor

    def _keep_ledger(self) -> None:
        stream = self._world.server.stream
        self._ledger = Store(
            self._world.loop.time(),
            list(stream.records),
            list(stream.stored_s),
            stream.first,
            stream.consumer.floor,
        )
        if self._written + 1 < stream.first:
            # It is older than where the ledger begins: of no use, and rebuild says so.
            self._keep_database()

    def _keep_snapshots(self) -> None:
        self._snapshots: ObjectStream = copy.deepcopy(self._world.server.objects)

    # ---- on an empty machine -------------------------------------------------------

    def restore(self, world: "World", away_s: float) -> None:
        """Into one that has not begun."""
        kept = self._ledger
        world.loop.begin_at(self._world.loop.time() + away_s)
        world.lives = self._world.lives + 1
        server = world.server
        server.objects = self._snapshots
        server.stream.restore(kept.records, kept.stored_s, kept.first, kept.floor)
        world.database = self._database
        world.database.is_away = False
        _rebuild(world.database, kept)
        for call in self._calls(kept.at_s):
            world.watch.history.add(call)
            if isinstance(call.answer, Trip):
                world.watch.history.saw(call.answer, call.end)

    def _calls(self, until_s: float) -> list[Call]:
        """What was asked until then; of what wasn't answered yet nobody knows what
        became of it.
        """
        asked = [c for c in self._world.watch.history.calls if c.start <= until_s]
        return [
            call
            if call.end <= until_s
            else replace(call, end=NEVER, answer=None, code=None)
            for call in asked
        ]


def _rebuild(database: Database, kept: Store) -> None:
    """As `cabrank rebuild` does it."""
    for n in range(kept.first, len(kept.records) + 1):
        rows, unreadable = read_record(STREAM, n, kept.records[n - 1])
        database.write(rows, unreadable, 0)


def second(plan: Plan) -> Plan:
    """Of the part after it."""
    return replace(plan, seed=plan.seed + OTHER_SEED, restoring=None)
