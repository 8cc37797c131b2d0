"""Keeps a session: one connection after the other, each with the cursor of the last.

What comes is passed on; what to do with it is the client's to say.
"""

import asyncio
import random
import ssl
import time
from collections.abc import Awaitable, Callable

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from cabrank_client import policy
from cabrank_client.calls import SERVER_FAULT_MIN
from cabrank_client.errors import (
    CabrankError,
    Closed,
    NotAuthenticated,
    Refused,
    Unavailable,
    UnexpectedAnswer,
)
from cabrank_client.httpclient import USER_AGENT
from cabrank_client.link import Frame, Link, Lost, read
from cabrank_client.shapes import Event

FRAME_BYTES_MAX = 4 * 1024 * 1024
"""Of one that comes; a welcome with everything at its largest has below 1 MiB."""
PING_S, PONG_MAX_S = 15.0, 15.0
"""A network that is silently gone is noticed within both."""
CLOSE_MAX_S = 2.0
RENEW_AGAIN_S = 5.0
"""After a token's source gave no other."""
_MAY_PASS = {408, 425, 429}
"""Statuses below 500 that another try may not meet."""


class Keeper:
    """`token(rejected)` gives a token but that one; `publish(event, size)` is told of
    all that comes, `finished(error)` of the end.
    """

    def __init__(
        self,
        url: str,
        *,
        tls: ssl.SSLContext | None,
        since: int | None,
        token: Callable[[str | None], Awaitable[str]],
        publish: Callable[[Event, int], None],
        finished: Callable[[Exception], None],
    ) -> None:
        self._url = url
        self._tls = tls
        self._token = token
        self._publish = publish
        self._finished = finished
        self._return = policy.Return()
        self._is_known = False
        """Whether this server has ever said welcome."""
        self._changed = asyncio.Event()
        """Set while there is a connection, and once there will be none."""
        self.cursor = since
        self.link: Link | None = None
        self.ended: Exception | None = None
        self.trouble: Exception | None = None
        """What the last try failed with."""

    async def open(self) -> Link:
        """The connection, once there is one. Raises: what the session ended with."""
        while self.link is None:
            if self.ended is not None:
                raise self.ended
            await self._changed.wait()
        return self.link

    def now(self) -> Link:
        """The same, if there is one now."""
        if self.ended is not None:
            raise self.ended
        if self.link is None:
            raise Unavailable("not connected; nothing was sent")
        return self.link

    async def run(self) -> None:
        """Keep the session until it ends."""
        wait_s = 0.0
        try:
            while True:
                await asyncio.sleep(wait_s)
                wait_s = await self._once()
        except Exception as error:  # noqa: BLE001 - whoever waits is told, whatever it is
            self.finish(error)

    def finish(self, error: Exception) -> None:
        if self.ended is None:
            self.ended = error
            self._changed.set()
            self._finished(error)

    # ---- one connection ------------------------------------------------------

    async def _once(self) -> float:
        """One connection, to its end; returns seconds until the next try.

        Raises:
            CabrankError: there is none.
        """
        token = ""
        opened_at: float | None = None
        try:
            token = await self._token(self._return.rejected)
            async with connect(
                self._url,
                ssl=self._tls,
                max_size=FRAME_BYTES_MAX,
                open_timeout=policy.ANSWER_MAX_S,
                ping_interval=PING_S,
                ping_timeout=PONG_MAX_S,
                close_timeout=CLOSE_MAX_S,
                user_agent_header=USER_AGENT,
            ) as socket:
                link = Link(socket)
                welcome = await link.log_in(token, self.cursor)
                opened_at = time.monotonic()
                code, reason = await self._serve(socket, link, welcome, token)
        except NotAuthenticated as error:
            if not token:
                raise self._return.unless_renewed or error from self.trouble
            self.trouble = error
            return self._return.refused(token)
        except (
            *(ConnectionClosed, InvalidHandshake, Lost),
            *(Refused, UnexpectedAnswer, OSError),
        ) as error:
            code, reason = self._loss_of(error)
        return self._lost(code, reason, token, opened_at)

    def _loss_of(self, error: Exception) -> tuple[int, str]:
        """Code and reason of what a connection, or the try to have one, failed with.

        Raises:
            CabrankError: there is no use in trying again.
        """
        self.trouble = error
        if isinstance(error, ConnectionClosed) and error.rcvd is not None:
            return error.rcvd.code, error.rcvd.reason
        if isinstance(error, Refused) and not error.retryable:
            raise error
        if isinstance(error, InvalidStatus) and not self._is_known:
            status = error.response.status_code
            if status < SERVER_FAULT_MIN and status not in _MAY_PASS:
                raise Closed(None, f"the server answers with {status}") from error
        return policy.LOST, str(error)

    def _lost(
        self, code: int, reason: str, token: str, opened_at: float | None
    ) -> float:
        now_s = time.monotonic()
        held_s = 0.0
        if opened_at is not None:
            held_s = now_s - opened_at
            self._publish(Event("disconnected", {"code": code, "reason": reason}), 0)
        loss = policy.Loss(code, reason, token, held_s)
        return self._return.lost(loss, now_s, random.random())  # noqa: S311

    async def _serve(
        self, socket: ClientConnection, link: Link, welcome: Frame, token: str
    ) -> tuple[int, str]:
        """Hear all that comes; returns how it closed."""
        renewing = asyncio.create_task(self._renew(link, token))
        try:
            self._welcomed(link, welcome)
            async for text in socket:
                self._heard(link, read(text), len(text))
        finally:
            self.link = None
            if self.ended is None:
                self._changed.clear()
            link.ended()
            renewing.cancel()
        return socket.close_code or policy.LOST, socket.close_reason or ""

    def _welcomed(self, link: Link, welcome: Frame) -> None:
        self._is_known = True
        self.cursor = policy.cursor_of_welcome(self.cursor, welcome)
        self._return.welcomed()
        self.link = link
        self._publish(Event("welcome", welcome), 0)
        self._changed.set()

    def _heard(self, link: Link, frame: Frame, size: int) -> None:
        type_ = frame["type"]
        if type_ in {"reply", "refused"} and frame["ref"] is not None:
            link.answered(frame)
            return
        event = Event(type_, frame.get("data"), frame.get("seq"))
        self.cursor = policy.cursor_of_event(self.cursor, type_, event.seq)
        self._publish(event, size)

    async def _renew(self, link: Link, token: str) -> None:
        """Pass a new token on before the one in use ends. Where that fails, the server
        closes with 4502, and the next connection asks for one.
        """
        while (wait_s := policy.renew_in_s(token, time.time())) is not None:
            await asyncio.sleep(wait_s)
            try:
                new = await self._token(token)
                await link.ask("session.refresh", {"token": new})
            except (CabrankError, Lost):
                await asyncio.sleep(RENEW_AGAIN_S)
            else:
                token = new
