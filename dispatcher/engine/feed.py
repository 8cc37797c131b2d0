"""What all drivers of the region learn of an event."""

from collections.abc import Callable
from typing import Any, Literal

from dispatcher.engine.transitions import REQUESTED
from schemas.codec import Raw, encode
from schemas.events import Event, FeedEntry, MatchingEvent, TripEvent
from schemas.kinds import ByKind, by_fact
from schemas.trips import OpenTrip


def feed_entry(event: Event) -> FeedEntry | None:
    """The feed's entry of an event, None where it isn't on the feed.

    A trip that is up for grabs (again) is `trip.requested`, one that no longer is
    `trip.taken`; the event's own audience got the participant's frame and is left out.
    A trip that was matched is up for grabs from its `MatchingEvent` on.
    """
    return _ENTRIES[type(event)](event)


def _trip(event: TripEvent) -> FeedEntry | None:
    if not event.feed:
        return None
    trip = event.trip
    if trip.status is REQUESTED:
        return _entry(event, "trip.requested", OpenTrip.of(trip), event.audience)
    return _entry(event, "trip.taken", {"id": trip.id}, event.audience)


def _matching(event: MatchingEvent) -> FeedEntry | None:
    if not event.feed:
        return None
    return _entry(event, "trip.requested", event.trip, event.exclude)


def _not_told(_: Event) -> None: ...


def _entry(
    event: TripEvent | MatchingEvent,
    kind: Literal["trip.requested", "trip.taken"],
    data: Any,
    exclude: tuple[str, ...],
) -> FeedEntry:
    return FeedEntry(
        event.feed,
        event.seq,
        kind,
        exclude,
        Raw(encode(data)),
        event.at_ms,
        event.traceparent,
    )


_HANDLERS: ByKind[Callable[[Any], FeedEntry | None]] = ByKind(
    trip=_trip,
    driver=_not_told,
    offer=_not_told,
    offer_ended=_not_told,
    matching=_matching,
    message=_not_told,
    member=_not_told,
)
_ENTRIES = by_fact(_HANDLERS)
