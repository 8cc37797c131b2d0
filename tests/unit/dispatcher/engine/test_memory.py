"""What survives: remembered answers, replay, snapshots and the ring's refill."""

import pytest

from dispatcher.engine.engine import Engine, Limits, Lookup, SnapshotError
from dispatcher.engine.limits import ANSWERS_KEPT_BYTES_MAX, ANSWERS_MAX
from schemas.codec import Raw, decode, encode
from schemas.commands import AcceptTrip, Answer, GoOffline, GoOnline, RequestTrip
from schemas.events import seq_of
from schemas.refusals import Code, Refusal
from schemas.trips import Role, Trip, User
from tests.unit.dispatcher.engine.world import (
    DAN,
    DORA,
    LIMITS,
    NOON_MS,
    RITA,
    RON,
    TTL_MS,
    World,
    replay,
    restart,
    shows,
    trip_of,
    user,
)

REMEMBER_MS = LIMITS.remember_ms
REX = user(Role.RIDER, "rex")


def busy_world(limits: Limits = LIMITS) -> World:
    """Hours of a small town: trips in all statuses, keys, an offline driver."""
    world = World(limits)
    world.do(GoOffline(**world.envelope(DAN)))
    for hour in range(3):
        world.driving("accept", "arrive", "begin", "complete")
        world.moves("cancel", RITA, world.request(key=f"k{hour}"))
        world.now_ms += 3_000_000
    world.moves("cancel", RITA, world.driving("accept", "release"))
    world.driving("accept", rider=RON)
    world.request(key="open")
    return world


# ---- answers -------------------------------------------------------------------


def test_a_command_that_made_an_event_is_answered_the_same_again() -> None:
    world = World()
    trip = world.request()
    command = AcceptTrip(trip=trip.id, **world.envelope(DORA, "c1"))
    world.do(command)
    world.moves("arrive", DORA, trip)
    answer = world.engine.remembered("c1")
    assert answer is not None
    assert answer.data is not None
    assert decode(answer.data, Trip) == world.events[1].trip  # type: ignore[union-attr]
    assert (answer.id, answer.refused) == ("c1", None)


def test_a_driver_going_offline_is_answered_the_same_again() -> None:
    world = World()
    world.do(GoOffline(**world.envelope(DORA, "c1")))
    answer = world.engine.remembered("c1")
    assert answer is not None
    assert bytes(answer.data or b"") == b'{"online":false,"offers":false}'


def test_a_refusal_is_remembered_too() -> None:
    world = World()
    trip = world.driving("accept")
    command = AcceptTrip(trip=trip.id, **world.envelope(DAN, "c1"))
    refused = world.do(command)
    assert isinstance(refused, Refusal)
    assert world.engine.remembered("c1") == Answer("c1", 1, refused=refused)


def test_a_lookup_is_decided_anew_when_it_comes_back() -> None:
    world = World()
    world.engine.remember(Answer("c1", 1, lookup=Lookup("t", 0)))
    assert world.engine.remembered("c1") is None


def test_answers_are_forgotten_after_their_time() -> None:
    world = World()
    trip = world.request()
    world.do(AcceptTrip(trip=trip.id, **world.envelope(DORA, "made")))
    world.do(AcceptTrip(trip=trip.id, **world.envelope(DAN, "refused")))
    world.engine.advance(NOON_MS + REMEMBER_MS - 1)
    assert world.engine.remembered("made")
    assert world.engine.remembered("refused")
    world.engine.advance(NOON_MS + REMEMBER_MS)
    assert world.engine.remembered("made") is None
    assert world.engine.remembered("refused") is None


def test_answers_without_events_are_bounded() -> None:
    engine = Engine("main", LIMITS)
    refusal = Refusal(Code.WRONG_ROLE, "")
    for n in range(ANSWERS_MAX + 1):
        engine.remember(Answer(str(n), 1, refused=refusal))
    assert engine.remembered("0") is None
    assert engine.remembered("1") is not None


def test_what_they_say_is_bounded_by_bytes() -> None:
    engine, mib = Engine("main", LIMITS), 1024**2
    count = ANSWERS_KEPT_BYTES_MAX // mib
    for n in [0, *range(count)]:  # the same one twice counts once
        engine.remember(Answer(str(n), 1, data=Raw(b"x" * mib)))
    assert engine.remembered("0") is not None
    engine.remember(Answer("one more", 1, data=Raw(b"x")))
    assert engine.remembered("0") is None
    assert engine.remembered("1") is not None
    engine.advance(NOON_MS)
    engine.remember(Answer("later", 1))
    engine.advance(NOON_MS + REMEMBER_MS)
    assert engine.remembered("1") is None


# ---- replay --------------------------------------------------------------------


def test_replay_equals_state() -> None:
    world = busy_world()
    assert shows(replay(world.records), world.records) == shows(
        world.engine, world.records
    )


def test_a_standby_remembers_what_the_leader_answered() -> None:
    world = World()
    world.do(AcceptTrip(trip=world.request().id, **world.envelope(DORA, "c1")))
    standby = replay(world.records)
    assert standby.remembered("c1") is not None
    assert encode(standby.remembered("c1")) == encode(world.engine.remembered("c1"))


def test_an_event_applied_twice_is_a_bug() -> None:
    world = World()
    world.request()
    with pytest.raises(AssertionError, match="after event"):
        world.engine.apply(world.last, encode(world.last))


# ---- snapshots -----------------------------------------------------------------


def test_a_restored_engine_gives_the_same_snapshot() -> None:
    world = busy_world()
    payload = world.engine.snapshot()
    restored = Engine.restore(payload, LIMITS)
    assert restored.snapshot() == payload
    assert restored.region == "main"
    assert restored.ring_floor_seq == world.engine.ring_floor_seq > 0


@pytest.mark.parametrize("limits", [LIMITS, Limits(TTL_MS, ring_events_max=5)])
def test_snapshot_and_tail_equal_a_full_replay(limits: Limits) -> None:
    world = busy_world(limits)
    payload = world.engine.snapshot()
    world.now_ms += 1_000
    world.moves("cancel", RITA, world.open_trip())
    world.driving("accept", "begin", driver=DAN)
    restarted = restart(payload, world.records, limits)
    expected = shows(replay(world.records, limits), world.records)
    assert shows(restarted, world.records) == expected


def test_a_refilled_ring_covers_what_it_covered_before() -> None:
    world = busy_world()
    cursor = world.engine.ring_floor_seq - 1
    payload = world.engine.snapshot()
    before = encode(world.sync(RON, cursor))
    world.engine = restart(payload, world.records)
    data = world.sync(RON, cursor)
    assert (data.recovered, encode(data)) == (True, before)
    assert len(data.events) == 2


def test_without_its_refill_a_restored_engine_covers_nothing() -> None:
    world = busy_world()
    head, feed = world.engine.head_seq, world.engine.feed
    world.engine = Engine.restore(world.engine.snapshot(), LIMITS)
    assert not world.sync(RON, head - 1).recovered
    assert not world.sync_feed(feed - 1).complete
    world.driving("accept", driver=DAN, rider=REX)
    assert not world.sync(RON, head - 1).recovered
    assert world.sync(REX, head).recovered
    assert world.sync_feed(feed).complete
    assert world.engine.ring_floor_seq == world.events[-2].seq > head


def test_a_ledger_that_lost_a_part_of_the_ring_covers_the_rest() -> None:
    world = World()
    world.driving("accept", "arrive")
    world.driving("accept", rider=RON, driver=DAN)
    seqs = [event.seq for event in world.events]
    payload = world.engine.snapshot()
    world.engine = restart(payload, world.records[2:])
    assert not world.sync(RITA, seqs[1] - 1).recovered
    assert world.sync(RITA, seqs[2] - 1).recovered
    assert not world.sync_feed(1).complete
    assert [entry.n for entry in world.sync_feed(2).entries] == [3, 4]


def test_refilling_twice_is_the_same_as_once() -> None:
    world = busy_world()
    restarted = restart(world.engine.snapshot(), world.records)
    once = shows(restarted, world.records)
    for record in world.records:
        restarted.refill_ring(record)
    assert shows(restarted, world.records) == once


def test_a_refill_takes_from_the_ledger_only_what_the_ring_held() -> None:
    world = busy_world()
    payload = world.engine.snapshot()
    expected = shows(world.engine, world.records)
    held = list(world.records)
    world.driving("accept", driver=DAN, rider=REX)
    restored = Engine.restore(payload, LIMITS)
    assert restored.ring_floor_seq > seq_of(2, 0)
    for record in world.records:
        restored.refill_ring(record)
    assert shows(restored, held) == expected


def test_a_snapshot_of_an_empty_ring_needs_no_refill() -> None:
    world = busy_world()
    world.now_ms += LIMITS.ring_ms
    world.engine.advance(world.now_ms)
    restored = Engine.restore(world.engine.snapshot(), LIMITS)
    assert restored.ring_floor_seq == 0
    restored.refill_ring(world.records[-1])
    assert restored.ring_floor_seq == 0
    assert shows(restored, world.records) == shows(world.engine, world.records)


def test_keys_and_offline_drivers_survive_a_restart() -> None:
    world = busy_world()
    made = world.open_trip()
    world.engine = restart(world.engine.snapshot(), world.records)
    command = RequestTrip(
        pick_up_address="A", drop_off_address="B", key="open", **world.envelope(RITA)
    )
    assert trip_of(world.do(command)) == made
    assert not world.sync(DAN).online


def test_who_has_been_offline_for_the_longest_is_forgotten_first() -> None:
    limits = Limits(request_ttl_ms=TTL_MS, offline_max=3)
    world = World(limits)
    drivers = [user(Role.DRIVER, name) for name in ("zoe", "yan", "xia", "wim")]
    zoe, yan, xia, wim = drivers

    def offline() -> list[User]:
        return [one for one in drivers if not world.sync(one).online]

    for driver in (zoe, yan, xia):
        world.do(GoOffline(**world.envelope(driver)))
    world.do(GoOnline(**world.envelope(zoe)))
    world.do(GoOffline(**world.envelope(zoe)))
    assert offline() == [zoe, yan, xia]
    world.engine = restart(world.engine.snapshot(), world.records, limits)
    world.do(GoOffline(**world.envelope(wim)))
    assert offline() == [zoe, xia, wim]


def test_what_is_not_a_snapshot_is_refused() -> None:
    payload = busy_world().engine.snapshot()
    torn = payload[: len(payload) // 2]
    newer = payload.replace(b'"v":1', b'"v":4')
    for bad, why in ((torn, "not a snapshot"), (newer, "version 4"), (b"", "0 bytes")):
        with pytest.raises(SnapshotError, match=why):
            Engine.restore(bad, LIMITS)


def test_the_ring_is_bounded_in_bytes_and_covers_nothing_that_it_dropped() -> None:
    limits = Limits(request_ttl_ms=TTL_MS, ring_bytes_max=50_000)
    world = World(limits)
    longest = "\x01" * 255
    for number in range(30):
        rider = user(Role.RIDER, f"r{number}")
        world.request(rider, pick_up_address=longest, drop_off_address=longest)
        kept = [len(one.encoded) for one in world.engine._ring._all]
        assert sum(kept) <= limits.ring_bytes_max
    assert 10 < len(kept) < 30
    gone = len(world.events) - len(kept)
    assert not world.sync_feed(gone - 1).complete
    assert len(world.sync_feed(gone).entries) == len(kept)
    assert world.engine.ring_floor_seq == world.events[gone].seq
