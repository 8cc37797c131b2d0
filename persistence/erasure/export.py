"""All that is stored about one user, as plain data for JSON."""

from collections.abc import Iterator
from typing import Any

from msgspec import Raw
from sqlalchemy import ColumnElement, RowMapping, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from persistence import audit_log
from persistence.database import reading
from persistence.history import retention
from persistence.identity.users import find_id
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
from schemas.seen import trip_json_as
from schemas.times import rfc3339
from schemas.trips import Role

SECRET = frozenset({"password_hash", "current_hash", "previous_hash", "key_hash"})
"""Columns that are about the user, and for nobody's eyes."""


async def export(engine: AsyncEngine, name: str) -> dict[str, Any] | None:
    """Of the user with that id or username; None: there is none. Trips and events as
    their participants see them, instants in RFC 3339, oldest first. `kept_since`: by
    table, before when rows may have been let go of (persistence/history/retention.py).
    """
    user = await find_id(engine, name)
    if user is None:
        return None
    trip, event, message, audit = TripRow, TripEventRow, MessageRow, AuditRow
    found, place = DispatchEventRow, TrackRow
    places = select(place.trip_id, place.at_ms, place.lat, place.lon)
    ridden = select(trip.id).where(trip.rider_id == user)
    sessions = select(RefreshTokenRow.__table__).where(RefreshTokenRow.user_id == user)
    devices = select(DeviceRow.seen_at_ms).where(DeviceRow.user_id == user)
    outside = select(OutsideUserRow.__table__).where(OutsideUserRow.user_id == user)
    keys = select(ServiceKeyRow.__table__).where(ServiceKeyRow.user_id == user)
    async with reading(engine) as connection:
        person = select(UserRow.__table__).where(UserRow.id == user)
        (account,) = await _rows(connection, person)
        dropped = await connection.run_sync(retention.dropped)
        return {
            "user": account,
            "kept_since": {what: rfc3339(at_ms) for what, at_ms in dropped.items()},
            "has_password": await _has_password(connection, user),
            "outside": await _rows(connection, outside),
            "devices": await _rows(connection, devices),
            "service_keys": await _rows(connection, keys),
            "sessions": await _rows(connection, sessions),
            "trips": [
                *await _trips(connection, trip.rider_id == user, Role.RIDER),
                *await _trips(connection, trip.driver_id == user, Role.DRIVER),
            ],
            "acts": await _rows(
                connection,
                select(event.trip_id, event.type, event.at_ms, event.reason)
                .where(event.by == user)
                .order_by(event.at_ms),
            ),
            "dispatch": await _rows(
                connection,
                select(found.what, found.at_ms, found.trip_id, found.offer_id)
                .add_columns(found.data.label("said"))
                .where(found.driver_id == user)
                .order_by(found.at_ms),
            ),
            "track": await _rows(
                connection,
                # Each by its own index, which an OR would be too vague for.
                places.where(place.driver_id == user)
                .union(places.where(place.trip_id.in_(ridden)))
                .order_by("at_ms"),
            ),
            "messages": await _rows(
                connection,
                select(message.room, message.id, message.text, message.sent_at_ms)
                .where(message.sender_id == user)
                .order_by(message.sent_at_ms),
            ),
            "audit": await _rows(
                connection,
                select(AuditRow.__table__)
                .where(audit_log.about(user))
                .order_by(audit.at_ms),
            ),
        }


async def _trips(
    connection: AsyncConnection, theirs: ColumnElement[bool], role: Role
) -> list[dict[str, Any]]:
    """As they see them: a user drives trips, or rides in them."""
    asked = select(TripRow.id, TripRow.data).where(theirs)
    found = await connection.execute(asked.order_by(TripRow.created_at_ms))
    return [
        {"id": row.id, "trip": Raw(trip_json_as(role, row.data.encode()))}
        for row in found
    ]


async def _has_password(connection: AsyncConnection, user: str) -> bool:
    asked = select(UserRow.password_hash).where(UserRow.id == user)
    return (await connection.execute(asked)).scalar_one() is not None


async def _rows(connection: AsyncConnection, asked: Any) -> list[dict[str, Any]]:
    found = (await connection.execute(asked)).mappings()
    return [dict(_told(*item) for item in _public(row)) for row in found]


def _public(row: RowMapping) -> Iterator[tuple[str, Any]]:
    return ((name, value) for name, value in row.items() if name not in SECRET)


def _told(name: str, value: Any) -> tuple[str, Any]:
    if name.endswith("_ms"):
        return name.removesuffix("_ms"), None if value is None else rfc3339(value)
    if name == "said":
        return name, None if value is None else Raw(value.encode())
    return name, value
