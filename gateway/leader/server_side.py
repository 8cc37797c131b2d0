"""What no session asks: messages and notices from the server side, and whether a path's
room may be entered.

Never waits for a client. Must not know HTTP.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import structlog
from msgspec import Raw

from gateway.clock import Clock
from gateway.leader.commands import traced
from gateway.leader.link import Link
from gateway.limits import Limits
from runtime import tracing
from runtime.bus import Bus, is_no_responders
from schemas import codec, subjects
from schemas.allowances import Allowances, cost_of, share_of
from schemas.claims import Claims
from schemas.commands import Answer, AnyCommand, JoinRoom, SendMessage
from schemas.events import Heard, Notice
from schemas.refusals import Refusal

log = structlog.get_logger()

HEARD_S = 0.3
"""How long gateways have to say that a notice was heard. One that is asked answers in
a millisecond; how many there are to answer, a gateway doesn't know."""


class ServerSide:
    def __init__(
        self,
        *,
        gateway: str,
        bus: Bus,
        link: Link,
        allowances: Allowances,
        ids: Iterator[str],
        limits: Limits,
        now: Clock,
    ) -> None:
        self._gateway = gateway
        self._bus = bus
        self._courier = link
        self._allowances = allowances
        self._ids = ids
        self._limits = limits
        self._now = now
        self._counts = count(1)

    def _over(self, command: AnyCommand) -> Refusal | None:
        """Count a command that no frame brought against its user's limits."""
        by, now_ns = command.by, int(self._now().mono_s * 1e9)
        return self._allowances.take(by.id, share_of(by), cost_of(command), now_ns)

    def may_enter(
        self, claims: Claims, room: str, told: Callable[[Refusal | None], None]
    ) -> None:
        """Whether that user may join a room; `told` hears None, or why not."""
        now = self._now()
        command = JoinRoom(
            id=next(self._ids),
            deadline_ms=now.deadline_ms(self._limits.command_s),
            by=claims.user(),
            room=room,
        )

        def done(answer: Answer) -> None:
            told(answer.refused)

        refusal = self._over(command) or self._courier.submit(
            claims.region, command, None, done, now.mono_s
        )
        if refusal is not None:
            told(refusal)

    async def send_message(
        self, claims: Claims, room: str, text: str, key: str | None
    ) -> Answer:
        """Send to a room as that user; the leader's answer, or a refusal."""
        sought = None if key is None else False
        more: dict[str, Any] = {"room": room, "text": text, "key": key}
        return await self.decide(
            claims, claims.region, SendMessage, outside=True, sought=sought, **more
        )

    async def decide(
        self, claims: Claims, region: str, command_of: Any, **fields: Any
    ) -> Answer:
        """Have a region's leader decide a command that no session sent."""
        now = self._now()
        command: AnyCommand = command_of(
            id=next(self._ids),
            deadline_ms=now.deadline_ms(self._limits.command_s),
            by=claims.user(),
            **fields,
        )
        answered: asyncio.Future[Answer]
        answered = asyncio.get_running_loop().create_future()

        def done(answer: Answer) -> None:
            if not answered.done():
                answered.set_result(answer)

        trace, ended = traced(command, tracing.current.get(), done)
        refusal = self._over(command) or self._courier.submit(
            region, command, None, ended, now.mono_s, traceparent=trace
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
        return self._bus.send(subjects.notice(region, user), notice, reply)

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

        reply = subjects.heard(self._gateway, next(self._counts))
        subscription = self._bus.subscribe_raw(reply, heard)
        try:
            if not self.notify(region, user, data, reply):
                return None
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), HEARD_S)
        finally:
            subscription.cancel()
        return sessions
