"""The upgrade request: where it goes, whence it comes, who is asking.

Pure. Looks at path, Origin and token only; RFC 6455's own rules are websockets'.
"""

import re
from collections.abc import Callable
from urllib.parse import unquote_plus, urlsplit

from msgspec import Struct

from gateway import requesthead
from gateway.errors import InvalidToken, UnknownKey
from gateway.identity.tokens import TOKEN_CHARS_MAX
from gateway.session.client_frames import parse_since
from schemas import rooms, subjects
from schemas.claims import Claims
from schemas.refusals import Code
from schemas.trips import Role

SUBPROTOCOL = "cabrank.v1"
_BEARER_PROTOCOL = "bearer."
SUBPROTOCOLS_MAX = 64
"""Clients offer one or two; of 30,000, which a head has room for, websockets takes 30
ms to read the list."""

PATHS: dict[str, Role | None] = {
    "/ws": None,
    "/taxi": None,
    "/rider": Role.RIDER,
    "/driver": Role.DRIVER,
}
"""Path, without its optional trailing slash → the role it demands."""

CHAT = "/ws/chat/"
"""What a room's name follows; the session also joins that room."""


def _spelt(name: str) -> str:
    """`name` in a query, each of its letters bare or percent-encoded."""
    return "".join(f"(?:{letter}|(?i:%{ord(letter):x}))" for letter in name)


_FIELD = re.compile(
    rf"&(?:(?P<token>{_spelt('token')})|{_spelt('since')})(?:=(?P<value>[^&]*))?(?=&|\Z)"
)
"""What counts of a query: others' fields, as many as a head has room for, aren't read
(64 KiB of them took 20 ms).
"""
_DEFAULT_PORTS = {"http": ":80", "https": ":443", "ws": ":80", "wss": ":443"}


class Accepted(Struct, frozen=True):
    required: Role | None
    claims: Claims | None
    """None: the first frame must log in."""
    since: int | None
    subprotocol: str | None
    room: str | None = None
    """The room of the path, canonical. Whether the user may enter a trip's room is the
    leader's to say.
    """


class Rejected(Struct, frozen=True):
    status: int
    code: Code
    detail: str


def judge(
    target: str,
    header: Callable[[str], list[str]],
    origins: list[str],
    verify: Callable[[str], Claims],
) -> Accepted | Rejected:
    """Judge one request.

    Args:
        target: path and query, as on the request line.
        header: all values of a header, by lower-case name.
        origins: further allowed origins, such as `https://app.example`.
        verify: raises `InvalidToken`.

    Raises:
        UnknownKey: as `verify` does; it may be judged again.
    """
    raw_path, _, query_string = target.partition("?")
    path = requesthead.path(raw_path.encode("latin-1")).removesuffix("/")
    room = None
    if path.startswith(CHAT):
        try:
            room = rooms.canonical(path.removeprefix(CHAT))
        except subjects.SubjectError as error:
            return Rejected(404, Code.INVALID_DATA, f"room: {error}")
    elif path not in PATHS:
        return Rejected(404, Code.UNKNOWN_TYPE, "no WebSocket is served on this path")
    for origin in header("origin"):
        if not _is_ours(origin, header("host"), origins):
            text = f"pages of {origin[:255]!r} may not connect"
            return Rejected(403, Code.NOT_AUTHENTICATED, text)
    required = PATHS.get(path)
    in_query, since = _fields(query_string)
    lists = header("sec-websocket-protocol")
    if sum(1 + value.count(",") for value in lists) > SUBPROTOCOLS_MAX:
        text = f"over {SUBPROTOCOLS_MAX} subprotocols are offered"
        return Rejected(400, Code.BAD_FRAME, text)
    offered = _subprotocols(lists)
    token = _token(header("authorization"), in_query, offered)
    claims = None
    if token is not None:
        try:
            claims = verify(token)
        except UnknownKey:
            raise
        except InvalidToken as error:
            return Rejected(401, Code.NOT_AUTHENTICATED, str(error))
        if required is not None and claims.role is not required:
            text = f"this path is not for {claims.role.value}s"
            return Rejected(403, Code.WRONG_ROLE, text)
    return Accepted(
        required,
        claims,
        parse_since(since),
        SUBPROTOCOL if SUBPROTOCOL in offered else None,
        room,
    )


def _is_ours(origin: str, hosts: list[str], origins: list[str]) -> bool:
    origin = origin.strip().lower().rstrip("/")
    if origin in (allowed.lower() for allowed in origins):
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    default = _DEFAULT_PORTS.get(parts.scheme)
    if default is None or not parts.netloc or len(hosts) != 1:
        return False
    host = hosts[0].strip().lower().removesuffix(default)
    return parts.netloc.removesuffix(default) == host


def _fields(query: str) -> tuple[str | None, str | None]:
    """Token and `since`, None where there is none; of several the last counts."""
    token = since = None
    for field in _FIELD.finditer("&" + query):
        if field["token"] is not None:
            token = field["value"] or ""
        else:
            since = field["value"] or ""
    return _decoded(token), _decoded(since)


def _decoded(value: str | None) -> str | None:
    """As it came where no token is so long, were it all encoded."""
    if value is None or len(value) > 3 * TOKEN_CHARS_MAX:
        return value
    return unquote_plus(value)


def _subprotocols(values: list[str]) -> list[str]:
    return [name.strip() for value in values for name in value.split(",")]


def _token(
    authorization: list[str], in_query: str | None, offered: list[str]
) -> str | None:
    """The token offered, None where there is none; other schemes are no token."""
    for value in authorization:
        scheme, _, token = value.strip().partition(" ")
        if scheme.lower() == "bearer":
            return token.strip()
    if in_query is not None:
        return in_query
    for name in offered:
        if name.startswith(_BEARER_PROTOCOL):
            return name[len(_BEARER_PROTOCOL) :]
    return None
