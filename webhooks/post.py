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

from schemas.outside import UrlError, target
from webhooks import metrics
from webhooks.errors import Forbidden
from webhooks.resolving import Resolver
from webhooks.verdict import Answer

ANSWER_S = 15.0
"""PROTOCOL.md section 8; from the name's look-up to the status."""
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
    the same address.
    """

    def __init__(
        self,
        url: str,
        resolver: Resolver,
        context: ssl.SSLContext,
        connections_max: int,
    ) -> None:
        self.url = url
        self._resolver = resolver
        self._transport = httpx.AsyncHTTPTransport(
            verify=context,
            limits=httpx.Limits(
                max_connections=connections_max,
                max_keepalive_connections=connections_max,
                keepalive_expiry=KEEPALIVE_S,
            ),
        )

    async def close(self) -> None:
        await self._transport.aclose()

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Never raises for what the endpoint, or the way to it, does."""
        begun = time.perf_counter()
        try:
            async with asyncio.timeout(ANSWER_S):
                response = await self._send(body, headers)
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

    async def _send(self, body: bytes, headers: Mapping[str, str]) -> httpx.Response:
        to = target(self.url)
        address = await self._resolver.address(to)
        where = f"[{address}]" if ":" in address else address
        request = httpx.Request(
            "POST",
            f"{to.scheme}://{where}:{to.port}{to.path}",
            headers={**_HEADERS, **headers, "host": to.host},
            content=body,
            # Of the certificate the name is asked, not the address.
            extensions={"sni_hostname": to.name.strip("[]").removesuffix(".")},
        )
        return await self._transport.handle_async_request(request)


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
