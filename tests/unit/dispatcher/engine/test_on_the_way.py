"""What a rider hears of how far their driver is: PROTOCOL.md section 2."""

from schemas.commands import Fix
from schemas.trips import Position
from tests.unit.dispatcher.engine.town import M, Town
from tests.unit.dispatcher.engine.world import DORA, RITA


def test_it_is_to_the_pick_up_and_then_to_the_drop_off() -> None:
    town = Town()
    town.driver("dora", 500)
    trip = town.request(place_m=0, drop_off=Position(-2_000 * M, 0.0))

    def left(place_m: float) -> tuple[int | None, int | None]:
        fix = Fix(DORA.id, place_m * M, 0.0, None, None, trip.created)
        told = town.engine.moved(fix)
        assert told is not None
        assert told[0] == RITA.id
        return told[1].distance_m, told[1].eta_s

    town.accept(DORA, trip)
    assert left(1_000) == (1_000, 187)  # 1.3 times as far, at 25 km/h
    town.move("arrive", DORA, trip)
    assert left(0) == (0, 0)
    town.move("begin", DORA, trip)
    assert left(-1_000) == (1_000, 187)


def test_of_a_place_that_nobody_said_it_is_unknown() -> None:
    town = Town()
    town.driver("dora", 500)
    trip = town.request(place_m=0)
    town.accept(DORA, trip)
    town.move("begin", DORA, trip)
    told = town.engine.moved(Fix(DORA.id, 0.0, 0.0, None, None, trip.created))
    assert told is not None
    assert (told[1].distance_m, told[1].eta_s) == (None, None)
