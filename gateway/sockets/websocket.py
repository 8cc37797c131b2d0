"""One WebSocket: bytes in and out, RFC 6455 by websockets, meaning by the session.

gateway/sockets/httpserver.py hands the socket and the request over on an upgrade;
uvicorn calls `shutdown()` when it stops. Has an upgrade (gateway/sockets/upgrade.py), a
writer (gateway/sockets/writer.py) and a session, which is run by
gateway/sockets/runner.py; has no task and no timer handle of its own.
"""

import asyncio
from typing import TYPE_CHECKING, Any, cast

import structlog
from websockets.frames import CTRL_OPCODES, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import CLOSED, CONNECTING, OPEN

from gateway import framing, metrics
from gateway.clock import Now
from gateway.session import located
from gateway.sockets import handshake
from gateway.sockets.heartbeat import Beat, Heartbeat
from gateway.sockets.intake import Intake
from gateway.sockets.rfc6455 import Protocol
from gateway.sockets.runner import NEVER, Runner, Services
from gateway.sockets.shared import Sockets
from gateway.sockets.turns import FRAME_COST, SINGLE_FLOOR
from gateway.sockets.upgrade import Door, Upgrade
from gateway.sockets.writer import Writer
from schemas.closes import Close
from schemas.frames import FRAME_BYTES_MAX

if TYPE_CHECKING:
    from uvicorn.server import ServerState

log = structlog.get_logger()

_OPCODE = 0x0F


class Connection(asyncio.BufferedProtocol):
    """Opening, while it is judged; then Socket, of its session. It is read again at
    `_resume_s`, at the latest, and cut at `_close_s`; never: it is read, isn't closing.
    """

    __slots__ = (
        "_close_s",
        "_fragments",
        "_heartbeat",
        "_intake",
        "_resume_s",
        "_server_state",
        "_sockets",
        "_transport",
        "_upgrade",
        "_ws",
        "due_slot",
        "runner",
        "writer",
    )

    def __init__(
        self,
        sockets: Sockets,
        door: Door,
        services: Services,
        server_state: "ServerState | None" = None,
    ) -> None:
        self._sockets = sockets
        self._server_state = server_state
        self._ws = ws = Protocol(FRAME_BYTES_MAX)
        budget_bytes = sockets.limits.output_bytes_max
        self.writer = Writer(ws, sockets, budget_bytes, self._close_slow)
        self._upgrade = Upgrade(door, ws, self)
        self.runner = Runner(
            sockets,
            services,
            ws=ws,
            writer=self.writer,
            upgrade=self._upgrade,
            socket=self,
        )
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._intake: Intake = cast("Intake", None)
        self._heartbeat: Heartbeat | None = None
        """None until it is open."""
        self._fragments: bytearray | None = None
        """Of an unfinished message; one buffer, for fragments may be empty and many."""
        self._resume_s = self._close_s = NEVER
        self.due_slot = 0

    # ---- asyncio.BufferedProtocol --------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = self.writer.transport = cast("asyncio.Transport", transport)
        self._intake = Intake(self._transport, self._sockets.turns, self._take)
        self._sockets.connections.add(self)
        if self._server_state is not None:
            self._server_state.connections.add(cast("Any", self))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.runner.read_late(self._sockets.now())
        self._ws.state = CLOSED  # nothing is written any more
        self._intake.end()
        self._end_session()
        self._sockets.wheel.cancel(self)
        self._sockets.connections.discard(self)
        self._upgrade.leave()
        if self._server_state is not None:
            self._server_state.connections.discard(cast("Any", self))
        # What holds one another would wait for the garbage collector: 7 KiB.
        self._ws.parser.close()
        self.runner.gone()
        self.writer.gone()

    def pause_writing(self) -> None:
        self.writer.pause()

    def resume_writing(self) -> None:
        self.writer.resume()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's
        return self._sockets.read_buffer

    def data_received(self, data: bytes) -> None:
        """What came with the request, after its head."""
        self._intake.read(data)

    def buffer_updated(self, nbytes: int) -> None:
        sockets = self._sockets
        data, turns = bytes(sockets.read_buffer[:nbytes]), sockets.turns
        intake, runner = self._intake, self.runner
        if runner.late is not None:
            runner.read_late(sockets.now())
        if intake.is_free and turns.left > SINGLE_FLOOR and runner.is_seated:
            # What most reads bring, past the intake: 1 of 7 us (2026-11-29).
            text = self._ws.whole_text(data)
            if text is not None:
                turns.spend(FRAME_COST + nbytes)
                if located.may_be(text):
                    runner.gather(text)
                else:
                    self._text(text)
                return
            if self._ws.is_bare_pong(data):
                turns.spend(FRAME_COST + nbytes)
                self._pong(0)
                return
        intake.read(data)

    def _take(self, piece: bytes, is_whole: bool) -> None:
        """One frame, or a part of one (gateway/sockets/intake.py)."""
        ws = self._ws
        if ws.state is OPEN:
            self.runner.weigh(len(piece))
            text = ws.whole_text(piece) if is_whole else None
            if text is not None:
                self._text(text)
                return
        if ws.state is OPEN or ws.state is CONNECTING:
            self._parse(piece)
        elif is_whole and piece[0] & _OPCODE == Opcode.CLOSE:
            self._transport.close()  # the answer to our own

    def _parse(self, piece: bytes) -> None:
        ws = self._ws
        ws.receive_data(piece)
        for event in ws.events_received():
            if type(event) is Frame:
                self._frame(event)
            elif isinstance(event, Request):
                self._upgrade.judge(event)
        if ws.writes:
            self._write_control()
        if ws.parser_exc is not None:
            self._end_session()

    # ---- gateway/sockets/upgrade.py: Opening ---------------------------------

    def upgrade(self, request: Request) -> None:
        """The HTTP server has read a request for a WebSocket; only frames follow."""
        self._ws.expect_frames()
        self._upgrade.judge(request)

    @property
    def pending(self) -> int:
        """gateway/sockets/drain.py: Session."""
        return self.runner.pending

    @property
    def peer(self) -> str:
        name = self._transport.get_extra_info("peername")
        return name[0] if isinstance(name, tuple) else ""

    @property
    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def wait(self) -> None:
        self._intake.hold()

    def accepted(self, verdict: handshake.Accepted) -> None:
        self._write_control()
        self._intake.opened()
        self._begin(verdict)
        self._intake.release()

    def rejected(self) -> None:
        self._write_control()

    # ---- frames in -----------------------------------------------------------

    def shutdown(self) -> None:
        """The server stops: the client shall come back, to any other gateway."""
        if self._ws.state is CONNECTING:
            self._transport.close()
        else:
            self.close(Close.DRAINING)

    def _frame(self, frame: Frame) -> None:
        opcode = frame.opcode
        if opcode is Opcode.PONG:
            self._pong(len(frame.data))
        elif opcode is not Opcode.TEXT or not frame.fin:
            self.runner.stir(len(frame.data), is_control=opcode in CTRL_OPCODES)
        if opcode is Opcode.TEXT:
            if frame.fin:
                self._text(bytes(frame.data))
            else:
                self._fragments = bytearray(frame.data)
        elif opcode is Opcode.CONT:
            if self._fragments is not None:
                self._fragments += frame.data
                if frame.fin:
                    whole, self._fragments = bytes(self._fragments), None
                    self._text(whole)
        elif opcode is Opcode.BINARY:
            self.close(Close.UNSUPPORTED_DATA)
        elif opcode is Opcode.CLOSE:
            self._end_session()

    def _text(self, payload: bytes) -> None:
        self.runner.text(payload)

    def _pong(self, size: int) -> None:
        if self._heartbeat is not None and self._heartbeat.answered():
            # One a ping of ours counts nowhere, and isn't looked for when it is due.
            self.schedule(self._sockets.now())
        else:
            self.runner.stir(size, is_control=True)

    def _close_slow(self, waiting: int) -> None:
        claims = self.runner.current_claims()
        log.info(
            "slow consumer",
            user=claims.sub if claims else None,
            session=claims.sid if claims else None,
            waiting_bytes=waiting,
        )
        metrics.SLOW_CONSUMERS.inc()
        self.close(Close.SLOW_CONSUMER)

    # ---- opening and closing -------------------------------------------------

    def _begin(self, verdict: handshake.Accepted) -> None:
        now = self._sockets.now()
        self._heartbeat = Heartbeat(self._sockets.limits, now.mono_s)
        self.runner.begin(verdict, now)
        self.schedule(now)

    def _end_session(self) -> None:
        self._fragments = None
        self._ws.reader.discard()
        self.runner.end()

    def close(self, code: Close) -> None:
        """Start the closing handshake; the socket is cut if the peer doesn't join."""
        self.runner.read_late(self._sockets.now())
        if self._ws.state is not OPEN:
            return
        metrics.CLOSES.labels(str(code.value)).inc()
        self.writer.close()
        self._ws.send_close(code, framing.reason(code))
        self._write_control()
        self._end_session()
        self._until_closed()

    def _until_closed(self) -> None:
        at_s = self._sockets.now().mono_s + self._sockets.limits.close_s
        self._close_s = min(self._close_s, at_s)
        self._sockets.wheel.schedule(self, self._close_s)
        self._intake.closing()

    def _write_control(self) -> None:
        if not self.writer.write_control():
            return
        self._until_closed()
        # After a failure the peer may still be sending: closing at once would make the
        # kernel answer with a reset, which can overtake our close frame.
        if self._ws.parser_exc is not None and self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()

    # ---- time ----------------------------------------------------------------

    @property
    def is_held(self) -> bool:
        return self._resume_s != NEVER

    def hold(self, until_s: float, now: Now) -> None:
        self._resume_s = max(until_s, self._resume_s) if self.is_held else until_s
        self._intake.hold()
        if self._heartbeat is not None:
            self._heartbeat.stand_still(now.mono_s)
        self.schedule(now)

    def resume(self, now_s: float) -> None:
        self._resume_s = NEVER
        self.runner.resumed()
        if self._heartbeat is not None:
            self._heartbeat.go_on(now_s)
        self._intake.release()

    def on_timer(self, now_s: float) -> None:
        """gateway/sockets/timers.py: Timed."""
        if now_s >= self._close_s:
            self._transport.abort()
            return
        if self.runner.session is None or self._ws.state is not OPEN:
            self._sockets.wheel.schedule(self, self._close_s)
            return
        now = self._sockets.now()
        self.runner.check(now)
        if now_s >= self._resume_s:
            self.resume(now_s)
        beat = Beat.NONE
        if self._heartbeat is not None:
            beat = self._heartbeat.beat(self._sockets.limits, now_s)
        if self.runner.is_late(now):
            self.close(Close.TRY_AGAIN_LATER)
        elif beat is Beat.DEAD:
            self.close(Close.INTERNAL_ERROR)
        elif beat is Beat.PING:
            self._ping()
        if self._ws.state is OPEN:
            self.schedule(now)

    def _ping(self) -> None:
        sockets = self._sockets
        if self.writer.deliver(framing.PING):
            sockets.writes += 1
            sockets.bytes_out += len(framing.PING)

    def schedule(self, now: Now) -> None:
        assert self._heartbeat is not None
        at_s = min(self._resume_s, self._heartbeat.due_s(), self.runner.due_s(now))
        self._sockets.wheel.schedule(self, at_s)
