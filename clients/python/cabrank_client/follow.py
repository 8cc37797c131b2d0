"""One trip, from how it is to its end."""

from types import TracebackType
from typing import Self

from cabrank_client import commands
from cabrank_client.errors import WrongRole
from cabrank_client.session import Session
from cabrank_client.shapes import Event, Trip, TripEvent

TOLD = frozenset(
    f"trip.{name}"
    for name in (
        *("requested", "scheduled", "started", "arrived", "in_progress"),
        *("completed", "cancelled", "expired", "released", "snapshot"),
    )
)
"""What a trip's people are told of it, with the trip as data."""
ENDED = frozenset({"COMPLETED", "CANCELLED", "EXPIRED"})


class Follow:
    """An async iterator of `TripEvent`s, in the order of the trip's versions. Events
    are kept for it from when it was made; the first it gives is a `trip.snapshot`, the
    last one ends the trip, or is `trip.released` to the driver who gave it back.
    """

    def __init__(self, session: Session, trip: str) -> None:
        if session.user["role"] == "operator":
            raise WrongRole(
                "a trip's events go to its rider and driver; operators have webhooks"
            )
        self._session = session
        self._trip = trip
        self._version = 0
        self._is_known = False
        self._is_over = False
        self._events = session.subscribe(self._wants)

    def _wants(self, event: Event) -> bool:
        if event.type == "welcome":
            return True
        return event.type in TOLD and event.data.get("id") == self._trip

    def close(self) -> None:
        self._events.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> TripEvent:
        """Raises: NotAParticipant, TripNotFound, Closed, SlowReader."""
        if self._is_over:
            raise StopAsyncIteration
        while True:
            if not self._is_known:
                self._is_known = True
                trip = await self._session.ask(commands.get_trip(self._trip))
                event = Event("trip.snapshot", trip)
            else:
                event = await anext(self._events)
            if event.type == "welcome":
                # Where something is missing, the trip may have ended meanwhile.
                self._is_known = bool(event.data["recovered"])
            elif event.data["version"] > self._version:
                return self._took(event)

    def _took(self, event: Event) -> TripEvent:
        trip: Trip = event.data
        self._version = trip["version"]
        is_driver = self._session.user["role"] == "driver"
        given_back = is_driver and event.type == "trip.released"
        if trip["status"] in ENDED or given_back:
            self._is_over = True
            self.close()
        return TripEvent(event.type, trip, event.seq)
