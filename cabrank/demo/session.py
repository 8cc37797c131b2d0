"""One user's connection: logs in, comes back after every loss, asks and is told.

Knows the protocol's envelope, not what is in it.
"""

import asyncio
import contextlib
import itertools
import json
from collections.abc import Callable
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from cabrank.demo.people import Person

ANSWER_MAX_S = 15
"""PROTOCOL.md section 2: the server gives a command up after 10 s."""
AGAIN_S = 2.0
HASHING = asyncio.Semaphore(3)
"""Sign-ups and log-ins at a time: each costs the server a password's hash."""

Heard = Callable[[str, Any], None]


class RefusedError(Exception):
    """The server said no; `code` of the protocol's closed set."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class GoneError(Exception):
    """The connection is lost: the outcome of what was asked is unknown."""


class Session:
    """`heard(type, data)` is called with `welcome` and each event, in their order."""

    def __init__(
        self, http: httpx.AsyncClient, person: Person, password: str, heard: Heard
    ) -> None:
        self.person = person
        self.user: dict[str, Any] = {}
        self._http = http
        self._password = password
        self._heard = heard
        self._socket: ClientConnection | None = None
        self._refs = itertools.count()
        self._asked: dict[str, asyncio.Future[Any]] = {}

    async def run(self) -> None:
        """Be there, until cancelled."""
        while True:
            with contextlib.suppress(OSError, WebSocketException, httpx.HTTPError):
                await self._once()
            await asyncio.sleep(AGAIN_S)

    async def _once(self) -> None:
        """One connection, to its end. A token's end is one of its ends."""
        token = await self._token()
        url = str(self._http.base_url.copy_with(path="/ws"))
        async with connect(
            url.replace("http", "ws", 1),
            additional_headers={"Authorization": f"Bearer {token}"},
            max_size=None,
            compression=None,
            proxy=None,
        ) as socket:
            self._socket = socket
            try:
                async for text in socket:
                    self._receive(json.loads(text))
            finally:
                self._socket = None
                for asked in self._asked.values():
                    if not asked.done():
                        asked.set_exception(GoneError)
                self._asked.clear()

    async def _token(self) -> str:
        """Signed up at the first time, logged in ever after."""
        who = {"username": self.person.username, "password": self._password}
        more = {"first_name": self.person.first_name, "role": self.person.role.value}
        async with HASHING:
            answer = None
            if not self.user:
                answer = await self._http.post("/api/users", json=who | more)
            if answer is None or answer.status_code == httpx.codes.CONFLICT:
                answer = await self._http.post("/api/tokens", json=who)
        answer.raise_for_status()
        told = answer.json()
        self.user = told["user"]
        return str(told["access"])

    def _receive(self, frame: dict[str, Any]) -> None:
        kind, data = frame["type"], frame["data"]
        asked = self._asked.pop(frame.get("ref") or "", None)
        if asked is None:
            self._heard(kind, data)
        elif asked.done():  # nobody waits any more
            return
        elif kind == "refused":
            asked.set_exception(RefusedError(data["code"]))
        else:
            asked.set_result(data)

    async def ask(self, kind: str, **data: Any) -> Any:
        """The reply's data.

        Raises:
            RefusedError: the server says no.
            GoneError: there is no connection, it was lost, or no answer came.
        """
        ref = str(next(self._refs))
        answer = asyncio.get_running_loop().create_future()
        self._asked[ref] = answer
        try:
            async with asyncio.timeout(ANSWER_MAX_S):
                await self._send({"type": kind, "ref": ref, "data": data})
                return await answer
        except (TimeoutError, WebSocketException):
            raise GoneError from None
        finally:
            self._asked.pop(ref, None)

    async def tell(self, kind: str, **data: Any) -> None:
        """Send what has no answer; nothing happens where there is no connection."""
        with contextlib.suppress(GoneError, WebSocketException):
            await self._send({"type": kind, "data": data})

    async def _send(self, frame: dict[str, Any]) -> None:
        if self._socket is None:
            raise GoneError
        await self._socket.send(json.dumps(frame))
