"""A service account's key for an access token: OAuth 2.0's client credentials, RFC 6749
section 4.4, beside a password's log-in at the same path.

Errors are this API's problems, not section 5.2's.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

from litestar import Request
from litestar.openapi.spec import (
    OpenAPIMediaType,
    OpenAPIResponse,
    Operation,
    Parameter,
    RequestBody,
    Schema,
)
from litestar.openapi.spec.enums import OpenAPIType
from litestar.response import Response

from gateway.http.answers import NO_STORE, passed_on
from gateway.http.requests import address, read_body
from gateway.identity import device
from gateway.problems import Refused, data_of
from schemas import subjects
from schemas.refusals import Code
from schemas.service_accounts import ExchangeKey, Scope

FORM = "application/x-www-form-urlencoded"
FIELDS_MAX = 32
"""RFC 6749 has four."""
_GRANT = "client_credentials"
_EXCHANGE = subjects.accounts("exchange")


async def first(request: Request[Any, Any, Any]) -> Response[Any] | None:
    """The answer to a form; None: it is none, and the route goes on. JSON is read as
    JSON whatever its `Content-Type` says, as everywhere.
    """
    await read_body(request)
    body = await request.body()
    said = request.headers.get("content-type", "").partition(";")[0]
    if said.strip().lower() != FORM or body.lstrip()[:1] == b"{":
        return None
    sent = _fields(body)
    grant = sent.get("grant_type")
    if grant != _GRANT:
        raise Refused(Code.INVALID_DATA, f"grant_type: it can only be {_GRANT}")
    key, by_basic = _secret(request, sent)
    question = ExchangeKey(key, address(request), _scopes(sent.get("scope", "")))
    try:
        answer = data_of(await request.app.state.asker.ask(_EXCHANGE, question))
    except Refused as refused:
        if by_basic and refused.refusal.code is Code.BAD_CREDENTIALS:
            # RFC 6749 section 5.2: the scheme that the client used.
            refused.headers["WWW-Authenticate"] = 'Basic realm="cabrank"'
        raise
    return passed_on(answer, headers=NO_STORE)


def _fields(body: bytes) -> dict[str, str]:
    """Raises Refused: it is no form, or has a field twice (RFC 6749 section 3.2)."""
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=FIELDS_MAX,
        )
    except ValueError:
        raise Refused(Code.BAD_FRAME, "the body is no form") from None
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise Refused(Code.INVALID_DATA, "a field of the form is there twice")
    if any("\0" in each for pair in pairs for each in pair):
        raise Refused(Code.INVALID_DATA, "the form: U+0000 is not allowed")
    return fields


def _secret(request: Request[Any, Any, Any], sent: dict[str, str]) -> tuple[str, bool]:
    """The key, and whether it came by HTTP Basic. The client's id says nothing: the key
    tells whose it is.

    Raises:
        Refused: there is none, or two (RFC 6749 section 2.3).
    """
    said = sent.get("client_secret")
    scheme, _, rest = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        if not said:
            text = "client_secret: the key is missing"
            raise Refused(Code.INVALID_DATA, text)
        return said, False
    if said is not None:
        raise Refused(Code.INVALID_DATA, "client_secret: it is in Basic as well")
    try:
        pair = base64.b64decode(rest.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        text = "Authorization: it is no Basic that can be read"
        raise Refused(Code.INVALID_DATA, text) from None
    # RFC 6749 section 2.3.1: both are form-encoded first.
    return unquote_plus(pair.partition(":")[2]), True


def _scopes(text: str) -> tuple[Scope, ...]:
    try:
        return tuple(dict.fromkeys(Scope(each) for each in text.split()))
    except ValueError:
        known = ", ".join(Scope)
        raise Refused(Code.INVALID_DATA, f"scope: there are {known}") from None


def _text(description: str) -> Schema:
    return Schema(type=OpenAPIType.STRING, description=description)


_TOKEN = Schema(
    title="AccessToken",
    type=OpenAPIType.OBJECT,
    required=["access_token", "token_type", "expires_in"],
    properties={
        "access_token": _text("a service account's, without a successor"),
        "token_type": Schema(type=OpenAPIType.STRING, const="Bearer"),
        "expires_in": Schema(type=OpenAPIType.INTEGER, description="seconds"),
    },
)


@dataclass
class AlsoByForm(Operation):
    """The route's description with the form and its answer beside the JSON."""

    def __post_init__(self) -> None:
        form = Schema(
            type=OpenAPIType.OBJECT,
            required=["grant_type"],
            properties={
                "grant_type": Schema(type=OpenAPIType.STRING, const=_GRANT),
                "client_secret": _text("the key, where HTTP Basic doesn't have it"),
                "client_id": _text("anything: the key tells whose it is"),
                "scope": _text("fewer than the key has, with spaces between them"),
            },
        )
        if isinstance(self.request_body, RequestBody):
            self.request_body.content[FORM] = OpenAPIMediaType(schema=form)
        cookie = "what a log-in before left: its device doesn't wait for others"
        self.parameters = [
            *(self.parameters or ()),
            Parameter(
                name=device.NAME,
                param_in="cookie",
                schema=Schema(type=OpenAPIType.STRING),
                description=cookie,
                required=False,
            ),
        ]
        answer = (self.responses or {}).get("200")
        if isinstance(answer, OpenAPIResponse) and answer.content:
            carried = answer.content["application/json"]
            if carried.schema is not None:
                carried.schema = Schema(one_of=[carried.schema, _TOKEN])
