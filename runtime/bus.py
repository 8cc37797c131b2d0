"""The NATS connection: nats-py, plus a subscription without task, queue or header
parsing (runtime/raw_subscription.py), and a publish without await.

nats-py has no public API for that: `_process_msg` is met here, the parser in
runtime/nats_reader.py; the version is pinned, tests/contract/test_bus.py holds us to
it. Must not know any subject.
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import nats.errors
import structlog
from nats.aio.client import Client

from runtime.nats_events import REPEATED_AFTER_S, Events
from runtime.nats_login import Login, public_key
from runtime.nats_reader import Reader
from runtime.nats_trouble import ConnectError
from runtime.raw_subscription import RawCallback, RawSubscription
from runtime.settings import SettingsError
from schemas.budget import PAYLOAD_BYTES_MAX

log = structlog.get_logger()

RECONNECT_WAIT_S = 0.25
PING_INTERVAL_S = 2
"""A server that is gone without a word is noticed within three of these: in time for
the others of a cluster, whose election takes 4 to 9 s, to be found."""
FLUSH_TIMEOUT_S = 10
"""nats-py's own default."""
_CONNECTED = Client.CONNECTED
PENDING_BYTES_MAX = 64 * 1024 * 1024
"""What may wait to leave this process, the socket's own buffer included."""


def is_no_responders(headers: bytes) -> bool:
    """Whether a message says that nobody subscribes to what it answers."""
    return headers.startswith(b"NATS/1.0 503")


class OneWrite:
    """What is sent within leaves at its end; the loop isn't woken for it: 1 us of 6."""

    def __init__(self, bus: "Bus") -> None:
        self._bus = bus

    def __enter__(self) -> None:
        self._bus._write_scheduled = True

    def __exit__(self, *_: object) -> None:
        self._bus.write_now()


class Bus(Client):
    """One connection to NATS. Make it with `connect`."""

    def __init__(self) -> None:
        super().__init__()
        self._ps = Reader(self, self._hand_over)
        self._write_scheduled = False
        self.one_write = OneWrite(self)
        self._broken: asyncio.Future[None] | None = None
        self.closing = False
        self._login: Login | None = None
        self.on_back: list[Callable[[], None]] = []
        """Called when the connection is there again, before `on_reconnect`."""
        self.on_forbidden: Callable[[str], bool | None] | None = None
        """Called with what NATS forbids; true: whoever is called tells of it."""
        self.cluster_size = 0
        """Servers that ours has told of, itself included; 0: it tells of none."""
        self._cluster_size_max = 0
        self._buffered_bytes = 0
        """In the transport when it was last written to: now at most so many."""
        self._too_large_s = float(-REPEATED_AFTER_S)
        """When one that was too large was last told of."""

    async def close(self) -> None:
        """Write what is pending and close; not a failure."""
        self.closing = True
        await super().close()

    @property
    def server_name(self) -> str:
        """Of the server we are connected to."""
        return str(self._server_info.get("server_name", ""))

    async def flush(self, timeout: int = FLUSH_TIMEOUT_S) -> None:  # noqa: ASYNC109
        """Return when the server has read all that was sent and subscribed before.

        nats-py alone writes the PING ahead of what is pending, so that its answer
        says nothing about a subscription just made.
        """
        self.write_now()
        await super().flush(timeout)

    @property
    def broken(self) -> asyncio.Future[None]:
        """Never done but by an exception: a callback raised, the read loop ended, or
        the connection was closed for good. Whoever owns the process awaits it.
        """
        if self._broken is None:
            self._broken = asyncio.get_running_loop().create_future()
        return self._broken

    def fail(self, error: BaseException) -> None:
        if not self.broken.done():
            self.broken.set_exception(error)

    # ---- publishing ----------------------------------------------------------

    def send(
        self, subject: str, payload: bytes, reply: str = "", headers: bytes = b""
    ) -> bool:
        r"""Publish without waiting; what one tick sends is one write.

        `headers`, where given, is the whole block (`NATS/1.0\r\n…\r\n\r\n`).
        Subjects are trusted: they come from schemas/subjects.py.

        Returns:
            False, and nothing was or will be sent, while there is no connection or
            while 64 MiB wait to be written (nothing is buffered through an outage), or
            where it is larger than the server takes, which is a bug and logged: the
            server would close the connection over it, and nats-py never reconnect.
        """
        if self._status != _CONNECTED and not self.is_connected:  # 0.2 us for 0.02
            return False
        # What was once in the transport only gets less until we write again.
        known_bytes = self._pending_data_size + self._buffered_bytes
        if known_bytes > PENDING_BYTES_MAX and self.waiting_bytes > PENDING_BYTES_MAX:
            return False
        size = len(headers) + len(payload)
        if size > self._max_payload:
            self._tell_too_large(subject, size)
            return False
        # In parts, which `write_now` joins with all others'.
        if headers:
            head = f"HPUB {subject} {reply} {len(headers)} {size}\r\n".encode()
            self._pending += head, headers, payload, b"\r\n"
        else:
            head = f"PUB {subject} {reply} {size}\r\n".encode()
            self._pending += head, payload, b"\r\n"
        self._pending_data_size += len(head) + size + 2
        if not self._write_scheduled:
            self._write_soon()
        return True

    @property
    def waiting_bytes(self) -> int:
        """What was sent and hasn't left this process."""
        self._measure()
        return self._pending_data_size + self._buffered_bytes

    def _measure(self) -> None:
        writer = getattr(self._transport, "_io_writer", None)
        self._buffered_bytes = (
            0 if writer is None else writer.transport.get_write_buffer_size()
        )

    def _tell_too_large(self, subject: str, size: int) -> None:
        now_s = asyncio.get_running_loop().time()
        if now_s - self._too_large_s > REPEATED_AFTER_S:
            self._too_large_s = now_s
            log.error(
                "message not sent: too large",
                subject=subject,
                bytes=size,
                bytes_max=self._max_payload,
            )

    def _enqueue(self, command: bytes) -> None:
        self._pending.append(command)
        self._pending_data_size += len(command)
        if not self._write_scheduled:
            self._write_soon()

    def _write_soon(self) -> None:
        self._write_scheduled = True
        asyncio.get_running_loop().call_soon(self.write_now)

    def write_now(self) -> None:
        """Write at once what this tick has sent so far."""
        self._write_scheduled = False
        if not self._pending or not self.is_connected or self._transport is None:
            return
        pending, self._pending = self._pending, []
        self._pending_data_size = 0
        self._transport.write(b"".join(pending))
        self._measure()

    # ---- subscribing ---------------------------------------------------------

    def subscribe_raw(
        self, subject: str, callback: RawCallback, queue: str = ""
    ) -> RawSubscription:
        """Subscribe; survives reconnects. Order: per publisher, as NATS has it."""
        self._sid += 1
        subscription = RawSubscription(self, self._sid, subject, queue, callback)
        self._subs[self._sid] = subscription
        if self.is_connected:
            self._enqueue(f"SUB {subject} {queue} {self._sid}\r\n".encode())
        return subscription

    def unsubscribe_raw(self, subscription: RawSubscription) -> None:
        if self._subs.pop(subscription._id, None) is None:
            return
        if self.is_connected:
            self._enqueue(f"UNSUB {subscription._id}\r\n".encode())

    async def leave(self, subscriptions: Sequence[RawSubscription]) -> None:
        """Unsubscribe; what NATS had sent until it knew of that is called back."""
        if self.is_connected and subscriptions:
            for each in subscriptions:
                self._enqueue(f"UNSUB {each._id}\r\n".encode())
            with contextlib.suppress(nats.errors.Error):
                await self.flush()
        for each in subscriptions:
            each.cancel()

    # ---- connecting ----------------------------------------------------------

    async def _process_info(
        self, info: dict[str, Any], initial_connection: bool = False
    ) -> None:
        login = self._login
        has_tls = login is not None and login.tls is not None
        if initial_connection and has_tls and not info.get("tls_required"):
            # nats-py would go on in the clear.
            msg = "the NATS server offers no TLS, which the settings ask for"
            raise nats.errors.Error(msg)
        most = info.get("max_payload", PAYLOAD_BYTES_MAX)
        if initial_connection and most < PAYLOAD_BYTES_MAX:
            msg = (
                f"the NATS server takes messages of {most} bytes (max_payload), below "
                f"the {PAYLOAD_BYTES_MAX} that are needed"
            )
            raise nats.errors.Error(msg)
        await super()._process_info(info, initial_connection)
        before, size = self.cluster_size, len(info.get("connect_urls") or ())
        self.cluster_size = size
        self._cluster_size_max = max(size, self._cluster_size_max)
        is_less = not initial_connection and size < before
        if is_less and 2 * size < self._cluster_size_max:
            await self._leave_server()

    async def _leave_server(self) -> None:
        """It has lost most of its cluster. It answers, so that nothing else would make
        us go, but no stream can be written and nobody on the others be heard.
        """
        log.warning("the NATS server is cut off: another is tried", of=self.server_name)
        self._server_pool.sort(key=lambda server: server is self._current_server)
        await self.force_reconnect()

    async def _attempt_reconnect(self) -> None:
        # nats-py would wait until a server that hangs has read what waits for it.
        writer = getattr(self._transport, "_io_writer", None)
        if writer is not None:
            writer.transport.abort()
        # What was not yet written would arrive late, after somebody gave it up.
        self._pending = []
        self._pending_data_size = self._buffered_bytes = 0
        await super()._attempt_reconnect()

    async def _process_connect_init(self) -> None:
        try:
            await super()._process_connect_init()
        except (OSError, TimeoutError, nats.errors.Error):
            # nats-py would wait for ever for the end of a connection whose TLS failed.
            transport, self._transport = self._transport, None
            if transport is not None:
                transport.close()  # type: ignore[no-untyped-call]
            raise

    def _connect_command(self) -> bytes:
        if self._nkeys_seed is not None:
            # The file may hold another seed by now, and with it another public key.
            try:
                self._public_nkey = public_key("nats_nkey_seed_file", self._nkeys_seed)
            except SettingsError as error:
                raise nats.errors.Error(str(error)) from None
        return super()._connect_command()

    async def _process_msg(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes
    ) -> None:
        if not self._hand_over(sid, subject, reply, data, headers or b""):
            await super()._process_msg(sid, subject, reply, data, headers)

    def _hand_over(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes = b""
    ) -> bool:
        """Whether a message was to a raw subscription, which has it now."""
        subscription = self._subs.get(sid)
        if type(subscription) is not RawSubscription:
            return False
        try:
            subscription.callback(subject, reply, data, headers)
        except Exception as error:
            log.exception("callback raised", subject=subject.decode())
            self.fail(error)
        return True

    async def _read_loop(self) -> None:
        await super()._read_loop()
        task = asyncio.current_task()
        cancelled = task is not None and task.cancelling()
        if self.is_connected and not cancelled:
            self.fail(nats.errors.Error("the NATS read loop ended"))


async def connect(
    url: str,
    name: str,
    *,
    login: Login | None = None,
    on_disconnect: Callable[[], None] | None = None,
    on_reconnect: Callable[[], Awaitable[None] | None] | None = None,
    forever: bool = True,
    echo: bool = True,
) -> Bus:
    """Connect to NATS.

    Args:
        url: servers, comma-separated.
        name: shown by `nats server report connections`.
        login: who we are; None: nobody, for servers that ask nobody.
        on_disconnect: called when the connection is lost, before anything is retried.
        on_reconnect: called (awaited if a coroutine) when it is there again and all
            subscriptions are made again.
        forever: keep trying, also the first time. False: one try.
        echo: whether what is sent here is heard here, too.

    Raises:
        ConnectError: `forever` is false and there is no connection.
    """
    bus = Bus()
    bus._login = login
    events = Events(bus, name, on_disconnect, on_reconnect)
    servers = url.split(",")
    random.shuffle(servers)
    while True:
        try:
            await bus.connect(
                servers=servers,
                # Else, having left a server, it may well come back to the same.
                dont_randomize=True,
                name=name,
                max_reconnect_attempts=-1 if forever else 1,
                reconnect_time_wait=RECONNECT_WAIT_S,  # type: ignore[arg-type]
                connect_timeout=2,
                ping_interval=PING_INTERVAL_S,
                max_outstanding_pings=2,
                allow_reconnect=True,
                no_echo=not echo,
                disconnected_cb=events.disconnected,
                reconnected_cb=events.reconnected,
                closed_cb=events.closed,
                error_cb=events.erred,
                **({} if login is None else login.options()),
            )
        except (TimeoutError, OSError, nats.errors.Error) as error:
            if not isinstance(error, nats.errors.NoServersError):
                await events.erred(error)
            if not forever:
                raise ConnectError(events.trouble) from None
            await asyncio.sleep(RECONNECT_WAIT_S)
        else:
            return bus
