"""What was measured of systems of several sizes. Pure data."""

from msgspec import Struct

SERVICES = ("nats", "gateway", "dispatcher", "persistence")
"""The live path and what remembers; webhooks do nothing here."""


class Case(Struct, frozen=True, order=True):
    """A system's size: drivers online, gateway processes, regions that they are spread
    over.
    """

    drivers: int
    gateways: int
    regions: int

    @property
    def is_plain(self) -> bool:
        """One gateway and one region, as the lines are drawn through."""
        return self.gateways == self.regions == 1


class Trips(Struct):
    """A window of trips. `cpu_ms`: of a trip, by service, beyond what the drivers
    take alone. `p50_ms`, `p99_ms`: from a request to the first driver who
    hears of it. `nats_in`, `nats_out`: bytes that nats-server read and wrote for a
    trip, positions' apart; `ledger`, `database`: bytes it takes on disk.
    """

    trips: int
    seconds: float
    cpu_ms: dict[str, float]
    p50_ms: float
    p99_ms: float
    nats_in: float
    nats_out: float
    ledger: float
    database: float


class Cell(Struct):
    """One case. `load`: of the machine over a minute, before. `standing`: shares of a
    core while drivers do nothing but say where they are, every `every_s`; `moving_in`,
    `moving_out`: bytes a second through nats-server meanwhile. `resting`: shares of a
    core while they don't even do that. `rss`: bytes by process at the end.
    `connect_ms`: the gateways' CPU a connection.
    """

    case: Case
    load: float
    every_s: float
    standing: dict[str, float]
    moving_in: float
    moving_out: float
    connect_ms: float
    offers: Trips
    broadcast: Trips
    rss: dict[str, int]
    lost: int = 0
    troubles: dict[str, int] = {}
    resting: dict[str, float] = {}

    @property
    def rss_by_service(self) -> dict[str, int]:
        """Of all its processes together."""
        made: dict[str, int] = {}
        for name, count in self.rss.items():
            service = name.rpartition("-")[0] or name
            made[service] = made.get(service, 0) + count
        return made


def merged(kept: list[Cell], found: list[Cell]) -> list[Cell]:
    """`found` in the place of what was kept of the same cases, by size."""
    cells = {cell.case: cell for cell in (*kept, *found)}
    return [cells[case] for case in sorted(cells)]
