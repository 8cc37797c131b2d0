"""Schedules that broke a promise once, each as small as it may be: found on the way
(docs/RELIABILITY.md).
"""

import pytest
from msgspec.structs import replace

from tests.simulation.plan import Fault, Offering, Plan
from tests.simulation.quiet import QUIET, unbroken


def test_a_leader_that_starts_from_a_snapshot_publishes_the_last_records_again() -> (
    None
):
    plan = replace(
        QUIET,
        seed=1077,
        riders=3,
        drivers=1,
        operators=0,
        calls=10,
        faults=(
            Fault(0.2239, "lose acks", 1, 0.7401),
            Fault(1.8303, "kill dispatcher", 3, 0.7512),
        ),
    )
    unbroken(plan)


def test_messages_that_were_fetched_again_stay_in_order_while_a_user_s_sync_is_on() -> (
    None
):
    plan = replace(
        QUIET,
        seed=274,
        drivers=1,
        operators=0,
        gateways=1,
        faults=(
            Fault(0.3284, "cut gateway", 4, 0.0874),
            Fault(0.5021, "ledger full", 4, 0.2301),
            Fault(0.5444, "cut gateway", 0, 0.6803),
            Fault(0.958, "cut gateway", 2, 1.3407),
        ),
        talks=0.4,
    )
    unbroken(plan)


def test_silence_counts_from_a_reconnect_on() -> None:
    plan = replace(
        QUIET,
        seed=18223,
        riders=1,
        gateways=1,
        calls=31,
        faults=(
            Fault(0.432, "restart nats", 3, 0.1264),
            Fault(1.1221, "deafen gateway", 5, 3.6773),
        ),
        snapshots=False,
    )
    unbroken(plan)


def test_a_room_forgotten_again_while_history_is_asked_gives_no_number_twice() -> None:
    plan = replace(
        QUIET,
        seed=435805,
        riders=1,
        drivers=1,
        gateways=1,
        faults=(
            Fault(0.5378, "drop messages", 5, 0.0123),
            Fault(1.5602, "hang dispatcher", 5, 1.3946),
        ),
        snapshots=False,
        clustered=True,
        purges=True,
        talks=0.4,
        rooms=12,
        held_max=1,
    )
    unbroken(plan)


@pytest.mark.parametrize(
    "plan",
    [
        replace(
            QUIET,
            seed=426880,
            drivers=1,
            operators=0,
            gateways=1,
            calls=6,
            faults=(
                Fault(0.1096, "cut dispatcher", 3, 0.0412),
                Fault(0.6713, "kill dispatcher", 2, 0.4024),
            ),
            snapshots=False,
            offering=Offering(broadcast_after_ms=500),
        ),
        replace(
            QUIET,
            seed=439109,
            riders=1,
            operators=0,
            gateways=1,
            calls=8,
            faults=(
                Fault(0.2025, "cut dispatcher", 0, 0.0702),
                Fault(0.6732, "ledger full", 1, 0.8502),
            ),
            snapshots=False,
            offering=Offering(offer_ttl_ms=400),
        ),
    ],
    ids=["who died", "who met a full ledger"],
)
def test_a_leader_deposed_unheard_by_one_that_is_gone_again_steps_down(
    plan: Plan,
) -> None:
    unbroken(plan)


def test_a_trip_that_began_and_ended_in_a_gap_past_the_ring_is_told() -> None:
    plan = replace(
        QUIET,
        seed=2323,
        operators=0,
        gateways=1,
        calls=12,
        faults=(Fault(0.1652, "restart nats", 3, 0.1865),),
        ring_events_max=6,
        snapshots=False,
    )
    unbroken(plan)


def test_who_leaves_a_room_while_what_it_lost_is_looked_up_stays_out() -> None:
    plan = replace(
        QUIET,
        seed=71,
        drivers=1,
        gateways=1,
        dispatchers=1,
        calls=28,
        faults=(
            Fault(0.1324, "deafen gateway", 0, 3.6131),
            Fault(0.3631, "cut gateway", 3, 0.6665),
        ),
        snapshots=False,
        talks=0.6,
        rooms=12,
        held_max=1,
    )
    unbroken(plan)


def test_a_standby_that_fell_behind_a_purge_goes_on_from_a_snapshot() -> None:
    plan = replace(
        QUIET,
        seed=416149,
        riders=3,
        drivers=3,
        operators=0,
        gateways=1,
        calls=29,
        faults=(
            Fault(0.0537, "cut dispatcher", 4, 0.0557),
            Fault(0.3925, "kill persistence", 4, 0.0159),
            Fault(1.15, "lose client", 4, 0.228),
        ),
        ring_events_max=24,
        purges=True,
        offering=Offering(),
    )
    unbroken(plan)


def test_a_deposed_leader_tells_nobody_where_a_driver_is() -> None:
    plan = replace(
        QUIET,
        seed=140,
        riders=3,
        operators=0,
        gateways=1,
        calls=40,
        faults=(
            Fault(0.3125, "cut gateway", 5, 0.609),
            Fault(0.3142, "cut gateway", 0, 0.3004),
            Fault(0.827, "hang dispatcher", 0, 1.3165),
            Fault(0.9303, "cut dispatcher", 3, 0.7687),
            Fault(1.0623, "cut gateway", 4, 0.4877),
        ),
        snapshots=False,
        missed_bytes_max=2000,
        purges=True,
        long_names=True,
        offering=Offering(),
    )
    unbroken(plan)


def test_where_a_driver_is_waits_for_what_a_gateway_missed() -> None:
    plan = replace(
        QUIET,
        seed=500561,
        operators=0,
        gateways=1,
        dispatchers=1,
        calls=6,
        faults=(
            Fault(0.2202, "lose acks", 3, 0.5085),
            Fault(0.6638, "deafen gateway", 3, 4.1877),
        ),
        snapshots=False,
        offering=Offering(),
    )
    unbroken(plan)


def test_a_doubled_message_tells_nobody_where_the_driver_of_an_ended_trip_is() -> None:
    plan = replace(
        QUIET,
        seed=513621,
        riders=3,
        drivers=3,
        gateways=1,
        dispatchers=1,
        calls=25,
        faults=(Fault(0.2407, "repeat messages", 4, 0.5815),),
        snapshots=False,
        offering=Offering(steps_max=1),
    )
    unbroken(plan)


def test_a_gateway_that_hung_tells_of_a_driver_before_the_trip_s_end() -> None:
    plan = replace(
        QUIET,
        seed=505554,
        riders=3,
        drivers=1,
        operators=0,
        dispatchers=1,
        calls=29,
        faults=(Fault(0.2276, "hang gateway", 0, 0.5693),),
        snapshots=False,
        talks=0.4,
        offering=Offering(),
    )
    unbroken(plan)


def test_a_move_that_changed_nothing_is_not_done_when_its_message_comes_twice() -> None:
    plan = replace(
        QUIET,
        seed=531582,
        gateways=1,
        dispatchers=1,
        calls=29,
        faults=(
            Fault(0.4242, "kill dispatcher", 5, 0.1028),
            Fault(0.4979, "repeat messages", 5, 0.3224),
        ),
        snapshots=False,
    )
    unbroken(plan)
