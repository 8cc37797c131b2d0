"""Whether a program answers: one try each, over a connection of its own."""

import asyncio
from collections.abc import Awaitable, Callable

Probe = Callable[[], Awaitable[str | None]]
"""None: ready; else what is missing, in a few words. Never raises."""

TRY_S = 2.0
READ_MAX_BYTES = 4096


async def _talk(host: str, port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(request)
        return await reader.read(READ_MAX_BYTES)
    finally:
        writer.close()


async def _try(host: str, port: int, request: bytes) -> bytes | None:
    try:
        async with asyncio.timeout(TRY_S):
            return await _talk(host, port, request)
    except (OSError, TimeoutError):
        return None


def http(host: str, port: int) -> Probe:
    """GET /readyz answers 200."""
    request = f"GET /readyz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"

    async def probe() -> str | None:
        answer = await _try(host, port, request.encode())
        if answer is None:
            return "does not answer"
        status, _, rest = answer.partition(b"\r\n")
        if status.split()[1:2] == [b"200"]:
            return None
        body = rest.partition(b"\r\n\r\n")[2].decode(errors="replace").strip()
        return body.splitlines()[0] if body else "is not ready"

    return probe


def nats(host: str, port: int) -> Probe:
    """The server greets with its INFO; it listens once JetStream has recovered."""

    async def probe() -> str | None:
        greeting = await _try(host, port, b"")
        if greeting is not None and greeting.startswith(b"INFO "):
            return None
        return "does not answer"

    return probe
