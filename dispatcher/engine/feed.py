"""What all drivers of the region learn of an event."""

from collections.abc import Callable
from typing import Any, Literal

from schemas.codec import Raw, encode
from schemas.events import Event, FeedEntry, TripEvent
from schemas.kinds import ByKind, by_fact
from schemas.trips import OpenTrip, Status


def feed_entry(event: Event) -> FeedEntry | None:
    """The feed's entry of an event, None where it isn't on the feed.

    A trip that is up for grabs (again) is `trip.requested`, one that no longer is
    `trip.taken`; the event's own audience got the participant's frame and is left out.
    """
    return _ENTRIES[type(event)](event)


def _trip(event: TripEvent) -> FeedEntry | None:
    if not event.feed:
        return None
    trip = event.trip
    if trip.status is Status.REQUESTED:
        data = encode(OpenTrip.of(trip))
        return _entry(event, "trip.requested", data)
    return _entry(event, "trip.taken", encode({"id": trip.id}))


def _not_told(_: Event) -> None: ...


def _entry(
    event: TripEvent, kind: Literal["trip.requested", "trip.taken"], data: bytes
) -> FeedEntry:
    return FeedEntry(
        event.feed,
        event.seq,
        kind,
        event.audience,
        Raw(data),
        event.at_ms,
        event.traceparent,
    )


_HANDLERS: ByKind[Callable[[Any], FeedEntry | None]] = ByKind(
    trip=_trip, driver=_not_told, message=_not_told, member=_not_told
)
_ENTRIES = by_fact(_HANDLERS)
