"""One region's ledger, pulled: the durable consumer all workers share, asked raw.

nats-py's `fetch` makes a subscription, a future and a task a message and hangs after
a server restart; this keeps one request open at the server and hands each record to a
callback. Delivery: at least once; anything not acknowledged within `ACK_WAIT_S` comes
again, to any worker, in any order. Must not read records.
"""

import json
import time
from collections.abc import Callable

import structlog
from nats.js.api import AckPolicy, ConsumerConfig, ConsumerInfo, DeliverPolicy
from nats.js.client import JetStreamContext
from nats.js.errors import NotFoundError

from persistence import metrics
from runtime.bus import Bus, RawSubscription
from schemas.streams import ACK_WAIT_S, WRITER_DURABLE

log = structlog.get_logger()

RECORDS_MAX = 256
"""Of one request: at 1,000 records/s a request each quarter of a second."""
BYTES_MAX = 8 * 1024 * 1024
"""Of one request; a record has 512 KiB at most (schemas/ledger.py)."""
EXPIRES_S = 2
"""So long a request stays open; after a NATS restart nobody answers the old one."""
OVERDUE_S = EXPIRES_S + 1
ACK_PENDING_MAX = 4096
"""Records that all workers together may hold; a full house needs 16 of them."""

ACK = b"+ACK"


def nak(delay_s: float) -> bytes:
    """Not done: deliver it again, to any worker, after so long."""
    return b'-NAK {"delay": %d}' % round(delay_s * 1e9)


def sequence_of(reply: str) -> int:
    """A delivery's stream sequence, from its reply subject (ADR-15): 9 tokens, or 11
    and more with domain and account.
    """
    tokens = reply.split(".")
    return int(tokens[5 if len(tokens) == 9 else 7])  # noqa: PLR2004


class Delivery:
    """One record in our hands."""

    __slots__ = ("at", "payload", "pull", "reply")

    def __init__(self, pull: "Pull", reply: str, payload: bytes, at: float) -> None:
        self.pull = pull
        self.reply = reply
        self.payload = payload
        self.at = at
        """Monotonic, seconds."""


class Pull:
    """Keeps a request open while `may_ask()`, and calls `deliver` in the read loop."""

    def __init__(
        self,
        bus: Bus,
        stream: str,
        region: str,
        deliver: Callable[[Delivery], None],
        may_ask: Callable[[], bool],
    ) -> None:
        self.stream = stream
        self.region = region
        self.acknowledged = metrics.records.labels(region)
        self._bus = bus
        self._deliver = deliver
        self._may_ask = may_ask
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{WRITER_DURABLE}"
        self._inbox = bus.new_inbox()
        self._subscription: RawSubscription | None = None
        self._request = 0
        """Number of the open request, last token of its reply subject."""
        self._missing = 0
        """Records the open request may still bring; 0: none is open."""
        self._asked_at = 0.0

    async def prepare(self, js: JetStreamContext) -> None:
        """Make sure of the durable consumer, and start.

        Raises:
            nats.errors.Error: the server refused or did not answer.
        """
        await js.add_consumer(
            self.stream,
            ConsumerConfig(
                durable_name=WRITER_DURABLE,
                deliver_policy=DeliverPolicy.ALL,
                ack_policy=AckPolicy.EXPLICIT,
                ack_wait=ACK_WAIT_S,
                max_ack_pending=ACK_PENDING_MAX,
            ),
        )
        if self._subscription is None:
            self._subscription = self._bus.subscribe_raw(
                f"{self._inbox}.*", self._received
            )
        self.ask()

    async def look(self, js: JetStreamContext) -> None:
        """Set the lag metric; make the consumer again if somebody deleted it.

        Raises:
            nats.errors.Error: the server refused or did not answer.
        """
        try:
            info: ConsumerInfo = await js.consumer_info(self.stream, WRITER_DURABLE)
        except NotFoundError:
            await self.prepare(js)
            return
        lag = (info.num_pending or 0) + (info.num_ack_pending or 0)
        metrics.lag_records.labels(self.region).set(lag)

    def close(self) -> None:
        """Nothing is delivered any more; what is under way comes again elsewhere."""
        if self._subscription is not None:
            self._subscription.cancel()
            self._subscription = None
        metrics.lag_records.remove(self.region)

    def ask(self) -> None:
        """Open a request, unless one is open or the writer has enough."""
        if self._missing or self._subscription is None or not self._may_ask():
            return
        request = json.dumps(
            {
                "batch": RECORDS_MAX,
                "max_bytes": BYTES_MAX,
                "expires": round(EXPIRES_S * 1e9),
            }
        )
        reply = f"{self._inbox}.{self._request + 1}"
        if self._bus.send(self._subject, request.encode(), reply):
            self._request += 1
            self._missing = RECORDS_MAX
            self._asked_at = time.monotonic()

    def ask_if_overdue(self, *, at_once: bool = False) -> None:
        """Give an open request up that the server must have ended by now (`at_once`:
        the connection is a new one, the server knows of none), and ask.
        """
        if at_once or time.monotonic() - self._asked_at > OVERDUE_S:
            self._missing = 0
        self.ask()

    def _received(
        self, subject: bytes, reply: bytes, payload: bytes, headers: bytes
    ) -> None:
        if not reply:  # a status, such as "408 Request Timeout"
            if int(subject.rpartition(b".")[2]) == self._request:
                self._ended(headers)
            return
        # A delivery doesn't say which request it answers. An older one's shortens the
        # open one, and two are open for a while: nothing is lost by that.
        self._missing = max(0, self._missing - 1)
        self._deliver(Delivery(self, reply.decode(), payload, time.monotonic()))
        if not self._missing:
            self.ask()

    def _ended(self, headers: bytes) -> None:
        brought = RECORDS_MAX - self._missing
        self._missing = 0
        if brought or headers.startswith(b"NATS/1.0 408"):
            self.ask()
        else:
            # No consumer, no leader, no JetStream: the writer's next round asks.
            log.debug("pull ended", stream=self.stream, status=headers.decode())
