"""Requests as bytes, answers taken apart."""

import asyncio
import json
from typing import Any

from tests.contract.gateway_ws.conftest import World
from tests.support.rawsocket import RawSocket

LIMIT_S = 20
HEALTHZ = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


async def tcp(world: World) -> RawSocket:
    return await RawSocket.tcp(int(world.url.rpartition(":")[2]))


async def answer(one: RawSocket) -> tuple[int, dict[str, str], bytes]:
    """Status, headers by lower-case name, body of the next response."""
    async with asyncio.timeout(LIMIT_S):
        head = await one.reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")[:-2]
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        length = int(headers.get("content-length", 0))
        return int(first.split()[1]), headers, await one.reader.readexactly(length)


async def told(world: World, request: bytes) -> tuple[int, dict[str, str], bytes]:
    one = await tcp(world)
    one.send(request)
    try:
        return await answer(one)
    finally:
        one.abort()


def problem(given: tuple[int, dict[str, str], bytes], status: int, code: str) -> Any:
    assert given[0] == status, given
    assert given[1]["content-type"] == "application/problem+json"
    body = json.loads(given[2])
    assert (body["status"], body["code"]) == (status, code)
    return body
