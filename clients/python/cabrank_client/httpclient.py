"""The HTTP API: `HttpClient`, and `AsyncHttpClient` with the same methods to await."""

import asyncio
import inspect
import random
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import httpx

from cabrank_client import calls, commands, people, policy
from cabrank_client.calls import Call, over
from cabrank_client.errors import CabrankError, NotAuthenticated, Unavailable
from cabrank_client.login import TokenSource, login_of
from cabrank_client.methods import described
from cabrank_client.shapes import Tokens, Trip
from cabrank_client.tries import Tries

P = ParamSpec("P")
T = TypeVar("T")

PATIENCE_S = 30.0
"""So long a request that may be repeated is."""
USER_AGENT = "cabrank-client (Python)"


def _does(
    make: Callable[P, Call[T]],
) -> Callable[Concatenate["HttpClient", P], T]:
    def method(self: "HttpClient", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.send(make(*args, **kwargs))

    return described(method, make)


def _will(
    make: Callable[P, Call[T]],
) -> Callable[Concatenate["AsyncHttpClient", P], Coroutine[Any, Any, T]]:
    async def method(
        self: "AsyncHttpClient", /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await self.send(make(*args, **kwargs))

    return described(method, make)


def _unreachable(error: httpx.TransportError) -> Unavailable:
    said = str(error) or type(error).__name__
    return Unavailable(f"the server can't be reached, or didn't answer: {said}")


class _Shared:
    """What the two have in common: the login, and a request's form."""

    def __init__(
        self,
        url: str,
        token: str | TokenSource | None,
        username: str | None,
        password: str | None,
        patience_s: float,
    ) -> None:
        self.url = policy.http_url(url)
        self._source = token if callable(token) else None
        given = token if isinstance(token, str) else None
        if self._source is not None and (username or password):
            raise TypeError("either a token, or a username and a password")
        self._login = login_of(given, username, password)
        self._patience_s = patience_s

    def _tries(self, call: Call[Any]) -> Tries:
        ends_at_s = time.monotonic() + self._patience_s
        return Tries(repeats=call.repeats, ends_at_s=ends_at_s)

    def _request(self, call: Call[Any], token: str | None) -> dict[str, Any]:
        """Keyword arguments of httpx's `request`."""
        body, headers = call.content()
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        headers.setdefault("User-Agent", USER_AGENT)
        return {
            "method": call.method,
            "url": self.url + call.path,
            "params": dict(call.query) or None,
            "headers": headers,
            **({"content": body} if call.form is None else {"data": dict(call.form)}),
        }

    @staticmethod
    def _wait_s(tries: Tries, error: CabrankError, token: str | None) -> float:
        now_s = time.monotonic()
        return tries.wait_s(error, token, now_s, random.random())  # noqa: S311


class HttpClient(_Shared):
    """The HTTP API for code that blocks; safe to share between threads.

    Args:
        url: of the server; its path doesn't count.
        token: an access token, a service account's key (`cbk_…`), or a function that
            gives one (`TokenSource`, not async).
        username: with `password`, instead of a token: the session is renewed in time.
        password: of that user.
        patience_s: so long what may be repeated is, where the server is away or asks
            for patience. What may not is sent once.
        http: an `httpx.Client` of your own: proxies, certificates, timeouts. It isn't
            closed.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | TokenSource | None = None,
        username: str | None = None,
        password: str | None = None,
        patience_s: float = PATIENCE_S,
        http: httpx.Client | None = None,
    ) -> None:
        super().__init__(url, token, username, password, patience_s)
        self._http = http or httpx.Client(timeout=policy.ANSWER_MAX_S)
        self._is_ours = http is None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._is_ours:
            self._http.close()

    def send(self, call: Call[T]) -> T:
        """Carry out any call.

        Raises:
            Refused: by the class of its code; `Unavailable`, too, where there was no
                answer.
        """
        tries = self._tries(call)
        while True:
            token = None
            try:
                if call.signed:
                    token = self.token(tries.rejected)
                return self._once(call, token)
            except CabrankError as error:
                time.sleep(self._wait_s(tries, error, token))

    def token(self, rejected: str | None = None) -> str:
        """A token that is good, and not that one.

        Raises:
            NotAuthenticated: there is none; and what the log-in is refused with.
        """
        if self._source is not None:
            given = self._source(rejected)
            if inspect.isawaitable(given):
                raise TypeError("a token's function is not async here")
            return _checked(given, rejected)
        with self._lock:
            while True:
                step = self._login.token(rejected, time.monotonic())
                if not isinstance(step, Call):
                    return _checked(step, rejected)
                try:
                    tokens = self._once(step, None)
                except CabrankError as error:
                    self._login.refused(error)
                else:
                    self._login.took(tokens, time.monotonic())

    def _once(self, call: Call[T], token: str | None) -> T:
        try:
            answer = self._http.request(**self._request(call, token))
        except httpx.TransportError as error:
            raise _unreachable(error) from error
        read: T = calls.read(answer.status_code, answer.headers, answer.content)
        return read

    def all_trips(self, **filters: Any) -> Iterator[Trip]:
        """As `trips`, page after page."""
        while page := self.trips(**filters):
            yield from page
            filters["before"] = page[-1]["id"]

    sign_up = _does(calls.sign_up)
    exchange_key = _does(calls.exchange_key)
    log_out = _does(calls.log_out)
    me = _does(calls.me)
    users = _does(people.users)
    user = _does(people.user)
    regions = _does(calls.regions)
    revoke = _does(people.revoke)
    notify = _does(people.notify)

    request_trip = _does(calls.request_trip)
    reschedule_trip = _does(over(commands.reschedule_trip))
    cancel_trip = _does(over(commands.cancel_trip))
    get_trip = _does(over(commands.get_trip))
    accept_trip = _does(over(commands.accept_trip))
    decline_trip = _does(over(commands.decline_trip))
    arrive_trip = _does(over(commands.arrive_trip))
    begin_trip = _does(over(commands.begin_trip))
    complete_trip = _does(over(commands.complete_trip))
    release_trip = _does(over(commands.release_trip))
    assign_trip = _does(over(commands.assign_trip))
    trips = _does(calls.trips)
    trip_events = _does(calls.trip_events)
    track = _does(calls.track)
    matching = _does(calls.matching)

    drivers = _does(calls.drivers)
    driver = _does(calls.driver)
    tag_driver = _does(calls.tag_driver)

    messages = _does(calls.messages)
    send_message = _does(over(commands.send_message))

    webhooks = _does(calls.webhooks)
    add_webhook = _does(calls.add_webhook)
    webhook = _does(calls.webhook)
    change_webhook = _does(calls.change_webhook)
    remove_webhook = _does(calls.remove_webhook)
    deliveries = _does(calls.deliveries)
    replay_webhook = _does(calls.replay_webhook)
    new_webhook_secret = _does(calls.new_webhook_secret)


class AsyncHttpClient(_Shared):
    """The same for asyncio; `token` may be an async function."""

    def __init__(
        self,
        url: str,
        *,
        token: str | TokenSource | None = None,
        username: str | None = None,
        password: str | None = None,
        patience_s: float = PATIENCE_S,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        super().__init__(url, token, username, password, patience_s)
        self._http = http or httpx.AsyncClient(timeout=policy.ANSWER_MAX_S)
        self._is_ours = http is None
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        if self._is_ours:
            await self._http.aclose()

    async def send(self, call: Call[T]) -> T:
        """As `HttpClient.send`."""
        tries = self._tries(call)
        while True:
            token = None
            try:
                if call.signed:
                    token = await self.token(tries.rejected)
                return await self._once(call, token)
            except CabrankError as error:
                await asyncio.sleep(self._wait_s(tries, error, token))

    async def token(self, rejected: str | None = None) -> str:
        """As `HttpClient.token`."""
        if self._source is not None:
            given = self._source(rejected)
            if isinstance(given, Awaitable):
                given = await given
            return _checked(given, rejected)
        async with self._lock:
            while True:
                step = self._login.token(rejected, time.monotonic())
                if not isinstance(step, Call):
                    return _checked(step, rejected)
                try:
                    tokens: Tokens = await self._once(step, None)
                except CabrankError as error:
                    self._login.refused(error)
                else:
                    self._login.took(tokens, time.monotonic())

    async def _once(self, call: Call[T], token: str | None) -> T:
        try:
            answer = await self._http.request(**self._request(call, token))
        except httpx.TransportError as error:
            raise _unreachable(error) from error
        read: T = calls.read(answer.status_code, answer.headers, answer.content)
        return read

    async def all_trips(self, **filters: Any) -> AsyncIterator[Trip]:
        """As `trips`, page after page."""
        while page := await self.trips(**filters):
            for trip in page:
                yield trip
            filters["before"] = page[-1]["id"]

    sign_up = _will(calls.sign_up)
    exchange_key = _will(calls.exchange_key)
    log_out = _will(calls.log_out)
    me = _will(calls.me)
    users = _will(people.users)
    user = _will(people.user)
    regions = _will(calls.regions)
    revoke = _will(people.revoke)
    notify = _will(people.notify)

    request_trip = _will(calls.request_trip)
    reschedule_trip = _will(over(commands.reschedule_trip))
    cancel_trip = _will(over(commands.cancel_trip))
    get_trip = _will(over(commands.get_trip))
    accept_trip = _will(over(commands.accept_trip))
    decline_trip = _will(over(commands.decline_trip))
    arrive_trip = _will(over(commands.arrive_trip))
    begin_trip = _will(over(commands.begin_trip))
    complete_trip = _will(over(commands.complete_trip))
    release_trip = _will(over(commands.release_trip))
    assign_trip = _will(over(commands.assign_trip))
    trips = _will(calls.trips)
    trip_events = _will(calls.trip_events)
    track = _will(calls.track)
    matching = _will(calls.matching)

    drivers = _will(calls.drivers)
    driver = _will(calls.driver)
    tag_driver = _will(calls.tag_driver)

    messages = _will(calls.messages)
    send_message = _will(over(commands.send_message))

    webhooks = _will(calls.webhooks)
    add_webhook = _will(calls.add_webhook)
    webhook = _will(calls.webhook)
    change_webhook = _will(calls.change_webhook)
    remove_webhook = _will(calls.remove_webhook)
    deliveries = _will(calls.deliveries)
    replay_webhook = _will(calls.replay_webhook)
    new_webhook_secret = _will(calls.new_webhook_secret)


def _checked(token: str | None, rejected: str | None) -> str:
    if token is None:
        raise NotAuthenticated("there is no token, or no other than the one refused")
    if token == rejected:
        raise NotAuthenticated(
            "the token was refused, or has ended, and is given again"
        )
    return token
