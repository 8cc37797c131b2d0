"""The objects of one NATS object store (ADR-20), a chunk at a time. Must not know what
is in them.

What lies there is what nats-py's `put` and `get` write and read. Theirs are not used:
`get` adds each chunk to those before it, which takes time by the square of the size
(33 MB: 3.8 CPU-s, 2026-11-29), and takes a store that is slow for one that is torn;
`put` wants the whole object at once.
"""

import asyncio
import base64
import hashlib
import secrets
from collections.abc import AsyncIterable
from datetime import UTC, datetime

import structlog
from msgspec import Struct
from nats.js import JetStreamContext, api
from nats.js.errors import APIError, NotFoundError
from nats.js.kv import MSG_ROLLUP_SUBJECT

from dispatcher.errors import SnapshotError
from runtime.ledger import RETRY_S, UNREACHABLE
from schemas import codec

log = structlog.get_logger()

CHUNK_BYTES = 128 * 1024
"""As nats-py has it: on one connection with a leader's commands, which wait for it."""
PUT_PATIENCE_S = 60.0
"""For a chunk to be stored: as long as a cluster's election and its queue may take."""
_NO_STREAM = 10059
"""err_code of a question about a stream that is not there."""
_DIGEST = "SHA-256="


class Info(Struct, frozen=True):
    """What the store says of an object."""

    name: str
    nuid: str
    """Where its chunks are; another after each `put`."""
    size: int = 0
    digest: str = ""
    description: str = ""
    deleted: bool = False


class Chunk(Struct, frozen=True):
    seq: int
    data: bytes


class Objects:
    """Methods raise one of `ledger.UNREACHABLE` while the store does not answer."""

    def __init__(self, js: JetStreamContext, bucket: str) -> None:
        self._js = js
        self._bucket = bucket
        self._stream = f"OBJ_{bucket}"

    async def info(self, name: str) -> Info | None:
        """None: no such object.

        Raises:
            SnapshotError: what is said of it can't be read.
        """
        try:
            message = await self._js.get_last_msg(self._stream, self._meta(name))
        except NotFoundError:
            return None
        try:
            info = codec.decode(message.data or b"", Info)
        except codec.CodecError as error:
            msg = f"what the store says of {name} can't be read: {error}"
            raise SnapshotError(msg) from error
        return None if info.deleted else info

    async def chunk(self, info: Info, after_seq: int = 0) -> Chunk | None:
        """The first chunk after a sequence of the stream; None: there is none. Asked of
        the stream's leader, as a copy of it may lag.
        """
        try:
            message = await self._js.get_msg(
                self._stream,
                seq=after_seq + 1,
                subject=self._chunks(info.nuid),
                next=True,
            )
        except NotFoundError as error:
            if error.err_code == _NO_STREAM:
                raise
            return None
        return Chunk(int(message.seq or 0), message.data or b"")

    async def put(
        self, name: str, description: str, parts: AsyncIterable[bytes]
    ) -> int:
        """Store an object in place of the one of this name, which stays until the last
        part is stored. What was stored of one that fails is taken away again.

        Returns: its size in bytes.
        """
        before = await self._replaced(name)
        nuid = secrets.token_hex(11)
        try:
            size = await self._put(name, nuid, description, parts)
        except (Exception, asyncio.CancelledError):
            await self._purge(nuid)
            raise
        if before is not None:
            await self._purge(before.nuid)
        return size

    async def _put(
        self, name: str, nuid: str, description: str, parts: AsyncIterable[bytes]
    ) -> int:
        digest = hashlib.sha256()
        subject = self._chunks(nuid)
        size = count = 0
        async for data in _chunked(parts):
            digest.update(data)
            await self._publish(subject, data, {"Nats-Msg-Id": f"{nuid}-{count}"})
            size += len(data)
            count += 1
        info = api.ObjectInfo(
            name=name,
            bucket=self._bucket,
            nuid=nuid,
            size=size,
            chunks=count,
            digest=_DIGEST + base64.urlsafe_b64encode(digest.digest()).decode(),
            description=description,
            mtime=datetime.now(UTC).isoformat(),
            options=api.ObjectMetaOptions(max_chunk_size=CHUNK_BYTES),
        )
        rollup = {api.Header.ROLLUP.value: MSG_ROLLUP_SUBJECT}
        payload = codec.encode(info.as_dict())
        await self._publish(self._meta(name), payload, rollup)
        return size

    async def _publish(
        self, subject: str, payload: bytes, headers: dict[str, str]
    ) -> None:
        """Again and again while nobody answers; the id keeps it from being stored
        twice (within two minutes, the server's default).
        """
        loop = asyncio.get_running_loop()
        until_s = loop.time() + PUT_PATIENCE_S
        while True:
            try:
                await self._js.publish(subject, payload, headers=dict(headers))
            except APIError:
                raise  # full, or another no
            except UNREACHABLE:
                if loop.time() > until_s:
                    raise
                await asyncio.sleep(RETRY_S)
            else:
                return

    async def _replaced(self, name: str) -> Info | None:
        try:
            return await self.info(name)
        except SnapshotError:
            return None

    async def _purge(self, nuid: str) -> None:
        try:
            await self._js.purge_stream(self._stream, subject=self._chunks(nuid))
        except UNREACHABLE as error:
            log.warning("chunks left behind", nuid=nuid, error=repr(error))

    def _chunks(self, nuid: str) -> str:
        return f"$O.{self._bucket}.C.{nuid}"

    def _meta(self, name: str) -> str:
        token = base64.urlsafe_b64encode(name.encode()).decode()
        return f"$O.{self._bucket}.M.{token}"


class Digest:
    """Of the chunks of an object that is read."""

    def __init__(self, info: Info) -> None:
        self._info = info
        self._sha = hashlib.sha256()
        self._size = 0

    @property
    def is_whole(self) -> bool:
        return self._size >= self._info.size

    def add(self, data: bytes) -> None:
        self._sha.update(data)
        self._size += len(data)

    def check(self) -> None:
        """At the end.

        Raises:
            SnapshotError: these are not the bytes that were written.
        """
        found = base64.urlsafe_b64encode(self._sha.digest()).decode()
        said = self._info.digest.partition("=")[2]
        if self._size != self._info.size or found.rstrip("=") != said.rstrip("="):
            msg = f"{self._size} bytes don't fit the digest of {self._info.size}"
            raise SnapshotError(msg)


async def _chunked(parts: AsyncIterable[bytes]) -> AsyncIterable[bytes]:
    """The same bytes in pieces of `CHUNK_BYTES`, but for the last."""
    waiting = bytearray()
    async for part in parts:
        waiting += part
        while len(waiting) >= CHUNK_BYTES:
            yield bytes(waiting[:CHUNK_BYTES])
            del waiting[:CHUNK_BYTES]
    if waiting:
        yield bytes(waiting)
