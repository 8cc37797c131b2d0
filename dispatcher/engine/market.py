"""Who is to be offered what: open trips that want a driver, free drivers, and which of
both changed. The leader's own memory, as presence is; standbys keep it warm.

Pure. It proposes: whether a proposal holds is dispatcher/engine/decide_offers.py's to
say. Instants are stamps.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping

from dispatcher.engine.free import Free
from dispatcher.engine.limits import WAIT_MS, Matching
from dispatcher.engine.matching import (
    Proposal,
    Rules,
    Unmatched,
    due_ms,
    round_of,
)
from dispatcher.engine.offers import Course, Duty
from dispatcher.engine.positions import Positions
from dispatcher.engine.standing import Standing
from dispatcher.engine.state import State
from dispatcher.engine.travel import GreatCircle, metres, point
from dispatcher.engine.verdicts import Round as Judge
from schemas.commands import Fix
from schemas.events import MATCHED
from schemas.events import Matching as How
from schemas.trips import Position, Trip

STEPS_MAX = 32
"""Of a round in one tick: some 0.1 ms each, so 5 ms. The rest is the next tick's."""


class Market:
    """`positions` may outlive it: they are heard, not told by the ledger."""

    def __init__(self, matching: Matching) -> None:
        self._matching = matching
        self._rules = Rules(
            matching.idle_credit,
            matching.pick_up_max_s,
            matching.window_ms,
            matching.relaxed_ms,
        )
        self.travel = GreatCircle(matching.detour, matching.speed_kmh)
        self.positions = Positions(matching.position_max_age_ms)
        self.open: dict[str, Unmatched] = {}
        """Trips that want a driver now."""
        self._fresh: dict[str, None] = {}
        """Those of them that were not looked at as they are."""
        self._freed: dict[str, None] = {}
        """Free drivers, likewise."""
        self._relaxing: list[tuple[int, str]] = []
        """A heap of when which trip's drivers may come from farther away."""
        self._round: Iterator[Proposal | None] | None = None
        self._asked_ms: int | None = None
        """When a round was first asked for; None: none is."""
        self._waits_until_ms = 0
        self.leads = False
        """Standbys look at everything too, but find nobody."""
        self.found: list[Proposal] = []
        """To be decided."""
        self.clock: Callable[[], float] | None = None
        """Seconds; None: nobody asks how long a turn takes."""
        self.turns: list[float] = []

    # ---- what the ledger says --------------------------------------------------

    def begin(self, state: State) -> None:
        """Know all of it; what was known before of drivers goes, but where they are."""
        self.positions.begin()
        for driver in state.offers.duties:
            self.look_at_driver(state, driver)
        for trip in state.offers.courses:
            self.look_at_trip(state, trip)

    def lead(self, state: State) -> None:
        """A lead begins: everything is looked at anew."""
        self.positions.expire(state.stamp_ms)
        self.leads = True
        self._waits_until_ms = 0
        if not self.positions.has_any():
            self._waits_until_ms = state.stamp_ms + WAIT_MS
        self.open.clear()
        self.begin(state)

    def is_at_rest(self) -> bool:
        """Whether `seek` would find nothing to do."""
        return not (
            self.open
            or self.found
            or self._fresh
            or self._freed
            or self._relaxing
            or self._round is not None
        )

    def look_at_trip(self, state: State, trip: str) -> None:
        """What an event may have changed of a trip."""
        course, held = state.offers.courses.get(trip), state.trips.get(trip)
        if course is None or held is None or not self._wants(state, course):
            self.open.pop(trip, None)
            self._fresh.pop(trip, None)
            return
        pick_up = held.trip.pick_up
        if pick_up is None:
            return
        self.open[trip] = Unmatched(
            trip,
            point(pick_up.lat, pick_up.lon),
            course.opened_ms,
            needs_of(held.trip),
            course.passed,
        )
        if self.leads:
            self._fresh[trip] = None
            relaxes_ms = course.opened_ms + self._rules.relaxed_ms
            if relaxes_ms > state.stamp_ms:
                heapq.heappush(self._relaxing, (relaxes_ms, trip))

    def _wants(self, state: State, course: Course) -> bool:
        return (
            course.matching in MATCHED
            and course.live is None
            and not state.is_exhausted(course, state.stamp_ms)
        )

    def look_at_driver(self, state: State, driver: str) -> None:
        """What an event may have changed of a driver."""
        duty = state.offers.duties.get(driver)
        if duty is None:
            self.positions.stand(driver, None)
            return
        self.positions.stand(driver, standing_of(state, duty))
        self._may_be_free(driver)

    def _may_be_free(self, driver: str) -> None:
        if self.leads and self.open and driver in self.positions.free.by_id:
            self._freed[driver] = None

    # ---- what gateways say -------------------------------------------------------

    def hear(self, fix: Fix, now_ms: int) -> bool:
        """Whether the driver is there now."""
        is_there = self.positions.hear(fix, now_ms)
        if is_there:
            self._may_be_free(fix.driver)
        return is_there

    def left(self, fix: Fix, to: Position) -> tuple[int, int]:
        """How far it is to there, in whole metres and seconds."""
        here, there = point(fix.lat, fix.lon), point(to.lat, to.lon)
        return round(metres(here, there)), self.travel.eta_s(here, there)

    # ---- how a trip is matched ---------------------------------------------------

    def how(self, state: State, trip: Trip) -> How:
        """A driver is found for a trip that opens now."""
        if self._matching.policy == "broadcast":
            return "setting"
        if trip.pick_up is None:
            return "no_pick_up"
        if not any(_is_on_duty(state, one) for one in state.offers.duties.values()):
            return "no_positions"
        self.positions.expire(state.stamp_ms)
        if self.positions.has_any():
            return "nearest"
        waits = state.stamp_ms < self._waits_until_ms
        return "waiting" if waits else "no_positions"

    def waits_until_ms(self, now_ms: int) -> int:
        """When a trip that waits for positions does so no longer."""
        return max(now_ms, self._waits_until_ms)

    def judge(self, stamp_ms: int, went: Mapping[str, str]) -> Judge:
        """Of drivers as they are; `went`: driver → trip, of the round's offers."""
        return Judge(self.positions, self.travel, self._rules, stamp_ms, went)

    # ---- rounds --------------------------------------------------------------------

    def seek(self, now_ms: int) -> bool:
        """Go on with the round, or begin one that is due; whether anything is `found`
        that waits for its decision.
        """
        if not self.open and self._round is None:
            if self._fresh or self._freed or self._relaxing:
                self._forget()
            return bool(self.found)
        self._relax(now_ms)
        if self._round is None and self._is_due(now_ms):
            self._round = self._begin(now_ms)
        if self._round is not None and self.clock is not None:
            began_s = self.clock()
            self._round = self._go_on(self._round)
            self.turns.append(self.clock() - began_s)
        elif self._round is not None:
            self._round = self._go_on(self._round)
        return bool(self.found)

    def _go_on(
        self, steps: Iterator[Proposal | None]
    ) -> Iterator[Proposal | None] | None:
        """A turn; what is left of the round after it."""
        for _ in range(STEPS_MAX):
            try:
                step = next(steps)
            except StopIteration:
                return None
            if step is not None:
                self.found.append(step)
        return steps

    def _relax(self, now_ms: int) -> None:
        while self._relaxing and self._relaxing[0][0] <= now_ms:
            trip = heapq.heappop(self._relaxing)[1]
            if trip in self.open:
                self._fresh[trip] = None

    def _is_due(self, now_ms: int) -> bool:
        if not self.open:
            self._forget()
        if not self._fresh and not self._freed:
            self._asked_ms = None
            return False
        if self._asked_ms is None:
            self._asked_ms = now_ms
        return due_ms(self._asked_ms, self._rules) <= now_ms

    def _forget(self) -> None:
        """No trip is open: whoever is free meanwhile is found when one is."""
        self._fresh.clear()
        self._freed.clear()
        self._relaxing.clear()
        self._asked_ms = None

    def _begin(self, now_ms: int) -> Iterator[Proposal | None]:
        """All that is open and all who are free were looked at before, but what is new:
        where only trips are, these with all drivers; where only drivers are, these with
        all trips.
        """
        fresh, freed = self._fresh, self._freed
        self._fresh, self._freed, self._asked_ms = {}, {}, None
        self.positions.expire(now_ms)
        free = self.positions.free
        trips: Iterable[Unmatched] = [*self.open.values()]
        if not freed:
            trips = [self.open[trip] for trip in fresh]
        elif not fresh:
            spots = [free.by_id[d] for d in freed if d in free.by_id]
            free = Free.of(*spots)
        return round_of(trips, free, self.travel, self._rules, now_ms)


def needs_of(trip: Trip) -> frozenset[str]:
    """What a driver must have."""
    return frozenset(getattr(trip, "needs", ()))


def standing_of(state: State, duty: Duty) -> Standing:
    return Standing(
        online=duty.driver not in state.offline,
        offers=duty.offers,
        busy=duty.driver in state.drivers,
        offered=bool(duty.trip),
        idle_since_ms=duty.idle_since_ms,
        tags=frozenset(duty.tags),
    )


def _is_on_duty(state: State, duty: Duty) -> bool:
    return duty.offers and duty.driver not in state.offline
