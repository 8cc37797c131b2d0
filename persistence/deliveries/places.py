"""How far webhooks have read, told where a ledger's leader looks before it lets go of
records: in the metadata of persistence's own consumer. So the leader has nobody to
ask, and no right to; and where persistence is away, nothing is let go of anyway.
"""

from collections.abc import Mapping

from nats.js.client import JetStreamContext
from nats.js.errors import NotFoundError

from schemas.streams import WEBHOOKS_READ, WRITER_DURABLE, kept_of


async def tell(
    js: JetStreamContext, streams: Mapping[str, int | None]
) -> dict[str, int | None]:
    """Say of each stream the last record that was read; None: nobody reads.

    Returns: those of which it wasn't said yet.

    Raises:
        nats.errors.Error, TimeoutError: JetStream does not answer; say it again.
    """
    new = {}
    for name, record in streams.items():
        try:
            info = await js.consumer_info(name, WRITER_DURABLE)
        except NotFoundError:
            continue
        wanted = {} if record is None else {WEBHOOKS_READ: str(record)}
        if kept_of(info.config.metadata) != wanted:
            await js.add_consumer(name, info.config.evolve(metadata=wanted))
            new[name] = record
    return new
