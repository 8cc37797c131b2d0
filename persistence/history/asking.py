"""The statements that trips are read with, each made once: SQLAlchemy takes longer to
make one than a database to answer it (docs/BENCHMARKS.md). Pure.
"""

from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    String,
    bindparam,
    false,
    select,
    true,
    tuple_,
)

from persistence.models import TripEventRow, TripRow
from schemas.trips import Role

_LIMIT = bindparam("limit", type_=Integer)

FILTERS = {
    "status": TripRow.status,
    "rider": TripRow.rider_id,
    "driver": TripRow.driver_id,
    "reference": TripRow.reference,
}
"""What may be given of a page of trips, and the column that must be that."""
PLACE = TripRow.created_at_ms, TripRow.id
"""By which trips are in order."""

TRIP = select(
    TripRow.rider_id,
    TripRow.driver_id,
    TripRow.status,
    TripRow.region,
    TripRow.data,
).where(TripRow.id == bindparam("trip"))

_event = TripEventRow
_after = bindparam("version", type_=BigInteger), bindparam("seq", type_=BigInteger)
EVENTS = (
    select(_event.seq, _event.type, _event.version, _event.at_ms, _event.data)
    .where(_event.trip_id == bindparam("trip"))
    # Two of one version: what a lost ledger had come after all.
    .order_by(_event.version, _event.seq)
    .where(
        _event.version >= _after[0],  # how the index is entered
        tuple_(_event.version, _event.seq) > tuple_(*_after),
    )
    .limit(_LIMIT)
)
"""A trip's audit after (version, seq)."""


def _own(role: Role) -> ColumnElement[bool]:
    if role is Role.OPERATOR:
        return true()
    mine = TripRow.driver_id if role is Role.DRIVER else TripRow.rider_id
    return mine == bindparam("user")


@cache
def place(role: Role) -> Select[int, str]:
    """Where a `trip` of `user` stands in the order."""
    return select(*PLACE).where(TripRow.id == bindparam("trip"), _own(role))


@cache
def page(role: Role, given: frozenset[str]) -> Select[Any]:
    """A page of the trips of `user`, newest first, by what is given: of FILTERS, and
    PLACE's columns, behind which it begins.
    """
    made = select(TripRow.data).where(_own(role))
    for name, column in FILTERS.items():
        if name in given:
            made = made.where(column == bindparam(name))
    if "reference" in given and role is Role.DRIVER:
        made = made.where(false())
    if "id" in given:
        at = bindparam("created_at_ms", type_=BigInteger), bindparam("id", type_=String)
        made = made.where(tuple_(*PLACE) < tuple_(*at))
    return made.order_by(*(column.desc() for column in PLACE)).limit(_LIMIT)
