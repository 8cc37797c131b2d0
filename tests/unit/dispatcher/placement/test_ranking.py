"""Which dispatcher leads which region: balanced, stable, and never nobody."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.placement.ranking import Duty, duty, ranking
from schemas.members import Member

REGIONS = [f"city-{number}" for number in range(2_000)]
IDS = [f"{number:016x}" for number in range(10)]


def leaders(ids: list[str]) -> dict[str, str]:
    return {region: ranking(region, ids)[0] for region in REGIONS}


def test_every_dispatcher_leads_about_as_many_regions() -> None:
    counts = Counter(leaders(IDS).values())
    assert len(counts) == 10
    assert all(150 < count < 250 for count in counts.values()), counts


def test_every_dispatcher_stands_by_for_about_as_many_regions() -> None:
    counts = Counter(ranking(region, IDS)[1] for region in REGIONS)
    assert all(150 < count < 250 for count in counts.values()), counts


def test_who_comes_takes_a_share_and_moves_nothing_else() -> None:
    before, after = leaders(IDS[:9]), leaders(IDS)
    moved = {region for region in REGIONS if before[region] != after[region]}
    assert {after[region] for region in moved} == {IDS[9]}
    assert 150 < len(moved) < 250


def test_the_regions_of_who_goes_are_led_by_their_standbys() -> None:
    gone = IDS[3]
    rest = [one for one in IDS if one != gone]
    before, after = leaders(IDS), leaders(rest)
    for region in REGIONS:
        if before[region] == gone:
            assert after[region] == ranking(region, IDS)[1]
        else:
            assert after[region] == before[region]


@given(st.permutations(IDS))
def test_the_order_of_the_ids_does_not_matter(ids: list[str]) -> None:
    assert ranking("main", ids) == ranking("main", IDS)


# ---- duties ---------------------------------------------------------------------


def members(*ready: str, leaving: str = "", without: str = "") -> dict[str, Member]:
    """Three that serve `main`, those in `ready` being so."""
    return {
        one: Member(
            one,
            () if one == without else ("main",),
            ("main",) if one in ready else (),
            one == leaving,
        )
        for one in IDS[:3]
    }


FIRST, SECOND, THIRD = ranking("main", IDS[:3])


def test_the_first_two_follow_and_the_third_does_not() -> None:
    seen = members(FIRST, SECOND)
    assert duty("main", FIRST, seen) == Duty(True, True, None)
    assert duty("main", SECOND, seen) == Duty(True, True, FIRST)
    assert duty("main", THIRD, seen) == Duty(False, False, FIRST)


@pytest.mark.parametrize("late", [FIRST, SECOND])
def test_the_third_stays_until_the_first_two_are_ready(late: str) -> None:
    seen = members(*({FIRST, SECOND, THIRD} - {late}))
    assert duty("main", THIRD, seen).stays


def test_nobody_hands_over_to_who_is_not_ready() -> None:
    assert duty("main", SECOND, members(SECOND)).heir is None
    assert duty("main", THIRD, members(SECOND, THIRD)).heir is None


def test_who_leaves_has_the_first_that_is_ready_take_over() -> None:
    seen = members(FIRST, THIRD, leaving=FIRST)
    assert duty("main", FIRST, seen) == Duty(False, False, THIRD)
    assert duty("main", SECOND, seen).begins
    assert duty("main", THIRD, seen).begins


def test_a_region_goes_to_dispatchers_that_serve_it() -> None:
    seen = members(without=FIRST)
    assert not duty("main", FIRST, seen).begins
    assert duty("main", THIRD, seen).begins


def test_one_alone_does_everything() -> None:
    alone = {THIRD: Member(THIRD, ("main",))}
    assert duty("main", THIRD, alone) == Duty(True, True, None)
    assert duty("main", THIRD, {THIRD: Member(THIRD, ("main",), (), True)}).heir is None
