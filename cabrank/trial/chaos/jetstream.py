"""What chaos asks of JetStream: to limit a ledger, and how far persistence has got."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

from cabrank.operate import doctor, ledgers
from cabrank.operate.ledgers import connected
from runtime import ledger as extents
from runtime.ledger import UNREACHABLE
from schemas.streams import WRITER_DURABLE

UNLIMITED = -1
POLL_S = 0.05
LEADER_MAX_S = 30.0
"""A server that comes back into its cluster may cost the others an election or two."""


async def limit_ledgers(data_dir: Path, *, full: bool) -> None:
    """Have every ledger take no more, or as much as it is sent.

    Raises:
        UnreachableError: NATS does not answer.
    """
    async with connected(doctor.subject(data_dir)) as bus:
        js = bus.jetstream()
        for ledger in await ledgers.find(js):
            info = await js.stream_info(ledger.stream)
            size = max(1, info.state.bytes) if full else UNLIMITED
            await js.update_stream(info.config.evolve(max_bytes=size))


async def leading_server(data_dir: Path) -> str:
    """The process of the NATS server that leads the ledger's stream: `nats-2`.

    Raises:
        UnreachableError: NATS does not answer.
    """
    async with connected(doctor.subject(data_dir)) as bus:
        js = bus.jetstream()
        ends_at = time.monotonic() + LEADER_MAX_S
        while True:
            try:
                first = (await ledgers.find(js))[0]
                cluster = (await js.stream_info(first.stream)).cluster
            except UNREACHABLE:
                if time.monotonic() > ends_at:
                    raise
            else:
                if cluster is not None and cluster.leader:
                    number = str(cluster.leader).rpartition("-")[2]
                    return f"nats-{number}"
            await asyncio.sleep(POLL_S)


async def behind(data_dir: Path) -> AsyncIterator[int]:
    """How many of the records that the ledgers hold now are not in the database yet;
    again and again, until they all are.

    Raises:
        UnreachableError: NATS does not answer.
    """
    async with connected(doctor.subject(data_dir)) as bus:
        js = bus.jetstream()
        found = await ledgers.find(js)
        last = {each.stream: (await extents.extent(js, each)).last for each in found}
        while True:
            left = 0
            for stream, seq in last.items():
                floor = (await js.consumer_info(stream, WRITER_DURABLE)).ack_floor
                left += max(0, seq - (floor.stream_seq if floor is not None else 0))
            yield left
            if not left:
                return
            await asyncio.sleep(POLL_S)
