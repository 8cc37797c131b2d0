"""A phone desk's script: books a trip for each row of a CSV file.

    CABRANK_KEY=… python book.py --url https://cab.example monday.csv

The columns are `reference` (the desk's own number of the order, 1 to 64 characters,
one a row), `rider` (a user's id), `pick_up_address` and `drop_off_address`; and, where
there are such, `pick_up_at` (RFC 3339, with a time zone) and `note` (to the driver).
The key is a service account's with the scope `trips`, or an operator's token.

It may be run again, whole, at any time: the reference is the idempotency key, so a row
that was booked is answered with its trip, whether or not the answer came the first
time; and what was booked more than a day ago is found by its reference. A row that
can't be booked is told by its line, and the others are. Exit status: 0 all are booked,
1 some aren't, 2 nothing was tried.
"""

import argparse
import csv
import os
import sys
from pathlib import Path

from cabrank_client import (
    CabrankError,
    HttpClient,
    NotAuthenticated,
    Refused,
    Trip,
    Unavailable,
)

NEEDED = ("reference", "rider", "pick_up_address", "drop_off_address")
MORE = ("pick_up_at", "note")
MANY = "more"


class WrongFileError(Exception):
    """It can't be read as what it should be."""


class WrongRowError(Exception):
    """It can't be booked as it is."""


def rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Each row, and its line's number: all are read before any is booked. Cells that
    no column names are told by the name `MANY`.
    """
    found = []
    try:
        # Spreadsheets begin a file with a byte order mark.
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restkey=MANY, restval="", strict=True)
            while reader.fieldnames == []:  # empty lines before the first
                reader.fieldnames = None
            named = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = named
            if missing := [name for name in NEEDED if name not in named]:
                has = f"; its first line is {','.join(named)[:80]!r}" if named else ""
                raise WrongFileError(f"{path} has no column {', '.join(missing)}{has}")
            if twice := {name for name in named if named.count(name) > 1}:
                raise WrongFileError(f"{path} has twice {', '.join(sorted(twice))}")
            for row in reader:
                cells = {name: str(cell).strip() for name, cell in row.items()}
                if any(cells.values()):  # spreadsheets leave lines of commas
                    found.append((reader.line_num, cells))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise WrongFileError(f"{path} can't be read: {error}") from error
    return found


def book(desk: HttpClient, row: dict[str, str], is_second: bool) -> Trip:
    """The row's trip: made now, or when it was booked before."""
    if is_second:
        # It would be answered with the first one's trip.
        raise WrongRowError("another row before has the same reference")
    if MANY in row:
        # An address with a comma and no quotes would be booked in part.
        raise WrongRowError("it has more cells than there are columns")
    if empty := [name for name in NEEDED if not row[name]]:
        raise WrongRowError(f"{', '.join(empty)}: nothing is there")
    reference = row["reference"]
    # Keys are remembered for a day; what is older is known by its reference.
    for trip in desk.trips(reference=reference, rider=row["rider"]):
        if trip.get("reference") == reference:
            return trip
    return desk.request_trip(
        row["pick_up_address"],
        row["drop_off_address"],
        rider=row["rider"],
        reference=reference,
        idempotency_key=reference,
        pick_up_at=row.get("pick_up_at") or None,
        note=row.get("note") or None,
    )


def book_all(desk: HttpClient, path: Path) -> int:
    """How many rows are not booked; says what became of each."""
    failed = 0
    seen: dict[str, int] = {}
    """By reference: its first line."""
    for line, row in rows(path):
        reference = row["reference"]
        try:
            trip = book(desk, row, seen.setdefault(reference, line) != line)
        except (NotAuthenticated, Unavailable) as error:
            print(f"{path}:{line}: {reference}: {error}", file=sys.stderr)
            print("Stopped here. Run it again, whole.", file=sys.stderr)
            return failed + 1
        except (WrongRowError, Refused) as error:
            failed += 1
            print(f"{path}:{line}: {reference}: {error}", file=sys.stderr)
        else:
            print(f"{reference} {trip['id']} {trip['status']}")
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(description="Book a trip for each row.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    said = parser.parse_args()
    key = os.environ.get("CABRANK_KEY")
    if not key:
        print("CABRANK_KEY is not set: a service account's key", file=sys.stderr)
        return 2
    try:
        with HttpClient(said.url, token=key) as desk:
            return 1 if book_all(desk, said.file) else 0
    except (WrongFileError, ValueError, CabrankError) as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
