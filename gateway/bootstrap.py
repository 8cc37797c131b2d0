"""The gateway's parts, wired together, and its heartbeat: nowhere else is wired.

One tick of the event loop is gathered here: what it brought for NATS and for each
socket goes out in one write each. One periodic task drives every deadline.
"""

import asyncio
import contextlib
import secrets
import socket
import time
from collections.abc import Sequence

import structlog

from gateway import metrics
from gateway.asking import Asking
from gateway.clock import Now
from gateway.fanout.router import Router
from gateway.fanout.watching import Watching
from gateway.http.app import create_app
from gateway.identity.keyfile import follow_keys
from gateway.identity.oidc import Outside
from gateway.identity.oidc import rules as outside_rules
from gateway.identity.revocation_stream import follow
from gateway.identity.settling import Settling
from gateway.identity.tokens import Identity
from gateway.leader.commands import Pending, command_ids
from gateway.leader.leaders import Leaders
from gateway.leader.link import Link
from gateway.leader.lookups import Found, Lookups
from gateway.leader.positions import Positions
from gateway.leader.server_side import ServerSide
from gateway.limits import Limits
from gateway.session.machine import Shared
from gateway.sockets.quota import Quota
from gateway.sockets.runner import Services
from gateway.sockets.shared import Sockets
from gateway.sockets.timers import SLOT_S
from gateway.sockets.upgrade import Door
from gateway.sockets.webserver import WebServer
from runtime import bus as nats
from runtime import nats_login, ops
from runtime.bus import Bus
from runtime.lifecycle import Service
from runtime.questions import Questions
from runtime.resting import Pause
from runtime.settings import Network, Settings
from schemas import permissions, subjects, traceparent
from schemas.accounts import Revocation
from schemas.allowances import Allowances
from schemas.codec import CodecError, decode
from schemas.commands import Announcement, Lookup

log = structlog.get_logger()

TICK_S = 0.05
"""The link's shortest pause, and how often positions are sent on."""
REST_S = 1.0
"""The same while nobody is connected and nothing is pending; where there are deadlines
of HTTP requests, a slot of their wheel."""


class Gateway:
    """Make it with a connected bus; then `run` it as a task."""

    def __init__(
        self,
        *,
        bus: Bus,
        identity: Identity,
        asker: Questions,
        service: Service,
        origins: list[str],
        limits: Limits,
        proxies: Sequence[Network] = (),
    ) -> None:
        self.id = secrets.token_hex(8)
        self.bus = bus
        self._identity = identity
        self._limits = limits
        self._service = service
        self._loop = asyncio.get_running_loop()
        self._woken = False
        self._pause = Pause()
        self._reply: dict[str, str] = {}
        ids = command_ids(self.id)
        allowances = Allowances(limits.users)
        asking = Asking(limits)
        self._lookups = Lookups(asker, service, limits, self.now, asking)
        self.link = Link(
            limits,
            self._send_commands,
            self._look_up,
            self.wake,
            lambda: bus.waiting_bytes,
        )
        self.router = Router(
            gateway=self.id,
            bus=bus,
            link=self.link,
            ids=ids,
            limits=limits,
            now=self.now,
            wake=self.wake,
            later=self._loop.call_later,
        )
        self.watching = Watching(gateway=self.id, bus=bus, limits=limits, now=self.now)
        self.server_side = ServerSide(
            gateway=self.id,
            bus=bus,
            link=self.link,
            allowances=allowances,
            ids=ids,
            limits=limits,
            now=self.now,
        )
        self.settling = Settling(identity, asker, service, asking)
        self.leaders = Leaders()
        bus.subscribe_raw(subjects.ALL_LEADERS, self._on_announcement)
        self._positions = Positions(self._send_fixes, self.now)
        self.sockets = Sockets(limits, self.now, self._loop, self.wake)
        self.door = Door(
            identity,
            origins,
            proxies,
            Quota(limits),
            self.now,
            self.settling.begin,
            self.server_side.may_enter,
        )
        sessions = Shared(identity.verify, ids, limits, allowances)
        self.services = Services(
            sessions,
            self.link,
            self.router,
            self.watching,
            self._positions,
            self._lookups.log_in,
            self.settling.begin,
        )

    def now(self) -> Now:
        return Now(time.monotonic(), int(time.time() * 1000))

    # ---- the tick ------------------------------------------------------------

    def wake(self) -> None:
        """Run `_end_tick` once, after what this tick still has to do."""
        if not self._woken:
            self._woken = True
            self._loop.call_soon(self._end_tick)

    def _end_tick(self) -> None:
        self._woken = False
        if self._pause.is_rest and self.link.count:
            self._pause.end()
        with self.bus.one_write:
            self.router.flush()
            self.link.flush(time.monotonic())
        self.sockets.flush()
        if self.router.oldest_ms and not self.router.gathering.holds:
            took_s = time.time() - self.router.oldest_ms / 1000
            metrics.FANOUT_SECONDS.observe(max(0.0, took_s))
            self.router.oldest_ms = 0

    async def run(self) -> None:
        """Drive deadlines until cancelled."""
        next_fixes_s = 0.0
        while True:
            if self.link.count or self.sockets.connections:
                await self._pause.take(TICK_S)
            else:
                holds = self.sockets.wheel.holds
                await self._pause.rest(SLOT_S if holds else REST_S)
            now_s = time.monotonic()
            self.link.tick(now_s)
            self.router.tick(now_s)
            self.watching.tick(now_s)
            self.sockets.wheel.turn(now_s)
            if now_s >= next_fixes_s:
                self._positions.flush()
                next_fixes_s = now_s + self._limits.locations_s
            self._measure()

    def _measure(self) -> None:
        sockets = self.sockets
        metrics.PENDING.set(self.link.count)
        metrics.NATS_CONNECTED.set(self.bus.is_connected)
        self.router.measure()
        metrics.FRAMES_IN.inc(sockets.frames_in)
        metrics.WRITES.inc(sockets.writes)
        metrics.BYTES_OUT.inc(sockets.bytes_out)
        sockets.frames_in = sockets.writes = sockets.bytes_out = 0

    # ---- NATS ----------------------------------------------------------------

    def _send_commands(self, region: str, payload: bytes, trace: str) -> bool:
        reply = self._reply.get(region)
        if reply is None:
            reply = self._reply[region] = subjects.replies(self.id, region)
        headers = traceparent.block(trace) if trace else b""
        return self.bus.send(subjects.commands(region), payload, reply, headers)

    def _on_announcement(self, _: bytes, _r: bytes, payload: bytes, _h: bytes) -> None:
        # The router tells of what can't be read (gateway/fanout/router.py).
        with contextlib.suppress(CodecError):
            self.leaders.hear(decode(payload, Announcement), time.monotonic())

    def _send_fixes(self, region: str, payload: bytes) -> bool:
        return self.bus.send(subjects.locations(region), payload)

    def nats_is_away(self) -> None:
        """At once when the connection is lost."""
        self.router.hold()

    def nats_is_back(self) -> None:
        """After a reconnect: send what is unanswered again, ask for what was missed."""
        self.link.resend_all(time.monotonic())
        self.router.resync()

    def revoked(self, revocation: Revocation) -> None:
        self._identity.revoke(revocation)
        self.router.revoked(revocation, self._identity.is_revoked)

    # ---- what is waited for --------------------------------------------------

    def _look_up(self, pending: Pending, lookup: Lookup) -> None:
        def told(found: Found) -> None:
            trip, backlog, made, user = found
            self.link.looked_up(
                pending,
                trip,
                time.monotonic(),
                backlog,
                made,
                asked_ms=lookup.asked_ms,
                asked_seq=lookup.asked_seq,
                user=user,
            )

        self._lookups.look_up(pending, lookup, told)

    async def settle(self, limit_s: float) -> None:
        """Wait until no command is pending, at most `limit_s`."""
        until_s = time.monotonic() + limit_s
        while self.link.count and time.monotonic() < until_s:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def start(
    service: Service,
    settings: Settings,
    identity: Identity,
    listeners: Sequence[socket.socket],
    limits: Limits,
) -> tuple[Gateway, WebServer, nats.Bus]:
    """Start everything. Waits for NATS and for the revocations, so
    that whoever reaches the port reaches a gateway that knows them.
    """
    made: list[Gateway] = []

    def disconnected() -> None:
        for gateway in made:
            gateway.nats_is_away()

    def reconnected() -> None:
        for gateway in made:
            gateway.nats_is_back()

    health = ops.serve(settings)
    bus = await nats.connect(
        settings.nats_url,
        "gateway",
        login=nats_login.read(settings, permissions.Service.GATEWAY),
        on_disconnect=disconnected,
        on_reconnect=reconnected,
    )
    service.watch("nats", bus.broken)
    asker = Questions(bus)
    gateway = Gateway(
        bus=bus,
        identity=identity,
        asker=asker,
        service=service,
        origins=settings.origin_list(),
        limits=limits,
        proxies=settings.proxies(),
    )
    made.append(gateway)
    await follow(service, bus, gateway.revoked)

    def readiness() -> str | None:
        if gateway.sockets.draining:
            return "it is stopping"
        return None if bus.is_connected else "NATS is not connected"

    _take_outside(settings, gateway.settling, identity, asker, service)
    app = create_app(
        asker,
        identity,
        readiness,
        settings,
        gateway.server_side,
        settle=gateway.settling.settle,
        leaders=gateway.leaders,
    )
    server = WebServer(app, gateway.sockets, gateway.door, gateway.services, listeners)
    await server.start()
    health.readiness = readiness
    service.spawn("tick", gateway.run())
    service.spawn("keys", follow_keys(settings.verify_keys_file, identity))
    service.spawn("uvicorn", server.run())
    for listener in listeners:
        host, port = listener.getsockname()[:2]
        log.info("listening", host=host, port=port, gateway=gateway.id)
    return gateway, server, bus


def _take_outside(
    settings: Settings,
    settling: Settling,
    identity: Identity,
    asker: Questions,
    service: Service,
) -> None:
    """Tokens of another issuer, where the settings name one."""
    rules = outside_rules(settings)
    if rules is None:
        return
    from gateway.identity.oidc_keys import Issuer  # noqa: PLC0415 - httpx

    outside = Outside(rules)
    identity.accept(outside)
    settling.issuer = Issuer(outside, asker)
    service.spawn("issuer", settling.issuer.run())
    service.spawn("users from outside", settling.issuer.meet())
