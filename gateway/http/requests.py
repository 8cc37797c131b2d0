"""How a request is read: its body as JSON, and who sent it."""

import re
import time
from functools import cache
from typing import Any, cast

import msgspec
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.exceptions import InternalServerException
from litestar.handlers import HTTPRouteHandler
from litestar.handlers.base import BaseRouteHandler

from gateway import address as peer
from gateway.errors import InvalidToken, UnknownKey
from gateway.http import queries
from gateway.identity.tokens import Identity
from gateway.problems import Refused
from gateway.session import client_frames
from runtime.questions import Questions
from schemas import codec, scopes, subjects, wording
from schemas.accounts import Denied
from schemas.allowances import Budget, share_of
from schemas.claims import Claims
from schemas.refusals import Code, Refusal
from schemas.trips import Role

BEARER: list[dict[str, list[str]]] = [{"bearer": []}]
"""What OpenAPI says of a route with `signed_in`."""
REFUSED = (Code.NOT_AUTHENTICATED, Code.RATE_LIMITED)
"""Whom such a route doesn't take, whatever it is about."""
DENIED_S = 1.0
"""Who is refused learns so whether it could be written down or not."""
DEPTH_MAX = 128
"""Of a body: what was read may have to be written again, where the stack is deeper
(Python's limit is 1,000 frames, C's among them)."""
_KINDS = {list: "a JSON list", str: "JSON text", bool: "JSON true or false"} | {
    type(None): "JSON null"
}
_DENIED = subjects.accounts("denied")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_BEARER = re.compile(r"bearer +([^ ]+) *", re.ASCII | re.IGNORECASE)


class ClientGone(InternalServerException):
    """The connection ended before its body came; nobody will read an answer."""


SignedIn = Request[None, Claims, State]
"""`auth`: the access token's claims, where the route has the guard `signed_in`."""


class ApiRequest(Request[None, Any, State]):
    """A request whose body, if its route takes one, is a JSON object whatever its
    `Content-Type` says.
    """

    __slots__ = ()

    async def body(self) -> bytes:
        """An empty one is `{}` where its route needs nothing of it."""
        body = await super().body()
        return body if body or not may_be_empty(self.route_handler) else b"{}"

    async def json(self) -> Any:
        """The body, which has the route's shape as a frame's `data` must have its own:
        the framework would take text for a number, and a number for an instant.

        Raises:
            Refused: no JSON (`bad_frame`), no object, U+0000 in it, or not of the shape
                (`invalid_data`).
        """
        body = await self.body()
        data = parse_object(body)
        self.shaped(body)
        return data

    def shaped(self, body: bytes) -> Any:
        """A body that is an object in the route's shape; None: the route has none.

        Raises:
            Refused: it isn't of it.
        """
        shape = _shape(self.route_handler)
        if shape is None:
            return None
        try:
            return codec.decoder(shape).decode(body)
        except msgspec.ValidationError as error:
            why = wording.of_field(str(error))
            raise Refused(Code.INVALID_DATA, why) from error


@cache
def _shape(handler: HTTPRouteHandler) -> Any:
    """What a route's body must be; None: the route takes none."""
    taken = handler.parsed_fn_signature.parameters.get("data")
    shape: Any = None if taken is None else taken.annotation
    return shape if hasattr(shape, "__struct_fields__") else None


@cache
def may_be_empty(handler: HTTPRouteHandler) -> bool:
    """Whether the body that a route takes is an object without a required field."""
    shape = _shape(handler)
    return shape is not None and len(shape.__struct_fields__) == len(
        shape.__struct_defaults__
    )


def parse_object(body: bytes) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        Refused: as `ApiRequest.json`.
    """
    try:
        data = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = _unreadable(error) if body else "it is empty"
        raise Refused(Code.BAD_FRAME, f"the body is not JSON: {reason}") from error
    if not isinstance(data, dict):
        kind = _KINDS.get(type(data), "a number")
        raise Refused(Code.INVALID_DATA, f"the body is {kind}, not an object")
    # Only then can it be deep, or hold U+0000; a raw one is no JSON.
    if body.count(b"[") + body.count(b"{") > DEPTH_MAX and _depth(data) > DEPTH_MAX:
        text = f"the body is nested more than {DEPTH_MAX} deep"
        raise Refused(Code.BAD_FRAME, text)
    if b"\\u0000" in body and (where := _nul(data)):
        raise Refused(Code.INVALID_DATA, f"{where}: U+0000 is not allowed")
    return data


def _unreadable(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "it is no UTF-8"
    return wording.plain(str(error)).removeprefix("not JSON: ")


def _depth(data: Any) -> int:
    """Of lists and objects within each other; none: 0."""
    depth = 0
    level = [data]
    while level:
        inner: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                inner.extend(each.values())
            elif isinstance(each, list):
                inner.extend(each)
        depth, level = depth + 1, inner
    return depth - 1


def _nul(data: Any) -> str | None:
    """The path of the first string that has a U+0000, in the body's order."""
    left: list[tuple[Any, str]] = [(data, "")]
    while left:
        value, path = left.pop()
        if isinstance(value, str):
            if "\0" in value:
                return path or "a name"
        elif isinstance(value, dict):
            if any("\0" in key for key in value):
                return path or "a field's name"
            parts = [(value[key], f"{path}.{key}" if path else key) for key in value]
            left.extend(reversed(parts))
        elif isinstance(value, list):
            left.extend((value[n], f"{path}[{n}]") for n in reversed(range(len(value))))
    return None


async def read(request: Request[Any, Any, Any]) -> None:
    """Read the query and the body before the route does anything.

    Raises:
        as `queries.check` and `read_body`.
    """
    asked = queries.as_uri(request.scope["query_string"])
    request.scope["query_string"] = queries.check(asked, request.route_handler)
    await read_body(request)


async def _fits(request: ApiRequest) -> None:
    """What is wrong with what was sent is said before who may not send it (PROTOCOL.md
    section 3). Raises Refused.
    """
    await read(request)
    if "data" not in request.route_handler.parsed_fn_signature.parameters:
        return
    await request.json()
    data = request.shaped(await request.body())
    refusal = client_frames.unfit(data, time.time_ns() // 1_000_000)
    if refusal is not None:
        raise Refused.of(refusal)


async def read_body(request: Request[Any, Any, Any]) -> None:
    """Read the body to its end before the route does anything, so that one over the
    limit is refused also where a route has no use for it.

    Raises:
        ClientGone: the connection ended first.
        Refused: it is empty where the route takes one.
        RequestEntityTooLarge: it is over the limit (Litestar's, in any encoding).
    """
    if request.method == "GET":
        return
    try:
        body = await request.body()
    except InternalServerException as error:
        raise ClientGone(detail=error.detail) from error
    if not body and "data" in request.route_handler.parsed_fn_signature.parameters:
        parse_object(body)


async def signed_in(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> None:
    """A guard: lets a request pass that bears a good access token (`Authorization`,
    RFC 6750), or a service account's key that may do this; its claims are the request's
    `auth`. What a key's scopes must allow is the route's `needs`; where it says none,
    no key with scopes may.

    Raises:
        Refused: `not_authenticated`, `wrong_role`, `rate_limited`.
    """
    header = connection.headers.get("authorization")
    if header is None:
        raise Refused(Code.NOT_AUTHENTICATED, "there is no Authorization header")
    match = _BEARER.fullmatch(header.strip())
    if match is None:
        raise Refused(Code.NOT_AUTHENTICATED, "Authorization is not Bearer <token>")
    state = connection.app.state
    identity: Identity = state.identity
    try:
        try:
            claims = identity.verify(match[1], time.time())
        except UnknownKey as error:
            if state.settle is None:
                raise
            refusal = await state.settle(error, address(connection))
            if refusal is not None:
                raise _refused(refusal) from error
            claims = identity.verify(match[1], time.time())
        connection.scope["auth"] = claims
    except InvalidToken as error:
        raise _refused(Refusal(Code.NOT_AUTHENTICATED, str(error))) from error
    user = claims.user()
    over = state.allowances.take(
        user.id, share_of(user), (Budget.READS,), time.monotonic_ns()
    )
    if over is not None:
        raise Refused.of(over)
    lacks = scopes.lacking(claims, handler.opt.get("needs", scopes.ALL))
    if lacks is not None:
        await _denied(connection, claims)
        raise Refused.of(lacks)


def _refused(refusal: Refusal) -> Refused:
    """For a token that is not taken."""
    made = Refused.of(refusal)
    if refusal.code is Code.NOT_AUTHENTICATED:  # RFC 6750 section 3.1
        made.headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    return made


async def operators_only(
    connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler
) -> None:
    """A guard; comes after `signed_in`. Who is refused is told to the audit log.

    Raises:
        Refused: `wrong_role`.
    """
    scope: Any = connection.scope
    claims: Claims = scope["auth"]
    if claims.role is Role.OPERATOR:
        return
    await _denied(connection, claims)
    raise Refused(Code.WRONG_ROLE, f"for operators, not for a {claims.role.value}")


def _route(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """Method and template."""
    scope: Any = connection.scope
    return f"{scope['method']} {scope['path_template']}"


async def _denied(
    connection: ASGIConnection[Any, Any, Any, Any], claims: Claims
) -> None:
    """Have it written down, as far as that can be done at once.

    Raises:
        Refused: what they sent doesn't fit.
    """
    await _fits(cast("ApiRequest", connection))
    asker: Questions = connection.app.state.asker
    subject = uuid_or_none(str(connection.path_params.get("user_id", ""))) or ""
    about = Denied(claims.sub, _route(connection), subject, address(connection))
    await asker.ask(_DENIED, about, DENIED_S)


def address(request: ASGIConnection[Any, Any, Any, Any]) -> str:
    """Whence it comes, past proxies that are trusted; an IPv6 one counts as its /64."""
    client = request.client
    forwarded = request.headers.getall("x-forwarded-for", [])
    trusted = request.app.state.proxies
    return peer.place(peer.address(client.host if client else "", forwarded, trusted))


def uuid_or_none(text: str) -> str | None:
    """An id as it is stored (lower case), or None where no id looks like that."""
    lower = text.lower()
    return lower if _UUID.fullmatch(lower) else None
