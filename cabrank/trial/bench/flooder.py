"""Who floods, in a process of its own: opens connections and sends without end.

`python -m cabrank.trial.bench.flooder` reads a `Flood` a line on standard input and
answers each with a `Flooded` line. It sends as fast as it is taken, and comes back when
it is thrown out; and it gives way to everybody else (`give_way`), for what its own
sending takes of this machine's processors is nothing that an attacker's would.
"""

import asyncio
import base64
import contextlib
import os
import resource
import sys
import time
from collections import Counter
from itertools import cycle
from urllib.parse import urlsplit

import uvloop

from cabrank.trial.bench.floods import KINDS, Flood, Flooded
from schemas.codec import decode, encode

CHUNK_BYTES = 64 * 1024
BACK_S = 0.1
"""Until who was thrown out comes back: how fast connections may be made is another
limit's business."""
HEAD_MAX_S = 10.0
NICE = 19
"""Where there is no SCHED_IDLE (sched(7): Linux has it)."""


class Flooder:
    def __init__(self, flood: Flood) -> None:
        self._flood = flood
        self._kind = KINDS[flood.kind]
        self._ends_s = time.monotonic() + flood.seconds
        self._tokens = cycle(flood.tokens or [""])
        self.done = Flooded(0, 0, {})
        self._ends: Counter[str] = Counter()

    async def run(self) -> Flooded:
        await asyncio.gather(*(self._come() for _ in range(self._flood.count)))
        self.done.ends = dict(self._ends)
        return self.done

    async def _come(self) -> None:
        """One connection after the other, until the time is over."""
        token = next(self._tokens)
        while (left_s := self._ends_s - time.monotonic()) > 0:
            try:
                async with asyncio.timeout(left_s):
                    await self._send(token)
            except TimeoutError:
                return
            except (OSError, EOFError, asyncio.IncompleteReadError):
                self._ends["no connection"] += 1
            await asyncio.sleep(BACK_S)

    async def _send(self, token: str) -> None:
        url = urlsplit(self._flood.base)
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        self.done.opened += 1
        try:
            if self._kind.upgrades:
                writer.write(_upgrade(url.netloc, token if self._kind.logs_in else ""))
                async with asyncio.timeout(HEAD_MAX_S):
                    head = await reader.readuntil(b"\r\n\r\n")
                if b" 101 " not in head.partition(b"\r\n")[0]:
                    self._ends[head[9:12].decode(errors="replace")] += 1
                    return
            piece = self._kind.sent_by(token)
            chunk = piece * max(1, CHUNK_BYTES // len(piece))
            writer.write(self._kind.first)
            over = asyncio.ensure_future(self._read(reader))
            try:
                while not over.done():
                    writer.write(chunk)
                    self.done.sent_bytes += len(chunk)
                    drained = asyncio.ensure_future(writer.drain())
                    await asyncio.wait(
                        {over, drained}, return_when=asyncio.FIRST_COMPLETED
                    )
                    drained.cancel()
                    with contextlib.suppress(asyncio.CancelledError, OSError):
                        await drained
            finally:
                over.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await over
        finally:
            writer.transport.abort()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        """What comes back is thrown away, but for how it ends."""
        last = b""
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                last = (last + data)[-128:]
                if (code := _close_code(last)) is not None:
                    self._ends[code] += 1
                    return
        self._ends["1006"] += 1


def _close_code(end: bytes) -> str | None:
    """Of a close frame that is the last thing in `end`."""
    at = end.rfind(b"\x88")
    if at < 0 or len(end) < at + 4 or len(end) != at + 2 + end[at + 1]:
        return None
    return str(int.from_bytes(end[at + 2 : at + 4], "big"))


def _upgrade(host: str, token: str) -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        "GET /ws HTTP/1.1",
        f"Host: {host}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}",
    ]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    return "\r\n".join([*lines, "", ""]).encode()


async def serve() -> None:
    """Do what standard input says, until it ends."""
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.buffer.readline):
        done = await Flooder(decode(line, Flood)).run()
        sys.stdout.buffer.write(encode(done) + b"\n")
        sys.stdout.buffer.flush()


def give_way() -> None:
    """Run when nobody else on this machine would: SCHED_IDLE is preempted by whoever
    wakes, and whoever wakes is put on a processor that only it has.
    """
    idle = getattr(os, "SCHED_IDLE", None)
    if idle is None:
        os.nice(NICE)
    else:
        os.sched_setscheduler(0, idle, os.sched_param(0))


def main() -> None:
    give_way()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())


if __name__ == "__main__":
    main()
