"""How drivers are now, as operators ask the leader."""

from typing import Any

from dispatcher.engine.drivers import counts
from schemas.codec import decode
from schemas.commands import DriverNow, FindDrivers
from schemas.refusals import Code
from schemas.trips import Position, User
from tests.unit.dispatcher.engine.town import Town, code
from tests.unit.dispatcher.engine.world import OLGA, RITA


def find(town: Town, by: User = OLGA, **more: Any) -> list[DriverNow]:
    answer = town.do(FindDrivers(**more, **town.envelope(by)))
    assert answer.data is not None
    return decode(answer.data, list[DriverNow])


def test_every_state_is_told_and_the_nearest_come_first() -> None:
    town = Town(position_max_age_ms=10_000)
    stale = town.driver("stale", 9_000)
    town.vanish(stale)
    town.wait(11)
    busy, offered = town.driver("busy", 100), town.driver("offered", 200)
    free, nowhere = town.driver("free", 5_000), town.driver("nowhere", None)
    gone = town.driver("gone", 1)
    town.offline(gone)
    trip = town.request()
    town.accept(busy, trip)
    town.request(User("rider-2", "r2", "", "", RITA.role))
    town.tag(free, "xl")
    seen = find(town, near=Position(0.0, 0.0))
    assert [(one.driver, one.state) for one in seen] == [
        (busy.id, "busy"),
        (offered.id, "offered"),
        (free.id, "free"),
        (stale.id, "stale"),
        (nowhere.id, "stale"),
    ]
    assert seen[0].trip == trip.id
    assert (seen[2].tags, seen[2].position_age_s) == (("xl",), 0)
    assert (seen[4].position, seen[4].position_age_s) == (None, None)
    assert len(find(town, near=Position(0.0, 0.0), limit=2)) == 2
    assert len(find(town)) == 5
    states = {"free": 1, "offered": 1, "busy": 1, "stale": 2, "offline": 1}
    assert counts(town.engine.regional) == states
    assert town.engine.positions.held == 5
    (one,) = find(town, driver=gone.id)
    assert one.state == "offline"


def test_who_wants_no_offers_is_counted_only_where_busy() -> None:
    town = Town()
    town.driver("dora", 100)
    idle = town.driver("idle", 100, offers=False)
    assert counts(town.engine.regional)["free"] == 1
    assert counts(town.engine.regional)["stale"] == 0
    town.assign(town.request(place_m=None), idle)
    assert counts(town.engine.regional)["busy"] == 1


def test_only_operators_are_told() -> None:
    town = Town()
    answer = town.do(FindDrivers(**town.envelope(RITA)))
    assert code(answer) is Code.WRONG_ROLE
