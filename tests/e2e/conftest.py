"""One running system for most tests, and people in it.

Tests share it, so each takes people of its own and looks at its own trips only.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from cabrank.trial.load.lifted import LIFTED
from tests.support.applications import Site
from tests.support.client import Client, connect, welcomed
from tests.support.documented import Frames, holding
from tests.support.stack import Person, Stack, running

POOL = 250
"""People of each role that one test session may use up; made at once, for each call
of `cabrank tokens` starts a process.
"""
ADDRESSES = {"pick_up_address": "14 Main Street", "drop_off_address": "2 Station Road"}


DOCUMENTED = Frames()


class Town:
    """A running system with people who have not done anything yet."""

    def __init__(self, stack: Stack, pool: int) -> None:
        self.stack = stack
        self.url = stack.url
        self._pools = {role: stack.people(role, pool) for role in ("rider", "driver")}
        self._pools["operator"] = stack.people("operator", 3)

    def rider(self) -> Person:
        return self._pools["rider"].pop()

    def driver(self) -> Person:
        return self._pools["driver"].pop()

    @property
    def operator(self) -> Person:
        return self._pools["operator"][0]


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("shared") / "data") as made:
        yield made
    # schemas/permissions.py allows all that any of these tests needed.
    assert made.forbidden() == []


@pytest.fixture(scope="session")
def town(stack: Stack) -> Town:
    return Town(stack, POOL)


@pytest.fixture(scope="session")
def short_lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Access tokens live 3 s here, requests 1 s; one origin is allowed."""
    settings = {
        "CABRANK_ACCESS_TTL_S": "3",
        "CABRANK_REQUEST_TTL_S": "1",
        "CABRANK_ORIGINS": "https://app.example",
    }
    with running(tmp_path_factory.mktemp("short") / "data", settings=settings) as made:
        yield made


@pytest.fixture(scope="session")
def lifted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A system to be measured: the limits of a user are as the bench lifts them."""
    data_dir = tmp_path_factory.mktemp("lifted") / "data"
    with running(data_dir, settings=LIFTED) as made:
        yield made


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="session")
def beside(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A system that takes the tokens of examples/, and tells applications here."""
    settings = {
        "CABRANK_OIDC_ISSUER": site.issuer,
        "CABRANK_OIDC_AUDIENCE": "cabrank",
        "CABRANK_WEBHOOKS_PRIVATE": "1",
    }
    data_dir = tmp_path_factory.mktemp("examples") / "data"
    with running(data_dir, settings=settings) as made:
        yield made


@pytest.fixture
def own_stack(tmp_path: Path) -> Iterator[Callable[..., Stack]]:
    """Starts systems that a test may break."""
    made: list[Stack] = []

    def start(*options: str, **settings: str) -> Stack:
        stack = Stack(tmp_path / f"data{len(made)}", *options, settings=settings)
        made.append(stack)
        stack.start()
        return stack

    yield start
    for stack in made:
        stack.stop()


class Sockets:
    """Opens clients that end with the test."""

    def __init__(self, base: str, stack: AsyncExitStack) -> None:
        self.base = base
        self.opened: list[Client] = []
        self._stack = stack

    async def open(self, person: Person, **options: Any) -> Client:
        """A client that has been welcomed."""
        client, _ = await self.welcome(person, **options)
        return client

    async def welcome(
        self, person: Person, **options: Any
    ) -> tuple[Client, dict[str, Any]]:
        client, data = await welcomed(self.base, person.access, **options)
        self.opened.append(client)
        await self._stack.enter_async_context(client)
        return client, data

    @staticmethod
    async def alone(base: str, person: Person, **options: Any) -> Client:
        """A welcomed client of another system, for the test to close."""
        return (await welcomed(base, person.access, **options))[0]

    async def raw(self, token: str | None, **options: Any) -> Client:
        """A client that may never be welcomed."""
        client = await connect(self.base, token, **options)
        return await self._stack.enter_async_context(client)


@pytest.fixture
async def sockets(town: Town) -> AsyncIterator[Sockets]:
    async with AsyncExitStack() as stack:
        made = Sockets(town.url, stack)
        yield made
    # Whatever came was as /asyncapi.json tells of it, and no more.
    came = [one for client in made.opened for one in client.came()]
    assert [fault for one in came for fault in DOCUMENTED.faults(*one)] == []


@pytest.fixture(scope="session")
def documented(stack: Stack) -> Callable[[httpx.Response], Awaitable[None]]:
    return holding(stack.url)


@pytest.fixture
async def web(
    stack: Stack, documented: Callable[[httpx.Response], Awaitable[None]]
) -> AsyncIterator[httpx.AsyncClient]:
    """What it is answered is held to /openapi.json."""
    hooks = {"response": [documented]}
    async with httpx.AsyncClient(
        base_url=stack.url, trust_env=False, event_hooks=hooks
    ) as client:
        yield client


def bearer(person: Person | str) -> dict[str, str]:
    token = person if isinstance(person, str) else person.access
    return {"Authorization": f"Bearer {token}"}


async def started(rider: Client, driver: Client) -> dict[str, Any]:
    """A trip that the driver has accepted, seen so by both."""
    trip = await rider.do("trip.request", ADDRESSES)
    await driver.expect_trip("trip.requested", trip["id"])
    await driver.do("trip.accept", {"id": trip["id"]})
    await driver.expect_trip("trip.started", trip["id"])
    return await rider.expect_trip("trip.started", trip["id"])
