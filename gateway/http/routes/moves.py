"""Trips made and moved: each asks for what a client's frame asks for, by the same rules
(gateway/session/client_frames.py), and a region's leader decides it.
"""

import time
from collections.abc import Callable
from types import GenericAlias
from typing import Annotated, Any

from litestar import patch, post
from litestar.datastructures import ResponseHeader
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.handlers import HTTPRouteHandler
from litestar.params import BodyKwarg, HeaderParameter, JSONBody, PathParameter
from litestar.response import Response
from msgspec import Meta, Struct, ValidationError, convert, defstruct
from msgspec.structs import asdict, fields

from gateway.http.answers import passed_on
from gateway.http.requests import REFUSED, SignedIn, uuid_or_none
from gateway.http.routes.rooms import Desk
from gateway.problems import Refused, data_of, decided, specs
from gateway.session import client_frames
from gateway.session.client_frames import Asking
from runtime.questions import Questions
from schemas import subjects
from schemas.accounts import FindUser, Whereabouts
from schemas.claims import Claims
from schemas.codec import decode
from schemas.commands import AnyCommand
from schemas.frame_types import BY_TYPE
from schemas.frames import Key, RequestTripData
from schemas.refusals import Code, Refusal
from schemas.trips import Role, Trip, User

REQUEST = "trip.request"
KEY = "Idempotency-Key"

_WHEREABOUTS = subjects.accounts("whereabouts")
_BODY = (Code.BAD_FRAME, Code.INVALID_DATA)
_ASKED = (*REFUSED, Code.OVERLOADED, Code.UNAVAILABLE)
_ONE = (
    *_BODY,
    Code.WRONG_ROLE,
    Code.NOT_A_PARTICIPANT,
    Code.TRIP_NOT_FOUND,
    Code.WRONG_STATUS,
    *_ASKED,
)

TripId = Annotated[str, PathParameter(description="the trip's id, a UUID")]


class RequestTripBody(RequestTripData):
    """What a trip is to be. `rider`: operators say whose, a user's id."""

    rider: Annotated[str, Meta(min_length=1, max_length=64)] | None = None


@post(
    "/api/trips",
    needs=BY_TYPE[REQUEST].needs,
    status_code=201,
    response_description="the trip; the same key again: the same trip, as it is now",
    responses=specs(*_BODY, Code.WRONG_ROLE, Code.RIDER_BUSY, *_ASKED, bad_frame=413),
    response_headers=[
        ResponseHeader(
            name="Location", description="the trip's path", documentation_only=True
        )
    ],
)
async def request_trip(
    request: SignedIn,
    data: JSONBody[RequestTripBody],
    asker: NamedDependency[Questions],
    desk: NamedDependency[Desk],
    idempotency_key: Annotated[  # noqa: ARG001 - for the document; read below
        str | None,
        HeaderParameter(
            name=KEY,
            description="1 to 64 characters; in the body as well, it is the same",
        ),
    ] = None,
) -> Response[Trip]:
    """Ask for a driver: riders for themselves, operators for a rider.

    503 `unavailable`: the outcome is unknown; asking again with the same key is safe.
    The key and the limits are those of who asks.
    """
    who = request.auth
    sent = request.headers.getall(KEY.lower(), [])
    data.idempotency_key = _one_key(sent, data.idempotency_key)
    if who.role is Role.DRIVER or _is_anothers(who, data.rider):
        unfit = client_frames.unfit(data, time.time_ns() // 1_000_000)
        why = client_frames.wrong_role(who.role, REQUEST)
        if who.role is Role.RIDER:
            why = Refusal(Code.WRONG_ROLE, "rider: only operators ask for others")
        raise Refused.of(unfit or why)
    rider = await _rider(asker, who, data.rider)

    def command(ask: Asking) -> client_frames.Request:
        return client_frames.request_trip(data, ask, rider)

    body = await _decide(desk, who, command)
    headers = {"Location": f"/api/trips/{decode(body, _Made).id}"}
    return passed_on(body, 201, headers)


class _Made(Struct):
    id: str


def _one_key(sent: list[str], said: str | None) -> str | None:
    """The key that headers and body agree on; None: there is none.

    Raises:
        Refused: they don't, or it is none.
    """
    keys = {_utf_8(each) for each in sent} | ({said} - {None})
    if len(keys) > 1:
        raise Refused(Code.INVALID_DATA, f"{KEY}: another one is given beside it")
    for key in keys:
        try:
            return convert(key, Key)
        except ValidationError:
            text = f"{KEY}: it has {len(key or '')} characters, not 1 to 64"
            raise Refused(Code.INVALID_DATA, text) from None
    return None


def _utf_8(value: str) -> str:
    """A header's value, which came as Latin-1, as it was meant where that is UTF-8."""
    try:
        return value.encode("latin-1").decode()
    except ValueError:
        return value


def _is_anothers(who: Claims, rider: str | None) -> bool:
    """Whether a rider asks for somebody else."""
    named = rider is not None and uuid_or_none(rider) != who.sub
    return who.role is Role.RIDER and named


async def _rider(asker: Questions, who: Claims, rider: str | None) -> User | None:
    """Whom an operator names; None: who asks.

    Raises:
        Refused: an operator names nobody, or no rider of the region.
    """
    if who.role is Role.RIDER:
        return None
    if rider is None:
        raise Refused(Code.INVALID_DATA, "rider: say for whom, by their user id")
    known = uuid_or_none(rider)
    if known is not None:
        result = await asker.ask(_WHEREABOUTS, FindUser(known))
        refused = result.refused
        if refused is None or refused.code is not Code.INVALID_DATA:
            found = decode(data_of(result), Whereabouts)
            is_here = (found.id, found.region) == (known, who.region)
            user = found.user if is_here else None
            if user is not None and user.role is Role.RIDER:
                return user
    raise Refused(Code.INVALID_DATA, "rider: there is no such rider")


class Move(Struct, frozen=True):
    """A route that does what a frame does, to the trip in its path."""

    verb: str
    refusals: tuple[Code, ...] = ()
    """Besides those that all of them may give."""
    by: Any = post
    path: str = "/{verb}"
    """Below the trip's."""

    @property
    def frame(self) -> str:
        return f"trip.{self.verb}"


MOVES = (
    Move(
        "accept",
        (
            Code.TRIP_ALREADY_TAKEN,
            Code.TRIP_NOT_OPEN,
            Code.OFFER_EXPIRED,
            Code.DRIVER_BUSY,
        ),
    ),
    Move("decline", (Code.TRIP_NOT_OPEN, Code.OFFER_EXPIRED)),
    Move("arrive"),
    Move("begin"),
    Move("complete"),
    Move("release"),
    Move("cancel"),
    Move("assign", (Code.DRIVER_BUSY,)),
    Move("reschedule", by=patch, path=""),
)


def body_of(frame: str) -> Any:
    """The shape of a frame's `data` without the trip's id, which the path has."""
    shape = BY_TYPE[frame].data
    named = [
        (each.name, each.type)
        if each.required
        else (each.name, each.type, each.default)
        for each in fields(shape)
        if each.name != "id"
    ]
    name = shape.__name__.removesuffix("Data").replace("TripId", "MoveTrip")
    body = defstruct(f"{name}Body", named)
    body.__doc__ = f"What `{frame}` takes beside the trip's id."
    return body


_BODIES: dict[Any, Any] = {}
"""By the shape of the frame's data: frames that share one share the other."""


def _route(move: Move) -> HTTPRouteHandler:
    frame = BY_TYPE[move.frame]
    shape = frame.data
    if shape not in _BODIES:
        _BODIES[shape] = body_of(move.frame)

    async def handler(
        request: SignedIn,
        trip_id: TripId,
        data: Any,
        desk: NamedDependency[Desk],
    ) -> Any:
        whole = shape(id=trip_id, **asdict(data))

        def command(ask: Asking) -> client_frames.Request:
            return client_frames.request_of(move.frame, whole, ask)

        return passed_on(await _decide(desk, request.auth, command))

    handler.__name__ = f"{move.verb}_trip"
    handler.__doc__ = frame.summary
    handler.__annotations__ |= {
        "data": Annotated[
            _BODIES[shape], BodyKwarg(media_type=RequestEncodingType.JSON)
        ],
        "return": GenericAlias(Response, frame.answer),
    }
    route = move.by(
        "/api/trips/{trip_id:str}" + move.path.format(verb=move.verb),
        status_code=200,
        response_description="the trip",
        needs=frame.needs,
        responses=specs(*_ONE, *move.refusals, bad_frame=413),
    )
    return route(handler)  # type: ignore[no-any-return]


async def _decide(
    desk: Desk, who: Claims, command: Callable[[Asking], client_frames.Request]
) -> bytes:
    """The JSON of what the region's leader says.

    Raises:
        Refused: it, or the frame's rules, refuse.
    """

    def asked(**envelope: Any) -> AnyCommand:
        made: Any = command(Asking(**envelope, now_ms=time.time_ns() // 1_000_000))
        if isinstance(made, Refusal):
            raise Refused.of(made)
        return made  # type: ignore[no-any-return]

    return decided(await desk.decide(who, who.region, asked))


def handlers() -> list[HTTPRouteHandler]:
    """For the router of trips: a path's methods are one router's."""
    return [request_trip, *map(_route, MOVES)]
