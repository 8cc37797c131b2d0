"""A client's cable to a gateway: a socket's transport, in virtual time."""

from collections import deque
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from websockets.protocol import OPEN

from gateway.sockets.handshake import Accepted
from gateway.sockets.websocket import Connection
from schemas.claims import Claims
from tests.simulation.net import TICK_S
from tests.support import rawsocket

if TYPE_CHECKING:
    from tests.simulation.world import Machine


class Far(Protocol):
    """The client's end of a cable."""

    def receive(self, cable: "Cable", data: bytes) -> None: ...

    def lost(self, cable: "Cable") -> None: ...


class Cable:
    """A socket's transport: bytes reach the client later, in order, or not at all."""

    def __init__(self, client: "Far", machine: "Machine", rng: Random) -> None:
        self.machine = machine
        self.connection: Any = None
        self._client = client
        self._rng = rng
        self._loop = machine.loop
        self._up_s = self._down_s = 0.0
        self._unread: deque[bytes] = deque()
        self._is_read = True
        self.is_cut = False

    def _after(self, before_s: float) -> float:
        return max(before_s + TICK_S, self._loop.time() + self._rng.random() * 0.002)

    # ---- what the gateway calls ------------------------------------------------

    def write(self, data: bytes) -> None:
        if not self.is_cut:
            self._down_s = self._after(self._down_s)
            world = self._loop.world
            self._loop.call_at(self._down_s, self._arrive, data, context=world)

    def _arrive(self, data: bytes) -> None:
        if not self.is_cut:
            self._client.receive(self, data)

    def close(self) -> None:
        self.cut()

    abort = close

    def is_closing(self) -> bool:
        return self.is_cut

    def pause_reading(self) -> None:
        self._is_read = False

    def resume_reading(self) -> None:
        self._is_read = True
        self._loop.call_soon(self._read, context=self.machine.context)

    def is_reading(self) -> bool:
        return self._is_read

    def get_write_buffer_size(self) -> int:
        return 0

    def can_write_eof(self) -> bool:
        return False

    # ---- what the client calls -------------------------------------------------

    def open(self, claims: Claims | None, since: int | None) -> None:
        def begin() -> None:
            gateway = self.machine.held
            if self.is_cut or gateway is None:
                self.cut()
                return
            connection = self.connection = Connection(
                gateway.sockets, gateway.door, gateway.services
            )
            connection.connection_made(self)  # type: ignore[arg-type]
            ws = connection._ws
            ws.state = OPEN  # as after the handshake: frames are next
            ws.parser = ws.parse()
            next(ws.parser)
            connection._intake.opened()
            connection._begin(Accepted(None, claims, since, None))

        self._up(begin)

    def send(self, payload: bytes) -> None:
        """A text, masked with zeros."""
        self.bring(rawsocket.frame(rawsocket.TEXT, payload, mask=bytes(4)))

    def bring(self, data: bytes) -> None:
        """Any bytes."""

        def arrive() -> None:
            self._unread.append(data)
            self._read()

        self._up(arrive)

    def _read(self) -> None:
        while self._unread and self._is_read and not self.is_cut:
            if self.connection is None:
                return
            self._bring(self._unread.popleft())

    def _bring(self, data: bytes) -> None:
        """As uvloop does: what is more than fits is read next."""
        into = self.connection.get_buffer(-1)
        size = min(len(data), len(into))
        into[:size] = data[:size]
        if size < len(data):
            self._unread.appendleft(data[size:])
        self.connection.buffer_updated(size)

    def _up(self, work: Any) -> None:
        self._up_s = self._after(self._up_s)
        self._loop.call_at(self._up_s, work, context=self.machine.context)

    def cut(self) -> None:
        """Both ends learn of it in their own time."""
        if self.is_cut:
            return
        self.is_cut = True

        def lost() -> None:
            if self.connection is not None:
                self.connection.connection_lost(None)

        self._loop.call_later(
            self._rng.random() * 0.05, lost, context=self.machine.context
        )
        self._loop.call_later(
            self._rng.random() * 0.01, self._client.lost, self, context=self._loop.world
        )
