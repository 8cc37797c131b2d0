"""One session, run: text messages in, and what it decides carried out.

Commands go to their leader, answers to the client, behind the welcome. Must not know
how a socket is read, pinged or closed.
"""

from collections.abc import Callable
from functools import partial
from typing import Protocol

import structlog
from msgspec import Struct
from websockets.protocol import OPEN

from gateway import framing, metrics
from gateway.clock import Now
from gateway.errors import UnknownKey
from gateway.fanout.region import Seat
from gateway.fanout.router import Router
from gateway.fanout.watching import Watching
from gateway.leader.commands import traced
from gateway.leader.link import Link
from gateway.leader.positions import Positions
from gateway.session import effects
from gateway.session.machine import Session, Shared
from gateway.sockets import handshake, rfc6455, strain
from gateway.sockets.gone import GONE
from gateway.sockets.shared import Sockets
from gateway.sockets.turns import FRAME_COST
from gateway.sockets.upgrade import Upgrade
from gateway.sockets.writer import Writer
from schemas.accounts import LogIn, Result
from schemas.claims import Claims
from schemas.closes import Close
from schemas.commands import AcceptTrip, Answer, Fix, SendMessage
from schemas.refusals import Refusal

log = structlog.get_logger()

NEVER = float("inf")


class Services(Struct, frozen=True):
    """Whom sessions' actions are carried to."""

    sessions: Shared
    link: Link
    router: Router
    watching: Watching
    positions: Positions
    log_in: Callable[[LogIn, Callable[[Result], None]], None]
    """Have a password checked; told what persistence said."""
    settle: Callable[[UnknownKey, str, Callable[[Refusal | None], None]], bool]
    """As `Door.settle`."""


class Socket(Protocol):
    """What a session decides about its own socket."""

    @property
    def is_held(self) -> bool:
        """It isn't read."""

    def close(self, code: Close) -> None: ...

    def hold(self, until_s: float, now: Now) -> None:
        """Read nothing until then, at the latest; who is held already stays so until
        the later of the two.
        """

    def resume(self, now_s: float) -> None: ...

    def schedule(self, now: Now) -> None:
        """`due_s` may be another."""


class Runner:
    """gateway/ports.py: Connection; nobody is there until `begin`."""

    __slots__ = (
        "_awaits_answer",
        "_seat",
        "_services",
        "_socket",
        "_sockets",
        "_strained_s",
        "_upgrade",
        "_welcome_s",
        "_ws",
        "bare",
        "late",
        "pending",
        "session",
        "writer",
    )

    def __init__(
        self,
        sockets: Sockets,
        services: Services,
        *,
        ws: rfc6455.Protocol,
        writer: Writer,
        upgrade: Upgrade,
        socket: Socket,
    ) -> None:
        self._sockets = sockets
        self._services = services
        self._ws = ws
        self._upgrade = upgrade
        self._socket = socket
        self.writer = writer
        self.session: Session | None = None
        self._seat: Seat | None = None
        self._welcome_s = NEVER
        """When it is too late for the welcome."""
        self._awaits_answer = False
        """Not read until one of its commands is answered."""
        self._strained_s = -NEVER
        """When something of it was last refused, or meant nothing."""
        self.pending = 0
        self.bare = False
        self.late: bytes | None = None
        """A message that came and is yet to be read."""

    def begin(self, verdict: handshake.Accepted, now: Now) -> None:
        """The socket is open."""
        self.session = Session(
            self._services.sessions, now, verdict.required, verdict.since, verdict.room
        )
        self.bare = verdict.room is not None
        if verdict.claims is not None:
            self._act(self.session.identify(verdict.claims), now)

    def end(self) -> None:
        """Nobody is there any more. Idempotent."""
        if self.session is not None:
            self.session.over()
        if self._seat is not None:
            self._services.watching.end(self._seat)
            self._services.router.detach(self._seat)
            self._seat = None

    def gone(self) -> None:
        """The socket is lost, and `end` called: answers may still come."""
        self._socket = GONE

    @property
    def is_seated(self) -> bool:
        """It is known whose it is."""
        return self._seat is not None

    # ---- what comes ----------------------------------------------------------

    def text(self, payload: bytes) -> None:
        session = self.session
        if session is None or self._ws.state is not OPEN:
            return
        self._sockets.frames_in += 1
        now = self._sockets.now()
        for action in session.receive(payload, now):
            self._act(action, now)
            if type(action) is effects.Send and action.code is not None:
                self._strain(len(payload), now)

    def gather(self, payload: bytes) -> None:
        """A position: it is read with others', or before whatever else comes."""
        self.late = payload
        self._services.positions.gather(self)

    def read_late(self, now: Now) -> None:
        """gateway/leader/positions.py: Gathered."""
        payload, self.late = self.late, None
        session = self.session
        if payload is None or session is None or self._ws.state is not OPEN:
            return
        fix = session.position(payload, now)
        if fix is None:
            self.text(payload)
        elif session.claims is not None:
            self._sockets.frames_in += 1
            self._services.positions.add(session.claims.region, fix)

    def weigh(self, size: int) -> None:
        """So many bytes came; nobody counts them once it is known whose they are."""
        session = self.session
        if session is not None and session.claims is None:
            for action in session.weigh(size):
                self._act(action, self._sockets.now())

    def stir(self, size: int, *, is_control: bool) -> None:
        """A control frame came, or a part of a message, with so many bytes."""
        if self.session is not None:
            now = self._sockets.now()
            for action in self.session.stir(now, is_control=is_control):
                self._act(action, now)
            self._strain(size, now)

    def _strain(self, size: int, now: Now) -> None:
        """A frame was refused, or meant nothing: it counts to its address. Who had none
        for as long as anybody waits is read on: a pong, or a slip, beside a neighbour's
        flood.
        """
        place, cost = self._upgrade.place or "", FRAME_COST + size
        wait_s = self._sockets.strain.add(place, cost, now.mono_s)
        is_rare = now.mono_s - self._strained_s >= strain.WAIT_MAX_S
        self._strained_s = now.mono_s
        if wait_s and not is_rare and self._ws.state is OPEN:
            self._socket.hold(now.mono_s + wait_s, now)

    def logged_in(self, result: Result) -> None:
        """What persistence said about the password."""
        session = self.session
        if session is None or self._ws.state is not OPEN:
            return
        now = self._sockets.now()
        for action in session.logged_in(result, now):
            self._act(action, now)

    def _settled(self, asked: effects.AskKey, refusal: Refusal | None) -> None:
        """What was found out about a key."""
        if self.session is None or self._ws.state is not OPEN:
            return
        now = self._sockets.now()
        for action in asked.then(refusal, now):
            self._act(action, now)

    # ---- what the session decided --------------------------------------------

    def _act(self, action: effects.Action, now: Now) -> None:
        if self._ws.state is not OPEN:
            return
        if type(action) is effects.Submit:
            self._submit(action, now)
        elif type(action) is effects.Send:
            if action.code is not None:
                metrics.REFUSALS.labels(action.code.value).inc()
            self._answer(action.frame)
        elif type(action) is effects.Visit:
            self._visit(action, now)
        elif type(action) is Fix:
            claims = self.current_claims()
            if claims is not None:
                self._services.positions.add(claims.region, action)
        elif type(action) is effects.Watch:
            self._watch(action)
        elif type(action) is effects.Identified:
            self._attach(action, now)
        elif type(action) is effects.AskLogIn:
            asked, upgrade = action.request, self._upgrade
            place = upgrade.place or ""
            request = LogIn(asked.username, asked.password, place, upgrade.device)
            self._services.log_in(request, self.logged_in)
        elif type(action) is effects.AskKey:
            told = partial(self._settled, action)
            self._services.settle(action.about, self._upgrade.place or "", told)
        elif type(action) is effects.Shut:
            self.close(action.code)
        elif type(action) is effects.Hold:
            self._socket.hold(action.until_s, now)
        else:
            self._socket.schedule(now)

    def _submit(self, action: effects.Submit, now: Now) -> None:
        session = self.session
        if session is None or session.claims is None:
            return
        command, claims = action.command, session.claims
        trace, done = traced(command, action.traceparent, self._answers(action.ref))
        if type(command) is AcceptTrip and self._seat is not None:
            region = self._seat.listener.region
            done = self._services.router.trip_rooms.before_accept(region, command, done)
        refusal = self._services.link.submit(
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
        command = action.command
        trace, done = traced(command, action.traceparent, self._answers(action.ref))
        refusal = self._services.router.rooms.visit(self._seat, command, done, trace)
        if refusal is not None:
            done(Answer(command.id, command.attempt, refused=refusal))
        self._pace(self._seat.listener.region.name, now)

    def _watch(self, action: effects.Watch) -> None:
        if self._seat is None:
            return
        watching, ref, wanted = self._services.watching, action.ref, action.wanted
        if not wanted.is_on:
            watching.end(self._seat)
            self._answer(framing.reply(ref, b"{}"))
            return
        refusal = watching.watch(self._seat, ref, wanted.bounds)
        if refusal is not None:
            self._refuse(ref, refusal)

    def _pace(self, region: str, now: Now) -> None:
        """Who has several commands on their way to a leader that has many is read on
        when one of theirs is answered: it would serve them before all who come later.
        """
        limits = self._sockets.limits
        if (
            self.pending >= limits.pending_while_busy
            and not self._socket.is_held
            and self._services.link.is_busy(region, now.mono_s)
        ):
            self._awaits_answer = True
            self._socket.hold(now.mono_s + limits.busy_s, now)

    def _answers(self, ref: str | None) -> Callable[[Answer], None]:
        def done(answer: Answer) -> None:
            if answer.data is not None:
                self._answer(framing.reply(ref, answer.data))
            elif answer.refused is not None:
                self._refuse(ref, answer.refused)
            if self._awaits_answer:
                self._socket.resume(self._sockets.now().mono_s)

        return done

    def _attach(self, identified: effects.Identified, now: Now) -> None:
        claims = identified.claims
        self._welcome_s = now.mono_s + self._sockets.limits.welcome_s
        # Who logs in by frame is counted now, others by the handshake.
        if self._upgrade.enter_as(claims) is not None:
            self.close(Close.TRY_AGAIN_LATER)
            return
        self._seat = self._services.router.attach(self, claims, identified.since)
        if self._seat is None:
            self.close(Close.TRY_AGAIN_LATER)
            return
        log.debug("session", user=claims.sub, session=claims.sid)
        self._socket.schedule(now)
        if self.session is not None:
            for action in self.session.enter(now):
                self._act(action, now)

    def _refuse(self, ref: str | None, refusal: Refusal) -> None:
        metrics.REFUSALS.labels(refusal.code.value).inc()
        self._answer(framing.refused(ref, refusal))

    def _answer(self, frame: bytes) -> None:
        """Answers wait for the welcome as events do."""
        if self._seat is not None:
            self._seat.give(0, frame, self._sockets.limits.held_max)
        else:
            self.writer.write(frame)

    # ---- gateway/ports.py: Connection ----------------------------------------

    def close(self, code: Close) -> None:
        self._socket.close(code)

    def live(self) -> None:
        self._welcome_s = NEVER

    def current_claims(self) -> Claims | None:
        return self.session.claims if self.session is not None else None

    # ---- time ----------------------------------------------------------------

    def resumed(self) -> None:
        """The socket is read again."""
        self._awaits_answer = False

    def check(self, now: Now) -> None:
        """Close it, if its time to log in, or its token, has run out."""
        if self.session is not None:
            for action in self.session.check(now):
                self._act(action, now)

    def is_late(self, now: Now) -> bool:
        """Whether the welcome should have been out."""
        return now.mono_s >= self._welcome_s

    def due_s(self, now: Now) -> float:
        """Monotonic time at which `check` or `is_late` may have something to say."""
        assert self.session is not None
        return min(self._welcome_s, self.session.due_s(now))
