"""What the services ask of JetStream in quiet moments, as nats-py's context answers it:
the stream, its last record, the consumer, the object store.
"""

from types import SimpleNamespace
from typing import Any

from nats.js.api import ConsumerConfig
from nats.js.errors import NotFoundError

from schemas import streams
from tests.simulation.net import Link, Server

LEDGER_ID = "0" * 32


class Jet:
    """The calls that services make for quiet moments."""

    def __init__(self, link: Link, server: Server) -> None:
        self._link = link
        self._server = server

    async def stream_info(self, name: str) -> Any:
        def look() -> Any:
            if name == streams.SNAPSHOTS_STREAM:
                return SimpleNamespace(config=SimpleNamespace(num_replicas=1))
            stream = self._server.stream
            first, last = stream.first, len(stream.records)
            return SimpleNamespace(
                config=SimpleNamespace(
                    metadata={streams.LEDGER_ID: LEDGER_ID},
                    first_seq=0,
                    num_replicas=1,
                    max_bytes=-1,
                ),
                state=SimpleNamespace(
                    first_seq=first, last_seq=last, messages=last - first + 1, bytes=0
                ),
            )

        return await self._link.ask(look)

    async def get_last_msg(self, name: str, subject: str) -> Any:
        def look() -> Any:
            if name == streams.SNAPSHOTS_STREAM:
                return self._server.objects.last(subject)
            records = self._server.stream.records
            if not records:
                raise NotFoundError
            return SimpleNamespace(seq=len(records), data=records[-1])

        return await self._link.ask(look)

    async def get_msg(self, _: str, *, seq: int, subject: str, **how: Any) -> Any:
        assert how == {"next": True}
        return await self._link.ask(lambda: self._server.objects.next(subject, seq))

    async def publish(
        self, subject: str, payload: bytes, *, headers: dict[str, str]
    ) -> None:
        objects = self._server.objects
        await self._link.ask(lambda: objects.publish(subject, payload, headers))

    async def purge_stream(self, _: str, *, seq: int = 0, subject: str = "") -> None:
        server = self._server
        if subject:
            await self._link.ask(lambda: server.objects.purge(subject))
        else:
            await self._link.ask(lambda: server.stream.purge(seq))

    async def add_consumer(self, *_: Any) -> None:
        def make() -> None:
            self._server.stream.consumer.made = True

        await self._link.ask(make)

    async def consumer_info(self, *_: Any) -> Any:
        consumer = self._server.stream.consumer
        return await self._link.ask(
            lambda: SimpleNamespace(
                num_pending=consumer.pending,
                num_ack_pending=0,
                config=ConsumerConfig(),
                ack_floor=SimpleNamespace(stream_seq=consumer.floor),
            )
        )
