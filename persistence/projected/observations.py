"""What leaders saw of their matching, as rows of `matches` and `track`. Pure.

Nothing rests on them: what can't be read, or comes again, is passed over.
"""

from collections.abc import Collection, Iterable
from typing import Any

from msgspec import Raw, Struct

from persistence.projected import erasing
from schemas import codec, subjects
from schemas.observations import VERSION, Crumb, Observations, Round


class Seen(Struct, frozen=True):
    """Of one message or several."""

    rounds: list[tuple[str, Round]] = []
    """(ledger, round)."""
    crumbs: list[Crumb] = []

    def people(self) -> set[str]:
        """Whose places these may tell."""
        found = {one.driver for _, seen in self.rounds for one in seen.ranked}
        found |= {one.driver for _, seen in self.rounds for one in seen.others}
        found |= {seen.rider for _, seen in self.rounds}
        for crumb in self.crumbs:
            found |= {crumb.rider, crumb.driver}
        return found

    def without(self, erased: Collection[str]) -> "Seen":
        """What may be written."""
        if not erased:
            return self
        rounds = [
            (ledger, _without(seen, erased))
            for ledger, seen in self.rounds
            if seen.rider not in erased
        ]
        crumbs = [
            one for one in self.crumbs if not {one.rider, one.driver} & set(erased)
        ]
        return Seen(rounds, crumbs)


class _Head(Struct, frozen=True):
    v: int
    ledger: str
    rounds: list[Raw] = []
    crumbs: list[Raw] = []


class NewerError(ValueError):
    """Of a version that this code doesn't know."""


def read(payload: bytes) -> tuple[Seen, int]:
    """What a message holds, and how much of it can't be read.

    Raises:
        NewerError: it isn't for us.
    """
    try:
        head = codec.decode(payload, _Head)
    except codec.CodecError:
        return Seen(), 1
    if head.v > VERSION:
        raise NewerError(f"observations of version {head.v}, this code reads {VERSION}")
    if not subjects.is_token(head.ledger):
        return Seen(), 1
    seen, bad = Seen([], []), 0
    try:
        whole = codec.decode(payload, Observations)
        rounds, crumbs = whole.rounds, whole.crumbs
    except codec.CodecError:
        rounds, bad_rounds = _each(head.rounds, Round)
        crumbs, bad_crumbs = _each(head.crumbs, Crumb)
        bad = bad_rounds + bad_crumbs
    good = [one for one in rounds if subjects.is_token(one.trip)]
    seen.rounds.extend((head.ledger, one) for one in good)
    seen.crumbs.extend(
        one
        for one in crumbs
        if subjects.is_token(one.trip) and subjects.is_token(one.driver)
    )
    left = len(rounds) + len(crumbs) - len(seen.rounds) - len(seen.crumbs)
    return seen, bad + left


def _each(items: list[Raw], kind: type[Any]) -> tuple[list[Any], int]:
    found, bad = [], 0
    for item in items:
        try:
            found.append(codec.decode(item, kind))
        except codec.CodecError:
            bad += 1
    return found, bad


def _without(seen: Round, erased: Collection[str]) -> Round:
    left = erasing.round_of(codec.encode(seen).decode(), erased)
    return codec.decode(left.encode(), Round)


def match_values(rounds: Iterable[tuple[str, Round]]) -> list[dict[str, Any]]:
    """Rows of `matches`, sorted by key, so that no two transactions wait for each other
    in a ring; so are those of `track`.
    """
    rows = [
        {
            "ledger": ledger,
            "seq": seen.seq,
            "trip_id": seen.trip,
            "at_ms": seen.at_ms,
            "data": codec.encode(seen).decode(),
        }
        for ledger, seen in rounds
    ]
    return sorted(rows, key=lambda row: (row["ledger"], row["seq"], row["trip_id"]))


def track_values(crumbs: Iterable[Crumb]) -> list[dict[str, Any]]:
    """Rows of `track`."""
    rows = [
        {
            "trip_id": one.trip,
            "at_ms": one.at_ms,
            "driver_id": one.driver,
            "lat": one.lat,
            "lon": one.lon,
        }
        for one in crumbs
    ]
    return sorted(rows, key=lambda row: (row["trip_id"], row["at_ms"]))
