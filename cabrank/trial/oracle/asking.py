"""What drivers are answered and welcomed with while trips are matched, held against the
facts of a ledger: PROTOCOL.md sections 2 and 7.

Pure. What decided an answer had seen some prefix of the ledger: all that was stored
when its command was sent, and nothing that was stored after the answer came. A welcome
says which: up to its `seq`.
"""

import bisect
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from msgspec import Struct

from cabrank.trial.oracle.hunts import Hunt, Over, Rules
from cabrank.trial.oracle.linear import NEVER
from cabrank.trial.oracle.offers import Offers, Violate
from cabrank.trial.oracle.sequential import Call
from schemas.events import record_of
from schemas.ledger import Record
from schemas.trips import TERMINAL, Role, Status


class Moment(NamedTuple):
    """How a trip is asked for, from one fact on until the next."""

    record: int
    status: Status
    is_matched: bool
    live: str
    """The offer; empty: there is none."""
    driver: str
    """Whose that is."""
    over: dict[str, tuple[Over, ...]]
    released: frozenset[str]


class Greeting(Struct, frozen=True):
    """What a driver was welcomed with, by ids. `online`: None: it didn't say."""

    user: str
    seq: int
    online: bool | None
    offers: list[str]
    open_trips: list[str]


class Asking:
    """Feed it every record, with when it was stored; `offers` judges the facts."""

    def __init__(self, rules: Rules, violate: Violate) -> None:
        self.offers = Offers(rules, violate, self._note)
        self._rules = rules
        self._violate = violate
        self._moments: dict[str, list[Moment]] = {}
        self._records: list[Record] = []
        self._stored_s: list[float] = []

    def take(self, record: Record, stored_s: float) -> None:
        self._records.append(record)
        self._stored_s.append(stored_s)
        self.offers.take(record.n, record.epoch, record.at_ms, record.events)

    def _note(self, record: int, trip: str, hunt: Hunt) -> None:
        live = hunt.live
        gone = (driver for driver, why in hunt.passed.items() if why == "released")
        moment = Moment(
            record,
            hunt.status,
            hunt.is_matched,
            "" if live is None else live.offer,
            "" if live is None else live.driver,
            dict(hunt.over),
            frozenset(gone),
        )
        self._moments.setdefault(trip, []).append(moment)

    def stored_s(self, seq: int) -> float:
        """When an event's record was."""
        return self._stored_s[record_of(seq)[0] - 1]

    # ---- answers -----------------------------------------------------------------

    def judge(self, calls: Sequence[Call]) -> None:
        """Accepts and declines of trips that were matched at some time."""
        for call in calls:
            meets = _MEETS.get(call.kind)
            if meets is None or call.trip not in self.offers.matched:
                continue
            said = call.code or ("" if call.answer is not None else None)
            if said is None or said not in _SAYS[call.kind]:
                continue
            if call.role is not Role.DRIVER:
                continue
            seen = list(self._seen(call))
            if not any(said in meets(self._rules, call, *one) for one in seen):
                moments = "; ".join(str(one[0]) for one in seen)
                self._violate("offers are met as told", f"{call}: none of {moments}")

    def _seen(self, call: Call) -> Iterator[tuple[Moment, int]]:
        """How the trip may have been when it was decided, and the greatest stamp that
        there may have been.
        """
        known = bisect.bisect_right(self._stored_s, call.start)
        came = len(self._stored_s)
        if call.end < NEVER:
            came = bisect.bisect_right(self._stored_s, call.end)
        moments = self._moments[str(call.trip)]
        last = [one for one in moments if one.record <= known][-1:]
        most_ms = self._records[came - 1].at_ms if came else 0
        for one in last + [one for one in moments if known < one.record <= came]:
            yield one, most_ms

    # ---- welcomes ----------------------------------------------------------------

    def judge_greetings(self, greetings: Sequence[Greeting]) -> None:
        """Each must be the state after the event that its `seq` names."""
        left = sorted(greetings, key=lambda one: one.seq, reverse=True)
        then = Offers(self._rules, lambda *_: None)
        for record in self._records:
            for event in record.events:
                while left and left[-1].seq < event.seq:
                    self._greeted(then, left.pop())
                then.see(event)
            then.take(record.n, record.epoch, record.at_ms, ())
        for greeting in left:
            self._greeted(then, greeting)

    def _greeted(self, then: Offers, greeting: Greeting) -> None:
        user, live = greeting.user, then.live_of(greeting.user)
        told = sorted(trip for trip, hunt in then.hunts.items() if hunt.is_told)
        online = then.duty(user).online
        for what, said, true in (
            ("offers", greeting.offers, [] if live is None else [live.offer]),
            ("open trips", sorted(greeting.open_trips), told),
            ("online", greeting.online, online),
        ):
            if said != true:
                self._violate(
                    "welcomed with what is",
                    f"{user} at {greeting.seq}: {what} {said}, not {true}",
                )


def _accept(rules: Rules, call: Call, then: Moment, most_ms: int) -> Iterator[str]:
    """Refusals that fit."""
    driver = call.user
    if then.status is not Status.REQUESTED:
        if then.status in _CLOSED:
            yield "trip_not_open"
        return
    if not then.is_matched:
        return
    mine = then.live if then.driver == driver else ""
    if mine and call.offer in {None, mine}:
        return
    over = then.over.get(driver, ())
    late = [one for one in over[-1:] if one.why == "expired"]
    for one in late:
        if call.offer not in {None, one.offer}:
            continue
        if most_ms <= one.at_ms + rules.late_ms:
            return  # it is good
    was_asked = bool(mine or over) and driver not in then.released
    yield "offer_expired" if was_asked else "trip_not_open"


def _decline(_: Rules, call: Call, then: Moment, __: int) -> Iterator[str]:
    """The answer (empty), or the refusal. Of a trip that ended, and of offers before a
    driver's last one, a leader may have forgotten whom it asked.
    """
    mine = [one.offer for one in then.over.get(call.user, ())]
    if then.driver == call.user:
        mine.append(then.live)
    is_told = then.status is Status.REQUESTED and not then.is_matched
    has_any = bool(mine) if call.offer is None else call.offer in mine
    if has_any or is_told:
        yield ""
    is_forgotten = then.status in TERMINAL or call.offer in mine[:-1]
    if not is_told and (is_forgotten or not has_any):
        yield "wrong_status"


_CLOSED = TERMINAL | {Status.SCHEDULED}
_MEETS = {"trip.accept": _accept, "trip.decline": _decline}
_SAYS = {
    "trip.accept": frozenset({"offer_expired", "trip_not_open"}),
    "trip.decline": frozenset({"", "wrong_status"}),
}
"""What is judged here. That an accept was good, the facts tell."""
