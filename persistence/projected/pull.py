"""One stream, a region's ledger or MATCHES, pulled: the durable consumer all workers
share, asked raw.

nats-py's `fetch` makes a future and a task a message and hangs after a server restart;
here each record goes to a callback. Records that come one by one cost a read, a parse
and a write each (measured: 160 us of CPU an event at 900 events/s against 30 in
bursts), so an idle worker asks for one record only, and once that has come, sweeps up
at once what gathered behind it.

Delivery: at least once; anything not acknowledged within `ACK_WAIT_S` comes again, to
any worker, in any order. Must not read records.
"""

import json
import time
from collections.abc import Callable

from nats.js.api import AckPolicy, ConsumerConfig, ConsumerInfo, DeliverPolicy
from nats.js.client import JetStreamContext
from nats.js.errors import NotFoundError

from persistence import metrics
from runtime.bus import Bus
from runtime.raw_subscription import RawSubscription
from schemas.streams import ACK_WAIT_S, WRITER_DURABLE, kept_of, region_of_ledger

SWEEP_RECORDS_MAX = 256
"""Of one sweep: at 1,000 records/s and 7 sweeps/s, nearly twice what there is."""
SWEEP_BYTES_MAX = 8 * 1024 * 1024
"""Of one sweep; a record has 512 KiB at most (schemas/ledger.py)."""
EXPIRES_S = 2
"""So long a request stays open; after a NATS restart nobody answers the old one."""
OVERDUE_S = EXPIRES_S + 1
ACK_PENDING_MAX = 4096
"""Records that all workers together may hold: 16 full sweeps."""

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
    """Asks while `may_ask()`, one request at a time; calls `deliver` in the read loop,
    and `swept` when a sweep is over.
    """

    def __init__(
        self,
        bus: Bus,
        stream: str,
        deliver: Callable[[Delivery], None],
        may_ask: Callable[[], bool],
        swept: Callable[[], None],
    ) -> None:
        self.stream = stream
        self.region = region = region_of_ledger(stream) or ""
        """Empty: of all regions."""
        self.acknowledged = metrics.records.labels(region)
        self._lag = metrics.lag_records.labels(region)
        self._bus = bus
        self._deliver = deliver
        self._may_ask = may_ask
        self._swept = swept
        self.sweeping = False
        self.full = False
        """The last sweep came to its limit: there is more."""
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{WRITER_DURABLE}"
        self._inbox = bus.new_inbox()
        self._subscription: RawSubscription | None = None
        self._request = 0
        """Number of the open request, last token of its reply subject."""
        self._asked = 0
        self._missing = 0
        """Records the open request may still bring; 0: none is open."""
        self._asked_at = 0.0

    async def prepare(self, js: JetStreamContext) -> None:
        """Make sure of the durable consumer, and start.

        Raises:
            nats.errors.Error: the server refused or did not answer.
        """
        try:
            said = (await js.consumer_info(self.stream, WRITER_DURABLE)).config.metadata
        except NotFoundError:
            said = None
        await js.add_consumer(
            self.stream,
            ConsumerConfig(
                durable_name=WRITER_DURABLE,
                deliver_policy=DeliverPolicy.ALL,
                ack_policy=AckPolicy.EXPLICIT,
                ack_wait=ACK_WAIT_S,
                max_ack_pending=ACK_PENDING_MAX,
                metadata=kept_of(said),
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
        self._lag.set(lag)

    def close(self) -> None:
        """Nothing is delivered any more; what is under way comes again elsewhere."""
        if self._subscription is not None:
            self._subscription.cancel()
            self._subscription = None
        self._lag.set(0)

    def ask(self) -> None:
        """Wait at the server for one record, unless a request is open or the writer
        has enough.
        """
        if not self._missing and self._may_ask():
            self._send({"batch": 1, "expires": round(EXPIRES_S * 1e9)}, 1)

    def sweep(self) -> None:
        """Have all that is there now, at once, up to the limit; `sweeping` until then.
        An open request for one record stands aside.
        """
        request: dict[str, object] = {
            "batch": SWEEP_RECORDS_MAX,
            "max_bytes": SWEEP_BYTES_MAX,
            "no_wait": True,
        }
        if not self.sweeping and self._may_ask():
            self.full = False
            self.sweeping = self._send(request, SWEEP_RECORDS_MAX)

    def _send(self, request: dict[str, object], records: int) -> bool:
        if self._subscription is None:
            return False
        reply = f"{self._inbox}.{self._request + 1}"
        if not self._bus.send(self._subject, json.dumps(request).encode(), reply):
            return False
        self._request += 1
        self._asked = self._missing = records
        self._asked_at = time.monotonic()
        return True

    def ask_if_overdue(self, *, at_once: bool = False) -> None:
        """Give an open request up that the server must have ended by now (`at_once`:
        the connection is a new one, the server knows of none), and ask.
        """
        if at_once or time.monotonic() - self._asked_at > OVERDUE_S:
            self._over()
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
            self.full = self.sweeping
            self._over()

    def _ended(self, headers: bytes) -> None:
        if not self._missing:
            return  # "Batch Completed", which we saw ourselves
        # By its bytes, rather than for want of records.
        self.full = self.sweeping and b"MaxBytes" in headers
        self._over()
        if headers.startswith(b"NATS/1.0 408"):
            self.ask()
        # Else a sweep's end, and the writer asks; or there is no consumer, no leader,
        # no JetStream, and the writer's next tick asks.

    def _over(self) -> None:
        self._missing = 0
        if self.sweeping:
            self.sweeping = False
            self._swept()
