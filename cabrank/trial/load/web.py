"""HTTP of the load clients: the standard library's, in a few threads.

Few requests against many frames, so a dependency would not pay here.
"""

import asyncio
import http.client
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from cabrank.errors import reason
from cabrank.operate.address import base_url
from cabrank.trial.load import LoadError
from schemas.codec import encode

TIMEOUT_S = 10
CONNECTIONS_MAX = 16
"""A question about the past waits for what is being written, some 50 ms under load."""


class Response(Struct):
    """`status` 0: nothing answered, and `body` says why. `retry_after_s`: what a 429
    asks for.
    """

    status: int
    body: bytes
    retry_after_s: float = 1


class Web:
    """Requests to one base URL over a few kept connections."""

    def __init__(self, base: str) -> None:
        self.base = base
        parts = urlsplit(base)
        assert parts.hostname is not None
        self._host, self._port = parts.hostname, parts.port
        self._secure = parts.scheme == "https"
        self._local = threading.local()
        self._threads = ThreadPoolExecutor(CONNECTIONS_MAX, "web")

    async def ask(
        self, method: str, path: str, body: Any = None, token: str | None = None
    ) -> Response:
        """One request; never raises, a connection that fails is status 0."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._threads, self._ask, method, path, body, token
        )

    def _ask(self, method: str, path: str, body: Any, token: str | None) -> Response:
        headers = {"Content-Type": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        payload = None if body is None else encode(body)
        connection = getattr(self._local, "connection", None) or self._connection()
        self._local.connection = connection
        try:
            connection.request(method, path, payload, headers)
            answer = connection.getresponse()
            wait = answer.getheader("Retry-After") or "1"
            wait_s = float(wait) if wait.isdigit() else 1
            return Response(answer.status, answer.read(), wait_s)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            return Response(0, reason(error).encode())

    def _connection(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._secure else None
        return (kind or http.client.HTTPConnection)(
            self._host, self._port, timeout=TIMEOUT_S
        )

    def close(self) -> None:
        self._threads.shutdown(wait=False)


def answering(text: str) -> str:
    """The base URL that `text` is, where somebody answers now; who goes away later is
    the run's to live through. Not within an event loop.

    Raises:
        LoadError: it is no URL, or nobody answers there.
    """
    web = Web(base_url(text))
    try:
        answer = asyncio.run(web.ask("GET", "/healthz"))
    finally:
        web.close()
    if not answer.status:
        why = answer.body[:200].decode(errors="replace")
        raise LoadError(f"{web.base} does not answer: {why}.")
    return web.base
