"""What is to be remembered of a round of the matching: a record for each offer, and for
each open trip that lost a driver to another. Pure.

To be asked between the deciding of offers and their being applied: drivers are then
what they were for the round.
"""

from collections.abc import Iterator, Sequence

from dispatcher.engine.market import Market
from dispatcher.engine.matching import Unmatched
from dispatcher.engine.state import State
from dispatcher.engine.verdicts import Round as Judge
from schemas.events import OfferEvent
from schemas.matching import RANKED_MAX, Judged, Verdict
from schemas.observations import ABSENT_MAX, OTHERS_MAX, Other, Round

LOST_MAX = 64
"""Trips that lost a driver, of one decision; a region in which more open trips are
within reach of one driver has other sorrows."""
LOOKS_MAX = 512
"""Pairs of an open trip and a driver who went elsewhere that are looked at for it: some
3 µs each."""


def rounds(market: Market, state: State, made: Sequence[OfferEvent]) -> list[Round]:
    """`made`: offers that were decided, and not applied yet."""
    if not made:
        return []
    went = {offer.driver: offer.trip.id for offer in made}
    judge = market.judge(state.stamp_ms, went)
    records = _Records(market, state, judge, made[0].seq)
    found = []
    for offer in made:
        trip = market.open.get(offer.trip.id)
        if trip is not None:
            found.append(records.of(trip, offer.seq, offer.round))
    for trip, seq in _losers(market, judge, made):
        course = state.offers.courses[trip.trip]
        found.append(records.of(trip, seq, course.rounds + 1))
    return found


def _losers(
    market: Market, judge: Judge, made: Sequence[OfferEvent]
) -> Iterator[tuple[Unmatched, int]]:
    """Open trips without an offer of this decision, and the seq of the offer that took
    the first of their drivers.
    """
    served = {offer.trip.id for offer in made}
    looks = losers = 0
    for trip in market.open.values():
        if trip.trip in served:
            continue
        for offer in made:
            looks += 1
            if judge.judge(trip, offer.driver).verdict is Verdict.LOST_TO:
                yield trip, offer.seq
                losers += 1
                break
        if looks >= LOOKS_MAX or losers >= LOST_MAX:
            return


class _Records:
    """Of one decision."""

    def __init__(
        self, market: Market, state: State, judge: Judge, before_seq: int
    ) -> None:
        self._positions = market.positions
        self._state = state
        self._judge = judge
        self._before_seq = before_seq

    def of(self, trip: Unmatched, seq: int, number: int) -> Round:
        told = self._judge.judgement(trip, RANKED_MAX + OTHERS_MAX)
        listed = told.ranked
        all_free = len(self._positions.free) <= OTHERS_MAX
        if all_free:
            known = {one.driver for one in listed}
            listed = listed + [
                self._judge.judge(trip, driver)
                for driver in sorted(self._positions.free.by_id.keys() - known)
            ]
        reached = told.excluded.get(Verdict.TOO_FAR, 0) + len(told.ranked)
        stale = self._positions.stale_free_ids(ABSENT_MAX + 1)
        missing = [] if all_free else self._missing()
        return Round(
            seq,
            self._before_seq,
            trip.trip,
            self._state.trips[trip.trip].trip.rider.id,
            number,
            self._state.stamp_ms,
            told.considered,
            told.excluded,
            told.ranked[:RANKED_MAX],
            [_other(one) for one in listed[min(RANKED_MAX, len(told.ranked)) :]],
            stale[:ABSENT_MAX],
            missing or [],
            self._unlisted(stale, missing, reached, all_free=all_free),
        )

    def _missing(self) -> list[str] | None:
        """Free drivers whose position isn't known; None: they are too many."""
        positions = self._positions
        count = positions.missing_free
        if not count:
            return []
        return positions.missing_free_ids() if count <= ABSENT_MAX else None

    def _unlisted(
        self,
        stale: list[str],
        missing: list[str] | None,
        reached: int,
        *,
        all_free: bool,
    ) -> str:
        """See `Round.unlisted`."""
        if len(stale) > ABSENT_MAX:
            return ""
        if all_free:
            return Verdict.POSITION_MISSING.value
        is_whole = missing is not None and reached >= len(self._positions.free)
        return Verdict.TOO_FAR.value if is_whole else ""


def _other(one: Judged) -> Other:
    return Other(
        one.driver,
        one.verdict.value,
        one.pick_up_eta_s,
        one.pick_up_distance_m,
        one.cost_s,
        one.position_age_s,
        one.trip,
    )
