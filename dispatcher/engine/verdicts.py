"""Why these drivers: what one round of the matcher looked at, and why not at others.
Pure.

To be asked before the round's proposals are decided: the situation is the positions'
own, as it was for the round.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from msgspec import Struct

from dispatcher.engine.free import Spot, age_s
from dispatcher.engine.matching import (
    Pair,
    Reached,
    Rules,
    Search,
    Unmatched,
    asked,
    cap_s,
    reached,
)
from dispatcher.engine.positions import Positions
from dispatcher.engine.standing import idle_s
from dispatcher.engine.travel import Travel, metres
from schemas.matching import RANKED_MAX, Judged, Judgement, Verdict
from schemas.observations import Other

_FIRST = frozenset({Verdict.OFFLINE, Verdict.BUSY, Verdict.OFFER_PENDING})
"""What is said before what a driver did with the trip."""


class Look(Struct, frozen=True):
    """At one trip: see `Judgement`. `near`: all who could be paired with it."""

    considered: int
    excluded: Counter[Verdict]
    cheapest: list[Pair]
    near: Reached

    def told(self) -> dict[str, int]:
        return {why.value: count for why, count in self.excluded.items() if count}


class Round:
    """`went`: driver → trip, of all proposals of the round."""

    def __init__(
        self,
        positions: Positions,
        travel: Travel,
        rules: Rules,
        stamp_ms: int,
        went: Mapping[str, str],
    ) -> None:
        self._positions = positions
        self._travel = travel
        self._rules = rules
        self._stamp_ms = stamp_ms
        self._went = went

    def judge(self, trip: Unmatched, driver: str) -> Judged:
        """Of any driver of the region, known or not."""
        positions = self._positions
        spot = positions.spot(driver)
        duty = positions.standing(driver).duty
        passed = trip.passed.get(driver)
        why: Verdict | None = None
        if duty in _FIRST:
            why = duty
        elif passed is not None:
            why = Verdict(passed)
        elif duty is not None:
            why = duty
        elif spot is None:
            why = Verdict.POSITION_MISSING
        elif not positions.is_fresh(driver):
            why = Verdict.POSITION_STALE
        elif not trip.needs <= spot.standing.tags:
            why = Verdict.NEEDS
        if spot is None or not positions.is_fresh(driver):
            return Judged(driver, why or Verdict.POSITION_MISSING)
        return self._placed(trip, spot, why)

    def _placed(self, trip: Unmatched, spot: Spot, why: Verdict | None) -> Judged:
        eta_s = self._travel.eta_s(spot, trip.pick_up)
        cost_s = None
        if why is None and eta_s > cap_s(trip, self._rules, self._stamp_ms):
            why = Verdict.TOO_FAR
        if why is None:
            idle = idle_s(spot.standing, self._stamp_ms)
            cost_s = round(eta_s - self._rules.idle_credit * idle)
            why = self._outcome(trip, spot.driver)
        return Judged(
            spot.driver,
            why,
            eta_s,
            round(metres(spot, trip.pick_up)),
            cost_s,
            spot.age_s(self._stamp_ms),
            self._went.get(spot.driver) if why is Verdict.LOST_TO else None,
        )

    def _outcome(self, trip: Unmatched, driver: str) -> Verdict:
        to = self._went.get(driver)
        if to is None:
            return Verdict.FARTHER
        return Verdict.CHOSEN if to == trip.trip else Verdict.LOST_TO

    def judgement(self, trip: Unmatched, ranked_max: int = RANKED_MAX) -> Judgement:
        """Of all drivers who are known."""
        seen = self.look(trip, ranked_max)
        ranked = [self.told(trip, pair) for pair in seen.cheapest]
        return Judgement(seen.considered, seen.told(), ranked)

    def look(self, trip: Unmatched, count_max: int) -> Look:
        """At all drivers who are known; `count_max` of the cheapest."""
        positions = self._positions
        excluded: Counter[Verdict] = Counter()
        free = 0
        for duty, count in positions.counts().items():
            if duty is None:
                free = count
            else:
                excluded[duty] += count
        considered = free + excluded.total()
        fresh = len(positions.free)
        excluded[Verdict.POSITION_STALE] = len(positions.stale_free)
        excluded[Verdict.POSITION_MISSING] = len(positions.missing_free)
        fresh -= self._move_passed(trip, excluded)
        if trip.needs:
            able = sum(1 for _ in asked(trip, positions.free.by_id.values()))
            excluded[Verdict.NEEDS] = fresh - able
            fresh = able
        looked_at = trip, positions.free, self._travel, self._rules, self._stamp_ms
        near = reached(*looked_at)
        excluded[Verdict.TOO_FAR] = fresh - len(near)
        cheapest = Search(*looked_at).cheapest(near, count_max)
        return Look(considered, excluded, cheapest, near)

    def _move_passed(self, trip: Unmatched, excluded: Counter[Verdict]) -> int:
        """Count those who passed the trip as such. Returns: how many of them are free,
        with a fresh position.
        """
        fresh = 0
        for driver, word in trip.passed.items():
            duty = self._positions.standing(driver).duty
            if duty in _FIRST or not self._positions.is_known(driver):
                continue
            excluded[Verdict(word)] += 1
            if duty is not None:
                excluded[duty] -= 1
            elif self._positions.is_fresh(driver):
                fresh += 1
            elif self._positions.spot(driver) is None:
                excluded[Verdict.POSITION_MISSING] -= 1
            else:
                excluded[Verdict.POSITION_STALE] -= 1
        return fresh

    def told(self, trip: Unmatched, pair: Pair) -> Judged:
        """One of `Look.cheapest`."""
        why = self._outcome(trip, pair.driver)
        return Judged(
            pair.driver,
            why,
            pair.eta_s,
            self._metres(trip, pair.driver),
            pair.cost_s,
            age_s(pair.arrived_ms, self._stamp_ms),
            self._went[pair.driver] if why is Verdict.LOST_TO else None,
        )

    def others(self, trip: Unmatched, pairs: Iterable[Pair]) -> list[Other]:
        """The same in short: there may be a hundred a round."""
        return [
            Other(
                driver,
                self._outcome(trip, driver).value,
                eta_s,
                self._metres(trip, driver),
                cost_s,
                age_s(arrived_ms, self._stamp_ms),
                to if (to := self._went.get(driver)) != trip.trip else None,
            )
            for cost_s, driver, eta_s, arrived_ms in pairs
        ]

    def _metres(self, trip: Unmatched, driver: str) -> int:
        """Of one who is free."""
        return round(metres(self._positions.free.by_id[driver], trip.pick_up))

    @property
    def went(self) -> Iterable[str]:
        """Drivers who get an offer of the round."""
        return self._went


def other(one: Judged) -> Other:
    return Other(
        one.driver,
        one.verdict.value,
        one.pick_up_eta_s,
        one.pick_up_distance_m,
        one.cost_s,
        one.position_age_s,
        one.trip,
    )
