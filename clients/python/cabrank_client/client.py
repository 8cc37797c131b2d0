"""One session with a cabrank server, over as many connections as it takes.

It comes back by itself after a lost connection and after every close code but 4500-4999
(4502, the token has ended, is come back from with another token), with `since`, so
that every event of one's trips is heard. What was asked and not answered when the
connection was lost is asked again where that is safe (commands.py), and else fails as
`Unavailable`.
"""

import asyncio
import random
import ssl
import time
from collections.abc import Callable, Coroutine, Mapping
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import httpx

from cabrank_client import commands, policy
from cabrank_client.buffer import Subscription
from cabrank_client.commands import Command
from cabrank_client.drive import PositionSource, Shift
from cabrank_client.errors import Closed, Refused, Unavailable
from cabrank_client.follow import Follow
from cabrank_client.httpclient import AsyncHttpClient
from cabrank_client.keeper import Keeper
from cabrank_client.link import Link, Lost
from cabrank_client.login import TokenSource
from cabrank_client.methods import described
from cabrank_client.offers import Offers
from cabrank_client.room import Room
from cabrank_client.shapes import Event, Fix, Offer, User, Welcome

P = ParamSpec("P")
T = TypeVar("T")

PATIENCE_S = 30.0


def _asks(
    make: Callable[P, Command[T]],
) -> Callable[Concatenate["Client", P], Coroutine[Any, Any, T]]:
    async def method(self: "Client", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.ask(make(*args, **kwargs))

    return described(method, make)


class Client:
    """A session; `async with` begins and ends it.

    Args:
        url: of the server; `http(s)` or `ws(s)`, without a path `/ws` is meant.
        token: an access token, a service account's key (`cbk_…`), or a function that
            gives one, async or not (`TokenSource`).
        username: with `password`, instead of a token.
        password: of that user.
        since: a `cursor` of an earlier session, to hear what was missed since.
        patience_s: so long `async with` waits for the first welcome.
        tls: for `https` and `wss`, where the machine's certificates don't do.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | TokenSource | None = None,
        username: str | None = None,
        password: str | None = None,
        since: int | None = None,
        patience_s: float = PATIENCE_S,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._patience_s = patience_s
        web = httpx.AsyncClient(
            timeout=policy.ANSWER_MAX_S, verify=True if tls is None else tls
        )
        self._web = web
        self.http = AsyncHttpClient(
            url, token=token, username=username, password=password, http=web
        )
        """The HTTP API in the same user's name."""
        self._keeper = Keeper(
            policy.socket_url(url),
            tls=tls,
            since=since,
            token=self.http.token,
            publish=self._publish,
            finished=self._finished,
        )
        self._offers = Offers()
        self._subscriptions: set[Subscription] = set()
        self._rooms: set[str] = set()
        self._welcome: Welcome | None = None
        self._is_closed = False
        self._task: asyncio.Task[None] | None = None

    # ---- its life ------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def connect(self) -> None:
        """Return once the server has said welcome.

        Raises:
            Refused: nobody is logged in, by the reason; `Unavailable`: the server can't
                be reached in time.
            Closed: the server ended it for good.
        """
        if self._task is not None:
            raise RuntimeError("a client connects once")
        self._task = asyncio.create_task(self._keeper.run())
        try:
            async with asyncio.timeout(self._patience_s):
                await self._keeper.open()
        except TimeoutError:
            await self.aclose()
            trouble = self._keeper.trouble
            message = f"no welcome within {self._patience_s:g} s: {trouble}"
            raise Unavailable(message) from trouble
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """End it; what reads events ends, what waits for an answer fails."""
        self._is_closed = True
        self._keeper.finish(Closed(1000, "closed by the app"))
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._web.aclose()

    @property
    def is_connected(self) -> bool:
        return self.link is not None

    @property
    def link(self) -> Link | None:
        """The connection there is; for this package's own use."""
        return self._keeper.link

    @property
    def welcome(self) -> Welcome:
        """The latest. Raises: RuntimeError: there was none yet."""
        if self._welcome is None:
            raise RuntimeError("not connected yet")
        return self._welcome

    @property
    def user(self) -> User:
        return self.welcome["user"]

    @property
    def cursor(self) -> int | None:
        """What to come back with: `Client(…, since=client.cursor)`."""
        return self._keeper.cursor

    @property
    def offers(self) -> list[Offer]:
        """A driver's live ones, the oldest first."""
        return self._offers.live(time.monotonic())

    # ---- asking --------------------------------------------------------------

    async def ask(self, command: Command[T]) -> T:
        """Send any command, and return what it is answered with.

        One that repeats waits for a connection, and is sent until it is answered (bound
        it by `asyncio.timeout`). Others are sent at most once.

        Raises:
            Refused: by the class of its code. `Unavailable`: the outcome is unknown.
            Closed: the session has ended.
        """
        answer, _ = await self.ask_and_tell(command)
        return answer

    async def ask_and_tell(self, command: Command[T]) -> tuple[T, Link]:
        """As `ask`; and over which connection the answer came."""
        sent_at: float | None = None
        attempt = 0
        while True:
            link = await self._keeper.open() if command.repeats else self._keeper.now()
            if sent_at is None:
                sent_at = time.monotonic()
            elif time.monotonic() - sent_at > policy.KEY_LIFE_S:
                raise Unavailable("too old to be sent again safely")
            try:
                return await link.ask(command.type, command.data), link
            except Lost as lost:
                if not command.repeats:
                    raise self._unknown(str(lost)) from None
            except Refused as error:
                if not (command.repeats and error.retryable):
                    raise
                await asyncio.sleep(_backoff_s(attempt))
                attempt += 1

    async def ask_over(self, link: Link, command: Command[T]) -> T:
        """Send it over that connection alone, once."""
        try:
            answer: T = await link.ask(command.type, command.data)
        except Lost as lost:
            raise self._unknown(str(lost)) from None
        return answer

    def _unknown(self, why: str) -> Unavailable:
        return Unavailable(f"{why}; the outcome is unknown")

    async def tell(self, type_: str, data: Mapping[str, Any]) -> bool:
        """Send a frame that has no answer; False: not connected."""
        link = self.link
        if link is None:
            return False
        try:
            await link.tell(type_, data)
        except Lost:
            return False
        return True

    request_trip = _asks(commands.request_trip)
    reschedule_trip = _asks(commands.reschedule_trip)
    cancel_trip = _asks(commands.cancel_trip)
    get_trip = _asks(commands.get_trip)
    accept_trip = _asks(commands.accept_trip)
    decline_trip = _asks(commands.decline_trip)
    arrive_trip = _asks(commands.arrive_trip)
    begin_trip = _asks(commands.begin_trip)
    complete_trip = _asks(commands.complete_trip)
    release_trip = _asks(commands.release_trip)
    assign_trip = _asks(commands.assign_trip)
    watch = _asks(commands.watch)
    unwatch = _asks(commands.unwatch)
    online = _asks(commands.online)
    offline = _asks(commands.offline)

    async def moved(self, fix: Fix) -> bool:
        """Say where the driver is; False: not connected, the next one replaces it."""
        return await self.tell("driver.location", fix)

    # ---- hearing -------------------------------------------------------------

    def events(self, *types: str) -> Subscription:
        """What the server says by itself from now on: of these types, or all."""

        def wants(event: Event) -> bool:
            return not types or event.type in types

        return self.subscribe(wants)

    def subscribe(self, wants: Callable[[Event], bool]) -> Subscription:
        """What the server says by itself from now on, and is wanted."""
        made = Subscription(wants, self._subscriptions.discard)
        if self._keeper.ended is not None:
            made.end(self._keeper.ended)
        else:
            self._subscriptions.add(made)
        return made

    def follow(self, trip: str) -> Follow:
        """What becomes of a trip: how it is, then each event, until it ends."""
        return Follow(self, trip)

    def drive(
        self, position: PositionSource = lambda: None, *, every_s: float | None = None
    ) -> Shift:
        """A shift; `async with` begins it (online, and offered trips) and ends it.

        `position()` says where the driver is, or None, every `every_s` (4) seconds.
        """
        return Shift(self, position, every_s)

    def room(self, name: str) -> Room:
        """A room; `async with` joins it and leaves it.

        Raises:
            InvalidData: no room can have that name.
        """
        return Room(self, policy.room_name(name), self._rooms)

    # ---- told by the keeper --------------------------------------------------

    def _publish(self, event: Event, size: int) -> None:
        now_s = time.monotonic()
        if event.type == "welcome":
            self._welcome = event.data
            self._offers.welcomed(event.data.get("offers", []), now_s)
        else:
            self._offers.heard(event.type, event.data, now_s)
        for subscription in list(self._subscriptions):
            subscription.heard(event, size)
            if subscription.is_ended:
                self._subscriptions.discard(subscription)

    def _finished(self, error: Exception) -> None:
        told = None if self._is_closed else error
        for subscription in list(self._subscriptions):
            subscription.end(told)
        self._subscriptions.clear()


def _backoff_s(attempt: int) -> float:
    return policy.backoff_s(attempt, random.random())  # noqa: S311
