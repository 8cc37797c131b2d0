"""What operators say of drivers; the region's leader decides it."""

from typing import Annotated

from litestar import Router, get, put
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter, QueryParameter
from litestar.response import Response
from msgspec import Meta, Struct

from gateway.http.queries import Check
from gateway.http.requests import (
    BEARER,
    REFUSED,
    SignedIn,
    operators_only,
    signed_in,
    uuid_or_none,
)
from gateway.http.routes.rooms import Desk
from gateway.problems import Refused, data_of, decided, specs
from runtime.questions import Questions
from schemas import scopes, subjects
from schemas.accounts import (
    PAGE_DEFAULT,
    PAGE_MAX,
    FindNames,
    FindUser,
    Whereabouts,
)
from schemas.codec import CodecError, decode
from schemas.commands import Answer, DriverNow, FindDrivers, TagDriver, TagsData
from schemas.explanations import Driver
from schemas.forms import TAG
from schemas.refusals import Code
from schemas.trips import Latitude, Longitude, Position, Role

TAGS_MAX = 16
"""Twice what a trip may need."""

_WHEREABOUTS = subjects.accounts("whereabouts")
_NAMES = subjects.history("names")
_ASKED = (*REFUSED, Code.RATE_LIMITED, Code.OVERLOADED, Code.UNAVAILABLE)
DriverId = Annotated[str, PathParameter(description="the driver's id, a UUID")]


class DriverTold(Struct):
    """A driver now; `state` is `free`, `offered`, `busy`, `stale` or `offline`."""

    driver: Driver
    state: str
    position: Position | None
    position_age_s: int | None
    trip: str | None
    tags: tuple[str, ...]


class TagsBody(Struct):
    """What a driver has."""

    tags: Annotated[list[Annotated[str, Meta(pattern=TAG)]], Meta(max_length=TAGS_MAX)]


def _place(text: str) -> Position:
    """Raises Refused: it is none."""
    try:
        # Numbers as bodies have them: Python's would be 1_0, ٣ and nan as well.
        lat, lon = decode(f"[{text}]".encode(), tuple[Latitude, Longitude])
    except (CodecError, UnicodeEncodeError):
        message = "near: give degrees as lat,lon"
        raise Refused(Code.INVALID_DATA, message) from None
    return Position(lat, lon)


@put(
    "/api/drivers/{user_id:str}/tags",
    needs=scopes.DRIVERS,
    response_description="what the driver has now",
    responses=specs(
        Code.BAD_FRAME,
        Code.INVALID_DATA,
        Code.WRONG_ROLE,
        *_ASKED,
        bad_frame=413,
        invalid_data=404,
    ),
    guards=[operators_only],
)
async def tag(
    request: SignedIn,
    user_id: DriverId,
    data: JSONBody[TagsBody],
    asker: NamedDependency[Questions],
    desk: NamedDependency[Desk],
) -> Response[TagsData]:
    """Say what a driver has, at once and all of it: trips with `needs` are offered to
    those who have them. 404: no such driver.
    """
    found = await _known(asker, user_id)
    more = {"driver": found.id, "tags": tuple(data.tags)}
    answer = await desk.decide(request.auth, found.region, TagDriver, **more)
    body = decided(answer)
    return Response(body, media_type="application/json")  # type: ignore[arg-type]


@get(
    "/api/drivers",
    needs=scopes.SEE_DRIVERS,
    response_description="drivers, nearest first",
    responses=specs(Code.INVALID_DATA, Code.WRONG_ROLE, *_ASKED),
    guards=[operators_only],
)
async def drivers(
    request: SignedIn,
    asker: NamedDependency[Questions],
    desk: NamedDependency[Desk],
    near: Annotated[
        str | None,
        QueryParameter(description="`lat,lon`: the nearest to it first"),
        Check(_place),
    ] = None,
    limit: Annotated[
        int, QueryParameter(ge=1, le=PAGE_MAX, description="drivers at most")
    ] = PAGE_DEFAULT,
) -> Response[list[DriverTold]]:
    """How those are who are online or on a trip."""
    place = None if near is None else _place(near)
    region = request.auth.region
    answer = await desk.decide(
        request.auth, region, FindDrivers, near=place, limit=limit
    )
    return Response(await _told(asker, answer))


@get(
    "/api/drivers/{user_id:str}",
    needs=scopes.SEE_DRIVERS,
    response_description="how the driver is",
    responses=specs(Code.WRONG_ROLE, *_ASKED, invalid_data=404),
    guards=[operators_only],
)
async def driver(
    request: SignedIn,
    user_id: DriverId,
    asker: NamedDependency[Questions],
    desk: NamedDependency[Desk],
) -> Response[DriverTold]:
    """How a driver is, online or not. 404: no such driver."""
    found = await _known(asker, user_id)
    answer = await desk.decide(request.auth, found.region, FindDrivers, driver=found.id)
    (one,) = await _told(asker, answer)
    return Response(one)


async def _told(asker: Questions, answer: Answer) -> list[DriverTold]:
    rows = decode(decided(answer), list[DriverNow])
    names: dict[str, str] = {}
    if rows:
        question = FindNames([one.driver for one in rows])
        names = decode(data_of(await asker.ask(_NAMES, question)), dict[str, str])
    return [
        DriverTold(
            Driver(one.driver, names.get(one.driver, "")),
            one.state,
            one.position,
            one.position_age_s,
            one.trip,
            one.tags,
        )
        for one in rows
    ]


async def _known(asker: Questions, user_id: str) -> Whereabouts:
    """Raises Refused: no driver has that id."""
    known = uuid_or_none(user_id)
    if known is None:
        raise _nobody()
    found = decode(data_of(await asker.ask(_WHEREABOUTS, FindUser(known))), Whereabouts)
    if found.id != known or found.user is None or found.user.role is not Role.DRIVER:
        raise _nobody()
    return found


def _nobody() -> Refused:
    return Refused(Code.INVALID_DATA, "there is no such driver", 404)


def routes() -> Router:
    return Router(
        "/",
        route_handlers=[drivers, driver, tag],
        guards=[signed_in],
        security=BEARER,
        tags=["drivers"],
    )
