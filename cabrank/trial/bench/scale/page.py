"""docs/SCALING.md, from what was measured: every number on it is one of
docs/SCALING.json or follows from them. Pure but for the two files.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from cabrank.trial.bench.scale.found import SERVICES, Cell, Trips, merged
from cabrank.trial.bench.scale.model import GIB, Assumed, Model, limits, needs
from cabrank.trial.load import LoadError
from schemas.codec import CodecError, decode, encode

MIB = 2**20
MBIT = 125_000


def read(path: Path) -> list[Cell]:
    """What was measured before; nothing where there is no such file.

    Raises:
        LoadError: it is another kind of file.
    """
    if not path.exists():
        return []
    try:
        return decode(path.read_bytes(), list[Cell])
    except (OSError, CodecError):
        raise LoadError(f"{path} holds no figures of `bench scale`.") from None


def write(path: Path, found: list[Cell]) -> list[Cell]:
    """The page, and beside it what it is made of, with what was kept there; returns all
    that.
    """
    figures = path.with_suffix(".json")
    cells = merged(read(figures), found)
    figures.write_bytes(encode(cells) + b"\n")
    path.write_text(page(cells))
    return cells


def _row(words: Sequence[object]) -> str:
    return "| " + " | ".join(str(word) for word in words) + " |"


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    return "\n".join(
        [_row(head), "|---:|" + "---:|" * (len(head) - 1), *map(_row, rows)]
    )


def _case(cell: Cell) -> list[str]:
    case = cell.case
    return [f"{case.drivers:,}", f"{case.gateways}", f"{case.regions}"]


CASE = ("drivers", "gateways", "regions")


def _trips(cells: Sequence[Cell], chosen: Callable[[Cell], Trips]) -> str:
    rows = []
    for cell in cells:
        trips = chosen(cell)
        cost = [f"{trips.cpu_ms[name]:.2f}" for name in SERVICES]
        total = sum(trips.cpu_ms.values())
        waits = [f"{trips.p50_ms:.0f}", f"{trips.p99_ms:.0f}"]
        rows.append([*_case(cell), trips.trips, f"{total:.2f}", *cost, *waits])
    return _table([*CASE, "trips", "CPU-ms", *SERVICES, "p50 ms", "p99 ms"], rows)


def _standing(cells: Sequence[Cell]) -> str:
    rows = [
        [
            *_case(cell),
            *(f"{100 * cell.standing[name]:.1f}" for name in SERVICES),
            f"{cell.moving_in / MBIT:.2f}",
            f"{cell.moving_out / MBIT:.2f}",
            f"{cell.connect_ms:.2f}",
        ]
        for cell in cells
    ]
    shares = [f"{name} %" for name in SERVICES]
    return _table([*CASE, *shares, "Mbit/s in", "Mbit/s out", "ms a connect"], rows)


def _memory(cells: Sequence[Cell]) -> str:
    rows = [
        [
            *_case(cell),
            *(f"{cell.rss_by_service.get(name, 0) / MIB:.0f}" for name in SERVICES),
        ]
        for cell in cells
    ]
    return _table([*CASE, *SERVICES], rows)


def _kept(model: Model) -> str:
    sizes = [
        ("into nats-server", lambda t: t.nats_in),
        ("out of it", lambda t: t.nats_out),
        ("of the ledger on disk", lambda t: t.ledger),
        ("of the database", lambda t: t.database),
    ]
    return ", ".join(f"{model.trip(of) / 1024:.1f} KiB {what}" for what, of in sizes)


def _needs(model: Model, assumed: Assumed) -> str:
    found = needs(model, assumed)
    rows = [
        [
            one.service,
            f"{one.cores:,.1f}",
            f"{one.processes:,}",
            f"{one.memory / GIB:,.1f}",
        ]
        for one in found.services
    ]
    cores = sum(one.cores for one in found.services)
    memory = sum(one.memory for one in found.services)
    count = sum(one.processes for one in found.services)
    rows.append(["all", f"{cores:,.1f}", f"{count:,}", f"{memory / GIB:,.1f}"])
    table = _table(["service", "cores", "processes", "GiB resident"], rows)
    return f"""{assumed.cities:,} cities of {assumed.drivers:,} drivers online at their
busiest, all at the same time, {assumed.trips_per_hour:g} trips an hour for each driver:
{found.drivers:,} sessions and {found.trips_per_s:,.0f} trips/s, every trip offered, no
process over {100 * assumed.share:.0f} % of a core and no gateway with more than
{assumed.sessions:,} sessions.

{table}

Through NATS {found.nats_in / MBIT:,.0f} Mbit/s in and {found.nats_out / MBIT:,.0f} out.
At that pace for a whole day the ledgers grow by {found.ledger / GIB:,.1f} GiB and the
database by {found.database / GIB:,.1f} GiB."""


def _limits(model: Model, assumed: Assumed) -> str:
    rows = [[f"{one.drivers:,.0f}", one.what] for one in limits(model, assumed)[:6]]
    return _table(["drivers of one city", "what has had its share then"], rows)


def _troubles(cells: Sequence[Cell]) -> str:
    lines = [
        f"- {', '.join(_case(cell))}: {times} times: {what}"
        for cell in cells
        for what, times in cell.troubles.items()
    ]
    lines += [
        f"- {', '.join(_case(cell))}: {cell.lost} trips didn't end in time"
        for cell in cells
        if cell.lost
    ]
    return "\n".join(lines) or "None."


def page(cells: Sequence[Cell]) -> str:
    """Of cases of which one `is_plain`."""
    model, assumed = Model(cells), Assumed()
    loads = [cell.load for cell in cells]
    every_s = cells[0].every_s
    first = limits(model, assumed)[0]
    return f"""# Scaling

Written by `cabrank bench scale --to docs/SCALING.md` from docs/SCALING.json; don't edit
it here. What one system on one machine of two cores took, clients included; before the
cases the machine's load was {min(loads):g} to {max(loads):g}. Costs count; waits less,
for others on the machine make them longer.

## What a trip costs

Requested, accepted, begun and completed, all durable: CPU-ms beyond what the drivers'
positions take alone, by service; and how soon the first driver hears of it. Offered
to the cheapest driver:

{_trips(cells, lambda c: c.offers)}

Told to all drivers of its region, who stand still meanwhile:

{_trips(cells, lambda c: c.broadcast)}

A trip that is offered has
{_kept(model)}.
Each of its moves is a record of its own at this pace, with an fsync and a transaction;
when a region is busy a record holds many moves, and a trip costs a fraction of this
([BENCHMARKS.md](BENCHMARKS.md), lifecycle). So what follows is what is needed at most.

## What drivers cost who only move

A position every {every_s:g} s: shares of a core, what goes through NATS for it, and the
gateways' CPU for a connection.

{_standing(cells)}

## Memory

MiB resident when all was over, of all processes of a service together.

{_memory(cells)}

![The same, drawn](scaling.png)

## What a thousand cities need

{_needs(model, assumed)}

It is {assumed.cities:,} times what one city takes, not what was tried: the lines go
through what was measured with one gateway and one region, and a region's own cost
through that with several. NATS's share is spread over as many servers as are given it;
a region's ledger stays on one, with its replicas.

## What breaks first

One city that grows, on one process of each kind:

{_limits(model, assumed)}

First: {first.what}, at {first.drivers:,.0f} drivers. A gateway is given another beside
it, persistence too, and so is nats-server in a cluster; a region has one leader, and
what fills its core is the end of that city until it is cut into two regions.

## What went wrong

{_troubles(cells)}

## The command

```
cabrank bench scale --to docs/SCALING.md                               # all of it
cabrank bench scale --drivers 5000 --gateways 4 --to docs/SCALING.md   # a case more
```
"""
