"""Which rooms a client is in: joins them again after each loss, `since` the last that
it heard, and tells the checks what it said and heard
(cabrank/trial/oracle/conversations.py).
"""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from cabrank.trial.load import frames
from cabrank.trial.oracle.conversations import Conversations

HEARD_MAX_S = 60.0
"""Beyond any fault and the longest backoff after it."""
POLL_S = 0.02


class Outcome(Protocol):
    @property
    def refused(self) -> str | None:
        """A refusal's code; None: it was done."""


class Ask(Protocol):
    """A client's `ask`: sends a command until its outcome is known."""

    async def __call__(
        self,
        kind: str,
        data: dict[str, object],
        then: Callable[[frames.Frame], None],
        /,
    ) -> Outcome: ...


class Visits:
    """`rooms`: those it has joined, or is to be in again after a loss."""

    def __init__(self, me: str, ask: Ask, conversations: Conversations) -> None:
        self.rooms: set[str] = set()
        self._me = me
        self._ask = ask
        self._conversations = conversations
        self._coming_back: set[asyncio.Task[bool]] = set()

    async def enter(self, room: str) -> bool:
        """Join; False: it was refused."""
        self.rooms.add(room)
        data: dict[str, object] = {"room": room}
        since = self._conversations.cursor(self._me, room)
        if since is not None:
            data["since"] = since
        asked_s = time.monotonic()

        def joined(frame: frames.Frame) -> None:
            answer = frames.read_joined(frame.data)
            self._conversations.joined(
                self._me,
                room,
                since,
                answer.history,
                recovered=answer.recovered,
                asked_s=asked_s,
            )

        outcome = await self._ask("chat.join", data, joined)
        if outcome.refused is not None:
            self.removed(room)
        return outcome.refused is None

    async def say(self, room: str, text: str) -> None:
        """`text`: said by nobody before."""
        self._conversations.asks(text)
        data: dict[str, object] = {"room": room, "text": text, "idempotency_key": text}

        def answered(frame: frames.Frame) -> None:
            message = frames.read_message(frame.data)
            self._conversations.answered(message, time.monotonic())

        await self._ask("chat.send", data, answered)

    async def leave(self, room: str) -> None:
        """Once all that was said until now is heard."""
        now_s = time.monotonic()
        due = self._conversations.due(room, now_s)
        while room in self.rooms and time.monotonic() < now_s + HEARD_MAX_S:
            if (self._conversations.cursor(self._me, room) or 0) >= due:
                break
            await asyncio.sleep(POLL_S)
        self.rooms.discard(room)
        self._conversations.leaves(self._me, room, due)
        await self._ask("chat.leave", {"room": room}, lambda _: None)

    def removed(self, room: str) -> None:
        """It is not ours any more."""
        self.rooms.discard(room)
        self._conversations.gone(self._me, room)

    def welcomed(self) -> None:
        """A new session is in no room that it doesn't join again."""
        self._conversations.lost(self._me)
        for room in self.rooms:
            task = asyncio.create_task(self.enter(room))
            self._coming_back.add(task)
            task.add_done_callback(self._coming_back.discard)
