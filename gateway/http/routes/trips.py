"""Trips as the database has them (`history.…`); it may lag the live state by moments.

Who may see a trip is persistence's to say.
"""

from collections.abc import AsyncIterator
from typing import Annotated, Any, TypeVar, cast

from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter
from litestar.response import Response, Stream
from msgspec import Struct
from msgspec.structs import replace

from gateway.http.answers import passed_on
from gateway.http.requests import (
    BEARER,
    REFUSED,
    SignedIn,
    operators_only,
    signed_in,
    uuid_or_none,
)
from gateway.http.routes import moves
from gateway.problems import Refused, data_of, specs
from runtime.questions import Questions
from schemas import scopes, subjects
from schemas.accounts import (
    PAGE_DEFAULT,
    PAGE_MAX,
    AuditRow,
    ExplainTrip,
    GetTripRow,
    ListTrack,
    ListTripEvents,
    ListTrips,
    Place,
    Result,
)
from schemas.codec import decode
from schemas.explanations import Explanation
from schemas.forms import UUID
from schemas.refusals import Code
from schemas.times import from_rfc3339
from schemas.trips import Status, Trip

T = TypeVar("T")

_ASKED = (*REFUSED, Code.OVERLOADED, Code.UNAVAILABLE)
_ONE = (Code.NOT_A_PARTICIPANT, Code.TRIP_NOT_FOUND, *_ASKED)

_LIST = subjects.history("trips")
_TRIP = subjects.history("trip")
_EVENTS = subjects.history("trip_events")
_MATCHING = subjects.history("matching")
_TRACK = subjects.history("track")

TripId = Annotated[str, PathParameter(description="the trip's id, a UUID")]


@get(
    "/api/trips",
    needs=scopes.SEE_TRIPS,
    response_description="trips, newest first",
    responses=specs(Code.INVALID_DATA, *_ASKED),
)
async def trips(
    request: SignedIn,
    asker: NamedDependency[Questions],
    *,
    status: Annotated[
        Status | None, QueryParameter(description="only trips of this status")
    ] = None,
    limit: Annotated[
        int, QueryParameter(ge=1, le=PAGE_MAX, description="trips at most")
    ] = PAGE_DEFAULT,
    before: Annotated[
        str | None,
        QueryParameter(
            pattern=UUID, description="a trip's id: only trips older than it"
        ),
    ] = None,
    reference: Annotated[
        str | None,
        QueryParameter(
            max_length=64, description="only trips asked for with it; not for drivers"
        ),
    ] = None,
    rider: Annotated[
        str | None,
        QueryParameter(pattern=UUID, description="a user's id: only trips they ride"),
    ] = None,
    driver: Annotated[
        str | None,
        QueryParameter(pattern=UUID, description="a user's id: only trips they drive"),
    ] = None,
) -> Response[list[Trip]]:
    """Own trips, newest first; operators see all."""
    who = request.auth
    question = ListTrips(
        who.sub,
        who.role,
        status,
        limit,
        _known(before),
        who.region,
        rider=_known(rider),
        driver=_known(driver),
        reference=reference,
    )
    return passed_on(data_of(await asker.ask(_LIST, question)))


@get(
    "/api/trips/{trip_id:str}",
    needs=scopes.SEE_TRIPS,
    response_description="the trip",
    responses=specs(*_ONE),
)
async def trip(
    request: SignedIn, trip_id: TripId, asker: NamedDependency[Questions]
) -> Response[Trip]:
    """One trip, to its rider and driver and to operators."""
    who = request.auth
    question = GetTripRow(who.sub, who.role, _id(trip_id), who.region)
    return passed_on(data_of(await asker.ask(_TRIP, question)))


@get(
    "/api/trips/{trip_id:str}/events",
    needs=scopes.SEE_TRIPS,
    response_description="events, oldest first; `data` is the trip as it was then",
    responses=specs(*_ONE),
)
async def trip_events(
    request: SignedIn, trip_id: TripId, asker: NamedDependency[Questions]
) -> Response[list[AuditRow]]:
    """All that happened to a trip, oldest first."""
    who = request.auth
    question = ListTripEvents(who.sub, who.role, _id(trip_id), who.region)
    first = await asker.ask(_EVENTS, question)
    if not first.more:
        return passed_on(data_of(first))
    rows: Any = Stream(_pages(asker, question, first), media_type="application/json")
    return cast("Response[list[AuditRow]]", rows)


class _Place(Struct):
    """Where a row stands in its trip's trail."""

    version: int
    seq: int


async def _pages(
    asker: Questions, question: ListTripEvents, page: Result
) -> AsyncIterator[bytes]:
    """A long trail as one array, page after page, so that no gateway holds it whole.
    One that breaks off ends the connection within the body: it doesn't look whole.
    """
    rows = data_of(page)
    yield rows[:-1]
    while page.more:
        last = decode(rows, list[_Place])[-1]
        question = replace(question, after_version=last.version, after_seq=last.seq)
        page = await asker.ask(_EVENTS, question)
        rows = data_of(page)
        if rows != b"[]":
            yield b"," + rows[1:-1]
    yield b"]"


@get(
    "/api/trips/{trip_id:str}/matching",
    needs=scopes.SEE_TRIPS,
    response_description="offers and rounds, oldest first",
    responses=specs(Code.INVALID_DATA, Code.WRONG_ROLE, Code.TRIP_NOT_FOUND, *_ASKED),
    guards=[operators_only],
)
async def matching(
    request: SignedIn,
    trip_id: TripId,
    asker: NamedDependency[Questions],
    driver: Annotated[
        str | None,
        QueryParameter(
            pattern=UUID, description="a user's id: what was of them in each round"
        ),
    ] = None,
) -> Response[Explanation]:
    """Why these drivers were asked, and others weren't; for operators."""
    question = ExplainTrip(_id(trip_id), _known(driver), request.auth.region)
    return passed_on(data_of(await asker.ask(_MATCHING, question)))


@get(
    "/api/trips/{trip_id:str}/track",
    needs=scopes.SEE_TRIPS,
    response_description="places, oldest first",
    responses=specs(*_ONE),
)
async def track(
    request: SignedIn, trip_id: TripId, asker: NamedDependency[Questions]
) -> Response[list[Place]]:
    """Where the driver was while the trip was active: one each 5 s or 50 m; to its
    rider and driver and to operators.
    """
    who = request.auth
    question = ListTrack(who.sub, who.role, _id(trip_id), who.region)
    first = await asker.ask(_TRACK, question)
    if not first.more:
        return passed_on(data_of(first))
    places: Any = Stream(
        _track_pages(asker, question, first), media_type="application/json"
    )
    return cast("Response[list[Place]]", places)


async def _track_pages(
    asker: Questions, question: ListTrack, page: Result
) -> AsyncIterator[bytes]:
    """As `_pages`."""
    rows = data_of(page)
    yield rows[:-1]
    while page.more:
        last = decode(rows, list[Place])[-1]
        question = replace(question, after_ms=from_rfc3339(last.at))
        page = await asker.ask(_TRACK, question)
        rows = data_of(page)
        if rows != b"[]":
            yield b"," + rows[1:-1]
    yield b"]"


def _known(text: str | None) -> str | None:
    """The id that a parameter names, as it is stored; None: it isn't given."""
    return None if text is None else uuid_or_none(text)


def _id(text: str) -> str:
    known = uuid_or_none(text)
    if known is None:
        raise Refused(Code.TRIP_NOT_FOUND, "no trip's id looks like that")
    return known


def routes() -> Router:
    return Router(
        "/",
        route_handlers=[
            trips,
            trip,
            trip_events,
            matching,
            track,
            *moves.handlers(),
        ],
        guards=[signed_in],
        security=BEARER,
        tags=["trips"],
    )
