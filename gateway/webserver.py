"""uvicorn as the gateway runs it: one port for HTTP and WebSockets, time limits added.

uvicorn has no limit for half a request; its access log would print `?token=`. Must not
know routes or frames.
"""

import asyncio
import socket
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.socket import Connection

if TYPE_CHECKING:
    from gateway.edge import Edge

BACKLOG = 2048
SETTLE_POLL_S = 0.02
GRACE_S = 8
"""For the last answers and closing handshakes; runtime.lifecycle cuts off at 20 s."""


HEAD_BYTES_MAX = 64 * 1024
"""Of a head, and again of trailers and chunk extensions: what bodies may have as well;
common servers take 8 to 64 KiB."""
HEAD_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"Connection: close\r\nContent-Length: 0\r\n\r\n"
)


class HttpConnection(HttpToolsProtocol):
    """Ends a connection whose request head, or body, doesn't arrive in time."""

    def __init__(self, edge: "Edge", **given: Any) -> None:
        super().__init__(**given)
        self.due_slot = 0
        self._edge = edge
        self._in_request = False
        self._loose_bytes = 0
        """Of heads, trailers and chunk extensions since the last body data, or the last
        request's end; llhttp itself has no limit."""

    def _give_s(self, seconds: float) -> None:
        self._edge.wheel.schedule(self, time.monotonic() + seconds)

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._give_s(self._edge.limits.http_head_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._edge.wheel.cancel(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._in_request and self.due_slot == 0:
            # The first bytes of a further request; the first one's time is running.
            self._give_s(self._edge.limits.http_head_s)
        self._loose_bytes += len(data)
        super().data_received(data)
        if self._loose_bytes > HEAD_BYTES_MAX:
            if not self._is_answering():
                self.transport.write(HEAD_TOO_LARGE)
            self.transport.close()

    def _is_answering(self) -> bool:
        """Whether what came too long has its answer, or another's is under way."""
        cycle = self.cycle
        if self._in_request:
            return cycle.response_started
        return cycle is not None and not cycle.response_complete

    def on_header(self, name: bytes, value: bytes) -> None:
        """Trailers are dropped: among the headers, as uvicorn has it, one could say who
        sends it, past what a proxy says (RFC 9110 section 6.5.1).
        """
        if not self._in_request:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_request = True
        self._loose_bytes = 0
        self._give_s(self._edge.limits.http_body_s)
        super().on_headers_complete()
        if self._edge.draining and self.cycle is not None:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        self._loose_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_request = False
        self._loose_bytes = 0
        self._edge.wheel.cancel(self)
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        self._edge.wheel.cancel(self)
        super().handle_websocket_upgrade()
        # It and we hold one another: 5 KiB that would wait for the garbage collector.
        self.parser = None  # type: ignore[assignment]

    def on_timer(self, now_s: float) -> None:  # noqa: ARG002 - the wheel passes it
        """Half a request came and no more."""
        self.transport.abort()


class WebServer:
    """Serves `app` and the edge's WebSockets on bound sockets."""

    def __init__(
        self, app: Any, edge: "Edge", listeners: Sequence[socket.socket]
    ) -> None:
        self._listeners = list(listeners)
        self._edge = edge
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=partial(HttpConnection, edge),  # type: ignore[arg-type]
                ws=partial(Connection, edge),  # type: ignore[arg-type]
                loop="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                proxy_headers=False,
                backlog=BACKLOG,
                timeout_graceful_shutdown=GRACE_S,
            )
        )

    async def start(self) -> None:
        """Accept connections from now on."""
        config = self._server.config
        config.load()
        self._server.lifespan = config.lifespan_class(config)
        await self._server.startup(sockets=self._listeners)

    async def run(self) -> None:
        """Its own heartbeat (the Date header); ends after `stop`."""
        await self._server.main_loop()

    def refuse_new(self) -> None:
        """Accept no more connections; who asks on one that is there is answered, and
        that it ends (RFC 9112 section 9.6). A listening socket that another process
        has as well goes on there, with all that waits in its queue.
        """
        for server in self._server.servers:
            server.close()

    async def settle(self, limit_s: float) -> None:
        """Wait until kept-alive HTTP connections have ended, at most `limit_s`: closed
        while idle, one may just be bringing a request.
        """
        until_s = time.monotonic() + limit_s
        connections = self._server.server_state.connections
        while any(isinstance(each, HttpConnection) for each in connections):
            if time.monotonic() >= until_s:
                return
            await asyncio.sleep(SETTLE_POLL_S)

    async def stop(self) -> None:
        """Close every connection, each by its `shutdown()`, and wait for them."""
        self._server.should_exit = True
        await self._server.shutdown(sockets=self._listeners)


def bind(host: str, port: int, *, reuse_port: bool = False) -> socket.socket:
    """A bound, not yet listening socket; `reuse_port` lets several gateways share it.

    Raises:
        OSError: the address is taken, unknown, or not allowed.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(address)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def inherited(descriptors: str) -> list[socket.socket]:
    """The sockets behind descriptors with commas between.

    Raises:
        OSError: one is no open socket.
    """
    return [socket.socket(fileno=int(number)) for number in descriptors.split(",")]
