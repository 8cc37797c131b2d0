"""What a leader tells who watches: changes that add up, and figures."""

from dispatcher.engine.figures import STEP_MS, STEPS, Flow, figures
from dispatcher.engine.picture import DRIVERS_A_TURN, Picture
from dispatcher.region.offer_metrics import OfferMetrics
from schemas.codec import decode
from schemas.commands import Fix
from schemas.times import rfc3339
from schemas.trips import Role, Trip, User
from schemas.watching import DriverRow
from tests.unit.dispatcher.engine.town import Town
from tests.unit.dispatcher.engine.world import OLGA, RITA, user


class Watch:
    """Whoever puts together what one leader tells."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.picture = Picture()
        self.drivers: dict[str, DriverRow] = {}
        self.trips: dict[str, Trip] = {}
        self.shares = 0

    def round(self, *, whole: bool = False) -> int:
        """How many items it told."""
        engine, count, ends = self.town.engine, 0, False
        self.picture.begin(engine.regional, whole=whole)
        while not ends:
            told, ends = self.picture.look(engine.regional, self.town.now_ms)
            for row in (decode(one, DriverRow) for one in told.drivers):
                self.drivers[row.id] = row
            for driver in told.gone:
                del self.drivers[decode(driver, str)]
            for trip in (decode(one, Trip) for one in told.trips):
                self.trips[trip.id] = trip
            for trip_id in told.ended:
                del self.trips[decode(trip_id, str)]
            count += sum(map(len, told))
            self.shares += 1
        return count

    def states(self) -> dict[str, str]:
        return {
            driver.removeprefix("driver-"): row.state
            for driver, row in self.drivers.items()
        }


def test_every_state_is_told_once_and_again_only_when_it_is_another() -> None:
    town = Town(position_max_age_ms=10_000)
    stale = town.driver("stale", 9_000)
    town.vanish(stale)
    town.wait(11)
    busy, offered = town.driver("busy", 100), town.driver("offered", 200)
    town.driver("free", 5_000)
    town.driver("nowhere", None)
    gone = town.driver("gone", 1)
    town.offline(gone)
    trip = town.request()
    town.accept(busy, trip)
    open_trip = town.request(User("rider-2", "r2", "", "", RITA.role))
    watch = Watch(town)
    assert watch.round(whole=True) == 8
    assert watch.states() == {
        "busy": "busy",
        "offered": "offered",
        "free": "free",
        "stale": "stale",
        "nowhere": "stale",
        "gone": "offline",
    }
    assert watch.drivers[busy.id].trip == trip.id
    assert watch.drivers[offered.id].trip is None
    nowhere = watch.drivers["driver-nowhere"]
    assert (nowhere.lat, nowhere.lon, nowhere.age_s) == (None, None, None)
    assert watch.drivers[stale.id].age_s == 11
    assert set(watch.trips) == {trip.id, open_trip.id}
    assert watch.round() == 0
    town.wait(3, fixes=False)
    assert watch.round() == 0  # all have only got older
    town.move("cancel", RITA, trip)
    assert watch.round() == 2
    assert watch.states()["busy"] == "free"
    assert set(watch.trips) == {open_trip.id}
    assert watch.round(whole=True) == 7


def test_who_is_merely_offline_and_nowhere_is_not_shown() -> None:
    town = Town()
    idle = user(Role.DRIVER, "idle")
    town.offline(idle)
    watch = Watch(town)
    assert watch.round(whole=True) == 0
    town.at(idle, 10)
    watch.round()
    assert watch.states() == {"idle": "offline"}


def test_time_alone_makes_a_driver_stale_and_then_gone() -> None:
    town = Town(position_max_age_ms=10_000)
    there = town.driver("there", 100, offers=False)
    watch = Watch(town)
    watch.round(whole=True)
    assert watch.states() == {"there": "free"}
    town.vanish(there)
    town.wait(11)
    watch.round()
    assert watch.states() == {"there": "stale"}
    town.now_ms += 900_000
    watch.round()
    assert watch.states() == {}


def test_a_large_region_is_told_in_shares() -> None:
    town = Town()
    at = rfc3339(town.now_ms)
    for number in range(2 * DRIVERS_A_TURN + 1):
        fix = Fix(f"d{number}", number / 1_000, 0.0, None, None, at)
        town.engine.locate(fix, town.now_ms)
    watch = Watch(town)
    watch.round(whole=True)
    assert (len(watch.drivers), watch.shares) == (2 * DRIVERS_A_TURN + 1, 3)


def test_figures_are_those_of_the_region_and_of_the_last_quarter_of_an_hour() -> None:
    town = Town()
    near, far = town.driver("near", 100), town.driver("far", 900)
    offers = OfferMetrics("figures")
    offers.begin(town.engine)
    read = 0

    def now() -> dict[str, object]:
        nonlocal read
        for event in town.events[read:]:
            offers.note(event)
        read = len(town.events)
        made = figures(town.engine, offers.flow, town.now_ms)
        return {name: getattr(made, name) for name in made.__struct_fields__}

    assert now() == {
        "free": 2, "offered": 0, "busy": 0, "stale": 0, "requested": 0, "matching": 0,
        "broadcast": 0, "started": 0, "arrived": 0, "in_progress": 0, "scheduled": 0,
        "oldest_unmatched_s": 0, "offers_per_min": 0, "accepted_share": None,
        "wait_p50_s": None, "wait_p95_s": None,
    }  # fmt: skip
    trip = town.request()
    told = town.request(user(Role.RIDER, "told"), None)
    town.decline(near, trip)
    town.wait(6)
    seen = now()
    assert (seen["requested"], seen["matching"], seen["broadcast"]) == (2, 1, 1)
    assert (seen["offered"], seen["free"], seen["oldest_unmatched_s"]) == (1, 1, 6)
    assert (seen["offers_per_min"], seen["accepted_share"]) == (2, 0)
    town.accept(far, trip)
    town.move("arrive", far, trip)
    town.wait(10)
    town.assign(told, near, OLGA)
    seen = now()
    assert (seen["started"], seen["arrived"], seen["busy"]) == (1, 1, 2)
    assert (seen["accepted_share"], seen["oldest_unmatched_s"]) == (0.5, 0)
    assert (seen["wait_p50_s"], seen["wait_p95_s"]) == (6, 16)
    town.wait(60)
    assert (now()["offers_per_min"], now()["wait_p50_s"]) == (0, 6)
    town.now_ms += STEPS * STEP_MS
    assert (now()["accepted_share"], now()["wait_p95_s"]) == (None, None)


def test_a_flow_holds_a_quarter_of_an_hour_however_much_there_is() -> None:
    flow = Flow()
    for second in range(3_600):
        flow.made(second * 1_000)
        flow.waited(second * 1_000, second * 10**6)
    assert flow.offers_per_min(3_599_999) == 60
    assert len(flow._steps) == STEPS
    assert flow.waits_s(3_599_999, 0.5, 1.0) == [3_600, 3_600]
