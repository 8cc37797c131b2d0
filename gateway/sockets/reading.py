"""When a socket is read, and when its client is pinged: both stand still together.

Must not know what a frame says.
"""

import asyncio
from typing import TYPE_CHECKING, cast

from gateway.sockets import rfc6455
from gateway.sockets.heartbeat import Heartbeat
from gateway.sockets.intake import Intake
from gateway.sockets.writer import Outbox

if TYPE_CHECKING:
    from gateway.bootstrap import Edge

NEVER = float("inf")


class Reading(Outbox):
    """`_resume_s`: when it is read again, at the latest; never: it is."""

    __slots__ = ("_awaits_answer", "_heartbeat", "_intake", "_resume_s")

    def __init__(self, edge: "Edge", ws: rfc6455.Protocol) -> None:
        super().__init__(edge, ws)
        self._intake: Intake = cast("Intake", None)
        self._heartbeat: Heartbeat | None = None
        """None until it is open."""
        self._resume_s = NEVER
        self._awaits_answer = False
        """Not read until one of its commands is answered."""

    def _take(self, piece: bytes, is_whole: bool) -> None:
        """One frame, or a part of one (gateway/sockets/intake.py)."""
        raise NotImplementedError

    # ---- asyncio.BufferedProtocol --------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._intake = Intake(self._transport, self._edge.turns, self._take)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's
        return self._edge.read_buffer

    def data_received(self, data: bytes) -> None:
        """What came with the request, after its head."""
        self._intake.read(data)

    # ---- standing still ------------------------------------------------------

    def _hold(self, until_s: float, now_s: float) -> None:
        """Read nothing until then, at the latest; the caller sees to the timer."""
        self._resume_s = until_s
        self._intake.hold()
        if self._heartbeat is not None:
            self._heartbeat.stand_still(now_s)

    def _resume(self, now_s: float) -> None:
        self._resume_s = NEVER
        self._awaits_answer = False
        if self._heartbeat is not None:
            self._heartbeat.go_on(now_s)
        self._intake.release()
