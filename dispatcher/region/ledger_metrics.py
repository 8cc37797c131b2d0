"""What a leader tells Prometheus of its ledger, and of how far it is written to the
database: told here, since persistence can't tell when it is dead.

Must not be called per command; asks NATS three questions.
"""

import time

from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from dispatcher import metrics
from runtime.follower import Follower
from runtime.ledger import Ledger
from schemas.streams import WRITER_DURABLE
from schemas.trips import Status

INTERVAL_S = 5.0
"""A third of Prometheus's usual scrape interval."""

_GAUGES = (
    metrics.ledger_records,
    metrics.ledger_bytes,
    metrics.ledger_bytes_max,
    metrics.ledger_last_record,
    metrics.unwritten_records,
    metrics.unwritten_seconds,
    metrics.rooms_peopled,
    metrics.members,
    metrics.messages_held,
    metrics.gateways,
    metrics.positions_held,
    metrics.oldest_open_seconds,
)


async def look(js: JetStreamContext, ledger: Ledger, follower: Follower) -> int:
    """Set the gauges.

    Returns: the last record's number.

    Raises: one of `ledger.UNREACHABLE`: not told, try again later.
    """
    info = await js.stream_info(ledger.stream)
    region = ledger.region
    metrics.ledger_records.labels(region).set(info.state.messages)
    metrics.ledger_bytes.labels(region).set(info.state.bytes)
    metrics.ledger_bytes_max.labels(region).set(max(0, info.config.max_bytes or 0))
    metrics.ledger_last_record.labels(region).set(info.state.last_seq)
    try:
        consumer = await js.consumer_info(ledger.stream, WRITER_DURABLE)
    except NotFoundError:
        floor = 0
    else:
        floor = consumer.ack_floor.stream_seq if consumer.ack_floor is not None else 0
    first = max(floor + 1, info.state.first_seq)
    count = max(0, info.state.last_seq - first + 1) if info.state.messages else 0
    stored_s = await follower.stored_at(first) if count else None
    age_s = 0.0 if stored_s is None else max(0.0, time.time() - stored_s)
    metrics.unwritten_records.labels(region).set(count)
    metrics.unwritten_seconds.labels(region).set(age_s)
    return int(info.state.last_seq)


def forget(region: str) -> None:
    """This process leads no more: what it knew is the next leader's to tell."""
    for gauge in _GAUGES:
        gauge.remove(region)
    for status in Status:
        metrics.trips.remove(region, status.value)
    for state in metrics.DRIVER_STATES:
        metrics.drivers.remove(region, state)
