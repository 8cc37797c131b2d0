"""What nats-py tells of a connection: logged, and passed on to who owns it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import nats.errors
import structlog

from runtime.nats_trouble import FORBIDDEN, UNREACHABLE, trouble

log = structlog.get_logger()

REPEATED_AFTER_S = 30
"""What keeps a connection from being made is logged once, then again so often."""


class Connection(Protocol):
    """As much of runtime.bus.Bus as is told."""

    closing: bool
    """By its owner."""
    on_forbidden: Callable[[str], bool | None] | None
    on_back: list[Callable[[], None]]

    @property
    def last_error(self) -> Exception | None: ...

    def fail(self, error: BaseException) -> None: ...


class Events:
    """What nats-py tells of one connection, passed on and logged."""

    def __init__(
        self,
        bus: Connection,
        name: str,
        on_disconnect: Callable[[], None] | None,
        on_reconnect: Callable[[], Awaitable[None] | None] | None,
    ) -> None:
        self._bus = bus
        self._name = name
        self._on_disconnect = on_disconnect
        self._on_reconnect = on_reconnect
        self._told = ""
        self._told_s = 0.0
        self.trouble = UNREACHABLE
        """What last kept the connection from being made."""

    async def disconnected(self) -> None:
        log.warning("NATS connection lost", connection=self._name)
        if self._on_disconnect is not None:
            self._on_disconnect()

    async def reconnected(self) -> None:
        self._told = ""
        log.info("NATS connection is back", connection=self._name)
        for tell in self._bus.on_back:
            tell()
        if self._on_reconnect is not None:
            waiting = self._on_reconnect()
            if waiting is not None:
                await waiting

    async def closed(self) -> None:
        bus = self._bus
        if not bus.closing:
            refused = isinstance(bus.last_error, nats.errors.AuthorizationError)
            text = trouble(bus.last_error) if bus.last_error and refused else ""
            bus.fail(nats.errors.ConnectionClosedError(text))

    async def erred(self, error: Exception) -> None:
        self.trouble = trouble(error)
        is_forbidden = self.trouble.startswith(FORBIDDEN)
        tell = self._bus.on_forbidden if is_forbidden else None
        if tell is not None and tell(self.trouble):
            return
        now_s = asyncio.get_running_loop().time()
        if self.trouble != self._told or now_s - self._told_s > REPEATED_AFTER_S:
            self._told, self._told_s = self.trouble, now_s
            log.warning(self.trouble, connection=self._name, error=repr(error))
