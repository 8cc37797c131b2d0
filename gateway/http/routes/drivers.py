"""What operators say of drivers; the region's leader decides it."""

from typing import Annotated

from litestar import Router, put
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter
from litestar.response import Response
from msgspec import Meta, Struct

from gateway.http.requests import (
    BEARER,
    REFUSED,
    SignedIn,
    operators_only,
    signed_in,
    uuid_or_none,
)
from gateway.http.routes.rooms import Desk
from gateway.problems import Refused, data_of, specs
from runtime.questions import Questions
from schemas import subjects
from schemas.accounts import FindUser, Whereabouts
from schemas.codec import decode
from schemas.commands import TagDriver, TagsData
from schemas.forms import TAG
from schemas.refusals import Code
from schemas.trips import Role

TAGS_MAX = 16
"""Twice what a trip may need."""

_WHEREABOUTS = subjects.accounts("whereabouts")


class TagsBody(Struct):
    """What a driver has."""

    tags: Annotated[list[Annotated[str, Meta(pattern=TAG)]], Meta(max_length=TAGS_MAX)]


@put(
    "/api/drivers/{user_id:str}/tags",
    response_description="what the driver has now",
    responses=specs(
        Code.BAD_FRAME,
        Code.INVALID_DATA,
        *REFUSED,
        Code.WRONG_ROLE,
        Code.RATE_LIMITED,
        Code.OVERLOADED,
        Code.UNAVAILABLE,
        bad_frame=413,
        invalid_data=404,
    ),
    guards=[operators_only],
)
async def tag(
    request: SignedIn,
    user_id: Annotated[str, PathParameter(description="the driver's id, a UUID")],
    data: JSONBody[TagsBody],
    asker: NamedDependency[Questions],
    desk: NamedDependency[Desk],
) -> Response[TagsData]:
    """Say what a driver has, at once and all of it: trips with `needs` are offered to
    those who have them. 404: no such driver.
    """
    known = uuid_or_none(user_id)
    if known is None:
        raise _nobody()
    found = decode(data_of(await asker.ask(_WHEREABOUTS, FindUser(known))), Whereabouts)
    if found.id != known or found.user is None or found.user.role is not Role.DRIVER:
        raise _nobody()
    more = {"driver": found.id, "tags": tuple(data.tags)}
    answer = await desk.decide(request.auth, found.region, TagDriver, **more)
    if answer.refused is not None:
        raise Refused.of(answer.refused)
    body = bytes(answer.data or b"null")
    return Response(body, media_type="application/json")  # type: ignore[arg-type]


def _nobody() -> Refused:
    return Refused(Code.INVALID_DATA, "there is no such driver", 404)


def routes() -> Router:
    return Router(
        "/",
        route_handlers=[tag],
        guards=[signed_in],
        security=BEARER,
        tags=["drivers"],
    )
