"""Whether some order of the commands explains what clients saw.

Linearizability after Wing and Gong (1993), key by key: each trip with its transition
table, each rider and each driver with their one active trip. A call whose answer never
came, or was `unavailable`, may have happened or not. Pure. Events' order is
cabrank/trial/oracle/invariants.py's.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import Any

from msgspec import Struct

from cabrank.trial.oracle import sequential
from cabrank.trial.oracle.invariants import Violation
from cabrank.trial.oracle.linear import NEVER, Op, TooManyStates, explains
from cabrank.trial.oracle.sequential import LOOKS, MOVES, Call, State
from schemas.trips import OpenTrip, Status, Trip

__all__ = ["Call", "History"]

S = Status
ABOUT_TRIPS = {*MOVES, *LOOKS, "trip.reschedule"}
UNDECIDED = frozenset({"overloaded", "rate_limited", "invalid_data"})
"""Refusals that say that nothing happened and nothing about the trip."""


class _Index(Struct):
    """Calls by what they may have to do with; made once, for the verdict."""

    by_trip: dict[str, list[Call]] = {}
    """Calls that named it or were answered with it."""
    by_user: dict[str, list[Call]] = {}
    lost_requests: dict[str, list[Call]] = {}
    """A rider's requests that nobody knows the outcome of: of any trip of theirs."""
    trips_of: dict[str, list[str]] = {}


class History:
    """Feed it every call, and every sight of a trip with when it was first had.
    `users`: whose calls are fed (None: everybody's); a trip that anybody else took part
    in is not judged.
    """

    def __init__(self, users: frozenset[str] | None = None) -> None:
        self.calls: list[Call] = []
        self.users = users
        self.matched: frozenset[str] = frozenset()
        """Trips that were offered to one driver at a time, at some time."""
        self.undecided = 0
        """Searches of the last `check` that were given up."""
        self._facts: dict[str, dict[int, tuple[Trip, float]]] = {}
        self._index = _Index()

    # ---- what clients did and saw --------------------------------------------

    def add(self, call: Call) -> None:
        self.calls.append(call)

    def answered(self, call: Call, trip: Trip, now: float) -> None:
        call.answer, call.end = trip, now
        self.saw(trip, now)

    def declined(self, call: Call, trip: OpenTrip, now: float) -> None:
        """Answered with as much of the trip as other drivers may see."""
        call.answer, call.end = trip, now

    def refused(self, call: Call, code: str, now: float) -> None:
        if code != "unavailable":
            call.code, call.end = code, now

    def unknown(self, call: Call) -> None:
        """Its connection is lost, or its answer says nothing about a trip."""
        call.end = NEVER

    def saw(self, trip: Trip, now: float = NEVER) -> None:
        facts = self._facts.setdefault(trip.id, {})
        if trip.version not in facts or facts[trip.version][1] > now:
            facts[trip.version] = (trip, now)

    # ---- the verdict ---------------------------------------------------------

    def check(self) -> list[Violation]:
        """What no order explains. Facts must be complete: all audit rows were fed."""
        found: list[Violation] = []
        self._index = self._indexed()
        self.undecided = 0
        for trip in self._facts:
            if not self._has_strangers(trip):
                self._judge(f"trip {trip}", self._trip(trip), found)
        for user in self._index.by_user:
            self._judge(f"user {user}", self._user(user), found)
        self._count_requests(found)
        return found

    def _indexed(self) -> _Index:
        index = _Index()
        for call in self.calls:
            for user in dict.fromkeys((call.user, call.driver or call.user)):
                index.by_user.setdefault(user, []).append(call)
            about = {call.trip, call.answer.id if call.answer is not None else None}
            for trip in about - {None}:
                index.by_trip.setdefault(str(trip), []).append(call)
            if call.kind == "trip.request" and _may_be(call):
                index.lost_requests.setdefault(call.user, []).append(call)
        for trip, facts in self._facts.items():
            for user in _users_of(facts):
                index.trips_of.setdefault(user, []).append(trip)
        return index

    def _has_strangers(self, trip: str) -> bool:
        return self.users is not None and not _users_of(self._facts[trip]) <= self.users

    def _calls_about(self, trip: str) -> list[Call]:
        """Those that may have had a part in what became of it."""
        rider = next(iter(self._facts[trip].values()))[0].rider.id
        known = self._index.by_trip.get(trip, [])
        return known + self._index.lost_requests.get(rider, [])

    def _judge(
        self,
        what: str,
        case: tuple[list[Op], Hashable, Callable[[Any], bool]],
        found: list[Violation],
    ) -> None:
        try:
            if explains(*case):
                return
        except TooManyStates:
            self.undecided += 1
            return
        kind, _, name = what.partition(" ")
        calls = self._index.by_user if kind == "user" else self._index.by_trip
        text = "; ".join(map(str, calls.get(name, [])))
        found.append(
            Violation(
                "some order explains it",
                f"{what}: no order of the commands fits their times and explains all "
                f"answers: {text or 'nobody asked for what became of it'}",
            )
        )

    def _count_requests(self, found: list[Violation]) -> None:
        """One request makes one trip."""
        known = {call.answer.id for call in self.calls if call.answer is not None
                 and call.kind == "trip.request"}  # fmt: skip
        made: dict[str, int] = {}
        for trip, facts in self._facts.items():
            if trip not in known:
                rider = next(iter(facts.values()))[0].rider.id
                made[rider] = made.get(rider, 0) + 1
        for rider, count in made.items():
            requests = self._index.lost_requests.get(rider, [])
            if count > len(requests) and (self.users is None or rider in self.users):
                text = (
                    f"{count} trips of {rider} were answered to nobody, "
                    f"{len(requests)} requests of theirs have no answer"
                )
                found.append(Violation("one request makes one trip", text))

    # ---- a trip --------------------------------------------------------------

    def _trip(self, trip: str) -> tuple[list[Op], Hashable, Callable[[Any], bool]]:
        facts = self._facts[trip]
        ops = []
        for call in self._calls_about(trip):
            if call.code in UNDECIDED:
                continue
            if call.kind == "trip.request":
                steps = self._requesting(call, trip)
            elif call.trip == trip and call.kind in ABOUT_TRIPS:
                steps = self._moving(call, trip)
            else:
                steps = None
            if steps is not None:
                ops.append(self._op(call, steps))
        for version, (fact, at) in facts.items():
            if fact.status is S.EXPIRED:
                ops.append(Op(0, at, sequential.expiring(version)))
            elif self._is_opening(trip, version):
                # A reschedule may have done it instead.
                steps = sequential.opening(version)
                ops.append(Op(0, at, steps, may_be_lost=True))
        newest = max(facts)

        def is_final(state: State | None) -> bool:
            return state is not None and state.version == newest

        return ops, None, is_final

    def _op(self, call: Call, steps: Callable[[Any], Iterable[Hashable]]) -> Op:
        end = call.end
        if call.answer is not None:
            known = self._facts.get(call.answer.id, {}).get(call.answer.version)
            if known is not None:
                end = max(min(end, known[1]), call.start)
        return Op(call.start, end, steps, may_be_lost=_may_be(call))

    def _fits(self, trip: str, state: State, call: Call) -> bool:
        """Whether a new state is one that was seen, and not before the call."""
        fact, at = self._facts[trip].get(state.version, (None, NEVER))
        return (
            fact is not None
            and fact.status is state.status
            and (fact.driver.id if fact.driver else None) == state.driver
            and sequential.terms_of(fact) == state.terms
            and call.start <= at
        )

    def _requesting(
        self, call: Call, trip: str
    ) -> Callable[[State | None], Iterable[State]] | None:
        answer = call.answer
        if call.code is not None or (answer is not None and answer.id != trip):
            return None
        made = self._facts[trip].get(1, next(iter(self._facts[trip].values())))[0]
        status = S.SCHEDULED if made.status is S.SCHEDULED else S.REQUESTED
        if made.rider.id != call.user:
            return None

        def steps(state: State | None) -> Iterable[State]:
            if state is None:
                terms = sequential.terms_of(made)
                key = call.key
                first = State(1, status, call.user, None, "", "", key, terms)
                fits = answer is None or answer.version == 1
                fits = fits and made.pick_up_at == (call.says or {}).get("pick_up_at")
                if fits and self._fits(trip, first, call):
                    yield first
            elif (
                answer is not None
                and call.key is not None
                and (call.key, answer.version) == (state.key, state.version)
            ):
                yield state

        return steps

    def _moving(
        self, call: Call, trip: str
    ) -> Callable[[State | None], Iterable[State]]:
        def steps(state: State | None) -> Iterable[State]:
            if state is None:
                return
            outcomes = sequential.outcomes(call, state, is_matched=trip in self.matched)
            for code, after in outcomes:
                if code != call.code:
                    continue
                answer = call.answer
                if answer is not None and answer.version != after.version:
                    continue
                if after is state or self._fits(trip, after, call):
                    yield after

        return steps

    # ---- a user --------------------------------------------------------------

    def _user(self, user: str) -> tuple[list[Op], Hashable, Callable[[Any], bool]]:
        """At most one active trip, and `…busy` only while there is one."""
        ops = [
            Op(call.start, call.end, sequential.busy)
            for call in self._index.by_user[user]
            if call.code in {"rider_busy", "driver_busy"}
            and (call.driver or call.user) == user
            # What is booked may be one too many: cabrank/trial/oracle/booked.py.
            and not (call.says or {}).get("pick_up_at")
        ]
        for trip in self._index.trips_of.get(user, []):
            facts = self._facts[trip]
            was = False
            for version in sorted(facts):
                fact, at = facts[version]
                now = sequential.occupies(fact, user)
                if now != was:
                    step = sequential.begins(trip) if now else sequential.ends(trip)
                    start, end = self._when(trip, version, at)
                    ops.append(Op(start, end, step))
                was = now
        return ops, None, lambda _: True

    def _is_opening(self, trip: str, version: int) -> bool:
        facts = self._facts[trip]
        before = facts.get(version - 1)
        is_open = facts[version][0].status is S.REQUESTED
        return is_open and before is not None and before[0].status is S.SCHEDULED

    def _when(self, trip: str, version: int, seen: float) -> tuple[float, float]:
        """Between which times a version came to be."""
        starts, end = [], seen
        is_opening = self._is_opening(trip, version)
        status = self._facts[trip][version][0].status
        for call in self._calls_about(trip):
            answer = call.answer
            made = answer is not None and (answer.id, answer.version) == (trip, version)
            if made:
                end = min(end, call.end)
            if call.kind == "trip.request":
                causes = version == 1 and (made or _may_be(call))
            else:
                leads = call.kind in MOVES and MOVES[call.kind][0] is status
                causes = leads and call.trip == trip and (made or _may_be(call))
            if causes and not is_opening:
                starts.append(call.start)
        start = min(starts, default=0.0)
        return start, max(start, end)


def _may_be(call: Call) -> bool:
    return call.answer is None and call.code is None


def _users_of(facts: dict[int, tuple[Trip, float]]) -> frozenset[str]:
    return frozenset().union(*(trip.participants() for trip, _ in facts.values()))
