"""What is to be remembered of a round of the matching: a record for each offer, and for
each open trip that lost a driver to another. Pure.

To be asked between the deciding of offers and their being applied: drivers are then
what they were for the round.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet

from dispatcher.engine.free import Spot
from dispatcher.engine.market import Market
from dispatcher.engine.matching import Unmatched, asked
from dispatcher.engine.positions import Positions
from dispatcher.engine.state import State
from dispatcher.engine.verdicts import Look, other
from dispatcher.engine.verdicts import Round as Judge
from schemas.events import OfferEvent
from schemas.matching import RANKED_MAX, Judged, Verdict
from schemas.observations import FEW, MARKS_MAX, OTHERS_MAX, Other, Round

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
    wanted = [
        (trip, offer.seq, offer.round)
        for offer in made
        if (trip := market.open.get(offer.trip.id)) is not None
    ]
    courses = state.offers.courses
    for trip, seq in _losers(market, judge, made):
        wanted.append((trip, seq, courses[trip.trip].rounds + 1))
    return [
        Round(
            seq,
            made[0].seq,
            trip.trip,
            state.trips[trip.trip].trip.rider.id,
            number,
            state.stamp_ms,
            *seen(market.positions, judge, trip),
        )
        for trip, seq, number in wanted
    ]


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


Seen = tuple[int, dict[str, int], list[Judged], list[Other], dict[str, str], str]
"""The last fields of a `Round`, from `considered` on."""


def seen(positions: Positions, judge: Judge, trip: Unmatched) -> Seen:
    """All drivers, as they are for one trip. Who is told of with figures: the cheapest,
    and who went to another trip; all who are free, where they are few.
    """
    free = positions.free.by_id
    are_few = len(free) <= FEW
    look = judge.look(trip, RANKED_MAX + (FEW if are_few else OTHERS_MAX))
    ranked = [judge.told(trip, pair) for pair in look.cheapest[:RANKED_MAX]]
    others = judge.others(trip, look.cheapest[RANKED_MAX:])
    more = set(free if are_few else judge.went)
    listed = {pair.driver for pair in look.cheapest}
    others += [other(judge.judge(trip, one)) for one in sorted(more - listed)]
    marks, unlisted = rest(positions, trip, look, listed | more)
    return look.considered, look.told(), ranked, others, marks, unlisted


def rest(
    positions: Positions, trip: Unmatched, look: Look, listed: AbstractSet[str]
) -> tuple[dict[str, str], str]:
    """Free drivers who are not listed, as `Round.marks` and `.unlisted` have them; some
    who are may be among the marks.
    """
    free, counts = positions.free.by_id, look.excluded
    sizes = {why: counts[why] for why in _NOWHERE}
    if len(free) > len(listed):
        sizes[Verdict.FARTHER] = len(look.near) + look.near.passed
        sizes |= {why: counts[why] for why in (Verdict.TOO_FAR, Verdict.NEEDS)}
    most = max(sizes, key=sizes.__getitem__)
    if sum(sizes.values()) - sizes[most] > MARKS_MAX:
        return {}, ""
    wanted = [why for why, count in sizes.items() if count and why is not most]
    told = {why.value: _MEMBERS[why](positions, trip, look, listed) for why in wanted}
    return told, most.value


Members = Callable[[Positions, Unmatched, Look, AbstractSet[str]], str]
"""Marks of who has that verdict and isn't among those listed."""
_NOWHERE = (Verdict.POSITION_STALE, Verdict.POSITION_MISSING)


def _nowhere(which: Verdict) -> Members:
    def members(
        positions: Positions, trip: Unmatched, _: Look, __: AbstractSet[str]
    ) -> str:
        is_stale = which is Verdict.POSITION_STALE
        marks = positions.stale_free if is_stale else positions.missing_free
        return "".join([m for driver, m in marks.items() if driver not in trip.passed])

    return members


def _near(_: Positions, __: Unmatched, look: Look, listed: AbstractSet[str]) -> str:
    cells = [cell.marks() for cell in look.near.cells.values()]
    return "".join(cells) + _marks(look.near.others, listed)


def _far(
    positions: Positions, trip: Unmatched, look: Look, listed: AbstractSet[str]
) -> str:
    disk = look.near.disk
    near = {spot.driver for spot in look.near.others}
    if trip.needs:
        able = asked(trip, positions.free.by_id.values())
        return _marks([spot for spot in able if spot.driver not in near], listed)
    beyond = [cell.marks() for cell in disk.beyond()]
    edge = [spot for spot in disk.spots if spot.driver not in near]
    return "".join(beyond) + _marks(asked(trip, edge), listed)


def _unable(
    positions: Positions, trip: Unmatched, _: Look, listed: AbstractSet[str]
) -> str:
    free = positions.free.by_id.values()
    able = {spot.driver for spot in asked(trip, free)}
    return _marks([spot for spot in free if spot.driver not in able], listed)


def _marks(spots: Iterable[Spot], listed: AbstractSet[str]) -> str:
    return "".join([spot.mark for spot in spots if spot.driver not in listed])


_MEMBERS: dict[Verdict, Members] = {
    **{why: _nowhere(why) for why in _NOWHERE},
    Verdict.FARTHER: _near,
    Verdict.TOO_FAR: _far,
    Verdict.NEEDS: _unable,
}
