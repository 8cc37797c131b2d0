"""What all connections of a gateway share, wired together, and its heartbeat.

One tick of the event loop is gathered here: what it brought for NATS and for each
socket goes out in one write each. One periodic task drives every deadline.
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import structlog
from msgspec import Raw, Struct

from gateway import metrics
from gateway.fanout.resync import Clock, Own
from gateway.fanout.router import Hub, command_ids
from gateway.identity.oidc_keys import Issuer
from gateway.identity.tokens import Identity
from gateway.leader.commands import Done, Pending
from gateway.leader.link import Courier
from gateway.leader.positions import Positions
from gateway.limits import Limits
from gateway.session.machine import Now, Shared
from gateway.sockets.admission import Admission
from gateway.sockets.holding import Held
from gateway.sockets.intake import READ_BYTES_MAX
from gateway.sockets.quota import Crowd
from gateway.sockets.timers import Wheel
from gateway.sockets.turns import Turns
from gateway.sockets.websocket import Connection
from gateway.sockets.writer import Outbox
from runtime import tracing
from runtime.bus import Bus, is_no_responders
from runtime.lifecycle import Service
from runtime.lookups import Asker
from runtime.settings import Network
from schemas import codec, subjects, traceparent
from schemas.accounts import (
    FindBacklog,
    FindMade,
    FindTrip,
    FindUser,
    LogIn,
    Result,
    Revocation,
)
from schemas.allowances import Allowances, cost_of, share_of
from schemas.claims import Claims
from schemas.commands import Answer, AnyCommand, JoinRoom, Lookup, SendMessage
from schemas.events import Heard, Notice
from schemas.refusals import Code, Refusal

log = structlog.get_logger()

TICK_S = 0.05
"""Courier's shortest pause, and how often positions are sent on."""
_WHEREABOUTS = subjects.accounts("whereabouts")
LOOKUPS_MAX = 64
"""Questions to history at once."""
HEARD_S = 0.3
"""How long gateways have to say that a notice was heard. One that is asked answers in
a millisecond; how many there are to answer, a gateway doesn't know."""


class Edge:
    """Make it with a connected bus; then `run` it as a task."""

    def __init__(
        self,
        *,
        bus: Bus,
        identity: Identity,
        asker: Asker,
        service: Service,
        origins: list[str],
        limits: Limits,
        proxies: Sequence[Network] = (),
    ) -> None:
        self.bus = bus
        self.proxies = proxies
        self.issuer: Issuer | None = None
        self.identity = identity
        self.origins = origins
        self.limits = limits
        self.id = secrets.token_hex(8)
        self.clock = Clock(time.monotonic, time.time)
        ids = command_ids(self.id)
        self.allowances = Allowances(limits.users)
        self.shared = Shared(identity.verify, ids, limits, self.allowances)
        self.wheel = Wheel(time.monotonic())
        self.courier = Courier(
            limits,
            self._send_commands,
            self._look_up,
            self.wake,
            lambda: bus.waiting_bytes,
        )
        self.hub = Hub(
            gateway=self.id,
            bus=bus,
            courier=self.courier,
            ids=ids,
            limits=limits,
            clock=self.clock,
            wake=self.wake,
        )
        self.crowd = Crowd(limits)
        self.held = Held(limits)
        self.positions = Positions(self._send_fixes)
        self.frames_in = 0
        self.writes = 0
        self.bytes_out = 0
        self.connections: set[Connection] = set()
        self.draining = False
        self._dirty: list[Outbox] = []
        self._asker = asker
        self._service = service
        self._lookups = asyncio.Semaphore(LOOKUPS_MAX)
        self._loop = asyncio.get_running_loop()
        self.turns = Turns(self._loop.call_soon)
        self.read_buffer = memoryview(bytearray(READ_BYTES_MAX))
        """All sockets': what it holds is copied before another is read."""
        self.admission = Admission(self._loop)
        self._woken = False
        self._reply: dict[str, str] = {}
        self._counts = count(1)

    def now(self) -> Now:
        return Now(time.monotonic(), int(time.time() * 1000))

    # ---- the tick ------------------------------------------------------------

    def wake(self) -> None:
        """Run `_end_tick` once, after what this tick still has to do."""
        if not self._woken:
            self._woken = True
            self._loop.call_soon(self._end_tick)

    def dirty(self, connection: Outbox) -> None:
        """`connection` has something to write."""
        self._dirty.append(connection)
        self.wake()

    def _end_tick(self) -> None:
        self._woken = False
        self.hub.flush()
        self.courier.flush(time.monotonic())
        self.bus.write_now()
        dirty, self._dirty = self._dirty, []
        for connection in dirty:
            connection.flush()
        if self.hub.oldest_ms:
            took_s = time.time() - self.hub.oldest_ms / 1000
            metrics.FANOUT_SECONDS.observe(max(0.0, took_s))
            self.hub.oldest_ms = 0

    async def run(self) -> None:
        """Drive deadlines until cancelled."""
        next_fixes_s = 0.0
        while True:
            await asyncio.sleep(TICK_S)
            now_s = time.monotonic()
            self.courier.tick(now_s)
            self.hub.tick(now_s)
            self.wheel.turn(now_s)
            if now_s >= next_fixes_s:
                self.positions.flush()
                next_fixes_s = now_s + self.limits.locations_s
            self._measure()

    def _measure(self) -> None:
        metrics.PENDING.set(self.courier.count)
        metrics.NATS_CONNECTED.set(self.bus.is_connected)
        metrics.FRAMES_IN.inc(self.frames_in)
        metrics.WRITES.inc(self.writes)
        metrics.BYTES_OUT.inc(self.bytes_out)
        self.frames_in = self.writes = self.bytes_out = 0

    # ---- NATS ----------------------------------------------------------------

    def _send_commands(self, region: str, payload: bytes, trace: str) -> bool:
        reply = self._reply.get(region)
        if reply is None:
            reply = self._reply[region] = subjects.replies(self.id, region)
        headers = traceparent.block(trace) if trace else b""
        return self.bus.send(subjects.commands(region), payload, reply, headers)

    def _send_fixes(self, region: str, payload: bytes) -> bool:
        return self.bus.send(subjects.locations(region), payload)

    def nats_is_away(self) -> None:
        """At once when the connection is lost."""
        self.hub.hold()

    def nats_is_back(self) -> None:
        """After a reconnect: send what is unanswered again, ask for what was missed."""
        self.courier.resend_all(time.monotonic())
        self.hub.resync()

    def revoked(self, revocation: Revocation) -> None:
        self.identity.revoke(revocation)
        self.hub.revoked(revocation, self.identity.is_revoked)

    def traced(self, command: AnyCommand, parent: str, done: Done) -> tuple[str, Done]:
        """The context that a command carries on, and `done`, which ends its span."""
        span = tracing.enter("gateway command", parent)
        if not span.is_recording:
            return span.traceparent, done

        def ended(answer: Answer) -> None:
            done(answer)
            code = answer.refused.code.value if answer.refused is not None else ""
            kind = str(command.__struct_config__.tag)
            span.end(code, kind=kind, command=command.id, user=command.by.id)

        return span.traceparent, ended

    # ---- questions to persistence --------------------------------------------

    def _look_up(self, pending: Pending, lookup: Lookup) -> None:
        work = self._find(pending, lookup)
        self._service.spawn("history.find", work, may_end=True)

    async def _find(self, pending: Pending, lookup: Lookup) -> None:
        trip = backlog = made = user = None
        if lookup.trip:
            question = FindTrip(pending.region, lookup.trip, lookup.seq)
            trip = await self._insist(pending, "find", question)
        if lookup.room:
            about = FindBacklog(pending.region, lookup.room, lookup.seq)
            backlog = await self._insist(pending, "backlog", about)
        if lookup.key:
            made = await self._insist(pending, "made", _key_of(pending, lookup))
        if lookup.user:
            user = await self._asker.ask(_WHEREABOUTS, FindUser(lookup.user))
        found = trip, time.monotonic(), backlog, made
        asked_ms = lookup.asked_ms
        self.courier.looked_up(pending, *found, asked_ms=asked_ms, user=user)

    async def _insist(self, pending: Pending, operation: str, about: Struct) -> Result:
        """Ask until history is far enough, or the command's deadline has passed."""
        subject = subjects.history(operation)
        while True:
            async with self._lookups:
                result = await self._asker.ask(subject, about)
            refused = result.refused
            lagging = refused is not None and refused.code is Code.UNAVAILABLE
            if not lagging or time.monotonic() >= pending.deadline_s:
                return result
            await asyncio.sleep(self.limits.lookup_retry_s)

    def log_in(self, connection: Connection, request: LogIn) -> None:
        """Have a password checked; the connection hears of it."""

        async def ask() -> None:
            subject = subjects.accounts("log_in")
            question = LogIn(
                request.username,
                request.password,
                connection.place,
                connection.device,
            )
            result: Result = await self._asker.ask(subject, question)
            connection.logged_in(result)

        self._service.spawn("accounts.log_in", ask(), may_end=True)

    def renew_keys(self, then: Callable[[], None]) -> bool:
        """Fetch an outside issuer's keys again; False: there is nobody to ask."""
        issuer = self.issuer
        if issuer is None:
            return False

        async def renew() -> None:
            await issuer.renewed()
            then()

        self._service.spawn("issuer.renewed", renew(), may_end=True)
        return True

    # ---- for whom no session asks --------------------------------------------

    def _over(self, command: AnyCommand) -> Refusal | None:
        """Count a command that no frame brought against its user's limits."""
        by, cost = command.by, cost_of(command)
        return self.allowances.take(by.id, share_of(by), cost, time.monotonic_ns())

    def may_enter(
        self, claims: Claims, room: str, told: Callable[[Refusal | None], None]
    ) -> None:
        """Whether that user may join a room; `told` hears None, or why not."""
        command = JoinRoom(
            id=next(self.shared.ids),
            deadline_ms=self._deadline_ms(),
            by=claims.user(),
            room=room,
        )

        def done(answer: Answer) -> None:
            told(answer.refused)

        now_s = time.monotonic()
        refusal = self._over(command) or self.courier.submit(
            claims.region, command, Own(), done, now_s
        )
        if refusal is not None:
            told(refusal)

    async def send_message(
        self, claims: Claims, room: str, text: str, key: str | None
    ) -> Answer:
        """Send to a room from the server side."""
        sought = None if key is None else False
        more: dict[str, Any] = {
            "room": room,
            "text": text,
            "key": key,
            "sought": sought,
        }
        return await self.decide(
            claims, claims.region, SendMessage, outside=True, **more
        )

    async def decide(
        self, claims: Claims, region: str, command_of: Any, **fields: Any
    ) -> Answer:
        """Have a region's leader decide a command that no session sent."""
        command: AnyCommand = command_of(
            id=next(self.shared.ids),
            deadline_ms=self._deadline_ms(),
            by=claims.user(),
            **fields,
        )
        answered: asyncio.Future[Answer] = self._loop.create_future()

        def done(answer: Answer) -> None:
            if not answered.done():
                answered.set_result(answer)

        now_s = time.monotonic()
        trace, ended = self.traced(command, tracing.current.get(), done)
        refusal = self._over(command) or self.courier.submit(
            region, command, Own(), ended, now_s, traceparent=trace
        )
        if refusal is not None:
            ended(Answer(command.id, command.attempt, refused=refusal))
        return await answered

    def notify(self, region: str, user: str, data: bytes, reply: str = "") -> bool:
        """Send a notice to a user's live sessions, on whatever gateway; `data` is a
        JSON object. Gateways that have such sessions say at `reply` how many. False:
        NATS is away.
        """
        notice = codec.encode(Notice(Raw(data)))
        return self.bus.send(subjects.notice(region, user), notice, reply)

    async def notify_and_count(self, region: str, user: str, data: bytes) -> int | None:
        """`notify`, and wait a moment for what the region's gateways say.

        Returns:
            Sessions that got it, of the gateways that answered within `HEARD_S` (those
            of 0.1 don't); None: NATS is away.
        """
        sessions = 0
        over = asyncio.Event()

        def heard(_: bytes, _r: bytes, payload: bytes, headers: bytes) -> None:
            nonlocal sessions
            if is_no_responders(headers):
                over.set()
                return
            try:
                sessions += codec.decode(payload, Heard).sessions
            except codec.CodecError as error:
                log.error("unreadable message", error=str(error))  # noqa: TRY400

        reply = subjects.heard(self.id, next(self._counts))
        subscription = self.bus.subscribe_raw(reply, heard)
        try:
            if not self.notify(region, user, data, reply):
                return None
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), HEARD_S)
        finally:
            subscription.cancel()
        return sessions

    def _deadline_ms(self) -> int:
        return int((time.time() + self.limits.command_s) * 1000)

    # ---- the end -------------------------------------------------------------

    async def settle(self, limit_s: float) -> None:
        """Wait until no command is pending, at most `limit_s`."""
        until_s = time.monotonic() + limit_s
        while self.courier.count and time.monotonic() < until_s:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def _key_of(pending: Pending, lookup: Lookup) -> FindMade:
    """The question what a command's key made."""
    command = pending.command
    key = getattr(command, "key", None) or ""
    kind = str(command.__struct_config__.tag)
    return FindMade(
        pending.region, command.by.id, key, kind, lookup.since_ms, lookup.seq
    )
