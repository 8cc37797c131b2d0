"""Deliveries a second to a fast endpoint, alone and beside one that hangs.

    python -m tests.bench.webhooks [--events 20000] [--runs 3] [--database-url URL]

A nats-server, `cabrank persistence` and `cabrank webhooks` as processes of their own, a
ledger that is full before they begin, an endpoint in this process. The two ways are
taken in turns: judge by their ratio.
"""

import argparse
import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nats.errors
import uvloop

from persistence import revisions
from persistence.identity import keyfiles
from runtime import bus as buses
from runtime.bus import Bus
from schemas import subjects
from schemas.accounts import Result
from schemas.codec import decode, encode
from schemas.webhooks import AddWebhook, MadeWebhook, RemoveWebhook, Replay
from tests.support import nats as servers
from tests.support.records import Ledger, event, trip

MOVES = 4
OK = b"HTTP/1.1 204 OK\r\ncontent-length: 0\r\n\r\n"
HEAD_END = b"\r\n\r\n"
LIMIT_S = 100.0


class Fast(asyncio.Protocol):
    """Answers at once, and counts."""

    count = 0
    begun = 0.0
    ended = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.left = b""

    def data_received(self, data: bytes) -> None:
        self.left += data
        while (end := self.left.find(HEAD_END)) >= 0:
            head = self.left[:end].lower()
            length = int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])
            if len(self.left) < end + 4 + length:
                return
            self.left = self.left[end + 4 + length :]
            Fast.begun = Fast.begun or time.monotonic()
            Fast.ended = time.monotonic()
            Fast.count += 1
            self.transport.write(OK)


class Hanging(asyncio.Protocol):
    """Takes all, and says nothing."""


@contextlib.contextmanager
def service(name: str, environ: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-m", "cabrank", name],
        env={**os.environ, **environ},
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


async def ask(bus: Bus, operation: str, asked: object) -> bytes:
    for _ in range(100):
        with contextlib.suppress(nats.errors.Error, TimeoutError):
            subject = subjects.webhooks(operation)
            answer = await bus.request(subject, encode(asked), timeout=5)
            result = decode(answer.data, Result)
            assert result.refused is None, result
            return bytes(result.data or b"null")
        await asyncio.sleep(0.1)
    raise SystemExit("persistence does not answer")


async def hook(bus: Bus, port: int) -> str:
    url = f"http://127.0.0.1:{port}/"
    asked = AddWebhook(url=url, events=["trip.*"], by="bench")
    return decode(await ask(bus, "add", asked), MadeWebhook).id


async def measure(bus: Bus, fast: int, hanging: int | None, events: int) -> float:
    """Deliveries a second of a replay of the whole ledger."""
    hooks = [await hook(bus, port) for port in (fast, hanging) if port is not None]
    await asyncio.sleep(2)
    Fast.count, Fast.begun = 0, 0.0
    for one in hooks[::-1]:
        await ask(bus, "replay", Replay(one, "bench", 0))
    deadline = time.monotonic() + LIMIT_S
    while Fast.count < events and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    for one in hooks:
        await ask(bus, "remove", RemoveWebhook(one, "bench"))
    assert Fast.count >= events, f"{Fast.count} of {events}"
    return Fast.count / (Fast.ended - Fast.begun)


async def main(events: int, runs: int, url: str | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = servers.NatsServer(Path(folder))
        server.start()
        pem, jwks = Path(folder, "signing.pem"), Path(folder, "jwks.json")
        keyfiles.ensure(pem, jwks)
        database_url = url or f"sqlite:///{folder}/bench.db"
        revisions.migrate(database_url)
        environ = {
            "CABRANK_NATS_URL": server.url,
            "CABRANK_DATABASE_URL": database_url,
            "CABRANK_SIGNING_KEY_FILE": str(pem),
            "CABRANK_VERIFY_KEYS_FILE": str(jwks),
            "CABRANK_WEBHOOKS_PRIVATE": "1",
        }
        bus = await buses.connect(server.url, "bench")
        ledger = await Ledger(bus).create()
        loop = asyncio.get_running_loop()
        fast = await loop.create_server(Fast, "127.0.0.1", 0)
        hanging = await loop.create_server(Hanging, "127.0.0.1", 0)
        ports = [one.sockets[0].getsockname()[1] for one in (fast, hanging)]
        with service("persistence", environ), service("webhooks", environ):
            for number in range(events // MOVES):
                moves = (event(trip(number, move)) for move in range(MOVES))
                await ledger.append(*moves)
            rates: dict[str, list[float]] = {"alone": [], "beside one that hangs": []}
            for _ in range(runs):
                for way, beside in zip(rates, (None, ports[1]), strict=True):
                    rate = await measure(bus, ports[0], beside, events)
                    rates[way].append(rate)
                    print(f"{way}: {rate:,.0f} deliveries/s", flush=True)
        for way, found in rates.items():
            print(f"{way}: median {statistics.median(found):,.0f} deliveries/s")
        await bus.close()
        server.kill()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--database-url")
    given = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(given.events, given.runs, given.database_url))
