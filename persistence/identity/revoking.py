"""Publishes revocations. Must not decide whom they concern."""

import asyncio

import nats.errors
import structlog
from nats.js.errors import NoStreamResponseError

from runtime import streams as runtime_streams
from runtime.bus import Bus
from runtime.settings import Settings
from schemas import codec, streams, subjects
from schemas.accounts import Revocation

log = structlog.get_logger()

PUBLISH_TIMEOUT_S = 2.0
"""A gateway gives up on the whole after 5 s."""
RETRY_S = 0.25


class Revoker:
    def __init__(self, bus: Bus, settings: Settings) -> None:
        self._js = bus.jetstream(timeout=PUBLISH_TIMEOUT_S)
        self._settings = settings

    async def publish(self, revocation: Revocation) -> None:
        """Return when JetStream has it on disk.

        Raises:
            nats.errors.Error: it has not, or that is unknown.
        """
        subject = subjects.revoked(revocation.user)
        payload = codec.encode(revocation)
        try:
            await self._js.publish(subject, payload, stream=streams.REVOCATIONS)
        except NoStreamResponseError:
            # Also makes it anew where the NATS server lost its files.
            await self._ensure()
            await self._js.publish(subject, payload, stream=streams.REVOCATIONS)

    async def make_stream(self) -> None:
        """Gateways wait for it, and may not make it themselves."""
        while True:
            try:
                return await self._ensure()
            except (nats.errors.Error, TimeoutError, OSError) as error:
                log.warning("JetStream does not answer yet", error=repr(error))
                await asyncio.sleep(RETRY_S)

    async def _ensure(self) -> None:
        await runtime_streams.ensure(
            self._js,
            streams.revocations(self._settings.access_ttl_s),
            replicas=self._settings.replicas,
        )
