"""Whether some order of the commands explains what clients saw.

Linearizability after Wing and Gong (1993), key by key: each trip with its transition
table, each rider and each driver with their one active trip. A call whose answer never
came, or was `unavailable`, may have happened or not. Pure; knows PROTOCOL.md only, not
the dispatcher's tables. Events' order is cabrank/invariants.py's.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import Any

from msgspec import Struct

from cabrank.invariants import Violation
from cabrank.linear import NEVER, Op, TooManyStates, explains
from schemas.trips import DRIVING, TERMINAL, Role, Status, Trip

S = Status
_BEFORE_PICK_UP = frozenset({S.STARTED, S.ARRIVED})
_BEFORE_RIDE = _BEFORE_PICK_UP | {S.REQUESTED}
MOVES: dict[str, tuple[Status, dict[Role, frozenset[Status]]]] = {
    "trip.accept": (S.STARTED, {Role.DRIVER: frozenset({S.REQUESTED})}),
    "trip.arrive": (S.ARRIVED, {Role.DRIVER: frozenset({S.STARTED})}),
    "trip.begin": (S.IN_PROGRESS, {Role.DRIVER: _BEFORE_PICK_UP}),
    "trip.complete": (
        S.COMPLETED,
        {
            Role.DRIVER: frozenset({S.IN_PROGRESS}),
            Role.OPERATOR: frozenset({S.IN_PROGRESS}),
        },
    ),
    "trip.release": (S.REQUESTED, {Role.DRIVER: _BEFORE_PICK_UP}),
    "trip.cancel": (
        S.CANCELLED,
        {
            Role.RIDER: _BEFORE_RIDE,
            Role.DRIVER: _BEFORE_PICK_UP,
            Role.OPERATOR: _BEFORE_RIDE,
        },
    ),
}
"""PROTOCOL.md sections 1 and 2: where a command leads, who may give it, from where."""
UNDECIDED = frozenset({"overloaded", "rate_limited"})
"""Refusals that say that nothing happened and nothing about the trip."""


class Call(Struct, eq=False):
    """One command of a client; times are any one clock's. `answer` or `code` is set
    once it was answered; neither: nobody knows what became of it.
    """

    user: str
    role: Role
    kind: str
    trip: str | None
    key: str | None
    start: float
    end: float = NEVER
    answer: Trip | None = None
    code: str | None = None

    def __str__(self) -> str:
        end = "…" if self.end == NEVER else f"{self.end:.4f}"
        what = self.code or "unknown"
        if self.answer is not None:
            what = f"{self.answer.status.value} version {self.answer.version}"
        return (
            f"[{self.start:.4f}, {end}] {self.kind} by {self.user} of "
            f"{self.trip or self.key or 'no key'}: {what}"
        )


class _State(Struct, frozen=True):
    """A trip, as far as commands depend on it."""

    version: int
    status: Status
    rider: str
    driver: str | None
    last: str
    by: str
    key: str | None


class History:
    """Feed it every call, and every sight of a trip with when it was first had."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._facts: dict[str, dict[int, tuple[Trip, float]]] = {}

    # ---- what clients did and saw --------------------------------------------

    def add(self, call: Call) -> None:
        self.calls.append(call)

    def answered(self, call: Call, trip: Trip, now: float) -> None:
        call.answer, call.end = trip, now
        self.saw(trip, now)

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
        for trip in self._facts:
            self._judge(f"trip {trip}", self._trip(trip), found)
        for user in {call.user: call for call in self.calls}:
            self._judge(f"user {user}", self._user(user), found)
        self._count_requests(found)
        return found

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
            return
        name = what.partition(" ")[2]
        calls = [
            str(call)
            for call in self.calls
            if name in {call.trip, call.user, call.answer and call.answer.id}
        ]
        text = "; ".join(calls)
        found.append(Violation("some order explains it", f"{what}: {text}"))

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
            lost = [call for call in self.calls if call.user == rider and _may_be(call)]
            requests = [call for call in lost if call.kind == "trip.request"]
            if count > len(requests):
                text = (
                    f"{count} trips of {rider} were answered to nobody, "
                    f"{len(requests)} requests of theirs have no answer"
                )
                found.append(Violation("one request makes one trip", text))

    # ---- a trip --------------------------------------------------------------

    def _trip(self, trip: str) -> tuple[list[Op], Hashable, Callable[[Any], bool]]:
        facts = self._facts[trip]
        ops = []
        for call in self.calls:
            if call.code in UNDECIDED:
                continue
            if call.kind == "trip.request":
                steps = self._requesting(call, trip)
            elif call.trip == trip and (call.kind in MOVES or call.kind == "trip.get"):
                steps = self._moving(call, trip)
            else:
                steps = None
            if steps is not None:
                ops.append(self._op(call, steps))
        for version, (fact, at) in facts.items():
            if fact.status is S.EXPIRED:
                ops.append(Op(0, at, _expiring(version)))
        newest = max(facts)

        def is_final(state: _State | None) -> bool:
            return state is not None and state.version == newest

        return ops, None, is_final

    def _op(self, call: Call, steps: Callable[[Any], Iterable[Hashable]]) -> Op:
        end = call.end
        if call.answer is not None:
            end = min(end, self._facts[call.answer.id][call.answer.version][1])
            end = max(end, call.start)
        return Op(call.start, end, steps, may_be_lost=_may_be(call))

    def _fits(self, trip: str, state: _State, call: Call) -> bool:
        """Whether a new state is one that was seen, and not before the call."""
        fact, at = self._facts[trip].get(state.version, (None, NEVER))
        return (
            fact is not None
            and fact.status is state.status
            and (fact.driver.id if fact.driver else None) == state.driver
            and call.start <= at
        )

    def _requesting(
        self, call: Call, trip: str
    ) -> Callable[[_State | None], Iterable[_State]] | None:
        answer = call.answer
        if call.code is not None or (answer is not None and answer.id != trip):
            return None
        made = next(iter(self._facts[trip].values()))[0]
        if made.rider.id != call.user:
            return None

        def steps(state: _State | None) -> Iterable[_State]:
            if state is None:
                first = _State(1, S.REQUESTED, call.user, None, "", "", call.key)
                fits = answer is None or answer.version == 1
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
    ) -> Callable[[_State | None], Iterable[_State]]:
        def steps(state: _State | None) -> Iterable[_State]:
            if state is None:
                return
            for code, after in _outcomes(call, state):
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
        """At most one active trip, and `…_busy` only while there is one."""
        ops = [
            Op(call.start, call.end, _busy)
            for call in self.calls
            if call.user == user and call.code in {"rider_busy", "driver_busy"}
        ]
        for trip, facts in self._facts.items():
            was = False
            for version in sorted(facts):
                fact, at = facts[version]
                now = _occupies(fact, user)
                if now != was:
                    step = _begins(trip) if now else _ends(trip)
                    start, end = self._when(trip, version, at)
                    ops.append(Op(start, end, step))
                was = now
        return ops, None, lambda _: True

    def _when(self, trip: str, version: int, seen: float) -> tuple[float, float]:
        """Between which times a version came to be."""
        starts, end = [], seen
        status = self._facts[trip][version][0].status
        for call in self.calls:
            answer = call.answer
            made = answer is not None and (answer.id, answer.version) == (trip, version)
            if made:
                end = min(end, call.end)
            if call.kind == "trip.request":
                causes = version == 1 and (made or _may_be(call))
            else:
                leads = call.kind in MOVES and MOVES[call.kind][0] is status
                causes = leads and call.trip == trip and (made or _may_be(call))
            if causes:
                starts.append(call.start)
        start = min(starts, default=0.0)
        return start, max(start, end)


def _may_be(call: Call) -> bool:
    return call.answer is None and call.code is None


def _outcomes(call: Call, state: _State) -> Iterable[tuple[str | None, _State]]:
    """(refusal or None, state after) of a command about a trip that there is."""
    user, role = call.user, call.role
    takes_part = {
        Role.RIDER: state.rider == user,
        Role.DRIVER: state.driver == user,
        Role.OPERATOR: True,
    }[role]
    if call.kind == "trip.get":
        yield (None if takes_part else "not_a_participant"), state
        return
    to, may = MOVES[call.kind]
    accepts = call.kind == "trip.accept"
    if role not in may:
        yield "wrong_role", state
    elif not accepts and not takes_part:
        yield "not_a_participant", state
    elif (state.last, state.by) == (call.kind, user):
        yield None, state
    elif state.status not in may[role]:
        if state.last == call.kind and state.status in TERMINAL:
            # Who ended a trip is forgotten when it goes into history.
            yield None, state
        if not accepts:
            yield "wrong_status", state
        else:
            taken = state.status in DRIVING
            yield ("trip_already_taken" if taken else "trip_not_open"), state
    else:
        if accepts:
            yield "driver_busy", state
        driver = user if accepts else state.driver
        if call.kind == "trip.release":
            driver = None
        yield (
            None,
            _State(
                state.version + 1, to, state.rider, driver, call.kind, user, state.key
            ),
        )


def _expiring(version: int) -> Callable[[_State | None], Iterable[_State]]:
    def steps(state: _State | None) -> Iterable[_State]:
        if state is None or state.status is not S.REQUESTED:
            return
        if state.version + 1 == version:
            yield _State(version, S.EXPIRED, state.rider, None, "", "", state.key)

    return steps


def _occupies(trip: Trip, user: str) -> bool:
    if trip.rider.id == user:
        return trip.status not in TERMINAL
    is_driver = trip.driver is not None and trip.driver.id == user
    return is_driver and trip.status in DRIVING


def _busy(active: str | None) -> Iterable[str | None]:
    if active is not None:
        yield active


def _begins(trip: str) -> Callable[[str | None], Iterable[str | None]]:
    def steps(active: str | None) -> Iterable[str | None]:
        if active is None:
            yield trip

    return steps


def _ends(trip: str) -> Callable[[str | None], Iterable[str | None]]:
    def steps(active: str | None) -> Iterable[str | None]:
        if active == trip:
            yield None

    return steps
