"""PROTOCOL.md as a machine that does one command at a time: what a call may lead to.

Pure; knows the contract only, not the dispatcher's tables.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from cabrank.trial.oracle.linear import NEVER
from schemas.trips import DRIVING, TERMINAL, OpenTrip, Role, Status, Trip

S = Status
LOOKS = frozenset({"trip.get", "trip.decline"})
"""Commands that change nothing, and whose answers say how a trip is."""
_BEFORE_PICK_UP = frozenset({S.STARTED, S.ARRIVED})
_BEFORE_RIDE = _BEFORE_PICK_UP | {S.REQUESTED, S.SCHEDULED}
MOVES: dict[str, tuple[Status, dict[Role, frozenset[Status]]]] = {
    "trip.accept": (S.STARTED, {Role.DRIVER: frozenset({S.REQUESTED})}),
    "trip.assign": (S.STARTED, {Role.OPERATOR: frozenset({S.REQUESTED})}),
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
    answer: Trip | OpenTrip | None = None
    code: str | None = None
    offer: str | None = None
    """Which one it names, of an accept or a decline."""
    driver: str | None = None
    """Whom it names, of an assignment."""
    says: Mapping[str, Any] | None = None
    """What a request books, or a reschedule changes, as trips have it."""

    def __str__(self) -> str:
        end = "…" if self.end == NEVER else f"{self.end:.4f}"
        what = self.code or "unknown"
        if self.answer is not None:
            what = f"{self.answer.status.value} version {self.answer.version}"
        return (
            f"[{self.start:.4f}, {end}] {self.kind} by {self.user} of "
            f"{self.trip or self.key or 'no key'}: {what}"
        )


CHANGES = (
    *("pick_up_at", "pick_up_address", "drop_off_address"),
    *("pick_up", "drop_off", "note"),
)
"""PROTOCOL.md section 2, `trip.reschedule`."""


def terms_of(trip: Trip) -> tuple[Any, ...]:
    return tuple(getattr(trip, name) for name in CHANGES)


class State(Struct, frozen=True):
    """A trip, as far as commands depend on it."""

    version: int
    status: Status
    rider: str
    driver: str | None
    last: str
    by: str
    key: str | None
    terms: Hashable = ()
    """What a reschedule may change (`terms_of`)."""


def outcomes(
    call: Call, state: State, *, is_matched: bool = False
) -> Iterable[tuple[str | None, State]]:
    """(refusal or None, state after) of a command about a trip that there is.
    `is_matched`: it was, at some time; what offers then allow is
    cabrank/trial/oracle/asking.py's to judge.
    """
    user, role = call.user, call.role
    takes_part = {
        Role.RIDER: state.rider == user,
        Role.DRIVER: state.driver == user,
        Role.OPERATOR: True,
    }[role]
    if call.kind == "trip.get":
        yield (None if takes_part else "not_a_participant"), state
        return
    if call.kind == "trip.decline":
        if role is not Role.DRIVER:
            yield "wrong_role", state
        else:
            is_open = state.status is S.REQUESTED
            if is_open or is_matched:
                yield None, state
            if not is_open or is_matched:
                yield "wrong_status", state
        return
    if call.kind == "trip.reschedule":
        yield from _rescheduling(call, state, takes_part=takes_part)
        return
    to, may = MOVES[call.kind]
    accepts = call.kind == "trip.accept"
    comes = accepts or call.kind == "trip.assign"
    if role not in may:
        yield "wrong_role", state
    elif not comes and not takes_part:
        yield "not_a_participant", state
    elif (state.last, state.by) == (call.kind, user) and (
        call.driver in {None, state.driver}
    ):
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
        if comes:
            yield "driver_busy", state
        if accepts and is_matched:
            yield "offer_expired", state
            yield "trip_not_open", state
        driver = (call.driver or user) if comes else state.driver
        if call.kind == "trip.release":
            driver = None
        yield (
            None,
            replace(
                state,
                version=state.version + 1,
                status=to,
                driver=driver,
                last=call.kind,
                by=user,
            ),
        )


def _rescheduling(
    call: Call, state: State, *, takes_part: bool
) -> Iterable[tuple[str | None, State]]:
    """It may open at once: two versions."""
    if call.role is Role.DRIVER:
        yield "wrong_role", state
        return
    if not takes_part:
        yield "not_a_participant", state
        return
    had: Any = state.terms
    said = zip(CHANGES, had, strict=True)
    terms = tuple((call.says or {}).get(name, old) for name, old in said)
    is_last = (state.last, state.by) == (call.kind, call.user)
    if terms == state.terms and (
        state.status is S.SCHEDULED or (state.status is S.REQUESTED and is_last)
    ):
        yield None, state
    elif state.status is not S.SCHEDULED:
        yield "wrong_status", state
    else:
        for more, status in ((1, S.SCHEDULED), (2, S.REQUESTED)):
            after = replace(state, version=state.version + more, status=status)
            yield None, replace(after, last=call.kind, by=call.user, terms=terms)


def opening(version: int) -> Callable[[State | None], Iterable[State]]:
    """A booked trip, by itself."""

    def steps(state: State | None) -> Iterable[State]:
        if state is None or state.status is not S.SCHEDULED:
            return
        if state.version + 1 == version:
            yield replace(state, version=version, status=S.REQUESTED, last="", by="")

    return steps


def expiring(version: int) -> Callable[[State | None], Iterable[State]]:
    def steps(state: State | None) -> Iterable[State]:
        if state is None or state.status not in {S.REQUESTED, S.SCHEDULED}:
            return
        if state.version + 1 == version:
            yield replace(state, version=version, status=S.EXPIRED, last="", by="")

    return steps


def occupies(trip: Trip, user: str) -> bool:
    if trip.rider.id == user:
        return trip.status not in TERMINAL and trip.status is not S.SCHEDULED
    is_driver = trip.driver is not None and trip.driver.id == user
    return is_driver and trip.status in DRIVING


def busy(active: str | None) -> Iterable[str | None]:
    if active is not None:
        yield active


def begins(trip: str) -> Callable[[str | None], Iterable[str | None]]:
    def steps(active: str | None) -> Iterable[str | None]:
        if active is None:
            yield trip

    return steps


def ends(trip: str) -> Callable[[str | None], Iterable[str | None]]:
    def steps(active: str | None) -> Iterable[str | None]:
        if active == trip:
            yield None

    return steps
