"""How a trip begins: its request, its id, its idempotency key."""

from typing import Any
from uuid import UUID

from msgspec.structs import replace

from dispatcher.engine.engine import Decided, Engine, Limits, Lookup
from dispatcher.engine.idempotency import Forgotten, Keys
from schemas.commands import RequestTrip
from schemas.ids import made_id
from schemas.refusals import Code
from schemas.times import rfc3339
from schemas.trips import Position, Role, Status, Trip, User
from tests.unit.dispatcher.engine.world import (
    DORA,
    LIMITS,
    NOON_MS,
    OLGA,
    RITA,
    RON,
    TTL_MS,
    World,
    code_of,
    trip_of,
    user,
)

DAY_MS = 86_400_000


def keyed(world: World, key: str, rider: User = RITA, **more: object) -> RequestTrip:
    return RequestTrip(
        pick_up_address="A",
        drop_off_address="B",
        key=key,
        **world.envelope(rider),
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


# ---- keys that are held no more -------------------------------------------------

FEW = replace(LIMITS, keys_per_user_max=2)


def ended(world: World, key: str, rider: User = RITA, **more: Any) -> Trip:
    """A trip of that key, over at once."""
    trip = trip_of(world.do(keyed(world, key, rider, **{"sought": False} | more)))
    return world.moves("cancel", rider, trip)


def used(world: World, count: int, rider: User = RITA) -> list[Trip]:
    """Trips of keys k0, k1, …; history knows of no other."""
    return [
        ended(world, f"k{n}", rider, **({"sought": True} if n > 2 else {}))
        for n in range(count)
    ]


def test_a_rider_s_key_holds_for_24_h_however_many_more_they_use() -> None:
    world = World()
    first, *_ = used(world, 61)
    assert trip_of(world.do(keyed(world, "k0", sought=False))) == first
    assert LIMITS.keys_per_user_max == 256
    assert LIMITS.message_keys_per_user_max == 4_096


def test_a_user_s_own_oldest_keys_are_asked_of_history() -> None:
    world = World(FEW)
    first, second, _ = used(world, 3)
    since_ms = world.now_ms - DAY_MS
    again = keyed(world, "k0", sought=False)
    outcome = world.do(again)
    asked_ms = world.now_ms
    assert outcome == Lookup("", world.last.seq, "", True, since_ms, asked_ms)
    found = replace(again, sought=True, made=first)
    assert world.do(found) == Decided((), first)
    assert trip_of(world.do(keyed(world, "k1", sought=False))) == second
    new = keyed(world, "k9", sought=False)
    assert isinstance(world.do(new), Lookup)
    assert trip_of(world.do(replace(new, sought=True))).id != first.id


def test_another_s_use_asks_nothing_of_history() -> None:
    world = World(FEW)
    used(world, 3)
    assert isinstance(world.do(keyed(world, "k0", RON, sought=False)), Decided)


def test_a_gateway_that_cannot_ask_has_a_forgotten_key_taken_for_a_new_one() -> None:
    world = World(FEW)
    used(world, 3)
    assert trip_of(world.do(keyed(world, "k0"))).status is Status.REQUESTED


def test_history_is_asked_for_no_key_once_those_forgotten_are_a_day_old() -> None:
    world = World(FEW)
    used(world, 3)
    world.now_ms += DAY_MS
    assert isinstance(world.do(keyed(world, "k0", sought=False)), Decided)


def test_history_need_not_know_of_what_came_long_after_a_key() -> None:
    world = World(replace(FEW, ring_ms=1))
    ended(world, "k0")
    world.now_ms += 120_000
    old_seq = ended(world, "k1").version and world.last.seq
    world.now_ms += 120_000
    ended(world, "k2")
    world.now_ms += 1
    world.do(keyed(world, "x", RON))
    outcome = world.do(keyed(world, "k0", sought=False))
    assert isinstance(outcome, Lookup)
    assert outcome.seq < world.last.seq
    assert world.engine._state.seq_by(NOON_MS) < old_seq


def test_keys_beyond_their_bytes_are_asked_of_history_whosever_they_are() -> None:
    world = World(replace(LIMITS, keys_bytes_max=2_500))
    first, *_ = used(world, 3)
    ended(world, "r", RON)
    ended(world, "é" * 64, RON)
    again = keyed(world, "k0", sought=False)
    assert isinstance(world.do(again), Lookup)
    assert world.do(replace(again, sought=True, made=first)) == Decided((), first)


def test_the_largest_keys_stay_within_their_bytes() -> None:
    keys: Keys[str] = Keys(256, 100_000)
    for n in range(1_000):
        keys.put(n, f"u{n // 10}", "😀" * 60 + str(n), "t")
    assert 90_000 < keys.bytes <= 100_000
    assert keys.doubt("u0", 0) == 1_000 - len(keys) - 1


def test_keys_of_a_restored_engine_and_what_it_has_forgotten_are_the_same() -> None:
    limits = replace(FEW, keys_bytes_max=3_000)
    world = World(limits)
    used(world, 3)
    for n in range(5):
        ended(world, f"r{n}", RON, sought=True)
    payload = world.engine.snapshot()
    restored = Engine.restore(payload, limits)
    assert restored.snapshot() == payload
    for rider, key in ((RITA, "k0"), (RITA, "k9"), (RON, "r0"), (DORA, "x")):
        asked = keyed(world, key, rider, sought=False)
        assert restored.decide(asked, 10**9) == world.engine.decide(asked, 10**9)


def test_evicted_keys_leave_nothing_behind() -> None:
    keys: Keys[str] = Keys(2, 10_000)
    for n in range(10):
        keys.put(n, f"r{n % 3}", f"k{n}", f"t{n}")
    keys.evict(8)
    assert list(keys.rows()) == [(9, "r0", "k9", "t9")]
    keys.evict(9)
    assert keys.bytes == 0
    keys.put(20, "r0", "k", "t")
    assert list(keys.rows()) == [(20, "r0", "k", "t")]
    assert keys.forgotten() == Forgotten()


def test_a_key_that_comes_to_be_new_again_is_held_once() -> None:
    keys: Keys[str] = Keys(3, 10_000)
    for n in (1, 2):
        keys.put(n, "u", "k", f"t{n}")
    assert list(keys.rows()) == [(2, "u", "k", "t2")]
    keys.evict(2)
    assert (len(keys), keys.bytes) == (0, 0)


def test_the_limits_are_those_of_the_protocol() -> None:
    assert LIMITS.key_ms == DAY_MS


# ---- operators, for riders -----------------------------------------------------


def asked_for(world: World, rider: User, by: User = OLGA, **more: Any) -> RequestTrip:
    return RequestTrip(
        pick_up_address="A",
        drop_off_address="B",
        rider=rider,
        **world.envelope(by),
        **more,
    )


def test_an_operator_asks_for_a_trip_of_a_rider() -> None:
    world = World()
    trip = trip_of(world.do(asked_for(world, RITA)))
    assert (trip.rider, trip.driver) == (RITA.person(), None)
    assert (world.last.by, world.last.audience) == (OLGA.id, (RITA.id,))
    busy = world.do(asked_for(world, RITA))
    assert code_of(busy) is Code.RIDER_BUSY
    assert code_of(world.do(keyed(world, "k"))) is Code.RIDER_BUSY
    assert world.moves("cancel", RITA, trip).status is Status.CANCELLED


def test_nobody_else_asks_for_others_and_nobody_for_who_does_not_ride() -> None:
    world = World()
    for by in (RON, DORA, RITA):
        assert code_of(world.do(asked_for(world, RITA, by))) is Code.WRONG_ROLE
    assert code_of(world.do(keyed(world, "k", OLGA))) is Code.WRONG_ROLE
    for rider in (DORA, OLGA):
        assert code_of(world.do(asked_for(world, rider))) is Code.INVALID_DATA


def test_the_key_of_what_an_operator_asks_for_is_the_operators() -> None:
    world = World()
    made = trip_of(world.do(asked_for(world, RITA, key="k")))
    again = asked_for(world, RON, key="k", pick_up=Position(1.0, 2.0))
    assert world.do(again) == Decided((), made)
    ron = trip_of(world.do(keyed(world, "k", RON)))
    assert ron.id != made.id
    world.moves("cancel", RITA, made)
    mine = trip_of(world.do(keyed(world, "k")))
    assert mine.id not in {made.id, ron.id}
    assert trip_of(world.do(asked_for(world, RITA, key="k"))).id == made.id
