"""One WebSocket of a load client, on picows: callbacks, no task and no queue.

Must not interpret frames; that is the business of who opens it.
"""

from collections.abc import Awaitable, Callable

from picows import (
    WSCloseCode,
    WSError,
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    ws_connect,
)

from cabrank.trial.load.frames import socket_url

HANDSHAKE_TIMEOUT_S = 10
"""PROTOCOL.md section 2: no `welcome` possible within 10 s closes with 1013."""
CLOSED_WITHOUT_CODE = 1006
"""RFC 6455 section 7.4.1: the connection ended without a close frame."""


_TEXT = WSMsgType.TEXT
"""Looked up once: an enum's member costs as much as the rest of `on_ws_frame`."""


class LinkError(Exception):
    """The connection could not be opened: refused, timed out, or not upgraded."""


class Link(WSListener):
    """`on_frame` gets each text message, `on_closed` the close code, once."""

    __slots__ = ("_code", "_on_closed", "_on_frame", "_parts", "_transport", "open")

    def __init__(
        self, on_frame: Callable[[bytes], None], on_closed: Callable[[int], None]
    ) -> None:
        self._on_frame = on_frame
        self._on_closed = on_closed
        self._transport: WSTransport | None = None
        self._parts: list[bytes] = []
        self._code = CLOSED_WITHOUT_CODE
        self.open = False

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self.open = True

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind is _TEXT and frame.fin:
            self._on_frame(frame.get_payload_as_bytes())
        elif kind is WSMsgType.CLOSE:
            self._code = _number(frame.get_close_code())
            self.open = False
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        elif kind in {_TEXT, WSMsgType.CONTINUATION}:
            self._parts.append(frame.get_payload_as_bytes())
            if frame.fin:
                message, self._parts = b"".join(self._parts), []
                self._on_frame(message)

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002
        self.open = False
        self._on_closed(self._code)

    def send(self, message: bytes) -> None:
        """Write a text message; nothing happens on a connection that is gone."""
        if self.open and self._transport is not None:
            self._transport.send(WSMsgType.TEXT, message)

    def close(self) -> None:
        """Say good-bye (1000) and go."""
        if self.open and self._transport is not None:
            self.open = False
            self._transport.send_close(WSCloseCode.OK)
            self._transport.disconnect()

    def abort(self) -> None:
        """Vanish as a phone in a tunnel does: no close frame, no waiting."""
        if self._transport is not None:
            self.open = False
            self._transport.disconnect(graceful=False)


def _number(code: WSCloseCode | int) -> int:
    """The library gives its enum for the codes it knows, a number for all others."""
    return code.value if isinstance(code, WSCloseCode) else code


Connect = Callable[
    [str, str, int | None, Callable[[bytes], None], Callable[[int], None]],
    Awaitable[Link],
]
"""What `connect` is."""


async def connect(  # noqa: PLR0917 (`Connect`'s, and `make`)
    base: str,
    token: str,
    since: int | None,
    on_frame: Callable[[bytes], None],
    on_closed: Callable[[int], None],
    make: type[Link] = Link,
) -> Link:
    """Open `<base>/ws` as the token's user; `make`: a kind of link of one's own.

    Raises:
        LinkError: refused, timed out, or answered by something else.
    """
    # Ours, not what comes back: picows forgets it where the connection ends at once.
    link = make(on_frame, on_closed)
    try:
        await ws_connect(
            lambda: link,
            socket_url(base, since),
            websocket_handshake_timeout=HANDSHAKE_TIMEOUT_S,
            extra_headers={"Authorization": f"Bearer {token}"},
            max_redirects=0,
        )
    except (OSError, WSError, TimeoutError) as error:
        raise LinkError(f"no WebSocket at {base}: {error}") from error
    return link
