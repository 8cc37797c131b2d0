"""Trips as the database has them (`history.…`); it may lag the live state by moments.

Who may see a trip is persistence's to say.
"""

from typing import Annotated, Any, TypeVar

from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter
from litestar.response import Response

from gateway.http.asker import Asker
from gateway.http.problems import Refused, data_of, specs
from gateway.http.requests import BEARER, SignedIn, signed_in, uuid_or_none
from schemas import subjects
from schemas.accounts import (
    PAGE_DEFAULT,
    PAGE_MAX,
    AuditRow,
    GetTripRow,
    ListTripEvents,
    ListTrips,
)
from schemas.refusals import Code
from schemas.trips import Status, Trip

T = TypeVar("T")

_ASKED = (Code.NOT_AUTHENTICATED, Code.OVERLOADED, Code.UNAVAILABLE)
_ONE = (Code.NOT_A_PARTICIPANT, Code.TRIP_NOT_FOUND, *_ASKED)

_LIST = subjects.history("trips")
_TRIP = subjects.history("trip")
_EVENTS = subjects.history("trip_events")

TripId = Annotated[str, PathParameter(description="the trip's id, a UUID")]


@get(
    "/api/trips",
    response_description="trips, newest first",
    responses=specs(Code.INVALID_DATA, *_ASKED),
)
async def trips(
    request: SignedIn,
    asker: NamedDependency[Asker],
    status: Annotated[
        Status | None, QueryParameter(description="only trips of this status")
    ] = None,
    limit: Annotated[
        int, QueryParameter(ge=1, le=PAGE_MAX, description="trips at most")
    ] = PAGE_DEFAULT,
    before: Annotated[
        str | None, QueryParameter(description="a trip's id: only trips older than it")
    ] = None,
) -> Response[list[Trip]]:
    """Own trips, newest first; operators see all."""
    if before is not None and (before := uuid_or_none(before)) is None:
        raise Refused(Code.INVALID_DATA, "before: no trip's id looks like that")
    who = request.auth
    question = ListTrips(who.sub, who.role, status, limit, before, who.region)
    return _json(data_of(await asker.ask(_LIST, question)))


@get(
    "/api/trips/{trip_id:str}",
    response_description="the trip",
    responses=specs(*_ONE),
)
async def trip(
    request: SignedIn, trip_id: TripId, asker: NamedDependency[Asker]
) -> Response[Trip]:
    """One trip, to its rider and driver and to operators."""
    who = request.auth
    question = GetTripRow(who.sub, who.role, _id(trip_id), who.region)
    return _json(data_of(await asker.ask(_TRIP, question)))


@get(
    "/api/trips/{trip_id:str}/events",
    response_description="events, oldest first; `data` is the trip as it was then",
    responses=specs(*_ONE),
)
async def trip_events(
    request: SignedIn, trip_id: TripId, asker: NamedDependency[Asker]
) -> Response[list[AuditRow]]:
    """All that happened to a trip, oldest first."""
    who = request.auth
    question = ListTripEvents(who.sub, who.role, _id(trip_id), who.region)
    return _json(data_of(await asker.ask(_EVENTS, question)))


def _id(text: str) -> str:
    known = uuid_or_none(text)
    if known is None:
        raise Refused(Code.TRIP_NOT_FOUND, "no trip's id looks like that")
    return known


def _json(data: bytes) -> Response[Any]:
    # The answer is passed on as it came. Litestar sends bytes as they are.
    return Response(data, media_type="application/json")


def routes() -> Router:
    return Router(
        "/",
        route_handlers=[trips, trip, trip_events],
        guards=[signed_in],
        security=BEARER,
        tags=["trips"],
    )
