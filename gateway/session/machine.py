"""One client's session: who it is, and what each of its frames means.

    ANONYMOUS ──session.login {token}──▶ KNOWN          (handshake token: KNOWN at once)
        │ ▲
        │ └── refused ──┐
        └─{password}─▶ CHECKING ──log-in answered──▶ KNOWN
    any ──▶ OVER, by the close codes of PROTOCOL.md section 4

Everything that affects who a session is lives here. Pure: one text message and the time
in, actions out; wall clock and monotonic time come as `Now`, ids from an iterator.
Nothing a client sends raises.
"""

from collections.abc import Callable, Iterator
from enum import Enum, auto
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from gateway import framing
from gateway.clock import Now
from gateway.errors import InvalidToken, UncheckedKey
from gateway.limits import Limits
from gateway.session import client_frames, envelope, located
from gateway.session.abuse import Stranger, Window
from gateway.session.client_frames import LOGIN, REFRESH, parse_since
from gateway.session.early import Early, LogIn
from gateway.session.effects import (
    Action,
    AskKey,
    AskLogIn,
    Hold,
    Identified,
    Renewed,
    Send,
    Shut,
    Submit,
    Visit,
    Watch,
)
from runtime.rate import TokenBucket
from schemas import accounts, codec, frames, scopes, traceparent
from schemas.accounts import Result
from schemas.allowances import Allowances, share_of
from schemas.claims import Claims
from schemas.closes import Close
from schemas.commands import Fix, JoinRoom, LeaveRoom
from schemas.frame_types import BY_TYPE
from schemas.refusals import Code, Refusal
from schemas.trips import Role, User


class Shared(Struct, frozen=True):
    """What all sessions of a gateway have in common."""

    verify: Callable[[str, float], Claims]
    """Raises `InvalidToken`; arguments: the token, seconds since 1970."""
    ids: Iterator[str]
    limits: Limits
    allowances: Allowances


class State(Enum):
    ANONYMOUS = auto()
    CHECKING = auto()
    KNOWN = auto()
    OVER = auto()


ANONYMOUS, CHECKING, KNOWN, OVER = State
"""Looked up so once: gateway/fanout/sync.py."""


class Session:
    """`required`: the role that the path demands, None for any. `room`: the one whose
    path this is, where the bare shape is taken.
    """

    __slots__ = (
        "_abuse",
        "_bucket",
        "_early",
        "_login",
        "_shared",
        "_stranger",
        "claims",
        "required",
        "room",
        "since",
        "started_s",
        "state",
        "user",
    )

    def __init__(
        self,
        shared: Shared,
        now: Now,
        required: Role | None = None,
        since: int | None = None,
        room: str | None = None,
    ) -> None:
        limits = shared.limits
        self._shared = shared
        self._bucket = TokenBucket(limits.frames_per_s, limits.frames_burst, now.mono_s)
        self._abuse = Window(limits.bad_frames_max, limits.bad_frames_s)
        self._early = Early(limits)
        self._login: LogIn | None = None
        self._stranger = Stranger(limits)
        self.required = required
        self.room = room
        self.since = since
        self.started_s = now.mono_s
        self.state = ANONYMOUS
        self.claims: Claims | None = None
        self.user: User | None = None

    # ---- frames --------------------------------------------------------------

    def receive(self, payload: bytes, now: Now) -> list[Action]:
        """One text message, at most 64 KiB, whatever bytes it holds."""
        if self.state is OVER:
            return []
        if self.claims is None:
            is_many = self.state is ANONYMOUS and self._stranger.sends()
            if self._stranger.says(len(payload)) or is_many:
                return [self._over(Close.NOT_AUTHENTICATED)]
        if not self._bucket.take(now.mono_s):
            return self._too_fast(payload, now)
        if not payload.isascii():
            try:
                payload.decode()
            except UnicodeDecodeError:
                return [self._over(Close.INVALID_TEXT)]
        try:
            frame = _read_frame(payload)
        except codec.CodecError as error:
            room = self.room
            bare = None if room is None else envelope.bare(payload, room)
            if bare is None:
                return self._bad_frame(envelope.ref_of(payload), str(error), now)
            frame = bare
        kind = frame.type
        if kind not in BY_TYPE:
            return [_refuse(frame.ref, Code.UNKNOWN_TYPE, f"no type {kind[:64]!r}")]
        if self.state is ANONYMOUS and kind != LOGIN:
            text = "the first frame must be session.login"
            return [_refuse(frame.ref, Code.NOT_AUTHENTICATED, text)]
        has_nul = client_frames.has_nul(payload)
        if self.state is CHECKING:
            kept = self._early.keep(frame, len(payload), has_nul=has_nul)
            return [] if kept else [self._rate_limited(frame.ref)]
        return self._take(frame, now, has_nul=has_nul)

    def position(self, payload: bytes, now: Now) -> Fix | None:
        """As `receive`, if it is a good one and may come; None: it must be received."""
        if self.state is not KNOWN or self.claims is None:
            return None
        fix = located.read(payload, self.claims, now.wall_ms)
        return fix if fix is not None and self._bucket.take(now.mono_s) else None

    def weigh(self, size: int) -> list[Action]:
        """So many bytes came: before the log-in they are counted, parts of messages and
        control frames too.
        """
        if self.claims is not None or self.state is OVER:
            return []
        is_much = self._stranger.weighs(size)
        return [self._over(Close.NOT_AUTHENTICATED)] if is_much else []

    def stir(self, now: Now, *, is_control: bool) -> list[Action]:
        """A control frame, or a part of a message: too many can't be refused."""
        if self.state is OVER:
            return []
        if is_control and self.state is ANONYMOUS and self._stranger.sends():
            return [self._over(Close.NOT_AUTHENTICATED)]
        if self._bucket.take(now.mono_s):
            return []
        return [self._over(Close.PROTOCOL_ABUSE)]

    def _too_fast(self, payload: bytes, now: Now) -> list[Action]:
        limits = self._shared.limits
        wait_s = self._bucket.wait_s(limits.frames_again, now.mono_s)
        return [self._rate_limited(envelope.ref_of(payload)), Hold(now.mono_s + wait_s)]

    def _take(
        self, frame: frames.ClientFrame, now: Now, *, has_nul: bool
    ) -> list[Action]:
        user, kind = self.user, frame.type
        if kind != LOGIN:
            if user is None:
                return [_refuse(frame.ref, Code.NOT_AUTHENTICATED, "log in first")]
            over = self._over_allowance(user, kind, now)
            if over is not None:
                return [Send(framing.refused(frame.ref, over), over.code)]
        if has_nul:
            return [_refuse(frame.ref, Code.INVALID_DATA, "U+0000 is not taken")]
        if user is None or kind == LOGIN:
            return self._log_in(frame, now)
        if kind == REFRESH:
            return [*self._refresh(frame, now)]
        request = client_frames.read(kind, frame.data, self._asking(user, now))
        if type(request) is Fix:
            return [request]
        if type(request) is Refusal:
            return [Send(framing.refused(frame.ref, request), request.code)]
        if type(request) is client_frames.Watched:
            return [Watch(frame.ref, request)]
        said = frame.traceparent
        trace = "" if said is None else traceparent.read(codec.lenient(said))
        if type(request) in _VISITS:
            return [Visit(frame.ref, request, trace)]  # type: ignore[arg-type]
        return [Submit(frame.ref, request, trace)]  # type: ignore[arg-type]

    def _over_allowance(self, user: User, kind: str, now: Now) -> Refusal | None:
        cost = client_frames.cost_of(kind)
        if not cost:
            return None
        allowances, now_ns = self._shared.allowances, int(now.mono_s * 1e9)
        return allowances.take(user.id, share_of(user), cost, now_ns)

    def _asking(self, user: User, now: Now) -> client_frames.Asking:
        deadline_ms = now.deadline_ms(self._shared.limits.command_s)
        return client_frames.Asking(
            next(self._shared.ids), user, now.wall_ms, deadline_ms, self.claims
        )

    def enter(self, now: Now) -> list[Action]:
        """Join the room whose path this is; due once the user is known."""
        if self.room is None or self.user is None or self.claims is None:
            return []
        over = self._over_allowance(self.user, client_frames.JOIN, now)
        over = over or scopes.lacking(self.claims, BY_TYPE[client_frames.JOIN].needs)
        if over is not None:
            return [Send(framing.refused(None, over), over.code)]
        return [
            Visit(
                None, client_frames.join(self.room, None, self._asking(self.user, now))
            )
        ]

    # ---- identity ------------------------------------------------------------

    def identify(self, claims: Claims) -> Identified:
        """The handshake's or the first frame's token was good."""
        self.claims = claims
        self.user = claims.user()
        self.state = KNOWN
        return Identified(claims, self.since)

    def _log_in(self, frame: frames.ClientFrame, now: Now) -> list[Action]:
        if self.state is KNOWN:
            # Out of its place, as a second CONNECT is in MQTT or AMQP; counts as abuse.
            return self._bad_frame(frame.ref, "this session has logged in", now)
        login = client_frames.shape(frame.data, frames.Login)
        if isinstance(login, Refusal):
            return [Send(framing.refused(frame.ref, login), login.code)]
        if login.token is not None:
            return self._by_token(LogIn(frame.ref, login.since, login.token), now)
        if login.username is None or login.password is None:
            text = "session.login takes a token, or a username and a password"
            return [_refuse(frame.ref, Code.INVALID_DATA, text)]
        self.state = CHECKING
        self._login = LogIn(frame.ref, login.since)
        return [AskLogIn(accounts.LogIn(login.username, login.password))]

    def _by_token(self, login: LogIn, now: Now) -> list[Action]:
        ref = login.ref
        try:
            claims = self._shared.verify(login.token, now.wall_ms / 1000)
        except UncheckedKey as error:
            if login.is_settled:
                return [_refuse(ref, Code.UNAVAILABLE, str(error))]
            self.state = CHECKING
            self._login = replace(login, is_settled=True)
            return [
                AskKey(error, lambda no, now: self.logged_in(Result(refused=no), now))
            ]
        except InvalidToken as error:
            return [_refuse(ref, Code.NOT_AUTHENTICATED, str(error))]
        if self.required is not None and claims.role is not self.required:
            text = f"this path is not for {claims.role.value}s"
            return [_refuse(ref, Code.WRONG_ROLE, text)]
        if login.since is not None:
            self.since = parse_since(login.since)
        return [self.identify(claims)]

    def logged_in(self, result: Result, now: Now) -> list[Action]:
        """What persistence said to `AskLogIn`; then the frames that waited for it."""
        if self.state is not CHECKING or self._login is None:
            return []
        login, self._login = self._login, None
        self.state = ANONYMOUS
        actions = self._checked(result, login, now)
        early = self._early.take()
        ends = self.check(now)
        if ends:  # nor is a log-in among them tried
            return actions + ends
        for frame, has_nul in early:
            if self.state is ANONYMOUS and frame.type != LOGIN:
                text = "the log-in before this frame was refused"
                actions.append(_refuse(frame.ref, Code.NOT_AUTHENTICATED, text))
            elif self.state is CHECKING:  # another log-in was among them
                self._early.keep_on(frame, has_nul=has_nul)
            else:
                actions.extend(self._take(frame, now, has_nul=has_nul))
        return actions

    def _checked(self, result: Result, login: LogIn, now: Now) -> list[Action]:
        refused = result.refused
        if refused is not None:
            return [Send(framing.refused(login.ref, refused), refused.code)]
        if login.token:
            return self._by_token(login, now)
        try:
            tokens = codec.decode(result.data or b"", accounts.Tokens)
        except codec.CodecError as error:
            text = f"the log-in's answer can't be read: {error}"
            return [_refuse(login.ref, Code.UNAVAILABLE, text)]
        return self._by_token(replace(login, token=tokens.access), now)

    def _refresh(self, frame: frames.ClientFrame, now: Now) -> list[Action]:
        refresh = client_frames.shape(frame.data, frames.Refresh)
        if isinstance(refresh, Refusal):
            return [Send(framing.refused(frame.ref, refresh), refresh.code)]
        return self._refresh_by(frame.ref, refresh.token, None, now)

    def _refresh_by(
        self, ref: str | None, token: str, refusal: Refusal | None, now: Now
    ) -> list[Action]:
        if refusal is not None:
            return [Send(framing.refused(ref, refusal), refusal.code)]
        try:
            fresh = self._shared.verify(token, now.wall_ms / 1000)
        except UncheckedKey as error:
            return [AskKey(error, partial(self._refresh_by, ref, token))]
        except InvalidToken as error:
            return [_refuse(ref, Code.NOT_AUTHENTICATED, str(error))]
        old = self.claims
        if old is None or (fresh.sub, fresh.role, fresh.region) != (
            old.sub,
            old.role,
            old.region,
        ):
            text = "the token is not this session's user's"
            return [_refuse(ref, Code.NOT_AUTHENTICATED, text)]
        self.claims = fresh
        left_s = int(fresh.exp - now.wall_ms / 1000)
        answer = framing.reply(ref, codec.encode({"expires_in": left_s}))
        return [Renewed(), Send(answer)]

    # ---- time ----------------------------------------------------------------

    def check(self, now: Now) -> list[Action]:
        """Whether the time to log in, or the token, has run out."""
        if self.state is ANONYMOUS:
            if now.mono_s < self.started_s + self._shared.limits.login_s:
                return []
            return [self._over(Close.NOT_AUTHENTICATED)]
        if self.state is not KNOWN or self.claims is None:
            return []
        if now.wall_ms / 1000 < self.claims.exp:
            return []
        return [self._over(Close.TOKEN_EXPIRED)]

    def due_s(self, now: Now) -> float:
        """Monotonic time at which `check` may have something to say."""
        if self.claims is None:
            return self.started_s + self._shared.limits.login_s
        return now.mono_s + self.claims.exp - now.wall_ms / 1000

    def over(self) -> None:
        """The connection is closing: what still comes in means nothing."""
        self.state = OVER

    # ---- refusing ------------------------------------------------------------

    def _over(self, code: Close) -> Shut:
        self.state = OVER
        return Shut(code)

    def _bad_frame(self, ref: str | None, message: str, now: Now) -> list[Action]:
        actions: list[Action] = [_refuse(ref, Code.BAD_FRAME, message)]
        if self._abuse.exceeded(now.mono_s):
            actions.append(self._over(Close.PROTOCOL_ABUSE))
        return actions

    def _rate_limited(self, ref: str | None) -> Send:
        limits = self._shared.limits
        text = f"over {limits.frames_per_s:g} frames/s on this connection"
        return _refuse(ref, Code.RATE_LIMITED, text)


_read_frame = codec.reader(frames.ClientFrame)
_VISITS = frozenset({JoinRoom, LeaveRoom})


def _refuse(ref: str | None, code: Code, message: str) -> Send:
    return Send(framing.refused(ref, Refusal(code, message)), code)
