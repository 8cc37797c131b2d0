"""One connection, from its log-in to its end: what was asked over it, and answered."""

import asyncio
import itertools
import json
from collections.abc import Mapping
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from cabrank_client import policy
from cabrank_client.errors import UnexpectedAnswer, refusal

Frame = dict[str, Any]


class Lost(Exception):  # noqa: N818 - no error of its own: what waits is told
    """The connection is gone, or silent."""


class Link:
    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._waiting: dict[str, asyncio.Future[Any]] = {}
        self._refs = itertools.count(1)
        self._room = asyncio.Semaphore(policy.WAITING_MAX)
        self._leaving: asyncio.Task[None] | None = None

    async def log_in(self, token: str, since: int | None) -> Frame:
        """`welcome`'s data.

        Raises:
            Refused: by the server.
            Lost: there was no answer.
        """
        data: dict[str, Any] = {"token": token}
        if since is not None:
            data["since"] = since
        try:
            async with asyncio.timeout(policy.ANSWER_MAX_S):
                await self._socket.send(policy.frame("session.login", data, "login"))
                frame = read(await self._socket.recv())
        except TimeoutError:
            raise Lost("no welcome") from None
        if frame["type"] == "refused":
            said = frame["data"]
            raise refusal(said["code"], said["message"], retryable=said["retryable"])
        if frame["type"] != "welcome":
            raise UnexpectedAnswer(f"{frame['type']!r} came before a welcome")
        welcome: Frame = frame["data"]
        return welcome

    async def ask(self, type_: str, data: Mapping[str, Any]) -> Any:
        """The reply's data. Without an answer in time the connection is left.

        Raises:
            Refused: by the server, or `InvalidData` before anything was sent.
            Lost: the outcome is unknown.
        """
        ref = f"p{next(self._refs)}"
        text = policy.frame(type_, data, ref)
        async with self._room:
            answer = asyncio.get_running_loop().create_future()
            self._waiting[ref] = answer
            try:
                async with asyncio.timeout(policy.ANSWER_MAX_S):
                    await self._send(text)
                    return await answer
            except TimeoutError:
                self.leave()
                raise Lost("no answer in time") from None
            finally:
                del self._waiting[ref]

    async def tell(self, type_: str, data: Mapping[str, Any]) -> None:
        """Send what has no answer.

        Raises:
            Lost: the connection is gone.
        """
        await self._send(policy.frame(type_, data))

    async def _send(self, text: str) -> None:
        try:
            await self._socket.send(text)
        except ConnectionClosed:
            raise Lost("the connection was lost") from None

    def answered(self, frame: Frame) -> None:
        """An answer; who asked may wait no more."""
        answer = self._waiting.get(frame["ref"])
        if answer is None or answer.done():
            return
        said = frame["data"]
        if frame["type"] == "reply":
            answer.set_result(said)
        else:
            error = refusal(said["code"], said["message"], retryable=said["retryable"])
            answer.set_exception(error)

    def ended(self) -> None:
        """Nothing comes any more."""
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(Lost("the connection was lost"))

    def leave(self) -> None:
        """Close it, and don't wait: a dead one takes its time."""
        if self._leaving is None:
            self._leaving = asyncio.create_task(self._socket.close())


def read(text: str | bytes) -> Frame:
    """Raises: UnexpectedAnswer: it is no frame."""
    try:
        frame = json.loads(text)
    except ValueError:
        frame = None
    if not isinstance(frame, dict) or not isinstance(frame.get("type"), str):
        raise UnexpectedAnswer(f"no frame came, but {text[:80]!r}")
    return frame
