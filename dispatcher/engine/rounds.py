"""What is to be remembered of a round of the matching: a record for each offer, and for
each open trip that lost a driver to another. Pure.

To be asked between the deciding of offers and their being applied: drivers are then
what they were for the round.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet

from dispatcher.engine.market import Market
from dispatcher.engine.matching import Unmatched, asked
from dispatcher.engine.positions import Positions
from dispatcher.engine.state import State
from dispatcher.engine.verdicts import Look, other
from dispatcher.engine.verdicts import Round as Judge
from schemas.events import OfferEvent
from schemas.matching import RANKED_MAX, Verdict
from schemas.observations import MARKS_MAX, OTHERS_MAX, Round

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
        judge = self._judge
        look = judge.look(trip, RANKED_MAX + OTHERS_MAX)
        ranked = [judge.told(trip, pair) for pair in look.cheapest[:RANKED_MAX]]
        others = judge.others(trip, look.cheapest[RANKED_MAX:])
        listed, more = {pair.driver for pair in look.cheapest}, self._more()
        others += [other(judge.judge(trip, one)) for one in sorted(more - listed)]
        marks, unlisted = rest(self._positions, trip, look, listed | more)
        return Round(
            seq,
            self._before_seq,
            trip.trip,
            self._state.trips[trip.trip].trip.rider.id,
            number,
            self._state.stamp_ms,
            look.considered,
            look.told(),
            ranked,
            others,
            marks,
            unlisted,
        )

    def _more(self) -> set[str]:
        """Who is told of with figures though they aren't among the cheapest: all who
        are free, where they are few, else who went to another trip.
        """
        free = self._positions.free.by_id
        return set(free) if len(free) <= OTHERS_MAX else set(self._judge.went)


def rest(
    positions: Positions, trip: Unmatched, look: Look, listed: AbstractSet[str]
) -> tuple[dict[str, str], str]:
    """Free drivers who are not listed, as `Round.marks` and `.unlisted` have them."""
    free, counts = positions.free.by_id, look.excluded
    sizes = {why: counts[why] for why in _NOWHERE}
    if len(free) > len(listed):
        sizes[Verdict.FARTHER] = len(look.near) - len(look.cheapest)
        sizes |= {why: counts[why] for why in (Verdict.TOO_FAR, Verdict.NEEDS)}
    most = max(sizes, key=sizes.__getitem__)
    if sum(sizes.values()) - sizes[most] > MARKS_MAX:
        return {}, ""
    skip = listed | trip.passed.keys()

    def told(why: Verdict) -> str:
        known = _MEMBERS[why](positions, trip, look)
        return "".join([mark for driver, mark in known if driver not in skip])

    wanted = [why for why, count in sizes.items() if count and why is not most]
    return {why.value: told(why) for why in wanted}, most.value


Members = Iterable[tuple[str, str]]
"""(driver, mark)."""
_NOWHERE = (Verdict.POSITION_STALE, Verdict.POSITION_MISSING)


def _stale(positions: Positions, _: Unmatched, __: Look) -> Members:
    return positions.stale_free.items()


def _missing(positions: Positions, _: Unmatched, __: Look) -> Members:
    return positions.missing_free.items()


def _near(_: Positions, trip: Unmatched, look: Look) -> Members:
    return [(spot.driver, spot.mark) for spot in look.near.drivers(trip)]


def _far(positions: Positions, trip: Unmatched, look: Look) -> Members:
    near = {spot.driver for spot in look.near.drivers(trip)}
    able = asked(trip, positions.free.by_id.values())
    return [(spot.driver, spot.mark) for spot in able if spot.driver not in near]


def _unable(positions: Positions, trip: Unmatched, _: Look) -> Members:
    free = positions.free.by_id.values()
    able = {spot.driver for spot in asked(trip, free)}
    return [(spot.driver, spot.mark) for spot in free if spot.driver not in able]


_MEMBERS: dict[Verdict, Callable[[Positions, Unmatched, Look], Members]] = {
    Verdict.POSITION_STALE: _stale,
    Verdict.POSITION_MISSING: _missing,
    Verdict.FARTHER: _near,
    Verdict.TOO_FAR: _far,
    Verdict.NEEDS: _unable,
}
