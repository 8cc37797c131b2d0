"""Users and tokens. What is right is persistence's to say (`accounts.…`)."""

import secrets
from typing import Annotated, Any

from litestar import Request, Router, delete, get, post
from litestar.datastructures import Cookie, State
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter
from litestar.response import Response
from msgspec import Struct
from msgspec.structs import asdict

from gateway.http import client_credentials
from gateway.http.answers import NO_STORE, passed_on
from gateway.http.requests import (
    BEARER,
    REFUSED,
    SignedIn,
    address,
    operators_only,
    signed_in,
    uuid_or_none,
)
from gateway.http.routes import people
from gateway.identity import device
from gateway.identity.tokens import Identity
from gateway.problems import Refused, data_of, specs
from runtime.questions import Questions
from schemas import scopes, subjects
from schemas.accounts import (
    LogIn,
    LogInBody,
    LogOut,
    RefreshTokens,
    Revoke,
    SignUp,
    SignUpBody,
    Tokens,
)
from schemas.refusals import Code
from schemas.trips import User

KEYS_MAX_AGE_S = 60
"""Below the lead that `cabrank keys rotate` gives a new key."""

_BODY = (Code.BAD_FRAME, Code.INVALID_DATA)
_TOO_LARGE = {"bad_frame": 413}
_ASKED = (Code.OVERLOADED, Code.UNAVAILABLE)

_SIGN_UP = subjects.accounts("sign_up")
_LOG_IN = subjects.accounts("log_in")
_REFRESH = subjects.accounts("refresh")
_LOG_OUT = subjects.accounts("log_out")
_REVOKE = subjects.accounts("revoke")


class KeySet(Struct):
    """RFC 7517 section 5."""

    keys: list[dict[str, str]]


@post(
    "/api/users",
    status_code=201,
    response_description="the user, and tokens of a first session",
    responses=specs(*_BODY, Code.RATE_LIMITED, *_ASKED, invalid_data=409, **_TOO_LARGE),
)
async def sign_up(
    request: Request[Any, Any, State],
    data: JSONBody[SignUpBody],
    asker: NamedDependency[Questions],
) -> Response[Tokens]:
    """Sign up as a rider or a driver.

    Operators are made by `cabrank user add`. 409: the username is taken. 429: too many
    came from this address.
    """
    called = _device(request)
    question = SignUp(**asdict(data), address=address(request), device=called)
    answer = data_of(await asker.ask(_SIGN_UP, question))
    return passed_on(answer, 201, NO_STORE, [_cookie(request, called)])


@post(
    "/api/tokens",
    status_code=200,
    before_request=client_credentials.first,
    operation_class=client_credentials.AlsoByForm,
    response_description="the user, and tokens of a new session; by a form: RFC 6749's",
    responses=specs(
        *_BODY, Code.BAD_CREDENTIALS, Code.RATE_LIMITED, *_ASKED, **_TOO_LARGE
    ),
)
async def log_in(
    request: Request[Any, Any, State],
    data: JSONBody[LogInBody],
    asker: NamedDependency[Questions],
) -> Response[Tokens]:
    """Log in with a password; a service account by its key, as a form.

    A form is RFC 6749's section 4.4.2: `grant_type=client_credentials`, the key as
    `client_secret` in it or as the password of HTTP Basic; `scope` asks for fewer of
    the key's.

    429: too many failed for this user, or from this address. The cookie that comes with
    the tokens is worth keeping: who sends it with the next log-in doesn't wait for what
    others tried.
    """
    called = _device(request)
    question = LogIn(data.username, data.password, address(request), called)
    answer = data_of(await asker.ask(_LOG_IN, question))
    return passed_on(answer, 200, NO_STORE, [_cookie(request, called)])


@post(
    "/api/tokens/refresh",
    status_code=200,
    response_description="new tokens of the same session",
    responses=specs(*_BODY, Code.NOT_AUTHENTICATED, *_ASKED, **_TOO_LARGE),
)
async def refresh(
    data: JSONBody[RefreshTokens], asker: NamedDependency[Questions]
) -> Response[Tokens]:
    """Exchange a refresh token for its successor and a new access token."""
    return passed_on(data_of(await asker.ask(_REFRESH, data)), headers=NO_STORE)


@delete(
    "/api/tokens",
    needs=scopes.ANY,
    status_code=204,
    response_description="the session is over",
    responses=specs(*REFUSED, Code.WRONG_ROLE, *_ASKED),
    guards=[signed_in],
    security=BEARER,
)
async def log_out(request: SignedIn, asker: NamedDependency[Questions]) -> None:
    """Log out: this session's tokens end. A key isn't logged out."""
    if request.auth.key == request.auth.sid:
        raise Refused(Code.WRONG_ROLE, "a key ends by `cabrank user revoke`")
    question = LogOut(request.auth.sub, request.auth.sid, address(request))
    data_of(await asker.ask(_LOG_OUT, question))


@get(
    "/api/me",
    needs=scopes.ANY,
    response_description="the user, as the token has it",
    responses=specs(*REFUSED),
    guards=[signed_in],
    security=BEARER,
)
async def me(request: SignedIn) -> Response[User]:
    """The user whose token this is."""
    return Response(request.auth.user())


@post(
    "/api/users/{user_id:str}/revoke",
    needs=scopes.ALL,
    status_code=204,
    response_description="all sessions of the user are over",
    responses=specs(*REFUSED, Code.WRONG_ROLE, *_ASKED, invalid_data=404),
    guards=[signed_in, operators_only],
    security=BEARER,
)
async def revoke(
    request: SignedIn,
    user_id: Annotated[str, PathParameter(description="the user's id, a UUID")],
    asker: NamedDependency[Questions],
) -> None:
    """End all sessions of a user; operators only.

    Live ones close with 4503. 404: no such user.
    """
    user = uuid_or_none(user_id)
    if user is None:
        raise Refused(Code.INVALID_DATA, "id: no user's id looks like that", 404)
    question = Revoke(user, request.auth.sub, address(request))
    data_of(await asker.ask(_REVOKE, question))


@get(
    "/.well-known/jwks.json",
    response_description="a JWK Set, RFC 7517",
    media_type="application/json",
)
async def jwks(state: State) -> Response[KeySet]:
    """The public keys that verify access tokens.

    A key is here before it signs, and until no token of it is good any more.
    """
    identity: Identity = state.identity
    return Response(
        KeySet(identity.jwks()),
        headers={"Cache-Control": f"public, max-age={KEYS_MAX_AGE_S}"},
    )


def _device(request: Request[Any, Any, State]) -> str:
    """What the device has been called, or is to be."""
    said = device.named(request.headers.getall("cookie", []))
    return said or secrets.token_urlsafe(16)


def _cookie(request: Request[Any, Any, State], value: str) -> Cookie:
    return Cookie(
        device.NAME,
        value=value,
        path="/",  # a handshake has it too
        max_age=device.MAX_AGE_S,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )


def routes() -> Router:
    own = [sign_up, log_in, refresh, log_out, me, revoke, jwks]
    handlers = [*own, *people.HANDLERS]
    return Router("/", route_handlers=handlers, tags=["accounts"])
