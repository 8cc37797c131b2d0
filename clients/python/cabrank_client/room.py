"""One room: who is there and what is said, over as many connections as it takes."""

import asyncio
import contextlib
import itertools
import random
from types import TracebackType
from typing import Self

from cabrank_client import commands, policy
from cabrank_client.buffer import Buffer, Subscription
from cabrank_client.commands import Command
from cabrank_client.errors import (
    CabrankError,
    Closed,
    Refused,
    RoomForbidden,
    SlowReader,
)
from cabrank_client.link import Link
from cabrank_client.session import Session
from cabrank_client.shapes import Event, Message, Person


class Room:
    """An async iterator of the messages that come after the joining; `history` has up
    to 100 from before it. What is missed while the connection is lost comes after it;
    where that is too much, `seq` leaves numbers out, and
    `client.http.messages(room, before=seq)` has what was between.
    """

    def __init__(self, session: Session, name: str, joined: set[str]) -> None:
        self.name = name
        self.history: list[Message] = []
        """Oldest first, as of the joining."""
        self._session = session
        self._joined = joined
        self._members: dict[str, Person] = {}
        self._head: int | None = None
        self._messages: Buffer[Message] = Buffer()
        self._seat: Link | None = None
        self._error: CabrankError | None = None
        self._news = asyncio.Event()
        self._turn = asyncio.Lock()
        self._keeping: asyncio.Task[None] | None = None

    @property
    def members(self) -> list[Person]:
        """Who is there, the first 500."""
        return list(self._members.values())

    async def __aenter__(self) -> Self:
        """Join.

        Raises:
            RoomForbidden, TripNotFound: not let in.
            RuntimeError: this client has joined it already.
        """
        if self.name in self._joined:
            raise RuntimeError(f"this client has joined {self.name!r} already")
        self._joined.add(self.name)
        heard = self._session.subscribe(self._wants)
        try:
            await self._enter(first=True)
        except BaseException:
            heard.close()
            self._joined.discard(self.name)
            raise
        self._keeping = asyncio.create_task(self._keep(heard))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait([self._keeping])
        self._messages.end()
        try:
            # A lost connection has left.
            if (link := self._session.link) is not None:
                with contextlib.suppress(CabrankError):
                    await self._session.ask_over(link, commands.leave_room(self.name))
        finally:
            self._joined.discard(self.name)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        return await anext(self._messages)

    async def send(self, text: str, *, idempotency_key: str | None = None) -> Message:
        """Say something; returns once it is kept. It is sent until it is answered,
        under one key, so it arrives once; one goes out after the other.
        """
        whole = commands.send_message(self.name, text, idempotency_key=idempotency_key)
        once: Command[Message] = Command(whole.type, whole.data)
        async with self._turn:
            for attempt in itertools.count():
                seat = await self._seated()
                try:
                    return await self._session.ask_over(seat, once)
                except RoomForbidden:
                    if self._session.link is seat and self._seat is seat:
                        raise
                except Refused as error:
                    if not error.retryable:
                        raise
                    if self._session.link is seat:
                        chance = random.random()  # noqa: S311
                        await asyncio.sleep(policy.backoff_s(attempt, chance))
        raise AssertionError("unreachable")

    async def _seated(self) -> Link:
        """The connection that the room has been joined over."""
        while self._seat is None or self._session.link is not self._seat:
            if self._error is not None:
                raise self._error
            self._news.clear()
            await self._news.wait()
        return self._seat

    # ---- staying -------------------------------------------------------------

    def _wants(self, event: Event) -> bool:
        if event.type == "welcome":
            return True
        return event.type.startswith("chat.") and event.data["room"] == self.name

    async def _keep(self, heard: Subscription) -> None:
        end: CabrankError = Closed(None, "the room was left")
        try:
            while not await self._hear(heard):
                heard = self._session.subscribe(self._wants)
                await self._enter()
        except CabrankError as error:
            end = error
            self._messages.end(error)
        finally:
            heard.close()
            self._messages.end()
            self._error = end
            self._news.set()

    async def _hear(self, heard: Subscription) -> bool:
        """Whether that was all; False: too much came while it was asked."""
        try:
            async for event in heard:
                await self._take(event)
        except SlowReader:
            return False
        return True

    async def _take(self, event: Event) -> None:
        if event.type == "welcome":
            await self._enter()
        elif event.type == "chat.message":
            message: Message = event.data
            if self._head is not None and message["seq"] > self._head + 1:
                await self._enter()  # it comes again within the history
            else:
                self._add(message)
        elif event.type == "chat.joined":
            self._members[event.data["user"]["id"]] = event.data["user"]
        elif event.type == "chat.left":
            self._members.pop(event.data["user"]["id"], None)
            if event.data["user"]["id"] == self._session.user["id"]:
                await self._enter()  # somebody else's doing: may we stay?

    async def _enter(self, *, first: bool = False) -> None:
        command = commands.join_room(self.name, self._head)
        joined, self._seat = await self._session.ask_and_tell(command)
        self._members = {member["id"]: member for member in joined["members"]}
        history = sorted(joined["history"], key=lambda message: message["seq"])
        if first:
            self.history = history
            self._head = history[-1]["seq"] if history else 0
        for message in history:
            self._add(message)
        self._news.set()

    def _add(self, message: Message) -> None:
        """What comes twice is dropped."""
        if self._head is None or message["seq"] > self._head:
            self._head = message["seq"]
            # Six bytes at most for what JSON escapes, and what else a message has.
            self._messages.put(message, 6 * len(message["text"]) + 512)
