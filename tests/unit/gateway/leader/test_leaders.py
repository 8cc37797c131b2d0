"""Who leads which region, by what leaders say."""

from gateway.leader.leaders import REGIONS_MAX, Leaders
from schemas.commands import Announcement


def said(region: str, epoch: int, instance: str = "a") -> Announcement:
    return Announcement(region, epoch, instance, 1, 1)


def seen(leaders: Leaders) -> list[tuple[str, int, str, float]]:
    return [
        (one.said.region, one.said.epoch, one.said.instance, one.heard_s)
        for one in leaders.all()
    ]


def test_each_region_has_who_announced_itself_last() -> None:
    leaders = Leaders()
    leaders.hear(said("oslo", 3), 1.0)
    leaders.hear(said("main", 5), 2.0)
    leaders.hear(said("main", 5), 3.0)
    leaders.hear(said("oslo", 4, "b"), 4.0)
    assert seen(leaders) == [("main", 5, "a", 3.0), ("oslo", 4, "b", 4.0)]


def test_a_leader_that_was_deposed_is_not_heard() -> None:
    leaders = Leaders()
    leaders.hear(said("main", 5, "new"), 1.0)
    leaders.hear(said("main", 4, "old"), 2.0)
    assert seen(leaders) == [("main", 5, "new", 1.0)]


def test_regions_that_nobody_has_are_bounded() -> None:
    leaders = Leaders()
    for number in range(REGIONS_MAX + 10):
        leaders.hear(said(f"r{number:05}", 1), 1.0)
    assert len(leaders.all()) == REGIONS_MAX
    leaders.hear(said("r00000", 2), 2.0)
    assert seen(leaders)[0] == ("r00000", 2, "a", 2.0)
