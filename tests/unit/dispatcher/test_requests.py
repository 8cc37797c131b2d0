"""How a trip begins: its request, its id, its idempotency key."""

from uuid import UUID

from dispatcher.engine import Decided, Limits, Lookup
from dispatcher.ids import made_id
from dispatcher.keys import Keys
from dispatcher.limits import KEYS_PER_RIDER_MAX
from schemas.commands import RequestTrip
from schemas.refusals import Code
from schemas.times import rfc3339
from schemas.trips import Position, Role, Status
from tests.unit.dispatcher.world import (
    DORA,
    LIMITS,
    NOON_MS,
    RITA,
    RON,
    TTL_MS,
    World,
    code_of,
    trip_of,
    user,
)

DAY_MS = 86_400_000


def keyed(world: World, key: str, **more: object) -> RequestTrip:
    return RequestTrip(
        pick_up_address="A",
        drop_off_address="B",
        key=key,
        **world.envelope(RITA),
        **more,  # type: ignore[arg-type]
    )


def test_a_request_makes_a_trip_of_the_rider() -> None:
    world = World()
    trip = world.request(pick_up=Position(40.5, -74.25))
    assert trip.status is Status.REQUESTED
    assert (trip.version, trip.region) == (1, "main")
    assert (trip.pick_up_address, trip.drop_off_address) == ("A", "B")
    assert (trip.pick_up, trip.drop_off) == (Position(40.5, -74.25), None)
    assert (trip.rider, trip.driver) == (RITA.person(), None)
    assert trip.created == trip.updated == rfc3339(NOON_MS)
    event = world.last
    assert (event.type, event.trip) == ("trip.requested", trip)
    assert event.audience == (RITA.id,)
    assert (event.by, event.command) == (RITA.id, f"{1:032x}")


# ---- ids ---------------------------------------------------------------------


def test_a_made_id_is_a_uuid_of_version_7_with_the_stamp_in_front() -> None:
    made = UUID(made_id(NOON_MS, "a" * 32))
    assert made.version == 7
    assert made.variant == "specified in RFC 4122"
    assert made.int >> 80 == NOON_MS


def test_a_made_id_depends_on_stamp_and_command_alone() -> None:
    assert made_id(NOON_MS, "a") == made_id(NOON_MS, "a")
    made = {made_id(NOON_MS, f"{n:032x}") for n in range(1_000)}
    assert len(made) == 1_000
    assert made_id(NOON_MS + 1, "a") > made_id(NOON_MS, "a")


def test_ids_grow_in_the_order_of_first_events_whatever_the_clock_does() -> None:
    world = World()
    made = []
    for number in range(300):
        if number == 100:
            world.now_ms += 60_000  # ahead, and for the rest of the time back
        if number == 101:
            world.now_ms -= 60_000
        made.append(world.request(user(Role.RIDER, f"r{number}")))
    assert len({trip.created for trip in made}) == 2
    assert [trip.id for trip in made] == sorted(trip.id for trip in made)


# ---- idempotency keys ----------------------------------------------------------


def test_the_same_key_is_answered_with_the_same_trip_as_it_is_now() -> None:
    world = World()
    trip = trip_of(world.do(keyed(world, "k")))
    started = world.moves("accept", DORA, trip)
    assert world.do(keyed(world, "k")) == Decided((), started)


def test_the_same_key_gives_the_trip_back_after_it_has_ended() -> None:
    world = World()
    trip = trip_of(world.do(keyed(world, "k")))
    ended = world.moves("cancel", RITA, trip)
    assert world.do(keyed(world, "k")) == Decided((), ended)


def test_an_older_key_still_gives_its_own_trip() -> None:
    world = World()
    first = world.moves("cancel", RITA, trip_of(world.do(keyed(world, "k1"))))
    second = trip_of(world.do(keyed(world, "k2")))
    assert world.do(keyed(world, "k1")) == Decided((), first)
    assert world.do(keyed(world, "k2")) == Decided((), second)


def test_another_key_is_another_request() -> None:
    world = World()
    world.do(keyed(world, "k1"))
    assert code_of(world.do(keyed(world, "k2"))) is Code.RIDER_BUSY


def test_a_key_is_the_riders_own() -> None:
    world = World()
    mine = trip_of(world.do(keyed(world, "k")))
    yours = world.request(RON, key="k")
    assert mine.id != yours.id


def test_a_refused_request_leaves_its_key_unused() -> None:
    world = World()
    first = world.request()
    assert code_of(world.do(keyed(world, "k"))) is Code.RIDER_BUSY
    world.moves("cancel", RITA, first)
    assert trip_of(world.do(keyed(world, "k"))).status is Status.REQUESTED


def test_a_key_is_free_again_after_24_hours() -> None:
    world = World()
    first = trip_of(world.do(keyed(world, "k")))
    world.moves("cancel", RITA, first)
    world.now_ms += DAY_MS - 1
    assert isinstance(world.do(keyed(world, "k")), Lookup)
    world.now_ms += 1
    assert trip_of(world.do(keyed(world, "k"))).id != first.id


def test_a_trip_of_a_key_that_is_no_longer_held_comes_from_history() -> None:
    world = World(Limits(request_ttl_ms=TTL_MS, ring_ms=1_000))
    trip = world.moves("cancel", RITA, trip_of(world.do(keyed(world, "k"))))
    last_seq = world.last.seq
    world.now_ms += 1_000
    assert world.do(keyed(world, "k")) == Lookup(trip.id, last_seq)
    outcome = world.do(keyed(world, "k", archived=trip))
    assert outcome == Decided((), trip)


def test_a_rider_with_very_many_keys_loses_the_oldest() -> None:
    keys = Keys()
    for n in range(KEYS_PER_RIDER_MAX + 1):
        keys.put(n, "rita", f"k{n}", f"t{n}")
    assert keys.trip("rita", "k0") is None
    assert keys.trip("rita", "k1") == "t1"
    assert len(list(keys.rows())) == KEYS_PER_RIDER_MAX


def test_evicted_keys_leave_nothing_behind() -> None:
    keys = Keys()
    for n in range(10):
        keys.put(n, f"r{n % 3}", f"k{n}", f"t{n}")
    keys.evict(8)
    assert list(keys.rows()) == [(9, "r0", "k9", "t9")]
    keys.evict(9)
    keys.put(20, "r0", "k", "t")
    assert list(keys.rows()) == [(20, "r0", "k", "t")]


def test_the_limits_are_those_of_the_protocol() -> None:
    assert LIMITS.key_ms == DAY_MS
