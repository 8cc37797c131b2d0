"""All that is stored about one user, as JSON."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import msgspec
from msgspec import Raw
from sqlalchemy import RowMapping, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from persistence import audit_log
from persistence.database import reading
from persistence.history import retention
from persistence.models import (
    AuditRow,
    DeviceRow,
    DispatchEventRow,
    MessageRow,
    OutsideUserRow,
    RefreshTokenRow,
    ServiceKeyRow,
    TrackRow,
    TripEventRow,
    TripRow,
    UserRow,
)
from schemas.codec import encode
from schemas.seen import trip_json_as
from schemas.times import rfc3339
from schemas.trips import Role

SECRET = frozenset({"password_hash", "current_hash", "previous_hash", "key_hash"})
"""Columns that are about the user, and for nobody's eyes."""

FETCHED = 100
"""Rows at once, of up to 12 KB each."""

Write = Callable[[bytes], object]
Tell = Callable[[RowMapping], dict[str, Any]]
"""A row as it is shown."""


async def export(engine: AsyncEngine, user: str, write: Write) -> None:
    """Write a JSON document about the user with that id, row by row: years have made as
    many as they like.

    Trips and events as their participants see them, instants in RFC 3339, oldest
    first. `kept_since`: by table, before when rows may have been let go of
    (persistence/history/retention.py).
    """
    async with reading(engine) as connection:
        document = _Document(connection, write)
        person = select(UserRow.__table__).where(UserRow.id == user)
        account = (await connection.execute(person)).mappings().one()
        dropped = await connection.run_sync(retention.dropped)
        since = {what: rfc3339(at_ms) for what, at_ms in dropped.items()}
        document.value("user", _row(account))
        document.value("kept_since", since)
        document.value("has_password", account["password_hash"] is not None)
        await document.rows("trips", *_trips(user))
        for what, asked in _lists(user):
            await document.rows(what, (asked, _row))
        document.end()


def _trips(user: str) -> Iterator[tuple[Any, Tell]]:
    """As they see them: a user drives trips, or rides in them."""
    asked = select(TripRow.id, TripRow.data).order_by(TripRow.created_at_ms)
    yield asked.where(TripRow.rider_id == user), partial(_trip, Role.RIDER)
    yield asked.where(TripRow.driver_id == user), partial(_trip, Role.DRIVER)


def _lists(user: str) -> Iterator[tuple[str, Any]]:
    """By name, what their rows are found by."""
    for what, table, theirs in (
        ("outside", OutsideUserRow, OutsideUserRow.user_id),
        ("service_keys", ServiceKeyRow, ServiceKeyRow.user_id),
        ("sessions", RefreshTokenRow, RefreshTokenRow.user_id),
    ):
        yield what, select(table.__table__).where(theirs == user)
    yield "devices", select(DeviceRow.seen_at_ms).where(DeviceRow.user_id == user)
    event, found, place = TripEventRow, DispatchEventRow, TrackRow
    acts = select(event.trip_id, event.type, event.at_ms, event.reason)
    yield "acts", acts.where(event.by == user).order_by(event.at_ms)
    done = select(found.what, found.at_ms, found.trip_id, found.offer_id)
    done = done.add_columns(found.data.label("said"))
    yield "dispatch", done.where(found.driver_id == user).order_by(found.at_ms)
    places = select(place.trip_id, place.at_ms, place.lat, place.lon)
    ridden = select(TripRow.id).where(TripRow.rider_id == user)
    # Each by its own index, which an OR would be too vague for.
    driven = places.where(place.driver_id == user)
    seen = driven.union(places.where(place.trip_id.in_(ridden)))
    yield "track", seen.order_by("at_ms")
    said = MessageRow
    texts = select(said.room, said.id, said.text, said.sent_at_ms)
    mine = texts.where(said.sender_id == user)
    yield "messages", mine.order_by(said.sent_at_ms)
    noted = select(AuditRow.__table__).where(audit_log.about(user))
    yield "audit", noted.order_by(AuditRow.at_ms)


class _Document:
    """A JSON object, indented, as it is written."""

    def __init__(self, connection: AsyncConnection, write: Write) -> None:
        self._connection = connection
        self._write = write
        self._before = b"{\n  "

    def value(self, name: str, value: object) -> None:
        self._begin(name)
        self._write(_indented(value, 2))

    async def rows(self, name: str, *asked: tuple[Any, Tell]) -> None:
        """A list of what is found, one after the other."""
        self._begin(name)
        before = b"[\n    "
        for one, told in asked:
            few = one.execution_options(yield_per=FETCHED)
            async for row in (await self._connection.stream(few)).mappings():
                self._write(before + _indented(told(row), 4))
                before = b",\n    "
        self._write(b"[]" if before.startswith(b"[") else b"\n  ]")

    def _begin(self, name: str) -> None:
        self._write(self._before + encode(name) + b": ")
        self._before = b",\n  "

    def end(self) -> None:
        self._write(b"\n}\n")


def _indented(value: object, columns: int) -> bytes:
    """Its lines but the first begin behind so many columns."""
    text = msgspec.json.format(encode(value), indent=2)
    return text.replace(b"\n", b"\n" + b" " * columns)


def _trip(role: Role, row: RowMapping) -> dict[str, Any]:
    return {"id": row["id"], "trip": Raw(trip_json_as(role, row["data"].encode()))}


def _row(row: RowMapping) -> dict[str, Any]:
    return dict(_told(*item) for item in row.items() if item[0] not in SECRET)


def _told(name: str, value: Any) -> tuple[str, Any]:
    if name.endswith("_ms"):
        return name.removesuffix("_ms"), None if value is None else rfc3339(value)
    if name == "said":
        return name, None if value is None else Raw(value.encode())
    return name, value
