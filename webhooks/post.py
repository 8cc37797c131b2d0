"""One POST to an endpoint, and what came of it. Must not decide whether it is tried
again (verdict.py).

The endpoint is a stranger: it may not answer, or never end; say anything, or send us
elsewhere. Nobody waits for it longer than `ANSWER_S`, no redirect is followed, no
cookie kept, and of its body at most `BODY_BYTES_MAX` is read, for the connection to be
used again.
"""

import asyncio
import ssl
import time
from collections.abc import Mapping

import certifi
import httpx

from schemas.outside import Target, UrlError, target
from webhooks import metrics
from webhooks.errors import Forbidden
from webhooks.resolving import Resolver
from webhooks.verdict import Answer

ANSWER_S = 15.0
"""PROTOCOL.md section 8; from the name's look-up to the status."""
CONNECT_S = 3.0
"""For an address that isn't the name's last; TCP asks again after 1 s."""
BODY_BYTES_MAX = 16 * 1024
BODY_S = 1.0
"""What is longer, or slower, costs its endpoint the connection."""
KEEPALIVE_S = 30.0
_HEADERS = {
    "content-type": "application/json",
    "user-agent": "cabrank-webhooks",
    "accept-encoding": "identity",
}


def tls() -> ssl.SSLContext:
    """The system's authorities (SSL_CERT_FILE names others), and Mozilla's."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


class Endpoint:
    """The connections to one webhook's endpoint; none is shared with another's, even at
    the same address. As many as there are posts at once.
    """

    def __init__(self, url: str, resolver: Resolver, context: ssl.SSLContext) -> None:
        self.url = url
        self._resolver = resolver
        self._context = context
        self._free: list[httpx.AsyncHTTPTransport] = []
        """Each of one connection: a pool of many looks at all of them for each request
        (1.5 ms of CPU with 32, 0.5 ms so; 2026-11-30). The last used first."""
        self._is_closed = False

    async def close(self) -> None:
        """At once those that are free, the others after their post."""
        self._is_closed = True
        while self._free:
            await self._free.pop().aclose()

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Never raises for what the endpoint, or the way to it, does."""
        way = self._free.pop() if self._free else self._way()
        try:
            return await self._post(way, body, headers)
        finally:
            if self._is_closed:
                await way.aclose()
            else:
                self._free.append(way)

    def _way(self) -> httpx.AsyncHTTPTransport:
        limits = httpx.Limits(
            max_connections=1,
            max_keepalive_connections=1,
            keepalive_expiry=KEEPALIVE_S,
        )
        return httpx.AsyncHTTPTransport(verify=self._context, limits=limits)

    async def _post(
        self, way: httpx.AsyncHTTPTransport, body: bytes, headers: Mapping[str, str]
    ) -> Answer:
        begun = time.perf_counter()
        try:
            async with asyncio.timeout(ANSWER_S):
                response = await self._answer(way, body, headers)
        except TimeoutError:
            return Answer(None, f"it did not answer within {ANSWER_S:.0f} s")
        except (Forbidden, UrlError) as error:
            return Answer(None, str(error))
        except (httpx.HTTPError, OSError, ssl.SSLError, ValueError) as error:
            return Answer(None, why(error))
        finally:
            metrics.attempt_seconds.observe(time.perf_counter() - begun)
        await _finish(response)
        return Answer(response.status_code)

    async def _answer(
        self, way: httpx.AsyncHTTPTransport, body: bytes, headers: Mapping[str, str]
    ) -> httpx.Response:
        """Of the first of its addresses that takes a connection: until then nothing is
        sent, and many a name has one that can't be reached from here (IPv6's).
        """
        to = target(self.url)
        *others, last = await self._resolver.addresses(to)
        for address in others:
            request = _request(to, address, body, headers)
            request.extensions["timeout"] = {"connect": CONNECT_S}
            try:
                return await way.handle_async_request(request)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await way.handle_async_request(_request(to, last, body, headers))


def _request(
    to: Target, address: str, body: bytes, headers: Mapping[str, str]
) -> httpx.Request:
    where = f"[{address}]" if ":" in address else address
    return httpx.Request(
        "POST",
        f"{to.scheme}://{where}:{to.port}{to.path}",
        headers={**_HEADERS, **headers, "host": to.host},
        content=body,
        # Of the certificate the name is asked, not the address.
        extensions={"sni_hostname": to.name.strip("[]").removesuffix(".")},
    )


async def _finish(response: httpx.Response) -> None:
    """Read the rest where that is soon done; the answer is known already."""
    try:
        async with asyncio.timeout(BODY_S):
            size = 0
            async for part in response.stream:  # type: ignore[union-attr]
                size += len(part)
                if size > BODY_BYTES_MAX:
                    break
    except (httpx.HTTPError, OSError, TimeoutError):
        pass
    finally:
        await response.aclose()


def why(error: Exception) -> str:
    """In a few words, for whoever looks after the endpoint."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not good: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return f"TLS failed: {cause.reason or cause}"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.ConnectError):
        return f"it can't be connected to: {str(error) or 'refused'}"
    if isinstance(error, httpx.RemoteProtocolError):
        return f"it does not speak HTTP: {error}"
    if isinstance(error, OSError):
        return f"its name can't be resolved: {error.strerror or error}"
    return f"the connection was lost: {str(error) or type(error).__name__}"
