"""What the brokers' clients have in common: picows, one message for all of them.

A client's role stands in its token, as `name`. A rider's request becomes a publication
of `FRAME_BYTES`, made by the client: servers that only pass bytes on are spared that.
"""

import asyncio
import base64
import json
import time
import uuid
from collections.abc import Callable

import jwt
from picows import WSError, WSFrame, WSMsgType, WSTransport, ws_connect

from cabrank.trial.bench.tally import MARK, MARK_CHARS, REQUESTED
from cabrank.trial.load import link as plain
from cabrank.trial.load.link import Link, LinkError
from schemas.codec import encode
from schemas.trips import Role

SECRET = "thirty-two bytes for HMAC SHA256"  # noqa: S105
TOKEN_TTL_S = 24 * 3600
FRAME_BYTES = 391
"""As long as cabrank's `trip.requested` was when this was first measured."""
WELCOME = b'{"type":"welcome"}'
DRIVERS = "drivers"
_TAIL = b' Main Street","pad":"'
_PAD = FRAME_BYTES - len(REQUESTED + b',"data":{' + MARK + _TAIL) - MARK_CHARS - 3

Frames = Callable[[bytes], None]


def hs256(role: Role) -> str:
    """A token of a new user, as all of them check that can read one."""
    key = str(uuid.uuid4())
    claims = {"sub": key, "name": role.value, "exp": int(time.time()) + TOKEN_TTL_S}
    return jwt.encode(claims, SECRET, algorithm="HS256")


def claims(token: str) -> dict[str, str]:
    """What a JWT says; not checked, that is the server's."""
    part = token.split(".")[1]
    made: dict[str, str] = json.loads(base64.urlsafe_b64decode(part + "=="))
    return made


def publication(request: bytes) -> bytes | None:
    """What a rider's frame is passed on as; None: it is no request."""
    at = request.find(MARK)
    if at < 0:
        return None
    mark = request[at + len(MARK) : at + len(MARK) + MARK_CHARS]
    head = REQUESTED + b',"data":{' + MARK + mark + _TAIL
    return head + b"x" * _PAD + b'"}}'


class Texting(Link):
    """Publishes as a text message; what comes is read as it is."""

    def send(self, message: bytes) -> None:
        made = publication(message)
        if made is not None:
            super().send(self.packed(made))

    def packed(self, message: bytes) -> bytes:
        return message

    def say(self, message: bytes) -> None:
        """Past the packing: the protocol's own."""
        super().send(message)


async def greeted(link: "Settling", who: str) -> Link:
    """Once its server has taken what it said first.

    Raises:
        LinkError: it refused, or says nothing.
    """
    try:
        await asyncio.wait_for(link.settled, plain.HANDSHAKE_TIMEOUT_S)
    except TimeoutError as error:
        raise LinkError(f"{who} has not answered") from error
    link.pass_on(WELCOME)
    return link


class Settling(Link):
    """`settled` is set by the server's answers to what is said first, refusals
    included; `pass_on` is where publications go.
    """

    def __init__(self, on_frame: Frames, on_closed: Callable[[int], None]) -> None:
        super().__init__(on_frame, on_closed)
        self.pass_on = on_frame
        self.settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Binary(Settling):
    """Speaks a protocol of its own in binary messages, which may be cut anywhere."""

    left = b""
    """What came of a packet whose rest has not."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type in {WSMsgType.BINARY, WSMsgType.CONTINUATION}:
            data = frame.get_payload_as_bytes()
            self.left = self.feed(self.left + data if self.left else data)
        else:
            super().on_ws_frame(transport, frame)

    def feed(self, data: bytes) -> bytes:
        """Read whole packets; returns the rest."""
        raise NotImplementedError

    def send(self, message: bytes) -> None:
        made = publication(message)
        if made is not None:
            self.say(self.packed(made))

    def packed(self, message: bytes) -> bytes:
        raise NotImplementedError

    def say(self, message: bytes) -> None:
        if self.open and self._transport is not None:
            self._transport.send(WSMsgType.BINARY, message)


async def opened(link: Link, url: str, headers: dict[str, str] | None = None) -> None:
    """Raises: LinkError: refused, timed out, or answered by something else."""
    try:
        await ws_connect(
            lambda: link,
            url,
            websocket_handshake_timeout=plain.HANDSHAKE_TIMEOUT_S,
            extra_headers=headers or {},
            max_redirects=0,
        )
    except (OSError, WSError, TimeoutError) as error:
        raise LinkError(f"no WebSocket at {url}: {error}") from error


def socket(base: str, path: str) -> str:
    return "ws" + base.removeprefix("http") + path


async def connect_texting(
    base: str,
    token: str,
    since: int | None,
    on_frame: Frames,
    on_closed: Callable[[int], None],
) -> Link:
    """To a server that reads our token and greets us: `<base>/ws`."""
    return await plain.connect(base, token, since, on_frame, on_closed, make=Texting)


def line(what: object) -> bytes:
    return encode(what)
