"""Follows the stream of revocations: all that still count, then each as it is made.

An ordered consumer made by hand on the lean subscription: its messages are numbered, so
a gap shows; silence, a gap or a reconnect makes a new one from where this one was.
Must not decide what a revocation covers (gateway/identity/tokens.py).
"""

import asyncio
import time
from collections.abc import Callable

import nats.errors
import structlog
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, StreamState

from runtime.bus import Bus
from runtime.lifecycle import Service
from runtime.raw_subscription import RawSubscription
from runtime.resting import Pause
from schemas import streams
from schemas.accounts import Revocation
from schemas.codec import CodecError, decode

log = structlog.get_logger()

HEARTBEAT_S = 1.0
"""The server's sign of life while nothing is revoked."""
SILENCE_MAX_S = 3.0
"""Three of them."""
RETRY_S = 0.25
FORGOTTEN_AFTER_S = 30.0
"""The server drops a consumer whose gateway is gone."""
API_TIMEOUT_S = 2.0

OnRevocation = Callable[[Revocation], None]


async def follow(service: Service, bus: Bus, on_revocation: OnRevocation) -> None:
    """Return once every revocation in the stream was handed over; go on by itself.

    `on_revocation` gets each in stream order, after it is stored; one may come twice.
    It is called in the bus's read loop and must not raise. Waits for a NATS that is
    away: a gateway that doesn't know the revocations is not ready.
    """
    follower = _Follower(bus, on_revocation)
    service.spawn("revocations", follower.run())
    await follower.caught_up.wait()


class _Follower:
    """`last`: stream sequence handed over last; `_delivered`: number of the consumer's
    own messages so far, dense.
    """

    def __init__(self, bus: Bus, on_revocation: OnRevocation) -> None:
        self.caught_up = asyncio.Event()
        self._bus = bus
        self._js = bus.jetstream(timeout=API_TIMEOUT_S)
        self._on_revocation = on_revocation
        self._subscription: RawSubscription | None = None
        self._created = ""
        self._last = 0
        self._goal = 0
        self._delivered = 0
        self._heard_s = 0.0
        self._gap = False
        self._reconnects = 0
        self._pause = Pause()
        bus.on_back.append(self._pause.end)

    async def run(self) -> None:
        while True:
            try:
                await self._begin()
                await self._watch()
            except (nats.errors.Error, TimeoutError, OSError) as error:
                log.warning("revocations can't be read yet", error=repr(error))
                await asyncio.sleep(RETRY_S)
            finally:
                self._end()

    async def _begin(self) -> None:
        """Consume from the sequence after the last; all from a stream made anew."""
        self._reconnects = self._bus.stats["reconnects"]
        # Persistence makes it: who may make a stream may have it repeat anything.
        info = await self._js.stream_info(streams.REVOCATIONS)
        # Numbers that start again, on a server that lost its files, hide nothing.
        created = str(getattr(info, "created", None))
        state: StreamState = info.state
        if created != self._created or state.last_seq < self._last:
            self._created, self._last = created, 0
        self._goal = state.last_seq if state.messages else 0
        self._delivered = 0
        self._gap = False
        inbox = self._bus.new_inbox()
        self._subscription = self._bus.subscribe_raw(inbox, self._receive)
        config = ConsumerConfig(
            deliver_subject=inbox,
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=self._last + 1,
            ack_policy=AckPolicy.NONE,
            idle_heartbeat=HEARTBEAT_S,
            inactive_threshold=FORGOTTEN_AFTER_S,
            mem_storage=True,
            num_replicas=1,
        )
        self._heard_s = time.monotonic()
        await self._js.add_consumer(streams.REVOCATIONS, config)
        if self._last >= self._goal:
            self.caught_up.set()

    async def _watch(self) -> None:
        """Return when the consumer can't be trusted any more."""
        while not self._gap and self._bus.stats["reconnects"] == self._reconnects:
            left_s = self._heard_s + SILENCE_MAX_S - time.monotonic()
            if left_s <= 0:
                return
            await self._pause.take(left_s)

    def _end(self) -> None:
        if self._subscription is not None:
            self._subscription.cancel()
            self._subscription = None

    def _receive(
        self, _subject: bytes, reply: bytes, payload: bytes, headers: bytes
    ) -> None:
        self._heard_s = time.monotonic()
        if self._gap:
            return
        if headers.startswith(b"NATS/1.0 100"):
            # A heartbeat says how many messages came before it.
            if _last_consumer_seq(headers) != self._delivered:
                self._lost()
            else:
                # Nothing is under way, even if the goal was too old and is gone.
                self.caught_up.set()
            return
        sequence, delivered = _numbers(reply)
        if delivered != self._delivered + 1:
            self._lost()
            return
        self._delivered = delivered
        self._last = sequence
        try:
            self._on_revocation(decode(payload, Revocation))
        except CodecError as error:
            log.error(  # noqa: TRY400 - a payload of others, no bug of ours
                "unreadable revocation", seq=sequence, error=str(error)
            )
        if self._last >= self._goal:
            self.caught_up.set()

    def _lost(self) -> None:
        self._gap = True
        self._pause.end()


def _numbers(reply: bytes) -> tuple[int, int]:
    """(stream sequence, consumer sequence) of a delivery's reply subject, counted from
    its end: `$JS.ACK.….<delivered>.<stream seq>.<consumer seq>.<time>.<pending>`, and
    since ADR-15 perhaps one token more, which is then the twelfth.
    """
    tokens = reply.split(b".")
    first = 5 if len(tokens) < 12 else 7  # noqa: PLR2004 - ADR-15
    return int(tokens[first]), int(tokens[first + 1])


def _last_consumer_seq(headers: bytes) -> int:
    for line in headers.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"nats-last-consumer":
            return int(value)
    return 0
