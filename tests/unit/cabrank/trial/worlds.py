"""Trips as clients see them, made up for tests."""

from msgspec import Raw
from msgspec.structs import replace

from cabrank.trial.oracle.invariants import Checker
from schemas.accounts import AuditRow
from schemas.codec import encode
from schemas.trips import Person, Status, Trip

RIDER = Person("rider", "ann", "Ann", "Lee")
DRIVER = Person("driver", "bob", "Bob", "Ray")
OTHER = Person("other", "cyd", "Cyd", "Fox")

LIFE = [
    (Status.REQUESTED, None),
    (Status.STARTED, DRIVER),
    (Status.IN_PROGRESS, DRIVER),
    (Status.COMPLETED, DRIVER),
]
KINDS = {
    Status.REQUESTED: "trip.requested",
    Status.STARTED: "trip.started",
    Status.ARRIVED: "trip.arrived",
    Status.IN_PROGRESS: "trip.in_progress",
    Status.COMPLETED: "trip.completed",
    Status.CANCELLED: "trip.cancelled",
    Status.EXPIRED: "trip.expired",
}


def trip(
    version: int,
    status: Status,
    driver: Person | None = None,
    *,
    trip_id: str = "t1",
    rider: Person = RIDER,
) -> Trip:
    at = f"2026-11-21T10:00:{version:02d}.000Z"
    return Trip(
        trip_id, "main", status, version, "A", "B", None, None, rider, driver, at, at
    )


def life(trip_id: str = "t1", rider: Person = RIDER) -> list[Trip]:
    """A whole trip, version by version."""
    return [
        trip(number, status, driver, trip_id=trip_id, rider=rider)
        for number, (status, driver) in enumerate(LIFE, 1)
    ]


def kind_of(seen: Trip) -> str:
    if seen.status is Status.REQUESTED and seen.version > 1:
        return "trip.released"
    return KINDS[seen.status]


def rows(trips: list[Trip], first_seq: int = 101) -> list[AuditRow]:
    return [
        AuditRow(seq, kind_of(t), t.version, t.updated, Raw(encode(t)))
        for seq, t in enumerate(trips, first_seq)
    ]


def welcome(
    checker: Checker, user: Person, session: str | None = None, seq: int = 100
) -> None:
    checker.welcome(user.id, session or user.id, seq, [], recovered=False)


def show(checker: Checker, user: Person, trips: list[Trip], first_seq: int) -> None:
    """Every event to the session named like its user; the feed's frame where the
    driver isn't the trip's.
    """
    for seq, seen in enumerate(trips, first_seq):
        if user.id in seen.participants():
            checker.event(user.id, seq, kind_of(seen), seen)
        else:
            checker.feed(user.id, seq, kind_of(seen), seen.id)


def played(trips: list[Trip] | None = None) -> Checker:
    """Rider and driver saw all of one trip, each move was answered."""
    checker = Checker()
    trips = trips or life()
    for user in (RIDER, DRIVER):
        welcome(checker, user)
        show(checker, user, trips, 101)
    asked = [(RIDER, "trip.request"), (DRIVER, "trip.accept")]
    asked += [(DRIVER, "trip.begin"), (DRIVER, "trip.complete")]
    for (user, command), seen in zip(asked, trips, strict=False):
        checker.answer(user.id, command, seen)
    return checker


def broken(checker: Checker, *, history: bool = False) -> set[str]:
    """The rules that do not hold."""
    found = checker.finish(history_expected=history)
    return {violation.rule for violation in found}


def another_driver(seen: Trip, driver: Person = OTHER) -> Trip:
    return replace(seen, driver=driver)
