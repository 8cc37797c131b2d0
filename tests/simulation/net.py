"""NATS as the processes see it: a server, their connections, and what goes wrong there.

Each connection keeps its order, in both directions; between connections there is none.
A cut connection loses what is on its way; each side learns of it when it learns of it.
`Link` stands for runtime.bus.Bus.
"""

import asyncio
import contextlib
import json
import re
from collections.abc import Callable
from datetime import datetime
from random import Random
from types import SimpleNamespace
from typing import Any

import nats.errors
from nats.js.errors import NotFoundError

from schemas.budget import PAYLOAD_BYTES_MAX
from tests.simulation.connection import Connection, Subscription
from tests.simulation.loop import WALL_S, Loop, Process
from tests.simulation.luck import Luck
from tests.simulation.objects import ObjectStream
from tests.simulation.stream import Stream

LEDGER_SUBJECT = "ledger.main"
_EXPECTED = re.compile(rb"Expected-Last-Subject-Sequence: (\d+)")
TICK_S = 1e-7
"""Between two messages of a connection: the loop keeps no order of equal times."""
QUOTA = b'{"error":{"err_code":10002,"description":"limits exceeded"}}'
NO_RESPONDERS = b"NATS/1.0 503\r\n\r\n"


class Server:
    """`jitter_s` is called for every message; `store_s` for every record."""

    def __init__(self, loop: Loop, rng: Random) -> None:
        self.loop = loop
        self.is_up = True
        self.slow_s = 0.001
        self.store_max_s = 0.002
        self.acks_to_lose = 0
        self.luck = Luck(rng)
        self.is_clustered = False
        """As R3 does it, 10164 instead of 10071 at times."""
        self.connections: list[Connection] = []
        self.rng = rng
        self._exact: dict[str, list[tuple[Connection, Subscription]]] = {}
        self._stored_s = 0.0
        self.stream = Stream(loop.time, self.publish)
        self.objects = ObjectStream()

    # ---- connections -----------------------------------------------------------

    def admit(self, connection: Connection) -> None:
        self.connections.append(connection)

    def leave(self, connection: Connection) -> None:
        """The server notices that a connection is gone."""
        if connection in self.connections:
            self.connections.remove(connection)
        for subscription in list(connection.subscriptions):
            self.unsubscribe(connection, subscription)

    def subscribe(self, connection: Connection, subscription: Subscription) -> None:
        connection.subscriptions.append(subscription)
        self._exact.setdefault(subscription.subject, []).append(
            (connection, subscription)
        )

    def unsubscribe(self, connection: Connection, subscription: Subscription) -> None:
        if subscription not in connection.subscriptions:
            return
        connection.subscriptions.remove(subscription)
        entries = self._exact[subscription.subject]
        entries.remove((connection, subscription))
        if not entries:
            del self._exact[subscription.subject]

    # ---- messages ----------------------------------------------------------------

    def publish(
        self, subject: str, reply: str, payload: bytes, headers: bytes = b""
    ) -> None:
        if self.luck.loses(subject):
            return
        if self.luck.repeats(subject):
            again = (subject, reply, payload, headers)
            self.loop.call_later(self.rng.random() * 0.1, self._again, *again)
        if subject == LEDGER_SUBJECT:
            self._append(payload, reply, headers)
        elif subject.startswith("$JS."):
            self._api(subject, payload, reply)
        elif not self._route(subject, reply, payload, headers) and reply:
            self._route(reply, "", b"", NO_RESPONDERS)

    def _again(self, subject: str, reply: str, payload: bytes, headers: bytes) -> None:
        """A second time, behind what was sent meanwhile."""
        if not self.is_up:
            return
        if subject == LEDGER_SUBJECT:
            self._append(payload, reply, headers)
        else:
            self._route(subject, reply, payload, headers)

    def _route(self, subject: str, reply: str, payload: bytes, headers: bytes) -> bool:
        exact = self._exact.get(subject)
        wild = self._exact.get(subject.rpartition(".")[0] + ".*")
        if not exact and not wild:
            return False
        message = (subject.encode(), reply.encode(), payload, headers)
        for connection, subscription in (*(exact or ()), *(wild or ())):
            connection.link.receive(connection, subscription, message)
        return True

    def _append(self, payload: bytes, reply: str, headers: bytes) -> None:
        """Written, synced and acknowledged one after the other."""
        start_s = max(self.loop.time(), self._stored_s + TICK_S)
        self._stored_s = start_s + self.rng.random() * self.store_max_s
        found = _EXPECTED.search(headers)
        expected = None if found is None else int(found[1])
        self.loop.call_at(self._stored_s, self._store, payload, reply, expected)

    def _store(self, payload: bytes, reply: str, expected: int | None) -> None:
        if not self.is_up:
            return
        if self.is_clustered and self.stream.is_full:
            answer = QUOTA  # looked at first, before the sequence
        else:
            answer = self.stream.append(payload, expected)
        if self.is_clustered and self.rng.random() < 0.5:
            answer = answer.replace(b"10071", b"10164")
        if self.acks_to_lose:
            self.acks_to_lose -= 1
        else:
            self._route(reply, "", answer, b"")

    def _api(self, subject: str, payload: bytes, reply: str) -> None:
        consumer = self.stream.consumer
        if subject.startswith("$JS.API.DIRECT.GET"):
            self._get(json.loads(payload), reply)
        elif subject.startswith("$JS.API.CONSUMER.MSG.NEXT"):
            if consumer.made:
                consumer.ask(payload, reply)
        elif subject.startswith("$JS.ACK"):
            consumer.settle(subject, payload)

    def _get(self, wanted: dict[str, Any], reply: str) -> None:
        first = wanted.get("seq", 1)
        if (since := wanted.get("start_time")) is not None:
            at_s = datetime.fromisoformat(since).timestamp() - WALL_S
            first = self.stream.since(at_s)
        first = max(first, self.stream.first)
        records = self.stream.records[first - 1 : first - 1 + wanted["batch"]]
        if not records:
            self._route(reply, "", b"", b"NATS/1.0 404 Message Not Found\r\n\r\n")
            return
        for n, record in enumerate(records, first):
            headers = b"NATS/1.0\r\nNats-Stream: L\r\nNats-Sequence: %d\r\n\r\n" % n
            self._route(reply, "", record, headers)
        self._route(reply, "", b"", b"NATS/1.0 204 EOB\r\n\r\n")

    def restart(self, for_s: float) -> None:
        """Stop without a word; what is stored is there afterwards."""
        self.is_up = False
        self.stream.consumer.forget_requests()
        for connection in list(self.connections):
            connection.link.cut(at_once=True)
        self.loop.call_later(for_s, self._come_back)

    def _come_back(self) -> None:
        self.is_up = True


class Link:
    """A process's connection to NATS; comes back by itself."""

    def __init__(self, server: Server, process: Process, rng: Random) -> None:
        self._server = server
        self._process = process
        self._rng = rng
        self._loop = process.loop
        self._subscriptions: list[Subscription] = []
        self._inboxes = 0
        self._connection = Connection(self)
        server.admit(self._connection)
        self.is_connected = True
        self.stats = {"reconnects": 0}
        self.waiting_bytes = 0
        """What is sent is on its way at once."""
        self.failed: BaseException | None = None
        self.on_disconnect: Callable[[], None] = lambda: None
        self.on_reconnect: Callable[[], None] = lambda: None
        self.jetstream: Callable[[], Any] = lambda: None
        """jet.py's."""

    # ---- what the services call ------------------------------------------------

    def send(
        self, subject: str, payload: bytes, reply: str = "", headers: bytes = b""
    ) -> bool:
        if not self.is_connected:
            return False
        assert len(payload) + len(headers) <= PAYLOAD_BYTES_MAX, subject
        self._up(self._server.publish, subject, reply, payload, headers)
        return True

    one_write = contextlib.nullcontext()

    def write_now(self) -> None:
        """What was sent is on its way already."""

    def new_inbox(self) -> str:
        self._inboxes += 1
        return f"_INBOX.{self._process.name}-{self._inboxes}"

    def subscribe_raw(
        self, subject: str, callback: Callable[..., None], _queue: str = ""
    ) -> Subscription:
        subscription = Subscription(self, subject, callback)
        self._subscriptions.append(subscription)
        if self.is_connected:
            self._up(self._server.subscribe, self._connection, subscription)
        return subscription

    def forget(self, subscription: Subscription) -> None:
        if subscription not in self._subscriptions:
            return
        self._subscriptions.remove(subscription)
        if self.is_connected:
            self._up(self._server.unsubscribe, self._connection, subscription)

    def fail(self, error: BaseException) -> None:
        self.failed = error

    async def flush(self) -> None:
        await self.ask(lambda: None)

    async def request(self, subject: str, _: bytes, **__: Any) -> Any:
        assert subject == "$JS.API.STREAM.NAMES"
        page = {"streams": ["LEDGER_main"], "total": 1}
        data = json.dumps(page).encode()
        return await self.ask(lambda: SimpleNamespace(data=data))

    async def ask(self, work: Callable[[], Any]) -> Any:
        """Have the server do `work`, and hear what came of it."""
        if not self.is_connected:
            raise nats.errors.ConnectionClosedError
        answer = self._loop.create_future()
        connection = self._connection

        def serve() -> None:
            try:
                result, error = work(), None
            except NotFoundError as raised:
                result, error = None, raised
            self._down(connection, _answer, answer, result, error)

        self._up(serve)
        return await asyncio.wait_for(answer, 2.0)

    # ---- the network ---------------------------------------------------------------

    def _delay_s(self) -> float:
        delay_s = self._rng.random() * self._server.slow_s
        return delay_s * 20 if self._rng.random() < 0.02 else delay_s

    def _up(self, work: Callable[..., None], *args: Any) -> None:
        if not self._process.is_alive:
            return
        connection = self._connection
        at_s = max(connection.up_s + TICK_S, self._loop.time() + self._delay_s())
        connection.up_s = at_s
        self._loop.call_at(
            at_s, self._arrive, connection, work, args, context=self._loop.world
        )

    def _arrive(
        self, connection: Connection, work: Callable[..., None], args: tuple[Any, ...]
    ) -> None:
        if connection.is_deaf and work == self._server.publish:
            return
        if self._server.is_up and self._loop.time() <= connection.up_until_s:
            work(*args)

    def receive(
        self,
        connection: Connection,
        subscription: Subscription,
        message: tuple[bytes, bytes, bytes, bytes],
    ) -> None:
        if not connection.is_deaf:
            self._down(connection, self._hand_over, subscription, message)

    def _hand_over(
        self, subscription: Subscription, message: tuple[bytes, bytes, bytes, bytes]
    ) -> None:
        if subscription.callback is not None:
            subscription.callback(*message)

    def _down(
        self, connection: Connection, work: Callable[..., None], *args: Any
    ) -> None:
        if connection.is_cut:
            return
        at_s = max(connection.down_s + TICK_S, self._loop.time() + self._delay_s())
        connection.down_s = at_s
        self._loop.call_at(
            at_s, self._reach, connection, work, args, context=self._process.context
        )

    def _reach(
        self, connection: Connection, work: Callable[..., None], args: tuple[Any, ...]
    ) -> None:
        if not connection.is_cut:
            work(*args)

    def deafen(self, for_s: float) -> None:
        """Servers of a cluster lost one another, and no connection broke: for so long
        nothing reaches this process, nor does what it sends reach others.
        """
        connection = self._connection
        connection.is_deaf = True
        self._loop.call_later(for_s, setattr, connection, "is_deaf", False)

    def cut(self, *, at_once: bool = False) -> None:
        """The connection breaks: some of what was sent arrives, some doesn't."""
        connection = self._connection
        now_s = self._loop.time()
        random = self._rng.random
        connection.up_until_s = now_s + (0 if at_once else random() * 0.002)
        connection.is_cut = True
        world = self._loop.world
        is_dead = at_once or not self._process.is_alive
        notices_s = 0.0 if is_dead else random() * 0.2
        self._loop.call_later(
            0.003 + notices_s, self._server.leave, connection, context=world
        )
        if self._process.is_alive:
            self._loop.call_later(
                random() * 0.2, self._lost, connection, context=self._process.context
            )

    def _lost(self, connection: Connection) -> None:
        if connection is self._connection and self.is_connected:
            self.is_connected = False
            self.on_disconnect()
            self._try_again()

    def _try_again(self) -> None:
        if not self._server.is_up:
            self._loop.call_later(0.1, self._try_again)
            return
        self._loop.call_later(0.05 + self._rng.random() * 0.2, self._reconnect)

    def _reconnect(self) -> None:
        if not self._server.is_up:
            self._try_again()
            return
        self._connection = Connection(self)
        self._server.admit(self._connection)
        self.is_connected = True
        self.stats["reconnects"] += 1
        for subscription in self._subscriptions:
            self._up(self._server.subscribe, self._connection, subscription)
        # As nats-py does: messages may come before the callback runs.
        self._up(self._down, self._connection, self._back, self._connection)

    def _back(self, connection: Connection) -> None:
        if connection is self._connection:
            self.on_reconnect()


def _answer(
    future: asyncio.Future[Any], result: Any, error: BaseException | None
) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
