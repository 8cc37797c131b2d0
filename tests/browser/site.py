"""A system to look at, behind a cable: all that the browser tests know of it."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx

from cabrank.trial.chaos.cable import Cable
from tests.support.stack import Stack

PASSWORD = "correct horse"
_TAGS = itertools.count(1)


class Site:
    """`crash` ends the gateway; it is back when `crash` returns. `tag`: what the names
    of its users and rooms begin with, where others share the system.
    """

    def __init__(
        self,
        upstream: str,
        cable: Cable,
        crash: Callable[[], Awaitable[object]],
        tag: str = "",
    ) -> None:
        self.upstream = upstream
        self.cable = cable
        self.crash = crash
        self._tag = tag

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.cable.port}"

    def named(self, name: str) -> str:
        """What the system calls the user or room that the test calls `name`."""
        return f"{self._tag}{name}"

    async def sign_up(
        self, username: str, role: str = "rider", first_name: str | None = None
    ) -> Any:
        """A new user; returns `{user, access, refresh, expires_in}`. Without a
        `first_name` they are shown as what the test calls them.
        """
        body = {"username": self.named(username), "password": PASSWORD, "role": role}
        body |= {"first_name": username if first_name is None else first_name}
        async with httpx.AsyncClient(base_url=self.upstream) as http:
            answer = await http.post("/api/users", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def post(self, access: str, room: str, *texts: str) -> None:
        """Messages from the server side, in order; no faster than a user may."""
        headers = {"Authorization": f"Bearer {access}"}
        path = f"/api/rooms/{self.named(room)}/messages"
        async with httpx.AsyncClient(base_url=self.upstream, headers=headers) as http:
            for text in texts:
                while True:
                    answer = await http.post(path, json={"text": text})
                    if answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
                        break
                    await asyncio.sleep(float(answer.headers["Retry-After"]))
                assert answer.status_code == 201, answer.text

    async def said(self, access: str, room: str) -> list[str]:
        """The texts that the room's history has, newest first."""
        headers = {"Authorization": f"Bearer {access}"}
        path = f"/api/rooms/{self.named(room)}/messages"
        async with httpx.AsyncClient(base_url=self.upstream, headers=headers) as http:
            answer = await http.get(path)
        assert answer.status_code == 200, answer.text
        return [message["text"] for message in answer.json()]

    async def revoke(self, desk: str, user: str) -> None:
        """End a user's sessions. `desk`: an operator's token; `user`: an id."""
        headers = {"Authorization": f"Bearer {desk}"}
        async with httpx.AsyncClient(base_url=self.upstream, headers=headers) as http:
            answer = await http.post(f"/api/users/{user}/revoke")
        assert answer.status_code == 204, answer.text

    async def blink(self) -> None:
        """All connections end; the next is taken at once."""
        await self.cable.cut()
        await self.cable.lay()


@contextlib.asynccontextmanager
async def before(stack: Stack, *, is_shared: bool = False) -> AsyncIterator[Site]:
    """A real system; what crashes is its gateway. `is_shared`: others use the names
    that these tests do.
    """
    cable = Cable("127.0.0.1", stack.port)
    await cable.lay()

    async def crash() -> None:
        stack.kill("gateway-1")
        await asyncio.sleep(0)
        await stack.ready()

    tag = f"t{next(_TAGS)}-" if is_shared else ""
    yield Site(stack.url, cable, crash, tag)
    await cable.cut()
