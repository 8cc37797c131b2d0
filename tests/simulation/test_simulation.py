"""Schedules of faults against the whole system, and that a seed replays alike."""

import os
import subprocess
import sys
import time

import pytest
from msgspec.structs import replace

from cabrank.trial.oracle import linear
from schemas.codec import decode
from schemas.events import TripEvent
from schemas.ledger import Record
from tests.simulation import plan as plans
from tests.simulation.mutants import TORN, mutated
from tests.simulation.places import Area
from tests.simulation.plan import Booking, Fault, Kind, Offering, Restoring
from tests.simulation.quiet import QUIET, unbroken
from tests.simulation.restored import outlived, restored
from tests.simulation.restoring import Backups, second
from tests.simulation.shrink import shrink
from tests.simulation.verdict import Watch
from tests.simulation.world import World, play, run

BUDGET_S = 15.0
"""Of real time, from seed 0 on: as many as the machine is fast. Others are tried by
`make sim FIRST=…`."""
SEEDS_MIN = 20


def test_no_schedule_breaks_a_promise() -> None:
    ends_s = time.monotonic() + BUDGET_S
    seed = 0
    while seed < SEEDS_MIN or time.monotonic() < ends_s:
        unbroken(plans.of(seed))
        seed += 1


@pytest.mark.parametrize("seed", range(12))
def test_regions_handed_over_amid_faults_break_no_promise(seed: int) -> None:
    plan = plans.of(seed)
    at_s = (0.3 * (1 + seed % 3) * number for number in range(1, 8))
    handed = tuple(Fault(at, "hand over", seed, 0.0) for at in at_s)
    faults = tuple(sorted(plan.faults + handed, key=lambda fault: fault.at_s))
    unbroken(replace(plan, dispatchers=3, faults=faults))


@pytest.mark.parametrize("seed", range(12))
def test_more_commands_than_a_leader_can_hold_break_no_promise(seed: int) -> None:
    unbroken(plans.crowded(seed))


@pytest.mark.parametrize("seed", range(12))
def test_offers_to_one_driver_at_a_time_break_no_promise(seed: int) -> None:
    unbroken(plans.offered(seed))


@pytest.mark.parametrize("seed", range(8))
def test_rounds_of_the_matching_over_many_ticks_break_no_promise(seed: int) -> None:
    unbroken(plans.rushed(seed))


@pytest.mark.parametrize("seed", range(12))
def test_trips_for_later_break_no_promise(seed: int) -> None:
    unbroken(plans.booked(seed))


@pytest.mark.parametrize("seed", range(12))
def test_a_machine_that_goes_on_from_backups_breaks_no_promise(seed: int) -> None:
    unbroken(restored(seed))


def test_snapshots_of_another_time_than_the_ledger_s_break_no_promise() -> None:
    """Without the look at the record they end with, this one takes such a one."""
    unbroken(outlived(45))


def test_bookings_from_before_a_restored_backup_open_after_it() -> None:
    booking = Booking(share=0.9, lead_ms=200)
    restoring = Restoring(database_s=0.6, ledger_s=1.2, snapshots_s=1.2, away_s=2)
    plan = replace(QUIET, seed=3, calls=64, booking=booking, restoring=restoring)
    first = World(plan)
    backups = Backups(first)
    assert not play(first).violations
    other = World(second(plan))
    backups.restore(other, restoring.away_s)
    kept = len(other.server.stream.records)
    assert not play(other).violations
    before = {
        event.trip.id
        for payload in other.server.stream.records[:kept]
        for event in decode(payload, Record).events
        if isinstance(event, TripEvent) and event.type == "trip.scheduled"
    }
    opened = [
        event.trip.id
        for payload in other.server.stream.records[kept:]
        for event in decode(payload, Record).events
        if isinstance(event, TripEvent) and not event.command
        if event.type == "trip.requested"
    ]
    assert before & set(opened)
    assert len(first.server.stream.records) > kept, "nothing was lost"


def test_a_quiet_schedule_s_bookings_open_by_themselves() -> None:
    booking = Booking(share=0.8, lead_ms=200)
    plan = replace(QUIET, seed=3, calls=64, request_ttl_ms=300, booking=booking)
    world = World(plan)
    verdict = play(world)
    assert not verdict.violations
    assert world.watch.booked.facts.opened_count > 1


@pytest.mark.parametrize("area", ["city", "pole", "date line"])
def test_a_quiet_schedule_s_trips_are_offered_and_taken(area: Area) -> None:
    world = World(replace(QUIET, calls=64, offering=Offering(area)))
    verdict = play(world)
    assert not verdict.violations
    facts = world.watch.offering.facts
    ends = [why for why, _ in facts.ended.values()]
    assert "accepted" in ends
    assert world.watch.offered.keys() == {
        (made.driver, offer) for offer, made in facts.made.items()
    }
    assert len({one.driver for one in facts.made.values()}) == QUIET.drivers


@pytest.mark.parametrize("seed", range(8))
def test_the_longest_names_in_many_rooms_break_no_promise(seed: int) -> None:
    """Amid changes of leader, of whom each is told who is where in many parts."""
    kinds: tuple[Kind, ...] = ("kill dispatcher", "cut gateway", "lose client")
    plan = plans.amid(seed, kinds, rooms=12, long_names=True, talks=0.9)
    unbroken(replace(plan, dispatchers=2, gateways=2, calls=48))


@pytest.mark.parametrize("seed", range(12))
def test_a_torn_snapshot_of_a_purged_ledger_breaks_no_promise(seed: int) -> None:
    unbroken(plans.amid(seed, TORN, snapshots=True, purges=True))


@pytest.mark.parametrize("seed", range(12))
def test_a_full_ledger_amid_losses_breaks_no_promise(seed: int) -> None:
    unbroken(plans.full(seed))


@pytest.mark.parametrize("seed", range(12))
def test_users_who_ask_for_more_than_they_may_break_no_promise(seed: int) -> None:
    unbroken(plans.limited(seed))


@pytest.mark.parametrize("seed", range(40))
def test_who_comes_and_goes_while_leaders_die_stays_in_no_room(seed: int) -> None:
    """One in eight once did: the join went to a leader that hadn't heard of the end."""
    unbroken(plans.passing(seed))


@pytest.mark.parametrize("seed", range(12))
def test_clocks_that_leap_take_no_region_s_time_with_them(seed: int) -> None:
    unbroken(plans.leaping(seed))


@pytest.mark.parametrize("seed", range(6))
def test_floods_break_no_promise_to_others(seed: int) -> None:
    unbroken(replace(plans.of(seed), floods=4))


def test_who_floods_is_slowed_or_thrown_out_and_others_are_answered() -> None:
    world = World(replace(QUIET, floods=4))
    verdict = play(world)
    assert not verdict.violations
    assert verdict.calls == QUIET.calls
    known, strangers = world.flooders[::2], world.flooders[1::2]
    assert all(each.is_slowed for each in known)
    assert any(each.codes["rate_limited"] for each in known)
    assert all(each.codes["4501"] for each in strangers)


def test_a_quiet_schedule_answers_and_stores_what_it_was_asked() -> None:
    verdict = unbroken(QUIET)
    assert verdict.calls == QUIET.calls
    assert verdict.records > QUIET.calls / 2


def test_a_search_that_was_given_up_is_no_verdict(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(linear, "STATES_MAX", 3)
    assert any("given up" in violation for violation in run(QUIET).violations)


def test_the_same_seed_gives_the_same_run() -> None:
    assert run(plans.of(12)).trace == run(plans.of(12)).trace


def test_what_clients_saw_belongs_to_what_a_replay_repeats(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trace = run(plans.of(12)).trace
    monkeypatch.setattr(Watch, "note", lambda *_: None)
    assert run(plans.of(12)).trace != trace


def test_a_quiet_schedule_s_rooms_tell_everybody_everything() -> None:
    world = World(replace(QUIET, talks=0.8))
    verdict = play(world)
    assert not verdict.violations
    assert len(world.database.messages) > QUIET.calls / 4


def test_another_seed_gives_another_run() -> None:
    assert run(plans.of(12)).trace != run(plans.of(13)).trace


def test_a_seed_replays_alike_in_another_process() -> None:
    show = (
        "from tests.simulation import plan, world\n"
        "print([world.run(plan.of(seed)).trace for seed in range(8)])"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", show],
            env=os.environ | {"PYTHONHASHSEED": hashes},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for hashes in ("1", "2")
    }
    assert len(said) == 1


def test_a_failing_plan_is_shrunk_until_nothing_can_be_left_out() -> None:
    plan = plans.of(66)
    with mutated("since forgets ended trips"):
        small = shrink(plan, lambda verdict: bool(verdict.violations), lambda _: None)
        assert run(small).violations
        assert not any(run(less).violations for less in plans.smaller(small))
    assert len(small.faults) < len(plan.faults)
    assert not run(small).violations
