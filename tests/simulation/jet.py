"""What the services ask of JetStream in quiet moments, as nats-py's context answers it:
the stream, its last record, the consumer, the object store.
"""

from collections.abc import Awaitable
from types import SimpleNamespace
from typing import Any

import nats.errors
from nats.js.errors import NotFoundError

from schemas import streams
from tests.simulation.net import Link, Server

LEDGER_ID = "0" * 32


class Jet:
    """The calls that services make for quiet moments."""

    def __init__(self, link: Link, server: Server) -> None:
        self._link = link
        self._server = server

    async def stream_info(self, _: str) -> Any:
        def look() -> Any:
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

    async def get_last_msg(self, _: str, __: str) -> Any:
        def look() -> Any:
            records = self._server.stream.records
            if not records:
                raise NotFoundError
            return SimpleNamespace(seq=len(records), data=records[-1])

        return await self._link.ask(look)

    async def purge_stream(self, _: str, *, seq: int) -> None:
        await self._link.ask(lambda: self._server.stream.purge(seq))

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
                ack_floor=SimpleNamespace(stream_seq=consumer.floor),
            )
        )

    async def object_store(self, _: str) -> "Objects":
        await self._link.ask(lambda: None)
        return Objects(self._link, self._server)


class Objects:
    """An object store, of which one may be torn: it fits no digest then."""

    def __init__(self, link: Link, server: Server) -> None:
        self._link = link
        self._server = server

    async def put(self, name: str, payload: bytes, *, meta: Any) -> None:
        for _ in range(2):  # chunks, then what makes them count
            await self._link.ask(lambda: None)

        def keep() -> None:
            self._server.objects.pop(name, None)  # the newest comes last
            self._server.objects[name] = (payload, meta.description)
            if self._server.torn == name:
                self._server.torn = ""

        await self._link.ask(keep)

    async def get_info(self, name: str) -> Any:
        return SimpleNamespace(description=(await self._look(name))[1])

    async def get(self, name: str) -> Any:
        payload, _ = await self._look(name)
        if self._server.torn == name:
            raise nats.errors.Error
        return SimpleNamespace(data=payload)

    def _look(self, name: str) -> Awaitable[tuple[bytes, str]]:
        def look() -> tuple[bytes, str]:
            if name not in self._server.objects:
                raise NotFoundError
            return self._server.objects[name]

        return self._link.ask(look)
