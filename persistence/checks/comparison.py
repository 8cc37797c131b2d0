"""What a ledger says against what the database holds. Pure.

Must not ask either: audit.py does, chunk by chunk, so that a ledger of any length fits
into memory.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal

from msgspec import Struct

from persistence.projected.projection import EventRow, trip_values

Key = tuple[str, int]
"""(ledger, seq): the key of `trip_events`, `messages` and `dead_letters`."""
Row = Mapping[str, Any]

Kind = Literal["missing", "extra", "different", "stale", "dead letter"]


class Difference(Struct, frozen=True):
    kind: Kind
    where: str
    """The table, or `ledger`."""
    what: str
    """Ids and, where they differ, columns."""

    def __str__(self) -> str:
        return f"{self.kind:<11} {self.where:<11} {self.what}"


def place(key: Key) -> str:
    return f"seq {key[1]} of ledger {key[0]}"


UNTOLD = {"trip_events": {"key"}}
"""Columns that an earlier version left empty (revision 0007), until its rows are gone;
so also one that runs beside ours, or that an upgrade is taken back to."""


def unequal(expected: Row, found: Row) -> list[str]:
    """The columns in which a row differs from what it should be."""
    return [name for name, value in expected.items() if found[name] != value]


def compare(
    table: str,
    expected: Mapping[Key, Row],
    found: Mapping[Key, Row],
    buried: Collection[Key],
) -> list[Difference]:
    """Both ways; `buried`: keys that lie in `dead_letters`."""
    differences = []
    for key, row in expected.items():
        there = found.get(key)
        if there is None:
            kind: Kind = "dead letter" if key in buried else "missing"
            differences.append(Difference(kind, table, place(key)))
        elif columns := _told(table, there, unequal(row, there)):
            what = f"{place(key)}: {', '.join(columns)}"
            differences.append(Difference("different", table, what))
    differences += [
        Difference("extra", table, place(key)) for key in found if key not in expected
    ]
    return differences


def _told(table: str, row: Row, columns: list[str]) -> list[str]:
    untold = UNTOLD.get(table, ())
    return [one for one in columns if row[one] is not None or one not in untold]


class Trips:
    """`trips` against one ledger's events, given in order. A row that is newer than an
    event must be met again by a later one, unless it is newer than all of them.
    """

    def __init__(self, last_seq: int) -> None:
        """`last_seq`: no event after it is compared."""
        self._last_seq = last_seq
        self._ahead: dict[str, int] = {}
        """Trip → version of a row whose event is still to come."""

    def check(
        self, newest: Iterable[EventRow], found: Mapping[str, Row]
    ) -> list[Difference]:
        """`newest`: each trip's newest event of a chunk; `found`: the trips' rows."""
        checked = (self._check(row, found.get(row.trip_id)) for row in newest)
        return [difference for difference in checked if difference is not None]

    def _check(self, row: EventRow, there: Row | None) -> Difference | None:
        self._ahead.pop(row.trip_id, None)
        name = f"trip {row.trip_id}"
        if there is None:
            return Difference("missing", "trips", f"{name}, version {row.version}")
        version = there["version"]
        if version < row.version:
            what = f"{name}: version {version}, the ledger has {row.version}"
            return Difference("stale", "trips", what)
        if version > row.version:
            if there["seq"] <= self._last_seq:
                self._ahead[row.trip_id] = version
            return None
        columns = unequal(trip_values(row), there)
        if columns:
            what = f"{name}: {', '.join(columns)}"
            return Difference("different", "trips", what)
        return None

    def rest(self) -> list[Difference]:
        """Rows of versions that the ledger should have had and has not."""
        return [
            Difference("different", "trips", f"trip {trip}: no event of {version=}")
            for trip, version in self._ahead.items()
        ]
