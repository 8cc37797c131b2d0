"""Rooms' messages and notices, from the server side.

Messages go to the region's leader as a session's do; who may write and read is its, or
persistence's, to say. A room's name is checked here, before any of it reaches NATS.
"""

from typing import Annotated, Any, Protocol, runtime_checkable

from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter, QueryParameter
from litestar.response import Response
from msgspec import Struct

from gateway.http.answers import passed_on
from gateway.http.requests import (
    BEARER,
    REFUSED,
    SignedIn,
    address,
    operators_only,
    signed_in,
    uuid_or_none,
)
from gateway.problems import Refused, data_of, decided, specs
from runtime.questions import Questions
from schemas import rooms, scopes, subjects
from schemas.accounts import (
    PAGE_DEFAULT,
    PAGE_MAX,
    FindUser,
    ListMessages,
    Whereabouts,
)
from schemas.claims import Claims
from schemas.codec import decode, encode
from schemas.commands import Answer
from schemas.events import Heard
from schemas.frames import Key
from schemas.refusals import Code
from schemas.rooms import MessageData

SEQ_MAX = 2**63 - 1
"""A database's integer holds no greater one."""
USER_CHARS_MAX = 150
"""PROTOCOL.md section 5: usernames."""

_BODY = (Code.BAD_FRAME, Code.INVALID_DATA)
_ASKED = (*REFUSED, Code.OVERLOADED, Code.UNAVAILABLE)
_ROOM = (Code.ROOM_FORBIDDEN, Code.TRIP_NOT_FOUND, *_ASKED)

_MESSAGES = subjects.history("messages")
_WHEREABOUTS = subjects.accounts("whereabouts")

RoomPath = Annotated[
    str, PathParameter(description="the room's name, 1 to 64 of `A-Z a-z 0-9 _ -`")
]


class Say(Struct):
    """What to send to a room."""

    text: rooms.Text
    idempotency_key: Key | None = None


class NoticeBody(Struct):
    """What to tell a user."""

    data: dict[str, Any]


@runtime_checkable
class Desk(Protocol):
    """What this side asks of the gateway's NATS side."""

    async def send_message(
        self, claims: Claims, room: str, text: str, key: str | None
    ) -> Answer:
        """Send to a room as that user; the leader's answer, or a refusal."""
        ...

    async def decide(
        self, claims: Claims, region: str, command_of: Any, **fields: Any
    ) -> Answer:
        """What a region's leader says to a command of that user's: `command_of` with
        these fields.
        """
        ...

    def notify(self, region: str, user: str, data: bytes) -> bool:
        """Tell all live sessions of a user; False: not told, NATS is away."""
        ...

    async def notify_and_count(self, region: str, user: str, data: bytes) -> int | None:
        """Tell them, and wait a moment; how many got it. None: not told."""
        ...


@get(
    "/api/rooms/{room:str}/messages",
    needs=scopes.SEE_ROOMS,
    response_description="messages, newest first",
    responses=specs(Code.INVALID_DATA, *_ROOM),
)
async def messages(
    request: SignedIn,
    room: RoomPath,
    asker: NamedDependency[Questions],
    limit: Annotated[
        int, QueryParameter(ge=1, le=PAGE_MAX, description="messages at most")
    ] = PAGE_DEFAULT,
    before: Annotated[
        int | None,
        QueryParameter(
            ge=0, le=SEQ_MAX, description="a message's seq: only older ones"
        ),
    ] = None,
) -> Response[list[MessageData]]:
    """A room's messages, newest first; a trip's room only to its participants.

    May lag the live state by moments. 422: the room's name, too.
    """
    who = request.auth
    question = ListMessages(who.sub, who.role, who.region, _name(room), limit, before)
    return passed_on(data_of(await asker.ask(_MESSAGES, question)))


@post(
    "/api/rooms/{room:str}/messages",
    needs=scopes.ROOMS,
    status_code=201,
    response_description="the message as the room got it",
    responses=specs(*_BODY, *_ROOM, bad_frame=413),
)
async def say(
    request: SignedIn,
    room: RoomPath,
    data: JSONBody[Say],
    desk: NamedDependency[Desk],
) -> Response[MessageData]:
    """Send to a room without having joined it.

    503 `unavailable`: the outcome is unknown; asking again with the same key is safe.
    """
    name = _name(room)
    answer = await desk.send_message(
        request.auth, name, data.text, data.idempotency_key
    )
    return passed_on(decided(answer), 201)


@post(
    "/api/users/{user_id:str}/notices",
    needs=scopes.ROOMS,
    status_code=202,
    response_description="on its way to the sessions that are live now; with `count`, "
    "how many got it, else no body",
    responses=specs(*_BODY, Code.WRONG_ROLE, *_ASKED, invalid_data=404, bad_frame=413),
    guards=[operators_only],
)
async def notify(
    request: SignedIn,
    user_id: Annotated[
        str, PathParameter(description="the user's id, a UUID, or their username")
    ],
    data: JSONBody[NoticeBody],
    asker: NamedDependency[Questions],
    desk: NamedDependency[Desk],
    *,
    count: Annotated[
        bool,
        QueryParameter(
            description="wait some tenths of a second and say how many sessions got it"
        ),
    ] = False,
) -> Response[Heard | None]:
    """Tell a user something, on all their live sessions; operators only.

    Who isn't connected doesn't learn of it. Counted are sessions whose gateway says so
    in time, which those of 0.1 don't. 404: no such user.
    """
    if len(user_id) > USER_CHARS_MAX or not user_id.isprintable():
        raise Refused(Code.INVALID_DATA, "there is no such user", 404)
    question = FindUser(
        uuid_or_none(user_id) or user_id, request.auth.sub, address(request)
    )
    found = decode(data_of(await asker.ask(_WHEREABOUTS, question)), Whereabouts)
    about = (found.region, found.id, encode(data.data))
    sessions = await desk.notify_and_count(*about) if count else None
    if sessions is None and (count or not desk.notify(*about)):
        raise Refused(Code.UNAVAILABLE, "NATS is not connected")
    if sessions is None:
        return Response(None, status_code=202, media_type="text/plain")
    return passed_on(encode(Heard(sessions)), 202)


def _name(room: str) -> str:
    try:
        return rooms.canonical(room)
    except subjects.SubjectError as error:
        raise Refused(Code.INVALID_DATA, f"room: {error}") from None


def routes() -> Router:
    return Router(
        "/",
        route_handlers=[messages, say, notify],
        guards=[signed_in],
        security=BEARER,
        tags=["rooms"],
    )
