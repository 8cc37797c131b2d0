"""Who was shown what, and who should have been: the end of
cabrank/trial/oracle/invariants.py.

Pure. Audiences are PROTOCOL.md section 2's, read from the trips themselves. What all
drivers are told of is read from them as well where no trip is matched; else a ledger
says it.
"""

from array import array
from collections.abc import Iterator, Mapping

from msgspec import Struct, field

from cabrank.trial.oracle.hunts import Told
from schemas.trips import Status, Trip


class Fact(Struct):
    """What is known of one version of one trip. `seq`: None until an event told it."""

    trip: Trip
    seq: int | None = None


Facts = dict[str, dict[int, Fact]]
"""By trip and version."""


class Seen(Struct):
    """One user's knowledge over all sessions."""

    versions: dict[str, int] = {}
    """The last version of each trip that frames led up to without a gap."""
    shown: dict[str, set[int]] = {}
    """Versions of each trip that came as events."""
    told_to: dict[str, int] = {}
    """The highest version of each trip that was shown instead of events."""
    complete_to: int = -1
    """State as of this seq was told as a whole (`recovered` false)."""
    feed: "array[int]" = field(default_factory=lambda: array("q"))
    """Numbers of what came about others' trips."""
    listed_to: int | None = None
    """A driver's list of open trips is of this seq; None: there is no such list, or
    they were offline for a time, in which they are told nothing."""
    rested: bool = False


def audience(versions: dict[int, Fact], version: int) -> set[str]:
    """Rider, driver before and driver after."""
    users = set(versions[version].trip.participants())
    if version - 1 in versions:
        users |= set(versions[version - 1].trip.participants())
    return users


def unseen(facts: Facts, by_user: dict[str, Seen]) -> Iterator[str]:
    """Versions that a participant was not shown, as sentences."""
    for trip, versions in facts.items():
        for version, fact in versions.items():
            for user in audience(versions, version):
                seen = by_user.get(user)
                if seen is not None and not _has_seen(seen, fact):
                    yield (
                        f"user {user} was not shown trip {trip} version {version}, "
                        f"{fact.trip.status.value}"
                    )


def _has_seen(seen: Seen, fact: Fact) -> bool:
    trip, version = fact.trip.id, fact.trip.version
    return (
        version in seen.shown.get(trip, ())
        or version <= seen.told_to.get(trip, 0)
        or (fact.seq is not None and fact.seq <= seen.complete_to)
    )


def all_told(facts: Facts) -> dict[int, Told]:
    """By seq, where no trip is matched."""
    return {
        fact.seq: Told(trip, frozenset(audience(versions, version)))
        for trip, versions in facts.items()
        for version, fact in versions.items()
        if fact.seq is not None and _is_for_drivers(versions, version)
    }


def unfed(told: Mapping[int, Told], by_user: dict[str, Seen]) -> Iterator[str]:
    """What drivers were not told of others' trips: up for grabs, and no longer."""
    for user, seen in by_user.items():
        listed_to = seen.listed_to
        if listed_to is None:
            continue
        for seq in {seq for seq in told if seq > listed_to}.difference(seen.feed):
            if user not in told[seq].exclude:
                yield f"driver {user} was not told {seq}, of trip {told[seq].trip}"


def overheard(told: Mapping[int, Told], by_user: dict[str, Seen]) -> Iterator[str]:
    """What drivers heard of others' trips that wasn't for them."""
    for user, seen in by_user.items():
        for seq in seen.feed:
            about = told.get(seq)
            if about is None or user in about.exclude:
                yield f"driver {user} was told {seq}, which isn't for them"


def _is_for_drivers(versions: dict[int, Fact], version: int) -> bool:
    if versions[version].trip.status is Status.REQUESTED:
        return True
    before = versions.get(version - 1)
    return before is not None and before.trip.status is Status.REQUESTED
