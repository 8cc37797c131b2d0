"""Offers as history explains them (`GET /api/trips/{id}/matching`), held against what
drivers were shown and the moves of their trips: PROTOCOL.md section 7.

Pure; for who has no ledger to read (cabrank/trial/oracle/offers.py). Instants are
stamps in ms.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from schemas.accounts import AuditRow
from schemas.codec import decode
from schemas.explanations import Explanation, OfferMade
from schemas.times import from_rfc3339
from schemas.trips import DRIVING, TERMINAL, Status, Trip

PASSED = frozenset({"declined", "expired"})
"""Ends after which a driver isn't asked again until the trip comes back."""


class Span(NamedTuple):
    """A time for which something was a driver's; `to_ms` None: it is yet."""

    from_ms: int
    to_ms: int | None
    what: str

    def overlaps(self, other: "Span") -> bool:
        first, second = sorted((self, other), key=lambda span: span.from_ms)
        return first.to_ms is None or first.to_ms > second.from_ms


class Explained:
    """Feed it all that drivers are shown, then each trip with its audit rows."""

    def __init__(self, violate: Callable[[str, str], None]) -> None:
        self._violate = violate
        self._shown: dict[str, tuple[str, str, int]] = {}
        """Offer → (driver, trip, round)."""
        self._told_over: dict[str, tuple[str, str]] = {}
        """Offer → (trip, why), as its driver was told."""
        self._known: dict[str, OfferMade] = {}
        self._offers: dict[str, list[Span]] = {}
        self._trips: dict[str, list[Span]] = {}
        """Both by driver."""
        self.ends: Counter[str] = Counter()

    # ---- what drivers see --------------------------------------------------------

    def shown(self, driver: str, offer: str, trip: str, number: int) -> None:
        """`trip.offered`, or one in a welcome."""
        now = (driver, trip, number)
        before = self._shown.setdefault(offer, now)
        if before != now:
            self._violate("one truth", f"offer {offer} was shown as {before} and {now}")

    def over(self, offer: str, trip: str, why: str) -> None:
        """`trip.offer_ended`."""
        self._told_over[offer] = (trip, why)

    def trips(self) -> set[str]:
        """Those that anybody was offered."""
        return {trip for _, trip, _ in self._shown.values()}

    # ---- what history says -------------------------------------------------------

    def lags(self, told: Explanation, rows: Sequence[AuditRow]) -> bool:
        """Whether it has yet to catch up with what drivers saw."""
        known = {offer.offer for offer in told.offers}
        shown = {o for o, (_, trip, _) in self._shown.items() if trip == told.trip}
        ends = [offer.end for offer in told.offers]
        is_over = decode(rows[-1].data, Trip).status in TERMINAL
        return not shown <= known or (is_over and None in ends)

    def explain(self, told: Explanation, rows: Sequence[AuditRow]) -> None:
        offers = told.offers
        moves = [(from_rfc3339(row.at), decode(row.data, Trip)) for row in rows]
        numbers = [offer.round for offer in offers]
        if numbers != list(range(1, len(offers) + 1)):
            self._violate("rounds are counted", f"trip {told.trip}: {numbers}")
        is_over = moves[-1][1].status in TERMINAL
        for offer in offers:
            self._known[offer.offer] = offer
            self.ends[offer.end or "live"] += 1
            if offer.end is None and is_over:
                text = f"offer {offer.offer} of trip {told.trip}"
                self._violate("no offer outlives its trip", text)
            span = _span(offer)
            self._offers.setdefault(offer.driver.id, []).append(span)
        self._one_at_a_time(told.trip, offers)
        self._asked_once(told.trip, offers, moves)
        self._accepted(told.trip, offers, moves)
        self._drove(told.trip, moves)

    def _one_at_a_time(self, trip: str, offers: Sequence[OfferMade]) -> None:
        for one, other in itertools.pairwise(offers):
            is_late = one.end == "accepted" and other.end == "taken"
            if not is_late and _span(one).overlaps(_span(other)):
                text = f"trip {trip}: {one} and {other}"
                self._violate("one live offer of a trip", text)

    def _asked_once(
        self,
        trip: str,
        offers: Sequence[OfferMade],
        moves: Sequence[tuple[int, Trip]],
    ) -> None:
        opened = [at for at, move in moves if move.status is Status.REQUESTED]
        gone = _releases(moves)
        passed: dict[str, int] = {}
        for offer in offers:
            driver, at_ms = offer.driver.id, from_rfc3339(offer.at)
            since_ms = max((at for at in opened if at <= at_ms), default=0)
            if passed.get(driver, -1) >= since_ms or any(
                who == driver and at <= at_ms for at, who in gone
            ):
                self._violate("nobody is asked again", f"trip {trip}: {offer}")
            if offer.end in PASSED and offer.ended_at is not None:
                passed[driver] = from_rfc3339(offer.ended_at)

    def _accepted(
        self,
        trip: str,
        offers: Sequence[OfferMade],
        moves: Sequence[tuple[int, Trip]],
    ) -> None:
        got = {
            (at, move.driver.id)
            for at, move in moves
            if move.driver is not None and move.status is Status.STARTED
        }
        for offer in offers:
            if offer.end != "accepted" or offer.ended_at is None:
                continue
            if (from_rfc3339(offer.ended_at), offer.driver.id) not in got:
                self._violate("only who is asked accepts", f"trip {trip}: {offer}")

    def _drove(self, trip: str, moves: Sequence[tuple[int, Trip]]) -> None:
        """From when to when it was whose."""
        began: tuple[int, str] | None = None
        for at_ms, move in moves:
            drives = move.driver is not None and move.status in DRIVING
            if began is not None and not drives:
                span = Span(began[0], at_ms, f"trip {trip}")
                self._trips.setdefault(began[1], []).append(span)
                began = None
            elif began is None and drives and move.driver is not None:
                began = (at_ms, move.driver.id)
        if began is not None:
            span = Span(began[0], None, f"trip {trip}")
            self._trips.setdefault(began[1], []).append(span)

    # ---- the end -----------------------------------------------------------------

    def finish(self) -> None:
        """Once all trips that there are were explained."""
        for offer, (driver, trip, number) in self._shown.items():
            known = self._known.get(offer)
            if known is None or (known.driver.id, known.round) != (driver, number):
                text = f"{driver} was offered {offer} of trip {trip}, there is {known}"
                self._violate("drivers hear what is theirs", text)
        for offer, (_, why) in self._told_over.items():
            known = self._known.get(offer)
            ends = {why, "accepted"} if why == "expired" else {why}
            # What a gateway missed and nobody remembers is told as withdrawn.
            if known is None or (known.end not in ends and why != "withdrawn"):
                text = f"offer {offer} was told to be {why}, it is {known}"
                self._violate("drivers hear what is theirs", text)
        for driver, spans in self._offers.items():
            self._apart(driver, spans)

    def _apart(self, driver: str, spans: list[Span]) -> None:
        ordered = sorted(spans)
        for one, other in itertools.pairwise(ordered):
            if one.overlaps(other):
                text = f"{driver}: {one} and {other}"
                self._violate("one live offer of a driver", text)
        for trip in self._trips.get(driver, ()):
            for span in spans:
                starts = trip.from_ms < span.from_ms
                if starts and (trip.to_ms is None or span.from_ms < trip.to_ms):
                    text = f"{driver} has {trip}, and got {span}"
                    self._violate("no offer to who isn't free", text)


def _span(offer: OfferMade) -> Span:
    """For which it lived: one accepted late had ended when its time was over."""
    ended_ms = None if offer.ended_at is None else from_rfc3339(offer.ended_at)
    if ended_ms is not None and offer.end == "accepted":
        ended_ms = min(ended_ms, from_rfc3339(offer.expires_at))
    return Span(from_rfc3339(offer.at), ended_ms, f"offer {offer.offer}")


def _releases(moves: Sequence[tuple[int, Trip]]) -> list[tuple[int, str]]:
    """(when, who)."""
    return [
        (at_ms, before.driver.id)
        for (_, before), (at_ms, move) in itertools.pairwise(moves)
        if move.status is Status.REQUESTED and before.driver is not None
    ]
