"""A server to look at, behind a cable: all that the browser tests know of it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import httpx
import uvicorn

from cabrank.trial.chaos.cable import Cable
from tests.support.fake_chat import FakeChat
from tests.support.stack import Stack
from tests.support.waiting import until

PASSWORD = "correct horse"


class Site:
    """`crash` ends the server; it is back, or coming back, when `crash` returns."""

    def __init__(
        self, upstream: str, cable: Cable, crash: Callable[[], Awaitable[object]]
    ) -> None:
        self.upstream = upstream
        self.cable = cable
        self.crash = crash

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.cable.port}"

    async def sign_up(
        self, username: str, role: str = "rider", first_name: str = ""
    ) -> Any:
        """A new user; returns `{user, access, refresh, expires_in}`."""
        body = {"username": username, "password": PASSWORD, "role": role}
        body |= {"first_name": first_name}
        async with httpx.AsyncClient(base_url=self.upstream) as http:
            answer = await http.post("/api/users", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def post(self, access: str, room: str, *texts: str) -> None:
        """Messages from the server side, in order."""
        headers = {"Authorization": f"Bearer {access}"}
        path = f"/api/rooms/{room}/messages"
        async with httpx.AsyncClient(base_url=self.upstream, headers=headers) as http:
            for text in texts:
                answer = await http.post(path, json={"text": text})
                assert answer.status_code == 201, answer.text


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are pytest's."""
        yield


@contextlib.asynccontextmanager
async def serving(fake: FakeChat) -> AsyncIterator[Site]:
    """`fake` on a port of its own, in this loop."""
    config = uvicorn.Config(
        fake,
        port=0,
        lifespan="off",
        log_config=None,
        ws="websockets-sansio",
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    running = asyncio.create_task(server.serve())
    await until(lambda: server.started, "the fake's start")
    port = server.servers[0].sockets[0].getsockname()[1]
    cable = Cable("127.0.0.1", port)
    await cable.lay()

    async def crash() -> None:
        # What a server holds dies with its connections; the rooms are elsewhere.
        await cable.cut()
        await cable.lay()

    try:
        yield Site(f"http://127.0.0.1:{port}", cable, crash)
    finally:
        await cable.cut()
        server.should_exit = True
        await running


@contextlib.asynccontextmanager
async def before(stack: Stack) -> AsyncIterator[Site]:
    """A real system; what crashes is its gateway."""
    cable = Cable("127.0.0.1", stack.port)
    await cable.lay()

    async def crash() -> None:
        stack.kill("gateway-1")
        await asyncio.sleep(0)
        await stack.ready()

    yield Site(stack.url, cable, crash)
    await cable.cut()
