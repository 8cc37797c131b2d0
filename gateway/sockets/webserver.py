"""uvicorn as the gateway runs it: one port for HTTP and WebSockets.

Its connections are gateway/sockets/httpserver.py's; its access log would print
`?token=`. Must not know routes or frames.
"""

import asyncio
import socket
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import uvicorn

from gateway.sockets.httpserver import HttpConnection
from gateway.sockets.runner import Services
from gateway.sockets.shared import Sockets
from gateway.sockets.upgrade import Door
from runtime.resting import together_s

BACKLOG = 2048
SETTLE_POLL_S = 0.02
DATE_S = 1.0
GRACE_S = 8
"""For the last answers and closing handshakes; runtime.lifecycle cuts off at 20 s."""


class WebServer:
    """Serves `app` and WebSockets on bound sockets."""

    def __init__(
        self,
        app: Any,
        sockets: Sockets,
        door: Door,
        services: Services,
        listeners: Sequence[socket.socket],
    ) -> None:
        self._listeners = list(listeners)
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=partial(  # type: ignore[arg-type]
                    HttpConnection, sockets, door, services
                ),
                ws="none",
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
        """Keep the Date header, until cancelled. Its own loop looks ten times a second
        for an end that is none of its business here.
        """
        while True:
            await self._server.on_tick(0)
            await asyncio.sleep(together_s(DATE_S))

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
