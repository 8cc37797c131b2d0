"""Lets go of ledger records that nobody needs any more. Never of the last one: after
a purge of everything the fence could never match again.
"""

import time
from datetime import UTC, datetime, timedelta

import structlog
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from dispatcher import metrics
from dispatcher.follower import Follower
from dispatcher.ledger import Ledger, extent
from dispatcher.snapshots import SnapshotStore
from schemas.streams import WRITER_DURABLE

log = structlog.get_logger()

INTERVAL_S = 60.0
SNAPSHOTS = 2
"""As many as are kept (snapshots.py)."""


async def purge(
    js: JetStreamContext,
    ledger: Ledger,
    store: SnapshotStore,
    follower: Follower,
    kept_s: float,
) -> None:
    """Purge up to the least of persistence's ack floor, the replay start of the older
    snapshot and `kept_s` ago. Without persistence or without two snapshots, nothing:
    one may turn out to be torn.

    Raises: one of `ledger.UNREACHABLE`: not purged, try again later.
    """
    try:
        consumer = await js.consumer_info(ledger.stream, WRITER_DURABLE)
    except NotFoundError:
        return
    heads = await store.heads()
    if consumer.ack_floor is None or len(heads) < SNAPSHOTS:
        return
    held = await extent(js, ledger)
    since = datetime.fromtimestamp(time.time(), UTC) - timedelta(seconds=kept_s)
    young = await follower.first_since(since)
    keep_from = min(
        consumer.ack_floor.stream_seq + 1,
        *(head.replay_from for head in heads),
        held.last if young is None else young,
        held.last,
    )
    if keep_from <= held.first:
        return
    await js.purge_stream(ledger.stream, seq=keep_from)
    metrics.purged_record.labels(ledger.region).set(keep_from)
    log.info("ledger purged", region=ledger.region, kept_from=keep_from)
