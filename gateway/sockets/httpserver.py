"""One HTTP connection: bytes in and out, RFC 9112 by llhttp, answers by the ASGI app.

Reads one request at a time and no further until it is answered, so what a client can
make the gateway hold is bounded; who goes on is gateway/sockets/admission.py's to say.
Hands the socket over on an upgrade. Must not know routes or frames.
"""

import asyncio
import time
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, cast

from gateway import address as peer
from gateway import cors, requesthead
from gateway.metrics import count_request
from gateway.sockets import asgi, rejection
from gateway.sockets.admission import OPENS
from gateway.sockets.handshake import Rejected
from gateway.sockets.holding import Holding
from gateway.sockets.incoming import Incoming
from gateway.sockets.intake import READ_BYTES_MAX
from gateway.sockets.lingering import Lingering
from gateway.sockets.runner import Services
from gateway.sockets.shared import Sockets
from gateway.sockets.turns import PIECE_COST, READ_BYTES_MIN, READ_COST
from gateway.sockets.upgrade import Door
from gateway.sockets.websocket import Connection
from schemas.refusals import Code

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
    from uvicorn.server import ServerState


class State(Enum):
    IDLE = auto()
    HEAD = auto()
    BODY = auto()
    WAITING = auto()
    """The request is whole; its turn hasn't come."""
    ANSWERING = auto()
    TAKING = auto()
    """The answer is written, but not taken yet."""
    ENDING = auto()
    """It had its last answer; what still comes is dropped."""
    OVER = auto()
    """Lost, or a WebSocket now."""


_READS = frozenset({State.IDLE, State.HEAD, State.BODY})


class HttpConnection(asyncio.BufferedProtocol):
    def __init__(
        self,
        sockets: Sockets,
        door: Door,
        services: Services,
        *,
        config: "Config",
        server_state: "ServerState",
        app_state: dict[str, Any],  # noqa: ARG002 - uvicorn passes it
        _loop: asyncio.AbstractEventLoop | None = None,  # uvicorn passes it
    ) -> None:
        self.due_slot = 0
        self._sockets = sockets
        self._door = door
        self._services = services
        self._admission = sockets.admission
        self._config = config
        self._server_state = server_state
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._flow: asgi.Writing = cast("asgi.Writing", None)
        self._incoming = Incoming()
        self._state = State.HEAD
        self._is_paused = False
        self._peer = ""
        self._holding = Holding(sockets.held)
        self._rest = b""  # what came after the request that is being answered
        self._cycle: RequestResponseCycle | None = None
        self._key = ""
        self._lingering: Lingering | None = None
        self._left = 0  # of an answer, when last looked at

    # ---- asyncio.BufferedProtocol --------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._flow = asgi.Writing(self._transport)
        self._server_state.connections.add(cast("Any", self))
        name = self._transport.get_extra_info("peername")
        self._peer = name[0] if isinstance(name, tuple) else ""
        self._give_s(self._sockets.limits.http_head_s)
        if not peer.is_trusted(self._peer, self._door.proxies):
            place = peer.place(self._peer)
            if not self._holding.settle_or_stay(place):
                self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._leave()
        cycle, self._cycle = self._cycle, None
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        self._flow.resume_writing()
        self._incoming.close()

    def pause_writing(self) -> None:
        self._flow.pause_writing()

    def resume_writing(self) -> None:
        self._flow.resume_writing()
        if self._state is State.TAKING and not self._transport.is_closing():
            self._go_on()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's
        buffer = self._sockets.read_buffer
        return buffer if self._sockets.turns.left > 0 else buffer[:READ_BYTES_MIN]

    def buffer_updated(self, nbytes: int) -> None:
        data = self._sockets.read_buffer[:nbytes]
        turns = self._sockets.turns
        if self._state in _READS and (self._rest or turns.left <= 0):
            self._keep(data)
            return
        turns.spend(nbytes + READ_COST)
        if self._state is State.ENDING:
            self._drop(nbytes)
        elif self._state in _READS:
            self._read(data)
        elif self._state is not State.OVER:
            self._keep(data)
        if nbytes == READ_BYTES_MAX and not self._is_paused:
            self._wait_to_read()

    def shutdown(self) -> None:
        """Idle connections end, others after their answer."""
        if self._cycle is not None:
            self._cycle.keep_alive = False
        elif self._state is not State.WAITING:
            self._transport.close()

    # ---- reading -------------------------------------------------------------

    def _pause(self) -> None:
        if not self._is_paused and not self._transport.is_closing():
            self._is_paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._is_paused and not self._transport.is_closing():
            self._is_paused = False
            self._transport.resume_reading()

    def _wait_to_read(self) -> None:
        """There is more where that came from: others' turn first."""
        if self._state is State.OVER or self._transport.is_closing():
            return
        self._pause()
        if self._state in _READS or self._state is State.ENDING:
            self._admission.ask(self._read_key(), self._read_on, 1)

    def _read_key(self) -> str:
        return f"read {self._peer}"

    def _read_on(self) -> None:
        self._admission.done(self._read_key())
        self._holding.let_go(len(self._rest))
        self._read_rest()

    def _read_rest(self) -> None:
        """What was kept, then what comes."""
        if self._state in _READS and self._rest:
            rest, self._rest = self._rest, b""
            self._read(memoryview(rest))
        if not self._rest and (self._state in _READS or self._state is State.ENDING):
            self._resume()

    def _keep(self, data: memoryview) -> None:
        """For later; until then no more is read."""
        if self._hold(len(data)):
            self._rest += data
        self._wait_to_read()

    def _read(self, data: memoryview) -> None:
        if self._state is State.IDLE:
            self._state = State.HEAD
            self._give_s(self._sockets.limits.http_head_s)
        incoming, turns = self._incoming, self._sockets.turns
        while len(data) and self._state in _READS:
            before, pieces = incoming.held_bytes, incoming.pieces
            data = incoming.take(data)
            turns.spend(PIECE_COST * (incoming.pieces - pieces))
            if not self._hold(incoming.held_bytes - before):
                return
            self._advance()
            if turns.left <= 0:
                break
        if len(data) and self._state is not State.ENDING:
            self._keep(data)

    def _advance(self) -> None:
        """As far as the request has come."""
        incoming = self._incoming
        if incoming.fault is not None:
            if incoming.is_garbled:
                whence = self._holding.place or self._peer
                self._admission.unreadable(incoming.fault.detail, whence)
            self._refuse(incoming.fault)
            return
        if self._state is State.HEAD and incoming.head is not None:
            self._take_head(incoming.head)
        if self._state is State.BODY and incoming.is_whole:
            self._wait_for_turn()

    # ---- a request -----------------------------------------------------------

    def _take_head(self, head: requesthead.Head) -> None:
        if not self._holding.settle_at(self._address()):
            most = self._sockets.limits.connections_per_address_max
            self._too_many(f"{most} connections from this address are the most")
            return
        if head.wants_websocket:
            self._wait_for(f"{OPENS}{self._holding.place or self._peer}", 1)
            return
        self._state = State.BODY
        self._give_s(self._sockets.limits.http_body_s)
        if head.expects_continue and not self._incoming.is_whole:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    @property
    def _token(self) -> str:
        return requesthead.bearer(self._incoming.headers)

    def _wait_for_turn(self) -> None:
        limits, user = self._sockets.limits, self._door.identity.known(self._token)
        if user is not None:
            self._wait_for(user, limits.http_under_way_per_user_max)
            return
        kind = "probe" if self._incoming.is_probe else "from"
        key = f"{kind} {self._holding.place or self._peer}"
        self._wait_for(key, limits.http_under_way_per_address_max)

    def _wait_for(self, key: str, most: int) -> None:
        self._sockets.wheel.cancel(self)
        self._state = State.WAITING
        self._key = key
        self._admission.ask(key, self._begin, most)

    def _begin(self) -> None:
        """It is its turn; a fault of ours ends this connection alone."""
        try:
            head = self._incoming.head
            if head is not None and head.wants_websocket:
                self._upgrade(head)
            else:
                self._answer()
        except BaseException:
            self._transport.abort()
            raise

    def _answer(self) -> None:
        self._state = State.ANSWERING
        user = self._door.identity.whose(self._token, time.time())
        if not self._holding.belongs(user):
            most = self._sockets.limits.connections_per_user_max
            self._admission.done(self._key)
            self._too_many(f"{most} connections of one user are the most")
            return
        self._cycle = asgi.run(
            self._incoming,
            self._transport,
            self._flow,
            config=self._config,
            server_state=self._server_state,
            on_response=self._answered,
            keep_alive=self._incoming.may_stay and not self._sockets.draining,
        )

    def _answered(self) -> None:
        if self._state is not State.ANSWERING:  # it is lost
            return
        self._server_state.total_requests += 1
        self._admission.done(self._key)
        self._key = ""
        self._holding.release()
        self._cycle = None
        self._incoming.again()
        self._state = State.TAKING
        if self._transport.is_closing() or self._flow.write_paused:
            self._left = self._transport.get_write_buffer_size()
            self._hold(self._left)
            self._give_s(self._sockets.limits.http_take_s)
        else:
            self._go_on()

    def _go_on(self) -> None:
        """To the next request, which may be there already."""
        self._sockets.wheel.cancel(self)
        self._state = State.IDLE
        self._holding.release()
        self._read_rest()
        if self._state is State.IDLE:
            self._give_s(self._sockets.limits.http_keep_s)

    # ---- whose it is ---------------------------------------------------------

    def _address(self) -> str:
        forwarded = requesthead.forwarded(self._incoming.headers)
        return peer.place(peer.address(self._peer, forwarded, self._door.proxies))

    def _hold(self, amount: int) -> bool:
        """Whether its place may hold so many bytes more; else it ends."""
        if self._holding.hold(amount):
            return True
        if self._state in _READS or self._state is State.WAITING:
            self._admission.leave(self._key, self._begin)
            self._too_many("what comes from this address is too much to hold")
        else:
            self._transport.abort()
        return False

    def _leave(self) -> None:
        """It is lost, or no longer HTTP's."""
        self._sockets.wheel.cancel(self)
        self._server_state.connections.discard(cast("Any", self))
        if self._state is State.WAITING:
            self._admission.leave(self._key, self._begin)
        elif self._state is State.ANSWERING:
            self._admission.done(self._key)
        self._admission.leave(self._read_key(), self._read_on)
        self._state = State.OVER
        self._holding.leave()

    # ---- refusing ------------------------------------------------------------

    def _too_many(self, detail: str) -> None:
        code = Code.RATE_LIMITED
        self._refuse(Rejected(code.http_status, code, detail))

    def _refuse(self, why: Rejected) -> None:
        """Its last answer, past the application."""
        count_request("none", self._incoming.method, why.status)
        response = rejection.rejection(why)
        said = cors.headers(self._incoming.headers, self._door.origins)
        response.headers.update(said)
        self._transport.write(response.serialize())
        self._state = State.ENDING
        self._holding.release()
        self._incoming.again()
        self._rest = b""
        limits = self._sockets.limits
        self._lingering = Lingering(limits, time.monotonic())
        self._give_s(limits.http_linger_s)
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._resume()

    def _drop(self, amount: int) -> None:
        assert self._lingering is not None, "nothing is dropped before a refusal"
        at_s = self._lingering.until_s(amount, time.monotonic())
        if at_s is None:
            self._transport.abort()
        else:
            self._sockets.wheel.schedule(self, at_s)

    # ---- upgrades ------------------------------------------------------------

    def _upgrade(self, head: requesthead.Head) -> None:
        incoming = self._incoming
        request = requesthead.of_upgrade(head, incoming.headers, incoming.method)
        rest, self._rest = self._rest, b""
        self._state = State.ANSWERING
        self._resume()
        self._leave()
        made = Connection(self._sockets, self._door, self._services, self._server_state)
        made.connection_made(self._transport)
        self._transport.set_protocol(made)
        made.upgrade(request)
        incoming.close()
        if rest:
            made.data_received(rest)

    # ---- time ----------------------------------------------------------------

    def _give_s(self, seconds: float) -> None:
        self._sockets.wheel.schedule(self, time.monotonic() + seconds)

    def on_timer(self, now_s: float) -> None:
        """Half a request came and no more; or an answer isn't taken; or it was idle."""
        transport = self._transport
        left = transport.get_write_buffer_size()
        if self._state is State.TAKING and 0 < left < self._left:
            self._left = left
            self._sockets.wheel.schedule(self, now_s + self._sockets.limits.http_take_s)
        elif self._state is State.IDLE and not left:
            transport.close()
        else:
            transport.abort()
