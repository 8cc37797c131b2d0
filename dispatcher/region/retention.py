"""Lets go of ledger records that nobody needs any more. Never of the last one: after
a purge of everything the fence could never match again.
"""

import time
from datetime import UTC, datetime, timedelta

import structlog
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from dispatcher import metrics
from dispatcher.region.lead import REPUBLISHED_RECORDS
from dispatcher.region.snapshots import SnapshotStore
from runtime.follower import Follower
from runtime.ledger import Ledger, extent
from schemas.streams import WRITER_DURABLE, webhooks_read

log = structlog.get_logger()

INTERVAL_S = 60.0
HELD_S = 7 * 86_400.0
"""So long a record waits at most for webhooks to read it, as by default for `rebuild`:
endpoints must not cost a region its trips."""
SNAPSHOTS = 2
"""As many as are kept (snapshots.py)."""


async def purge(
    js: JetStreamContext,
    ledger: Ledger,
    store: SnapshotStore,
    follower: Follower,
    kept_s: float,
    *,
    ring: bool = True,
) -> bool:
    """Purge up to the least of persistence's ack floor, the replay start of the older
    snapshot and `kept_s` ago. Without persistence or without two snapshots, nothing:
    one may turn out to be torn.

    `ring` False: what refills the ring is no reason to keep a record. Who starts from
    the snapshot then covers no `since` before what is left, and knows the retries of
    the last `kept_s`: the engine's `remember_ms`, or more.

    What webhooks have yet to read stays too, for `HELD_S`, as long as the ring does.

    Returns: whether anything went.

    Raises: one of `ledger.UNREACHABLE`: not purged, try again later.
    """
    try:
        consumer = await js.consumer_info(ledger.stream, WRITER_DURABLE)
    except NotFoundError:
        return False
    heads = await store.heads()
    if consumer.ack_floor is None or len(heads) < SNAPSHOTS:
        return False
    held = await extent(js, ledger)
    young = await _first_younger(follower, kept_s)
    keep_from = min(
        consumer.ack_floor.stream_seq + 1,
        *(
            one.replay_from if ring else one.n + 1 - REPUBLISHED_RECORDS
            for one in heads
        ),
        held.last if young is None else young,
        held.last,
    )
    read = webhooks_read(consumer.config.metadata)
    if ring and read is not None and read + 1 < keep_from:
        oldest = await _first_younger(follower, max(kept_s, HELD_S))
        keep_from = min(
            keep_from, max(read + 1, keep_from if oldest is None else oldest)
        )
    if keep_from <= held.first:
        return False
    await js.purge_stream(ledger.stream, seq=keep_from)
    metrics.purged_record.labels(ledger.region).set(keep_from)
    log.info("ledger purged", region=ledger.region, kept_from=keep_from)
    return True


async def _first_younger(follower: Follower, age_s: float) -> int | None:
    """The first record that is not so old; None: there is none."""
    since = datetime.fromtimestamp(time.time(), UTC) - timedelta(seconds=age_s)
    return await follower.first_since(since)
