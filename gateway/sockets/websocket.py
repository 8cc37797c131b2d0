"""One WebSocket: bytes in and out, RFC 6455 by websockets, meaning by the session.

gateway/sockets/httpserver.py hands the socket and the request over on an upgrade;
uvicorn calls `shutdown()` when it stops. The handshake is in
gateway/sockets/upgrade.py; frames out go by gateway/sockets/writer.py. Has no task and
no timer handle of its own.
"""

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import structlog
from websockets.frames import CTRL_OPCODES, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import CLOSED, CONNECTING, OPEN

from gateway import framing, metrics
from gateway.session import effects
from gateway.session.machine import Now, Session
from gateway.sockets import handshake
from gateway.sockets.heartbeat import Beat, Heartbeat
from gateway.sockets.reading import NEVER
from gateway.sockets.rfc6455 import Protocol
from gateway.sockets.turns import FRAME_COST, SINGLE_FLOOR
from gateway.sockets.upgrade import Opening
from schemas.accounts import Result
from schemas.claims import Claims
from schemas.closes import Close
from schemas.commands import Answer, SendMessage
from schemas.frames import FRAME_BYTES_MAX
from schemas.refusals import Refusal

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

    from gateway.bootstrap import Edge
    from gateway.fanout.region import Seat

log = structlog.get_logger()

_OPCODE = 0x0F


class Connection(Opening):
    __slots__ = (
        "_fragments",
        "_seat",
        "_server_state",
        "_session",
        "_welcome_s",
        "bare",
        "pending",
    )

    def __init__(
        self,
        edge: "Edge",
        config: "Config | None" = None,  # noqa: ARG002 - uvicorn passes it
        server_state: "ServerState | None" = None,
        app_state: Any = None,  # noqa: ARG002 - uvicorn passes it
    ) -> None:
        super().__init__(edge, Protocol(FRAME_BYTES_MAX))
        self._server_state = server_state
        self._session: Session | None = None
        self._seat: Seat | None = None
        self._fragments: bytearray | None = None
        """Of an unfinished message; one buffer, for fragments may be empty and many."""
        self._welcome_s = NEVER
        self.pending = 0
        self.bare = False

    # ---- asyncio.Protocol ----------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._edge.connections.add(self)
        if self._server_state is not None:
            self._server_state.connections.add(cast("Any", self))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._ws.state = CLOSED  # nothing is written any more
        self._intake.end()
        self._end_session()
        self._edge.wheel.cancel(self)
        self._edge.connections.discard(self)
        self._leave()
        if self._server_state is not None:
            self._server_state.connections.discard(cast("Any", self))

    def buffer_updated(self, nbytes: int) -> None:
        edge = self._edge
        data, turns = bytes(edge.read_buffer[:nbytes]), edge.turns
        intake = self._intake
        if intake.is_free and turns.left > SINGLE_FLOOR and self._seat is not None:
            # What most reads bring, past the intake: 1 of 7 us (2026-11-29).
            text = self._ws.whole_text(data)
            if text is not None:
                turns.spend(FRAME_COST + nbytes)
                self._text(text)
                return
        intake.read(data)

    def _take(self, piece: bytes, is_whole: bool) -> None:
        """One frame, or a part of one (gateway/sockets/intake.py)."""
        ws = self._ws
        if ws.state is OPEN:
            session = self._session
            if session is not None and session.claims is None:
                for action in session.weigh(len(piece)):
                    self._act(action, self._edge.now())
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
                self._handshake(event)
        if ws.writes:
            self._write_control()
        if ws.parser_exc is not None:
            self._end_session()

    def shutdown(self) -> None:
        """The server stops: the client shall come back, to any other gateway."""
        if self._ws.state is CONNECTING:
            self._transport.close()
        else:
            self.close(Close.DRAINING)

    # ---- frames in -----------------------------------------------------------

    def _frame(self, frame: Frame) -> None:
        opcode = frame.opcode
        if opcode is not Opcode.TEXT or not frame.fin:
            self._stirred(is_control=opcode in CTRL_OPCODES)
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
        elif opcode is Opcode.PONG:
            if self._heartbeat is not None:
                self._heartbeat.answered()
        elif opcode is Opcode.BINARY:
            self.close(Close.UNSUPPORTED_DATA)
        elif opcode is Opcode.CLOSE:
            self._end_session()

    def _stirred(self, *, is_control: bool) -> None:
        if self._session is not None:
            now = self._edge.now()
            for action in self._session.stir(now, is_control=is_control):
                self._act(action, now)

    def _text(self, payload: bytes) -> None:
        session = self._session
        if session is None or self._ws.state is not OPEN:
            return
        self._edge.frames_in += 1
        now = self._edge.now()
        for action in session.receive(payload, now):
            self._act(action, now)

    def _act(self, action: effects.Action, now: Now) -> None:
        """Carry out what the session decided."""
        if self._ws.state is not OPEN:
            return
        edge = self._edge
        if type(action) is effects.Submit:
            self._submit(action, now)
        elif type(action) is effects.Send:
            if action.code is not None:
                metrics.REFUSALS.labels(action.code.value).inc()
            self._answer(action.frame)
        elif type(action) is effects.Visit:
            self._visit(action, now)
        elif type(action) is effects.Locate:
            claims = self.current_claims()
            if claims is not None:
                edge.positions.add(claims.region, action.fix)
        elif type(action) is effects.Identified:
            self._attach(action, now)
        elif type(action) is effects.AskLogIn:
            edge.log_in(self, action.request)
        elif type(action) is effects.Shut:
            self.close(action.code)
        elif type(action) is effects.Hold:
            self._hold(action.until_s, now.mono_s)
            self._schedule(now)
        else:
            self._schedule(now)

    def _submit(self, action: effects.Submit, now: Now) -> None:
        claims = self.current_claims()
        if claims is None:
            return
        edge = self._edge
        command = action.command
        trace, done = edge.traced(
            command, action.traceparent, self._answers(action.ref)
        )
        refusal = edge.courier.submit(
            claims.region,
            command,
            self,
            done,
            now.mono_s,
            traceparent=trace,
            line=command.room if type(command) is SendMessage else "",
        )
        if refusal is not None:
            done(Answer(command.id, command.attempt, refused=refusal))
        self._pace(claims.region, now)

    def _visit(self, action: effects.Visit, now: Now) -> None:
        if self._seat is None:
            return
        edge = self._edge
        command = action.command
        trace, done = edge.traced(
            command, action.traceparent, self._answers(action.ref)
        )
        refusal = edge.hub.lobby.visit(self._seat, command, done, trace)
        if refusal is not None:
            done(Answer(command.id, command.attempt, refused=refusal))
        self._pace(self._seat.listener.region.name, now)

    def _pace(self, region: str, now: Now) -> None:
        """Who has several commands on their way to a leader that has many is read on
        when one of theirs is answered: it would serve them before all who come later.
        """
        limits = self._edge.limits
        if (
            self.pending >= limits.pending_while_busy
            and self._resume_s == NEVER
            and self._edge.courier.is_busy(region, now.mono_s)
        ):
            self._awaits_answer = True
            self._hold(now.mono_s + limits.busy_s, now.mono_s)
            self._schedule(now)

    def _answers(self, ref: str | None) -> Callable[[Answer], None]:
        def done(answer: Answer) -> None:
            if answer.data is not None:
                self._answer(framing.reply(ref, answer.data))
            elif answer.refused is not None:
                self._refuse(ref, answer.refused)
            if self._awaits_answer:
                self._resume(time.monotonic())

        return done

    def _attach(self, identified: effects.Identified, now: Now) -> None:
        claims = identified.claims
        self._welcome_s = now.mono_s + self._edge.limits.welcome_s
        # Who logs in by frame is counted now, others by the handshake.
        if self._user is None and self._enter_as(claims) is not None:
            self.close(Close.TRY_AGAIN_LATER)
            return
        self._seat = self._edge.hub.attach(self, claims, identified.since)
        if self._seat is None:
            self.close(Close.TRY_AGAIN_LATER)
            return
        log.debug("session", user=claims.sub, session=claims.sid)
        self._schedule(now)
        if self._session is not None:
            for action in self._session.enter(now):
                self._act(action, now)

    def logged_in(self, result: Result) -> None:
        """What persistence said about the password."""
        session = self._session
        if session is None or self._ws.state is not OPEN:
            return
        now = self._edge.now()
        for action in session.logged_in(result, now):
            self._act(action, now)

    def current_claims(self) -> Claims | None:
        return self._session.claims if self._session is not None else None

    # ---- frames out ----------------------------------------------------------

    def _refuse(self, ref: str | None, refusal: Refusal) -> None:
        metrics.REFUSALS.labels(refusal.code.value).inc()
        self._answer(framing.refused(ref, refusal))

    def _answer(self, frame: bytes) -> None:
        """Answers wait for the welcome as events do."""
        if self._seat is not None:
            self._seat.give(0, frame, self._edge.limits.held_max)
        else:
            self.write(frame)

    def _close_slow(self, waiting: int) -> None:
        claims = self.current_claims()
        log.info(
            "slow consumer",
            user=claims.sub if claims else None,
            session=claims.sid if claims else None,
            waiting_bytes=waiting,
        )
        metrics.SLOW_CONSUMERS.inc()
        self._out.clear()
        self.close(Close.SLOW_CONSUMER)

    # ---- opening and closing -------------------------------------------------

    def _begin(self, verdict: handshake.Accepted) -> None:
        edge = self._edge
        now = edge.now()
        self._session = Session(
            edge.shared, now, verdict.required, verdict.since, verdict.room
        )
        self.bare = verdict.room is not None
        self._heartbeat = Heartbeat(edge.limits, now.mono_s)
        if verdict.claims is not None:
            self._act(self._session.identify(verdict.claims), now)
        self._schedule(now)

    def _end_session(self) -> None:
        self._fragments = None
        self._ws.reader.discard()
        if self._session is not None:
            self._session.over()
        if self._seat is not None:
            self._edge.hub.detach(self._seat)
            self._seat = None

    def live(self) -> None:
        self._welcome_s = NEVER

    # ---- time ----------------------------------------------------------------

    def on_timer(self, now_s: float) -> None:
        if now_s >= self._close_s:
            self._transport.abort()
            return
        session = self._session
        if session is None or self._ws.state is not OPEN:
            self._edge.wheel.schedule(self, self._close_s)
            return
        now = self._edge.now()
        for action in session.check(now):
            self._act(action, now)
        if now_s >= self._resume_s:
            self._resume(now_s)
        beat = Beat.NONE
        if self._heartbeat is not None:
            beat = self._heartbeat.beat(self._edge.limits, now_s)
        if now_s >= self._welcome_s:
            self.close(Close.TRY_AGAIN_LATER)
        elif beat is Beat.DEAD:
            self.close(Close.INTERNAL_ERROR)
        elif beat is Beat.PING:
            self.write(framing.PING)
        if self._ws.state is OPEN:
            self._schedule(now)

    def _schedule(self, now: Now) -> None:
        session, heartbeat = self._session, self._heartbeat
        assert session is not None
        assert heartbeat is not None
        at_s = min(self._welcome_s, self._resume_s, heartbeat.due_s())
        self._edge.wheel.schedule(self, min(at_s, session.due_s(now)))
