"""What a seed stands for: how many take part, and what goes wrong when.

Pure. A plan alone decides a run; a smaller one is what shrinking looks for.
"""

from collections.abc import Iterator
from random import Random
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from dispatcher.engine.limits import BOOKINGS_MAX, LATE_MS, MISSED_BYTES_MAX, WAIT_MS
from dispatcher.engine.market import STEPS_MAX
from dispatcher.region.waiting import QUEUE_MAX
from gateway.fanout.router import SILENCE_S
from schemas.events import EVENTS_PER_RECORD_MAX
from tests.simulation.places import Area

Kind = Literal[
    "kill dispatcher",
    "hang dispatcher",
    "cut dispatcher",
    "resign dispatcher",
    "kill gateway",
    "hang gateway",
    "cut gateway",
    "kill persistence",
    "cut persistence",
    "database away",
    "restart nats",
    "lose acks",
    "ledger full",
    "slow disk",
    "slow network",
    "jump clock",
    "tear snapshot",
    "decide raises",
    "lose client",
    "deafen gateway",
    "hand over",
    "leap clock",
    "drop messages",
    "repeat messages",
]
KINDS: tuple[Kind, ...] = Kind.__args__  # type: ignore[attr-defined]
WEIGHTS = [5, 5, 4, 2, 2, 1, 3, 2, 1, 1, 2, 3, 2, 1, 1, 2, 1, 1, 4, 1, 1, 1, 3, 3]
HELD_MAX = 256
RING_LEAST = 64
"""Events, of so many calls and offers: a repeat is known by its event for a second."""
FULL: tuple[Kind, ...] = (
    "ledger full",
    "ledger full",
    "cut gateway",
    "cut gateway",
    "drop messages",
)
LENGTH_S = 2.0
"""Of the part of a schedule in which clients act and things go wrong."""


class Offering(Struct, frozen=True):
    """How trips are matched where drivers ask for offers. `late_ms`: how late an accept
    may be; `wait_ms`: how long a new leader waits for positions; `steps_max`: of a
    round in one tick.
    """

    area: Area = "city"
    offer_ttl_ms: int = 15_000
    offers_max: int = 8
    broadcast_after_ms: int = 120_000
    missed_offers_max: int = 3
    position_max_age_ms: int = 60_000
    window_ms: int = 0
    late_ms: int = LATE_MS
    wait_ms: int = WAIT_MS
    steps_max: int = STEPS_MAX


class Booking(Struct, frozen=True):
    """How riders book. `share`: of what they do; `most`: SCHEDULED trips of one."""

    share: float = 0.0
    lead_ms: int = 900_000
    most: int = BOOKINGS_MAX


class Restoring(Struct, frozen=True):
    """The machine burns, and another goes on from backups: of which moments, and how
    long after all was over.
    """

    database_s: float
    ledger_s: float
    """Not before the database's."""
    snapshots_s: float
    away_s: float


class Fault(Struct, frozen=True):
    """`which` of the processes or clients, counted round; `for_s` where it ends."""

    at_s: float
    kind: Kind
    which: int
    for_s: float


class Plan(Struct, frozen=True):
    seed: int
    riders: int
    drivers: int
    operators: int
    gateways: int
    dispatchers: int
    calls: int
    """Of all clients together."""
    faults: tuple[Fault, ...]
    ring_events_max: int
    """At least what clients may have under way: a command is known by its event."""
    request_ttl_ms: int
    snapshots: bool
    clustered: bool
    missed_bytes_max: int = MISSED_BYTES_MAX
    """Whoever missed more is given the whole state instead."""
    purges: bool = False
    """The ledger is purged of what nobody needs several times a second."""
    talks: float = 0.0
    """Share of what clients do that they do in rooms."""
    fickle: float = 0.0
    """Share of its rooms that a client who lost its connection doesn't join again."""
    rooms: int = 1
    """Open ones, of the longest names where they are several."""
    long_names: bool = False
    """Of people: 150 characters of six bytes each."""
    held_max: int = HELD_MAX
    """Of a user's keys, and of open rooms' heads: of more, history is asked."""
    allowance: int = 0
    """Commands that a user may send at once, and again in two seconds; 0: any."""
    steady: bool = False
    """No dispatcher begins with a clock that is off: no stamp may leap."""
    queue_max: int = QUEUE_MAX
    events_per_record_max: int = EVENTS_PER_RECORD_MAX
    floods: int = 0
    """Connections that send without end what nobody asked for."""
    offering: Offering | None = None
    """None: no driver asks for offers, and no trip has a place."""
    booking: Booking | None = None
    """None: nobody books."""
    restoring: Restoring | None = None
    """None: nothing is lost but what processes hold."""


def crowded(seed: int) -> Plan:
    """The seed's plan with more to do than its leader's records and queue can hold.
    No clock leaps: what waits for seconds would be forgotten (docs/RELIABILITY.md).
    """
    rng = Random(f"crowded {seed}")
    plan = of(seed)
    slow = Fault(0.1, "slow disk", 0, 1.8)
    more = [f for f in plan.faults[: rng.randrange(3)] if f.kind != "leap clock"]
    return replace(
        plan,
        riders=8,
        drivers=4,
        calls=48,
        faults=(slow, *more),
        ring_events_max=200_000,
        queue_max=rng.choice((1, 2, 4, 8)),
        events_per_record_max=1,
    )


def amid(seed: int, kinds: tuple[Kind, ...], **given: Any) -> Plan:
    """The seed's plan with these faults as well, and what is given."""
    rng = Random(f"amid {seed}")
    plan = of(seed)
    more = [
        Fault(
            at_s=round(rng.random() * 1.5, 4),
            kind=kind,
            which=rng.randrange(6),
            for_s=round(0.2 + rng.random() * 1.5, 4),
        )
        for kind in kinds
    ]
    faults = sorted([*plan.faults, *more], key=lambda fault: fault.at_s)
    return replace(plan, faults=tuple(faults), calls=32, **given)


def limited(seed: int) -> Plan:
    """The seed's plan with users who ask for more than they may, at two gateways."""
    rng = Random(f"limited {seed}")
    losses = tuple(
        Fault(round(0.2 + 0.2 * n, 4), "lose client", rng.randrange(6), 0.1)
        for n in range(8)
    )
    return replace(
        of(seed),
        riders=1,
        drivers=1,
        operators=0,
        gateways=2,
        calls=64,
        faults=losses,
        talks=0.4,
        allowance=rng.choice((4, 8)),
    )


def passing(seed: int) -> Plan:
    """The seed's plan with clients who come, go, and leave rooms while leaders die: a
    join and its session's end are under way to a leader that answers neither.
    """
    rng = Random(f"passing {seed}")
    faults: list[Fault] = [Fault(0.0, "slow disk", 0, 2.0)]
    for n in range(4):
        at_s = 0.3 + 0.4 * n + rng.random() * 0.1
        lost = [
            Fault(round(at_s + rng.random() * 0.2, 4), "lose client", which, 0.0)
            for which in range(3)
        ]
        faults += [*lost, Fault(round(at_s + 0.2, 4), "kill dispatcher", n, 0.2)]
    return replace(
        of(seed),
        riders=2,
        drivers=1,
        operators=0,
        dispatchers=2,
        calls=64,
        talks=1.0,
        fickle=0.6,
        rooms=1,
        faults=tuple(sorted(faults, key=lambda fault: fault.at_s)),
    )


def leaping(seed: int) -> Plan:
    """The seed's plan with two dispatchers that live on, and whose clocks leap."""
    made = amid(seed, ("leap clock",) * 6 + ("cut dispatcher", "hang dispatcher"))
    faults = tuple(
        replace(fault, at_s=min(0.3 + fault.at_s, LENGTH_S - 0.01))  # else never healed
        for fault in made.faults
        if fault.kind not in {"kill dispatcher", "resign dispatcher", "hand over"}
    )
    return replace(made, dispatchers=2, faults=faults, steady=True)


def full(seed: int) -> Plan:
    """The seed's plan with a ledger that is full twice, amid losses."""
    return amid(seed, FULL)


def of(seed: int) -> Plan:
    rng = Random(f"plan {seed}")
    faults = [_fault(rng) for _ in range(rng.choice((0, 1, 1, 2, 2, 3, 4)))]
    roomy = rng.random() < 0.7
    return Plan(
        seed=seed,
        riders=rng.randint(1, 3),
        drivers=rng.randint(1, 3),
        operators=rng.choice((0, 0, 1)),
        gateways=rng.choice((1, 1, 2)),
        dispatchers=rng.choice((1, 2, 2)),
        calls=rng.choice((8, 16, 32)),
        faults=tuple(sorted(faults, key=lambda fault: fault.at_s)),
        ring_events_max=200_000 if roomy else 24,
        request_ttl_ms=rng.choice((300, 300_000, 300_000)),
        snapshots=rng.random() < 0.4,
        clustered=rng.random() < 0.2,
        missed_bytes_max=MISSED_BYTES_MAX if roomy else 2000,
        talks=rng.choice((0.0, 0.0, 0.4)),
        purges=rng.random() < 0.5,
        rooms=rng.choice((1, 1, 12)),
        long_names=rng.random() < 0.3,
        held_max=rng.choice((HELD_MAX, 1)),
        offering=offering_of(seed),
    )


def offering_of(seed: int) -> Offering | None:
    """In two of five; the others are what they were before there were offers."""
    rng = Random(f"offers {seed}")
    return _offering(rng) if rng.random() < 0.4 else None


def _offering(rng: Random) -> Offering:
    return Offering(
        area=rng.choice(("city", "city", "pole", "date line")),
        offer_ttl_ms=rng.choice((150, 400, 400, 15_000)),
        offers_max=rng.choice((1, 2, 8)),
        broadcast_after_ms=rng.choice((0, 500, 120_000)),
        missed_offers_max=rng.choice((1, 3)),
        position_max_age_ms=rng.choice((400, 60_000, 60_000)),
        window_ms=rng.choice((0, 0, 200)),
        late_ms=rng.choice((200, LATE_MS)),
        wait_ms=rng.choice((300, WAIT_MS)),
        steps_max=rng.choice((1, STEPS_MAX)),
    )


def offered(seed: int, kinds: tuple[Kind, ...] = (), **given: Any) -> Plan:
    """The seed's plan with drivers who ask for offers, more of them, and riders who say
    where they are; and with these faults as well.
    """
    rng = Random(f"offered {seed}")
    drivers, offering = rng.randint(2, 4), _offering(rng)
    plan = amid(seed, kinds, **({"drivers": drivers, "talks": 0.0} | given))
    ring = max(RING_LEAST, plan.ring_events_max)
    return replace(plan, calls=48, offering=offering, ring_events_max=ring)


def rushed(seed: int) -> Plan:
    """The same with more riders, and rounds of the matching that take many ticks."""
    plan = offered(seed, riders=8, drivers=4)
    offering = plan.offering or Offering()
    slow = replace(offering, steps_max=1, window_ms=200, offer_ttl_ms=150)
    return replace(plan, calls=64, offering=slow)


def booked(seed: int, kinds: tuple[Kind, ...] = ()) -> Plan:
    """The seed's plan with riders who book, and with these faults as well."""
    rng = Random(f"booked {seed}")
    booking = Booking(
        share=rng.choice((0.3, 0.6)),
        lead_ms=rng.choice((0, 200, 700)),
        most=rng.choice((1, 3, BOOKINGS_MAX)),
    )
    return replace(amid(seed, kinds), calls=48, booking=booking)


def _fault(rng: Random) -> Fault:
    kind = rng.choices(KINDS, WEIGHTS)[0]
    longest_s = 3.0 if kind in {"hang dispatcher", "ledger full"} else 0.8
    for_s = rng.random() * longest_s
    if kind == "deafen gateway":  # a shorter one can't be told from a slow network
        for_s += SILENCE_S + 1
    return Fault(
        at_s=round(rng.random() * LENGTH_S, 4),
        kind=kind,
        which=rng.randrange(6),
        for_s=round(for_s, 4),
    )


def smaller(plan: Plan) -> Iterator[Plan]:
    """Plans with one thing less, the greatest steps first."""
    if plan.calls > 1:
        yield replace(plan, calls=plan.calls // 2)
    for i in range(len(plan.faults)):
        yield replace(plan, faults=plan.faults[:i] + plan.faults[i + 1 :])
    for field, least in (
        ("operators", 0),
        ("riders", 1),
        ("drivers", 1),
        ("gateways", 1),
        ("dispatchers", 1),
    ):
        value = getattr(plan, field)
        if value > least:
            yield replace(plan, **{field: value - 1})
    for simpler in (
        replace(plan, ring_events_max=200_000),
        replace(plan, request_ttl_ms=300_000),
        replace(plan, snapshots=False),
        replace(plan, clustered=False),
        replace(plan, talks=0.0),
        replace(plan, rooms=1),
        replace(plan, long_names=False),
        replace(plan, floods=0),
        replace(plan, purges=False),
        replace(plan, missed_bytes_max=MISSED_BYTES_MAX),
        replace(plan, held_max=HELD_MAX),
        replace(plan, queue_max=QUEUE_MAX),
        replace(plan, events_per_record_max=EVENTS_PER_RECORD_MAX),
        replace(plan, offering=None),
        replace(plan, booking=None),
        replace(plan, restoring=None),
        *_plainer(plan),
    ):
        if simpler != plan:
            yield simpler
    if plan.calls > 1:
        yield replace(plan, calls=plan.calls - 1)


def _plainer(plan: Plan) -> Iterator[Plan]:
    """With one setting of its offers as it is by default."""
    if plan.offering is None:
        return
    plain = Offering()
    for field in Offering.__struct_fields__:
        default = {field: getattr(plain, field)}
        yield replace(plan, offering=replace(plan.offering, **default))
