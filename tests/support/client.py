"""A client for tests, on `websockets`: records every frame, waits with a deadline."""

import asyncio
import itertools
import json
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_socket
from websockets.exceptions import ConnectionClosed

LIMIT_S = 10
Frame = dict[str, Any]


class Client:
    """`frames`: all that came, in order. Each is handed out by `expect` once."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.frames: list[Frame] = []
        self._unused: list[Frame] = []
        self._news = asyncio.Event()
        self._refs = itertools.count(1)
        self._asked: dict[str, str] = {}
        self._reader = asyncio.create_task(self._read())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _read(self) -> None:
        try:
            async for message in self.socket:
                frame = json.loads(message)
                self.frames.append(frame)
                self._unused.append(frame)
                self._news.set()
        except ConnectionClosed:
            pass
        finally:
            self._news.set()

    # ---- frames --------------------------------------------------------------

    async def expect(
        self, kind: str, where: Callable[[Frame], object] = lambda _: True
    ) -> Frame:
        """The first frame not handed out yet of type `kind` that fits `where`.

        Raises:
            AssertionError: it did not come in time, or the connection closed.
        """

        def find() -> Frame | None:
            for frame in self._unused:
                if frame["type"] == kind and where(frame):
                    self._unused.remove(frame)
                    return frame
            return None

        try:
            async with asyncio.timeout(LIMIT_S):
                while (frame := find()) is None:
                    assert not self._reader.done(), (
                        f"closed with {self.socket.close_code} before {kind}: "
                        f"{self.frames}"
                    )
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"no {kind} among {self.frames}") from None
        return frame

    async def expect_trip(self, kind: str, trip: str) -> dict[str, Any]:
        """`data` of the next `kind` about that trip."""
        frame = await self.expect(kind, lambda frame: frame["data"]["id"] == trip)
        data: dict[str, Any] = frame["data"]
        return data

    def seen(self, kind: str, trip: str | None = None) -> list[Frame]:
        """All frames of type `kind` so far (about `trip`)."""
        return [
            frame
            for frame in self.frames
            if frame["type"] == kind
            and (trip is None or frame["data"].get("id") == trip)
        ]

    async def quiet(self) -> None:
        """Return when all that the server had for us until now has come: an answer
        is preceded by the events it follows.
        """
        await self.ask("trip.get", {"id": "00000000-0000-7000-8000-000000000000"})

    def came(self) -> Iterator[tuple[str, Frame]]:
        """Each frame with what documents call it: `trip.get.reply`. Answers to what was
        sent by `send` are left out.
        """
        for frame in self.frames:
            kind = frame["type"]
            if kind != "reply":
                yield kind, frame
            elif frame["ref"] in self._asked:
                yield f"{self._asked[frame['ref']]}.reply", frame

    @property
    def cursor(self) -> int:
        """What to come back with (PROTOCOL.md section 2)."""
        seq = 0
        for frame in self.frames:
            if frame["type"] == "welcome" and not frame["data"]["recovered"]:
                seq = frame["data"]["seq"]
            seq = max(seq, frame.get("seq", 0))
        return seq

    # ---- commands ------------------------------------------------------------

    async def send(self, what: Any) -> None:
        """A frame, or text or bytes as they are."""
        raw = what if isinstance(what, str | bytes) else json.dumps(what)
        await self.socket.send(raw)

    async def ask(self, kind: str, data: Any = None) -> Frame:
        """Send a command and return its answer: reply or refused."""
        ref = f"t{next(self._refs)}"
        frame: Frame = {"type": kind, "ref": ref}
        self._asked[ref] = kind
        if data is not None:
            frame["data"] = data
        await self.send(frame)
        return await self.answer(ref)

    async def answer(self, ref: str | None) -> Frame:
        def answers(frame: Frame) -> bool:
            return frame["type"] in {"reply", "refused"} and frame["ref"] == ref

        async with asyncio.timeout(LIMIT_S + 5):
            while True:
                for frame in self._unused:
                    if answers(frame):
                        self._unused.remove(frame)
                        return frame
                assert not self._reader.done(), f"closed: {self.socket.close_code}"
                self._news.clear()
                await self._news.wait()

    async def do(self, kind: str, data: Any = None) -> Any:
        """`data` of the reply; a refusal fails the test."""
        frame = await self.ask(kind, data)
        assert frame["type"] == "reply", frame
        return frame["data"]

    async def refusal(self, kind: str, data: Any = None) -> str:
        """The code a command is refused with; a reply fails the test."""
        frame = await self.ask(kind, data)
        assert frame["type"] == "refused", frame
        code: str = frame["data"]["code"]
        return code

    # ---- end -----------------------------------------------------------------

    async def close(self) -> None:
        await self.socket.close()
        await self._reader

    async def vanish(self) -> None:
        """Lose the connection without a close frame."""
        self.socket.transport.abort()
        await self._reader

    async def closed(self, limit_s: float | None = LIMIT_S + 5) -> int:
        """The code the server closes with; None: however long it takes."""
        async with asyncio.timeout(limit_s):
            await self.socket.wait_closed()
            await self._reader
        code = self.socket.close_code
        assert code is not None
        return code


async def connect(
    base: str,
    token: str | None,
    *,
    path: str = "/ws/",
    since: object = None,
    headers: dict[str, str] | None = None,
    **options: Any,
) -> Client:
    """Open a socket as the token's user, without waiting for the welcome."""
    query = "" if since is None else "?" + urlencode({"since": since})
    sent = dict(headers or {})
    if token is not None:
        sent["Authorization"] = f"Bearer {token}"
    url = "ws" + base.removeprefix("http") + path + query
    socket = await open_socket(
        url, additional_headers=sent, max_size=None, proxy=None, **options
    )
    return Client(socket)


async def welcomed(
    base: str, token: str, **options: Any
) -> tuple[Client, dict[str, Any]]:
    """Open a socket and wait for `welcome`; also returns its data."""
    client = await connect(base, token, **options)
    frame = await client.expect("welcome")
    return client, frame["data"]
